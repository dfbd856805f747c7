//! The table as a worker uses it: rules, split, and the choice of an instance.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use http::Request;
use leadsman_analysis::tripwire::Arm;

use crate::rules::Rules;
use crate::split::Split;
use crate::table::{self, Table};
use crate::worker::tally::Tally;
use crate::worker::upstream::Upstream;
use crate::worker::wire::{Taken, Wire, Wiring};

/// All listeners. Replaced as a whole.
#[derive(Default)]
pub(super) struct Routes {
    listeners: HashMap<SocketAddr, Rc<ListenerRoutes>>,
}

/// One listener.
pub(super) struct ListenerRoutes {
    rules: Rules,
    services: Vec<ServiceRoutes>,
}

/// One service: whose turn it is, and its sides.
pub(super) struct ServiceRoutes {
    name: String,
    split: RefCell<Split>,
    wire: Option<Rc<Wire>>,
    sides: Vec<SideRoutes>,
}

struct SideRoutes {
    name: String,
    /// 0 for a side without instances, whatever was asked.
    weight: u32,
    /// Which arm of the service's tripwire it is.
    arm: Option<Arm>,
    tally: Rc<Tally>,
    upstreams: Vec<Rc<Upstream>>,
    /// Where the search for the least busy instance begins, so that equals take turns.
    turn: Cell<usize>,
}

/// The instance that a request should go to.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) upstream: Rc<Upstream>,
    pub(super) tally: Rc<Tally>,
    /// Whether it is the instance of its side that is counted by itself.
    pub(super) is_reference: bool,
    /// Its turn, if it was chosen by turns and a tripwire wants to know what comes of it. A second
    /// attempt, or a side that helps out, was chosen by what failed, and proves nothing.
    pub(super) taken: Option<Taken>,
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

    fn has(&self, upstream: &Rc<Upstream>) -> bool {
        self.0
            .iter()
            .any(|(choice, _)| Rc::ptr_eq(&choice.upstream, upstream))
    }
}

impl Routes {
    /// Builds the routes of `table`. Tallies are found or made in `tallies`; whose turn it is goes
    /// on from `before` where the sides with weight stay the same.
    pub(super) fn new(
        table: &Table,
        upstreams: &HashMap<String, Rc<Upstream>>,
        tallies: &mut HashMap<String, Rc<Tally>>,
        wiring: &Wiring,
        before: &Self,
    ) -> Self {
        let listeners = table.listeners.iter().map(|listener| {
            let before = before.listeners.get(&listener.address);
            let services: Vec<ServiceRoutes> = listener
                .services
                .iter()
                .map(|(name, service)| {
                    let before = before
                        .and_then(|before| before.services.iter().find(|old| old.name == *name));
                    ServiceRoutes::new(name, service, upstreams, tallies, wiring, before)
                })
                .collect();
            let position = |name: &str| services.iter().position(|service| service.name == name);
            let rules = Rules::new(&listener.rules, position);
            (
                listener.address,
                Rc::new(ListenerRoutes { rules, services }),
            )
        });
        Self {
            listeners: listeners.collect(),
        }
    }

    pub(super) fn listener(&self, address: SocketAddr) -> Option<Rc<ListenerRoutes>> {
        self.listeners.get(&address).cloned()
    }
}

impl ListenerRoutes {
    /// Returns the service for a request to `host`.
    pub(super) fn service<B>(
        &self,
        host: Option<&str>,
        request: &Request<B>,
    ) -> Option<&ServiceRoutes> {
        let (path, method) = (request.uri().path(), request.method());
        let position = self.rules.find(host, path, method, request.headers())?;
        self.services.get(position)
    }
}

