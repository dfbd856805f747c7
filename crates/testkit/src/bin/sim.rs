//! Plays simulated worlds: many of them, or one with all that happens in it.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use leadsman_testkit::sim::{Many, Script, finding_panics, minimise, play, play_many};

const USAGE: &str = "\
sim --runs N [--seed N] [--seconds N]   plays N worlds (10000), from a seed on, for so long at the most
sim --seed N --until-found              plays worlds from a seed on until one of them shows something
sim --seed N [--minimise]               plays one world and tells what happens in it; with --minimise
                                        it leaves out first what is not needed to show what is wrong";

#[derive(Default)]
struct Asked {
    runs: Option<u64>,
    seed: Option<u64>,
    seconds: Option<u64>,
    minimise: bool,
    until_found: bool,
}

#[expect(clippy::print_stdout, reason = "it is what it was called for")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(
    clippy::print_stderr,
    reason = "progress, beside what it was called for"
)]
fn note(line: &str) {
    eprintln!("sim: {line}");
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(problem) => {
            note(&problem);
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match (asked.seed, asked.runs) {
        (Some(seed), runs) if asked.until_found => {
            finding_panics(|| until_found(seed, runs.unwrap_or(10_000)))
        }
        (Some(seed), None) => finding_panics(|| one(seed, asked.minimise)),
        (seed, runs) => many(seed, runs.unwrap_or(10_000), asked.seconds),
    }
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--minimise" => asked.minimise = true,
            "--until-found" => asked.until_found = true,
            _ => {}
        }
        if name == "--minimise" || name == "--until-found" {
            continue;
        }
        let number = match name.as_str() {
            "--runs" => &mut asked.runs,
            "--seed" => &mut asked.seed,
            "--seconds" => &mut asked.seconds,
            _ => return Err(format!("there is no option `{name}`")),
        };
        let value = arguments.next();
        let value = value.and_then(|value| value.parse().ok());
        *number = Some(value.ok_or_else(|| format!("`{name}` needs a whole number"))?);
    }
    Ok(asked)
}

fn one(seed: u64, minimised: bool) -> ExitCode {
    let mut script = Script::new(seed);
    if minimised {
        let found = play(&script, false).violations;
        let Some(first) = found.first() else {
            note("nothing is wrong in this world");
            return ExitCode::SUCCESS;
        };
        let (shortest, played) = minimise(&script, |shorter| {
            let mut found = play(shorter, false).violations.into_iter();
            found.any(|violation| violation.invariant == first.invariant)
        });
        let (before, after) = (script.acts.len(), shortest.acts.len());
        note(&format!(
            "{after} of {before} things that happen are needed; {played} worlds were played"
        ));
        script = shortest;
    }
    let played = play(&script, true);
    played.timeline.iter().for_each(|line| say(line));
    let seconds = played.time.as_secs();
    note(&format!(
        "seed {seed}: {} events in {seconds} s",
        played.events
    ));
    for violation in &played.violations {
        note(&format!(
            "`{}` does not hold: {}",
            violation.invariant, violation.detail
        ));
    }
    ExitCode::from(u8::from(!played.violations.is_empty()))
}

/// Says after how many worlds what was found, or that nothing was.
fn until_found(seed: u64, runs: u64) -> ExitCode {
    for run in 1..=runs {
        let played = play(&Script::new(seed.wrapping_add(run - 1)), false);
        if let Some(violation) = played.violations.first() {
            say(&format!(
                "{run} {} {}",
                violation.invariant, violation.detail
            ));
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}

fn many(seed: Option<u64>, runs: u64, seconds: Option<u64>) -> ExitCode {
    let fresh = || {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        now.as_secs() << 24
    };
    let seed = seed.unwrap_or_else(fresh);
    note(&format!("seeds from {seed} on"));
    let within = seconds.map_or(Duration::MAX, Duration::from_secs);
    let progress = |done: u64| note(&format!("{done} of {runs} worlds"));
    let many = play_many(seed, runs, within, 20, progress);
    report(&many);
    ExitCode::from(u8::from(!many.violations.is_empty()))
}

fn report(many: &Many) {
    let Many {
        runs,
        events,
        time,
        faults,
        checks,
        violations,
        took,
    } = many;
    let days = time.as_secs() / 86_400;
    let rate = *runs as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    say(&format!(
        "{runs} worlds, {days} days in them, {events} events recorded"
    ));
    say(&format!(
        "{:.0} s, {rate:.1} worlds a second",
        took.as_secs_f64()
    ));
    say(&format!("faults: {}", faults.values().sum::<u64>()));
    faults
        .iter()
        .for_each(|(kind, count)| say(&format!("{count:>12}  {kind}")));
    say(&format!(
        "invariants checked: {}",
        checks.values().sum::<u64>()
    ));
    checks
        .iter()
        .for_each(|(name, count)| say(&format!("{count:>12}  {name}")));
    say(&format!("violations: {}", violations.len()));
    for (seed, violation) in violations {
        let (at, name) = (violation.at / 1_000, violation.invariant);
        say(&format!(
            "  seed {seed}, {at} s: `{name}`: {}",
            violation.detail
        ));
        say(&format!("    ./dev sim --seed {seed} --minimise"));
    }
}
