//! What `packaging/build` has made.

use std::path::{Path, PathBuf};
use std::process::Command;
use venus_tests::{part, program};

/// A version that is older than any.
pub(crate) const OLD: &str = "0.0.1";

/// The folder with it.
pub(crate) struct Packages(PathBuf);

impl Packages {
    /// `$VENUS_PACKAGES`, or where `packaging/build` puts it by itself.
    pub(crate) fn find() -> Option<Self> {
        let test = std::env::current_exe().unwrap();
        // target/debug/deps/TEST
        let built = test.ancestors().nth(3).unwrap().join("package");
        let dir = std::env::var_os("VENUS_PACKAGES").map_or(built, PathBuf::from);
        if !dir.join("SHA256SUMS").exists() {
            return part::missing("what packaging/build makes");
        }
        Some(Self(dir))
    }

    /// Where they are.
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// All of them that end so.
    pub(crate) fn ending(&self, ending: &str) -> Vec<PathBuf> {
        let all = std::fs::read_dir(&self.0).unwrap();
        let all = all.map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> = all
            .filter(|path| path.to_str().unwrap().ends_with(ending))
            .collect();
        found.sort();
        assert!(!found.is_empty(), "nothing ends in {ending}");
        found
    }

    /// Packages for Debian, of this version.
    pub(crate) fn debs(&self) -> Vec<PathBuf> {
        self.ending(".deb")
    }

    /// The same with the number of an older version, made in `dir`.
    pub(crate) fn old_debs(&self, dir: &Path) -> Vec<PathBuf> {
        let repack = |deb: &PathBuf| {
            let name = deb.file_name().unwrap().to_str().unwrap();
            let (package, _) = name.split_once('_').unwrap();
            let made = dir.join(format!("{package}_{OLD}_amd64.deb"));
            let mut repack = Command::new("sh");
            repack
                .args(["-ec", REPACK])
                .arg(deb)
                .arg(dir.join(package))
                .args([made.as_os_str(), OLD.as_ref()]);
            let done = program::run(&mut repack);
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{said}");
            made
        };
        self.debs().iter().map(repack).collect()
    }
}

const REPACK: &str = r#"
dpkg-deb -R "$0" "$1"
sed -i "s/^Version: .*/Version: $3/" "$1/DEBIAN/control"
dpkg-deb -b -Zgzip --root-owner-group "$1" "$2" >/dev/null
rm -r "$1"
"#;
