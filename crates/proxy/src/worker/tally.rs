//! What a worker counts for one side.
//!
//! Every request is counted once: when its outcome is known, or when it has waited for so long that
//! it is slow whatever comes of it. One that was counted as slow and fails in the end is added to
//! the errors alone, of a window that has a request for each of them. So is one whose answer says at
//! its end that it failed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use leadsman_analysis::Figures;

use crate::figures::SideFigures;
use crate::table::Slow;
use crate::totals::Moved;
use crate::worker::attempt::Progress;

/// What is counted for one side.
#[derive(Default)]
pub(super) struct Tally {
    slow: Cell<Slow>,
    /// Whether one of several instances is counted by itself.
    has_reference: Cell<bool>,
    /// What was counted since it was taken last, on all instances but the reference.
    others: Counter,
    /// The same on the reference.
    reference: Counter,
    waiting: RefCell<Waiting>,
    moved: Cell<Moved>,
}

/// What was counted since it was taken last; nothing takes no room.
#[derive(Default)]
struct Counter {
    counted: RefCell<Option<SideFigures>>,
    /// Errors of requests that were counted before, as slow or as answered.
    owed: Cell<u64>,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// With an answer.
    Answered(StatusCode),
    /// With one that says otherwise than by its status that it is none.
    Failed(StatusCode),
    /// Without one. The time that it took says nothing about how fast answers are.
    Unanswered,
    /// Without one, and it was given up for taking too long: it would have taken longer still.
    GivenUp,
}

/// An attempt that is under way: its place among those that wait.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

/// The attempts under way.
#[derive(Default)]
struct Waiting {
    places: Vec<Option<Waiter>>,
    free: Vec<usize>,
}

struct Waiter {
    started: Instant,
    on_reference: bool,
    /// How far its body has got, if it has one.
    progress: Option<Rc<Progress>>,
    /// Whether it was counted as slow.
    is_counted: bool,
}

impl Tally {
    /// Says what is slow from now on, and whether one instance is the reference.
    pub(super) fn set(&self, slow: Slow, has_reference: bool) {
        self.has_reference.set(has_reference);
        if self.slow.replace(slow).over != slow.over {
            // What was counted already was not held against these thresholds.
            self.others.forget_over();
            self.reference.forget_over();
        }
    }

    /// Takes note of an attempt that began at `started`.
    pub(super) fn begin(
        &self,
        started: Instant,
        on_reference: bool,
        progress: Option<Rc<Progress>>,
    ) -> Place {
        let waiter = Some(Waiter {
            started,
            on_reference,
            progress,
            is_counted: false,
        });
        let mut waiting = self.waiting.borrow_mut();
        let Waiting { places, free } = &mut *waiting;
        let place = free.pop().unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        });
        places[place] = waiter;
        Place(place)
    }

    /// Counts what came of an attempt; `None` where nothing can be said about the side.
    pub(super) fn end(&self, place: Place, outcome: Option<Outcome>) {
        let waiter = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.free.push(place.0);
            waiting.places[place.0].take()
        };
        let (Some(waiter), Some(outcome)) = (waiter, outcome) else {
            return;
        };
        let counter = self.counter(waiter.on_reference);
        if let Outcome::Answered(status) | Outcome::Failed(status) = outcome {
            counter.answered(status, self.slow.get());
        }
        if waiter.is_counted {
            counter
                .owed
                .set(counter.owed.get() + u64::from(outcome.is_error()));
            return;
        }
        let waited = waiter.started.elapsed();
        let is_slow = waited >= self.slow.get().late || matches!(outcome, Outcome::GivenUp);
        // How fast it failed says nothing about how fast answers are.
        let latency = (is_slow || !outcome.is_error()).then_some(waited);
        counter.count(outcome.is_error(), latency, self.slow.get());
    }

    /// Counts an answer that broke off after its head was counted: an attempt of its own.
    pub(super) fn broke_off(&self, on_reference: bool) {
        self.counter(on_reference)
            .count(true, None, self.slow.get());
    }

    /// Counts that an answer, which was counted as one, says at its end that it is none.
    pub(super) fn failed(&self, on_reference: bool) {
        let owed = &self.counter(on_reference).owed;
        owed.set(owed.get() + 1);
    }

    /// Counts what passes through to the side, or back.
    pub(super) fn moves(&self, count: impl FnOnce(&mut Moved)) {
        let mut moved = self.moved.get();
        count(&mut moved);
        self.moved.set(moved);
    }

    /// Returns what passed through since it was taken last.
    pub(super) fn take_moved(&self) -> Moved {
        self.moved.take()
    }

    /// Returns what was counted and starts over. Those that wait for too long are counted first.
    pub(super) fn take(&self) -> Option<SideFigures> {
        self.count_late();
        let slow = self.slow.get();
        let mut counted = self.others.take();
        let reference = self.reference.take();
        if counted.is_none() && reference.is_none() {
            return None;
        }
        if self.has_reference.get() || reference.is_some() {
            let all = counted.get_or_insert_with(|| new(slow));
            let reference = reference.unwrap_or_else(|| new(slow));
            all.add(&reference);
            all.reference = Some(reference.figures);
        }
        counted
    }

    fn count_late(&self) {
        let slow = self.slow.get();
        let now = Instant::now();
        for waiter in self.waiting.borrow_mut().places.iter_mut().flatten() {
            if !waiter.is_counted && waiter.stands_still(now) >= slow.late {
                waiter.is_counted = true;
                let age = now.saturating_duration_since(waiter.started);
                self.counter(waiter.on_reference)
                    .count(false, Some(age), slow);
            }
        }
    }

    fn counter(&self, of_reference: bool) -> &Counter {
        if of_reference {
            &self.reference
        } else {
            &self.others
        }
    }
}

