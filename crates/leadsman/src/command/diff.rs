//! `leadsman diff`: how two releases differ.

use leadsman_api::DiffQuery;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::diff;
use crate::target;

/// Show how two releases differ, or a release and what runs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The release on the left [default: what runs]
    from: Option<u64>,
    /// The release on the right [default: what runs]
    to: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    let target = target::find(context, &client).await?;
    let query = DiffQuery {
        from: args.from,
        to: args.to,
    };
    let answer = client
        .diff(&target.application, &target.environment, &query)
        .await?;
    context.output.either(&answer, diff::text)
}
