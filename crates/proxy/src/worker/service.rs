//! A service as a worker uses it: whose turn it is, and which instance takes it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, Request, response};
use leadsman_analysis::tripwire::Arm;

use crate::config::Config;
use crate::rules::Conditions;
use crate::split::Split;
use crate::table;
use crate::worker::attempt::Outgoing;
use crate::worker::hold::{Held, Holding, Sign};
use crate::worker::mirror::{MIRRORED, Mirror};
use crate::worker::peer::Peer;
use crate::worker::rescue::Failure;
use crate::worker::sticky::{Drawn, Sticky};
use crate::worker::tallies::Tallies;
use crate::worker::tally::Tally;
use crate::worker::upstream::Upstream;
use crate::worker::wire::{Taken, Wire, Wiring};

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
    /// It waits, if it can, and is refused otherwise.
    Wait(Option<Rc<Holding>>, Failure),
    /// Something else is said.
    Instead(Rc<Sign>),
}

struct SideRoutes {
    name: String,
    /// 0 for a side without instances, whatever was asked.
    weight: u32,
    /// Which arm of the service's tripwire it is.
    arm: Option<Arm>,
    tally: Rc<Tally>,
    /// Where requests of testers are counted; users' where there are no testers.
    testers: Rc<Tally>,
    upstreams: Vec<Rc<Upstream>>,
    /// Where the search for the least busy instance begins, so that equals take turns.
    turn: Cell<usize>,
}

/// What a choice may depend on.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    /// Made fit for an instance.
    pub(super) headers: &'a HeaderMap,
    /// Who asks.
    pub(super) peer: &'a Peer,
}

/// The instance that a request should go to.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) upstream: Rc<Upstream>,
    pub(super) tally: Rc<Tally>,
    /// Whether it is the instance of its side that is counted by itself.
    pub(super) is_reference: bool,
    /// Its turn, if it was chosen by turns and a tripwire wants to know what comes of it. A second
    /// attempt, or a side that helps out, was chosen by what failed, and proves nothing; nor do
    /// users who stay with a side: one of them who fails always is no failing version.
    pub(super) taken: Option<Taken>,
    /// Whether it was chosen for a tester.
    is_of_tester: bool,
    /// What makes the user belong to the side that it was drawn for.
    cookie: Option<Rc<HeaderValue>>,
}

/// How the last attempt at a request ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// No connection could be made: another instance of the same side is the next best.
    Unreachable,
    /// It broke off without an answer, perhaps because of the version: another side is better,
    /// and the same instance once more is better than nothing.
    BrokeOff,
}

/// The attempts at a request so far, the last one at the end.
#[derive(Default)]
pub(super) struct Tried(Vec<(Choice, Before)>);

impl Tried {
    pub(super) fn add(&mut self, choice: Choice, before: Before) {
        self.0.push((choice, before));
    }

    /// Returns how many attempts broke off without an answer.
    pub(super) fn broke_off(&self) -> usize {
        self.0
            .iter()
            .filter(|(_, before)| *before == Before::BrokeOff)
            .count()
    }

    /// Makes what could not be reached worth another attempt: some time has passed.
    pub(super) fn forget_unreachable(&mut self) {
        self.0.retain(|(_, before)| *before == Before::BrokeOff);
    }

    fn has(&self, upstream: &Rc<Upstream>) -> bool {
        self.0
            .iter()
            .any(|(choice, _)| Rc::ptr_eq(&choice.upstream, upstream))
    }
}

impl Choice {
    /// Has what comes of it counted apart from what comes of users' requests.
    pub(super) fn counted_in(self, tally: &Rc<Tally>) -> Self {
        Self {
            tally: Rc::clone(tally),
            is_reference: false,
            ..self
        }
    }

    /// Says in the head of the answer what its reader has to keep.
    pub(super) fn mark(&self, answer: &mut response::Parts) {
        if let Some(cookie) = &self.cookie {
            answer
                .headers
                .append(SET_COOKIE, HeaderValue::clone(cookie));
        }
    }
}

