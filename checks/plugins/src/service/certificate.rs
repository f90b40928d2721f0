//! What an X.509 certificate says: whose it is, by whom it was issued, from when to when it holds.
//!
//! Only read to be shown and counted in days: whether a certificate is good is told by rustls. It
//! is lenient, as whoever issued it may not have kept to DER (X.690) and RFC 5280 in everything.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: the common name, or else the whole name.
    pub subject: String,
    /// Who issued it, likewise.
    pub issuer: String,
    /// Whether it was issued by its subject.
    pub is_self_issued: bool,
    /// From when it holds, in seconds since the epoch.
    pub not_before: i64,
    /// Until when it holds, that second included.
    pub not_after: i64,
    /// The names and addresses of hosts that it is for.
    pub names: Vec<String>,
}

/// It is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no X.509 certificate: {0}")]
pub struct NotOne(&'static str);

impl Certificate {
    /// Reads one.
    pub fn read(der: &[u8]) -> Result<Self, NotOne> {
        let mut all = Der(der).inside(SEQUENCE).ok_or(NotOne("no sequence"))?;
        let mut signed = all.inside(SEQUENCE).ok_or(NotOne("nothing is signed"))?;
        // The version may be left out.
        let _ = signed.inside(VERSION);
        let mut skip = |tag| signed.inside(tag).ok_or(NotOne("its serial number"));
        skip(INTEGER)?;
        skip(SEQUENCE)?;
        let issuer = signed.inside(SEQUENCE).ok_or(NotOne("its issuer"))?;
        let mut validity = signed.inside(SEQUENCE).ok_or(NotOne("its validity"))?;
        let mut time = || validity.next().and_then(time).ok_or(NotOne("its validity"));
        let (not_before, not_after) = (time()?, time()?);
        let subject = signed.inside(SEQUENCE).ok_or(NotOne("its subject"))?;
        signed.inside(SEQUENCE).ok_or(NotOne("its key"))?;
        let extensions = std::iter::from_fn(|| signed.next()).find(|(tag, _)| *tag == EXTENSIONS);
        let names = extensions.and_then(|(_, content)| Der(content).inside(SEQUENCE));
        Ok(Self {
            subject: name(subject),
            issuer: name(issuer),
            is_self_issued: subject.0 == issuer.0,
            not_before,
            not_after,
            names: names.map(names_of).unwrap_or_default(),
        })
    }

    /// All certificates of a text in PEM, in their order; other things in it are passed over.
    pub fn read_pem(text: &[u8]) -> Result<Vec<Self>, String> {
        let read = |one: Result<CertificateDer<'_>, _>| {
            let der = one.map_err(|error: rustls::pki_types::pem::Error| error.to_string())?;
            Self::read(&der).map_err(|error| error.to_string())
        };
        let all: Vec<Self> = CertificateDer::pem_slice_iter(text)
            .map(read)
            .collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err("it has no certificate in PEM".to_owned());
        }
        Ok(all)
    }

    /// How many whole days it holds from now; below 0 where it has expired.
    #[must_use]
    pub fn days_left(&self, now: u64) -> i64 {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.not_after.saturating_sub(now).div_euclid(DAY)
    }

    /// The day until which it holds: `2026-01-31`.
    #[must_use]
    pub fn last_day(&self) -> String {
        day(self.not_after)
    }

    /// The day from which it holds.
    #[must_use]
    pub fn first_day(&self) -> String {
        day(self.not_before)
    }
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Tags and contents one after another.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next one, which is passed.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // Of indefinite length, or longer than anything that is meant.
            0x80 | 0x85.. => return None,
            _ => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |all, byte| all << 8 | usize::from(*byte));
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// What is in the next one if that has this tag; else it is not passed.
    fn inside(&mut self, tag: u8) -> Option<Self> {
        let mut after = *self;
        let (found, content) = after.next()?;
        if found != tag {
            return None;
        }
        *self = after;
        Some(Self(content))
    }
}

/// A distinguished name: its last common name, or else all that is said.
fn name(mut parts: Der<'_>) -> String {
    let mut all = Vec::new();
    let mut common = None;
    while let Some(mut part) = parts.inside(SET) {
        while let Some(mut pair) = part.inside(SEQUENCE) {
            let (Some(kind), Some((tag, text))) = (pair.inside(OBJECT), pair.next()) else {
                continue;
            };
            let text = string(tag, text);
            if kind.0 == COMMON_NAME {
                common = Some(text.clone());
            }
            all.push(text);
        }
    }
    common.unwrap_or_else(|| all.join(", "))
}

