//! Moments that others tell, in the time of this control.
//!
//! Shims and the data plane tell moments by the machine's clock, which somebody may set at any time;
//! control's own clock was set once and goes on steadily. Compared as they are, an instance that became
//! ready after the clock was set forth would not be steady for hours, and requests that began to drain
//! after it was set back would be cut short at once.

use std::collections::BTreeMap;

use leadsman_core::Observed;
use leadsman_core::id::InstanceId;
use leadsman_core::time::Timestamp;

/// What was told, and when it was by this control's clock.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// When it was looked last.
    looked: Option<Timestamp>,
    ready: Known,
    draining: Known,
}

type Known = BTreeMap<InstanceId, Moment>;

#[derive(Clone, Copy, Debug)]
struct Moment {
    told: Timestamp,
    own: Timestamp,
}

impl Moments {
    /// Makes the moments of what was observed just `now` those of this control's clock. What was told
    /// before stays when it was. What is new happened since it was looked last: just now, if it is told
    /// that it happened at another time.
    ///
    /// At the first look nobody knows better: instances are believed, as far as it is not in the
    /// future. Draining begins anew then; that costs nothing, for the data plane keeps the time in which
    /// it cuts short, and says when nothing is in flight any more.
    pub(crate) fn make_own(&mut self, observed: &mut Observed, now: Timestamp) {
        let looked = self.looked.replace(now);
        let ready = observed.instances.iter_mut().filter_map(|(id, seen)| {
            let since = seen.ready_since.as_mut()?;
            Some((id, since))
        });
        let first = Timestamp::default();
        self.ready = own(&self.ready, ready, looked.unwrap_or(first), now);
        let draining = observed.routes.iter_mut().flat_map(|r| &mut r.draining);
        let draining = draining.map(|(id, draining)| (id, &mut draining.since));
        self.draining = own(&self.draining, draining, looked.unwrap_or(now), now);
    }
}

/// Makes these moments own ones, those that are new at `from` at the earliest; returns what is known of
/// them then.
fn own<'a>(
    known: &Known,
    moments: impl Iterator<Item = (&'a InstanceId, &'a mut Timestamp)>,
    from: Timestamp,
    now: Timestamp,
) -> Known {
    let own = |(id, moment): (&InstanceId, &mut Timestamp)| {
        let told = *moment;
        let same = |known: &&Moment| known.told == told || known.own == told;
        let known = known.get(id).filter(same).copied();
        let known = known.unwrap_or_else(|| Moment {
            told,
            own: if (from..=now).contains(&told) {
                told
            } else {
                now
            },
        });
        *moment = known.own;
        (id.clone(), known)
    };
    moments.map(own).collect()
}

#[cfg(test)]
mod tests {
    use leadsman_core::route::{AcknowledgedRoutes, Draining};

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn drains(since: Timestamp) -> Observed {
        let id = InstanceId::from_text("shop.production.web.r1.d1.1");
        let draining = Draining {
            since,
            in_flight: 1,
        };
        Observed {
            routes: Some(AcknowledgedRoutes {
                draining: BTreeMap::from([(id, draining)]),
                ..AcknowledgedRoutes::default()
            }),
            ..Observed::default()
        }
    }

    fn since(observed: &Observed) -> Timestamp {
        let routes = observed.routes.as_ref().unwrap();
        routes.draining.values().next().unwrap().since
    }

    #[test]
    fn what_happens_under_another_clock_happened_since_the_last_look() {
        for (told, own) in [(at(100), at(100)), (at(20), at(101)), (at(7_000), at(101))] {
            let mut moments = Moments::default();
            moments.make_own(&mut Observed::default(), at(98));
            let mut observed = drains(told);
            moments.make_own(&mut observed, at(101));
            assert_eq!(since(&observed), own, "{told}");
            // It stays when it was, whether it is told anew or was made own already.
            for mut again in [drains(told), observed.clone()] {
                moments.make_own(&mut again, at(140));
                assert_eq!(since(&again), own, "{told}");
            }
        }
    }

    #[test]
    fn a_new_control_lets_requests_drain_for_all_their_time() {
        let mut moments = Moments::default();
        let mut observed = drains(at(20));
        moments.make_own(&mut observed, at(100));
        assert_eq!(since(&observed), at(100));
    }
}
