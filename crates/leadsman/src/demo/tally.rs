//! What the virtual users counted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use leadsman_analysis::Histogram;

/// What one request came to, as the user saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A release answered.
    Answered {
        /// Its number.
        release: u64,
        /// Whether the answer was an error of the service's own: status 500 to 599.
        error: bool,
    },
    /// Nobody answered but the platform itself, or nobody at all; in a few words, what was seen.
    Failed(String),
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The answers, by the number of the release that gave them.
    pub(super) releases: BTreeMap<u64, Answers>,
    /// Requests that a healthy revision would have answered and none did, by what was seen.
    pub(super) failures: BTreeMap<String, u64>,
}

/// What one release answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// All answers, errors included.
    pub(super) count: u64,
    /// Those with a status from 500 to 599.
    pub(super) errors: u64,
    /// How long users waited for them.
    pub(super) latency: Histogram,
    /// When the last one was there.
    pub(super) last: Option<Instant>,
}

impl Tally {
    /// Counts a request that ended at `now`, `latency` after it was sent.
    pub(super) fn count(&mut self, outcome: Outcome, latency: Duration, now: Instant) {
        match outcome {
            Outcome::Answered { release, error } => {
                let answers = self.releases.entry(release).or_default();
                answers.count += 1;
                answers.errors += u64::from(error);
                answers.latency.record(latency);
                answers.last = Some(now);
            }
            Outcome::Failed(seen) => *self.failures.entry(seen).or_default() += 1,
        }
    }

    /// Returns how many requests there were.
    pub(super) fn requests(&self) -> u64 {
        let answered: u64 = self.releases.values().map(|answers| answers.count).sum();
        answered + self.failed()
    }

    /// Returns how many of them the platform failed.
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Returns how many answers `release` gave.
    pub(super) fn answers_of(&self, release: u64) -> u64 {
        self.releases
            .get(&release)
            .map_or(0, |answers| answers.count)
    }

    /// Returns the share of the answers since `earlier` that `release` gave, 0 to 1, and how many
    /// answers that were; `None` if there were none.
    pub(super) fn share_since(&self, earlier: &Self, release: u64) -> Option<(f64, u64)> {
        let all: u64 = self.releases.values().map(|answers| answers.count).sum();
        let before: u64 = earlier.releases.values().map(|answers| answers.count).sum();
        let since = all.checked_sub(before).filter(|since| *since > 0)?;
        let ours = self
            .answers_of(release)
            .saturating_sub(earlier.answers_of(release));
        Some((ours as f64 / since as f64, since))
    }

    /// Adds everything that `later` counted.
    pub(super) fn add(&mut self, later: &Self) {
        for (release, theirs) in &later.releases {
            let ours = self.releases.entry(*release).or_default();
            ours.count += theirs.count;
            ours.errors += theirs.errors;
            ours.latency.add(&theirs.latency);
            ours.last = ours.last.max(theirs.last);
        }
        for (seen, count) in &later.failures {
            *self.failures.entry(seen.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(release: u64, error: bool) -> Outcome {
        Outcome::Answered { release, error }
    }

    #[test]
    fn answers_are_counted_by_release_and_failures_by_what_was_seen() {
        let now = Instant::now();
        let mut tally = Tally::default();
        for (outcome, millis) in [
            (answered(1, false), 5),
            (answered(1, true), 6),
            (answered(2, false), 50),
            (Outcome::Failed("refused".to_owned()), 1),
        ] {
            tally.count(outcome, Duration::from_millis(millis), now);
        }
        assert_eq!((tally.requests(), tally.failed()), (4, 1));
        assert_eq!((tally.answers_of(1), tally.releases[&1].errors), (2, 1));
        let slow = tally.releases[&2]
            .latency
            .count_above(Duration::from_millis(20));
        assert_eq!((slow, tally.releases[&2].last), (1, Some(now)));
        assert_eq!(tally.answers_of(3), 0);

        let mut sum = tally.clone();
        sum.add(&tally);
        assert_eq!((sum.requests(), sum.failed()), (8, 2));
        assert_eq!(sum.failures, BTreeMap::from([("refused".to_owned(), 2)]));
        assert_eq!(sum.releases[&1].latency.count(), 4);
    }

    #[test]
    fn a_share_is_one_of_what_came_in_between() {
        let now = Instant::now();
        let mut tally = Tally::default();
        tally.count(answered(1, false), Duration::ZERO, now);
        let before = tally.clone();
        assert_eq!(tally.share_since(&before, 2), None);
        for release in [1, 1, 1, 2] {
            tally.count(answered(release, false), Duration::ZERO, now);
        }
        assert_eq!(tally.share_since(&before, 2), Some((0.25, 4)));
    }
}
