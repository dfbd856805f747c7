//! What HTTP/1.1 is read and written with, on both sides of the proxy.

mod inbound;
mod inbox;
mod lines;
mod outbound;

pub(super) use inbound::{Found, Inbound, Undelimited};
pub(super) use inbox::Inbox;
pub(super) use lines::{HEADERS_MAX, Persistence, Places, digits, line, tokens, within};
pub(super) use outbound::{Outbound, Outbox, Sending, Stuck};
