//! `leadsman audit`: shows that the log is what was recorded.

use leadsman_store::sqlite::verify_file;
use leadsman_store::{OpenError, VerifyError};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::format;
use crate::render::words;

/// Work with the audit log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Verify that nothing in the log was changed, removed or put in another order; works also
    /// while control is down
    Verify,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match args.subcommand {
        Subcommand::Verify => verify(context),
    }
}

fn verify(context: &Context) -> Result<(), Failure> {
    let path = context.state.log();
    let verified = verify_file(&path).map_err(|error| {
        match &error {
        VerifyError::Broken { .. } | VerifyError::Corrupt { .. } => {
            Failure::of(Code::LogBroken, &error).hint(
                "stop trusting this log from that position on, and keep the file as it is: it is \
                 evidence",
            )
        }
        VerifyError::Open(OpenError::Newer { .. }) => {
            Failure::of(Code::NewerState, &error).hint(format::who_knows(&context.state))
        }
        VerifyError::Open(OpenError::Older { .. }) => Failure::of(Code::LogUnreadable, &error).hint(
            "verify it with the version of Leadsman that has written it, or start this one with \
             `leadsman up` first",
        ),
        // Whatever else there will be: nothing was found out about the log.
        _ => Failure::of(Code::LogUnreadable, &error)
            .hint("name the folder that holds it with `--state`"),
    }
    })?;
    let report = serde_json::json!({
        "events": verified.events,
        "streams": verified.streams,
        "head": verified.head.to_string(),
    });
    context.output.either(&report, |_| {
        format!(
            "the log is whole: {} in {}\nits head is {}\n",
            words::count(verified.events, "event"),
            words::count(verified.streams, "stream"),
            verified.head
        )
    })
}
