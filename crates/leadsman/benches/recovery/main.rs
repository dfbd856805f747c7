//! How long it takes from `kill -9` of control to its next decision, where it has much to find again.
//!
//! Each environment is in the middle of a canary's soak. While control is gone a canary crashes, which
//! is more than its limits tolerate, and somebody asks for another one to be paused until it is: the
//! next decision is whatever of the two is recorded first.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are what it is for"
)]
#![expect(clippy::unwrap_used, reason = "as in the tests that it shares")]

mod live;
#[path = "../../tests/it/program.rs"]
#[expect(dead_code, reason = "the tests do more with it than is done here")]
mod program;

use std::process::ExitCode;

use clap::Parser as _;

/// Control that is killed, and its next decision.
#[derive(clap::Parser)]
struct Options {
    /// How many environments there are, each with a deployment that is under way
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    environments: u32,
    /// How often control is killed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    kills: u32,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Before the options: it is started with those of the test that it is elsewhere.
    live::serve_if_told();
    let Options {
        environments,
        kills,
        ..
    } = Options::parse();
    if 2 * kills > environments {
        eprintln!("error: each kill takes two environments of its own");
        return ExitCode::from(2);
    }
    if live::play(environments as usize, kills as usize) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: it took longer than is promised");
    ExitCode::FAILURE
}
