//! Hostlists as SLURM writes them: `hpcg[1-3,7,09-12]`, `r[1-2]n[01-16],login`.
//!
//! A number in brackets is as wide as the first of its range, where that has a zero in front:
//! `[09-12]` is 09, 10, 11, 12.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How many names a list may have, in all: as many as SLURM itself takes in one range.
pub const MOST: usize = 65_536;

/// How long a name may be, in bytes: as long as the name of a host may be.
const LONGEST: usize = 255;

/// Digits of a number that fits 64 bits for sure.
const DIGITS: usize = 18;

/// This is no hostlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostlistError {
    /// A bracket without its other, or one within another.
    #[error("its brackets do not match")]
    Brackets,
    /// What is in brackets is neither a number nor a range of numbers.
    #[error("its brackets have what is no range of numbers")]
    Range,
    /// Nothing between two commas.
    #[error("a name in it is empty")]
    Empty,
    /// Longer than a host's name can be.
    #[error("a name in it is longer than {LONGEST} bytes")]
    Long,
    /// It would take too much memory.
    #[error("it has more than {MOST} names")]
    Many,
}

/// Its names, in its order. An empty text has none.
pub fn expand(text: &str) -> Result<Vec<String>, HostlistError> {
    let mut all = Vec::new();
    if text.is_empty() {
        return Ok(all);
    }
    for item in outside_brackets(text)? {
        let names = names(item)?;
        if all.len() + names.len() > MOST {
            return Err(HostlistError::Many);
        }
        all.extend(names);
    }
    Ok(all)
}

/// The parts between commas that are in no brackets.
fn outside_brackets(text: &str) -> Result<Vec<&str>, HostlistError> {
    let mut inside = false;
    let mut wrong = false;
    let items = text
        .split(|character| {
            match character {
                '[' if inside => wrong = true,
                '[' => inside = true,
                ']' if !inside => wrong = true,
                ']' => inside = false,
                _ => {}
            }
            character == ',' && !inside
        })
        .collect();
    if wrong || inside {
        return Err(HostlistError::Brackets);
    }
    Ok(items)
}

/// The names that one item stands for.
fn names(item: &str) -> Result<Vec<String>, HostlistError> {
    if item.is_empty() {
        return Err(HostlistError::Empty);
    }
    let mut names = vec![String::new()];
    let mut rest = item;
    while let Some((before, after)) = rest.split_once('[') {
        let (ranges, after) = after.split_once(']').ok_or(HostlistError::Brackets)?;
        let numbers = numbers(ranges, MOST / names.len())?;
        let longer = |name: &String| name.len() + before.len() > LONGEST;
        if names.iter().any(longer) {
            return Err(HostlistError::Long);
        }
        let with = |name: &String| {
            let start = format!("{name}{before}");
            let numbers = numbers.iter();
            numbers.map(move |number| format!("{start}{number}"))
        };
        names = names.iter().flat_map(with).collect();
        rest = after;
    }
    if names.iter().any(|name| name.len() + rest.len() > LONGEST) {
        return Err(HostlistError::Long);
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

/// The numbers of `1-3,7,09-12`, at most so many.
fn numbers(ranges: &str, most: usize) -> Result<Vec<String>, HostlistError> {
    let mut numbers = Vec::new();
    for range in ranges.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(low)?, number(high)?);
        let more = last.checked_sub(first).ok_or(HostlistError::Range)?;
        let fits =
            usize::try_from(more).is_ok_and(|more| more < most.saturating_sub(numbers.len()));
        if !fits {
            return Err(HostlistError::Many);
        }
        let width = low.len();
        numbers.extend((first..=last).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

fn number(text: &str) -> Result<u64, HostlistError> {
    let is_one = text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_one.then(|| text.parse().ok()).flatten();
    number.ok_or(HostlistError::Range)
}

/// A name, split at its numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// What is no number, or one that is too long to be one.
    Text(String),
    /// A number as it is written. Before it is folded with others: the shorter come first.
    Number(usize, String),
    /// Several of them: `[1-3,7]`.
    Range(String),
}

/// The shortest that this writes for these names, each once: what they have in common but for one
/// number is folded, from the last number of a name to the first. [`expand`] gives the names back,
/// save where one has brackets or commas in it.
#[must_use]
pub fn fold<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let names: BTreeSet<Vec<Piece>> = names
        .into_iter()
        .map(|name| pieces(name.as_ref()))
        .collect();
    let most = names.iter().map(Vec::len).max().unwrap_or(0);
    let mut lists: Vec<Vec<Piece>> = names.into_iter().collect();
    for place in (0..most).rev() {
        lists = fold_at(place, lists);
    }
    let mut text = String::new();
    for list in lists {
        if !text.is_empty() {
            text.push(',');
        }
        for piece in list {
            match piece {
                Piece::Text(piece) | Piece::Number(_, piece) | Piece::Range(piece) => {
                    text.push_str(&piece);
                }
            }
        }
    }
    text
}

fn pieces(name: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let starts_with_digit = rest.starts_with(|character: char| character.is_ascii_digit());
        let other = |character: char| character.is_ascii_digit() != starts_with_digit;
        let (piece, after) = rest.split_at(rest.find(other).unwrap_or(rest.len()));
        pieces.push(if starts_with_digit && piece.len() <= DIGITS {
            Piece::Number(piece.len(), piece.to_owned())
        } else {
            Piece::Text(piece.to_owned())
        });
        rest = after;
    }
    pieces
}

