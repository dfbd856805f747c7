//! `leadsman hold`: has requests wait, or lets them in again.

use leadsman_api::Closed;

use super::closing::{Switch, switch};
use crate::context::Context;
use crate::failure::Failure;

/// Have requests of users wait while something behind the service changes, or let them in again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `on` has requests wait for as long as `hold` of the project file says (30 s where it says nothing); `off` lets them in
    #[arg(value_enum, value_name = "on|off")]
    switch: Switch,
    /// Only this service [default: every one that requests are routed to]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    switch(context, Closed::Held, args.switch, args.service.clone()).await
}
