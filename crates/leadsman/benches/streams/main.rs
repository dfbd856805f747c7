//! What the data plane holds of a stream on its way: the same, whatever its length.
//!
//! `tests/it/live/streams.rs` is the same with shorter ones.
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

/// Streams through the data plane, and its memory meanwhile.
#[derive(clap::Parser)]
struct Options {
    /// How long each stream is, in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    mebibytes: u64,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Before the options: it is started with those of the test that it is elsewhere.
    live::serve_if_told();
    let options = Options::parse();
    if live::play(options.mebibytes << 20) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: the data plane grew more than is promised");
    ExitCode::FAILURE
}
