//! `leadsman diff`: how two releases differ.

use leadsman_api::DiffQuery;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::diff;
use crate::target;

/// Show how two releases differ, or a release and what runs, or two environments
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  leadsman diff 3 4                                      two releases
  leadsman diff 4                                        a release and what runs
  leadsman diff --environment staging --with production  what runs in two environments")]
pub(crate) struct Args {
    /// The release on the left [default: what runs]
    from: Option<u64>,
    /// The release on the right [default: what runs]
    to: Option<u64>,
    /// Take the right side from this environment of the same application
    #[arg(long, value_name = "ENVIRONMENT")]
    with: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    let target = target::find(context, &client).await?;
    let query = DiffQuery {
        from: args.from,
        to: args.to,
        with: args.with.clone(),
    };
    let answer = client
        .diff(&target.application, &target.environment, &query)
        .await?;
    context.output.either(&answer, diff::text)
}
