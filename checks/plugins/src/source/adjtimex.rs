//! What the kernel knows of its own clock, by adjtimex(2): what whoever keeps it (chronyd, ntpd,
//! systemd-timesyncd) has told it. Nothing is changed.

#![allow(
    unsafe_code,
    reason = "adjtimex(2) has a C interface, and no crate at hand wraps it"
)]

use nix::errno::Errno;
use nix::libc;

/// The clock as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clock {
    /// Whether somebody keeps it, and has told so in the last hours.
    pub(crate) is_synchronised: bool,
    /// Seconds that it is still to be moved by.
    pub(crate) offset: f64,
    /// The largest that its error can be, in seconds.
    pub(crate) most_error: f64,
    /// The error that is estimated, in seconds.
    pub(crate) likely_error: f64,
    /// How much faster than by itself it runs, in parts per million.
    pub(crate) frequency: f64,
    pub(crate) leap: Option<Leap>,
}

/// What is to happen at the end of the day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leap {
    Inserted,
    Deleted,
}

/// The kernel does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot ask the kernel for its clock (adjtimex): {}{}", .0.desc(), advice(*.0))]
pub(crate) struct Refused(Errno);

/// Nobody needs a privilege to ask, but a service or a container may be kept from it.
fn advice(error: Errno) -> &'static str {
    if error == Errno::EPERM {
        "; is this service or container kept from it (under venus-agent.service the drop-in \
         clock.conf lets it)?"
    } else {
        ""
    }
}

/// Asks the kernel.
pub(crate) fn read() -> Result<Clock, Refused> {
    // SAFETY: `timex` is a C structure of nothing but integers, for which all zeros are values.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: it is a valid structure of this thread's own, which the call fills. `modes` is 0, so
    // that nothing is set and no privilege is needed.
    let state = Errno::result(unsafe { libc::adjtimex(&raw mut timex) }).map_err(Refused)?;
    Ok(Clock::of(&timex, state))
}

impl Clock {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    fn of(timex: &libc::timex, state: libc::c_int) -> Self {
        let is = |flag| timex.status & flag != 0;
        let of_offset = if is(libc::STA_NANO) { 1e9 } else { 1e6 };
        Self {
            is_synchronised: !is(libc::STA_UNSYNC) && state != libc::TIME_ERROR,
            offset: timex.offset as f64 / of_offset,
            most_error: timex.maxerror as f64 / 1e6,
            likely_error: timex.esterror as f64 / 1e6,
            // In units of 2^-16.
            frequency: timex.freq as f64 / 65_536.0,
            leap: match state {
                libc::TIME_INS => Some(Leap::Inserted),
                libc::TIME_DEL => Some(Leap::Deleted),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_in_its_units() {
        // SAFETY: as above.
        let mut timex: libc::timex = unsafe { std::mem::zeroed() };
        timex.offset = -1500;
        timex.maxerror = 16_000_000;
        timex.esterror = 250;
        timex.freq = -65_536;
        let clock = Clock {
            is_synchronised: true,
            offset: -0.0015,
            most_error: 16.0,
            likely_error: 0.000_25,
            frequency: -1.0,
            leap: None,
        };
        assert_eq!(Clock::of(&timex, libc::TIME_OK), clock);
        timex.status = libc::STA_NANO;
        let nano = Clock::of(&timex, libc::TIME_INS);
        assert!((nano.offset + 0.000_001_5).abs() < 1e-12);
        assert_eq!(nano.leap, Some(Leap::Inserted));
        assert!(nano.is_synchronised);
        assert!(!Clock::of(&timex, libc::TIME_ERROR).is_synchronised);
        timex.status = libc::STA_UNSYNC;
        let unkept = Clock::of(&timex, libc::TIME_DEL);
        assert!(!unkept.is_synchronised);
        assert_eq!(unkept.leap, Some(Leap::Deleted));
    }

    #[test]
    fn this_kernel_answers() {
        let clock = read().unwrap();
        assert!(clock.most_error >= 0.0 && clock.frequency.abs() <= 500.0);
    }
}
