//! The evidence in requests: windows of both arms in, the capital of the bettors out.
//!
//! Each limit has bettors of its own ([`crate::evidence`]); their capital is averaged with fixed
//! weights, so that one bound holds for all limits together. What they bet on is settled before the
//! windows are seen ([`block`]), from what is known of the baseline ([`memory`]).

mod alone;
mod bets;
mod block;
pub(crate) mod config;
mod dispersion;
pub(crate) mod expected;
mod guard;
mod latencies;
mod memory;
mod outlook;
mod seen;
#[cfg(test)]
mod vectors;

use self::block::{Block, Counts, Warmth};
use self::config::{Config, Needed};
use self::dispersion::Dispersion;
use self::guard::Guard;
use self::latencies::Latencies;
use self::memory::{Memory, Tail, fading};
use self::seen::Seen;
use crate::evidence::bernoulli::{Arms, Bets, Tally};
use crate::evidence::capital::Capital;
use crate::evidence::gate::Gate;
use crate::evidence::prior;
use crate::evidence::process::{Process, alternatives};
use crate::{Figures, History, Split, Window};

pub(crate) use self::alone::Alone;
pub(crate) use self::block::WARM_POINTS;
pub(crate) use self::memory::TAILS;
pub(crate) use self::outlook::Outlook;
pub(crate) use self::seen::Arm;

/// After this many seconds a rate weighs half in what is expected.
const RATES_HALF_LIFE: f64 = 120.0;

/// Compares the canary with the baseline and with absolute limits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    config: Config,
    /// Seconds of the canary's exposure.
    seconds: f64,
    split: Option<Split>,
    /// How many steps began after the first.
    later_steps: u32,
    /// The capital that does not bet yet, of those who bet by blocks and by windows.
    rest: Rest,
    memory: Memory,
    /// Requests of both arms and seconds, fading: how many requests there are to split.
    traffic: (f64, f64),
    /// How unevenly errors, and requests above p95 and p99, come on one instance.
    dispersions: [Dispersion; 3],
    /// How unevenly errors come on the whole baseline: bursts are rare, so it takes all there is.
    bursts: Dispersion,
    block: Block,
    /// Blocks of this step and their seconds, fading.
    recent: (Counts, f64),
    errors: Beside,
    tails: [Beside; 2],
    absolute: [Absolute; 3],
    latencies: Scratch,
    /// The logarithms of what all have together who bet that a limit is kept.
    gates: [Option<f64>; 6],
    capital: Total,
    guard: Guard,
    /// This step.
    step: Seen,
    /// Since the evidence against the canary was last nothing.
    lately: Seen,
}

/// The logarithms of what all bettors together have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    /// Of those who bet that the canary is worse than is tolerated.
    pub(crate) beyond: f64,
    /// Of those who bet that it is worse than its baseline at all.
    pub(crate) at_all: f64,
}

/// What bettors have, each with its weight.
type Weighted = [(Capital, f64); 3];

/// Those who bet on a comparison with the baseline: errors, p95, p99.
struct Tiers {
    beyond: Weighted,
    at_all: Weighted,
}

/// Capital that does not bet yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rest {
    by_block: f64,
    by_window: f64,
    /// Until when capital was released by windows, in seconds.
    window_until: f64,
}

/// The bettors on one comparison with the baseline.
#[derive(Clone, Debug, PartialEq)]
struct Beside {
    /// That the canary is worse than is tolerated.
    beyond: Process,
    /// That it is worse at all.
    at_all: Process,
    /// That it is not worse than is tolerated.
    gate: Gate,
}

/// The bettors on one absolute limit.
#[derive(Clone, Debug, PartialEq)]
struct Absolute {
    /// That the canary exceeds it.
    exceeded: Process,
    /// What they bet on once it is warm.
    bets: Option<Bets<6>>,
    /// That the canary exceeds it more often than the baseline. Of errors that is asked anyway.
    blamed: Process,
    /// That the canary keeps it.
    gate: Gate,
}

/// Room for the latencies of a window.
#[derive(Clone, Debug, PartialEq)]
struct Scratch {
    canary: Latencies,
    baseline: Latencies,
    reference: Latencies,
}

