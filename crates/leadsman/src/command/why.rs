//! `leadsman why`: why an environment is as it is.

use crate::context::Context;
use crate::failure::Failure;
use crate::render::why;
use crate::render::words::Clock;
use crate::target;

/// Say why things are as they are: what is waited for, since when, and who can move it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let client = context.client();
    let target = target::find(context, &client).await?;
    let answer = client.why(&target.application, &target.environment).await?;
    let clock = Clock::at(answer.status.at);
    context
        .output
        .either(&answer, |answer| why::text(answer, &clock))
}
