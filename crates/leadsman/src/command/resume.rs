//! `leadsman resume`: lets a paused deployment go on.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Let a paused deployment go on
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    give(context, Command::Resume {}).await
}
