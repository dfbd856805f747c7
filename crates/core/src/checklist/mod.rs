//! What has to be looked at, by the machine or by a person, before, during and after a release.
//!
//! An item is done when the machine has found that it holds, or when somebody with the right role has
//! said so. What is not done holds up the way forward, never the way back. What was found by the
//! machine is asked again right before it counts.

mod confirm;
mod item;
mod state;
mod watch;

pub use item::{Asks, Check, Checklist, Checklists, Item, When};
pub use state::{Aftercare, Answer, ItemState, OpenItem, Underway, underway};

pub(crate) use confirm::{Confirming, confirm};
pub(crate) use state::{aftercare, answered, holds_back, lacks};
pub use watch::Checked;
pub(crate) use watch::{facts, may_send_back_until, questions, reasons, sends_back};
