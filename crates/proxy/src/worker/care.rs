//! What a worker knows of an instance beyond whether it is healthy: whether its answers failed in a
//! row, and how new it is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::table::{Ejection, WEIGHT_WHOLE};
use crate::worker::random::Random;
use crate::worker::upstream::Upstream;

/// With which part of its share a new instance begins.
const BEGINS_WITH: f64 = 0.1;

/// What a worker knows of an instance.
pub(super) struct Care {
    /// Since when it gets requests without a break.
    since: Cell<Instant>,
    /// How many answers failed in a row.
    failures: Cell<u32>,
    standing: Cell<Standing>,
    /// For how long it was left out last, and until when.
    last: Cell<Option<(Duration, Instant)>>,
}

/// Whether it gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As any other.
    In,
    /// None until then.
    Out(Instant),
    /// The one that finds out whether it answers again.
    Tried,
}

impl Care {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: Cell::new(now),
            failures: Cell::new(0),
            standing: Cell::new(Standing::In),
            last: Cell::new(None),
        }
    }

    /// Returns whether it is left out at the moment `now`.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        match self.standing.get() {
            Standing::In => false,
            Standing::Out(until) => now < until,
            Standing::Tried => true,
        }
    }

    /// A request goes there. If it was left out until now, that is the one that finds out more.
    pub(super) fn chosen(&self, now: Instant) {
        if let Standing::Out(until) = self.standing.get()
            && until <= now
        {
            self.standing.set(Standing::Tried);
        }
    }

    /// Returns with which part of its share an instance takes part that is to take `ramp` until it
    /// has all of it.
    fn part(&self, ramp: Duration, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.since.get());
        let part = age.as_secs_f64() / ramp.as_secs_f64();
        part.clamp(BEGINS_WITH, 1.0)
    }

    /// Returns whether it takes part in a choice: always when it is no longer new, and now and then
    /// before.
    pub(super) fn takes_part(&self, ramp: Duration, now: Instant, random: &Random) -> bool {
        let part = self.part(ramp, now);
        part >= 1.0 || random.falls_within(part)
    }
}

/// How the instances of a side are left out.
pub(super) struct Ejecting {
    spec: Ejection,
    upstreams: Rc<[Rc<Upstream>]>,
    ejected: Rc<Ejected>,
}

/// How often instances were left out since it was asked last, by name.
#[derive(Default)]
pub(super) struct Ejected(RefCell<BTreeMap<String, u64>>);

impl Ejected {
    pub(super) fn take(&self) -> BTreeMap<String, u64> {
        self.0.take()
    }
}

impl Ejecting {
    pub(super) fn new(
        spec: &Ejection,
        upstreams: &Rc<[Rc<Upstream>]>,
        ejected: &Rc<Ejected>,
    ) -> Self {
        Self {
            spec: spec.clone(),
            upstreams: Rc::clone(upstreams),
            ejected: Rc::clone(ejected),
        }
    }

    /// Takes note of how an attempt at `upstream` ended; `None` where that says nothing about it.
    pub(super) fn ended(&self, upstream: &Upstream, failed: Option<bool>, now: Instant) {
        let care = upstream.care();
        match (care.standing.get(), failed) {
            // Nothing was found out: somebody else may.
            (Standing::Tried, None) => care.standing.set(Standing::Out(now)),
            (Standing::In, None) => {}
            (Standing::In, Some(false)) => care.failures.set(0),
            (Standing::Tried, Some(false)) => {
                care.failures.set(0);
                care.standing.set(Standing::In);
                care.since.set(now);
                tracing::info!(instance = upstream.name(), "instance answers again");
            }
            (Standing::In, Some(true)) => {
                care.failures.set(care.failures.get().saturating_add(1));
                if care.failures.get() >= self.spec.failures && self.may_eject(upstream, now) {
                    self.eject(upstream, now);
                }
            }
            (Standing::Tried, Some(true)) => self.eject(upstream, now),
            // Requests from before.
            (Standing::Out(_), _) => {}
        }
    }

    /// Whether enough others are left.
    fn may_eject(&self, upstream: &Upstream, now: Instant) -> bool {
        let count = self.upstreams.len() as u64;
        let share = u64::from(self.spec.share_max);
        let most = (count * share / u64::from(WEIGHT_WHOLE)).max(1);
        let is_other = |other: &&Rc<Upstream>| !std::ptr::eq(&raw const ***other, upstream);
        let others = || self.upstreams.iter().filter(is_other);
        let out = others().filter(|other| other.care().standing.get() != Standing::In);
        let left = others().any(|other| other.is_healthy() && !other.care().is_out(now));
        left && (out.count() as u64) < most
    }

