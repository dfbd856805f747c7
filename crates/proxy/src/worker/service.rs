//! A service as a worker uses it: whose turn it is, and what stands in the way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::message::{Headers, Request};
use crate::rules::Conditions;
use crate::slots::Queue;
use crate::snapshot::Snapshot;
use crate::split::Split;
use crate::table;
use crate::worker::attempt::Outgoing;
use crate::worker::budget::Budget;
use crate::worker::care::Ejected;
use crate::worker::choice::{Before, Choice, Tried};
use crate::worker::hold::{Held, Holding, Sign};
use crate::worker::mirror::{MIRRORED, Mirror};
use crate::worker::peer::Peer;
use crate::worker::queue::{Capacity, Ticket};
use crate::worker::rescue::Failure;
use crate::worker::side::{Pick, SideRoutes, Suits};
use crate::worker::sticky::{Drawn, Sticky};
use crate::worker::tallies::Tallies;
use crate::worker::upstream::Upstream;
use crate::worker::visit::{Visit, Wait};
use crate::worker::wire::{Wire, Wiring};

/// One service: whose turn it is, and its sides.
pub(super) struct ServiceRoutes {
    pub(super) name: String,
    split: RefCell<Split>,
    sticky: Option<Sticky>,
    /// Who is a tester, and the position of the side that he is led to.
    overrides: Vec<(Conditions, usize)>,
    /// What the side at a position gets in copy.
    mirror: Option<(Mirror, usize)>,
    /// Why users are not let in; `None` while they are.
    closed: Option<Closed>,
    /// The room for requests that wait.
    holding: Option<Rc<Holding>>,
    /// How much there is of it at instances; `None` for no end of it.
    capacity: Option<Rc<Capacity>>,
    /// How many requests may be sent again; `None` for all.
    budget: Option<Budget>,
    wire: Option<Rc<Wire>>,
    sides: Vec<SideRoutes>,
}

enum Closed {
    Paused,
    Maintenance(Rc<Sign>),
}

/// What becomes of a request.
pub(super) enum Way {
    /// It goes to an instance.
    To(Choice),
    /// It waits.
    Wait(Wait),
    /// It is refused.
    Refused(Failure),
    /// Something else is said.
    Instead(Rc<Sign>),
}

/// What comes of looking for an instance.
enum Found {
    One(Choice),
    /// There is one, but it has no room at the moment.
    Full(Ticket),
    None,
}

/// What a choice may depend on.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    /// Made fit for an instance.
    pub(super) headers: &'a Headers,
    /// Who asks.
    pub(super) peer: &'a Peer,
    pub(super) now: Instant,
}

/// What the routes of a service are made with.
pub(super) struct Making<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) upstreams: &'a HashMap<String, Rc<Upstream>>,
    /// Where tallies are found, or made.
    pub(super) tallies: &'a mut Tallies,
    pub(super) wiring: &'a Wiring,
    /// Where it is counted how often instances are left out.
    pub(super) ejected: &'a Rc<Ejected>,
}

