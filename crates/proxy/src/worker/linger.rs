//! What is done with a body that nobody wants.

use std::time::Duration;

use http_body_util::BodyExt as _;

use crate::worker::attempt::Outgoing;
use crate::worker::incoming::Incoming;

/// How long the client gets to read the answer while it still sends.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// How much of a body is read for that, in bytes.
pub(super) const MOST: usize = 8 * 1024 * 1024;

/// How long the answer goes first: to ask for the body before it would invite a client that asked
/// with `Expect` to send it.
const ANSWER_FIRST: Duration = Duration::from_millis(10);

/// Reads what is left of the body of a request that was refused, and throws it away, for a while:
/// were the connection closed at once, the client would meet a reset in the middle of sending, and
/// lose the answer that says why.
pub(super) fn linger(body: Outgoing) {
    let Some(mut body @ Incoming::Http2(_)) = body.into_unread() else {
        // What speaks HTTP/1.1 does so for the whole connection.
        return;
    };
    let reading = async move {
        tokio::time::sleep(ANSWER_FIRST).await;
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, bytes::Bytes::len);
            if length > MOST {
                return;
            }
        }
    };
    tokio::task::spawn_local(async move {
        // Whether it came to its end makes no difference any more.
        drop(tokio::time::timeout(TIME, reading).await);
    });
}
