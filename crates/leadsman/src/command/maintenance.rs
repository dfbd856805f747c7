//! `leadsman maintenance`: has something else answered instead of services.

use leadsman_api::Closed;

use super::closing::{Switch, switch};
use crate::context::Context;
use crate::failure::Failure;

/// Answer requests of users with `maintenance` of the project file instead, or let them in again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `on` answers instead of the services; `off` lets requests in
    #[arg(value_enum, value_name = "on|off")]
    switch: Switch,
    /// Only this service [default: every one that requests are routed to]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    switch(
        context,
        Closed::Maintenance,
        args.switch,
        args.service.clone(),
    )
    .await
}
