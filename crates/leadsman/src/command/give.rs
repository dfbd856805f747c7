//! Giving a command to the deployment of one environment: what `pause`, `promote` and their kin
//! share.

use leadsman_api::Command;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::words::clean;
use crate::target;

/// Gives `command` to the environment that is meant, and says what follows from it.
pub(super) async fn give(context: &Context, command: Command) -> Result<(), Failure> {
    let client = context.client();
    let target = target::find(context, &client).await?;
    let accepted = client
        .command(&target.application, &target.environment, &command)
        .await?;
    context.output.either(&accepted, |accepted| {
        format!(
            "{}/{}: {}\n",
            target.application,
            target.environment,
            clean(&accepted.sentence)
        )
    })
}
