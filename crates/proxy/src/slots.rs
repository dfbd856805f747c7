//! How many requests an instance has from all workers, and who waits until it has fewer.
//!
//! It is the one thing that workers write together, and only where a table limits it: an instance
//! that can do five things at a time must not get five from each worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// A number that is raised only up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Slots(AtomicU32);

/// One of a bounded number, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    of: Arc<Slots>,
    queue: Arc<Queue>,
}

/// Those who wait for a slot of any instance of a service.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicU32,
    pub(crate) freed: Notify,
}

/// A place in a queue, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct QueuePlace(Arc<Queue>);

impl Slots {
    /// Returns whether there are fewer than `most` taken.
    pub(crate) fn has_room(&self, most: u32) -> bool {
        self.0.load(Ordering::Relaxed) < most
    }

    /// Takes one of `most`; `None` if all are taken. Whoever waits in `queue` hears when it is given
    /// back.
    pub(crate) fn take(self: &Arc<Self>, most: u32, queue: &Arc<Queue>) -> Option<Slot> {
        raised(&self.0, most).then(|| Slot {
            of: Arc::clone(self),
            queue: Arc::clone(queue),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.0.fetch_sub(1, Ordering::AcqRel);
        if self.queue.is_waited_in() {
            self.queue.freed.notify_one();
        }
    }
}

impl Queue {
    /// Returns whether anybody waits.
    pub(crate) fn is_waited_in(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Takes one of `most` places; `None` if all are taken.
    pub(crate) fn enter(self: &Arc<Self>, most: u32) -> Option<QueuePlace> {
        raised(&self.waiting, most).then(|| QueuePlace(Arc::clone(self)))
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

fn raised(number: &AtomicU32, most: u32) -> bool {
    let raise = |now: u32| (now < most).then_some(now + 1);
    let raised = number.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise);
    raised.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_allowed() {
        let (slots, queue) = (Arc::<Slots>::default(), Arc::<Queue>::default());
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let taken = slots.take(3, &queue);
                        most.fetch_max(slots.0.load(Ordering::SeqCst), Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert!(slots.has_room(1));
        let places: Vec<_> = (0..5).map_while(|_| queue.enter(2)).collect();
        assert_eq!(places.len(), 2);
        drop(places);
        assert!(!queue.is_waited_in());
    }
}
