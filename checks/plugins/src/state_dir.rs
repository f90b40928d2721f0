//! Where a check keeps what it remembers, if no folder is given.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use venus_collectors::state;

/// The system's folder where this user can write it, or make it; else one below the user's own
/// folder for what need not outlive a login. Where there is none either it is the system's, and
/// the write says why it cannot be.
pub(super) fn default(runtime: Option<&Path>) -> PathBuf {
    choose(Path::new(state::DEFAULT_FOLDER), runtime)
}

fn choose(system: &Path, runtime: Option<&Path>) -> PathBuf {
    match runtime {
        Some(runtime) if !can_write(system) => runtime.join("venus"),
        Some(_) | None => system.to_owned(),
    }
}

fn can_write(folder: &Path) -> bool {
    let ancestor = folder.ancestors().find(|path| path.exists());
    ancestor.is_some_and(|path| access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_folder_is_used_where_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Path::new("/run/user/1000");
        // It is made by the first write.
        let new = folder.path().join("cache/venus");
        assert_eq!(choose(&new, Some(runtime)), new);
        // For root too, nothing can be made below a kernel's folder.
        let never = Path::new("/proc/self/venus");
        assert_eq!(choose(never, Some(runtime)), runtime.join("venus"));
        assert_eq!(choose(never, None), never);
    }
}
