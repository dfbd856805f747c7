//! `leadsman up`: runs control, and starts or finds the data plane and the instances.

use super::api::Api;
use super::sign_in::SignIn;
use super::socket::Socket;
use crate::command::proxy::Setup;
use crate::context::Context;
use crate::control;
use crate::failure::Failure;

/// Run Leadsman: control in the foreground, the data plane and the instances beside it
///
/// What runs goes on when control ends by a signal, and is found again by the next `leadsman up`.
/// A data plane of another version, or set up differently, is upgraded without a gap.
/// End everything with `leadsman down`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    proxy: Setup,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    socket: Socket,
    #[command(flatten)]
    sign_in: SignIn,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    control::listen_to_tracing(context);
    context.only_here("`leadsman up`")?;
    let provider = args.sign_in.provider(context)?;
    // What control begins with is more than belongs on the stack.
    let doors = control::Doors {
        api: &args.api,
        socket: &args.socket,
        provider,
    };
    Box::pin(control::run(context, &args.proxy, doors)).await
}
