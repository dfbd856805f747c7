//! What is known of a request while it looks for an answer.

use std::rc::Rc;

use tokio::sync::Notify;

use crate::worker::choice::Tried;
use crate::worker::hold::{Held, Holding};
use crate::worker::queue::{Capacity, Queued, Ticket};
use crate::worker::rescue::Failure;

/// What is known of a request while it looks for an answer.
#[derive(Default)]
pub(super) struct Visit {
    pub(super) tried: Tried,
    pub(super) held: Option<Held>,
    pub(super) queued: Option<Queued>,
    /// Whether it is within the limits of its rule.
    pub(super) is_admitted: bool,
    /// Whether it was looked at whether it is to be copied.
    pub(super) is_mirrored: bool,
}

/// What a request has to wait for.
pub(super) enum Wait {
    /// That the service goes on, or has an instance that can be reached.
    Hold(Rc<Holding>, Failure),
    /// That there is room on a side.
    Room(Rc<Capacity>, Ticket),
}

impl Visit {
    /// Waits until it makes sense to look again.
    ///
    /// # Errors
    /// There is no room to wait, or it waited for long enough.
    pub(super) async fn wait(&mut self, wait: Wait, swapped: &Notify) -> Result<(), Failure> {
        match wait {
            Wait::Hold(holding, why) => {
                self.queued = None;
                holding.wait(&mut self.held, swapped, why).await?;
            }
            Wait::Room(capacity, ticket) => capacity.wait(&mut self.queued, ticket).await?,
        }
        self.tried.forget_unreachable();
        Ok(())
    }
}
