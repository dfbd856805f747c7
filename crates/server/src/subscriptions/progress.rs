//! How far a subscription was told, and what came of it lately.

use std::collections::VecDeque;
use std::time::Duration;

use leadsman_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::Kept;

/// How many deliveries are remembered.
const RECENT_MAX: usize = 20;

/// How long the reason of a failure is at most, in bytes.
const PROBLEM_BYTES_MAX: usize = 300;

/// How far a subscription was told. It is kept after each delivery, so that the next control goes
/// on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// When the subscription was added that this is about.
    added_at: Timestamp,
    /// The position in the log up to which everything was told, left out or given up.
    pub(crate) position: u64,
    /// Since when every delivery has failed.
    pub(crate) failing_since: Option<Timestamp>,
    /// How many deliveries have failed since then.
    pub(crate) failed: u32,
    /// Before this moment it is not tried again.
    pub(crate) next_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended_at: Option<Timestamp>,
    /// How many notices were given up.
    pub(crate) given_up: u64,
    /// How many of them the audit knows of.
    pub(crate) noted: u64,
    /// When the audit was told of them last.
    pub(crate) noted_at: Option<Timestamp>,
    /// The last deliveries, the newest last.
    pub(crate) recent: VecDeque<Delivery>,
}

/// One time that a notice was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The id of the notice.
    pub(crate) id: String,
    /// The kind of event that it tells of.
    pub(crate) kind: String,
    /// When it was sent.
    pub(crate) at: Timestamp,
    /// How long it took.
    pub(crate) took: Duration,
    /// The status that was answered.
    pub(crate) status: Option<u16>,
    /// Why it does not count as told; `None` if it does.
    pub(crate) problem: Option<String>,
}

impl Progress {
    /// Returns that of a subscription that was told nothing yet.
    pub(crate) fn new(kept: &Kept) -> Self {
        Self {
            added_at: kept.added_at,
            position: kept.from,
            failing_since: None,
            failed: 0,
            next_at: None,
            ended_at: None,
            given_up: 0,
            noted: 0,
            noted_at: None,
            recent: VecDeque::new(),
        }
    }

    /// Whether it is that of this very subscription.
    pub(crate) fn is_of(&self, kept: &Kept) -> bool {
        self.added_at == kept.added_at
    }

    /// Takes note of a delivery.
    pub(crate) fn note(&mut self, mut delivery: Delivery) {
        if let Some(problem) = &mut delivery.problem {
            while problem.len() > PROBLEM_BYTES_MAX {
                problem.pop();
            }
        }
        if delivery.problem.is_none() {
            self.failing_since = None;
            self.failed = 0;
            self.next_at = None;
        } else {
            self.failing_since.get_or_insert(delivery.at);
            self.failed = self.failed.saturating_add(1);
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::super::kept::tests::kept;
    use super::*;

    #[test]
    fn failures_are_counted_until_one_is_told() {
        let mut progress = Progress::new(&kept("chat", "https://example.org/"));
        let delivery = |second: u64, problem: Option<&str>| Delivery {
            id: "shop/production/1".to_owned(),
            kind: "weight_shifted".to_owned(),
            at: Timestamp::from_millis(second * 1_000),
            took: Duration::ZERO,
            status: None,
            problem: problem.map(|it| it.repeat(100)),
        };
        for second in 1..=30 {
            progress.note(delivery(second, Some("no answer")));
        }
        assert_eq!((progress.failed, progress.recent.len()), (30, RECENT_MAX));
        assert_eq!(progress.failing_since, Some(Timestamp::from_millis(1_000)));
        let last = progress.recent.back().and_then(|it| it.problem.as_ref());
        assert_eq!(last.map(String::len), Some(PROBLEM_BYTES_MAX));
        progress.next_at = Some(Timestamp::from_millis(60_000));
        progress.note(delivery(31, None));
        assert_eq!((progress.failed, progress.failing_since), (0, None));
        assert_eq!(progress.next_at, None);
    }
}