fn string(tag: u8, text: &[u8]) -> String {
    /// Two bytes a character.
    const BMP: u8 = 0x1e;
    if tag != BMP {
        return String::from_utf8_lossy(text).into_owned();
    }
    let units = text.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let characters = char::decode_utf16(units);
    characters
        .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// The names and addresses of hosts among the extensions.
fn names_of(mut extensions: Der<'_>) -> Vec<String> {
    const DNS: u8 = 0x82;
    const ADDRESS: u8 = 0x87;
    let mut names = Vec::new();
    while let Some(mut extension) = extensions.inside(SEQUENCE) {
        if extension
            .inside(OBJECT)
            .is_none_or(|kind| kind.0 != ALTERNATIVE_NAMES)
        {
            continue;
        }
        let mut parts = std::iter::from_fn(|| extension.next());
        let content = parts.find(|(tag, _)| *tag == OCTETS);
        let list = content.and_then(|(_, content)| Der(content).inside(SEQUENCE));
        let Some(mut list) = list else { continue };
        while let Some((tag, name)) = list.next() {
            match tag {
                DNS => names.push(String::from_utf8_lossy(name).into_owned()),
                ADDRESS => names.extend(address(name).map(|address| address.to_string())),
                _ => {}
            }
        }
    }
    names
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let short = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    short
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// `UTCTime` or `GeneralizedTime`, in the one form that RFC 5280 allows: to the second, and in UTC.
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    const UTC: u8 = 0x17;
    const GENERALIZED: u8 = 0x18;
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, rest) = match (tag, text.len()) {
        (UTC, 12) => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED, 14) => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let number = |from: usize| -> Option<i64> { rest.get(from..from + 2)?.parse().ok() };
    let (month, date) = (number(0)?, number(2)?);
    let (hour, minute, second) = (number(4)?, number(6)?, number(8)?);
    let is_one = digits
        && (1..=12).contains(&month)
        && (1..=31).contains(&date)
        && hour < 24
        && minute < 60
        && second <= 60;
    let days = is_one.then(|| days_to(year, month, date))?;
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Days from the epoch to a day of the Gregorian calendar. Years begin in March here, so that the
/// day of a leap year is the last one.
fn days_to(year: i64, month: i64, date: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let days_of_months = (153 * month + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + days_of_months + date - 1 - 719_468
}

/// The day of a time.
fn day(time: i64) -> String {
    let days = time.div_euclid(DAY);
    // Too early, by a few years at most.
    let mut year = 1969 + days.div_euclid(365).min(days.div_euclid(366));
    while days_to(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_to(year, *month, 1) <= days);
    let month = month.unwrap_or(1);
    let date = days - days_to(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_and_shown() {
        for (tag, text, seconds, shown) in [
            (0x17, "700101000000Z", Some(0), "1970-01-01"),
            (0x17, "491231235959Z", Some(2_524_607_999), "2049-12-31"),
            (0x17, "500101000000Z", Some(-631_152_000), "1950-01-01"),
            (0x18, "20000229120000Z", Some(951_825_600), "2000-02-29"),
            (0x18, "99991231235959Z", Some(253_402_300_799), "9999-12-31"),
            (0x18, "00000101000000Z", Some(-62_167_219_200), "0000-01-01"),
            (0x17, "20000229120000Z", None, ""),
            (0x18, "20001329120000Z", None, ""),
            (0x18, "2000022912000é", None, ""),
            (0x18, "+0000101000000Z", None, ""),
            (0x17, "700101000000", None, ""),
        ] {
            let read = time((tag, text.as_bytes()));
            assert_eq!(read, seconds, "{text}");
            assert_eq!(read.map(day).unwrap_or_default(), shown, "{text}");
        }
    }

    fn certificate(not_after: i64) -> Certificate {
        Certificate {
            subject: String::new(),
            issuer: String::new(),
            is_self_issued: false,
            not_before: 0,
            not_after,
            names: Vec::new(),
        }
    }

    #[test]
    fn days_are_whole_ones() {
        for (not_after, days) in [
            (1_000_000 + 86_400, 1),
            (1_000_000 + 86_399, 0),
            (1_000_000, 0),
            (999_999, -1),
            (i64::MIN, -106_751_991_167_301),
        ] {
            assert_eq!(certificate(not_after).days_left(1_000_000), days);
        }
    }

    proptest! {
        #[test]
        fn each_day_follows_the_one_before(days in -719_000_i64..2_900_000) {
            let (shown, next) = (day(days * DAY), day((days + 1) * DAY - 1));
            prop_assert_eq!(&shown, &next);
            let text = shown.replace('-', "") + "000000Z";
            prop_assert_eq!(time((0x18, text.as_bytes())), Some(days * DAY));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            // What is not one is refused, whatever it is.
            prop_assert!(Certificate::read(&bytes).is_err());
            prop_assert!(Certificate::read_pem(&bytes).is_err());
        }

        #[test]
        fn nor_do_garbled_certificates(at in 0_usize..400, with: u8, cut in 0_usize..400) {
            let mut der = fixture();
            der[at] = with;
            drop(Certificate::read(&der));
            prop_assert!(Certificate::read(&der[..cut]).is_err());
        }
    }

    fn fixture() -> Vec<u8> {
        let pem = include_bytes!("../../../../tests/fixtures/services/tls/good.pem");
        CertificateDer::from_pem_slice(pem).unwrap().to_vec()
    }

    #[test]
    fn what_openssl_wrote_is_read() {
        let read = Certificate::read(&fixture()).unwrap();
        assert_eq!(
            read,
            Certificate {
                subject: "venus001".to_owned(),
                issuer: "authority of the test".to_owned(),
                is_self_issued: false,
                not_before: 1_577_836_800,
                not_after: 4_102_444_800,
                names: ["venus001", "*.cluster.venus", "127.0.0.1", "::1"]
                    .map(str::to_owned)
                    .into(),
            }
        );
        assert_eq!(
            (read.first_day(), read.last_day()),
            ("2020-01-01".to_owned(), "2100-01-01".to_owned())
        );
    }
}
