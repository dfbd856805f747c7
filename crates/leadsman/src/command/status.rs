//! `leadsman status`: how everything stands.

use leadsman_api::{Overview, StatusQuery};

use crate::context::Context;
use crate::failure::Failure;
use crate::render::status;
use crate::render::words::Clock;
use crate::target;
use crate::wait::Watch;
use crate::watch;

/// Show how everything stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on showing it until Ctrl-C; on a terminal with keys to look closer and to decide
    #[arg(long, short)]
    watch: bool,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    if args.watch {
        return if watch::can_be_shown(context) {
            watch::run(context).await
        } else {
            tell(context).await
        };
    }
    let overview = context.client().status(&StatusQuery::default()).await?;
    let overview = only_named(context, overview)?;
    let clock = Clock::at(overview.at);
    context
        .output
        .either(&overview, |overview| status::text(overview, &clock))
}

/// Says how everything stands, and again whenever that is another way: for scripts and logs.
async fn tell(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let mut watch = Watch::new(context.client(), output);
    let mut shown = None;
    loop {
        let overview = only_named(context, watch.next().await?)?;
        if shown == Some(overview.version) {
            continue;
        }
        shown = Some(overview.version);
        if output.is_json() {
            output.json(&overview, true)?;
        } else {
            let clock = Clock::at(overview.at);
            output.data(&format!("{}\n", status::text(&overview, &clock)))?;
        }
    }
}

/// Leaves only the environments that were named.
pub(crate) fn only_named(context: &Context, overview: Overview) -> Result<Overview, Failure> {
    let Some(named) = context.environment.as_deref() else {
        return Ok(overview);
    };
    let environments: Vec<_> = target::matching(&overview, Some(named)).cloned().collect();
    if environments.is_empty() && !overview.environments.is_empty() {
        return Err(target::unknown(&overview, named));
    }
    Ok(Overview {
        environments,
        ..overview
    })
}
