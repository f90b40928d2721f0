//! The lines of a service's metrics.

use venus_collectors::graphite::{Scheme, sanitise};

use crate::status::Number;

/// Collects lines `PATH VALUE EPOCH\n`, and what could not be had for some of them.
#[derive(Debug)]
pub struct Figures {
    scheme: Scheme,
    now: u64,
    lines: String,
    problems: Vec<String>,
}

impl Figures {
    pub(super) fn new(scheme: Scheme, now: u64) -> Self {
        Self {
            scheme,
            now,
            lines: String::new(),
            problems: Vec::new(),
        }
    }

    /// A line whose path is the scheme and these nodes. A node may come from outside: what cannot
    /// stand in one, dots too, becomes `_`. Without a value (not a number, infinite) there is no
    /// line.
    pub fn add(&mut self, nodes: &[&str], value: impl Into<Number>) {
        let value = value.into();
        if matches!(value, Number::Real(number) if !number.is_finite()) {
            return;
        }
        self.lines.push_str(self.scheme.as_str());
        for node in nodes {
            self.lines.push('.');
            self.lines.push_str(&sanitise(node).replace('.', "_"));
        }
        self.lines.push_str(&format!(" {value} {}\n", self.now));
    }

    /// Some lines are missing, and this is why.
    pub fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    pub(super) fn lines(&self) -> &str {
        &self.lines
    }

    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_is_one_node() {
        let mut figures = Figures::new(Scheme::new("venus001.docker").unwrap(), 7);
        figures.add(&["web.1 x\ny", "cpu"], 0.5);
        figures.add(&["", "n"], 18_446_744_073_709_551_615_u64);
        figures.add(&["gone"], f64::NAN);
        assert_eq!(
            figures.lines(),
            "venus001.docker.web_1_x_y.cpu 0.5 7\n\
             venus001.docker._.n 18446744073709551615 7\n"
        );
    }
}
