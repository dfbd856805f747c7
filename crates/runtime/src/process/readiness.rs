//! Whether an instance is ready, from the answers to its probes.

use std::time::Duration;

use leadsman_core::time::Timestamp;

/// How many probes in a row must fail before a ready instance is not ready.
const FAILURES_MAX: u32 = 3;
/// The longest pause between two probes of a ready instance, unless its own is longer.
const CALM: Duration = Duration::from_secs(5);
/// The shortest pause between two probes, whatever was asked for.
const SHORTEST: Duration = Duration::from_millis(10);

/// Keeps count of the answers of one process.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) ready_since: Option<Timestamp>,
    failures: u32,
    /// What the last failed probe said, while it is not ready.
    pub(super) unready: Option<String>,
}

impl Watch {
    pub(super) fn since(ready_since: Option<Timestamp>) -> Self {
        Self {
            ready_since,
            ..Self::default()
        }
    }

    /// Takes an answer. Returns whether anything worth telling has changed.
    pub(super) fn record(&mut self, answer: Result<(), String>, now: Timestamp) -> bool {
        match answer {
            Ok(()) => {
                self.failures = 0;
                self.unready = None;
                let becomes_ready = self.ready_since.is_none();
                self.ready_since.get_or_insert(now);
                becomes_ready
            }
            Err(problem) => {
                self.failures = self.failures.saturating_add(1);
                if self.ready_since.is_some() && self.failures < FAILURES_MAX {
                    return false;
                }
                let changes =
                    self.ready_since.take().is_some() || self.unready.as_ref() != Some(&problem);
                self.unready = Some(problem);
                changes
            }
        }
    }

    /// Returns when to ask next, for an instance that is asked every `every` until it is ready.
    /// While all is well it is asked less often; at the first failure the doubt is cleared up fast.
    pub(super) fn pause(&self, every: Duration) -> Duration {
        let every = every.max(SHORTEST);
        if self.ready_since.is_some() && self.failures == 0 {
            (every * 5).min(CALM).max(every)
        } else {
            every
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_make_it_unready() {
        let at = Timestamp::from_millis;
        let no = || Err("answered 503".to_owned());
        let mut watch = Watch::default();
        assert!(watch.record(no(), at(1)));
        assert!(
            !watch.record(no(), at(2)),
            "the same answer again is no news"
        );
        assert!(watch.record(Ok(()), at(3)));
        for moment in [4, 5] {
            assert!(!watch.record(no(), at(moment)));
        }
        assert!(!watch.record(Ok(()), at(6)), "it was ready all the time");
        assert_eq!(watch.ready_since, Some(at(3)));
        for moment in [7, 8] {
            assert!(!watch.record(no(), at(moment)));
        }
        assert!(watch.record(no(), at(9)));
        assert_eq!(
            (watch.ready_since, watch.unready.as_deref()),
            (None, Some("answered 503"))
        );
        assert!(watch.record(Ok(()), at(10)));
        assert_eq!(watch.ready_since, Some(at(10)));
    }

    #[test]
    fn asks_less_often_while_all_is_well() {
        let every = Duration::from_millis(200);
        let mut watch = Watch::default();
        assert_eq!(watch.pause(every), every);
        assert_eq!(watch.pause(Duration::ZERO), SHORTEST);
        watch.record(Ok(()), Timestamp::from_millis(1));
        assert_eq!(watch.pause(every), every * 5);
        assert_eq!(
            watch.pause(Duration::from_secs(30)),
            Duration::from_secs(30)
        );
        watch.record(Err(String::new()), Timestamp::from_millis(2));
        assert_eq!(watch.pause(every), every);
    }
}
