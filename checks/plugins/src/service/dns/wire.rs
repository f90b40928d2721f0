//! Questions and answers of the domain name system as RFC 1035 writes them (SRV: RFC 2782, AAAA:
//! RFC 3596). No EDNS: what is longer than 512 bytes is asked for again over TCP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A type of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are known by these names")]
pub enum Kind {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

const KINDS: [(Kind, &str, u16); 9] = [
    (Kind::A, "A", 1),
    (Kind::Aaaa, "AAAA", 28),
    (Kind::Cname, "CNAME", 5),
    (Kind::Mx, "MX", 15),
    (Kind::Ns, "NS", 2),
    (Kind::Ptr, "PTR", 12),
    (Kind::Soa, "SOA", 6),
    (Kind::Srv, "SRV", 33),
    (Kind::Txt, "TXT", 16),
];

impl Kind {
    /// Its name and number.
    fn row(self) -> (&'static str, u16) {
        let row = KINDS.iter().find(|(kind, _, _)| *kind == self);
        row.map_or(("", 0), |(_, name, number)| (*name, *number))
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let row = KINDS
            .iter()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        row.map(|(kind, _, _)| *kind).ok_or_else(|| {
            let names = KINDS.map(|(_, name, _)| name).join(", ");
            format!("use one of {names}")
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.row().0)
    }
}

/// The class of the Internet.
const INTERNET: u16 = 1;
/// How long the head of a message is.
const HEAD: usize = 12;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 255;

/// What is asked for, in the form in which it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Question {
    /// Asks for records of this type; with PTR, for the name of an address if it is one.
    pub fn new(name: &str, kind: Kind) -> Result<Self, String> {
        let reverse = match (kind, name.parse()) {
            (Kind::Ptr, Ok(address)) => Some(reverse(address)),
            _ => None,
        };
        let mut bytes = written(reverse.as_deref().unwrap_or(name))?;
        bytes.extend(kind.row().1.to_be_bytes());
        bytes.extend(INTERNET.to_be_bytes());
        Ok(Self { kind, bytes })
    }

    /// The whole message, which the answer to it has to have the number of.
    #[must_use]
    pub fn message(&self, number: u16) -> Vec<u8> {
        /// The server is to ask others if need be.
        const RECURSION_DESIRED: u16 = 0x0100;
        let head = [number, RECURSION_DESIRED, 1, 0, 0, 0];
        let head = head.into_iter().flat_map(u16::to_be_bytes);
        head.chain(self.bytes.iter().copied()).collect()
    }

    /// Reads the answer to that message.
    pub fn read(&self, number: u16, message: &[u8]) -> Result<Reply, NotOne> {
        let mut at = Reader { message, at: 0 };
        let mut head = [0; HEAD / 2];
        for word in &mut head {
            *word = at.word()?;
        }
        let [is_number, flags, questions, answers, _, _] = head;
        if is_number != number || flags & 0x8000 == 0 {
            return Err(NotOne::Other);
        }
        let code = (flags & 0xf) as u8;
        match questions {
            1 if at
                .bytes(self.bytes.len())?
                .eq_ignore_ascii_case(&self.bytes) => {}
            // From one who did not even understand the question.
            0 if code != 0 => {}
            _ => return Err(NotOne::Other),
        }
        let is_truncated = flags & 0x0200 != 0;
        let mut records = Vec::new();
        // What was cut off is not worth a look.
        for _ in 0..if is_truncated { 0 } else { answers } {
            at.name()?;
            let (kind, class) = (at.word()?, at.word()?);
            at.bytes(4)?;
            let length = usize::from(at.word()?);
            let end = at.at + length;
            if kind == self.kind.row().1 && class == INTERNET {
                records.push(at.record(self.kind, end)?);
                if at.at != end {
                    return Err(NotOne::Malformed("a record is longer than it says"));
                }
            }
            at.at = end;
        }
        Ok(Reply {
            code,
            is_truncated,
            records,
        })
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 0 where all went well, see [`code_name`].
    pub code: u8,
    /// Whether it did not fit.
    pub is_truncated: bool,
    /// The records of the type that was asked for, in words, as `dig +short` has them but without
    /// the dot at the end of names.
    pub records: Vec<String>,
}

/// The name of an answer's code.
#[must_use]
pub fn code_name(code: u8) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        _ => "an unknown code",
    }
}

