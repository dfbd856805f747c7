//! A side of a service as a worker uses it: its instances, and which of them is next.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use leadsman_analysis::tripwire::Arm;

use crate::table;
use crate::worker::care::{Ejected, Ejecting};
use crate::worker::choice::Choice;
use crate::worker::least::Turn;
use crate::worker::queue::Capacity;
use crate::worker::tally::Tally;
use crate::worker::upstream::Upstream;

/// A side of a service.
pub(super) struct SideRoutes {
    pub(super) name: String,
    /// 0 for a side without instances, whatever was asked.
    pub(super) weight: u32,
    /// Which arm of the service's tripwire it is.
    pub(super) arm: Option<Arm>,
    pub(super) tally: Rc<Tally>,
    /// Where requests of testers are counted; users' where there are no testers.
    pub(super) testers: Rc<Tally>,
    upstreams: Rc<[Rc<Upstream>]>,
    turn: Turn,
    ejecting: Option<Rc<Ejecting>>,
    capacity: Option<Rc<Capacity>>,
    /// How long a new instance takes until it has its whole share.
    ramp: Option<Duration>,
}

/// What comes of looking for an instance.
pub(super) enum Pick {
    /// It goes there.
    One(Choice),
    /// There are instances that suit, but they have no room at the moment.
    Full,
    /// None suits.
    None,
}

/// Which instances suit a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Suits {
    /// Those that can be expected to answer.
    Fit,
    /// Those that are healthy, left out or not.
    Healthy,
    /// Anything: a health check can be wrong.
    Any,
}

impl Pick {
    /// Returns the choice, or looks elsewhere. That one side is full is remembered.
    pub(super) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::One(_) => self,
            Self::None => other(),
            Self::Full => match other() {
                Self::None => Self::Full,
                found => found,
            },
        }
    }
}

impl SideRoutes {
    pub(super) fn new(
        side: &table::Side,
        service: &table::Service,
        arm: Option<Arm>,
        [tally, testers]: [Rc<Tally>; 2],
        upstreams: &HashMap<String, Rc<Upstream>>,
        capacity: Option<Rc<Capacity>>,
        ejected: &Rc<Ejected>,
    ) -> Self {
        let instances = side.instances.keys();
        let upstreams: Rc<[Rc<Upstream>]> = instances
            .filter_map(|name| upstreams.get(name))
            .cloned()
            .collect();
        let ejection = service.ejection.as_ref();
        let ejecting = ejection.map(|spec| Rc::new(Ejecting::new(spec, &upstreams, ejected)));
        Self {
            name: side.name.clone(),
            weight: if upstreams.is_empty() { 0 } else { side.weight },
            arm,
            tally,
            testers,
            turn: Turn::new(side.name.bytes().fold(0_u64, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(u64::from(byte))
            })),
            upstreams,
            ejecting,
            capacity,
            ramp: service.slow_start.filter(|ramp| !ramp.is_zero()),
        }
    }

    /// Whether `upstream` is one of its instances.
    pub(super) fn has(&self, upstream: &Rc<Upstream>) -> bool {
        self.upstreams.iter().any(|mine| Rc::ptr_eq(mine, upstream))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// Whether it has an instance that is believed to answer.
    pub(super) fn is_serving(&self) -> bool {
        self.upstreams.iter().any(Upstream::is_healthy)
    }

    /// Looks for an instance that suits and has room, the less busy the better; of those that
    /// `allowed` allows.
    pub(super) fn pick(
        &self,
        suits: Suits,
        now: Instant,
        is_queued: bool,
        allowed: impl Fn(&Rc<Upstream>) -> bool,
    ) -> Pick {
        // A copy of what is picked is made only when it is: nothing is allocated here.
        let suitable = |at: usize| {
            let upstream = &self.upstreams[at];
            let is_fit = match suits {
                Suits::Fit => upstream.is_healthy() && !self.is_out(upstream, now),
                Suits::Healthy => upstream.is_healthy(),
                Suits::Any => true,
            };
            is_fit && allowed(upstream)
        };
        let count = self.upstreams.len();
        let Some(capacity) = &self.capacity else {
            let at = self.choose(suits, now, suitable);
            return at.map_or(Pick::None, |at| Pick::One(self.chosen(at, now)));
        };
        if capacity.is_waited_for() && !is_queued {
            return match (0..count).any(suitable) {
                true => Pick::Full,
                false => Pick::None,
            };
        }
        loop {
            let has_room = |at: usize| capacity.has_room(&self.upstreams[at]);
            let at = self.choose(suits, now, |at| suitable(at) && has_room(at));
            let Some(at) = at else {
                return match (0..count).any(suitable) {
                    true => Pick::Full,
                    false => Pick::None,
                };
            };
            // Between a look and a grasp another worker may have been quicker.
            if let Some(slot) = capacity.take(&self.upstreams[at]) {
                let choice = self.chosen(at, now);
                choice.slot.set(Some(slot));
                return Pick::One(choice);
            }
        }
    }

    fn choose(
        &self,
        suits: Suits,
        now: Instant,
        suitable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let count = self.upstreams.len();
        let busy = |at: usize| self.upstreams[at].in_flight();
        if let Some(ramp) = self.ramp.filter(|_| suits == Suits::Fit) {
            let takes_part = |at: usize| {
                let care = self.upstreams[at].care();
                care.takes_part(ramp, now, self.turn.random())
            };
            let at = self
                .turn
                .choose(count, busy, |at| suitable(at) && takes_part(at));
            if at.is_some() {
                return at;
            }
        }
        self.turn.choose(count, busy, suitable)
    }

    fn is_out(&self, upstream: &Upstream, now: Instant) -> bool {
        self.ejecting.is_some() && upstream.care().is_out(now)
    }

    fn chosen(&self, at: usize, now: Instant) -> Choice {
        let upstream = &self.upstreams[at];
        if self.ejecting.is_some() {
            upstream.care().chosen(now);
        }
        Choice {
            upstream: Rc::clone(upstream),
            tally: Rc::clone(&self.tally),
            is_reference: at == 0 && self.upstreams.len() > 1,
            taken: None,
            is_of_tester: false,
            cookie: None,
            ejecting: self.ejecting.clone(),
            slot: Cell::new(None),
        }
    }
}
