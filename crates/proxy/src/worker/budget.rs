//! How many requests may be sent again.

use std::cell::Cell;
use std::time::Instant;

use crate::table::{RetryBudget, WEIGHT_WHOLE};

/// After how many seconds most of what was saved up is gone.
const MEMORY: f64 = 10.0;

/// After how many seconds what was saved up is looked at again: each time costs more than a request
/// does.
const GRAIN: f64 = 0.1;

/// The budget of one service on one worker.
pub(super) struct Budget {
    per_request: f64,
    per_second: f64,
    saved: Cell<f64>,
    counted_at: Cell<Instant>,
}

impl Budget {
    /// Makes the part of one of so many workers.
    pub(super) fn new(spec: &RetryBudget, workers: usize, now: Instant) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "there are few workers")]
        let per_second = f64::from(spec.per_second) / workers as f64;
        Self {
            per_request: f64::from(spec.share) / f64::from(WEIGHT_WHOLE),
            per_second,
            saved: Cell::new(per_second * MEMORY),
            counted_at: Cell::new(now),
        }
    }

    /// Goes on from what was saved up before, where the budget stays the same.
    pub(super) fn resume(self, before: Option<&Self>) -> Self {
        #[expect(
            clippy::float_cmp,
            reason = "they come from the same numbers, or do not"
        )]
        let same = before.filter(|before| {
            before.per_request == self.per_request && before.per_second == self.per_second
        });
        if let Some(before) = same {
            self.saved.set(before.saved.get());
            self.counted_at.set(before.counted_at.get());
        }
        self
    }

    /// Saves up for a request.
    pub(super) fn save(&self, now: Instant) {
        self.settle(now);
        self.saved.set(self.saved.get() + self.per_request);
    }

    /// Takes what one attempt more costs; returns whether there was as much.
    pub(super) fn take(&self, now: Instant) -> bool {
        self.settle(now);
        let saved = self.saved.get();
        let enough = saved >= 1.0;
        if enough {
            self.saved.set(saved - 1.0);
        }
        enough
    }

    /// Lets the time since the last look pass: what was saved up fades, the rest comes in.
    fn settle(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_at.get());
        let passed = passed.as_secs_f64();
        if passed < GRAIN {
            return;
        }
        self.counted_at.set(now);
        let kept = (-passed / MEMORY).exp();
        let least = self.per_second * MEMORY;
        self.saved.set(least + (self.saved.get() - least) * kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BUDGET: RetryBudget = RetryBudget {
        share: 2000,
        per_second: 10,
    };

    fn taken(budget: &Budget, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn so_many_each_second_and_a_share_of_the_requests() {
        let start = Instant::now();
        let budget = Budget::new(&BUDGET, 1, start);
        assert_eq!(taken(&budget, start), 100);
        // Nothing is left, and a second brings nearly ten.
        let second = start + Duration::from_secs(1);
        assert_eq!(taken(&budget, second), 9);
        for _ in 0..1000 {
            budget.save(second);
        }
        assert_eq!(taken(&budget, second), 200);
    }

    #[test]
    fn a_busy_service_saves_up_for_ten_seconds_and_no_more() {
        let start = Instant::now();
        let budget = Budget::new(&BUDGET, 2, start);
        for step in 1..=600 {
            let now = start + Duration::from_millis(100) * step;
            (0..100).for_each(|_| budget.save(now));
        }
        // 1000 requests a second, ten seconds of them; and the part of one worker of two.
        let all = taken(&budget, start + Duration::from_secs(60));
        assert!((2000..2100).contains(&all), "{all}");
    }

    #[test]
    fn what_was_saved_up_outlives_a_table() {
        let start = Instant::now();
        let before = Budget::new(&BUDGET, 1, start);
        taken(&before, start);
        let after = Budget::new(&BUDGET, 1, start).resume(Some(&before));
        assert!(!after.take(start));
        let another = RetryBudget { share: 1, ..BUDGET };
        assert!(
            Budget::new(&another, 1, start)
                .resume(Some(&before))
                .take(start)
        );
    }
}
