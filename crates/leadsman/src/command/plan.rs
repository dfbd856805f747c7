//! `leadsman plan`: what shipping would do.

use crate::context::Context;
use crate::failure::Failure;
use crate::render::plan;
use crate::shipment;

/// Say what shipping would do, before anything moves
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let shipment = shipment::outline(context)?;
    let answer = context.client().plan(&shipment).await?;
    context.output.either(&answer, plan::text)
}
