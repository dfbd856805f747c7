//! Plays many worlds, on all cores, and adds up what came of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::check::Violation;
use super::play::{Played, finding_panics, play};
use super::script::Script;

/// What came of many worlds.
#[derive(Clone, Debug, Default)]
pub struct Many {
    /// How many were played.
    pub runs: u64,
    /// How many events were recorded in all of them.
    pub events: u64,
    /// How much time passed in all of them.
    pub time: Duration,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often each invariant was checked.
    pub checks: BTreeMap<&'static str, u64>,
    /// The seeds of worlds in which something did not hold, with what it was first.
    pub violations: Vec<(u64, Violation)>,
    /// How long playing them took.
    pub took: Duration,
}

impl Many {
    fn of(seed: u64, played: Played) -> Self {
        let first = played.violations.into_iter().next();
        Self {
            runs: 1,
            events: played.events,
            time: played.time,
            faults: played.faults,
            checks: played.checks,
            violations: first
                .map(|violation| (seed, violation))
                .into_iter()
                .collect(),
            took: Duration::ZERO,
        }
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.time += other.time;
        let counts = [
            (&mut self.faults, other.faults),
            (&mut self.checks, other.checks),
        ];
        for (sums, counts) in counts {
            for (name, count) in counts {
                *sums.entry(name).or_default() += count;
            }
        }
        self.violations.extend(other.violations);
    }
}

/// Plays the worlds of `runs` seeds from `seed` on with as many threads as there are cores, until all
/// were played, `within` is over or as many as `enough` of them showed something. `progress` is told
/// how many were played, now and then, by one thread.
pub fn play_many(
    seed: u64,
    runs: u64,
    within: Duration,
    enough: usize,
    progress: impl Fn(u64) + Send + Sync,
) -> Many {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let found = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = |is_first: bool| {
        let mut many = Many::default();
        let mut told = Instant::now();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let enough = found.load(Ordering::Relaxed) >= enough as u64;
            if index >= runs || begun.elapsed() >= within || enough {
                return many;
            }
            let seed = seed.wrapping_add(index);
            let played = play(&Script::new(seed), false);
            if !played.violations.is_empty() {
                found.fetch_add(1, Ordering::Relaxed);
            }
            many.add(Many::of(seed, played));
            if is_first && told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                progress(index);
            }
        }
    };
    let play_all = || {
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || work(thread == 0)))
                .collect();
            let mut all = Many::default();
            for thread in threads {
                all.add(thread.join().expect("a world's panics stay in it"));
            }
            all.violations.sort_by_key(|(seed, _)| *seed);
            all
        })
    };
    let mut all = finding_panics(play_all);
    all.took = begun.elapsed();
    all
}
