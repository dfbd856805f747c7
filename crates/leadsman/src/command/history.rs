//! `leadsman history`: what was deployed and what happened.

use leadsman_api::HistoryQuery;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::history;
use crate::render::words::Clock;
use crate::target;

/// List what was deployed and what became of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List everything that was recorded instead
    #[arg(long)]
    events: bool,
    /// List at most so many
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    limit: u32,
    /// List only what lies before this position in the log
    #[arg(long, value_name = "POSITION")]
    before: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    let target = target::find(context, &client).await?;
    let query = HistoryQuery {
        limit: Some(args.limit),
        before: args.before,
        ..HistoryQuery::default()
    };
    let answer = client
        .history(&target.application, &target.environment, &query)
        .await?;
    let clock = Clock::now();
    context.output.either(&answer, |answer| {
        if args.events {
            history::events(answer, &clock)
        } else {
            history::deployments(answer, &clock)
        }
    })
}
