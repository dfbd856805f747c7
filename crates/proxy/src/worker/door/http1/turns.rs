//! Whose turn it is when more is asked than is answered.
//!
//! What is begun is brought to its end before something else is begun. So a request still finds what
//! belongs to it in the processor's caches when its answer comes, and so does the next one, which takes
//! over the connection to the instance. Were all taken as they come, a thousand clients would be heard
//! before the first of them is answered, and each look at one of them would be a look into memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// How many requests may wait for their answers before others wait for their turn. So many are quicker
/// done than their instances can answer, and what belongs to them fits into a processor's own cache.
const AT_ONCE: usize = 64;

/// How many are called whenever the runtime has asked the system what has come, however many wait for
/// their answers: those may be long in coming.
const AT_LEAST: usize = 16;

/// Whose turn it is to be heard.
///
/// This bounds nothing: who is in the queue is called while other requests wait for their answers. It
/// is a matter of order, and answers are first.
#[derive(Default)]
pub(in crate::worker) struct Turns {
    /// How many requests wait for their answers.
    under_way: Cell<usize>,
    /// The tasks of those that wait to be called, in the order of their numbers.
    queue: RefCell<VecDeque<Waker>>,
    /// How many were called so far: all with smaller numbers.
    called: Cell<u64>,
    /// Says that somebody is in the queue.
    queued: Notify,
}

/// Whether it is the turn of somebody who asks.
#[derive(Debug, Default)]
pub(super) struct Turn(Cell<Stand>);

#[derive(Clone, Copy, Debug, Default)]
enum Stand {
    /// That is to be found out.
    #[default]
    Unknown,
    /// It waits until this number is called.
    Queued(u64),
    Its,
}

/// A request that waits for its answer, until this is dropped.
pub(super) struct UnderWay<'a>(&'a Cell<usize>);

impl Turn {
    /// Waits until it is its turn, which it stays until it is given up.
    pub(super) fn poll(&self, context: &mut Context<'_>, turns: &Turns) -> Poll<()> {
        let stand = match self.0.get() {
            Stand::Unknown if turns.is_free() => Stand::Its,
            Stand::Unknown => Stand::Queued(turns.queue(context.waker())),
            Stand::Queued(number) if number < turns.called.get() => Stand::Its,
            stand => stand,
        };
        self.0.set(stand);
        match stand {
            Stand::Its => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Gives it up: the next time it is to be found out again.
    pub(super) fn give_up(&self) {
        self.0.set(Stand::Unknown);
    }
}

impl Turns {
    /// Counts a request as one that waits for its answer.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(&self.under_way)
    }

    /// Returns whether somebody else can be heard at once, without going before others.
    fn is_free(&self) -> bool {
        self.under_way.get() < AT_ONCE && self.queue.borrow().is_empty()
    }

    /// Has a task wait until it is called, and returns its number.
    fn queue(&self, task: &Waker) -> u64 {
        let mut queue = self.queue.borrow_mut();
        let number = self.called.get() + queue.len() as u64;
        queue.push_back(task.clone());
        self.queued.notify_one();
        number
    }

    /// Calls whose turn it is, for ever.
    pub(in crate::worker) async fn call(&self) {
        loop {
            self.queued.notified().await;
            while self.call_some() {
                // Until the runtime has asked the system what has come: whose answer is there is woken
                // by that, and comes before who is called next.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Calls some, and returns whether there are more.
    fn call_some(&self) -> bool {
        let mut queue = self.queue.borrow_mut();
        let room = AT_ONCE.saturating_sub(self.under_way.get());
        let length = queue.len().min(room.max(AT_LEAST));
        self.called.set(self.called.get() + length as u64);
        queue.drain(..length).for_each(Waker::wake);
        !queue.is_empty()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Returns turns at which so many requests wait for their answers.
    fn turns(under_way: usize) -> Turns {
        let turns = Turns::default();
        turns.under_way.set(under_way);
        turns
    }

    /// Returns so many that ask whether it is their turn.
    fn asking(many: usize) -> Vec<Turn> {
        Vec::from_iter((0..many).map(|_| Turn::default()))
    }

    /// Returns whose turn it is.
    fn whose(turns: &Turns, asking: &[Turn]) -> Vec<usize> {
        let mut context = Context::from_waker(Waker::noop());
        let who = asking.iter().enumerate();
        who.filter(|(_, turn)| turn.poll(&mut context, turns).is_ready())
            .map(|(who, _)| who)
            .collect()
    }

    #[test]
    fn nobody_waits_while_few_requests_are_under_way() {
        let turns = turns(AT_ONCE - 1);
        let asking = asking(3);
        assert_eq!(whose(&turns, &asking[..1]), [0]);
        let last = turns.begin();
        assert_eq!(whose(&turns, &asking[..2]), [0], "it stays its turn");
        asking[0].give_up();
        drop(last);
        assert!(
            whose(&turns, &asking).is_empty(),
            "nobody goes before who waits"
        );
        assert!(!turns.call_some());
        assert_eq!(whose(&turns, &asking), [0, 1, 2]);
    }

    #[test]
    fn as_many_are_called_as_there_is_room_for_and_some_where_there_is_none() {
        for (under_way, many, expected) in [
            (0, 10, 10),
            (0, 1_000, AT_ONCE),
            (24, 1_000, AT_ONCE - 24),
            (AT_ONCE - AT_LEAST + 1, 1_000, AT_LEAST),
            (AT_ONCE, 1_000, AT_LEAST),
            (10_000, 1_000, AT_LEAST),
            (10_000, 3, 3),
        ] {
            let (turns, asking) = (turns(AT_ONCE), asking(many));
            assert!(whose(&turns, &asking).is_empty());
            turns.under_way.set(under_way);
            assert_eq!(turns.call_some(), expected < many, "{under_way}, {many}");
            let called = Vec::from_iter(0..expected);
            assert_eq!(whose(&turns, &asking), called, "{under_way}, {many}");
        }
    }

    #[test]
    fn all_are_called_in_the_order_in_which_they_came() {
        let (turns, asking) = (turns(AT_ONCE), asking(100));
        assert!(whose(&turns, &asking).is_empty());
        for called in [16, 32, 48, 64, 80, 96, 100] {
            assert_eq!(turns.call_some(), called < 100);
            assert_eq!(whose(&turns, &asking), Vec::from_iter(0..called));
        }
    }

    #[tokio::test(flavor = "local")]
    async fn an_answer_that_is_there_comes_before_who_is_called_next() {
        let (mut instance, mut connection) = tokio::net::UnixStream::pair().unwrap();
        let turns = Rc::new(turns(AT_ONCE));
        let heard = Rc::new(Cell::new(0));
        let (at_answer, of_answer) = (Rc::clone(&heard), Rc::clone(&heard));
        let answer = tokio::task::spawn_local(async move {
            connection.read_u8().await.unwrap();
            of_answer.get()
        });
        for _ in 0..3 * AT_LEAST {
            let (turns, heard) = (Rc::clone(&turns), Rc::clone(&heard));
            tokio::task::spawn_local(async move {
                let turn = Turn::default();
                std::future::poll_fn(|context| turn.poll(context, &turns)).await;
                heard.set(heard.get() + 1);
            });
        }
        // The answer is waited for, and all the others for their turn.
        tokio::task::yield_now().await;
        assert_eq!(at_answer.get(), 0);

        tokio::task::spawn_local(async move { turns.call().await });
        instance.write_u8(1).await.unwrap();
        assert!(answer.await.unwrap() <= AT_LEAST);
    }
}
