//! The tripwire: gross failures judged per answer, inside the data plane.
//!
//! The judge looks once a second, and a second of a busy service is many requests. A revision that
//! crashes shows it with its first answers. The tripwire counts them one by one and trips as soon
//! as chance is ruled out; what is less than gross is left to the judge.
//!
//! # Rule
//!
//! Two statements would each excuse the canary:
//!
//! - *alone*: no request fails there with more than probability `limit`;
//! - *beside*: requests fail there no more often than on the baseline at the same time.
//!
//! Against each stands a process that starts at no more than 1, gains with every failure of the
//! canary, and cannot be expected to grow while its statement is true (an e-process). The tripwire
//! trips when **both** have reached `1 / alpha` at the same moment. So whichever statement is true,
//! the chance that it ever trips is at most `alpha`, however long the rollout, however often it is
//! looked at (Ville's inequality). An outage that fails both sides refutes the first statement, but
//! not the second, and trips nothing.
//!
//! # Turns and blocks
//!
//! What counts is the order in which requests are *given* to sides, their turns, and not the order
//! of their answers: a crashed revision fails within a millisecond, while its good answers, given
//! earlier, are still on their way. An unanswered request counts as whatever is better for the
//! canary: its own as good, the baseline's as failed. Every answer can then only raise the
//! evidence up to what it will be once all are in, so a bound for the finished sequence is a bound
//! for what is seen on the way.
//!
//! Turns are grouped into blocks. A block is closed by counts and time alone: as soon as both sides
//! have had a turn, the baseline at least half as many as it should, and `SPAN` is over; or when
//! `LONGEST` is.
//!
//! *Alone*, a turn is multiplied by `p1 / limit` if it failed, and by `(1 - p1) / (1 - limit)`
//! otherwise. The mean is at most 1 while the probability of failure is at most `limit`.
//!
//! *Beside*, a closed block of `n` and `m` turns of canary and baseline, `e` and `f` of which
//! failed, is multiplied by
//!
//! ```text
//! (c/q)^e ((1-c)/(1-q))^(n-e) (b/q)^f ((1-b)/(1-q))^(m-f)        q = (n c + m b) / (n + m)
//! ```
//!
//! with an alternative `c > b`. Its mean is at most 1 whenever the canary's requests do not fail
//! more often on average than the baseline's of the same block, whatever the probability of each
//! single one: a factor of the canary has the mean `1 + s (p - q)` with `s = (c-q)/(q(1-q)) > 0`,
//! one of the baseline `1 + s' (p - q)` with `s' = (b-q)/(q(1-q)) < 0`, and `n s + m s' = 0`. A
//! geometric mean is at most the arithmetic one, so the product of all is at most
//! `(1 + (n s P + m s' P') / (n + m))^(n+m)` with the average probabilities `P <= P'`; and
//! `n s P + m s' P' = n s (P - P') <= 0`.
//!
//! # Beginning at any time
//!
//! A crash in the middle of a soak must not be outweighed by the good hour before it. So each
//! process is a mixture over the block with which the failure may have begun: `START` of it on
//! the first one, `STEPS` on those that begin a step, and `OVER_TIME` spread over all others by
//! time, 1 in all. Where the prior weight is `w`, `R = (R + w) * factor` carries the whole mixture
//! along in one number. It is a mixture of processes that cannot be expected to grow, and so cannot
//! be either.
//!
//! # What it does not do
//!
//! It counts what one worker saw; several of them share `alpha` and need no lock. Nothing of it is
//! kept over a restart of the data plane: the chance is per life of that process. Requests that
//! were not given by turns (a second attempt, a side that had to help out) are not to be counted
//! in it: they were chosen by what happened.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Limits;
use crate::comparison::WARM_POINTS;

/// Failures below this share are never gross, however strict the limit: they are the judge's.
const LEAST: f64 = 0.05;

/// A limit above this leaves nothing to tell gross failures by.
const MOST: f64 = 0.9;

/// How far alternatives lie between the limit and failing always, and what share each has of the
/// whole. Most is on the crash: it is what has to be cheap.
const ALTERNATIVES: [(f64, f64); 3] = [(0.3, 0.2), (0.6, 0.2), (0.9, 0.6)];

