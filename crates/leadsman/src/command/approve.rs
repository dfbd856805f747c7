//! `leadsman approve`: consents to a release that waits to enter.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Consent to a release that waits to enter the environment
///
/// Consent is bound to exactly what waits: a release that is built anew needs it anew. Who wrote or
/// shipped a release cannot consent to it, unless the environment's rules say so.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of the release
    release: u64,
    /// The digest of what you looked at; refused if something else waits
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// What to remember about it
    #[arg(long, short = 'm', value_name = "TEXT")]
    note: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let command = Command::Approve {
        release: args.release,
        digest: args.digest.clone(),
        note: args.note.clone(),
    };
    give(context, command).await
}