/// Makes one of those that differ in the number at this place only.
fn fold_at(place: usize, lists: Vec<Vec<Piece>>) -> Vec<Vec<Piece>> {
    // With the place of the first in the list, which is that of the result.
    let mut groups: BTreeMap<Vec<Piece>, (usize, Vec<String>)> = BTreeMap::new();
    let mut folded: Vec<(usize, Vec<Piece>)> = Vec::new();
    for (order, mut list) in lists.into_iter().enumerate() {
        let Some(Piece::Number(_, number)) = list.get_mut(place) else {
            folded.push((order, list));
            continue;
        };
        let number = std::mem::take(number);
        // Empty where the number was: what is left is what they have in common.
        if let Some(piece) = list.get_mut(place) {
            *piece = Piece::Number(0, String::new());
        }
        let (_, numbers) = groups.entry(list).or_insert_with(|| (order, Vec::new()));
        numbers.push(number);
    }
    for (mut list, (order, numbers)) in groups {
        if let Some(piece) = list.get_mut(place) {
            *piece = match <[String; 1]>::try_from(numbers) {
                Ok([number]) => Piece::Number(number.len(), number),
                Err(numbers) => Piece::Range(format!("[{}]", ranges(&numbers))),
            };
        }
        folded.push((order, list));
    }
    folded.sort_by_key(|(order, _)| *order);
    folded.into_iter().map(|(_, list)| list).collect()
}

