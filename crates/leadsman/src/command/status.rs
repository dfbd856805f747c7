//! `leadsman status`: how everything stands.

use leadsman_api::{Overview, StatusQuery};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Screen;
use crate::render::status;
use crate::render::words::Clock;
use crate::target;
use crate::wait::Watch;

/// Show how everything stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on showing it until Ctrl-C
    #[arg(long, short)]
    watch: bool,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    if !args.watch {
        let overview = client.status(&StatusQuery::default()).await?;
        let overview = only_named(context, overview)?;
        let clock = Clock::at(overview.at);
        return context
            .output
            .either(&overview, |overview| status::text(overview, &clock));
    }
    let output = context.output;
    let mut watch = Watch::new(client, output);
    let mut drawn = 0;
    let mut shown = None;
    loop {
        let overview = only_named(context, watch.next().await?)?;
        let clock = Clock::at(overview.at);
        if output.can_redraw(Screen::Data) {
            drawn = output.redraw(Screen::Data, drawn, &status::text(&overview, &clock));
        } else if shown != Some(overview.version) {
            shown = Some(overview.version);
            if output.is_json() {
                output.json(&overview, true)?;
            } else {
                output.data(&format!("{}\n", status::text(&overview, &clock)))?;
            }
        }
    }
}

/// Leaves only the environments that were named.
pub(super) fn only_named(context: &Context, overview: Overview) -> Result<Overview, Failure> {
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
