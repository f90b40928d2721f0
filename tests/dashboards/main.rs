//! The dashboards, alert rules and Carbon's settings in `dashboards/`, by the real parts that
//! read them. Grafana itself is not among these.
//!
//! | module | holds |
//! |---|---|
//! | `panels` | what the files of the dashboards say |
//! | `fleet` | eight nodes, what they measure, and how that goes on for two hours |
//! | `graphite` | every target, by graphite-web over files that Carbon made |
//! | `prometheus` | every expression, by Prometheus; its rules and what promtool says |

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod fleet;
mod graphite;
mod panels;
mod prometheus;