impl Outcome {
    fn is_error(self) -> bool {
        match self {
            Self::Answered(status) => status.is_server_error(),
            Self::Failed(_) | Self::Unanswered | Self::GivenUp => true,
        }
    }
}

impl Waiter {
    /// Returns for how long nothing but the instance has been waited for.
    fn stands_still(&self, now: Instant) -> Duration {
        let since = match &self.progress {
            Some(progress) if progress.waits_for_client() => return Duration::ZERO,
            Some(progress) => progress.moved_at().max(self.started),
            None => self.started,
        };
        now.saturating_duration_since(since)
    }
}

impl Counter {
    fn count(&self, error: bool, latency: Option<Duration>, slow: Slow) {
        let mut slot = self.counted.borrow_mut();
        let Figures {
            requests,
            errors,
            latency: latencies,
            over,
        } = &mut slot.get_or_insert_with(|| new(slow)).figures;
        *requests += 1;
        *errors += u64::from(error);
        let Some(latency) = latency else { return };
        latencies.record(latency);
        for (count, limit) in over.iter_mut().flatten().zip(slow.over) {
            *count += u64::from(limit.is_some_and(|limit| latency > limit));
        }
    }

    fn answered(&self, status: StatusCode, slow: Slow) {
        let mut slot = self.counted.borrow_mut();
        let counted = slot.get_or_insert_with(|| new(slow));
        let class = usize::from(status.as_u16() / 100);
        let place = class.checked_sub(1);
        if let Some(count) = place.and_then(|at| counted.status.get_mut(at)) {
            *count += 1;
        }
    }

    fn forget_over(&self) {
        if let Some(counted) = &mut *self.counted.borrow_mut() {
            counted.figures.forget_over();
        }
    }

    fn take(&self) -> Option<SideFigures> {
        let mut counted = self.counted.take()?;
        let Figures {
            requests, errors, ..
        } = &mut counted.figures;
        let paid = self.owed.get().min(*requests - *errors);
        *errors += paid;
        self.owed.set(self.owed.get() - paid);
        Some(counted)
    }
}

/// Returns figures in which nothing is counted yet.
fn new(slow: Slow) -> SideFigures {
    let mut new = SideFigures::default();
    new.figures.over = slow.over.iter().any(Option::is_some).then_some([0; 2]);
    new
}