impl ServiceRoutes {
    /// Makes the routes of `service`; who waits for room does so in `queue`. What has to be known of
    /// the past is in `before`.
    pub(super) fn new(
        name: &str,
        service: &table::Service,
        queue: Option<&Arc<Queue>>,
        making: &mut Making<'_>,
        before: Option<&Self>,
    ) -> Self {
        let workers = making.wiring.workers;
        let wire = before.and_then(|before| before.wire.as_ref());
        let wire = Wire::of(service, wire, making.wiring);
        let capacity = service.capacity.as_ref().zip(queue);
        let capacity = capacity.map(|(spec, queue)| Rc::new(Capacity::new(spec, queue)));
        let sides = service.sides.iter().map(|side| {
            let tally = making.tallies.users.of(&side.name);
            tally.set(service.slow, side.instances.len() > 1);
            let testers = if service.overrides.is_empty() {
                Rc::clone(&tally)
            } else {
                making.tallies.testers.of(&side.name)
            };
            let arm = wire.as_ref().and_then(|wire| wire.arm(&side.name));
            let (upstreams, ejected) = (making.upstreams, making.ejected);
            let tallies = [tally, testers];
            SideRoutes::new(
                side,
                service,
                arm,
                tallies,
                upstreams,
                capacity.clone(),
                ejected,
            )
        });
        let sides: Vec<SideRoutes> = sides.collect();
        let position = |name: &str| sides.iter().position(|side| side.name == name);
        let resumed = |split: &dyn Fn(&Self) -> Option<Split>| {
            let before = before.and_then(|before| before.resumed(&split(before)?, &sides));
            before.unwrap_or_else(|| Split::new(sides.len()))
        };
        let sticky = service.sticky.as_ref().and_then(|sticky| {
            let newcomers = resumed(&|before| Some(before.sticky.as_ref()?.newcomers()));
            let weights = sides.iter().map(|side| (side.name.as_str(), side.weight));
            Sticky::new(sticky, weights, newcomers)
        });
        let overrides = service.overrides.iter().filter_map(|leads| {
            let conditions = Conditions::new(std::slice::from_ref(&leads.when));
            Some((conditions, position(&leads.side)?))
        });
        let mirror = service.mirror.as_ref().and_then(|spec| {
            let tally = making.tallies.mirrored.of(&spec.side);
            let before = before.and_then(|before| Some(&before.mirror.as_ref()?.0));
            Some((
                Mirror::new(spec, workers, tally, before),
                position(&spec.side)?,
            ))
        });
        let closed = match &service.maintenance {
            Some(spec) => Some(Closed::Maintenance(Rc::new(Sign::new(spec)))),
            None => service.paused.then_some(Closed::Paused),
        };
        let room = before.and_then(|before| before.holding.as_ref());
        let hold = service.hold.as_ref();
        let budget = service.retries.as_ref().map(|spec| {
            let before = before.and_then(|before| before.budget.as_ref());
            Budget::new(spec, workers, Instant::now()).resume(before)
        });
        Self {
            name: name.to_owned(),
            split: RefCell::new(resumed(&|before| Some(before.split.borrow().clone()))),
            sticky,
            overrides: overrides.collect(),
            mirror,
            closed,
            holding: hold.map(|spec| Holding::new(spec, workers, room)),
            capacity,
            budget,
            wire,
            sides,
        }
    }

    /// Returns `split` of these routes, ordered for `sides`, if the same sides have weight in both.
    fn resumed(&self, split: &Split, sides: &[SideRoutes]) -> Option<Split> {
        let weighty = |sides: &[SideRoutes]| sides.iter().filter(|side| side.weight > 0).count();
        if weighty(&self.sides) != weighty(sides) {
            return None;
        }
        let credits = sides.iter().map(|side| {
            if side.weight == 0 {
                return Some(0);
            }
            let at = self
                .sides
                .iter()
                .position(|old| old.name == side.name && old.weight > 0)?;
            Some(split.credit(at))
        });
        Some(Split::resume(credits.collect::<Option<_>>()?))
    }

    /// Returns the name of the side that `upstream` is an instance of.
    pub(super) fn side_of(&self, upstream: &Rc<Upstream>) -> Option<&str> {
        let side = self.sides.iter().find(|side| side.has(upstream))?;
        Some(&side.name)
    }

    /// Returns what becomes of a request, given what was tried before and how that ended.
    pub(super) fn way(&self, asking: Asking<'_>, visit: &Visit, failure: Failure) -> Way {
        let tester = if self.overrides.is_empty() {
            None
        } else {
            self.side_of_tester(asking.headers)
        };
        let found = match (tester, &self.closed) {
            (Some(side), _) => self.look_for_tester(side, visit, asking.now),
            (None, Some(Closed::Paused)) => return self.hold(Failure::Paused),
            (None, Some(Closed::Maintenance(sign))) => return Way::Instead(Rc::clone(sign)),
            // Each attempt would be counted as one that failed.
            (None, None) if self.is_worth_waiting(visit.held.as_ref()) => {
                return self.hold(failure);
            }
            (None, None) => self.look(asking, visit),
        };
        match (found, &self.capacity) {
            (Found::One(choice), _) => Way::To(choice),
            (Found::Full(ticket), Some(capacity)) => {
                Way::Wait(Wait::Room(Rc::clone(capacity), ticket))
            }
            (Found::Full(_) | Found::None, _) => self.hold(failure),
        }
    }

    fn hold(&self, why: Failure) -> Way {
        match &self.holding {
            Some(holding) => Way::Wait(Wait::Hold(Rc::clone(holding), why)),
            None => Way::Refused(why),
        }
    }