impl ServiceRoutes {
    fn new(
        name: &str,
        service: &table::Service,
        upstreams: &HashMap<String, Rc<Upstream>>,
        tallies: &mut HashMap<String, Rc<Tally>>,
        wiring: &Wiring,
        before: Option<&Self>,
    ) -> Self {
        let wire = Wire::of(service, before.and_then(|b| b.wire.as_ref()), wiring);
        let sides: Vec<SideRoutes> = service
            .sides
            .iter()
            .map(|side| {
                let tally = Rc::clone(tallies.entry(side.name.clone()).or_default());
                tally.set(service.slow, side.instances.len() > 1);
                SideRoutes {
                    name: side.name.clone(),
                    weight: if side.instances.is_empty() {
                        0
                    } else {
                        side.weight
                    },
                    arm: wire.as_ref().and_then(|wire| wire.arm(&side.name)),
                    tally,
                    upstreams: side
                        .instances
                        .keys()
                        .filter_map(|i| upstreams.get(i))
                        .cloned()
                        .collect(),
                    turn: Cell::new(0),
                }
            })
            .collect();
        let split = before
            .and_then(|before| before.split_for(&sides))
            .unwrap_or_else(|| Split::new(sides.len()));
        Self {
            name: name.to_owned(),
            split: RefCell::new(split),
            wire,
            sides,
        }
    }

    /// Returns the split so far, ordered for `sides`, if the same sides have weight in both.
    fn split_for(&self, sides: &[SideRoutes]) -> Option<Split> {
        let weighty = |sides: &[SideRoutes]| sides.iter().filter(|side| side.weight > 0).count();
        if weighty(&self.sides) != weighty(sides) {
            return None;
        }
        let split = self.split.borrow();
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

    /// Returns where a request should go at the moment `now`, given what was tried before; `None`
    /// if there is nothing (left) to try.
    pub(super) fn choose(&self, tried: &Tried, now: Instant) -> Option<Choice> {
        let Some((last, before)) = tried.0.last() else {
            return self.choose_first(now);
        };
        let here = self
            .sides
            .iter()
            .position(|side| Rc::ptr_eq(&side.tally, &last.tally));
        let order = self.order(here, *before == Before::BrokeOff);
        let untried = |upstream: &Rc<Upstream>| !tried.has(upstream);
        self.pick(&order, |upstream| {
            upstream.is_healthy() && untried(upstream)
        })
        .or_else(|| {
            let again = *before == Before::BrokeOff;
            self.pick(&order, |upstream| again && upstream.is_healthy())
        })
        .or_else(|| self.pick(&order, untried))
    }

    fn choose_first(&self, now: Instant) -> Option<Choice> {
        let drawn = self
            .split
            .borrow_mut()
            .next(self.sides.iter().map(|side| side.weight));
        if let Some(side) = drawn.and_then(|drawn| self.sides.get(drawn))
            && let Some(choice) = side.least_busy(Upstream::is_healthy)
        {
            let wired = self.wire.as_ref().zip(side.arm);
            return Some(Choice {
                taken: wired.map(|(wire, arm)| wire.take(arm, now)),
                ..choice
            });
        }
        let order = self.order(drawn, false);
        self.pick(&order, Upstream::is_healthy)
            .or_else(|| self.pick(&order, |_| true))
    }

    /// Returns the sides in the order in which they should be tried: `preferred` first (or last of
    /// those with weight, if it is to be `avoided`), then by weight. Sides of weight 0 come last,
    /// and only while no side with weight has a healthy instance.
    fn order(&self, preferred: Option<usize>, avoided: bool) -> Vec<&SideRoutes> {
        let mut order: Vec<(usize, &SideRoutes)> = self.sides.iter().enumerate().collect();
        let serving = order
            .iter()
            .any(|(_, s)| s.weight > 0 && s.upstreams.iter().any(|u| u.is_healthy()));
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

    fn pick(&self, order: &[&SideRoutes], suits: impl Fn(&Rc<Upstream>) -> bool) -> Option<Choice> {
        order.iter().find_map(|side| side.least_busy(&suits))
    }
}

impl SideRoutes {
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
        })
    }
}
