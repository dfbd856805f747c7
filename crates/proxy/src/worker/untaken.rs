//! How long a client takes nothing of what is ready for it.
//!
//! A client that reads nothing of its answer would hold a connection, a place at an instance and
//! what is buffered for it for ever. Here is who waits for it: with an alarm that is made when a
//! client is waited for the first time, and set again only when it rings. So a client that takes
//! everything at once costs nothing, and one that is slower than its answer costs no timer for each
//! time that it is waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// In how many parts the time is waited for: it may be exceeded by one of them.
const PARTS: u32 = 4;

/// How long a client has taken nothing of what is ready for it.
pub(super) struct Untaken {
    limit: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    quiet: Quiet,
}

/// What was taken between one alarm and the next.
#[derive(Default)]
struct Quiet {
    /// Whether something was taken since the last one.
    took: bool,
    /// How often in a row it rang without that.
    rang: u32,
}

impl Untaken {
    /// Returns a wait that ends when nothing was taken for `limit`, or a quarter longer.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            alarm: None,
            quiet: Quiet::default(),
        }
    }

    /// The client took something.
    pub(super) fn took(&mut self) {
        self.quiet.took = true;
    }

    /// The client is waited for. Ready when it has been for too long.
    pub(super) fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let part = self.limit / PARTS;
        let alarm = self.alarm.get_or_insert_with(|| {
            self.quiet.took = false;
            Box::pin(tokio::time::sleep(part))
        });
        loop {
            ready!(alarm.as_mut().poll(context));
            if self.quiet.rings() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(Instant::now() + part);
        }
    }
}

impl Quiet {
    /// Takes note of an alarm, and says whether it was the last one.
    fn rings(&mut self) -> bool {
        // While nobody waits nobody is woken: the first alarm after that tells of what was before.
        self.rang = match std::mem::take(&mut self.took) {
            true => 0,
            false => self.rang + 1,
        };
        self.rang >= PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_after_as_many_parts_in_which_nothing_was_taken() {
        // `-` rings, `+` takes something.
        for (told, over_after) in [
            ("----", Some(4)),
            ("+----", None),
            ("+-----", Some(6)),
            ("---+----", None),
            ("---+-----", Some(9)),
            ("+-+-+-+-+-+-+-+-", None),
            ("--++--+---+---+---", None),
        ] {
            let mut quiet = Quiet::default();
            let over = told.chars().position(|what| match what {
                '-' => quiet.rings(),
                _ => {
                    quiet.took = true;
                    false
                }
            });
            assert_eq!(over.map(|at| at + 1), over_after, "{told}");
        }
    }
}
