//! Lanes: each makes one request at a time, on a connection of its own or beside others on one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Instant;

/// So many requests wait for a lane at most; what comes beyond is not made.
const QUEUE_MAX: usize = 1_000_000;

/// A request that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// Which kind.
    pub(crate) request: usize,
    /// Which row of the data.
    pub(crate) row: u64,
    /// When it was due.
    pub(crate) due: Instant,
    /// Whether it is part of the figures.
    pub(crate) counts: bool,
}

/// What is to be done with a request that was given to lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A lane has it.
    Taken,
    /// This lane has it, and is to be started.
    Start(usize),
    /// It waits for a lane.
    Waits,
    /// Too many wait.
    Refused,
}

/// The lanes of one worker.
pub(crate) struct Lanes(RefCell<Inner>);

struct Inner {
    lanes: Vec<Lane>,
    /// Lanes without a request; the one whose turn was last comes first, so that connections are
    /// no more than needed.
    idle: Vec<usize>,
    queue: VecDeque<Job>,
    max: usize,
}

#[derive(Default)]
struct Lane {
    job: Option<Job>,
    waker: Option<Waker>,
    is_started: bool,
}

impl Lanes {
    /// Lanes that take what comes, so many at most.
    pub(crate) fn shared(max: usize) -> Self {
        Self(RefCell::new(Inner {
            lanes: Vec::new(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            max: max.max(1),
        }))
    }

    /// Lanes that belong to somebody each.
    pub(crate) fn owned(count: usize) -> Self {
        let lanes = Self::shared(count);
        lanes.0.borrow_mut().lanes.resize_with(count, Lane::default);
        lanes
    }

    /// Gives a request to any lane.
    pub(crate) fn give(&self, job: Job) -> Given {
        let mut inner = self.0.borrow_mut();
        if let Some(lane) = inner.idle.pop() {
            return inner.give(lane, job);
        }
        if inner.lanes.len() < inner.max {
            inner.lanes.push(Lane::default());
            let lane = inner.lanes.len() - 1;
            return inner.give(lane, job);
        }
        if inner.queue.len() >= QUEUE_MAX {
            return Given::Refused;
        }
        inner.queue.push_back(job);
        Given::Waits
    }

    /// Gives a request to its owner's lane.
    pub(crate) fn give_to(&self, lane: usize, job: Job) -> Given {
        self.0.borrow_mut().give(lane, job)
    }

    /// Waits for the next request of a lane that any request may be given to.
    pub(crate) async fn next_shared(&self, lane: usize) -> Job {
        {
            let mut inner = self.0.borrow_mut();
            let has_one = inner.lanes.get(lane).is_some_and(|lane| lane.job.is_some());
            if !has_one {
                if let Some(job) = inner.queue.pop_front() {
                    return job;
                }
                inner.idle.push(lane);
            }
        }
        self.next_owned(lane).await
    }

    /// Waits for the next request of an owner's lane.
    pub(crate) async fn next_owned(&self, lane: usize) -> Job {
        poll_fn(|context| {
            let mut inner = self.0.borrow_mut();
            let Some(lane) = inner.lanes.get_mut(lane) else {
                return Poll::Pending;
            };
            match lane.job.take() {
                Some(job) => Poll::Ready(job),
                None => {
                    lane.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Inner {
    fn give(&mut self, number: usize, job: Job) -> Given {
        let Some(lane) = self.lanes.get_mut(number) else {
            return Given::Refused;
        };
        lane.job = Some(job);
        if !lane.is_started {
            lane.is_started = true;
            return Given::Start(number);
        }
        if let Some(waker) = lane.waker.take() {
            waker.wake();
        }
        Given::Taken
    }
}
