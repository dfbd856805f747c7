//! What was counted, in windows of about a second.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use leadsman_analysis::Figures;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::totals::Moved;

/// How many windows are kept: five minutes.
const WINDOWS_KEPT: usize = 300;

/// One closed interval and what was counted in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Grows by one with every window, and by more over a restart of the proxy.
    pub sequence: u64,
    /// When it began, in milliseconds since 1970 by the wall clock; only to be shown to people.
    pub started_at_ms: u64,
    /// How long it was by the monotonic clock, in seconds; greater than 0, usually about 1.
    pub seconds: f64,
    /// The generation of the table that was in force at its end; `None` from a program that did not
    /// say so yet.
    #[serde(default)]
    pub generation: Option<u64>,
    /// The figures by name of the side; sides without requests are left out.
    pub sides: BTreeMap<String, SideFigures>,
    /// The same of testers, which the others do not have in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub testers: BTreeMap<String, SideFigures>,
    /// The same of copies of requests, which neither have in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrored: BTreeMap<String, SideFigures>,
    /// How often the proxy answered itself, by the reason that it gave; whatever was tried before
    /// is counted among the figures too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// How often each instance was left out because its answers failed, by any worker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ejected: BTreeMap<String, u64>,
}

/// What was counted in some time, by one worker, by all, or by a process that was succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counted {
    /// The figures by name of the side.
    pub(crate) sides: BTreeMap<String, SideFigures>,
    /// The same of testers.
    pub(crate) testers: BTreeMap<String, SideFigures>,
    /// The same of copies of requests.
    pub(crate) mirrored: BTreeMap<String, SideFigures>,
    /// How often the proxy answered itself, by reason.
    pub(crate) refused: BTreeMap<Cow<'static, str>, u64>,
    /// How often each instance was left out.
    pub(crate) ejected: BTreeMap<String, u64>,
    /// What passed through, by name of the side; no part of windows.
    pub(crate) moved: BTreeMap<String, Moved>,
}

impl Counted {
    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        let kinds = [
            (&mut self.sides, other.sides),
            (&mut self.testers, other.testers),
            (&mut self.mirrored, other.mirrored),
        ];
        for (mine, theirs) in kinds {
            for (side, figures) in theirs {
                mine.entry(side).or_default().add(&figures);
            }
        }
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        for (instance, count) in other.ejected {
            *self.ejected.entry(instance).or_default() += count;
        }
        for (side, moved) in other.moved {
            self.moved.entry(side).or_default().add(moved);
        }
    }
}

/// What was counted for one side in one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideFigures {
    /// Requests, errors and latencies. Memory and restarts are not the proxy's to know.
    pub figures: Figures,
    /// Answers by class of status: 1xx, 2xx, 3xx, 4xx, 5xx. Attempts without an answer are in
    /// none of them.
    pub status: [u64; 5],
    /// Those of the figures that one instance counted, always the same one while it is there.
    /// `None` for a side of one instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Figures>,
}

impl SideFigures {
    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: &Self) {
        self.figures.add(&other.figures);
        for (mine, theirs) in self.status.iter_mut().zip(other.status) {
            *mine += theirs;
        }
        if let Some(theirs) = &other.reference {
            self.reference.get_or_insert_default().add(theirs);
        }
    }
}

/// The last windows.
///
/// They are kept as they will be sent. A histogram has hundreds of buckets of which few are in
/// use, and only in writing the others take no room.
#[derive(Debug)]
pub(crate) struct Windows {
    kept: VecDeque<(u64, Box<RawValue>)>,
    next: u64,
}

impl Windows {
    /// Starts with the sequence number `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            kept: VecDeque::new(),
            next: first,
        }
    }

    /// Goes on where another process stopped, whose next number would be `next`.
    pub(crate) fn resume(next: u64, closed: Vec<Box<RawValue>>) -> Self {
        // Their numbers are in them, and without a gap.
        let first = next.saturating_sub(closed.len() as u64);
        Self {
            kept: (first..).zip(closed).collect(),
            next,
        }
    }

    /// Returns the number of the window that is open.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Closes a window that ended now, with the table of `generation` in force.
    pub(crate) fn push(
        &mut self,
        ended_at_ms: u64,
        length: Duration,
        generation: u64,
        counted: Counted,
    ) {
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let window = Window {
            sequence: self.next,
            started_at_ms: ended_at_ms.saturating_sub(length_ms),
            seconds: length.as_secs_f64(),
            generation: Some(generation),
            sides: counted.sides,
            testers: counted.testers,
            mirrored: counted.mirrored,
            ejected: counted.ejected,
            refused: counted
                .refused
                .into_iter()
                .map(|(reason, count)| (reason.into_owned(), count))
                .collect(),
        };
        let written = to_raw_value(&window).expect("a window is made of numbers and names only");
        if self.kept.len() == WINDOWS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((self.next, written));
        self.next += 1;
    }

    /// Returns the windows after the one numbered `after`, the oldest first. A number that was
    /// never given comes from an earlier life under another clock: all are new to that reader.
    pub(crate) fn after(&self, after: u64) -> Vec<&RawValue> {
        let after = if after >= self.next { 0 } else { after };
        let new = self.kept.iter().filter(|(sequence, _)| *sequence > after);
        new.map(|(_, window)| &**window).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &RawValue) -> Window {
        serde_json::from_str(raw.get()).unwrap()
    }

    #[test]
    fn keeps_the_last_windows_in_order() {
        let mut windows = Windows::new(1000);
        for _ in 0..310 {
            windows.push(5_000, Duration::from_secs(1), 7, Counted::default());
        }
        let all = windows.after(0);
        assert_eq!(all.len(), 300);
        assert_eq!(read(all[0]).sequence, 1010);
        assert_eq!(read(all[0]).started_at_ms, 4_000);
        assert_eq!(read(all[0]).generation, Some(7));
        assert_eq!(windows.after(1308).len(), 1);
        assert_eq!(windows.after(1309).len(), 0);
    }

    #[test]
    fn another_process_goes_on_with_the_same_numbers() {
        let mut before = Windows::new(1000);
        for _ in 0..310 {
            before.push(0, Duration::from_secs(1), 7, Counted::default());
        }
        let closed = before.after(0).into_iter().map(RawValue::to_owned);
        let mut windows = Windows::resume(before.next(), closed.collect());
        windows.push(0, Duration::from_secs(1), 8, Counted::default());
        let sequences = windows.after(0).into_iter().map(|raw| read(raw).sequence);
        assert!(sequences.eq(1011..=1310));
        assert_eq!(windows.after(1309).len(), 1);
    }

    #[test]
    fn a_number_of_an_earlier_life_gets_everything() {
        let mut windows = Windows::new(10);
        windows.push(0, Duration::from_secs(1), 8, Counted::default());
        assert_eq!(windows.after(5_000).len(), 1);
    }
}
