//! A check that cannot fail is worthless: every one of these mistakes, made on purpose in a copy of the
//! sources, must be found by the simulation.
//!
//! The copy lies below the target folder. All mistakes are in the one program that is built of it; a
//! variable of the environment chooses which of them is made.
#![expect(clippy::unwrap_used, reason = "where it fails says what failed")]

mod copy;
mod table;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use table::{MUTATIONS, Mutation};

/// From which seeds on worlds are played, for each mutation: it takes the median of them.
const SEEDS: [u64; 3] = [1, 100_001, 200_001];

/// After how many worlds a mutation counts as not found.
const RUNS: u64 = 3_000;

/// How a mutation was found.
struct Found {
    after: u64,
    by: String,
}

#[test]
fn every_mistake_is_found_by_the_simulation() {
    let program = copy::build(MUTATIONS);
    let sound = play(&program, "", 1, 40);
    assert!(sound.is_none(), "without a mistake nothing is found");
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(mutation) = MUTATIONS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = find(&program, mutation);
                    rows.lock().unwrap().push((mutation.name, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(name, _)| MUTATIONS.iter().position(|it| it.name == *name));
    let mut missed = Vec::new();
    let mut lines =
        "| mistake | found after (median worlds) | by |\n| --- | --- | --- |\n".to_owned();
    for (name, mut found) in rows {
        found.sort_by_key(|found| found.after);
        match found.get(SEEDS.len() / 2) {
            Some(Found { after, by }) => lines += &format!("| {name} | {after} | `{by}` |\n"),
            None => missed.push(name),
        }
    }
    println!("{lines}");
    std::fs::write(program.with_file_name("found.md"), lines).unwrap();
    assert!(missed.is_empty(), "not found: {}", missed.join(", "));
}

fn find(program: &Path, mutation: &Mutation) -> Vec<Found> {
    let seeds = SEEDS.iter();
    // One that is not found from one seed on counts as not found at all.
    let found: Option<Vec<Found>> = seeds
        .map(|seed| play(program, mutation.name, *seed, RUNS))
        .collect();
    found.unwrap_or_default()
}

/// Plays worlds until something is found.
fn play(program: &Path, mutation: &str, seed: u64, runs: u64) -> Option<Found> {
    let output = Command::new(program)
        .args(["--until-found", "--seed", &seed.to_string()])
        .args(["--runs", &runs.to_string()])
        .env(copy::CHOSEN, mutation)
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let mut words = line.split_whitespace();
    let after = words.next()?.parse().unwrap();
    let by = words.next().unwrap().to_owned();
    Some(Found { after, by })
}
