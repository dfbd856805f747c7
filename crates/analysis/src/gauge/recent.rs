//! The last samples of a gauge: as many as cover its hold.

use std::collections::VecDeque;
use std::time::Duration;

/// How many samples a hold takes, however long each of them is.
const SAMPLES: usize = 3;

/// How many samples are remembered at most: an hour of one each second. It bounds the memory of
/// holds that no project file can ask for; so many samples are enough for any of them.
const SAMPLES_MAX: usize = 4096;

/// Sums of tenths of a second miss a whole number by their last bit.
const ROUNDING: f64 = 1e-6;

/// How much time some samples stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) seconds: f64,
    pub(super) samples: usize,
}

impl Span {
    /// Whether these samples are enough for `hold`.
    pub(super) fn covers(self, hold: Duration) -> bool {
        if hold.is_zero() {
            return self.samples > 0;
        }
        let long_enough = self.seconds >= hold.as_secs_f64() - ROUNDING;
        self.samples >= SAMPLES && long_enough || self.samples >= SAMPLES_MAX
    }
}

/// The last samples of a step, without a gap longer than the hold between them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recent<T> {
    hold: Duration,
    samples: VecDeque<(f64, T)>,
    /// For how long there has been no value, in seconds.
    gap: f64,
}

impl<T> Recent<T> {
    /// Returns the memory of a gauge whose limits hold for `hold`, without a sample.
    pub(super) fn new(hold: Duration) -> Self {
        Self {
            hold,
            samples: VecDeque::new(),
            gap: 0.0,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.gap = 0.0;
    }

    /// Adds a value that stands for an interval of `seconds`, and forgets what the hold does not
    /// need any more.
    pub(super) fn add(&mut self, seconds: f64, value: T) {
        if self.gap > self.hold.as_secs_f64() {
            self.samples.clear();
        }
        self.gap = 0.0;
        self.samples.push_back((seconds, value));
        let mut span = self.span();
        while let Some((first, _)) = self.samples.front() {
            let without = Span {
                seconds: span.seconds - first,
                samples: span.samples - 1,
            };
            if !without.covers(self.hold) {
                break;
            }
            self.samples.pop_front();
            span = without;
        }
    }

    /// Lets time pass without a value.
    pub(super) fn pass_over(&mut self, seconds: f64) {
        self.gap += seconds;
    }

    /// Returns the last value of the step.
    pub(super) fn last(&self) -> Option<&T> {
        self.samples.back().map(|(_, value)| value)
    }

    /// Returns how much time is remembered, at most about the hold.
    pub(super) fn span(&self) -> Span {
        self.span_since(|_| true)
    }

    /// Returns how much time up to now every value has been `wanted`.
    pub(super) fn span_since(&self, wanted: impl Fn(&T) -> bool) -> Span {
        let wanted = self
            .samples
            .iter()
            .rev()
            .take_while(|(_, value)| wanted(value));
        wanted.fold(Span::default(), |span, (seconds, _)| Span {
            seconds: span.seconds + seconds,
            samples: span.samples + 1,
        })
    }

    /// Returns the median of what `number` makes of each value remembered; of an even count the
    /// middle between the two in the middle.
    pub(super) fn median(&self, number: impl Fn(&T) -> f64) -> Option<f64> {
        let mut values: Vec<f64> = self
            .samples
            .iter()
            .map(|(_, value)| number(value))
            .collect();
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        if values.len() % 2 == 1 {
            return Some(upper);
        }
        let lower = *values.get(values.len() / 2 - 1)?;
        Some(lower / 2.0 + upper / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(hold: u64, values: &[f64]) -> Recent<f64> {
        let mut recent = Recent::new(Duration::from_secs(hold));
        for value in values {
            recent.add(1.0, *value);
        }
        recent
    }

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        for (values, median) in [
            (&[] as &[f64], None),
            (&[7.0], Some(7.0)),
            (&[1.0, 9.0], Some(5.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 3.0, 2.0], Some(2.5)),
            (&[f64::MAX, f64::MAX], Some(f64::MAX)),
            (&[-1.0, 0.0, -0.0, 1e9, -1e9], Some(0.0)),
        ] {
            assert_eq!(remembered(60, values).median(|v| *v), median, "{values:?}");
        }
    }

    #[test]
    fn fewer_than_half_of_the_samples_cannot_move_the_median_beyond_the_others() {
        for spoilt in 0..5 {
            let mut values = vec![10.0; 10];
            values[..spoilt].fill(1e12);
            assert_eq!(
                remembered(60, &values).median(|v| *v),
                Some(10.0),
                "{spoilt}"
            );
        }
    }

    #[test]
    fn only_what_covers_the_hold_is_remembered() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(remembered(10, &values).span().samples, 10);
        assert_eq!(remembered(1, &values).span().samples, SAMPLES);
        assert_eq!(remembered(0, &values).span().samples, 1);
        let values = vec![0.0; 10_000];
        assert_eq!(remembered(1 << 40, &values).span().samples, SAMPLES_MAX);
    }

    #[test]
    fn a_gap_longer_than_the_hold_begins_it_anew() {
        for (gap, samples) in [(10.0, 3), (10.1, 1)] {
            let mut recent = remembered(10, &[1.0, 1.0]);
            recent.pass_over(gap);
            recent.add(1.0, 1.0);
            assert_eq!(recent.span().samples, samples, "{gap}");
        }
    }
}
