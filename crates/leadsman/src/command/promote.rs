//! `leadsman promote`: ends the wait of a step by hand.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Let the present step pass without waiting for the judge
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out all further steps too
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    give(context, Command::Promote { all: args.all }).await
}
