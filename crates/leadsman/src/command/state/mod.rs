//! `leadsman state`: what lies in the state folder, as one file for another machine.

mod export;
mod import;

use std::time::{Duration, Instant};

use crate::context::Context;
use crate::export::{Manifest, Progress};
use crate::failure::Failure;
use crate::output::{Output, Screen};
use crate::render::words;

/// Back up the state of Leadsman, or take it to another machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    Export(export::Args),
    Import(import::Args),
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match &args.subcommand {
        Subcommand::Export(args) => export::run(context, args),
        Subcommand::Import(args) => import::run(context, args),
    }
}

/// What stands for standard input and standard output.
const STANDARD: &str = "-";

/// How soon a terminal shows how far it is.
const REDRAW: Duration = Duration::from_millis(100);

/// How often it is said elsewhere.
const SAY: Duration = Duration::from_secs(5);

/// Says on standard error how far long work is.
struct Told {
    output: Output,
    doing: &'static str,
    last: Instant,
    drawn: usize,
}

impl Told {
    fn new(output: Output, doing: &'static str) -> Self {
        Self {
            output,
            doing,
            last: Instant::now(),
            drawn: 0,
        }
    }

    /// Takes back what was drawn: the work is over.
    fn end(self) {
        if self.drawn > 0 {
            self.output.redraw(Screen::Talk, self.drawn, "");
        }
    }
}

impl Progress for Told {
    fn at(&mut self, what: &str, done: u64, total: u64) {
        let is_drawn = self.output.can_redraw(Screen::Talk);
        if self.last.elapsed() < if is_drawn { REDRAW } else { SAY } {
            return;
        }
        self.last = Instant::now();
        let (done, total) = (words::size(done), words::size(total));
        let text = format!("{}: {done} of {total}, now {what}", self.doing);
        if is_drawn {
            self.drawn = self.output.redraw(Screen::Talk, self.drawn, &text);
        } else {
            self.output.talk(&text);
        }
    }
}

/// Returns what an export holds, in words.
fn holds(manifest: &Manifest) -> String {
    format!(
        "{} and {} ({})",
        words::count(manifest.events, "event"),
        words::count(manifest.artifacts(), "artifact"),
        words::size(manifest.bytes())
    )
}
