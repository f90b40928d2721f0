//! What a port's link is like: `SYS/class/infiniband/DEVICE/ports/N/{state,phys_state,rate,lid,sm_lid}`.
//!
//! Since Linux 2.6.14; `link_layer` since 2.6.37. Files that are not there have no value.

use std::io;

use crate::source::infiniband::sysfs::{Failure, LinkLayer, Port};
use crate::source::kernel_file::{ATTRIBUTE_BYTES, KernelFile};
use crate::source::text::{Malformed, decimal, only_line};

/// What a port's link is like; `None` for what nobody tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// 1 down, 2 initialise, 3 armed, 4 active; 0 is none of these.
    pub state: Option<u8>,
    /// 1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 error recovery, 7 test.
    pub phys_state: Option<u8>,
    /// Lanes: 1, 2, 4, 8 or 12.
    pub width: Option<u8>,
    /// Of a lane.
    pub speed: Option<Tenths>,
    /// The port's local identifier; 0 if no subnet manager has given it one.
    pub lid: Option<u16>,
    /// The subnet manager's.
    pub sm_lid: Option<u16>,
    /// What it speaks.
    pub link_layer: Option<LinkLayer>,
}

/// A speed in tenths of Gbit/s, as the kernel counts them: 25 is 2.5 Gbit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenths(pub u32);

/// The state of a port that carries data.
pub const ACTIVE: u8 = 4;
/// The physical state of a port whose cable works.
pub const LINK_UP: u8 = 5;

impl Facts {
    /// The speed of all lanes together.
    #[must_use]
    pub fn rate(&self) -> Option<Tenths> {
        let Tenths(speed) = self.speed?;
        speed.checked_mul(u32::from(self.width?)).map(Tenths)
    }

    /// Whether data can flow.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == Some(ACTIVE)
    }

    /// The state by IBTA's name.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        let state = self.state.unwrap_or_default();
        let name = |(name, of): &(&'static str, u8)| (*of == state).then_some(*name);
        STATES.iter().find_map(name).unwrap_or("unknown")
    }

    /// The physical state by IBTA's name.
    #[must_use]
    pub fn phys_state_name(&self) -> &'static str {
        match self.phys_state {
            Some(1) => "Sleep",
            Some(2) => "Polling",
            Some(3) => "Disabled",
            Some(4) => "PortConfigurationTraining",
            Some(LINK_UP) => "LinkUp",
            Some(6) => "LinkErrorRecovery",
            Some(7) => "Phy Test",
            Some(_) | None => "unknown",
        }
    }

    /// The speed of a lane by its usual name.
    #[must_use]
    pub fn speed_name(&self) -> &'static str {
        let Some(Tenths(speed)) = self.speed else {
            return "unknown speed";
        };
        SPEEDS
            .iter()
            .find_map(|(name, of)| (*of == speed).then_some(*name))
            .unwrap_or("unknown speed")
    }
}

/// The files of a port's facts, open between two reads.
#[derive(Debug)]
pub struct FactFiles {
    state: KernelFile,
    phys_state: KernelFile,
    rate: KernelFile,
    lid: KernelFile,
    sm_lid: KernelFile,
    link_layer: Option<LinkLayer>,
}

impl FactFiles {
    /// Those of a port. Its link layer does not change while it exists.
    #[must_use]
    pub fn of(port: &Port, link_layer: Option<LinkLayer>) -> Self {
        let file = |name| KernelFile::new(port.path.join(name));
        Self {
            state: file("state"),
            phys_state: file("phys_state"),
            rate: file("rate"),
            lid: file("lid"),
            sm_lid: file("sm_lid"),
            link_layer,
        }
    }

    /// Reads them. What cannot be read goes to `failures`.
    pub fn read(&mut self, failures: &mut Vec<Failure>) -> Facts {
        let state = "is no state like 4: ACTIVE";
        let lid = "is no LID like 0x1f";
        let state_of = |file, failures: &mut _| value(file, state, number_before_colon, failures);
        let lid_of = |file, failures: &mut _| value(file, lid, hexadecimal, failures);
        let rate = value(
            &mut self.rate,
            "is no rate like 40 Gb/sec (4X QDR)",
            rate,
            failures,
        );
        Facts {
            state: state_of(&mut self.state, failures),
            phys_state: state_of(&mut self.phys_state, failures),
            width: rate.map(|(width, _)| width),
            speed: rate.map(|(_, speed)| speed),
            lid: lid_of(&mut self.lid, failures),
            sm_lid: lid_of(&mut self.sm_lid, failures),
            link_layer: self.link_layer,
        }
    }
}

