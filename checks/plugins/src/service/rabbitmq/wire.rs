//! The few frames and methods of AMQP 0-9-1 that it takes to look at a broker and change nothing:
//! log in, declare passively, publish to nobody, leave. Numbers are those of the specification's
//! list of classes and methods, with `connection.blocked` of `RabbitMQ`'s extensions.

use std::io::{self, Read};

/// What a client says first: the protocol and its version.
pub(super) const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// How large a frame may be, in bytes: what is asked for here is far smaller.
pub(super) const LARGEST: u32 = 128 << 10;

/// The last byte of each frame.
const END: u8 = 0xce;
const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const HEARTBEAT: u8 = 8;

/// What came is not what a broker says.
#[derive(Debug)]
pub(super) enum WireError {
    /// Nothing came, or not all of it.
    Io(io::Error),
    /// It is no AMQP 0-9-1, and this is why.
    Foreign(&'static str),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a broker says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    /// Who it is, and how it lets somebody in.
    Start {
        product: String,
        version: String,
        mechanisms: String,
    },
    Tune {
        channel_max: u16,
        frame_max: u32,
    },
    OpenOk,
    /// It ends the connection.
    Close(Refusal),
    CloseOk,
    /// It takes no messages, and why.
    Blocked(String),
    Unblocked,
    ChannelOpenOk,
    /// It ends the channel.
    ChannelClose(Refusal),
    ChannelCloseOk,
    DeclareOk {
        messages: u32,
        consumers: u32,
    },
    /// Anything else, by its class and number.
    Other(u16, u16),
}

/// What a broker does not do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `404` and so on.
    pub code: u16,
    /// `NOT_FOUND - no queue 'results' in vhost '/sensu'`.
    pub text: String,
}

