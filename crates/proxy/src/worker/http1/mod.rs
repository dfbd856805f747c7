//! What HTTP/1.1 is read and written with, on both sides of the proxy.

mod header;
mod inbound;
mod inbox;
mod outbound;

pub(super) use header::{HEADERS_MAX, Persistence, digits, headers, tokens, within, write_header};
pub(super) use inbound::{Found, Inbound, Undelimited};
pub(super) use inbox::Inbox;
pub(super) use outbound::{Outbound, Outbox, Sending, Stuck};
