//! What is declared about a collector, and what it is built from.

use crate::collector::{Collector, Roots};
use crate::graphite::Scheme;
use crate::options::{Given, OptionError, OptionSpec};
use crate::source::docker::Host;

/// A collector's declaration: all that the command line, the agent and the tests know of it.
#[derive(Debug)]
pub struct Spec {
    /// Its command, which is also its name as a Sensu check extension: `metrics-cpu`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// What follows the host name in the default scheme; may be empty.
    pub scheme_suffix: &'static str,
    /// The check that the agent runs of its own accord.
    pub builtin: Option<Builtin>,
    /// Its own options, beside those that all have.
    pub options: &'static [OptionSpec],
    /// Makes one. Nothing is read before the first `collect`.
    pub build: fn(&Setup<'_>) -> Result<Box<dyn Collector>, OptionError>,
}

impl Spec {
    /// The scheme where none is given: `HOST.SUFFIX`, or `HOST` where the suffix is empty.
    #[must_use]
    pub fn default_scheme(&self, host: &str) -> Scheme {
        Scheme::default_for(host, self.scheme_suffix)
    }
}

/// A check that the agent runs by itself on clients with a certain subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// The check's name, e.g. `cpu_metrics`.
    pub check: &'static str,
    /// The subscription, e.g. `physical`.
    pub subscription: &'static str,
}

/// What a collector is built from.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Where to read.
    pub roots: &'a Roots,
    /// What each path begins with.
    pub scheme: &'a Scheme,
    /// Where Docker tells the names of containers, unless an option says otherwise.
    pub docker: &'a Host,
    /// The options' values.
    pub given: &'a Given,
}
