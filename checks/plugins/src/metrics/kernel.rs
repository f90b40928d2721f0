//! Single numbers of the host, each the twin of a check.

use crate::metrics::Metrics;
use crate::source::kernel::{self, Share};

/// See `docs/metrics/metrics-uptime.md`.
pub(super) static UPTIME: Metrics = Metrics {
    name: "metrics-uptime",
    about: "How long ago this host was booted, in seconds",
    scheme_suffix: "uptime",
    example: "",
    arguments: Vec::new,
    run: |_, context, figures| {
        figures.add(&["seconds"], kernel::uptime(context)?);
        Ok(())
    },
};

/// See `docs/metrics/metrics-file-descriptors.md`.
pub(super) static FILE_DESCRIPTORS: Metrics = Metrics {
    name: "metrics-file-descriptors",
    about: "File descriptors of the host: used, and the most there can be",
    scheme_suffix: "file_descriptors",
    example: "",
    arguments: Vec::new,
    run: |_, context, figures| {
        let Share { used, all } = kernel::file_descriptors(context)?;
        figures.add(&["used"], used);
        figures.add(&["max"], all);
        Ok(())
    },
};

/// See `docs/metrics/metrics-entropy.md`.
pub(super) static ENTROPY: Metrics = Metrics {
    name: "metrics-entropy",
    about: "Bits of randomness that the kernel has at hand",
    scheme_suffix: "entropy",
    example: "",
    arguments: Vec::new,
    run: |_, context, figures| {
        figures.add(&["available"], kernel::entropy(context)?);
        Ok(())
    },
};

/// See `docs/metrics/metrics-hugepages.md`.
pub(super) static HUGEPAGES: Metrics = Metrics {
    name: "metrics-hugepages",
    about: "Huge pages of the default size: used, and reserved",
    scheme_suffix: "hugepages",
    example: "",
    arguments: Vec::new,
    run: |_, context, figures| {
        let Share { used, all } = kernel::hugepages(context)?;
        figures.add(&["used"], used);
        figures.add(&["total"], all);
        Ok(())
    },
};