/// IBTA's names of a port's states.
pub const STATES: [(&str, u8); 4] = [
    ("Down", 1),
    ("Initialize", 2),
    ("Armed", 3),
    ("Active", ACTIVE),
];

/// The usual names of a lane's speed, and its tenths of Gbit/s as the kernel has them.
pub const SPEEDS: [(&str, u32); 7] = [
    ("SDR", 25),
    ("DDR", 50),
    ("QDR", 100),
    ("FDR", 140),
    ("EDR", 250),
    ("HDR", 500),
    ("NDR", 1000),
];

/// The value of an attribute; `None` where there is no such file, or one that is not understood.
fn value<T>(
    file: &mut KernelFile,
    what: &'static str,
    parse: fn(&[u8]) -> Option<T>,
    failures: &mut Vec<Failure>,
) -> Option<T> {
    let mut buffer = [0; ATTRIBUTE_BYTES];
    let failure = match file.read_attribute(&mut buffer) {
        Ok(text) => match only_line(text) {
            Ok(line) => match parse(line) {
                Some(value) => return Some(value),
                None => Malformed::Line { line: 1, what }.into(),
            },
            Err(malformed) => malformed.into(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.into(),
    };
    failures.push((file.path().to_owned(), failure));
    None
}

/// `4: ACTIVE`
fn number_before_colon(line: &[u8]) -> Option<u8> {
    let number = line.split(|byte| *byte == b':').next()?;
    decimal(number).and_then(|number| number.try_into().ok())
}

/// `0x1f`
fn hexadecimal(line: &[u8]) -> Option<u16> {
    let digits = str::from_utf8(line).ok()?.strip_prefix("0x")?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

/// `40 Gb/sec (4X QDR)` or `2.5 Gb/sec (1X)`: lanes, and the speed of one.
fn rate(line: &[u8]) -> Option<(u8, Tenths)> {
    let (rate, rest) = str::from_utf8(line).ok()?.split_once(" Gb/sec (")?;
    let (width, _name) = rest.strip_suffix(')')?.split_once('X')?;
    let (whole, tenth) = rate.split_once('.').unwrap_or((rate, "0"));
    let number =
        |text: &str| decimal(text.as_bytes()).and_then(|number| u32::try_from(number).ok());
    let tenth = number(tenth).filter(|tenth| *tenth < 10)?;
    let all = number(whole)?.checked_mul(10)?.checked_add(tenth)?;
    let width = u8::try_from(number(width)?).ok()?;
    all.checked_div(u32::from(width))
        .map(|speed| (width, Tenths(speed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_lanes_and_the_speed_of_one() {
        for (text, width, speed) in [
            ("40 Gb/sec (4X QDR)", 4, 100),
            ("10 Gb/sec (4X)", 4, 25),
            ("2.5 Gb/sec (1X SDR)", 1, 25),
            ("56 Gb/sec (4X FDR)", 4, 140),
            ("400 Gb/sec (4X NDR)", 4, 1000),
        ] {
            assert_eq!(
                rate(text.as_bytes()),
                Some((width, Tenths(speed))),
                "{text}"
            );
        }
        for bad in [
            "",
            "40",
            "40 Gb/sec",
            "40 Gb/sec (X QDR)",
            "40 Gb/sec (0X QDR)",
            "-1 Gb/sec (4X QDR)",
            "2.55 Gb/sec (1X)",
            "429496729 Gb/sec (4X)",
            "429496730 Gb/sec (4X)",
            "40 Gb/sec (4X QDR",
        ] {
            let wrong = rate(bad.as_bytes());
            assert!(wrong.is_none() || bad.starts_with("429496729 "), "{bad}");
        }
    }

    #[test]
    fn states_and_lids_are_numbers() {
        assert_eq!(number_before_colon(b"4: ACTIVE"), Some(4));
        assert_eq!(number_before_colon(b"ACTIVE"), None);
        assert_eq!(number_before_colon(b"400: X"), None);
        assert_eq!(hexadecimal(b"0xffff"), Some(0xffff));
        for bad in ["0x", "1f", "0x+1", "0x10000", "0xg"] {
            assert_eq!(hexadecimal(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line: Vec<u8>, text in "[0-9.]{0,12} Gb/sec \\([0-9]{0,4}X[A-Z ]{0,4}\\)?") {
            for line in [&line[..], text.as_bytes()] {
                rate(line);
                hexadecimal(line);
                number_before_colon(line);
            }
        }
    }
}
