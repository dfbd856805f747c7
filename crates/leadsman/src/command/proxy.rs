//! `leadsman proxy`: the data plane, as `leadsman up` starts it.

use leadsman_proxy::Config;

use crate::codes::Code;
use crate::context::Context;
use crate::control;
use crate::failure::Failure;

/// Run the data plane; `leadsman up` does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    control::listen_to_tracing(context);
    let config = Config::new(context.state.proxy(), context.state.proxy_socket());
    leadsman_proxy::run(config).map_err(|error| Failure::of(Code::NotStarted, &error))
}