    /// Sends a copy of a user's request that goes to `choice`, if it is to be copied.
    pub(super) fn mirror(
        &self,
        request: &mut Request<Outgoing>,
        choice: &Choice,
        visit: &mut Visit,
        config: &Config,
    ) {
        let Some((mirror, side)) = &self.mirror else {
            return;
        };
        // Once, however often it is sent.
        if std::mem::replace(&mut visit.is_mirrored, true) {
            return;
        }
        // Only a copy may say that it is one.
        request.head.headers.remove(MIRRORED);
        let side = &self.sides[*side];
        let is_of_user = !Rc::ptr_eq(&choice.tally, &side.tally) && !choice.is_of_tester;
        if is_of_user
            && mirror.wants(request)
            && let Pick::One(choice) = side.pick(Suits::Fit, Instant::now(), false, |_| true)
        {
            let times = [config.answer_timeout, config.patience];
            mirror.copy(request, choice, times);
        }
    }

    /// Whether no instance can be expected to answer, and there is time until one can.
    fn is_worth_waiting(&self, held: Option<&Held>) -> bool {
        self.holding.is_some()
            && !held.is_some_and(Held::is_over)
            && !self.sides.iter().any(SideRoutes::is_serving)
    }

    /// Looks for the instance that a request of a user should go to.
    fn look(&self, asking: Asking<'_>, visit: &Visit) -> Found {
        let Some((last, before)) = visit.tried.last() else {
            return self.look_first(asking, visit);
        };
        let now = asking.now;
        if self.budget.as_ref().is_some_and(|budget| !budget.take(now)) {
            return Found::None;
        }
        let mut sides = self.sides.iter();
        let here = sides.position(|side| Rc::ptr_eq(&side.tally, &last.tally));
        let order = self.order(here, before == Before::BrokeOff);
        let cookie = last.cookie.clone();
        match next(&order, &visit.tried, before, now, visit.queued.is_some()) {
            Pick::One(choice) => Found::One(Choice { cookie, ..choice }),
            Pick::None => Found::None,
            Pick::Full => Found::Full(Ticket {
                side: Rc::clone(&last.tally),
                by_turn: false,
                cookie,
            }),
        }
    }

    fn look_first(&self, asking: Asking<'_>, visit: &Visit) -> Found {
        let (now, is_queued) = (asking.now, visit.queued.is_some());
        let waited = visit.queued.as_ref();
        let drawn = match waited.and_then(|queued| self.drawn_before(&queued.ticket)) {
            None => self.draw(asking),
            drawn => drawn,
        };
        let Some(drawn) = drawn else {
            return match self.pick_any(None, now, is_queued) {
                Pick::One(choice) => Found::One(choice),
                Pick::Full | Pick::None => Found::None,
            };
        };
        let side = &self.sides[drawn.side];
        let picked = side
            .pick(Suits::Fit, now, is_queued, |_| true)
            .or_else(|| side.pick(Suits::Healthy, now, is_queued, |_| true));
        let (picked, is_there) = match picked {
            Pick::None => (self.pick_any(Some(drawn.side), now, is_queued), false),
            picked => (picked, true),
        };
        let cookie = drawn.cookie;
        match picked {
            Pick::One(choice) => {
                let arm = side.arm.filter(|_| drawn.by_turn && is_there);
                let wired = self.wire.as_ref().zip(arm);
                Found::One(Choice {
                    taken: wired.map(|(wire, arm)| wire.take(arm, now)),
                    cookie,
                    ..choice
                })
            }
            Pick::None => Found::None,
            Pick::Full => Found::Full(Ticket {
                side: Rc::clone(&side.tally),
                by_turn: drawn.by_turn,
                cookie,
            }),
        }
    }

    /// Returns whose turn it is, or where the user belongs.
    fn draw(&self, asking: Asking<'_>) -> Option<Drawn> {
        if let Some(budget) = &self.budget {
            budget.save(asking.now);
        }
        let mut split = self.split.borrow_mut();
        match &self.sticky {
            None => {
                let side = split.next(self.sides.iter().map(|side| side.weight))?;
                Some(Drawn {
                    side,
                    by_turn: true,
                    cookie: None,
                })
            }
            Some(sticky) => {
                let client = asking.peer.client(asking.headers);
                sticky.draw(asking.headers, client, &mut split)
            }
        }
    }

