//! Kafka's wire format: numbers in big-endian order; strings, bytes and arrays after their length.
//!
//! No length is believed: what is taken has to be there, and an array has at most as many elements
//! as fit into what is left.

/// What came is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It ends before all of it is there.
    #[error("it ends too early")]
    Short,
    /// A length or a number that cannot be.
    #[error("{0} of {1}")]
    Impossible(&'static str, i64),
    /// Compressed data that cannot be unpacked.
    #[error("{0}")]
    Packed(String),
}

/// Takes what is there from its beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.number().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.number().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.number().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.number().map(i64::from_be_bytes)
    }

    /// Little-endian, as LZ4 has it.
    pub(super) fn u32_little(&mut self) -> Result<u32, Malformed> {
        self.number().map(u32::from_le_bytes)
    }

    /// A number of seven bits a byte, the lowest first; odd ones are negative.
    pub(super) fn varint(&mut self) -> Result<i64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.number()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(Malformed::Impossible("a number", i64::MAX))
    }

    /// What follows a length; none where that is -1.
    pub(super) fn after(&mut self, length: i64) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(Malformed::Impossible("a length", length)),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let length = self.i32()?;
        self.after(length.into())
    }

    /// Text; empty where there is none.
    pub(super) fn string(&mut self) -> Result<String, Malformed> {
        let length = self.i16()?;
        let bytes = self.after(length.into())?.unwrap_or_default();
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// An array, none of whose elements is smaller than this; empty where there is none.
    pub(super) fn array<T>(
        &mut self,
        least: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.i32()?;
        let count = match usize::try_from(length) {
            Ok(count) if count <= self.left() / least => count,
            Err(_) if length == -1 => 0,
            _ => return Err(Malformed::Impossible("an array", length.into())),
        };
        (0..count).map(|_| element(self)).collect()
    }
}

/// Builds a request.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, number: i8) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn i16(&mut self, number: i16) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn i32(&mut self, number: i32) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn i64(&mut self, number: i64) -> &mut Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Text of up to 32,767 bytes, cut there: no name is longer.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        self.i16(length);
        let length = usize::from(length.unsigned_abs());
        self.0.extend(text.bytes().take(length));
        self
    }

    pub(super) fn array<T>(
        &mut self,
        elements: impl ExactSizeIterator<Item = T>,
        mut element: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        // There are not that many of anything.
        self.i32(i32::try_from(elements.len()).unwrap_or(i32::MAX));
        for one in elements {
            element(self, one);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_not_believed() {
        let mut writer = Writer::default();
        writer.i32(i32::MAX).i64(7);
        let mut reader = Reader(&writer.0);
        assert_eq!(
            reader.array(8, Reader::i64),
            Err(Malformed::Impossible("an array", i64::from(i32::MAX)))
        );
        assert_eq!(Reader(&writer.0).bytes(), Err(Malformed::Short));
        assert_eq!(
            Reader(&[0xff, 0xfe]).string(),
            Err(Malformed::Impossible("a length", -2))
        );
        assert_eq!(Reader(&[0xff, 0xff]).string().unwrap(), "");
        assert!(Reader(&[0xff; 4]).array(1, Reader::i8).unwrap().is_empty());
    }

    #[test]
    fn numbers_of_seven_bits_a_byte() {
        for (bytes, number) in [
            (&[0_u8][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0xfe, 0xff, 0x03], 32767),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                i64::MIN,
            ),
        ] {
            assert_eq!(Reader(bytes).varint(), Ok(number), "{bytes:?}");
        }
        assert!(Reader(&[0x80; 11]).varint().is_err());
        assert_eq!(Reader(&[0x80]).varint(), Err(Malformed::Short));
    }
}
