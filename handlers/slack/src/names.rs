//! Names of hosts, folded: `venus[001-008]`.

/// Each range of names as one.
pub(crate) fn fold(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
