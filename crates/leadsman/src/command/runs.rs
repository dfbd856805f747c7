//! `leadsman runs`: what went through the pipeline.

use leadsman_api::RunsQuery;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::runs;
use crate::render::words::Clock;

/// List runs of the pipeline, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
    limit: u32,
    /// Only those of this application
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let query = RunsQuery {
        application: args.application.clone(),
        limit: Some(args.limit),
        before: None,
    };
    let list = context.client().runs(&query).await?;
    let clock = Clock::at(list.at);
    context
        .output
        .either(&list, |list| runs::list(list, &clock))
}
