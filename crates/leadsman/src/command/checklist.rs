//! `leadsman checklist`: what has to be looked at, and what is done of it.

use leadsman_api::{Checklist, EnvironmentStatus, StatusQuery};
use serde::Serialize;

use super::status::only_named;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::checklist;
use crate::render::words::Clock;

/// List what has to be looked at before, during and after releases, and what is done of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What a script gets of one environment.
#[derive(Serialize)]
struct Lists<'a> {
    application: &'a str,
    environment: &'a str,
    checklists: &'a [Checklist],
}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let client = context.client();
    let overview = client.status(&StatusQuery::default()).await?;
    let overview = only_named(context, overview)?;
    let lists: Vec<_> = overview.environments.iter().map(lists).collect();
    let clock = Clock::at(overview.at);
    context
        .output
        .either(&lists, |_| checklist::text(&overview, &clock))
}

fn lists(status: &EnvironmentStatus) -> Lists<'_> {
    Lists {
        application: &status.application,
        environment: &status.environment,
        checklists: &status.checklists,
    }
}