/// The share of failures on the baseline that alternatives assume, as a part of the limit.
const BASELINE: f64 = 0.2;

/// The prior weight of a failure that begins with the first request, with a step (the first one
/// gets half of it, and so on), and at any other time.
const START: f64 = 0.6;
const STEPS: f64 = 0.2;
const OVER_TIME: f64 = 0.2;

/// After this time half of `OVER_TIME` is spent. It is never spent completely.
const HALF: Duration = Duration::from_secs(1800);

/// The shortest time that a block covers. On a busy service it bounds how many blocks wait for
/// slow answers of the baseline, and is what the evidence may be late.
const SPAN: Duration = Duration::from_millis(10);

/// The longest. Where the canary has had no turn for so long, older answers of the baseline say
/// little about how it is now.
const LONGEST: Duration = Duration::from_secs(60);

/// How many blocks wait for answers. Older ones count as they stand.
const BLOCKS: usize = 256;

/// While more blocks than this wait, as when the baseline hangs, the evidence is looked at once per
/// block and not with every answer: it takes a walk over all of them.
const AT_ONCE: u64 = 16;

/// More evidence than this makes no difference, and must not become infinite.
const PLENTY: f64 = 1e300;

/// One of the two sides that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// The new revision.
    Canary,
    /// What it is compared with.
    Baseline,
}

/// The turn in which a request was given to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    block: u64,
    arm: Arm,
}

/// What was seen of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Answers, good or failed; an attempt that got none counts as failed.
    pub answers: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// What tripped it: what was seen since the failures are most likely to have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Of the new revision.
    pub canary: Seen,
    /// Of what it is compared with.
    pub baseline: Seen,
}

impl Trip {
    /// Says it with the numbers, such as `3 of 3 answers failed on the new revision while 0 of 57
    /// did on stable: cut off by the data plane`.
    pub fn sentence(&self) -> String {
        let Self { canary, baseline } = self;
        format!(
            "{} of {} answers failed on the new revision while {} of {} did on stable: cut off by \
             the data plane",
            canary.failures, canary.answers, baseline.failures, baseline.answers
        )
    }
}

/// Returns the share of failures, 0 to 1, that a tripwire excuses under `limits`: the larger one of
/// the absolute limit on errors and what is tolerated beyond stable, and at least 5 %; where the
/// revision may warm up, what that grants at first is added. `None` where errors are not judged, or
/// hardly limited at all: then there is no tripwire.
pub fn limit(limits: &Limits) -> Option<f64> {
    let limit = match (limits.errors, limits.against_stable.errors) {
        (None, None) => return None,
        (Some(limit), None) | (None, Some(limit)) => limit,
        (Some(limit), Some(margin)) => limit.max(margin),
    };
    let warm = if limits.warm_up.is_zero() {
        0.0
    } else {
        WARM_POINTS
    };
    // Not a number is no limit either.
    (limit <= MOST).then(|| (limit.max(LEAST) + warm).min(MOST))
}

/// Counts answers of two sides until it trips.
#[derive(Clone, Debug)]
pub struct Tripwire {
    alternatives: [Alternative; 3],
    /// The evidence at which it trips.
    enough: f64,
    /// The shares of requests of canary and baseline.
    shares: [u32; 2],
    /// The prior weight that the next block gets for beginning a step, and the one after it.
    step: f64,
    next_step: f64,
    /// What blocks that left the ring have come to.
    settled: Evidence,
    /// Blocks by their number modulo the length: those from `first` to `last`.
    ring: Box<[Block]>,
    first: u64,
    last: u64,
    /// Whether the canary fails enough for the baseline's answers to matter.
    is_suspicious: bool,
    /// The last block when the evidence was looked at last.
    looked_at: u64,
    has_tripped: bool,
}

