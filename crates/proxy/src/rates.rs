//! How many requests a client, or all of them, have made lately.
//!
//! Each is a token bucket, kept as one number: the time at which it is full again (GCRA). A request
//! moves that time on by what one request costs; it is refused if that would be further away than a
//! whole bucket. So a bucket that is full is one whose time has passed, and need not be kept.
//!
//! The buckets of clients are in a table of a fixed size that all workers share, because the
//! connections of one client end up with all of them. There is no lock: a bucket is one word, with
//! 16 bits of the client's hash in it, and is changed by comparing and exchanging. The table is made
//! of sets; a client has its place in one of them, wherever there is room. Where there is none, the
//! bucket gives way that is full soonest, which loses least.
//!
//! Nobody rids himself of his own record that way: who has used up his bucket has the latest time
//! of all, and goes last. He would need as many addresses in the same set, each with as many
//! requests behind it, and which ones are in the same set is known to nobody: the hash has a key
//! that is made at the start. Two clients share a bucket by chance if they are in the same set and
//! equal in 16 bits: of clients that are all active, one in 8000.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::table::Rate;

/// In how many parts a second is counted: as a power of two. With 48 bits that is enough for eight
/// years.
const SECOND_BITS: u32 = 20;
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// How many buckets a set has: a cache line.
const WAYS: usize = 8;

/// How many sets there are: 128 Ki buckets in 1 MiB.
const SETS: usize = 16 * 1024;

/// How often a change is tried again that another worker was quicker with. Then the request passes:
/// it is one too many in a million.
const TRIES: usize = 16;

/// A moment, in parts of a second since the start.
type Moment = u64;

/// What counts moments, from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

/// A rate, ready to be compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    /// What one request costs, and what a full bucket holds, in parts of a second.
    cost: u64,
    whole: u64,
}

/// The bucket of all clients together.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

/// The buckets of clients.
#[derive(Debug)]
pub(crate) struct Buckets {
    sets: Box<[Set]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// How many seconds it takes until there is room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later(pub(crate) u32);

impl Default for Clock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock {
    pub(crate) fn at(&self, moment: Instant) -> Moment {
        parts(moment.saturating_duration_since(self.0)) & TIME_MASK
    }
}

impl Pacer {
    pub(crate) fn new(rate: &Rate) -> Self {
        let cost = (parts(rate.per) / u64::from(rate.requests)).max(1);
        Self {
            cost,
            whole: cost.saturating_mul(u64::from(rate.burst)),
        }
    }

