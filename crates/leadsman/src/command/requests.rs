//! `leadsman requests`: what waits to enter, and for what.

use leadsman_api::{EnvironmentStatus, Freeze, Request, StatusQuery};
use serde::Serialize;

use super::status::only_named;
use crate::context::Context;
use crate::failure::Failure;
use crate::render::requests;
use crate::render::words::Clock;

/// List the releases that wait to enter, what each still lacks, and the freezes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What a script gets of one environment.
#[derive(Serialize)]
struct Entrance<'a> {
    application: &'a str,
    environment: &'a str,
    requests: &'a [Request],
    freezes: &'a [Freeze],
}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let client = context.client();
    let overview = client.status(&StatusQuery::default()).await?;
    let overview = only_named(context, overview)?;
    let entrances: Vec<_> = overview.environments.iter().map(entrance).collect();
    let clock = Clock::at(overview.at);
    context
        .output
        .either(&entrances, |_| requests::text(&overview, &clock))
}

fn entrance(status: &EnvironmentStatus) -> Entrance<'_> {
    let EnvironmentStatus {
        application,
        environment,
        requests,
        freezes,
        ..
    } = status;
    Entrance {
        application,
        environment,
        requests,
        freezes,
    }
}