/// This is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    /// It is one to another question, or forged.
    #[error("it answers another question")]
    Other,
    /// It cannot be understood.
    #[error("its answer cannot be understood: {0}")]
    Malformed(&'static str),
}

/// The name below which an address is found.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let bytes = address.octets();
            let nibbles = bytes.iter().rev().flat_map(|byte| [byte & 0xf, byte >> 4]);
            let digits: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            digits.concat() + "ip6.arpa"
        }
    }
}

/// A name as labels, each after its length.
fn written(name: &str) -> Result<Vec<u8>, String> {
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a name has ASCII only; write others as xn--…".to_owned());
    }
    let mut bytes = Vec::new();
    let labels = name.strip_suffix('.').unwrap_or(name);
    for label in labels.split('.').filter(|_| !labels.is_empty()) {
        let length = u8::try_from(label.len()).ok();
        let length = length.filter(|length| (1..64).contains(length));
        bytes.push(length.ok_or("a part of the name is empty or longer than 63")?);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    if bytes.len() > LONGEST_NAME || name.is_empty() {
        return Err("the name is empty or longer than 253".to_owned());
    }
    Ok(bytes)
}

/// A place in a message.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], NotOne> {
        let end = self.at + count;
        let found = self.message.get(self.at..end);
        self.at = end;
        found.ok_or(NotOne::Malformed("it ends too early"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotOne> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn word(&mut self) -> Result<u16, NotOne> {
        self.array().map(u16::from_be_bytes)
    }

    fn number(&mut self) -> Result<u32, NotOne> {
        self.array().map(u32::from_be_bytes)
    }

    /// A name, which may go on at an earlier place.
    fn name(&mut self) -> Result<String, NotOne> {
        let mut name = String::new();
        // Where it goes on after this name, once that has jumped.
        let mut after = None;
        let mut earliest = self.at;
        loop {
            let [length] = self.array()?;
            match length {
                0 => break,
                1..64 => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    for byte in self.bytes(usize::from(length))? {
                        match byte {
                            b'.' | b'\\' => name.extend(['\\', char::from(*byte)]),
                            byte if byte.is_ascii_graphic() => name.push(char::from(*byte)),
                            byte => name.push_str(&format!("\\{byte:03}")),
                        }
                    }
                    // In words it may be four times as long.
                    if name.len() > 4 * LONGEST_NAME {
                        return Err(NotOne::Malformed("a name is too long"));
                    }
                }
                0xc0.. => {
                    let [low] = self.array()?;
                    let place = usize::from(length & 0x3f) << 8 | usize::from(low);
                    // Always further back, so that it comes to an end.
                    if place >= earliest {
                        return Err(NotOne::Malformed("a name goes on where it has been"));
                    }
                    earliest = place;
                    after = after.or(Some(self.at));
                    self.at = place;
                }
                64..0xc0 => return Err(NotOne::Malformed("a name has an unknown form")),
            }
        }
        self.at = after.unwrap_or(self.at);
        if name.is_empty() {
            name.push('.');
        }
        Ok(name)
    }

    /// What a record has, whose data ends there.
    fn record(&mut self, kind: Kind, end: usize) -> Result<String, NotOne> {
        Ok(match kind {
            Kind::A => Ipv4Addr::from(self.array::<4>()?).to_string(),
            Kind::Aaaa => Ipv6Addr::from(self.array::<16>()?).to_string(),
            Kind::Cname | Kind::Ns | Kind::Ptr => self.name()?,
            Kind::Mx => format!("{} {}", self.word()?, self.name()?),
            Kind::Srv => {
                let (priority, weight, port) = (self.word()?, self.word()?, self.word()?);
                format!("{priority} {weight} {port} {}", self.name()?)
            }
            Kind::Soa => {
                let names = format!("{} {}", self.name()?, self.name()?);
                let mut numbers = String::new();
                for _ in 0..5 {
                    numbers.push_str(&format!(" {}", self.number()?));
                }
                names + &numbers
            }
            Kind::Txt => {
                let mut text = Vec::new();
                while self.at < end {
                    let [length] = self.array()?;
                    text.extend(self.bytes(usize::from(length))?);
                }
                String::from_utf8_lossy(&text).into_owned()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_what_dig_sends() {
        let question = Question::new("venus001.venus.", Kind::Mx).unwrap();
        assert_eq!(
            question.message(0x1234),
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08venus001\x05venus\x00\x00\x0f\x00\x01"
        );
        let root = Question::new(".", Kind::Ns).unwrap();
        assert_eq!(root.bytes, b"\x00\x00\x02\x00\x01");
        for (address, name) in [
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            (
                "2001:db8::1",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            let by_address = Question::new(address, Kind::Ptr).unwrap();
            assert_eq!(by_address, Question::new(name, Kind::Ptr).unwrap());
        }
        let long = ["a"; 128].join(".");
        for bad in ["", "..", "a..b", "venus 1", "größe", &"a".repeat(64), &long] {
            assert!(Question::new(bad, Kind::A).is_err(), "{bad:?}");
        }
        assert!(Question::new(&["a"; 127].join("."), Kind::A).is_ok());
        assert!("ANY".parse::<Kind>().is_err() && "aaaa".parse() == Ok(Kind::Aaaa));
    }

    /// An answer to a question for `a` whose data is this.
    fn answer(question: &Question, flags: u16, data: &[u8]) -> Vec<u8> {
        let mut message = question.message(7);
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[7] = 1;
        // The name is that of the question.
        message.extend(b"\xc0\x0c");
        message.extend(question.kind.row().1.to_be_bytes());
        message.extend(b"\x00\x01\x00\x00\x0e\x10");
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
        message
    }

    #[test]
    fn records_are_put_in_words() {
        for (kind, data, text) in [
            (Kind::A, &b"\xc0\x00\x02\x01"[..], "192.0.2.1"),
            (
                Kind::Aaaa,
                b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
                "2001:db8::1",
            ),
            (Kind::Cname, b"\x01b\xc0\x0c", "b.a"),
            (Kind::Ptr, b"\x03a.\n\x00", "a\\.\\010"),
            (Kind::Ns, b"\x00", "."),
            (Kind::Mx, b"\x00\x0a\xc0\x0c", "10 a"),
            (Kind::Srv, b"\x00\x01\x00\x02\x13\xc4\xc0\x0c", "1 2 5060 a"),
            (
                Kind::Soa,
                b"\xc0\x0c\x01b\x00\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
                "a b 1 2 3 4 5",
            ),
            (Kind::Txt, b"\x02v=\x02sp", "v=sp"),
        ] {
            let question = Question::new("a", kind).unwrap();
            let message = answer(&question, 0x8180, data);
            let reply = question.read(7, &message).unwrap();
            assert_eq!(
                (reply.code, &reply.records[..]),
                (0, &[text.to_owned()][..])
            );
            // Cut off anywhere it is none.
            for end in 0..message.len() {
                assert!(question.read(7, &message[..end]).is_err(), "{kind} {end}");
            }
            let cut = question.read(7, &answer(&question, 0x8380, data)).unwrap();
            assert_eq!((cut.is_truncated, cut.records.len()), (true, 0));
        }
    }

    #[test]
    fn what_was_not_asked_is_no_answer() {
        let question = Question::new("a", Kind::A).unwrap();
        let other = Question::new("b", Kind::A).unwrap();
        let message = answer(&question, 0x8180, &[127, 0, 0, 1]);
        assert!(question.read(7, &message).is_ok());
        for none in [
            question.read(8, &message),
            other.read(7, &message),
            question.read(7, &answer(&question, 0x0180, &[127, 0, 0, 1])),
        ] {
            assert_eq!(none, Err(NotOne::Other));
        }
        let loops = answer(&Question::new("a", Kind::Ns).unwrap(), 0x8180, b"\xc0\x1f");
        let malformed = NotOne::Malformed("a name goes on where it has been");
        assert_eq!(
            Question::new("a", Kind::Ns).unwrap().read(7, &loops),
            Err(malformed)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            data in proptest::collection::vec(any::<u8>(), 0..80), kind in 0_usize..9, flags: u16
        ) {
            let question = Question::new("a", KINDS[kind].0).unwrap();
            drop(question.read(7, &data));
            drop(question.read(7, &answer(&question, flags, &data)));
        }

        #[test]
        fn a_name_is_read_as_it_was_written(labels in proptest::collection::vec("[!-~&&[^.\\\\]]{1,63}", 1..3)) {
            let name = labels.join(".");
            let message = written(&name).unwrap();
            let read = Reader { message: &message, at: 0 }.name();
            prop_assert_eq!(read, Ok(name));
        }
    }
}
