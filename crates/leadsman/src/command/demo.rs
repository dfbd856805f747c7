//! `leadsman demo`: the whole story, with real processes and virtual users.

use std::path::PathBuf;

use crate::codes::Code;
use crate::context::Context;
use crate::demo::{self, Act, Interrupted, NoService, Options, Played, Traces};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::render::words::clean;

/// Play the whole story on this machine: good releases, bad ones, a crash
///
/// Starts a Leadsman of its own in a scratch folder, on a free port, and ships releases of a small
/// real service while virtual users keep asking it. Takes about three minutes, and ends with
/// status 0 only if everything was as it should be. All that it started ends with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave everything running at the end, and say how to look at it
    #[arg(long)]
    keep: bool,
    /// The program of the example service [default: `tide`, beside `leadsman`]
    #[arg(long, value_name = "FILE")]
    service: Option<PathBuf>,
    /// How many virtual users there are
    #[arg(long, value_name = "COUNT", default_value_t = 150,
          value_parser = clap::value_parser!(u16).range(10..=1000))]
    users: u16,
    /// Play only this act, and the first one, which all need; can be given several times
    #[arg(long = "act", value_name = "NAME")]
    acts: Vec<Act>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let output = context.output;
    let options = Options {
        service: args
            .service
            .as_ref()
            .map(|service| context.working_folder.join(service)),
        users: usize::from(args.users),
        acts: args.acts.clone(),
        keep: args.keep,
    };
    // What is waited for in vain holds a thread that knows all acts: too large for the stack.
    let Played { outcome, traces } = Box::pin(demo::play(&options, output)).await;
    let record = match outcome {
        Ok(record) => record,
        Err(error) => {
            say_last_words(output, traces.as_ref());
            return Err(unplayed(&error, traces.as_ref()));
        }
    };
    if output.is_json() {
        output.json(&record, true)?;
    } else {
        output.data(&demo::summary(&record))?;
    }
    if let Some(traces) = traces.as_ref().filter(|traces| traces.running) {
        output.talk(&still_running(traces, record.url.as_deref()));
    }
    if record.ok {
        return Ok(());
    }
    say_last_words(output, traces.as_ref());
    let message = "not everything in the demo was as expected";
    Err(with_traces(
        Failure::new(Code::DemoUnexpected, message),
        traces.as_ref(),
    ))
}

fn unplayed(error: &anyhow::Error, traces: Option<&Traces>) -> Failure {
    if error.is::<Interrupted>() {
        return match traces.filter(|traces| traces.running) {
            Some(traces) => Failure::silent(Exit::Interrupted).hint(still_running(traces, None)),
            None => Failure::silent(Exit::Interrupted),
        };
    }
    let failure = Failure::of(Code::DemoUnplayed, error.as_ref());
    if error.is::<NoService>() {
        return failure.hint(
            "build it with `cargo build --release --package tide`, which puts it beside \
             `leadsman`, or name it with `--service`",
        );
    }
    with_traces(failure, traces)
}

/// Says what control said last, where something went wrong.
fn say_last_words(output: Output, traces: Option<&Traces>) {
    let words = traces.map(|traces| traces.last_words.as_str());
    for line in words.into_iter().flat_map(str::lines) {
        output.talk(&format!("control: {}", clean(line)));
    }
}

/// Adds where to look.
fn with_traces(failure: Failure, traces: Option<&Traces>) -> Failure {
    let Some(traces) = traces else { return failure };
    let mut failure = failure.hint(format!(
        "everything is left in `{}`: what control said is in `{}`",
        traces.folder.display(),
        traces.log.display()
    ));
    if traces.running {
        failure = failure.hint(still_running(traces, None));
    }
    failure
}

fn still_running(traces: &Traces, url: Option<&str>) -> String {
    let state = traces.state.display();
    let served = url.map_or_else(String::new, |url| format!(" at {url}"));
    format!(
        "everything still runs{served}: look around with `leadsman --state {state} status`, stop \
         it with `leadsman --state {state} down`, and remove `{}` then",
        traces.folder.display()
    )
}
