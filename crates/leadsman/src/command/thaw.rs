//! `leadsman thaw`: ends a freeze.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// End a freeze: what waits for it may enter
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of the freeze; needed where there are several
    freeze: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let freeze = args.freeze;
    give(context, Command::Thaw { freeze }).await
}
