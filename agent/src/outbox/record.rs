//! How a result lies in a file of the spool.
//!
//! | bytes | |
//! |---|---|
//! | 4 | `VSP1`: the spool of Venus, version 1 |
//! | 4 | CRC-32 of all that follows but the state |
//! | 1 | the state: `W` waits, `D` is delivered; anything else waits |
//! | 1 | the class: `m`, `o`, `s` |
//! | 2 | zero |
//! | 4 | length of the result |
//! | 8 | which check it is of, a hash |
//! | 8 | when it was made, seconds since the epoch |
//! | … | the result, JSON |
//!
//! Numbers are little-endian. The state alone changes after it was written.

use super::Class;

const MAGIC: &[u8; 4] = b"VSP1";
/// What stands before the result.
const HEAD: usize = 32;
/// Where the state is.
pub(super) const STATE: u64 = 8;
/// Where begins what the checksum is of.
const CHECKED: usize = 9;
/// A longer result is none of ours.
const LONGEST: usize = 64 << 20;
/// So many places that look like a record and are none, and the rest of a file is given up.
const MOST_FALSE: usize = 1000;

pub(super) const WAITING: u8 = b'W';
pub(super) const DELIVERED: u8 = b'D';

/// What is known of a record without its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What goes first where there is no room.
    pub class: Class,
    /// Which check it is of.
    pub check: u64,
    /// Seconds since the epoch.
    pub made: u64,
}

/// A record in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What is known of it.
    pub head: Head,
    /// Where it begins.
    pub offset: usize,
    /// With its head.
    pub length: usize,
    /// Whether its state says so.
    pub is_delivered: bool,
}

impl Class {
    fn byte(self) -> u8 {
        match self {
            Self::Metric => b'm',
            Self::Ok => b'o',
            Self::State => b's',
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        let all = [Self::Metric, Self::Ok, Self::State];
        all.into_iter().find(|class| class.byte() == byte)
    }
}

/// Appends a record that waits; gives its length.
pub fn encode(head: Head, result: &[u8], to: &mut Vec<u8>) -> usize {
    let start = to.len();
    let length = u32::try_from(result.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(MAGIC);
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&[WAITING, head.class.byte(), 0, 0]);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&head.check.to_le_bytes());
    to.extend_from_slice(&head.made.to_le_bytes());
    to.extend_from_slice(result);
    let checked = to.get(start + CHECKED..).unwrap_or_default();
    let sum = crc32fast::hash(checked).to_le_bytes();
    if let Some(place) = to.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&sum);
    }
    to.len() - start
}

/// The record at the beginning of `bytes`, whole and as it was written.
fn decode(bytes: &[u8], offset: usize) -> Option<Found> {
    let bytes = bytes.get(offset..)?;
    let number = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
    };
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    if bytes.get(..4)? != MAGIC {
        return None;
    }
    let result = usize::try_from(word(12)?).ok()?;
    if result > LONGEST {
        return None;
    }
    let length = HEAD + result;
    if crc32fast::hash(bytes.get(CHECKED..length)?) != word(4)? {
        return None;
    }
    Some(Found {
        head: Head {
            class: Class::of_byte(*bytes.get(9)?)?,
            check: number(16)?,
            made: number(24)?,
        },
        offset,
        length,
        is_delivered: bytes.get(8) == Some(&DELIVERED),
    })
}

/// All records of a file, and how many bytes of it are none.
#[must_use]
pub fn scan(bytes: &[u8]) -> (Vec<Found>, usize) {
    let mut found = Vec::new();
    let (mut offset, mut damaged, mut falsely) = (0, 0, 0);
    while offset < bytes.len() {
        if let Some(record) = decode(bytes, offset) {
            offset += record.length;
            found.push(record);
            continue;
        }
        falsely += 1;
        let rest = bytes.get(offset + 1..).unwrap_or_default();
        let next = rest
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
            .filter(|_| falsely < MOST_FALSE)
            .map_or(bytes.len(), |place| offset + 1 + place);
        damaged += next - offset;
        offset = next;
    }
    (found, damaged)
}

/// The result of a record.
#[must_use]
pub fn result(record: &[u8]) -> &[u8] {
    record.get(HEAD..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn head() -> impl Strategy<Value = Head> {
        let class = prop::sample::select(vec![Class::Metric, Class::Ok, Class::State]);
        (class, any::<u64>(), any::<u64>()).prop_map(|(class, check, made)| Head {
            class,
            check,
            made,
        })
    }

    fn written(records: &[(Head, Vec<u8>)]) -> Vec<u8> {
        let mut file = Vec::new();
        for (head, result) in records {
            encode(*head, result, &mut file);
        }
        file
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(records in vec((head(), vec(any::<u8>(), 0..50)), 0..8)) {
            let file = written(&records);
            let (found, damaged) = scan(&file);
            prop_assert_eq!(damaged, 0);
            let read: Vec<_> = found
                .iter()
                .map(|one| {
                    let record = &file[one.offset..one.offset + one.length];
                    (one.head, result(record).to_vec())
                })
                .collect();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn a_flipped_bit_and_a_torn_tail_cost_what_they_hit(
            records in vec((head(), vec(any::<u8>(), 0..50)), 1..8),
            place: prop::sample::Index,
            bit in 0..8_u8,
            cut: prop::sample::Index,
        ) {
            let mut file = written(&records);
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            let (found, _) = scan(&file);
            prop_assert!(found.len() + 1 >= records.len(), "{} of {}", found.len(), records.len());
            let file = written(&records);
            let cut = cut.index(file.len());
            let (found, damaged) = scan(&file[..cut]);
            let whole: usize = found.iter().map(|one| one.length).sum();
            prop_assert_eq!(whole + damaged, cut);
            prop_assert!(file[..cut].len() - whole < 32 + 50);
        }

        #[test]
        fn no_file_is_a_surprise(file in vec(any::<u8>(), 0..300)) {
            let (found, damaged) = scan(&file);
            let whole: usize = found.iter().map(|one| one.length).sum();
            prop_assert_eq!(whole + damaged, file.len());
        }
    }

    #[test]
    fn a_file_of_nothing_but_beginnings_is_read_in_a_moment() {
        let head = Head {
            class: Class::Ok,
            check: 1,
            made: 1,
        };
        let mut one = Vec::new();
        encode(head, b"x", &mut one);
        one[12..16].copy_from_slice(&1_000_000_u32.to_le_bytes());
        let file = one.repeat(60_000);
        assert_eq!(scan(&file), (Vec::new(), file.len()));
    }
}
