//! Under which path a measurement goes to Carbon.

use crate::path::{self, LONGEST_PATH, PathFault};
use crate::settings::{Settings, Tags};
use std::borrow::Cow;

/// The names of an event, and what the settings make of them.
#[derive(Debug)]
pub(crate) struct Naming {
    /// Before the path of a Graphite line: the prefix, and the client where that is asked for.
    plain: String,
    /// Before the name of anything else: the prefix and the client.
    converted: String,
    /// The check, before the names of performance data.
    check: String,
    /// A client's name as it stands in paths, and what stands there instead.
    reversed: Option<(String, String)>,
    tags: Tags,
}

impl Naming {
    pub(crate) fn new(settings: &Settings, client: &str, check: &str) -> Self {
        let dotted = |part: &str| match part {
            "" => String::new(),
            part => format!("{part}."),
        };
        let prefix = dotted(settings.prefix.as_deref().unwrap_or(""));
        let (client, reversed) = match client {
            "" => (String::new(), None),
            client if settings.reverse => {
                let client = path::nodes(client);
                let reversed: Vec<&str> = client.rsplit('.').collect();
                let reversed = reversed.join(".");
                (reversed.clone(), Some((client, reversed)))
            }
            client => (path::nodes(client), None),
        };
        let converted = prefix.clone() + &dotted(&client);
        let plain = if settings.prefix_source {
            converted.clone()
        } else {
            prefix
        };
        let check = match check {
            "" => String::new(),
            check => dotted(&path::nodes(check)),
        };
        Self {
            plain,
            converted,
            check,
            reversed,
            tags: settings.tags,
        }
    }

    /// What stands before a Graphite line's own path, and that path.
    pub(crate) fn plain<'a>(&'a self, path: &'a str) -> Result<[&'a str; 3], PathFault> {
        path::check(path)?;
        let (client, path) = match &self.reversed {
            Some((client, reversed)) => match path.strip_prefix(client.as_str()) {
                Some(rest) if rest.starts_with(['.', ';']) => (reversed.as_str(), rest),
                _ => ("", path),
            },
            None => ("", path),
        };
        within([&self.plain, client, path])
    }

    /// A path below the client, made of a name that was none, and what tags add to it.
    pub(crate) fn converted<'a>(
        &'a self,
        name: &'a str,
        suffix: &'a str,
    ) -> Result<[&'a str; 3], PathFault> {
        within([&self.converted, name, suffix])
    }

    /// Likewise below the check.
    pub(crate) fn of_check<'a>(&'a self, name: &'a str) -> Result<[&'a str; 3], PathFault> {
        within([&self.converted, &self.check, name])
    }

    /// What tags add to the end of a path.
    pub(crate) fn suffix(&self, tags: &[Tag<'_>]) -> String {
        let mut suffix = String::new();
        let mut tags: Vec<_> = tags.iter().collect();
        // Whatever the order in which they came, it is the same series.
        tags.sort();
        for (name, value) in tags {
            match self.tags {
                Tags::Path => {
                    suffix.push('.');
                    suffix.push_str(&path::node(value));
                }
                Tags::Graphite => {
                    let (name, value) = (path::tag_name(name), path::tag_value(value));
                    suffix.push_str(&format!(";{name}={value}"));
                }
            }
        }
        suffix
    }
}

/// A tag: its name and its value.
pub(crate) type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

fn within(parts: [&str; 3]) -> Result<[&str; 3], PathFault> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > LONGEST_PATH {
        return Err(PathFault::TooLong);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;
    use serde_json::{Value, json};

    fn naming(section: &Value) -> Naming {
        Naming::new(&settings(section), "venus001.hpc.example", "disk.check")
    }

    fn plain(section: &Value, path: &str) -> String {
        naming(section).plain(path).unwrap().concat()
    }

    #[test]
    fn a_line_keeps_its_path_behind_the_prefix() {
        let path = "venus001.hpc.example.cpu;a=b";
        for (section, expected) in [
            (json!({}), "venus001.hpc.example.cpu;a=b"),
            (json!({"prefix": "a.b"}), "a.b.venus001.hpc.example.cpu;a=b"),
            (json!({"reverse": true}), "example.hpc.venus001.cpu;a=b"),
        ] {
            assert_eq!(plain(&section, path), expected);
        }
        let section = json!({"prefix": "a", "prefix_source": true, "reverse": true});
        assert_eq!(plain(&section, "cpu"), "a.example.hpc.venus001.cpu");
        // Another host's name is not this client's.
        assert_eq!(
            plain(&json!({"reverse": true}), "venus001.hpc.example2.cpu"),
            "venus001.hpc.example2.cpu"
        );
    }

    #[test]
    fn other_names_go_below_the_client_and_tags_after_them() {
        let tags = [("core", "0.5"), ("arch", "x86/64")]
            .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let named = |section: &Value| {
            let naming = naming(section);
            let suffix = naming.suffix(&tags);
            naming.converted("cpu.user", &suffix).unwrap().concat()
        };
        assert_eq!(
            named(&json!({"prefix": "p"})),
            "p.venus001.hpc.example.cpu.user.x86_64.0_5"
        );
        assert_eq!(
            named(&json!({"tags": "graphite"})),
            "venus001.hpc.example.cpu.user;arch=x86/64;core=0.5"
        );
        assert_eq!(
            naming(&json!({})).of_check("_var").unwrap().concat(),
            "venus001.hpc.example.disk.check._var"
        );
    }

    #[test]
    fn a_path_that_gets_too_long_is_refused() {
        let naming = naming(&json!({"prefix": "p"}));
        let path = "a.".repeat(LONGEST_PATH / 2 - 1) + "a";
        assert_eq!(path::check(&path), Ok(()));
        assert_eq!(naming.plain(&path), Err(PathFault::TooLong));
        assert_eq!(naming.converted(&path, ""), Err(PathFault::TooLong));
        assert_eq!(naming.converted("a", &path), Err(PathFault::TooLong));
        assert_eq!(naming.of_check(&path), Err(PathFault::TooLong));
    }
}
