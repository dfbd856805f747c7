//! `leadsman reject`: refuses a release that waits to enter.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Refuse a release that waits to enter the environment
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of the release
    release: u64,
    /// Why
    #[arg(long, short = 'm', value_name = "TEXT")]
    reason: String,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let command = Command::Reject {
        release: args.release,
        why: args.reason.clone(),
    };
    give(context, command).await
}
