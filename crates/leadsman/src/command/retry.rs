//! `leadsman retry`: tries a failed release once more.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Bring the release that failed last in once more, or try a blocked way back again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    give(context, Command::Retry {}).await
}
