//! The tripwire of a service, as one worker has it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use leadsman_analysis::tripwire::{Arm, Trip, Tripwire, Turn};
use tokio::sync::mpsc;

use crate::table;

/// A side that has to be cut off.
#[derive(Debug)]
pub(crate) struct Tripping {
    /// Its name.
    pub(crate) side: String,
    /// The round of the tripwire that says so.
    pub(crate) round: u32,
    /// What this worker has seen.
    pub(crate) seen: Trip,
}

/// Where it is said that a side has to be cut off.
pub(crate) type Trips = mpsc::UnboundedSender<Tripping>;

/// How the tripwires of a worker are set up.
#[derive(Clone)]
pub(super) struct Wiring {
    pub(super) trips: Trips,
    /// How many workers share the probability of a wrong trip.
    pub(super) workers: usize,
}

/// The tripwire of a service.
pub(super) struct Wire {
    spec: table::Tripwire,
    since: Instant,
    tripwire: RefCell<Tripwire>,
    trips: Trips,
}

/// A request that was given to a side by turns, and where to say what came of it.
#[derive(Clone)]
pub(super) struct Taken {
    wire: Rc<Wire>,
    turn: Turn,
}

impl Wire {
    /// Makes the tripwire of `service`; one that stays the same goes on from `before`.
    pub(super) fn of(
        service: &table::Service,
        before: Option<&Rc<Self>>,
        wiring: &Wiring,
    ) -> Option<Rc<Self>> {
        let spec = service.tripwire.as_ref()?;
        let same = before.filter(|before| before.spec == *spec);
        let wire = same.cloned().unwrap_or_else(|| {
            #[expect(clippy::cast_precision_loss, reason = "there are few workers")]
            let alpha = spec.alpha / wiring.workers as f64;
            Rc::new(Self {
                spec: spec.clone(),
                since: Instant::now(),
                tripwire: RefCell::new(Tripwire::new(spec.limit, alpha)),
                trips: wiring.trips.clone(),
            })
        });
        let weight = |name: &str| {
            let sides = service.sides.iter().filter(|side| side.name == name);
            sides.map(|side| side.weight).sum()
        };
        let (canary, baseline) = (weight(&spec.canary), weight(&spec.baseline));
        if canary > 0 && baseline > 0 {
            wire.tripwire.borrow_mut().split(canary, baseline);
        }
        Some(wire)
    }

    /// Returns which arm a side is, if it is one of the two.
    pub(super) fn arm(&self, side: &str) -> Option<Arm> {
        if side == self.spec.canary {
            Some(Arm::Canary)
        } else if side == self.spec.baseline {
            Some(Arm::Baseline)
        } else {
            None
        }
    }

    /// Gives `arm` its turn at the moment `now`.
    pub(super) fn take(self: &Rc<Self>, arm: Arm, now: Instant) -> Taken {
        let at = now.saturating_duration_since(self.since);
        Taken {
            wire: Rc::clone(self),
            turn: self.tripwire.borrow_mut().turn(arm, at),
        }
    }
}

impl Taken {
    /// Says what came of it. If that trips the wire, the keeper is told.
    pub(super) fn answered(&self, failed: bool) {
        let wire = &self.wire;
        let tripped = wire.tripwire.borrow_mut().answered(self.turn, failed);
        if let Some(seen) = tripped {
            let tripping = Tripping {
                side: wire.spec.canary.clone(),
                round: wire.spec.round,
                seen,
            };
            // A keeper that is gone has nobody to tell the workers either.
            drop(wire.trips.send(tripping));
        }
    }
}