    fn eject(&self, upstream: &Upstream, now: Instant) {
        let care = upstream.care();
        // One that was good for as long as it had been left out begins anew.
        let last = care.last.get();
        let last = last.filter(|(time, until)| now.saturating_duration_since(*until) < *time);
        let time = last.map_or(self.spec.time, |(time, _)| time.saturating_mul(2));
        let time = time.min(self.spec.time_max);
        let until = now + time;
        care.last.set(Some((time, until)));
        care.failures.set(0);
        care.standing.set(Standing::Out(until));
        let mut ejected = self.ejected.0.borrow_mut();
        *ejected.entry(upstream.name().to_owned()).or_default() += 1;
        tracing::warn!(
            instance = upstream.name(),
            ?time,
            "instance is left out: its answers fail"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::snapshot::Snapshot;
    use crate::table::Table;

    const SECOND: Duration = Duration::from_secs(1);

    /// A side of so many instances.
    fn side(count: usize, share_max: u32) -> (Rc<[Rc<Upstream>]>, Ejecting) {
        let instances: Vec<String> = (0..count)
            .map(|at| format!(r#""{at}": {{"address": "127.0.0.1:{}"}}"#, at + 1))
            .collect();
        let text = format!(
            r#"{{"generation": 1, "listeners": [{{"address": "127.0.0.1:0", "services": {{"web":
              {{"sides": [{{"name": "a", "weight": 10000, "instances": {{{}}}}}]}}}}}}]}}"#,
            instances.join(", ")
        );
        let table: Table = serde_json::from_str(&text).unwrap();
        let known = Default::default();
        let snapshot = Snapshot::new(table, &known, &Snapshot::default(), Default::default());
        let config = Config::new("", "");
        let upstreams: Rc<[Rc<Upstream>]> = snapshot
            .instances
            .values()
            .map(|instance| Rc::new(Upstream::new(Arc::clone(instance), &config)))
            .collect();
        let spec = Ejection {
            failures: 3,
            time: SECOND,
            time_max: 5 * SECOND,
            share_max,
        };
        let ejecting = Ejecting::new(&spec, &upstreams, &Rc::default());
        (upstreams, ejecting)
    }

    /// Returns which of them are left out.
    fn out(upstreams: &[Rc<Upstream>], now: Instant) -> Vec<usize> {
        let is_out = |at: &usize| upstreams[*at].care().is_out(now);
        (0..upstreams.len()).filter(is_out).collect()
    }

    #[test]
    fn it_takes_failures_in_a_row() {
        let (upstreams, ejecting) = side(2, 5000);
        let now = Instant::now();
        for failed in [true, true, false, true, true] {
            ejecting.ended(&upstreams[0], Some(failed), now);
        }
        // What says nothing about it breaks no row.
        ejecting.ended(&upstreams[0], None, now);
        assert_eq!(out(&upstreams, now), [0; 0]);
        ejecting.ended(&upstreams[0], Some(true), now);
        assert_eq!(out(&upstreams, now), [0]);
    }

    #[test]
    fn one_request_finds_out_whether_it_is_back_and_each_time_it_takes_longer() {
        let (upstreams, ejecting) = side(2, 5000);
        let (upstream, mut now) = (&upstreams[0], Instant::now());
        (0..3).for_each(|_| ejecting.ended(upstream, Some(true), now));
        for seconds in [1, 2, 4, 5, 5] {
            assert!(
                upstream
                    .care()
                    .is_out(now + seconds * SECOND - Duration::from_millis(1))
            );
            now += seconds * SECOND;
            assert!(!upstream.care().is_out(now));
            upstream.care().chosen(now);
            assert!(upstream.care().is_out(now), "one is enough");
            // One that finds out nothing leaves it to the next.
            ejecting.ended(upstream, None, now);
            assert!(!upstream.care().is_out(now));
            upstream.care().chosen(now);
            ejecting.ended(upstream, Some(true), now);
        }
        now += 5 * SECOND;
        upstream.care().chosen(now);
        ejecting.ended(upstream, Some(false), now);
        assert!(!upstream.care().is_out(now));
        // Soon again: as long as before. After a good while: as at first.
        (0..3).for_each(|_| ejecting.ended(upstream, Some(true), now));
        assert!(upstream.care().is_out(now + 4 * SECOND));
        now += 5 * SECOND;
        upstream.care().chosen(now);
        ejecting.ended(upstream, Some(false), now);
        now += 6 * SECOND;
        (0..3).for_each(|_| ejecting.ended(upstream, Some(true), now));
        assert!(!upstream.care().is_out(now + SECOND));
    }

    #[test]
    fn never_are_all_left_out_nor_more_than_allowed() {
        for (count, share, left_out) in [
            (1, 10_000, 0),
            (2, 10_000, 1),
            (2, 0, 1),
            (4, 5000, 2),
            (4, 7400, 2),
            (10, 1000, 1),
            (10, 10_000, 9),
        ] {
            let (upstreams, ejecting) = side(count, share);
            let now = Instant::now();
            for upstream in upstreams.iter().cycle().take(count * 5) {
                ejecting.ended(upstream, Some(true), now);
            }
            assert_eq!(out(&upstreams, now).len(), left_out, "{count} at {share}");
        }
        // One that is unhealthy is nobody to rely on.
        let (upstreams, ejecting) = side(2, 10_000);
        upstreams[1].instance().set_healthy(false);
        let now = Instant::now();
        (0..9).for_each(|_| ejecting.ended(&upstreams[0], Some(true), now));
        assert_eq!(out(&upstreams, now), [0; 0]);
    }

    #[test]
    fn a_new_instance_gets_a_growing_part_of_its_share() {
        let start = Instant::now();
        let care = Care::new(start);
        let ramp = Duration::from_secs(10);
        for (after, part) in [(0, 0.1), (1, 0.1), (2, 0.2), (5, 0.5), (10, 1.0), (99, 1.0)] {
            let now = start + Duration::from_secs(after);
            assert!(
                (care.part(ramp, now) - part).abs() < 1e-9,
                "after {after} s"
            );
            let random = Random::of(after);
            let took_part = (0..10_000)
                .filter(|_| care.takes_part(ramp, now, &random))
                .count();
            let wanted = part * 10_000.0;
            #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
            let off = (took_part as f64 - wanted).abs();
            assert!(off < 200.0, "after {after} s: {took_part}");
        }
    }
}
