//! The data plane beside nginx and HAProxy: what a request, a connection and a moment at half load
//! cost in each, over the same backends and under the same load, one proxy after another.
//!
//! `./dev bench proxy` brings the two and `h2load`. A run with a failed request, a short body or a
//! wrong split gives no figures, whoever made it.
//!
//! Read first: [`case`] for what is measured, [`subject`] for how each proxy is set up, [`measure`]
//! for how.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are what it is for; the progress stands beside them"
)]

mod backends;
mod case;
mod certificate;
mod clients;
mod closed;
mod eager;
mod h2load;
mod machine;
mod measure;
mod open;
mod polling;
#[path = "../common/processor.rs"]
mod processor;
mod running;
mod subject;
mod table;
mod tool;

use std::process::ExitCode;

use clap::Parser as _;
use clap::builder::PossibleValuesParser;

use crate::case::CASES;
use crate::measure::{Bench, Measured};
use crate::subject::Subject;

pub(crate) type Error = Box<dyn std::error::Error>;

/// The data plane beside nginx and HAProxy.
#[derive(clap::Parser)]
struct Options {
    /// One round of short runs: whether all works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Measure this case alone; can be repeated
    #[arg(long, value_name = "CASE", value_parser = PossibleValuesParser::new(CASES.iter().map(|case| case.name)))]
    only: Vec<String>,
    /// How often each case is measured; the median counts [default: 5, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// How long one run is meant to take [default: 4, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// Worker threads of each proxy, each with a core to itself
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Write JSON with the figures of each run instead of tables
    #[arg(long)]
    json: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: some runs were no good: their reasons stand where the figures would");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and says whether every run was good.
fn run(options: &Options) -> Result<bool, Error> {
    if let Some(why) = tool::skipped() {
        eprintln!("skipped: the data plane beside others: {why}");
        return Ok(true);
    }
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 5 });
    let seconds = options.seconds.unwrap_or(if options.quick { 1 } else { 4 });
    let bench = Bench::new(options.workers, f64::from(seconds))?;
    eprintln!("{}", bench.machine());
    let chosen = CASES
        .iter()
        .filter(|case| options.only.is_empty() || options.only.iter().any(|it| it == case.name));
    let mut all = Vec::new();
    for case in chosen {
        let measured = measure_case(&bench, case, rounds)?;
        if !options.json {
            println!("{}", table::markdown(&measured));
        }
        all.push(measured);
    }
    if options.json {
        println!("{:#}", table::json(&all));
    }
    Ok(all.iter().all(Measured::is_good))
}

/// Measures a case in all proxies that can do it, in turn, and in another order each round: what
/// changes on the machine meanwhile hits each of them alike.
fn measure_case(bench: &Bench, case: &'static case::Case, rounds: u32) -> Result<Measured, Error> {
    let mut measured = Measured::new(case);
    let mut order: Vec<Subject> = Subject::ALL.to_vec();
    let scene = bench.prepare(case)?;
    for round in 0..rounds {
        for subject in &order {
            let run = bench.measure(*subject, case, &scene);
            match &run {
                Ok(run) => eprintln!("{} {} {round}: {run}", case.name, subject.name()),
                Err(why) => eprintln!("{} {} {round}: no good: {why}", case.name, subject.name()),
            }
            measured.add(*subject, run.map_err(|why| why.to_string()));
        }
        order.rotate_left(1);
        if round % 3 == 2 {
            order.reverse();
        }
    }
    Ok(measured)
}
