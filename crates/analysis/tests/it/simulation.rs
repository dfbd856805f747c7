//! How often a healthy release fails, and how many requests a bad one gets before it fails.
//!
//! Seeded: the same runs every time. With `RUNS=2000` in its environment each test plays that many
//! and prints what came of it; the figures in `docs/concepts/judge.md` are from there.

use std::f64::consts::TAU;
use std::time::Duration;

use leadsman_analysis::{Figures, Judge, Limits, Outcome};

use crate::world::beside;

/// Half an hour: the soak of one step.
const WINDOWS: u64 = 1_800;

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
}

/// Latencies of a usual web service: log-normal around 80 ms, 215 ms at the 95th percentile.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn new() -> Self {
        let mut chance = Chance(42);
        let one = |_| {
            let normal = (-2.0 * chance.share().ln()).sqrt() * (TAU * chance.share()).cos();
            Duration::from_secs_f64(0.08 * (0.6 * normal).exp())
        };
        Self((0..1 << 14).map(one).collect())
    }

    fn draw(&self, chance: &mut Chance) -> Duration {
        self.0[(chance.next() >> 50) as usize]
    }
}

/// How a revision behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    errors: f64,
    slower: f64,
}

impl Behaviour {
    fn second(self, requests: u64, latencies: &Latencies, chance: &mut Chance) -> Figures {
        let mut figures = Figures {
            requests,
            ..Figures::default()
        };
        for _ in 0..requests {
            if chance.share() < self.errors {
                figures.errors += 1;
            }
            figures
                .latency
                .record(latencies.draw(chance).mul_f64(self.slower));
        }
        figures
    }
}

const GOOD: Behaviour = Behaviour {
    errors: 0.001,
    slower: 1.0,
};

/// A step: requests per second on the canary and on stable, and how both behave.
#[derive(Clone, Copy)]
struct Step {
    rates: (u64, u64),
    canary: Behaviour,
    stable: Behaviour,
}

/// Plays a step until it fails, and returns how many requests that took on the canary; `None` if
/// it never fails. It is looked at every second.
fn requests_until_fail(step: Step, latencies: &Latencies, seed: u64) -> Option<u64> {
    let mut chance = Chance(seed);
    let mut judge = Judge::new(Limits::default());
    judge.begin_step();
    (0..WINDOWS).find_map(|_| {
        let canary = step.canary.second(step.rates.0, latencies, &mut chance);
        let stable = step.stable.second(step.rates.1, latencies, &mut chance);
        judge.observe(&beside(canary, stable));
        let verdict = judge.verdict();
        (verdict.outcome == Outcome::Fail).then_some(verdict.requests)
    })
}

/// Plays a step `runs` times, or as many times as `RUNS` says, and returns after how many requests
/// each failed, in rising order; those that never did come last, with `u64::MAX`.
#[expect(
    clippy::print_stdout,
    reason = "the figures are for the person who asked for more runs"
)]
fn play(name: &str, runs: u64, step: Step) -> Vec<u64> {
    let asked = std::env::var("RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok());
    let latencies = Latencies::new();
    let mut requests: Vec<u64> = (1..=asked.unwrap_or(runs))
        .map(|seed| requests_until_fail(step, &latencies, seed).unwrap_or(u64::MAX))
        .collect();
    requests.sort_unstable();
    let said = |share| match within(&requests, share) {
        u64::MAX => "never".to_owned(),
        requests => format!("within {requests} requests"),
    };
    println!(
        "{name}: {} of {} fail, half of them {}, 95 % {}",
        failed(&requests),
        requests.len(),
        said(0.5),
        said(0.95)
    );
    requests
}

/// How many of the runs failed.
fn failed(requests: &[u64]) -> usize {
    requests.partition_point(|requests| *requests < u64::MAX)
}

/// The number of requests within which a share of the runs failed.
fn within(requests: &[u64], share: f64) -> u64 {
    requests[((requests.len() - 1) as f64 * share) as usize]
}

/// Plays steps that should not fail.
#[track_caller]
fn never_fails(name: &str, runs: u64, step: Step) {
    assert_eq!(failed(&play(name, runs, step)), 0, "{name}");
}

/// Plays steps whose canary is bad, at 5 % of the requests, and checks within how many requests
/// half of them and 95 % of them fail.
#[track_caller]
fn found_within(name: &str, runs: u64, canary: Behaviour, (half, most): (u64, u64)) {
    let requests = play(
        name,
        runs,
        Step {
            rates: (5, 95),
            canary,
            stable: GOOD,
        },
    );
    let found = (within(&requests, 0.5), within(&requests, 0.95));
    assert!(found.0 <= half && found.1 <= most, "{name}: {found:?}");
}

#[test]
fn a_healthy_release_with_10_requests_a_second_does_not_fail() {
    never_fails(
        "healthy, 10/s",
        2,
        Step {
            rates: (10, 10),
            canary: GOOD,
            stable: GOOD,
        },
    );
}

#[test]
fn a_healthy_release_with_100_requests_a_second_does_not_fail() {
    never_fails(
        "healthy, 100/s",
        1,
        Step {
            rates: (100, 100),
            canary: GOOD,
            stable: GOOD,
        },
    );
}

#[test]
fn one_point_more_errors_is_tolerated() {
    let canary = Behaviour {
        errors: 0.011,
        ..GOOD
    };
    never_fails(
        "+1 point",
        2,
        Step {
            rates: (5, 95),
            canary,
            stable: GOOD,
        },
    );
}

#[test]
fn a_fifth_slower_is_tolerated() {
    let canary = Behaviour {
        slower: 1.2,
        ..GOOD
    };
    never_fails(
        "x 1.2",
        2,
        Step {
            rates: (5, 95),
            canary,
            stable: GOOD,
        },
    );
}

#[test]
fn a_release_whose_every_request_fails_is_found_in_the_first_window() {
    found_within(
        "all fail",
        60,
        Behaviour {
            errors: 1.0,
            ..GOOD
        },
        (5, 5),
    );
}

#[test]
fn five_per_cent_errors_are_found_within_a_few_hundred_requests() {
    found_within(
        "5 % errors",
        60,
        Behaviour {
            errors: 0.05,
            ..GOOD
        },
        (350, 700),
    );
}

#[test]
fn two_per_cent_errors_are_found_within_a_few_thousand_requests() {
    found_within(
        "2 % errors",
        8,
        Behaviour {
            errors: 0.02,
            ..GOOD
        },
        (4_000, 8_000),
    );
}

#[test]
fn twice_as_slow_is_found_within_a_hundred_requests_or_two() {
    found_within(
        "x 2",
        60,
        Behaviour {
            slower: 2.0,
            ..GOOD
        },
        (100, 200),
    );
}

#[test]
fn half_as_slow_again_is_found_within_several_hundred_requests() {
    found_within(
        "x 1.5",
        20,
        Behaviour {
            slower: 1.5,
            ..GOOD
        },
        (550, 1_200),
    );
}