    /// Returns when a bucket that was full at `full_at` is full again after a request at `now`.
    fn next(self, full_at: Moment, now: Moment) -> Result<Moment, Later> {
        let next = full_at.max(now) + self.cost;
        let wait = next.saturating_sub(now + self.whole);
        if wait == 0 {
            return Ok(next);
        }
        let seconds = wait.div_ceil(1 << SECOND_BITS);
        Err(Later(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }
}

impl Bucket {
    /// Takes one request out of it.
    pub(crate) fn take(&self, pacer: Pacer, now: Moment) -> Result<(), Later> {
        let mut later = None;
        let next = |full_at| match pacer.next(full_at, now) {
            Ok(next) => Some(next),
            Err(how_long) => {
                later = Some(how_long);
                None
            }
        };
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        taken.map(drop).map_err(|_| later.unwrap_or(Later(1)))
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self::with_sets(SETS)
    }
}

impl Buckets {
    fn with_sets(sets: usize) -> Self {
        Self {
            sets: (0..sets).map(|_| Set::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Takes one request out of the bucket that `client` has for `what`.
    pub(crate) fn take(
        &self,
        what: u64,
        client: IpAddr,
        pacer: Pacer,
        now: Moment,
    ) -> Result<(), Later> {
        let (set, tag) = self.find(what, client);
        self.sets[set].take(tag, pacer, now)
    }

    /// Returns the set that a client's bucket is in, and what it is told from others there by.
    fn find(&self, what: u64, client: IpAddr) -> (usize, u64) {
        let hash = match client {
            IpAddr::V4(address) => self.hasher.hash_one((what, address.octets())),
            // Within its network a client changes its address as it likes.
            IpAddr::V6(address) => self.hasher.hash_one((what, &address.octets()[..8])),
        };
        let set = usize::try_from(hash % self.sets.len() as u64).unwrap_or(0);
        (set, hash >> TIME_BITS << TIME_BITS)
    }
}

impl Set {
    fn take(&self, tag: u64, pacer: Pacer, now: Moment) -> Result<(), Later> {
        for _ in 0..TRIES {
            let (at, seen) = self.place(tag, now);
            let is_mine = seen & !TIME_MASK == tag;
            let full_at = if is_mine { seen & TIME_MASK } else { 0 };
            let next = pacer.next(full_at, now)?;
            let bucket = tag | next & TIME_MASK;
            let order = Ordering::Relaxed;
            let exchanged = self.0[at].compare_exchange(seen, bucket, order, order);
            if exchanged.is_ok() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the place of a client's bucket, and what is there: its own one, one that nobody
    /// needs any more, or else the one that is full soonest.
    fn place(&self, tag: u64, now: Moment) -> (usize, u64) {
        let mut soonest = (0, u64::MAX);
        for (at, bucket) in self.0.iter().enumerate() {
            let seen = bucket.load(Ordering::Relaxed);
            let full_at = seen & TIME_MASK;
            if seen & !TIME_MASK == tag && full_at > now {
                return (at, seen);
            }
            if soonest.1 == u64::MAX || full_at < soonest.1 & TIME_MASK {
                soonest = (at, seen);
            }
        }
        soonest
    }
}

fn parts(time: Duration) -> u64 {
    let seconds = time.as_secs() << SECOND_BITS;
    seconds + ((u64::from(time.subsec_nanos()) << SECOND_BITS) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Moment = 1 << SECOND_BITS;

    fn pacer(requests: u32, seconds: u64, burst: u32) -> Pacer {
        Pacer::new(&Rate {
            requests,
            per: Duration::from_secs(seconds),
            burst,
        })
    }

    fn client(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    /// Returns how many requests pass at a moment.
    fn passing(mut take: impl FnMut() -> Result<(), Later>) -> usize {
        (0..10_000).take_while(|_| take().is_ok()).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_as_many_as_the_rate_says() {
        for (requests, seconds, burst) in [(10, 1, 5), (1, 60, 1), (1000, 1, 1000), (3, 1, 7)] {
            let (bucket, pacer) = (Bucket::default(), pacer(requests, seconds, burst));
            let mut now = 1000 * SECOND;
            assert_eq!(passing(|| bucket.take(pacer, now)), burst as usize);
            for _ in 0..5 {
                now += seconds * SECOND;
                let passed = passing(|| bucket.take(pacer, now));
                assert_eq!(
                    passed,
                    requests.min(burst) as usize,
                    "{requests} in {seconds} s"
                );
            }
            now += 1000 * seconds * SECOND;
            assert_eq!(passing(|| bucket.take(pacer, now)), burst as usize);
        }
    }

    #[test]
    fn it_is_said_when_there_is_room_again() {
        let (bucket, pacer) = (Bucket::default(), pacer(1, 60, 2));
        let now = SECOND;
        assert_eq!(bucket.take(pacer, now), Ok(()));
        assert_eq!(bucket.take(pacer, now), Ok(()));
        assert_eq!(bucket.take(pacer, now), Err(Later(60)));
        assert_eq!(bucket.take(pacer, now + 59 * SECOND + 1), Err(Later(1)));
        assert_eq!(bucket.take(pacer, now + 60 * SECOND), Ok(()));
    }

    #[test]
    fn every_client_has_a_bucket_and_every_ipv6_network() {
        let (buckets, pacer) = (Buckets::default(), pacer(1, 1, 3));
        for number in 0..1000 {
            let passed = passing(|| buckets.take(1, client(number), pacer, SECOND));
            assert!(passed <= 3, "{number}: {passed}");
        }
        assert_eq!(passing(|| buckets.take(2, client(7), pacer, SECOND)), 3);
        let mut host = 0_u32;
        let of_network = passing(|| {
            host += 1;
            let address = format!("2001:db8::{host:x}").parse().unwrap();
            buckets.take(1, address, pacer, SECOND)
        });
        assert_eq!(of_network, 3);
    }

    #[test]
    fn who_has_used_up_his_bucket_is_the_last_to_be_forgotten() {
        // One set, so that everybody is in the way of everybody.
        let (buckets, pacer) = (Buckets::with_sets(1), pacer(1, 1, 20));
        let now = SECOND;
        assert_eq!(passing(|| buckets.take(1, client(0), pacer, now)), 20);
        // A thousand others who make a few requests each. Of so many one or another would share the
        // bucket by chance.
        let shares = |number: &u32| buckets.find(1, client(*number)) == buckets.find(1, client(0));
        for number in (1..).filter(|number| !shares(number)).take(1000) {
            for _ in 0..3 {
                buckets.take(1, client(number), pacer, now).unwrap();
            }
            assert!(
                buckets.take(1, client(0), pacer, now).is_err(),
                "after {number}"
            );
        }
    }

    #[test]
    fn buckets_that_are_full_again_make_room() {
        let (buckets, pacer) = (Buckets::with_sets(1), pacer(1, 1, 2));
        for number in 0..1000 {
            let now = SECOND * u64::from(3 * number + 1);
            assert_eq!(passing(|| buckets.take(1, client(number), pacer, now)), 2);
        }
    }

    #[test]
    fn no_request_too_many_passes_however_many_ask_at_once() {
        let (buckets, pacer) = (Buckets::default(), pacer(1, 3600, 500));
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..400 {
                        let taken = buckets.take(1, client(1), pacer, SECOND);
                        passed.fetch_add(u64::from(taken.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        // What passes because others were quicker too often is the exception.
        assert!((500..=502).contains(&passed.into_inner()));
    }
}
