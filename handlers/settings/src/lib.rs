//! Sensu's settings files: which ones, in which order, and how they merge.
//!
//! The agent and the handlers read the same files below `/etc/sensu`, so both
//! find and merge them here. What the values mean is their own business. What the programs of
//! handlers have in common beside them is in [`program`].

pub mod program;
mod section;

use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use venus_event::Attributes;

pub use section::{Section, WrongType};

/// The config file that Sensu's packages install.
pub const DEFAULT_FILE: &str = "/etc/sensu/config.json";
/// The config directory that Sensu's packages install.
pub const DEFAULT_DIR: &str = "/etc/sensu/conf.d";

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something among the files of a directory that is none, and could be read for ever.
    #[error("{} is no file: move it out of the directory of settings", path.display())]
    NotAFile {
        /// The pipe, socket or device.
        path: PathBuf,
    },
    /// A file that is not JSON.
    #[error("{} is not JSON: {error}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        error: serde_json::Error,
    },
    /// A file that is JSON, but not an object.
    #[error("{} must hold a JSON object, {{…}}", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
}

impl SourceError {
    fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            error,
        }
    }
}

/// Which files to read. Defaults are read only where they exist; what was
/// asked for must be there.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `-c`: one file.
    pub file: Option<PathBuf>,
    /// `-d`: directories, each read recursively.
    pub dirs: Vec<PathBuf>,
}

impl Sources {
    /// All files in the order in which they are merged: the config file, then
    /// the `*.json` below each directory, sorted by path so that the result
    /// does not depend on the file system.
    pub fn files(&self) -> Result<Vec<PathBuf>, SourceError> {
        let mut files = Vec::new();
        match &self.file {
            Some(file) => files.push(file.clone()),
            None if Path::new(DEFAULT_FILE).exists() => files.push(DEFAULT_FILE.into()),
            None => {}
        }
        let default_dir = PathBuf::from(DEFAULT_DIR);
        let asked = !self.dirs.is_empty();
        let dirs = if asked {
            self.dirs.as_slice()
        } else {
            std::slice::from_ref(&default_dir)
        };
        for dir in dirs {
            if !asked && !dir.exists() {
                continue;
            }
            files.append(&mut files_below(dir)?);
        }
        Ok(files)
    }

    /// Where settings are looked for: `FILE and DIR`.
    #[must_use]
    pub fn places(&self) -> String {
        let file = self.file.as_deref().unwrap_or(DEFAULT_FILE.as_ref());
        let mut places = vec![file.display().to_string()];
        if self.dirs.is_empty() {
            places.push(DEFAULT_DIR.to_owned());
        }
        places.extend(self.dirs.iter().map(|dir| dir.display().to_string()));
        places.join(" and ")
    }

    /// Merges all [`files`](Self::files) over `settings`, and says which they were.
    pub fn merge_into(&self, settings: &mut Attributes) -> Result<Vec<PathBuf>, SourceError> {
        let files = self.files()?;
        for path in &files {
            merge(settings, read_file(path)?);
        }
        Ok(files)
    }
}

/// The settings of one path and no other: a file, or the `*.json` below a directory.
pub fn read_path(path: &Path) -> Result<Attributes, SourceError> {
    if !path.is_dir() {
        return read_file(path);
    }
    let mut settings = Map::new();
    for file in files_below(path)? {
        merge(&mut settings, read_file(&file)?);
    }
    Ok(settings)
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut below = Vec::new();
    json_files(dir, &mut HashSet::new(), &mut below)?;
    below.sort();
    Ok(below)
}

/// Links to directories are followed, as Sensu does, but into each directory
/// only once; hidden names are left out.
fn json_files(
    dir: &Path,
    visited: &mut HashSet<PathBuf>,
    found: &mut Vec<PathBuf>,
) -> Result<(), SourceError> {
    let unreadable = |error| SourceError::unreadable(dir, error);
    if !visited.insert(dir.canonicalize().map_err(unreadable)?) {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            json_files(&path, visited, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            if path.metadata().is_ok_and(|found| !found.is_file()) && !is_null(&path) {
                return Err(SourceError::NotAFile { path });
            }
            found.push(path);
        }
    }
    Ok(())
}

