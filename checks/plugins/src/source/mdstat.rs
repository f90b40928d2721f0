//! Linux software RAID: `PROC/mdstat`, see md(4).

/// One array.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Array<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_active: bool,
    /// `raid1`; an inactive one has none.
    pub(crate) level: &'a str,
    /// Members marked `(F)`.
    pub(crate) failed: Vec<&'a str>,
    /// How many members there are to be, and how many work.
    pub(crate) members: Option<(u32, u32)>,
    /// The container of a controller's arrays, which are listed beside it (IMSM, DDF): never active itself.
    pub(crate) is_container: bool,
    /// `recovery = 12.6%`
    pub(crate) progress: Option<String>,
}

/// All arrays of `PROC/mdstat`, in its order.
pub(crate) fn parse(text: &str) -> Vec<Array<'_>> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let is_below = line.starts_with([' ', '\t']);
        match (arrays.last_mut(), words.next(), words.next()) {
            (_, Some(name), Some(":")) if !is_below && name != "Personalities" => {
                arrays.push(array(name, words));
            }
            (Some(array), Some(_), _) if is_below => below(array, line),
            _ => {}
        }
    }
    arrays
}

fn array<'a>(name: &'a str, words: impl Iterator<Item = &'a str>) -> Array<'a> {
    let mut array = Array {
        name,
        ..Array::default()
    };
    for word in words {
        match word {
            "active" => array.is_active = true,
            "inactive" => array.is_active = false,
            word if word.ends_with("(F)") => {
                array.failed.extend(word.split('[').next());
            }
            // A member, or `(read-only)`.
            word if word.contains('[') || word.starts_with('(') => {}
            level => array.level = level,
        }
    }
    array
}

/// A line below the one with the name: `1 blocks super 1.2 [2/1] [U_]`, or how far it is.
fn below(array: &mut Array<'_>, line: &str) {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // An array in it has `external:/md127/0`.
        if let Some(of) = word.strip_prefix("external:") {
            array.is_container = !of.is_empty() && !of.starts_with(['/', '-']);
        }
        let inside = word
            .strip_prefix('[')
            .and_then(|word| word.strip_suffix(']'));
        if let Some((wanted, working)) = inside.and_then(|inside| inside.split_once('/')) {
            array.members = wanted.parse().ok().zip(working.parse().ok());
        }
        if matches!(word, "recovery" | "resync" | "reshape" | "check" | "repair") {
            let percent = words.clone().find(|word| word.ends_with('%'));
            array.progress = Some(format!("{word} {}", percent.unwrap_or("pending")));
        }
    }
}
