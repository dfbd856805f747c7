//! How often the tripwire trips for nothing, and how many requests a crash costs until it does.
//!
//! Seeded: the same runs every time. With `RUNS=2000` in its environment each test plays that many
//! and prints what came of it (best with `--release`); the figures in
//! `docs/design/001-data-plane.md` are from there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use leadsman_analysis::tripwire::{Arm, Tripwire, Turn};

/// A generator of numbers that look random (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without either.
    fn share(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.share().ln()
    }
}

/// How a side answers: its share of failures, and the mean times of a failure and of a good answer,
/// in seconds.
#[derive(Clone, Copy)]
struct Answers {
    failures: f64,
    failed: f64,
    good: f64,
}

/// A side that fails this often, with answers like those of a usual web service.
fn failing(failures: f64) -> Answers {
    Answers {
        failures,
        failed: 0.005,
        good: 0.05,
    }
}

/// How both sides answer at a moment (in seconds), and what chance adds to it every second.
type Sides<'a> = dyn Fn(f64, f64) -> [Answers; 2] + 'a;

/// A rollout of one service as its data plane sees it.
struct Rollout<'a> {
    /// Requests a second.
    rate: f64,
    /// The canary's share of them, in percent.
    percent: u32,
    workers: usize,
    seconds: f64,
    alpha: f64,
    sides: &'a Sides<'a>,
}

/// A worker with its turns, as the data plane takes them.
struct Worker {
    wire: Tripwire,
    credits: [f64; 2],
}

impl Worker {
    /// Smooth weighted round robin.
    fn next(&mut self, shares: [f64; 2]) -> Arm {
        for (credit, share) in self.credits.iter_mut().zip(shares) {
            *credit += share;
        }
        let arm = if self.credits[0] > self.credits[1] {
            Arm::Canary
        } else {
            Arm::Baseline
        };
        self.credits[arm as usize] -= 1.0;
        arm
    }
}

/// An answer on its way: when it comes, in nanoseconds, to which worker, and what it is.
struct Answer {
    worker: usize,
    turn: Turn,
    failed: bool,
}

impl Rollout<'_> {
    /// Plays it until it trips. Returns when, and how many requests the canary had got since the
    /// moment `since`; `None` if it never does.
    fn play(&self, seed: u64, since: f64) -> Option<(f64, u64)> {
        let mut chance = Chance(seed);
        let share = f64::from(self.percent) / 100.0;
        let shares = [share, 1.0 - share];
        let mut workers: Vec<Worker> = (0..self.workers)
            .map(|_| {
                let mut wire = Tripwire::new(0.05, self.alpha / self.workers as f64);
                wire.split(self.percent, 100 - self.percent);
                let behind = chance.share();
                Worker {
                    wire,
                    credits: [-behind, behind],
                }
            })
            .collect();
        let mut coming: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
        let mut answers: Vec<Option<Answer>> = Vec::new();
        let (mut now, mut requests, mut second, mut mood) = (0.0, 0, -1.0, 0.5);
        loop {
            now += chance.exponential(1.0 / self.rate);
            if now > self.seconds {
                return None;
            }
            while let Some(Reverse((at, number))) = coming.peek().copied() {
                let at = at as f64 / 1e9;
                if at > now {
                    break;
                }
                coming.pop();
                let answer = answers[number as usize].take().expect("it is taken once");
                let worker = &mut workers[answer.worker];
                if worker.wire.answered(answer.turn, answer.failed).is_some() {
                    return Some((at, requests));
                }
            }
            if now.floor() > second {
                second = now.floor();
                mood = chance.share();
            }
            let index = (chance.next() % self.workers as u64) as usize;
            let worker = &mut workers[index];
            let arm = worker.next(shares);
            requests += u64::from(arm == Arm::Canary && now >= since);
            let side = (self.sides)(now, mood)[arm as usize];
            let failed = chance.share() < side.failures;
            let mean = if failed { side.failed } else { side.good };
            let at = now + chance.exponential(mean);
            let turn = worker.wire.turn(arm, Duration::from_secs_f64(now));
            coming.push(Reverse(((at * 1e9) as u64, answers.len() as u64)));
            answers.push(Some(Answer {
                worker: index,
                turn,
                failed,
            }));
        }
    }
}

