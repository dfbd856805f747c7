//! What it costs control that many people look at one deployment: its processor time, with nobody
//! looking and with 500 pages open, while a canary is judged and users come.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are what it is for"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "as in the tests that it shares"
)]

mod live;
#[path = "../../tests/it/program.rs"]
#[expect(dead_code, reason = "the tests do more with it than is done here")]
mod program;

use std::process::ExitCode;

use clap::Parser as _;

/// Control, looked at.
#[derive(clap::Parser)]
struct Options {
    /// How many pages are open
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5000))]
    viewers: u32,
    /// For how many seconds processor time is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Before the options: it is started with those of the test that it is elsewhere.
    live::serve_if_told();
    let options = Options::parse();
    if live::play(options.viewers, options.seconds) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: it costs more than is promised");
    ExitCode::FAILURE
}
