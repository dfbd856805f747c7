//! How often a rollout is rolled back for nothing, and how soon for something: the judge against
//! what other tools do, over the same simulated requests.
//!
//! `./dev bench judge -- --list` says which scenarios and rules there are. The tables go to
//! standard output, how far it is to standard error. Each run draws new random numbers and says
//! with which seed they come again.

pub(crate) mod alias;
pub(crate) mod crew;
pub(crate) mod normal;
pub(crate) mod options;
pub(crate) mod report;
pub(crate) mod rollout;
pub(crate) mod rules;
pub(crate) mod scenario;
pub(crate) mod tally;
pub(crate) mod traffic;
pub(crate) mod wald;

use std::process::ExitCode;

use self::options::{Options, USAGE};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables are what it is for"
)]
fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("judge: {wrong}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        println!("{}", list());
    } else {
        println!("{}", simulate(&options, &|line| eprintln!("judge: {line}")));
    }
    ExitCode::SUCCESS
}

/// Returns the names that can be asked for.
pub(crate) fn list() -> String {
    let scenarios = scenario::ALL.iter().map(|it| (it.name, it.title));
    let rules = rules::ALL.iter().map(|it| (it.name, it.title));
    let mut text = format!("{USAGE}\n");
    for (head, names) in [
        ("scenarios", scenarios.collect::<Vec<_>>()),
        ("rules", rules.collect()),
    ] {
        text.push_str(&format!("\n{head}:\n"));
        for (name, title) in names {
            text.push_str(&format!("  {name:<18}{title}\n"));
        }
    }
    text
}

/// Simulates what is asked for and returns the tables. Says on the way how far it is.
pub(crate) fn simulate(options: &Options, progress: &(dyn Fn(String) + Sync)) -> String {
    let seed = options.seed;
    progress(format!("seed {seed}"));
    let chosen = |name: &str| options.rules.iter().any(|it| it == name);
    let rules: Vec<_> = rules::ALL.iter().filter(|it| chosen(it.name)).collect();
    let cells = crew::play_all(options, &rules, progress);
    format!("seed {seed}\n{}", report::tables(&rules, &cells))
}
