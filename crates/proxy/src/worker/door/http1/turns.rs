//! Whose turn it is when more is asked than is answered.
//!
//! What is begun is brought to its end before something else is begun. So a request still finds what
//! belongs to it in the processor's caches when its answer comes, and so does the next one, which takes
//! over the connection to the instance. Were all taken as they come, a thousand clients would be heard
//! before the first of them is answered, and each look at one of them would be a look into memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

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
pub(in crate::worker) struct Turns<T> {
    /// How many requests wait for their answers.
    under_way: Cell<usize>,
    queue: RefCell<VecDeque<T>>,
    /// Says that somebody is in the queue.
    queued: Notify,
}

/// A request that waits for its answer, until this is dropped.
pub(super) struct UnderWay<'a>(&'a Cell<usize>);

impl<T> Turns<T> {
    pub(in crate::worker) fn new() -> Self {
        Self {
            under_way: Cell::new(0),
            queue: RefCell::default(),
            queued: Notify::new(),
        }
    }

    /// Counts a request as one that waits for its answer.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(&self.under_way)
    }

    /// Returns whether another request can be heard at once.
    pub(super) fn is_free(&self) -> bool {
        self.under_way.get() < AT_ONCE
    }

    /// Has `who` wait until it is called.
    pub(super) fn queue(&self, who: T) {
        self.queue.borrow_mut().push_back(who);
        self.queued.notify_one();
    }

    /// Tells whose turn it is to `call`, for ever.
    pub(in crate::worker) async fn run(&self, call: impl Fn(T)) {
        loop {
            self.queued.notified().await;
            while self.call(&call) {
                // Until the runtime has asked the system what has come: whose answer is there is woken
                // by that, and comes before who is called next.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Calls some, and returns whether there are more.
    fn call(&self, call: impl Fn(T)) -> bool {
        let mut queue = self.queue.borrow_mut();
        let room = AT_ONCE.saturating_sub(self.under_way.get());
        let length = queue.len().min(room.max(AT_LEAST));
        queue.drain(..length).for_each(call);
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

    /// Returns turns at which so many requests wait for their answers, and so many others in the queue.
    fn turns(under_way: usize, queued: usize) -> Turns<usize> {
        let turns = Turns::new();
        (0..under_way).for_each(|_| std::mem::forget(turns.begin()));
        (0..queued).for_each(|who| turns.queue(who));
        turns
    }

    /// Returns who is called at once.
    fn called(turns: &Turns<usize>) -> Vec<usize> {
        let called = RefCell::default();
        turns.call(|who| Vec::push(&mut called.borrow_mut(), who));
        called.into_inner()
    }

    #[test]
    fn nobody_waits_for_a_turn_while_few_requests_are_under_way() {
        let turns = turns(AT_ONCE - 1, 0);
        assert!(turns.is_free());
        let last = turns.begin();
        assert!(!turns.is_free());
        drop(last);
        assert!(turns.is_free());
    }

    #[test]
    fn as_many_are_called_as_there_is_room_for_and_some_where_there_is_none() {
        for (under_way, queued, expected) in [
            (0, 10, 10),
            (0, 1_000, AT_ONCE),
            (24, 1_000, AT_ONCE - 24),
            (AT_ONCE - AT_LEAST + 1, 1_000, AT_LEAST),
            (AT_ONCE, 1_000, AT_LEAST),
            (10_000, 1_000, AT_LEAST),
            (10_000, 3, 3),
        ] {
            let turns = turns(under_way, queued);
            let called = called(&turns);
            assert_eq!(called, Vec::from_iter(0..expected), "{under_way} {queued}");
        }
    }

    #[test]
    fn all_are_called_in_the_order_in_which_they_came() {
        let turns = turns(AT_ONCE, 100);
        let all: Vec<usize> = std::iter::repeat_with(|| called(&turns))
            .take_while(|called| !called.is_empty())
            .flatten()
            .collect();
        assert_eq!(all, Vec::from_iter(0..100));
    }

    /// What came about, in its order.
    #[derive(Debug, PartialEq, Eq)]
    enum Event {
        Called(usize),
        Answered,
    }

    #[tokio::test(flavor = "local")]
    async fn an_answer_that_is_there_comes_before_who_is_called_next() {
        let (mut instance, mut connection) = tokio::net::UnixStream::pair().unwrap();
        let events = Rc::new(RefCell::new(Vec::new()));
        let answered = Rc::clone(&events);
        let answer = tokio::task::spawn_local(async move {
            connection.read_u8().await.unwrap();
            answered.borrow_mut().push(Event::Answered);
        });
        // It waits for the answer.
        tokio::task::yield_now().await;

        let turns = turns(AT_ONCE, 100);
        let called = Rc::clone(&events);
        tokio::task::spawn_local(async move {
            let call = |who| called.borrow_mut().push(Event::Called(who));
            turns.run(call).await;
        });
        instance.write_u8(1).await.unwrap();
        answer.await.unwrap();
        let mut expected: Vec<Event> = (0..AT_LEAST).map(Event::Called).collect();
        expected.push(Event::Answered);
        assert_eq!(events.borrow()[..=AT_LEAST], expected);
    }
}
