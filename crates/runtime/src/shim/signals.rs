//! Signals by name, and names of signals.

use rustix::process::Signal;

const NAMES: [(&str, Signal); 17] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ILL", Signal::ILL),
    ("TRAP", Signal::TRAP),
    ("ABRT", Signal::ABORT),
    ("BUS", Signal::BUS),
    ("FPE", Signal::FPE),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("SEGV", Signal::SEGV),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("XCPU", Signal::XCPU),
    ("SYS", Signal::SYS),
];

/// Returns the signal that people call `name`, with or without `SIG`, if it is one that may ask a
/// process to end.
pub(crate) fn signal_by_name(name: &str) -> Option<Signal> {
    let bare = name.strip_prefix("SIG").unwrap_or(name);
    if !["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"].contains(&bare) {
        return None;
    }
    NAMES
        .iter()
        .find(|(known, _)| *known == bare)
        .map(|(_, signal)| *signal)
}

/// Returns what people call the signal with this number.
pub(super) fn name_of_signal(number: i32) -> String {
    NAMES
        .iter()
        .find(|(_, signal)| signal.as_raw() == number)
        .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for name in ["TERM", "SIGINT", "QUIT"] {
            let signal = signal_by_name(name).unwrap();
            assert_eq!(
                name_of_signal(signal.as_raw()),
                name.trim_start_matches("SIG")
            );
        }
        for wrong in ["", "term", "SEGV", "STOP", "15", "SIG"] {
            assert!(signal_by_name(wrong).is_none(), "{wrong}");
        }
        assert_eq!(name_of_signal(40), "40");
    }
}
