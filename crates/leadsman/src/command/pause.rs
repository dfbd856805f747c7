//! `leadsman pause`: holds the deployment where it is.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Hold the deployment where it is; it is still judged, and still goes back if it fails
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    give(context, Command::Pause {}).await
}
