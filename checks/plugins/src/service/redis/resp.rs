//! Redis's protocol, RESP2: commands go out as arrays of bulk strings, and of replies what is asked
//! for here may come back.

use std::io::{self, BufRead, Read};

/// How long a reply may be in all, in bytes: what INFO says of 10,000 replicas has some 1 MB.
const LARGEST: u64 = 16 << 20;
/// What an element of an array takes at least, in bytes.
const ELEMENT: u64 = 64;

/// How long a line may be, in bytes: an error, or a number.
const LONGEST_LINE: u64 = 64 << 10;

/// How many elements an array may have, and how deep arrays may be within each other.
const MOST: u64 = 1024;
const DEEPEST: u8 = 4;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+PONG`, `:1`, or a bulk string; what is not UTF-8 is replaced.
    Text(String),
    /// `-NOAUTH Authentication required.`
    Error(String),
    /// There is no such thing.
    Nil,
    /// Several.
    Array(Vec<Self>),
}

/// What came is not what Redis says.
#[derive(Debug)]
pub(super) enum RespError {
    /// Nothing came, or not all of it.
    Io(io::Error),
    /// It is not Redis's protocol, and this is why.
    Foreign(&'static str),
}

impl From<io::Error> for RespError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A command with its arguments.
pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// The next reply.
pub(super) fn read(from: &mut impl BufRead) -> Result<Reply, RespError> {
    read_within(from, 0, &mut LARGEST.clone())
}

/// `left` is how long the rest of the whole reply may be.
fn read_within(from: &mut impl BufRead, depth: u8, left: &mut u64) -> Result<Reply, RespError> {
    const TOO_LONG: RespError = RespError::Foreign("it says a length that none of its answers has");
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let [kind] = kind;
    match kind {
        b'+' | b'-' | b':' | b'$' | b'*' => {}
        0x15 => return Err(RespError::Foreign("it speaks TLS; give --tls")),
        _ => {
            return Err(RespError::Foreign(
                "it does not speak Redis's protocol; is it Redis?",
            ));
        }
    }
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Err(if line.ends_with(b"\n") {
            RespError::Foreign("a line of it does not end like one")
        } else {
            io::Error::from(io::ErrorKind::UnexpectedEof).into()
        });
    };
    let line = String::from_utf8_lossy(line);
    let spent = ELEMENT + u64::try_from(line.len()).unwrap_or(u64::MAX);
    *left = left.checked_sub(spent).ok_or(TOO_LONG)?;
    let length = |most: u64| -> Result<Option<u64>, RespError> {
        match line.parse() {
            Ok(-1) => Ok(None),
            Ok(length) => u64::try_from(length)
                .ok()
                .filter(|length| *length <= most)
                .map(Some)
                .ok_or(RespError::Foreign(
                    "it says a length that none of its answers has",
                )),
            Err(_) => Err(RespError::Foreign("a length of it is no number")),
        }
    };
    match kind {
        b'-' => Ok(Reply::Error(line.into_owned())),
        b'$' => {
            let Some(length) = length(*left)? else {
                return Ok(Reply::Nil);
            };
            *left -= length;
            let mut text = Vec::new();
            from.take(length + 2).read_to_end(&mut text)?;
            if u64::try_from(text.len()) != Ok(length + 2) {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if !text.ends_with(b"\r\n") {
                return Err(RespError::Foreign("a text of it does not end like one"));
            }
            text.truncate(text.len() - 2);
            // It is copied only where it is not what it should be.
            let text = String::from_utf8(text)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            Ok(Reply::Text(text))
        }
        b'*' => {
            let Some(length) = length(MOST)? else {
                return Ok(Reply::Nil);
            };
            if depth == DEEPEST {
                return Err(RespError::Foreign(
                    "it answers with too many lists in lists",
                ));
            }
            let elements = (0..length).map(|_| read_within(from, depth + 1, left));
            Ok(Reply::Array(elements.collect::<Result<_, _>>()?))
        }
        _ => Ok(Reply::Text(line.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_an_end_in_all() {
        let text = vec![b'x'; 1 << 20];
        let one = [b"$1048576\r\n", &text[..], b"\r\n"].concat();
        let many = |count: usize| {
            let mut reply = format!("*{count}\r\n").into_bytes();
            reply.extend(one.repeat(count));
            reply
        };
        assert!(read(&mut &many(15)[..]).is_ok());
        assert!(matches!(
            read(&mut &many(17)[..]),
            Err(RespError::Foreign(_))
        ));
        // Lists within lists, of nothing.
        let empty = "*0\r\n".repeat(1024);
        let nested = format!("*1024\r\n{}", format!("*1024\r\n{empty}").repeat(1024));
        assert!(matches!(
            read(&mut nested.as_bytes()),
            Err(RespError::Foreign(_))
        ));
    }
    use proptest::prelude::*;

    #[test]
    fn replies_are_read_and_cut_ones_are_not() {
        let text = |text: &str| Reply::Text(text.to_owned());
        let all = Reply::Array(vec![text("a\r\nb"), Reply::Nil, Reply::Array(vec![])]);
        for (bytes, reply) in [
            (&b"+PONG\r\n"[..], text("PONG")),
            (b":7\r\n", text("7")),
            (b"$0\r\n\r\n", text("")),
            (b"-ERR no\r\n", Reply::Error("ERR no".to_owned())),
            (b"*3\r\n$4\r\na\r\nb\r\n$-1\r\n*0\r\n", all),
        ] {
            assert_eq!(read(&mut &bytes[..]).unwrap(), reply);
            for end in 0..bytes.len() {
                assert!(read(&mut &bytes[..end]).is_err(), "{bytes:?} cut at {end}");
            }
        }
        assert_eq!(
            command(&["INFO", "é"]),
            "*2\r\n$4\r\nINFO\r\n$2\r\né\r\n".as_bytes()
        );
    }

    #[test]
    fn what_is_not_redis_is_told() {
        for (bytes, why) in [
            ("HTTP/1.1 400 Bad Request\r\n", "is it Redis"),
            ("\x15\x03\x03\r\n", "--tls"),
            ("+PONG\n", "does not end"),
            ("$1\r\nabc", "does not end"),
            ("$x\r\n", "no number"),
            ("$99999999999\r\n", "a length"),
            ("*-2\r\n", "a length"),
            ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "too many"),
        ] {
            match read(&mut bytes.as_bytes()) {
                Err(RespError::Foreign(said)) => assert!(said.contains(why), "{bytes}: {said}"),
                other => panic!("{bytes}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[-+:$*0-9a\r\n]{0,40}") {
            drop(read(&mut bytes.as_slice()));
            drop(read(&mut text.as_bytes()));
        }
    }
}
