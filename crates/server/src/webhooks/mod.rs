//! Webhooks: how GitHub and GitLab tell of what was pushed, and how they show who they are.
//!
//! [`kept`] keeps what an admin has set, [`signed`] says whether a delivery is of who it claims to
//! be, and [`told`] what it tells. Nothing of a delivery is read before its signature is good, and
//! nothing that it says chooses a repository, a project file or an application: these are set
//! when the webhook is added.

pub(crate) mod kept;
pub(crate) mod signed;
pub(crate) mod told;

pub(crate) use kept::{Kept, Webhooks};
pub(crate) use signed::Sender;