fn runs(default: u64) -> (u64, bool) {
    let asked: Option<u64> = std::env::var("RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok());
    (asked.unwrap_or(default), asked.is_some())
}

/// Returns the largest chance under which `hits` of `of` are seen with a probability of 5 % or
/// more: with 95 % confidence it is no larger.
fn at_most(hits: u64, of: u64) -> f64 {
    let seen = |chance: f64| -> f64 {
        let mut log = of as f64 * (1.0 - chance).ln();
        let mut sum = log.exp();
        for hit in 0..hits {
            log += ((of - hit) as f64 / (hit + 1) as f64 * chance / (1.0 - chance)).ln();
            sum += log.exp();
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if seen(middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Plays rollouts in which nothing is grossly wrong with the canary and checks that no larger share
/// trips than allowed. An `alpha` of 5 % shows with few runs what 0.1 % would need thousands for.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the figures are for the person who asked for more runs"
)]
fn seldom_trips(name: &str, default: u64, percent: u32, sides: &Sides<'_>) {
    let (runs, asked) = runs(default);
    for (alpha, seconds, workers) in [(0.05, 60.0, 1), (0.05, 60.0, 4), (0.001, 600.0, 2)] {
        if alpha < 0.01 && !asked {
            continue;
        }
        let rollout = Rollout {
            rate: 100.0,
            percent,
            workers,
            seconds,
            alpha,
            sides,
        };
        let trips = (1..=runs)
            .filter(|seed| rollout.play(*seed, 0.0).is_some())
            .count() as u64;
        if asked {
            println!(
                "{name}, {workers} workers, alpha {alpha}: {trips} of {runs}, at most {:.3} %",
                at_most(trips, runs) * 100.0
            );
        }
        // So many would be seen with a probability below 1 in 1000 if the promise were kept.
        let expected = alpha * runs as f64;
        let most = expected + 3.1 * expected.sqrt() + 1.0;
        assert!(trips as f64 <= most, "{name}: {trips} of {runs}");
    }
}

#[test]
fn equal_sides_with_few_failures_trip_nothing() {
    seldom_trips("both fail 1 %", 40, 5, &|_, _| [failing(0.01); 2]);
    seldom_trips("both fail 1 %, half each", 40, 50, &|_, _| {
        [failing(0.01); 2]
    });
}

#[test]
fn failures_at_the_edge_of_the_limit_trip_nothing() {
    seldom_trips("5 % beside 0 %", 60, 5, &|_, _| {
        [failing(0.05), failing(0.0)]
    });
    seldom_trips("5 % beside 0 %, half each", 60, 50, &|_, _| {
        [failing(0.05), failing(0.0)]
    });
}

#[test]
fn an_outage_of_both_sides_trips_nothing() {
    for percent in [5, 50] {
        seldom_trips("outage of both", 60, percent, &|now, _| {
            let failures = if now > 10.0 { 1.0 } else { 0.01 };
            [failing(failures); 2]
        });
        seldom_trips("half an outage of both", 60, percent, &|now, _| {
            let failures = if now > 10.0 { 0.4 } else { 0.01 };
            [failing(failures); 2]
        });
    }
}

#[test]
fn an_outage_that_fails_one_side_at_once_and_hangs_the_other_trips_nothing() {
    for percent in [5, 50] {
        seldom_trips("one fails, the other hangs", 4, percent, &|now, _| {
            let failures = if now > 10.0 { 1.0 } else { 0.01 };
            let hanging = Answers {
                failed: 10.0,
                ..failing(failures)
            };
            [failing(failures), hanging]
        });
    }
}

#[test]
fn fast_failures_before_slow_answers_trip_nothing() {
    // Good answers take seconds, so the first that is heard of a new canary are its failures.
    let slow = |failures| Answers {
        failures,
        failed: 0.001,
        good: 3.0,
    };
    for percent in [5, 50] {
        seldom_trips("fast failures, slow answers", 60, percent, &|_, _| {
            [slow(0.05), slow(0.0)]
        });
    }
}

#[test]
fn bursts_on_each_side_by_itself_trip_nothing() {
    // Every second each side has a share of failures of its own, exponential around 2 %.
    let burst = |mood: f64| failing((-0.02 * mood.ln()).min(1.0));
    for percent in [5, 50] {
        seldom_trips("bursts", 40, percent, &|_, mood| {
            [burst(mood), burst((mood * 7919.0).fract().max(1e-9))]
        });
    }
}

/// Plays crashes and checks how many requests the canary gets until it trips: in half of the runs,
/// and in nineteen of twenty.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the figures are for the person who asked for more runs"
)]
fn costs(percent: u32, failures: f64, since: f64, workers: usize, (half, most): (u64, u64)) {
    let (runs, asked) = runs(40);
    let rollout = Rollout {
        rate: 100.0,
        percent,
        workers,
        seconds: since + 600.0,
        alpha: 0.001,
        sides: &|now, _| {
            let crashed = if now >= since { failures } else { 0.001 };
            [failing(crashed), failing(0.001)]
        },
    };
    let mut cost: Vec<u64> = (1..=runs)
        .map(|seed| rollout.play(seed, since).map_or(u64::MAX, |(_, cost)| cost))
        .collect();
    cost.sort_unstable();
    let within = |share: f64| cost[((cost.len() - 1) as f64 * share) as usize];
    let found = (within(0.5), within(0.95));
    if asked {
        println!(
            "{} % fail at {} % from {since} s on, {workers} workers: {} requests, 95 % {}, most {}",
            failures * 100.0,
            percent,
            found.0,
            found.1,
            within(1.0)
        );
    }
    assert!(
        found.0 <= half && found.1 <= most,
        "{failures} at {percent} % from {since} with {workers}: {found:?}"
    );
}

#[test]
fn a_crash_costs_a_few_requests() {
    for (percent, cost) in [(5, (4, 5)), (25, (8, 12)), (50, (14, 20))] {
        costs(percent, 1.0, 0.0, 1, cost);
    }
}

#[test]
fn a_crash_in_the_middle_costs_a_few_requests_more() {
    for (percent, cost) in [(5, (8, 10)), (25, (16, 20)), (50, (24, 32))] {
        costs(percent, 1.0, 300.0, 1, cost);
    }
}

#[test]
fn failing_half_of_the_time_costs_some_more() {
    for (percent, cost) in [(5, (14, 30)), (25, (22, 45)), (50, (40, 80))] {
        costs(percent, 0.5, 0.0, 1, cost);
    }
}

#[test]
fn several_workers_see_a_part_each() {
    for (percent, cost) in [(5, (14, 20)), (25, (25, 40)), (50, (40, 60))] {
        costs(percent, 1.0, 0.0, 4, cost);
    }
}
