//! What may be a path in Graphite, and how a name becomes a part of one.

/// The longest node of a path: with `.wsp` it is the name of a file.
pub const LONGEST_NODE: usize = 250;
/// The longest path, its tags included: Carbon's folders come before it in the name of a file.
pub const LONGEST_PATH: usize = 2_048;

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It has a character that Graphite cannot take.
    #[error("{0:?} cannot stand in a path")]
    Character(char),
    /// Nothing stands between two dots, or before the first, or after the last.
    #[error("a node of the path is empty")]
    EmptyNode,
    /// It would be no name of a file.
    #[error("the path is too long")]
    TooLong,
    /// What follows a semicolon is not `NAME=VALUE`.
    #[error("a tag of the path is not NAME=VALUE")]
    Tag,
}

/// Whether a character can stand in a path: as the metrics of this project have it.
#[must_use]
pub fn is_allowed(character: char) -> bool {
    u8::try_from(character).is_ok_and(is_allowed_byte)
}

/// Printable ASCII, save `(){},'"\|*?[];/`.
fn is_allowed_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'..=b'&'
            | b'+'
            | b'-'
            | b'.'
            | b'0'..=b':'
            | b'<'..=b'>'
            | b'@'..=b'Z'
            | b'^'..=b'z'
            | b'~'
    )
}

/// Refuses what Carbon would not take, or would store where nobody looks for it. The tags of
/// Carbon, `;NAME=VALUE`, may follow.
pub fn check(path: &str) -> Result<(), PathFault> {
    if path.len() > LONGEST_PATH {
        return Err(PathFault::TooLong);
    }
    let (name, tags) = match path.split_once(';') {
        Some((name, tags)) => (name, Some(tags)),
        None => (path, None),
    };
    check_name(name)?;
    match tags {
        Some(tags) => tags.split(';').try_for_each(check_tag),
        None => Ok(()),
    }
}

/// A path without tags, as a prefix is one too.
pub fn check_name(name: &str) -> Result<(), PathFault> {
    let mut node = 0;
    for byte in name.bytes() {
        match byte {
            b'.' if node == 0 => return Err(PathFault::EmptyNode),
            b'.' => node = 0,
            byte if is_allowed_byte(byte) => node += 1,
            _ => {
                let bad = name.chars().find(|character| !is_allowed(*character));
                return Err(PathFault::Character(bad.unwrap_or_default()));
            }
        }
        if node > LONGEST_NODE {
            return Err(PathFault::TooLong);
        }
    }
    match node {
        0 => Err(PathFault::EmptyNode),
        _ => Ok(()),
    }
}

fn check_tag(tag: &str) -> Result<(), PathFault> {
    let (name, value) = tag.split_once('=').ok_or(PathFault::Tag)?;
    let mut characters = tag.chars();
    if let Some(character) = characters.find(|character| !is_allowed_in_tag(*character)) {
        return Err(PathFault::Character(character));
    }
    // Carbon refuses these, and with them the connection.
    let is_good = !name.is_empty()
        && !name.contains(['!', '^'])
        && !value.is_empty()
        && !value.starts_with('~');
    is_good.then_some(()).ok_or(PathFault::Tag)
}

/// Curly brackets and quotes would make Carbon read the path as that of another system.
fn is_allowed_in_tag(character: char) -> bool {
    character.is_ascii_graphic() && !r#";{}"\"#.contains(character)
}

/// A name that somebody gave, as part of a path: what cannot stand there becomes `_`, so does a
/// node that is empty; dots stay, a node that is too long is cut.
#[must_use]
pub fn nodes(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for (index, node) in name.split('.').enumerate() {
        if index > 0 {
            path.push('.');
        }
        push_node(&mut path, node);
    }
    path
}

/// Likewise as one node: dots become `_`, too.
#[must_use]
pub fn node(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    push_node(&mut path, &name.replace('.', "_"));
    path
}

fn push_node(path: &mut String, node: &str) {
    if node.is_empty() {
        path.push('_');
    }
    let good = |character| {
        if is_allowed(character) {
            character
        } else {
            '_'
        }
    };
    // All of them are ASCII by then.
    path.extend(node.chars().map(good).take(LONGEST_NODE));
}

/// A value of a tag: what cannot stand there becomes `_`.
#[must_use]
pub fn tag_value(value: &str) -> String {
    let good = |(index, character)| {
        let is_first_tilde = index == 0 && character == '~';
        if is_allowed_in_tag(character) && !is_first_tilde {
            character
        } else {
            '_'
        }
    };
    let value: String = value
        .chars()
        .take(LONGEST_NODE)
        .enumerate()
        .map(good)
        .collect();
    if value.is_empty() {
        "_".to_owned()
    } else {
        value
    }
}

/// A name of a tag: what cannot stand there becomes `_`.
#[must_use]
pub fn tag_name(name: &str) -> String {
    node(name).replace(['!', '^', '='], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_characters_are_those_of_the_metrics_of_this_project() {
        for character in (0..=0x0001_ffff).filter_map(char::from_u32) {
            assert_eq!(
                is_allowed(character),
                venus_collectors::graphite::is_allowed(character),
                "{character:?}"
            );
        }
    }

    #[test]
    fn good_paths_and_bad_ones() {
        let long = "x".repeat(LONGEST_NODE);
        for good in ["a", "a.b-c_d:e~%.0", "a;b=c", "a.b;dc=fr:1/2;r=a=b", &long] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("{long}x");
        let longest = "a.".repeat(LONGEST_PATH / 2) + "a";
        for (bad, fault) in [
            ("", PathFault::EmptyNode),
            (".a", PathFault::EmptyNode),
            ("a..b", PathFault::EmptyNode),
            ("a.", PathFault::EmptyNode),
            ("a/b", PathFault::Character('/')),
            ("a.ü", PathFault::Character('ü')),
            ("a;b", PathFault::Tag),
            ("a;", PathFault::Tag),
            ("a;=b", PathFault::Tag),
            ("a;b=", PathFault::Tag),
            ("a;b=~c", PathFault::Tag),
            ("a;b!=c", PathFault::Tag),
            ("a;b={c", PathFault::Character('{')),
            ("a;b=ü", PathFault::Character('ü')),
            (&long, PathFault::TooLong),
            (&longest, PathFault::TooLong),
        ] {
            assert_eq!(check(bad), Err(fault), "{bad}");
        }
    }

    #[test]
    fn names_become_parts_of_a_path() {
        assert_eq!(nodes("venus001.lan"), "venus001.lan");
        assert_eq!(nodes("/var/log size.ü..x."), "_var_log_size._._.x._");
        assert_eq!(node("0.5"), "0_5");
        assert_eq!(node(""), "_");
        assert_eq!(
            (tag_value("~a;b"), tag_name("a=!")),
            ("_a_b".into(), "a__".into())
        );
    }

    proptest! {
        #[test]
        fn whatever_the_name_the_path_is_good(name in ".{0,300}", value in ".{0,300}") {
            for path in [nodes(&name), node(&name)] {
                if path.len() <= LONGEST_PATH {
                    prop_assert_eq!(check(&path), Ok(()));
                }
            }
            let tagged = format!("a;{}={}", tag_name(&name), tag_value(&value));
            prop_assert_eq!(check(&tagged), Ok(()));
        }
    }
}