impl Tripwire {
    /// Creates one that excuses a share of failures of `limit` (0 to 1) and trips wrongly with a
    /// probability of at most `alpha` (0 to 1). It counts once it was told the shares.
    pub fn new(limit: f64, alpha: f64) -> Self {
        Self {
            alternatives: ALTERNATIVES.map(|(part, weight)| Alternative::new(limit, part, weight)),
            enough: 1.0 / alpha,
            shares: [0; 2],
            step: START,
            next_step: STEPS / 2.0,
            settled: Evidence::default(),
            ring: vec![Block::default(); BLOCKS].into(),
            first: 0,
            last: 0,
            is_suspicious: false,
            looked_at: u64::MAX,
            has_tripped: false,
        }
    }

    /// Says how requests are split from now on: the shares of canary and baseline, in any unit. A
    /// change of them begins a step.
    pub fn split(&mut self, canary: u32, baseline: u32) {
        let shares = [canary, baseline];
        if shares == self.shares {
            return;
        }
        if self.shares != [0; 2] {
            self.step += self.next_step;
            self.next_step /= 2.0;
        }
        self.shares = shares;
        let open = self.block_mut(self.last);
        open.is_closed = open.turns != [0; 2];
    }

    /// Gives `arm` a turn at the moment `at`, counted from any fixed moment before the first one.
    pub fn turn(&mut self, arm: Arm, at: Duration) -> Turn {
        if self.block_mut(self.last).is_closed {
            self.open(at);
        }
        let [canary, baseline] = self.shares.map(u64::from);
        let step = std::mem::take(&mut self.step);
        let number = self.last;
        let block = self.block_mut(number);
        block.weight += step;
        if block.turns == [0; 2] {
            block.since = at;
        }
        block.turns[arm as usize] += 1;
        let [of_canary, of_baseline] = block.turns.map(u64::from);
        let age = at.saturating_sub(block.since);
        let fair = of_baseline * canary * 2 >= of_canary * baseline;
        let whole = of_canary > 0 && of_baseline > 0 && fair && age >= SPAN;
        block.is_closed = whole || age >= LONGEST;
        Turn { block: number, arm }
    }

    /// Takes note of what came of a turn. Returns what was seen, once, when it trips.
    pub fn answered(&mut self, turn: Turn, failed: bool) -> Option<Trip> {
        if self.has_tripped || turn.block < self.first {
            return None;
        }
        let arm = turn.arm as usize;
        let block = self.block_mut(turn.block);
        if failed {
            block.failed[arm] += 1;
        } else {
            block.good[arm] += 1;
        }
        let tells = match turn.arm {
            Arm::Canary => failed,
            Arm::Baseline => !failed && self.is_suspicious,
        };
        if !tells {
            return None;
        }
        self.settle();
        if self.last - self.first >= AT_ONCE && self.looked_at == self.last {
            return None;
        }
        self.looked_at = self.last;
        let evidence = self.evidence();
        self.is_suspicious = self.weigh(&evidence.alone) >= self.enough;
        self.has_tripped = self.is_suspicious && self.weigh(&evidence.beside) >= self.enough;
        self.has_tripped.then_some(evidence.seen)
    }

    /// Opens the next block. Where the ring is full, the oldest one leaves it as it stands.
    fn open(&mut self, at: Duration) {
        let before = self.block_mut(self.last).since;
        self.settle();
        if self.last + 1 - self.first == self.ring.len() as u64 {
            self.leave();
        }
        self.last += 1;
        *self.block_mut(self.last) = Block {
            weight: OVER_TIME * (spent(at) - spent(before)).max(0.0),
            since: at,
            ..Block::default()
        };
    }

    /// Lets the blocks at the front leave the ring of which nothing can change any more.
    fn settle(&mut self) {
        while self.first < self.last && self.block_mut(self.first).is_settled() {
            self.leave();
        }
    }

    fn leave(&mut self) {
        let block = *self.block_mut(self.first);
        self.settled.add(&block, &self.alternatives);
        self.first += 1;
    }

    fn evidence(&self) -> Evidence {
        let mut evidence = self.settled;
        for number in self.first..=self.last {
            evidence.add(&self.ring[self.place(number)], &self.alternatives);
        }
        evidence
    }

