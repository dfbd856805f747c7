//! Real processes under the axe: killed, stopped, and short of room, files, disk and memory at
//! instants that a seed chooses, while users come and commands are given.
//!
//! `./dev torture` does the same for longer. A run is parted into *watches*, each on a machine of its
//! own, and a watch into *rounds*: some blows, commands meanwhile, and then everything has to be as
//! it should. At the end of a watch a last release has to get through, nothing may be left, and
//! whatever was acknowledged has to be in the log.

mod axe;
mod books;
mod causes;
mod commands;
mod left;
mod plan;
mod report;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use super::random::Random;
use super::small_disk::{Ran, in_a_namespace};
use plan::Ground;
use report::Report;
use watch::Watch;

/// This test.
const NAME: &str =
    "live::torture::whatever_is_killed_stopped_or_short_of_room_costs_only_what_was_on_it";

/// How many rounds there are, unless `LEADSMAN_TORTURE_ROUNDS` says so.
const ROUNDS: u64 = 12;

/// How many rounds a machine goes through at most.
const WATCH_MAX: u64 = 20;

/// After how many rounds it is said how far it is.
const SAY_EVERY: u64 = 10;

#[test]
fn whatever_is_killed_stopped_or_short_of_room_costs_only_what_was_on_it() {
    // Chosen outside, and handed on to the run in the namespace.
    let seed = number("LEADSMAN_TORTURE_SEED").unwrap_or_else(fresh_seed);
    let rounds = number("LEADSMAN_TORTURE_ROUNDS").unwrap_or(ROUNDS);
    match in_a_namespace(NAME, &[("LEADSMAN_TORTURE_SEED", seed.to_string())]) {
        Ran::Inside => torture(rounds, seed, None),
        Ran::Outside { passed } => assert!(passed, "it failed in its namespace"),
        Ran::Nowhere(why) => torture(rounds, seed, Some(why)),
    }
}

/// Returns what an environment variable says.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("`{variable}` has to be a number, and is `{text}`")))
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() << 30) & 0xffff_ffff
}

/// Goes through all rounds; without a small disk, for a reason, the disk is never full.
fn torture(rounds: u64, seed: u64, mut no_small_disk: Option<String>) {
    eprintln!("torture: {rounds} rounds, seed {seed}");
    let mut random = Random::new(seed);
    let mut report = Report::new(rounds, seed);
    let watches = rounds.div_ceil(WATCH_MAX).max(2);
    for number in 0..watches {
        // As even as can be.
        let from = rounds * number / watches;
        let to = rounds * (number + 1) / watches;
        let mut ground = Ground::Disk;
        if number % 2 == 1 && no_small_disk.is_none() {
            ground = Ground::SmallDisk;
        }
        let run = AssertUnwindSafe(|| {
            let mut watch = match Watch::begin(ground) {
                Ok(watch) => watch,
                Err(why) => {
                    no_small_disk = Some(why);
                    Watch::begin(Ground::Disk).unwrap()
                }
            };
            for round in from..to {
                watch.round(&mut random.fork(), &mut report);
                if (round + 1) % SAY_EVERY == 0 {
                    eprintln!("torture: {} of {rounds} rounds", round + 1);
                }
            }
            watch.end(&mut report);
        });
        if catch_unwind(run).is_err() {
            let what = format!("rounds {from} to {to} broke off: the reason is said above");
            report.violated(what);
        }
    }
    if let Some(why) = no_small_disk {
        report.not_run("full disk", &why);
    }
    report.tell();
    assert!(report.is_good(), "what was found is said above");
}
