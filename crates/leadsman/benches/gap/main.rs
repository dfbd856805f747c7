//! Never a gap: users who keep coming for a minute while releases, upgrades and crashes happen to
//! what serves them, and what they met.
//!
//! The acts are those of the tests, `tests/it/live/story.rs`; here they have more users and more
//! time, and the program is built for production.
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
use std::time::Duration;

use clap::Parser as _;

use crate::live::Scale;

/// Users who keep coming while everything happens to what serves them.
#[derive(clap::Parser)]
struct Options {
    /// How many users come at the same time
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=1000))]
    users: u32,
    /// How long all that nobody may notice takes together
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// How often the data plane is killed after that
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    kills: u32,
    /// Only in the clear
    #[arg(long, conflicts_with = "encrypted")]
    plain: bool,
    /// Only encrypted
    #[arg(long)]
    encrypted: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Before the options: it is started with those of the test that it is elsewhere.
    live::serve_if_told();
    let options = Options::parse();
    let scale = Scale {
        users: options.users as usize,
        duration: Duration::from_secs(options.seconds.into()),
        kills: options.kills as usize,
    };
    let mut is_good = true;
    for is_encrypted in [false, true] {
        if (is_encrypted && !options.plain) || (!is_encrypted && !options.encrypted) {
            is_good &= live::play(&scale, is_encrypted);
        }
    }
    if is_good {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: users met more than is promised");
    ExitCode::FAILURE
}