/// Whether it is a link to `/dev/null`, by which a file is masked.
fn is_null(path: &Path) -> bool {
    path.canonicalize()
        .is_ok_and(|target| target == Path::new("/dev/null"))
}

/// One file: a JSON object, perhaps behind a UTF-8 byte order mark; an empty
/// file counts as `{}`.
pub fn read_file(path: &Path) -> Result<Attributes, SourceError> {
    let bytes = fs::read(path).map_err(|error| SourceError::unreadable(path, error))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if text.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(SourceError::NotAnObject {
            path: path.to_owned(),
        }),
        Err(error) => Err(SourceError::NotJson {
            path: path.to_owned(),
            error,
        }),
    }
}

/// Deep merge of `over` into `base`, as Sensu merges: objects recursively, two
/// arrays are joined without duplicates and the first seen stays, of anything
/// else the later value wins.
pub fn merge(base: &mut Attributes, over: Attributes) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => {
                for item in new {
                    if !old.contains(&item) {
                        old.push(item);
                    }
                }
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Attributes {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a2_objects_merge_arrays_join_without_duplicates_and_the_later_scalar_wins() {
        let mut base = object(json!({"a": {"b": 1, "c": [1, 2]}, "d": [1], "e": 1}));
        merge(
            &mut base,
            object(json!({"a": {"c": [2, 3], "f": 2}, "d": "x", "e": 2})),
        );
        assert_eq!(
            Value::Object(base).to_string(),
            r#"{"a":{"b":1,"c":[1,2,3],"f":2},"d":"x","e":2}"#
        );
    }

    #[test]
    fn a1_files_below_a_directory_are_read_recursively_in_the_order_of_their_paths() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for name in [
            "z.json",
            "b/c.json",
            "a.json",
            "ignored.yml",
            ".a.json.swp.json",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("b/loop")).unwrap();
        let sources = Sources {
            file: None,
            dirs: vec![dir.path().to_owned()],
        };
        let found = sources.files().unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.json", "b/c.json", "z.json"]);
    }

    #[test]
    fn a_pipe_among_the_files_is_an_error_and_a_link_to_null_an_empty_file() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("b.json");
        std::os::unix::fs::symlink("/dev/null", dir.path().join("a.json")).unwrap();
        assert!(read_path(dir.path()).unwrap().is_empty());
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let message = read_path(dir.path()).unwrap_err().to_string();
        assert!(message.contains("b.json is no file"), "{message}");
    }

    #[test]
    fn one_path_is_a_file_or_a_directory_and_nothing_else_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.json");
        fs::write(&file, r#"{"a": 1, "b": 1}"#).unwrap();
        fs::write(dir.path().join("b.json"), r#"{"b": 2}"#).unwrap();
        let read = |path: &Path| Value::Object(read_path(path).unwrap()).to_string();
        assert_eq!(read(&file), r#"{"a":1,"b":1}"#);
        assert_eq!(read(dir.path()), r#"{"a":1,"b":2}"#);
        let missing = read_path(&dir.path().join("c")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read "), "{missing}");
    }

    #[test]
    fn a1_a_byte_order_mark_and_an_empty_file_are_no_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, b"\xef\xbb\xbf{\"a\": 1}").unwrap();
        assert_eq!(read_file(&path).unwrap(), object(json!({"a": 1})));
        fs::write(&path, " \n").unwrap();
        assert!(read_file(&path).unwrap().is_empty());
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_with_its_path_and_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.json");
        let whole = r#"{"client": {"name": "venus001", "subscriptions": ["physical"]}}"#;
        for end in 1..whole.len() {
            fs::write(&path, &whole.as_bytes()[..end]).unwrap();
            let message = read_file(&path).unwrap_err().to_string();
            assert!(message.contains("cut.json is not JSON"), "{message}");
        }
    }

    #[test]
    fn a6_a_file_that_does_not_parse_is_named_with_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken.json");
        fs::write(&path, "{\n  \"a\": 1,\n  \"b\" 2\n}").unwrap();
        let message = read_file(&path).unwrap_err().to_string();
        assert!(message.contains("broken.json"), "{message}");
        assert!(message.contains("line 3 column 7"), "{message}");
    }
}