/// `1-3,7,09-12` of these.
fn ranges(numbers: &[String]) -> String {
    let is_padded = |number: &str| number.len() > 1 && number.starts_with('0');
    let as_wide = |number: &str, width: usize| {
        number.len() == width || number.len() > width && !is_padded(number)
    };
    let padded = numbers.iter().filter(|number| is_padded(number));
    let widths: BTreeSet<usize> = padded.map(String::len).collect();
    // By one width, if all of them fit; else those of each width by themselves.
    let one = widths.iter().chain([&1]).find(|width| {
        let mut numbers = numbers.iter();
        numbers.all(|number| as_wide(number, **width))
    });
    let mut by_width: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for number in numbers {
        let own = if widths.contains(&number.len()) {
            number.len()
        } else {
            1
        };
        let width = one.copied().unwrap_or(own);
        // It has digits only, and not too many.
        let value = number.parse().unwrap_or_default();
        by_width.entry(width).or_default().insert(value);
    }
    let mut text = String::new();
    for (width, values) in by_width {
        let mut values = values.into_iter().peekable();
        while let Some(first) = values.next() {
            let mut last = first;
            while let Some(next) = values.next_if(|next| *next == last + 1) {
                last = next;
            }
            let comma = if text.is_empty() { "" } else { "," };
            let end = if last == first {
                String::new()
            } else {
                format!("-{last:0width$}")
            };
            // A String takes all.
            if write!(text, "{comma}{first:0width$}{end}").is_err() {
                return text;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What `scontrol show hostnames` of 22.05 makes of them, but for the one with a name that ends
    /// after its number, which it does not take.
    #[test]
    fn lists_as_slurm_writes_them() {
        for (list, names) in [
            ("", ""),
            ("login", "login"),
            (
                "hpcg[1-3,7,09-12]",
                "hpcg1 hpcg2 hpcg3 hpcg7 hpcg09 hpcg10 hpcg11 hpcg12",
            ),
            (
                "r[1-2]n[01-02],login,a-b.c",
                "r1n01 r1n02 r2n01 r2n02 login a-b.c",
            ),
            ("n[8-11]x", "n8x n9x n10x n11x"),
            ("n[0-1]", "n0 n1"),
            ("n[9-012]", "n9 n10 n11 n12"),
            ("a[01,1,1]", "a01 a1 a1"),
            ("n[098-101]", "n098 n099 n100 n101"),
        ] {
            assert_eq!(expand(list).unwrap().join(" "), names, "{list}");
        }
        assert_eq!(expand("hpcg[1-4096]").unwrap().len(), 4096);
        assert_eq!(expand("r[1-64]n[01-64]").unwrap().len(), 4096);
    }

    #[test]
    fn what_is_none_or_too_much_is_refused() {
        use HostlistError::{Brackets, Empty, Long, Many, Range};
        let long = "x".repeat(256);
        let long_before = format!("{}[1-65536]", "x".repeat(1 << 20));
        let long_after = format!("[1-65536]{}", "é".repeat(1 << 20));
        for (list, error) in [
            ("a[1", Brackets),
            ("a1]", Brackets),
            ("a[1[2]]", Brackets),
            ("a[]", Range),
            ("a[x]", Range),
            ("a[3-1]", Range),
            ("a[1-]", Range),
            ("a[-1]", Range),
            ("a[1-2-3]", Range),
            ("a[+1]", Range),
            ("a[1-9999999999999999999]", Range),
            (",", Empty),
            ("a,,b", Empty),
            (&long, Long),
            (&long_before, Long),
            (&long_after, Long),
            ("a[1-999999999]", Many),
            ("a[1-256]b[1-257]", Many),
            ("a[1-999999999999999999],b", Many),
            ("a[1-65536],b", Many),
            (
                "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]",
                Many,
            ),
        ] {
            let start: String = list.chars().take(40).collect();
            assert_eq!(expand(list), Err(error), "{start}");
        }
    }

    #[test]
    fn names_are_folded() {
        for (names, list) in [
            ("", ""),
            ("b a", "a,b"),
            ("hpcg4 hpcg2 hpcg1 hpcg3 hpcg2", "hpcg[1-4]"),
            ("hpcg1 hpcg3 hpcg10", "hpcg[1,3,10]"),
            ("n08 n09 n10 n99 n100 n101", "n[08-10,99-101]"),
            ("n1 n01 n10", "n[1,01,10]"),
            ("r1n01 r1n02 r2n01 r2n02 r3n01", "r[1-2]n[01-02],r3n01"),
            ("r1 s1", "r1,s1"),
            ("1 2 3", "[1-3]"),
            ("x1234567890123456789 x1", "x1234567890123456789,x1"),
        ] {
            let names = names.split(' ').filter(|name| !name.is_empty());
            assert_eq!(fold(names), list);
        }
        let all = (1..=64).flat_map(|rack| (1..=64).map(move |node| format!("r{rack}n{node:02}")));
        assert_eq!(fold(all), "r[1-64]n[01-64]");
    }

    proptest! {
        #[test]
        fn what_was_folded_is_the_same(
            names in prop::collection::vec("(x|y|n-)?([0-9]{1,3}(-|ib|a)?){0,3}", 0..60)
        ) {
            let names: BTreeSet<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            let folded = fold(&names);
            let again = expand(&folded).unwrap();
            prop_assert_eq!(again.len(), names.len(), "{}", folded);
            let again: BTreeSet<String> = again.into_iter().collect();
            prop_assert_eq!(&again, &names, "{}", folded);
            prop_assert_eq!(fold(again), folded);
        }

        #[test]
        fn no_text_is_too_much(text in "[a-c0-9,\\[\\]-]{0,40}|.{0,40}") {
            if let Ok(names) = expand(&text) {
                prop_assert!(names.len() <= MOST);
            }
        }
    }
}
