//! `metrics-net`: packets, bytes, errors and speed of each network interface but `lo`.
//!
//! Sources `PROC/net/dev`, kept open, for all counters at once, and `SYS/class/net/IF/speed` in
//! Mbit/s, which each interface is asked for once a minute: some drivers ask their hardware. Any
//! Linux since 2.6. One read, and one per interface each minute.
//!
//! With `--name-by container` a veth is shown as the interface at its other end, which `net_names`
//! finds; one more system call each time.

use std::path::PathBuf;

use crate::collect::docker_host;
use crate::collect::filter::{self, Filter};
use crate::collect::net_names::Names;
use crate::collect::net_table::{Label, Table};
use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::kernel_file::KernelFile;
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-net",
    about: "Packets, bytes, errors and speed of each network interface",
    scheme_suffix: "net",
    builtin: Some(Builtin {
        check: "net_metrics",
        subscription: "physical",
    }),
    options: &[
        filter::INCLUDE,
        filter::IGNORE,
        OptionSpec {
            name: "name-by",
            short: None,
            kind: Kind::Choice(&["device", "container"]),
            value_name: "WHAT",
            help: "Show a veth under its own name, or as the container's interface behind it",
        },
        OptionSpec {
            name: "ignore-unmatched-veth",
            short: None,
            kind: Kind::Flag,
            value_name: "",
            help: "With --name-by container: leave out each veth behind which none is found",
        },
        docker_host::OPTION,
    ],
    build,
};

struct Net {
    file: KernelFile,
    buffer: Vec<u8>,
    class: PathBuf,
    table: Table,
    /// Unless they are shown by device.
    names: Option<Names>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let Setup { roots, given, .. } = setup;
    let prefix = setup.scheme.prefix();
    let class = roots.sys.join("class/net");
    let filter = Filter::given(given);
    let host = docker_host::host(setup)?;
    let names = (given.choice("name-by") == Some("container")).then(|| {
        Names::new(
            &roots.proc,
            prefix.clone(),
            filter.clone(),
            given.flag("ignore-unmatched-veth"),
            host,
        )
    });
    Ok(Box::new(Net {
        file: KernelFile::new(roots.proc.join("net/dev")),
        buffer: Vec::new(),
        table: Table::new(prefix, Some(class.clone()), filter),
        class,
        names,
    }))
}

impl Collector for Net {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let names = &mut self.names;
        let label = |names: &Option<Names>, device: &[u8]| match names {
            Some(names) => names.label(device),
            None => Label::Device,
        };
        if let Some(names) = names
            && names.refresh(now, problems)
        {
            self.table.relabel(|device| names.label(device));
        }
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        self.table
            .update(text, |device| label(names, device))
            .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))?;

        let before = out.len();
        graphite::write(out, now, |lines| {
            self.table.write(now, lines, problems);
            if let Some(names) = names {
                names.write(now, &mut self.buffer, lines, problems);
            }
            Ok::<(), CollectError>(())
        })?;
        if out.len() == before {
            return Ok(Presence::Absent(format!(
                "no network interface to show in {}; lo is never shown",
                self.file.path().display()
            )));
        }
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, now: u64) -> bool {
        self.names.as_mut().is_some_and(|names| names.poll(now))
    }

    fn explain(&self) -> Vec<String> {
        let mut lines = vec![
            format!("counters from {}", self.file.path().display()),
            format!("speeds from {}/IF/speed", self.class.display()),
        ];
        if let Some(names) = &self.names {
            names.explain(&mut lines);
        }
        lines
    }
}
