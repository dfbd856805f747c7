//! What `hold` and `maintenance` share: services are closed to their users, and opened again.

use leadsman_api::{Closed, Command};

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Whether it should be so.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Switch {
    /// From now on
    On,
    /// No longer
    Off,
}

/// Closes `service` in this way, or opens it; `None` is every one.
pub(super) async fn switch(
    context: &Context,
    how: Closed,
    switch: Switch,
    service: Option<String>,
) -> Result<(), Failure> {
    let command = match switch {
        Switch::On => Command::Close { how, service },
        Switch::Off => Command::Open { how, service },
    };
    give(context, command).await
}