impl Comparison {
    pub(crate) fn new(config: Config) -> Self {
        let beside = || Beside {
            beyond: Process::new(),
            at_all: Process::new(),
            gate: Gate::new(),
        };
        let absolute = |limit: Option<f64>| Absolute {
            exceeded: Process::new(),
            bets: limit.map(|limit| Bets::new(alternatives(limit), [limit; 6])),
            blamed: Process::new(),
            gate: Gate::new(),
        };
        let one = Arms {
            canary: 1.0,
            baseline: 1.0,
        };
        let shares = config.shares;
        Self {
            config,
            seconds: 0.0,
            split: None,
            later_steps: 0,
            rest: Rest {
                by_block: 1.0 - prior::AT_START,
                by_window: 1.0 - prior::AT_START,
                window_until: 0.0,
            },
            memory: Memory::new(),
            traffic: (0.0, 0.0),
            dispersions: Default::default(),
            bursts: Dispersion::default(),
            block: Block {
                since: 0.0,
                tails: None,
                effects: [one; 3],
                bursty: false,
                warmth: Warmth::default(),
                counts: Counts::default(),
            },
            recent: (Counts::default(), 0.0),
            errors: beside(),
            tails: [beside(), beside()],
            absolute: shares.map(absolute),
            latencies: Scratch {
                canary: Latencies::new(),
                baseline: Latencies::new(),
                reference: Latencies::new(),
            },
            gates: [None; 6],
            capital: Total::default(),
            guard: Guard::default(),
            step: Seen::new(),
            lately: Seen::new(),
        }
    }

    /// Adds an interval from before the first step.
    pub(crate) fn history(&mut self, history: &History) {
        let baseline = Some(&history.baseline);
        self.latencies
            .take(None, baseline, history.reference.as_ref());
        let requests = history.baseline.requests as f64;
        self.remember(
            history.seconds,
            requests,
            baseline,
            history.reference.as_ref(),
        );
        self.block.tails = self.guess_tails();
    }

    /// Begins a step with another split.
    pub(crate) fn begin_step(&mut self, split: Split) {
        if self.split.is_some() {
            self.close_block();
            self.later_steps += 1;
            let share = prior::for_step(self.later_steps);
            self.each_process(true, |process| process.inject(share));
            self.each_process(false, |process| process.inject(share));
            self.rest.by_block -= share;
            self.rest.by_window -= share;
        }
        self.split = Some(split);
        for beside in std::iter::once(&mut self.errors).chain(&mut self.tails) {
            beside.gate = Gate::new();
        }
        for absolute in &mut self.absolute {
            absolute.gate = Gate::new();
        }
        self.gates = self.add_up_gates();
        self.recent = (Counts::default(), 0.0);
        self.step.clear();
        self.open_block();
    }

    /// Adds a closed window of both arms.
    pub(crate) fn observe(&mut self, window: &Window) {
        self.seconds += window.seconds;
        let baseline = window.baseline.as_ref();
        self.latencies
            .take(Some(&window.canary), baseline, window.reference.as_ref());
        let over = Arms {
            canary: self.over(&window.canary),
            baseline: baseline.map_or([0.0; 2], |figures| self.over(figures)),
        };
        self.bet_on_limits(&window.canary);

        let latencies = Arms {
            canary: &self.latencies.canary,
            baseline: &self.latencies.baseline,
        };
        if self.capital.beyond <= 0.0 {
            self.lately.clear();
        }
        self.lately.add(window, latencies);
        self.step.add(window, latencies);
        self.block.add(window, over, latencies, &self.config);
        if self.block.is_over(self.split(), self.seconds) {
            self.close_block();
        }
        let beside = baseline.map_or(0, |figures| figures.requests);
        // Figures from elsewhere may claim any number.
        let requests = window.canary.requests.saturating_add(beside);
        self.remember(
            window.seconds,
            requests as f64,
            baseline,
            window.reference.as_ref(),
        );
        self.capital = self.total();
        self.gates = self.add_up_gates();
        let (needed, bursty) = (self.config.needed, self.block.bursty);
        self.guard
            .follow(self.seconds, self.capital, needed, bursty);
    }

    /// Returns what all bettors together have, after the last window.
    pub(crate) fn capital(&self) -> Total {
        self.capital
    }

    /// Whether the canary is shown to be worse than is tolerated. Where the risk for one that is
    /// worse but tolerable is the larger one, it must also be shown, at the smaller risk, that it is
    /// worse at all.
    pub(crate) fn fails(&self) -> bool {
        let Needed { beyond, at_all, .. } = self.config.needed;
        let Total {
            beyond: has,
            at_all: has_at_all,
        } = self.guard.counts();
        has >= beyond && (has_at_all >= at_all || beyond >= at_all)
    }

    /// Whether the canary is shown to be worse than its baseline at all.
    pub(crate) fn warns(&self) -> bool {
        self.capital.at_all >= self.config.needed.at_all
    }

    /// Whether the evidence against the canary is too strong to let it pass just now.
    pub(crate) fn is_suspicious(&self) -> bool {
        self.capital.beyond >= 0.5 * self.config.needed.at_all
    }

    /// Returns what it takes to show something.
    pub(crate) fn needed(&self) -> Needed {
        self.config.needed
    }

    /// Whether there is any limit on requests.
    pub(crate) fn is_judging(&self) -> bool {
        let (beside, limits) = self.config.weights();
        beside.into_iter().chain(limits).any(|weight| weight > 0.0)
    }