    fn weigh(&self, processes: &[f64; 3]) -> f64 {
        let weighed = self.alternatives.iter().zip(processes);
        weighed.map(|(of, process)| of.weight * process).sum()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder by the ring's length fits where the length does"
    )]
    fn place(&self, number: u64) -> usize {
        (number % self.ring.len() as u64) as usize
    }

    fn block_mut(&mut self, number: u64) -> &mut Block {
        let place = self.place(number);
        &mut self.ring[place]
    }
}

/// Returns how much of what is spread over time is spent by the moment `at`, 0 to 1.
fn spent(at: Duration) -> f64 {
    let (at, half) = (at.as_secs_f64(), HALF.as_secs_f64());
    at / (at + half)
}

/// Some turns of both arms; pairs are canary and baseline.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// The prior weight of a failure that begins with this block.
    weight: f64,
    /// When its first turn was.
    since: Duration,
    turns: [u32; 2],
    failed: [u32; 2],
    good: [u32; 2],
    is_closed: bool,
}

impl Block {
    /// Whether nothing of it can change any more.
    fn is_settled(&self) -> bool {
        let answered = |arm: usize| self.failed[arm] + self.good[arm] == self.turns[arm];
        self.is_closed && answered(0) && answered(1)
    }
}

/// What failing grossly would look like.
#[derive(Clone, Copy, Debug)]
struct Alternative {
    weight: f64,
    /// The shares of failures that it assumes.
    canary: f64,
    baseline: f64,
    /// The logarithms of the factors of a turn alone, failed and good.
    failed: f64,
    good: f64,
}

impl Alternative {
    fn new(limit: f64, part: f64, weight: f64) -> Self {
        let canary = limit + part * (1.0 - limit);
        Self {
            weight,
            canary,
            baseline: limit * BASELINE,
            failed: (canary / limit).ln(),
            good: ((1.0 - canary) / (1.0 - limit)).ln(),
        }
    }

    /// Returns the factor of the canary's turns in `block`.
    fn alone(&self, block: &Block) -> f64 {
        let failed = f64::from(block.failed[0]);
        let other = f64::from(block.turns[0]) - failed;
        (failed * self.failed + other * self.good).exp()
    }

    /// Returns the factor of `block` as a comparison.
    fn beside(&self, block: &Block) -> f64 {
        let [canary, baseline] = block.turns.map(f64::from);
        let (failed, good) = (f64::from(block.failed[0]), f64::from(block.good[1]));
        let both = (canary * self.canary + baseline * self.baseline) / (canary + baseline);
        let log = failed * (self.canary / both).ln()
            + (canary - failed) * ((1.0 - self.canary) / (1.0 - both)).ln()
            + (baseline - good) * (self.baseline / both).ln()
            + good * ((1.0 - self.baseline) / (1.0 - both)).ln();
        log.exp()
    }
}

/// What blocks have come to, by alternative.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    alone: [f64; 3],
    beside: [f64; 3],
    /// What was seen since the failures are most likely to have begun, and how likely that is:
    /// the largest part of the mixture under the first alternative.
    seen: Trip,
    likely: f64,
}

impl Evidence {
    fn add(&mut self, block: &Block, alternatives: &[Alternative; 3]) {
        // Where the past speaks for less than a new beginning, there is one.
        if self.likely < block.weight {
            (self.seen, self.likely) = (Trip::default(), block.weight);
        }
        self.likely = (self.likely * alternatives[0].alone(block)).min(PLENTY);
        for (at, alternative) in alternatives.iter().enumerate() {
            let alone = &mut self.alone[at];
            *alone = ((*alone + block.weight) * alternative.alone(block)).min(PLENTY);
            if block.is_closed {
                let beside = &mut self.beside[at];
                *beside = ((*beside + block.weight) * alternative.beside(block)).min(PLENTY);
            }
        }
        self.seen.canary.add(block, Arm::Canary);
        self.seen.baseline.add(block, Arm::Baseline);
    }
}

impl Seen {
    fn add(&mut self, block: &Block, arm: Arm) {
        let (failed, good) = (block.failed[arm as usize], block.good[arm as usize]);
        self.answers += u64::from(failed) + u64::from(good);
        self.failures += u64::from(failed);
    }
}
