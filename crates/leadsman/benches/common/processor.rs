//! What Linux says of the processor time of a process.

use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Linux counts in hundredths of a second.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Returns what a process (its id, or `self`) used so far in user mode and in the kernel, and what
/// those used that it started and that have ended.
pub(crate) fn worked(process: &str) -> Result<[Duration; 4], Error> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let unknown = || Error::new(ErrorKind::InvalidData, "an unknown form of /proc/*/stat");
    // The name of the program comes second and may hold anything, also spaces.
    let (_, fields) = text.rsplit_once(')').ok_or_else(unknown)?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || {
        let ticks = fields.next().and_then(|ticks| ticks.parse::<u32>().ok());
        ticks.map(|ticks| TICK * ticks).ok_or_else(unknown)
    };
    Ok([next()?, next()?, next()?, next()?])
}