    /// Returns how many requests a second the canary gets in this step.
    pub(crate) fn canary_rate(&self) -> f64 {
        let (counts, seconds) = &self.recent;
        if *seconds > 0.0 {
            counts.requests.canary / seconds
        } else {
            0.0
        }
    }

    /// Returns what is to be shown: the figures since the evidence against the canary was last
    /// nothing if there is any, else those of the step.
    pub(crate) fn seen(&self) -> &Seen {
        if self.capital.beyond > 0.0 {
            &self.lately
        } else {
            &self.step
        }
    }

    /// Returns how many requests both arms had in this step.
    pub(crate) fn requests(&self) -> Arms<u64> {
        Arms {
            canary: self.step.canary.requests,
            baseline: self.step.baseline.requests,
        }
    }

    /// Returns what the canary had in this window, as [`Alone`] is told: errors, and requests over
    /// the limits on p95 and p99.
    pub(crate) fn on_limits(&self, canary: &Figures) -> [Tally; 3] {
        let over = self.over(canary);
        let timed = canary.latency.count() as f64;
        let tally = |hits, of| Tally { hits, of };
        [
            tally(canary.errors as f64, canary.requests as f64),
            tally(over[0], timed),
            tally(over[1], timed),
        ]
    }

    /// Returns by how many points more errors are tolerated while the canary warms up.
    pub(crate) fn warm_points(&self) -> f64 {
        self.block.warmth.points
    }

    /// Returns the part of the capital bet on "worse than is tolerated" that each limit has: with the baseline (errors,
    /// p95, p99), then absolute (errors, p95, p99).
    pub(crate) fn parts(&self) -> [Capital; 6] {
        let (beside, limits) = self.weighted();
        let mut parts = [Capital::NONE; 6];
        for (part, (capital, weight)) in parts
            .iter_mut()
            .zip(beside.beyond.into_iter().chain(limits))
        {
            *part = capital.share(weight);
        }
        parts
    }

    fn total(&self) -> Total {
        let (Tiers { beyond, at_all }, limits) = self.weighted();
        let sum = |[a, b, c]: Weighted| {
            let [d, e, f] = limits;
            Capital::sum([a, b, c, d, e, f]).ln()
        };
        Total {
            beyond: sum(beyond),
            at_all: sum(at_all),
        }
    }

    /// Returns what the bettors have on the comparisons with the baseline, and those on the limits,
    /// each with its weight.
    fn weighted(&self) -> (Tiers, Weighted) {
        let (beside, limits) = self.config.weights();
        let comparisons = [&self.errors, &self.tails[0], &self.tails[1]];
        let of = |process: fn(&Beside) -> &Process| {
            [0, 1, 2].map(|i| match beside[i] {
                0.0 => (Capital::NONE, 0.0),
                weight => (process(comparisons[i]).total(self.rest.by_block), weight),
            })
        };
        let tiers = Tiers {
            beyond: of(|beside| &beside.beyond),
            at_all: of(|beside| &beside.at_all),
        };
        let limits = [0, 1, 2].map(|i| match limits[i] {
            0.0 => (Capital::NONE, 0.0),
            weight => (self.limit_total(i), weight),
        });
        (tiers, limits)
    }

    /// The evidence against an absolute limit is that it is exceeded, and by the canary's fault.
    fn limit_total(&self, i: usize) -> Capital {
        let exceeded = self.absolute[i].exceeded.total(self.rest.by_window);
        if !self.config.attribute {
            return exceeded;
        }
        exceeded.min(self.blame(i).total(self.rest.by_block))
    }

    fn blame(&self, i: usize) -> &Process {
        if i == 0 {
            &self.errors.at_all
        } else {
            &self.absolute[i].blamed
        }
    }

    /// Returns the logarithm of the capital of those who bet that a limit is kept, for those that
    /// are judged, in the order of [`Comparison::parts`].
    pub(crate) fn gates(&self) -> [Option<f64>; 6] {
        self.gates
    }

    fn add_up_gates(&self) -> [Option<f64>; 6] {
        let ([a, b, c], [d, e, f]) = self.config.weights();
        let is_judged = [a, b, c, d, e, f].map(|weight| weight > 0.0);
        let [d, e, f] = &self.absolute;
        let [b, c] = &self.tails;
        let gates = [
            &self.errors.gate,
            &b.gate,
            &c.gate,
            &d.gate,
            &e.gate,
            &f.gate,
        ];
        let ln = Capital::ln_of_each(gates.map(Gate::total));
        [0, 1, 2, 3, 4, 5].map(|i| is_judged[i].then_some(ln[i]))
    }

    fn split(&self) -> Split {
        self.split.unwrap_or(Split {
            canary: 0.5,
            baseline: 0.5,
        })
    }

