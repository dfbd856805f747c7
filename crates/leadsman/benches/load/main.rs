//! The load generator beside others that are free of coordinated omission: the same load on the
//! same nginx, what each of them measures, and what a request costs it; and how much it can do.
//!
//! `./dev bench load` brings nginx and oha. wrk2 is in no registry: it takes part if
//! `LEADSMAN_WRK2` names it.
//!
//! Read first: [`case`] for what is measured, [`subject`] for who measures.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are what it is for; the progress stands beside them"
)]

mod backend;
mod case;
mod nginx;
#[path = "../common/processor.rs"]
mod processor;
mod subject;
#[path = "../../tests/it/tool.rs"]
mod tool;

use std::process::ExitCode;

use clap::Parser as _;

use crate::case::{CASES, Case};
use crate::nginx::Nginx;
use crate::subject::{Measured, Subject};

pub(crate) type Error = Box<dyn std::error::Error>;

/// The load generator beside others.
#[derive(clap::Parser)]
struct Options {
    /// One round of short runs: whether all works, not what it shows
    #[arg(long)]
    quick: bool,
    /// How often each case is measured; medians count [default: 5, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// How long one run measures, in seconds [default: 10, quick: 4]
    #[arg(long, value_parser = clap::value_parser!(u64).range(3..=3600))]
    seconds: Option<u64>,
    /// Measure this case alone: `small`, `slow`, `stall` or `most`; can be repeated
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// The rates that are tried one after another.
const RATES: [u64; 8] = [
    10_000, 20_000, 25_000, 30_000, 35_000, 40_000, 50_000, 60_000,
];

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    for name in ["nginx", "oha"] {
        if let Some(why) = tool::missing(name) {
            eprintln!("skipped: the load generator beside others: {name}: {why}");
            return Ok(());
        }
    }
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 5 });
    let seconds = options
        .seconds
        .unwrap_or(if options.quick { 4 } else { 10 });
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|it| it == name);
    eprintln!(
        "load average {}",
        std::fs::read_to_string("/proc/loadavg")?.trim()
    );
    let backend = backend::start()?;
    let nginx = Nginx::start(&tool::tool("nginx", "./dev bench load")?, backend)?;
    let subjects = Subject::all()?;
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        compare(case, &subjects, &nginx, rounds, seconds)?;
    }
    if wanted("most") {
        most(&nginx, rounds, seconds)?;
    }
    Ok(())
}

/// Has each subject measure a case in turn, and prints the medians.
fn compare(
    case: &Case,
    subjects: &[Subject],
    nginx: &Nginx,
    rounds: u32,
    seconds: u64,
) -> Result<(), Error> {
    let mut all: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
    for round in 0..rounds {
        for (subject, all) in subjects.iter().zip(&mut all) {
            let measured = subject.measure(case, nginx, case.rate, seconds)?;
            eprintln!("{} {} {round}: {measured}", case.name, subject.name());
            all.push(measured);
        }
    }
    let medians: Vec<Measured> = all.iter().map(|all| Measured::median(all)).collect();
    let names: Vec<&str> = subjects.iter().map(Subject::name).collect();
    println!("| {}: {} | {} |", case.name, case.what, names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let row = |name: &str, of: &dyn Fn(&Measured) -> f64, decimals: usize, compared: bool| {
        let ours = medians.first().map(of).unwrap_or_default();
        let cells: Vec<String> = medians
            .iter()
            .enumerate()
            .map(|(index, measured)| {
                let value = of(measured);
                if index == 0 || !compared {
                    format!("{value:.decimals$}")
                } else {
                    format!(
                        "{value:.decimals$} ({:+.1} %)",
                        (ours / value - 1.0) * 100.0
                    )
                }
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    row("requests/s", &|it| it.rate, 1, false);
    row("p50, ms (ours against it)", &|it| it.p50, 3, true);
    row("p90, ms (ours against it)", &|it| it.p90, 3, true);
    row("p99, ms (ours against it)", &|it| it.p99, 3, true);
    row("CPU µs per request", &|it| it.cpu, 1, false);
    println!();
    Ok(())
}

/// Finds out what can be done, until the generator itself says that it cannot.
fn most(nginx: &Nginx, rounds: u32, seconds: u64) -> Result<(), Error> {
    println!(
        "| small answers, by rate | valid runs | requests/s | p50, ms | p99, ms | late p99, ms | CPU µs per request |"
    );
    println!("|---|---|---|---|---|---|---|");
    let case = &CASES[0];
    for rate in RATES {
        let mut all = Vec::new();
        for round in 0..rounds {
            let measured = Subject::Leadsman.measure(case, nginx, rate, seconds)?;
            eprintln!("most {rate} {round}: {measured}");
            all.push(measured);
        }
        let valid = all.iter().filter(|measured| measured.valid).count();
        let median = Measured::median(&all);
        println!(
            "| {rate} | {valid} of {rounds} | {:.1} | {:.3} | {:.3} | {:.3} | {:.1} |",
            median.rate, median.p50, median.p99, median.late_p99, median.cpu
        );
        if valid == 0 {
            break;
        }
    }
    println!();
    Ok(())
}
