//! Readers of this host. They find and parse, and never format.

pub mod cgroup;
pub mod cgroup_path;
pub mod counts;
pub mod cpu_online;
pub mod docker;
pub mod infiniband;
pub mod kernel_file;
pub mod loadavg;
pub mod meminfo;
pub mod mounts;
pub mod namespaces;
pub mod net_dev;
pub mod net_speed;
pub mod nfs;
pub mod process;
pub mod rtnetlink;
pub mod space;
pub mod stat;
pub mod text;