    /// Returns how many requests took longer than the absolute limits.
    fn over(&self, figures: &Figures) -> [f64; 2] {
        let exactly = figures.over.unwrap_or_else(|| {
            self.config
                .thresholds
                .map(|limit| limit.map_or(0, |limit| figures.latency.count_above(limit)))
        });
        exactly.map(|count| count as f64)
    }

    /// Settles the bets of the open block and opens the next one.
    fn close_block(&mut self) {
        let share = prior::between(self.block.since, self.seconds);
        self.each_process(true, |process| process.inject(share));
        self.rest.by_block -= share;
        let lasted = self.seconds - self.block.since;
        let faded = fading(lasted, RATES_HALF_LIFE);
        self.recent
            .0
            .combine(&self.block.counts, |recent, new| recent * faded + new);
        self.recent.1 = self.recent.1 * faded + lasted;

        let counts = self.block.counts;
        if counts.requests.canary > 0.0 {
            self.bet_on_errors(&counts);
            if counts.requests.baseline > 0.0 {
                self.bet_on_percentiles(&counts);
                self.bet_on_blame(&counts);
            }
        }
        self.open_block();
    }

    /// Settles everything that the bets of the next block depend on.
    fn open_block(&mut self) {
        let rate = if self.traffic.1 > 0.0 {
            self.traffic.0 / self.traffic.1
        } else {
            0.0
        };
        let split = self.split();
        let tails = self.guess_tails();
        let effects = if self.config.temper {
            let rates = Arms {
                canary: rate * split.canary,
                baseline: rate * split.baseline,
            };
            [0, 1, 2].map(|i| self.dispersions[i].effects(rates))
        } else {
            self.block.effects
        };
        self.block = Block {
            since: self.seconds,
            tails,
            effects,
            bursty: self.config.temper && self.bursts.is_violent(),
            warmth: Warmth::at(self.seconds, self.config.warm_up),
            counts: Counts::default(),
        };
    }

    fn guess_tails(&self) -> Option<[Tail; 2]> {
        let longer = self.config.longer.map(Option::unwrap_or_default);
        self.memory.tails(longer)
    }

    /// Takes what was seen of the baseline into what is known of it.
    fn remember(
        &mut self,
        seconds: f64,
        requests: f64,
        baseline: Option<&Figures>,
        reference: Option<&Figures>,
    ) {
        let factor = Memory::fading(seconds);
        self.traffic.0 = self.traffic.0 * factor + requests;
        self.traffic.1 = self.traffic.1 * factor + seconds;
        let errors = baseline.map_or_else(Tally::default, |figures| Tally {
            hits: figures.errors as f64,
            of: figures.requests as f64,
        });
        let over = baseline.map_or([0.0; 2], |figures| self.over(figures));
        self.memory
            .add(factor, errors, over, &self.latencies.baseline);
        if !self.config.temper {
            return;
        }
        let (sample, latencies) = match reference {
            Some(figures) => (Some(figures), &self.latencies.reference),
            None => (baseline, &self.latencies.baseline),
        };
        let (requests, errors) = sample.map_or((0.0, 0.0), |figures| {
            (figures.requests as f64, figures.errors as f64)
        });
        let p = self.memory.errors_for_dispersion();
        self.dispersions[0].add(seconds, requests, errors, p);
        if let Some(all) = baseline {
            let (requests, errors) = (all.requests as f64, all.errors as f64);
            self.bursts.add(seconds, requests, errors, p);
        }
        if let Some(tails) = self.block.tails {
            let timed = latencies.all();
            for (i, tail) in tails.into_iter().enumerate() {
                let slow = latencies.above(tail.edge);
                self.dispersions[1 + i].add(seconds, timed, slow, tail.above);
            }
        }
    }

    fn each_process(&mut self, by_block: bool, change: impl Fn(&mut Process)) {
        if by_block {
            for beside in std::iter::once(&mut self.errors).chain(&mut self.tails) {
                change(&mut beside.beyond);
                change(&mut beside.at_all);
            }
            for absolute in &mut self.absolute[1..] {
                change(&mut absolute.blamed);
            }
        } else {
            for absolute in &mut self.absolute {
                change(&mut absolute.exceeded);
            }
        }
    }
}

impl Scratch {
    fn take(
        &mut self,
        canary: Option<&Figures>,
        baseline: Option<&Figures>,
        reference: Option<&Figures>,
    ) {
        let fill = |latencies: &mut Latencies, figures: Option<&Figures>| match figures {
            Some(figures) => latencies.take(&figures.latency),
            None => latencies.clear(),
        };
        fill(&mut self.canary, canary);
        fill(&mut self.baseline, baseline);
        fill(&mut self.reference, reference);
    }
}
