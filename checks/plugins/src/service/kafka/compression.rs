//! What producers compress with: gzip, Snappy and LZ4. Not zstd, which Kafka has had since 2.1.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::wire::{Malformed, Reader};

/// The largest size of what is unpacked, in bytes: a broker takes 1 MB packed if not told otherwise.
const LARGEST: usize = 64 << 20;

/// What Snappy's Java library writes before blocks of its own, with two version numbers after it.
const XERIAL: &[u8; 8] = b"\x82SNAPPY\0";

/// The beginning of an LZ4 frame, as a little-endian number.
const LZ4: u32 = 0x184D_2204;

/// The part of a message's attributes that says how it is compressed.
const HOW: i16 = 7;

/// Whether what has these attributes is compressed.
pub(super) fn is_packed(attributes: i16) -> bool {
    attributes & HOW != 0
}

/// Unpacks what has these attributes.
pub(super) fn unpack(attributes: i16, packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    match attributes & HOW {
        1 => gzip(packed),
        2 => snappy(packed),
        3 => lz4(packed),
        4 => Err(bad("it is compressed with zstd, which is not understood")),
        other => Err(Malformed::Impossible("a compression", other.into())),
    }
}

fn bad(why: impl std::fmt::Display) -> Malformed {
    Malformed::Packed(why.to_string())
}

fn too_large() -> Malformed {
    bad(format_args!("it unpacks to more than {LARGEST} bytes"))
}

fn gzip(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut unpacked = Vec::new();
    let mut decoder = MultiGzDecoder::new(packed).take(LARGEST as u64 + 1);
    decoder
        .read_to_end(&mut unpacked)
        .map_err(|error| bad(format_args!("gzip: {error}")))?;
    if unpacked.len() > LARGEST {
        return Err(too_large());
    }
    Ok(unpacked)
}

fn snappy(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut unpacked = Vec::new();
    let Some(blocks) = packed.strip_prefix(XERIAL) else {
        snappy_block(packed, &mut unpacked)?;
        return Ok(unpacked);
    };
    let mut blocks = Reader(blocks);
    blocks.take(8)?;
    while blocks.left() > 0 {
        let block = blocks.bytes()?.unwrap_or_default();
        snappy_block(block, &mut unpacked)?;
    }
    Ok(unpacked)
}

fn snappy_block(packed: &[u8], unpacked: &mut Vec<u8>) -> Result<(), Malformed> {
    let why = |error| bad(format_args!("Snappy: {error}"));
    let length = snap::raw::decompress_len(packed).map_err(why)?;
    // A byte of Snappy's gives at most 64 bytes or so: more is a lie.
    if unpacked.len().saturating_add(length) > LARGEST || length / 64 > packed.len() {
        return Err(too_large());
    }
    let block = snap::raw::Decoder::new().decompress_vec(packed);
    unpacked.extend(block.map_err(why)?);
    Ok(())
}

/// The frame is read here, as producers before 0.10 write a wrong checksum into its head, which
/// every library refuses.
fn lz4(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut frame = Reader(packed);
    let magic = frame.u32_little()?;
    if magic != LZ4 {
        return Err(Malformed::Impossible("an LZ4 frame", magic.into()));
    }
    let (flags, sizes) = (frame.i8()?, frame.i8()?);
    let has = |bit: u32| flags & (1 << bit) != 0;
    if !has(5) {
        return Err(bad("LZ4 with blocks that need each other"));
    }
    let largest = match (sizes >> 4) & 7 {
        size @ 4..=7 => 1_usize << (8 + 2 * u32::from(size.unsigned_abs())),
        size => return Err(Malformed::Impossible("an LZ4 block size", size.into())),
    };
    frame.take(if has(3) { 8 } else { 0 })?;
    frame.take(if has(0) { 4 } else { 0 })?;
    frame.take(1)?;
    let mut unpacked = Vec::new();
    loop {
        let size = frame.u32_little()?;
        if size == 0 {
            return Ok(unpacked);
        }
        // The highest bit says that the block is not compressed.
        let length = usize::try_from(size & 0x7fff_ffff).map_err(bad)?;
        let block = frame.take(length)?;
        let plain = if size >> 31 == 1 {
            block.to_vec()
        } else {
            // Nor does LZ4 give more than 255 bytes for one.
            let room = largest.min(block.len().saturating_mul(255).saturating_add(64));
            let unpacked = lz4_flex::block::decompress(block, room);
            unpacked.map_err(|error| bad(format_args!("LZ4: {error}")))?
        };
        if unpacked.len() + plain.len() > LARGEST {
            return Err(too_large());
        }
        unpacked.extend(plain);
        frame.take(if has(4) { 4 } else { 0 })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(
            attributes in any::<i16>(), packed in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            drop(unpack(attributes, &packed));
            let framed = [&b"\x04\x22\x4d\x18\x60\x40\x82"[..], &packed].concat();
            drop(lz4(&framed));
            drop(snappy(&[XERIAL, &[0; 8][..], &packed].concat()));
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        use std::io::Write;
        let zeros = vec![0; LARGEST + 1];
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&zeros).unwrap();
        let bomb = encoder.finish().unwrap();
        assert_eq!(gzip(&bomb), Err(too_large()));
        let bomb = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
        assert_eq!(snappy(&bomb), Err(too_large()));
        // A length of 4 GB in five bytes.
        assert_eq!(snappy(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(too_large()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let said = unpack(4, b"").unwrap_err().to_string();
        assert_eq!(said, "it is compressed with zstd, which is not understood");
        let linked = lz4(b"\x04\x22\x4d\x18\x40\x40\x82").unwrap_err();
        assert_eq!(linked.to_string(), "LZ4 with blocks that need each other");
    }
}