impl ServiceRoutes {
    /// Makes the routes of `service`. Tallies are found or made in `tallies`; what has to be known
    /// of the past is in `before`.
    pub(super) fn new(
        name: &str,
        service: &table::Service,
        upstreams: &HashMap<String, Rc<Upstream>>,
        tallies: &mut Tallies,
        wiring: &Wiring,
        before: Option<&Self>,
    ) -> Self {
        let wire = Wire::of(service, before.and_then(|b| b.wire.as_ref()), wiring);
        let sides: Vec<SideRoutes> = service
            .sides
            .iter()
            .map(|side| {
                let tally = tallies.users.of(&side.name);
                tally.set(service.slow, side.instances.len() > 1);
                let testers = if service.overrides.is_empty() {
                    Rc::clone(&tally)
                } else {
                    tallies.testers.of(&side.name)
                };
                let instances = side.instances.keys();
                SideRoutes {
                    name: side.name.clone(),
                    weight: if side.instances.is_empty() {
                        0
                    } else {
                        side.weight
                    },
                    arm: wire.as_ref().and_then(|wire| wire.arm(&side.name)),
                    tally,
                    testers,
                    upstreams: instances
                        .filter_map(|i| upstreams.get(i))
                        .cloned()
                        .collect(),
                    turn: Cell::new(0),
                }
            })
            .collect();
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
            let side = sides.iter().position(|side| side.name == leads.side)?;
            Some((Conditions::new(std::slice::from_ref(&leads.when)), side))
        });
        let mirror = service.mirror.as_ref().and_then(|spec| {
            let side = sides.iter().position(|side| side.name == spec.side)?;
            let tally = tallies.mirrored.of(&spec.side);
            let before = before.and_then(|before| Some(&before.mirror.as_ref()?.0));
            Some((Mirror::new(spec, wiring.workers, tally, before), side))
        });
        let closed = match &service.maintenance {
            Some(spec) => Some(Closed::Maintenance(Rc::new(Sign::new(spec)))),
            None => service.paused.then_some(Closed::Paused),
        };
        let room = before.and_then(|before| before.holding.as_ref());
        let hold = service.hold.as_ref();
        Self {
            name: name.to_owned(),
            mirror,
            closed,
            holding: hold.map(|spec| Holding::new(spec, wiring.workers, room)),
            split: RefCell::new(resumed(&|before| Some(before.split.borrow().clone()))),
            sticky,
            overrides: overrides.collect(),
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

    /// Returns what becomes of a request at the moment `now`, given what was tried before and how
    /// that ended.
    pub(super) fn way(
        &self,
        asking: Asking<'_>,
        tried: &Tried,
        now: Instant,
        held: Option<&Held>,
        failure: Failure,
    ) -> Way {
        let tester = if self.overrides.is_empty() {
            None
        } else {
            self.side_of_tester(asking.headers)
        };
        let choice = match (tester, &self.closed) {
            (Some(side), _) => self.choose_for_tester(side, tried),
            // Each attempt would be counted as one that failed.
            (None, None) if self.is_worth_waiting(held) => {
                return Way::Wait(self.holding.clone(), failure);
            }
            (None, None) => self.choose(asking, tried, now),
            (None, Some(Closed::Paused)) => {
                return Way::Wait(self.holding.clone(), Failure::Paused);
            }
            (None, Some(Closed::Maintenance(sign))) => return Way::Instead(Rc::clone(sign)),
        };
        choice.map_or_else(|| Way::Wait(self.holding.clone(), failure), Way::To)
    }

    /// Sends a copy of a user's request that goes to `choice`, if it is to be copied.
    pub(super) fn mirror(&self, request: &mut Request<Outgoing>, choice: &Choice, config: &Config) {
        let Some((mirror, side)) = &self.mirror else {
            return;
        };
        // Only a copy may say that it is one.
        request.headers_mut().remove(MIRRORED);
        let side = &self.sides[*side];
        let is_of_user = !Rc::ptr_eq(&choice.tally, &side.tally) && !choice.is_of_tester;
        if is_of_user
            && mirror.wants(request)
            && let Some(choice) = side.least_busy(Upstream::is_healthy)
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

    /// Returns where a request of a user should go; `None` if there is nothing (left) to try.
    fn choose(&self, asking: Asking<'_>, tried: &Tried, now: Instant) -> Option<Choice> {
        let Some((last, before)) = tried.0.last() else {
            return self.choose_first(asking, now);
        };
        let here = self
            .sides
            .iter()
            .position(|side| Rc::ptr_eq(&side.tally, &last.tally));
        let order = self.order(here, *before == Before::BrokeOff);
        let choice = self.next(&order, tried, *before)?;
        let cookie = last.cookie.clone();
        Some(Choice { cookie, ..choice })
    }

    /// Returns the next best after those that were `tried`, the last one of which ended so.
    fn next(&self, order: &[&SideRoutes], tried: &Tried, before: Before) -> Option<Choice> {
        let untried = |upstream: &Rc<Upstream>| !tried.has(upstream);
        let again = before == Before::BrokeOff;
        pick(order, |upstream| upstream.is_healthy() && untried(upstream))
            .or_else(|| pick(order, |upstream| again && upstream.is_healthy()))
            .or_else(|| pick(order, untried))
    }

    fn choose_first(&self, asking: Asking<'_>, now: Instant) -> Option<Choice> {
        let drawn = {
            let mut split = self.split.borrow_mut();
            match &self.sticky {
                None => split
                    .next(self.sides.iter().map(|side| side.weight))
                    .map(|side| Drawn {
                        side,
                        by_turn: true,
                        cookie: None,
                    }),
                Some(sticky) => {
                    let client = asking.peer.client(asking.headers);
                    sticky.draw(asking.headers, client, &mut split)
                }
            }
        };
        let Some(Drawn {
            side,
            by_turn,
            cookie,
        }) = drawn
        else {
            return self.choose_any(None);
        };
        match self.sides[side].least_busy(Upstream::is_healthy) {
            Some(choice) => {
                let arm = self.sides[side].arm.filter(|_| by_turn);
                let wired = self.wire.as_ref().zip(arm);
                Some(Choice {
                    taken: wired.map(|(wire, arm)| wire.take(arm, now)),
                    cookie,
                    ..choice
                })
            }
            None => {
                let choice = self.choose_any(Some(side))?;
                Some(Choice { cookie, ..choice })
            }
        }
    }

    /// Returns an instance of any side, `preferred` first, healthy or not.
    fn choose_any(&self, preferred: Option<usize>) -> Option<Choice> {
        let order = self.order(preferred, false);
        pick(&order, Upstream::is_healthy).or_else(|| pick(&order, |_| true))
    }

    /// Returns the side that a tester is led to; `None` for a user. While the side has no instance
    /// that is the one where most users go.
    fn side_of_tester(&self, headers: &HeaderMap) -> Option<usize> {
        let mut overrides = self.overrides.iter();
        let (_, side) = overrides.find(|(conditions, _)| conditions.are_met(headers))?;
        if !self.sides[*side].upstreams.is_empty() {
            return Some(*side);
        }
        let sides = self.sides.iter().enumerate();
        sides.max_by_key(|(_, side)| side.weight).map(|(at, _)| at)
    }

    /// Whatever happens, a tester stays with his side: he would take another one for it.
    fn choose_for_tester(&self, side: usize, tried: &Tried) -> Option<Choice> {
        let side = &self.sides[side];
        let choice = match tried.0.last() {
            None => side
                .least_busy(Upstream::is_healthy)
                .or_else(|| side.least_busy(|_| true)),
            Some((_, before)) => self.next(&[side], tried, *before),
        };
        Some(Choice {
            is_of_tester: true,
            ..choice?.counted_in(&side.testers)
        })
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

fn pick(order: &[&SideRoutes], suits: impl Fn(&Rc<Upstream>) -> bool) -> Option<Choice> {
    order.iter().find_map(|side| side.least_busy(&suits))
}

impl SideRoutes {
    /// Whether it has an instance that is believed to answer.
    fn is_serving(&self) -> bool {
        self.upstreams.iter().any(Upstream::is_healthy)
    }

    /// Returns the instance with the fewest requests in flight of those that suit.
    fn least_busy(&self, suits: impl Fn(&Rc<Upstream>) -> bool) -> Option<Choice> {
        let count = self.upstreams.len();
        let start = self.turn.get();
        let mut best: Option<(usize, &Rc<Upstream>)> = None;
        for at in (start..start + count).map(|at| at % count) {
            let upstream = &self.upstreams[at];
            let is_better = best.is_none_or(|(_, best)| upstream.in_flight() < best.in_flight());
            if is_better && suits(upstream) {
                best = Some((at, upstream));
            }
        }
        let (at, upstream) = best?;
        self.turn.set((at + 1) % count);
        Some(Choice {
            upstream: Rc::clone(upstream),
            tally: Rc::clone(&self.tally),
            is_reference: at == 0 && count > 1,
            taken: None,
            is_of_tester: false,
            cookie: None,
        })
    }
}