    /// Returns what was drawn for a request before it had to wait, if it still holds.
    fn drawn_before(&self, ticket: &Ticket) -> Option<Drawn> {
        let is_it = |side: &SideRoutes| Rc::ptr_eq(&side.tally, &ticket.side) && side.weight > 0;
        Some(Drawn {
            side: self.sides.iter().position(is_it)?,
            by_turn: ticket.by_turn,
            cookie: ticket.cookie.clone(),
        })
    }

    /// Picks an instance of any side, `preferred` first, healthy or not.
    fn pick_any(&self, preferred: Option<usize>, now: Instant, is_queued: bool) -> Pick {
        let order = self.order(preferred, false);
        let pick_by = |suits| pick(&order, suits, now, is_queued, |_| true);
        pick_by(Suits::Fit)
            .or_else(|| pick_by(Suits::Healthy))
            .or_else(|| pick_by(Suits::Any))
    }

    /// Returns the side that a tester is led to; `None` for a user. While the side has no instance
    /// that is the one where most users go.
    fn side_of_tester(&self, headers: &Headers) -> Option<usize> {
        let mut overrides = self.overrides.iter();
        let (_, side) = overrides.find(|(conditions, _)| conditions.are_met(headers))?;
        if !self.sides[*side].is_empty() {
            return Some(*side);
        }
        let sides = self.sides.iter().enumerate();
        sides.max_by_key(|(_, side)| side.weight).map(|(at, _)| at)
    }

    /// Whatever happens, a tester stays with his side: he would take another one for it.
    fn look_for_tester(&self, side: usize, visit: &Visit, now: Instant) -> Found {
        let side = &self.sides[side];
        let is_queued = visit.queued.is_some();
        let picked = match visit.tried.last() {
            None => side
                .pick(Suits::Healthy, now, is_queued, |_| true)
                .or_else(|| side.pick(Suits::Any, now, is_queued, |_| true)),
            Some((_, before)) => next(&[side], &visit.tried, before, now, is_queued),
        };
        match picked {
            Pick::One(choice) => Found::One(Choice {
                is_of_tester: true,
                ..choice.counted_in(&side.testers)
            }),
            Pick::None => Found::None,
            Pick::Full => Found::Full(Ticket {
                side: Rc::clone(&side.tally),
                by_turn: false,
                cookie: None,
            }),
        }
    }

    /// Returns the sides in the order in which they should be tried: `preferred` first (or last of
    /// those with weight, if it is to be `avoided`), then by weight. Sides of weight 0 come last,
    /// and only while no side with weight has a healthy instance.
    fn order(&self, preferred: Option<usize>, avoided: bool) -> Vec<&SideRoutes> {
        let mut order: Vec<(usize, &SideRoutes)> = self.sides.iter().enumerate().collect();
        let serving = order
            .iter()
            .any(|(_, side)| side.weight > 0 && side.is_serving());
        order.retain(|(_, side)| side.weight > 0 || !serving);
        order.sort_by_key(|(at, side)| {
            let is_preferred = Some(*at) == preferred;
            (
                side.weight == 0,
                is_preferred == avoided,
                std::cmp::Reverse(side.weight),
            )
        });
        order.into_iter().map(|(_, side)| side).collect()
    }
}

/// Picks the next best after those that were `tried`, the last one of which ended so.
fn next(
    order: &[&SideRoutes],
    tried: &Tried,
    before: Before,
    now: Instant,
    is_queued: bool,
) -> Pick {
    let untried = |upstream: &Rc<Upstream>| !tried.has(upstream);
    let again = |_: &Rc<Upstream>| before == Before::BrokeOff;
    pick(order, Suits::Fit, now, is_queued, untried)
        .or_else(|| pick(order, Suits::Healthy, now, is_queued, untried))
        .or_else(|| pick(order, Suits::Healthy, now, is_queued, again))
        .or_else(|| pick(order, Suits::Any, now, is_queued, untried))
}

fn pick(
    order: &[&SideRoutes],
    suits: Suits,
    now: Instant,
    is_queued: bool,
    allowed: impl Fn(&Rc<Upstream>) -> bool,
) -> Pick {
    let pick = |side: &&SideRoutes| side.pick(suits, now, is_queued, &allowed);
    order
        .iter()
        .fold(Pick::None, |found, side| found.or_else(|| pick(side)))
}
