//! `leadsman rollback`: goes back to an earlier release.

use leadsman_api::{Command, Scope};

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Go back to the previous release, or to a named one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go back to this release [default: the one that served before]
    #[arg(long, value_name = "RELEASE")]
    to: Option<u64>,
    /// Take back only this service
    #[arg(long, value_name = "NAME", conflicts_with = "canary")]
    service: Option<String>,
    /// Take back only what is not promoted yet
    #[arg(long)]
    canary: bool,
    /// Bring the schema of the database back first, by the `back` of the release that brought it here
    #[arg(long, conflicts_with_all = ["service", "canary"])]
    migrate_back: bool,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let scope = match (&args.service, args.canary) {
        (Some(service), _) => Scope::Service(service.clone()),
        (None, true) => Scope::Canary,
        (None, false) => Scope::All,
    };
    give(
        context,
        Command::Rollback {
            to: args.to,
            scope,
            migrate_back: args.migrate_back,
        },
    )
    .await
}
