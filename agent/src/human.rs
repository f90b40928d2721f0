//! Figures as people read them.

/// A figure over time.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Its name in `/api/node`.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// How a value of it is written.
    pub form: fn(f32) -> String,
}

/// What is known of a node's last hour.
pub const TRENDS: [Figure; 5] = [
    Figure::new("cpu", "processors", percent),
    Figure::new("load", "load", plain),
    Figure::new("memory", "memory", percent),
    Figure::new("network", "network", rate),
    Figure::new("infiniband", "InfiniBand", rate),
];

impl Figure {
    const fn new(id: &'static str, title: &'static str, form: fn(f32) -> String) -> Self {
        Self { id, title, form }
    }
}

/// How long something was or will be, in its largest fitting unit.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn percent(value: f32) -> String {
    format!("{value:.0} %")
}

fn plain(value: f32) -> String {
    format!("{value:.2}")
}

/// Of bytes a second.
fn rate(value: f32) -> String {
    let mut value = value;
    for unit in ["B/s", "kB/s", "MB/s"] {
        if value < 1000.0 {
            return format!("{value:.0} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} GB/s")
}