/// The next method; heartbeats are passed over.
pub(super) fn read(from: &mut impl Read) -> Result<Method, WireError> {
    loop {
        let mut head = [0; 7];
        // Whoever speaks something else may not say as much as a whole head.
        from.read_exact(&mut head[..1])?;
        let [kind, ..] = head;
        match kind {
            METHOD | HEARTBEAT => {}
            b'A' => {
                return Err(WireError::Foreign(
                    "it speaks another version of AMQP than 0-9-1",
                ));
            }
            0x15 => return Err(WireError::Foreign("it speaks TLS; give --tls")),
            _ => {
                return Err(WireError::Foreign(
                    "it does not speak AMQP; is it a broker?",
                ));
            }
        }
        from.read_exact(&mut head[1..])?;
        let [_, _, _, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if length > LARGEST {
            return Err(WireError::Foreign(
                "it says that a frame is too large to be one",
            ));
        }
        let mut payload = Vec::new();
        from.take(u64::from(length) + 1).read_to_end(&mut payload)?;
        match payload.pop() {
            Some(END) if u32::try_from(payload.len()) == Ok(length) => {}
            None | Some(_) if u32::try_from(payload.len()).is_ok_and(|got| got < length) => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            None | Some(_) => {
                return Err(WireError::Foreign("a frame of it does not end like one"));
            }
        }
        if kind == METHOD {
            return parse(&payload).ok_or(WireError::Foreign("it breaks off within a frame"));
        }
    }
}

fn parse(payload: &[u8]) -> Option<Method> {
    let mut bytes = Bytes(payload);
    Some(match (bytes.short()?, bytes.short()?) {
        (10, 10) => {
            // The version, which the header has said.
            bytes.take(2)?;
            let mut properties = Bytes(bytes.long_string()?);
            let (mut product, mut version) = (String::new(), String::new());
            while !properties.0.is_empty() {
                let name = properties.short_string()?;
                let value = properties.value()?;
                match name.as_str() {
                    "product" => product = value,
                    "version" => version = value,
                    _ => {}
                }
            }
            Method::Start {
                product,
                version,
                mechanisms: String::from_utf8_lossy(bytes.long_string()?).into_owned(),
            }
        }
        (10, 30) => Method::Tune {
            channel_max: bytes.short()?,
            frame_max: bytes.long()?,
        },
        (10, 41) => Method::OpenOk,
        (10, 50) => Method::Close(bytes.refusal()?),
        (10, 51) => Method::CloseOk,
        (10, 60) => Method::Blocked(bytes.short_string()?),
        (10, 61) => Method::Unblocked,
        (20, 11) => Method::ChannelOpenOk,
        (20, 40) => Method::ChannelClose(bytes.refusal()?),
        (20, 41) => Method::ChannelCloseOk,
        (50, 11) => {
            bytes.short_string()?;
            Method::DeclareOk {
                messages: bytes.long()?,
                consumers: bytes.long()?,
            }
        }
        (class, number) => Method::Other(class, number),
    })
}

/// What is left to read of a payload.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn short_string(&mut self) -> Option<String> {
        let length = self.octet()?;
        let text = self.take(length.into())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn long_string(&mut self) -> Option<&'a [u8]> {
        let length = self.long()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A value of a table, if it is a text. All others are passed over, and empty.
    fn value(&mut self) -> Option<String> {
        let length = match self.octet()? {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'S' => {
                let text = String::from_utf8_lossy(self.long_string()?);
                return Some(text.into_owned());
            }
            b'x' | b'F' | b'A' => self.long()?.try_into().ok()?,
            _ => return None,
        };
        self.take(length)?;
        Some(String::new())
    }

    fn refusal(&mut self) -> Option<Refusal> {
        Some(Refusal {
            code: self.short()?,
            text: self.short_string()?,
        })
    }
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(channel.to_be_bytes());
    // What is sent here has some hundred bytes, and a password.
    frame.extend(
        u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    frame.extend(payload);
    frame.push(END);
    frame
}

/// A frame with a method, whose arguments are encoded already.
pub(super) fn method(channel: u16, (class, number): (u16, u16), arguments: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend(class.to_be_bytes());
    payload.extend(number.to_be_bytes());
    payload.extend(arguments.concat());
    frame(METHOD, channel, &payload)
}

/// The head of a message without content and properties.
pub(super) fn empty_message(channel: u16) -> Vec<u8> {
    let (basic, weight, size, flags) = (60_u16, 0_u16, 0_u64, 0_u16);
    let mut payload = Vec::new();
    payload.extend(basic.to_be_bytes());
    payload.extend(weight.to_be_bytes());
    payload.extend(size.to_be_bytes());
    payload.extend(flags.to_be_bytes());
    frame(CONTENT_HEADER, channel, &payload)
}

/// A text of at most 255 bytes; none if it is longer.
pub(super) fn short_string(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![u8::try_from(text.len()).ok()?];
    bytes.extend(text.bytes());
    Some(bytes)
}

/// Bytes with their length before them: a text, or a table.
pub(super) fn long_string(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start(properties: &[u8]) -> Vec<u8> {
        let properties = long_string(properties);
        let mechanisms = long_string(b"PLAIN AMQPLAIN");
        let locales = long_string(b"en_US");
        method(0, (10, 10), &[&[0, 9], &properties, &mechanisms, &locales])
    }

    /// Each type of value that the specification and the errata of `RabbitMQ` have, then a text.
    #[test]
    fn of_the_properties_texts_are_read_and_all_others_passed_over() {
        let mut properties = Vec::new();
        for (kind, length) in [
            (b'V', 0),
            (b't', 1),
            (b'b', 1),
            (b'B', 1),
            (b's', 2),
            (b'u', 2),
            (b'U', 2),
            (b'I', 4),
            (b'i', 4),
            (b'f', 4),
            (b'D', 5),
            (b'l', 8),
            (b'L', 8),
            (b'd', 8),
            (b'T', 8),
        ] {
            properties.extend([1, b'a', kind]);
            properties.extend(vec![0xff; length]);
        }
        for kind in *b"xFA" {
            properties.extend([1, b'a', kind]);
            properties.extend(long_string(b"anything"));
        }
        properties.extend(short_string("version").unwrap());
        properties.push(b'S');
        properties.extend(long_string(b"3.10.8"));
        let read = read(&mut start(&properties).as_slice()).unwrap();
        let wanted = Method::Start {
            product: String::new(),
            version: "3.10.8".to_owned(),
            mechanisms: "PLAIN AMQPLAIN".to_owned(),
        };
        assert_eq!(read, wanted);
        properties.extend([1, b'a', b'?']);
        assert!(super::read(&mut start(&properties).as_slice()).is_err());
    }

    #[test]
    fn methods_are_read_and_heartbeats_passed_over() {
        let refusal = Refusal {
            code: 404,
            text: "NOT_FOUND".to_owned(),
        };
        let text = short_string("NOT_FOUND").unwrap();
        let refused: &[&[u8]] = &[&[1, 0x94], &text, &[0, 50, 0, 10]];
        for (number, arguments, wanted) in [
            (
                (10, 30),
                &[&[7, 0xff, 0, 2, 0, 0, 0, 60][..]][..],
                Method::Tune {
                    channel_max: 2047,
                    frame_max: 131_072,
                },
            ),
            ((10, 50), refused, Method::Close(refusal.clone())),
            ((20, 40), refused, Method::ChannelClose(refusal)),
            (
                (50, 11),
                &[&[1, b'q', 0, 0, 1, 0, 0, 0, 0, 2]],
                Method::DeclareOk {
                    messages: 256,
                    consumers: 2,
                },
            ),
            ((10, 60), &[&text], Method::Blocked("NOT_FOUND".to_owned())),
            ((90, 1), &[], Method::Other(90, 1)),
        ] {
            let bytes = [frame(HEARTBEAT, 0, b""), method(1, number, arguments)].concat();
            assert_eq!(read(&mut bytes.as_slice()).unwrap(), wanted);
            for end in 0..bytes.len() {
                assert!(read(&mut &bytes[..end]).is_err(), "{number:?} cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_no_amqp_is_told() {
        let foreign = |bytes: &[u8]| match read(&mut &bytes[..]) {
            Err(WireError::Foreign(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(foreign(b"AMQP\x00\x01\x00\x00").contains("another version"));
        assert!(foreign(b"\x15\x03\x01\x00\x02").contains("--tls"));
        assert!(foreign(b"HTTP/1.1 400").contains("is it a broker"));
        assert!(foreign(b"\x01\x00\x00\xff\xff\xff\xff").contains("too large"));
        assert!(foreign(b"\x01\x00\x00\x00\x00\x00\x01AB").contains("does not end"));
        assert!(foreign(b"\x01\x00\x00\x00\x00\x00\x02\x00\x0a\xce").contains("breaks off"));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&mut bytes.as_slice()));
            drop(parse(&bytes));
            for number in [(10, 10), (10, 30), (10, 50), (10, 60), (20, 40), (50, 11)] {
                drop(read(&mut method(0, number, &[&bytes]).as_slice()));
            }
            drop(read(&mut start(&bytes).as_slice()));
        }
    }
}
