//! The messages that a Fetch brings: sets of format 0 (up to Kafka 0.9) and 1 (0.10), and batches
//! of format 2 (since 0.11). Their checksums are not looked at: the broker has done so.

use super::compression::{is_packed, unpack};
use super::wire::{Malformed, Reader};

/// How much of one answer is kept, in bytes, however small it was packed.
const MOST: usize = 64 << 20;

/// What a message without content counts for that.
const EACH: usize = 32;

/// What was read of a partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// The messages, without keys; none without content.
    pub(super) values: Vec<Vec<u8>>,
    /// The offset after the last of them; none if nothing was whole.
    pub(super) next: Option<i64>,
    size: usize,
}

impl Records {
    fn push(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.size += value.len() + EACH;
        if self.size > MOST {
            return Err(Malformed::Packed(format!(
                "it unpacks to more than {MOST} bytes"
            )));
        }
        self.values.push(value.to_vec());
        Ok(())
    }
}

/// All that is whole: a broker cuts the last one where its answer has to end.
pub(super) fn parse(bytes: &[u8]) -> Result<Records, Malformed> {
    let mut records = Records::default();
    set(Reader(bytes), &mut records, true)?;
    Ok(records)
}

fn set(mut reader: Reader<'_>, records: &mut Records, outermost: bool) -> Result<(), Malformed> {
    // An offset, the length of what follows, of which the fifth byte is the format.
    while reader.left() > 12 {
        let offset = reader.i64()?;
        let length = reader.i32()?;
        let length = usize::try_from(length)
            .map_err(|_| Malformed::Impossible("a length", length.into()))?;
        if length > reader.left() && outermost {
            break;
        }
        let mut one = Reader(reader.take(length)?);
        // A checksum, or the leader's epoch.
        one.take(4)?;
        let last = match one.i8()? {
            format @ (0 | 1) => {
                message(one, format, records, outermost)?;
                offset
            }
            2 if outermost => offset.saturating_add(batch(one, records)?),
            format => return Err(Malformed::Impossible("a format", format.into())),
        };
        if outermost {
            records.next = Some(last.saturating_add(1));
        }
    }
    Ok(())
}

fn message(
    mut reader: Reader<'_>,
    format: i8,
    records: &mut Records,
    outermost: bool,
) -> Result<(), Malformed> {
    let attributes = i16::from(reader.i8()?);
    if format == 1 {
        let _time = reader.i64()?;
    }
    let _key = reader.bytes()?;
    let value = reader.bytes()?;
    match value {
        Some(value) if !is_packed(attributes) => records.push(value)?,
        // What is packed is a set of messages that are not.
        Some(packed) if outermost => set(Reader(&unpack(attributes, packed)?), records, false)?,
        Some(_) => return Err(Malformed::Impossible("a depth", 2)),
        None => {}
    }
    Ok(())
}

/// Gives how far its last offset is from its first.
fn batch(mut reader: Reader<'_>, records: &mut Records) -> Result<i64, Malformed> {
    let _checksum = reader.i32()?;
    let attributes = reader.i16()?;
    let last = reader.i32()?;
    if last < 0 {
        return Err(Malformed::Impossible("an offset", last.into()));
    }
    // The first and the last time, the producer's id, epoch and sequence.
    reader.take(8 + 8 + 8 + 2 + 4)?;
    let count = reader.i32()?;
    // Marks of transactions are no messages.
    if attributes & 0x20 != 0 {
        return Ok(last.into());
    }
    let unpacked;
    let mut content = reader;
    if is_packed(attributes) {
        unpacked = unpack(attributes, reader.0)?;
        content = Reader(&unpacked);
    }
    for _ in 0..count {
        let length = content.varint()?;
        let mut record = Reader(content.after(length)?.unwrap_or_default());
        let _attributes = record.i8()?;
        let _time = record.varint()?;
        let _offset = record.varint()?;
        let length = record.varint()?;
        let _key = record.after(length)?;
        let length = record.varint()?;
        if let Some(value) = record.after(length)? {
            records.push(value)?;
        }
    }
    Ok(last.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKED: &str = include_str!("../../../../../tests/fixtures/services/kafka/records.txt");

    /// Each of them with its format.
    fn packed() -> Vec<(i64, String, Vec<u8>)> {
        let lines = PACKED.lines().filter(|line| !line.starts_with('#'));
        let packed = lines.map(|line| {
            let [format, name, digits] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let pairs = digits
                .as_bytes()
                .chunks(2)
                .map(|pair| str::from_utf8(pair).unwrap());
            let bytes = pairs
                .map(|pair| u8::from_str_radix(pair, 16).unwrap())
                .collect();
            (format.parse().unwrap(), format!("{format} {name}"), bytes)
        });
        packed.collect()
    }

    #[test]
    fn what_each_format_and_compression_holds() {
        let message = |job: &str| {
            format!(r#"{{"header":{{"job-name":"{job}","container-name":"samza-container-0"}}}}"#)
        };
        let expected = [message("one"), message("two")];
        let all = packed();
        assert_eq!(all.len(), 12);
        for (format, name, bytes) in all {
            let records = parse(&bytes).unwrap();
            let values = records
                .values
                .iter()
                .map(|value| str::from_utf8(value).unwrap());
            assert_eq!(values.collect::<Vec<_>>(), expected, "{name}");
            // Producers leave the offset of what they have packed to the broker.
            let next = if format < 2 && !name.ends_with("none") {
                1
            } else {
                2
            };
            assert_eq!(records.next, Some(next), "{name}");
        }
    }

    #[test]
    fn what_is_cut_is_left_out_and_nothing_panics() {
        for (_, name, bytes) in packed() {
            let twice = [bytes.clone(), bytes.clone()].concat();
            for cut in 0..bytes.len() {
                let records = parse(&twice[..bytes.len() + cut]).unwrap();
                let whole = if name.ends_with("none") { 2..=3 } else { 2..=2 };
                assert!(whole.contains(&records.values.len()), "{name} {cut}");
                let mut garbled = bytes.clone();
                garbled[cut] ^= 0xff;
                drop(parse(&garbled));
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), format in 0..3_u8
        ) {
            drop(parse(&bytes));
            let length = u32::try_from(bytes.len() + 5).unwrap().to_be_bytes();
            let whole = [&[0; 8][..], &length, &[0; 4], &[format], &bytes].concat();
            drop(parse(&whole));
        }
    }
}
