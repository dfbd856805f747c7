//! How often somebody may fail to say who they are.
//!
//! Guessing a token is hopeless, so this is about load and about the log: an address that keeps
//! failing gets a short answer, and is asked to wait. A good token is always let in, so that nobody can lock
//! out whoever shares an address with them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use leadsman_core::time::Timestamp;

/// How many failures an address may have in [`WITHIN`].
pub(crate) const FAILURES_MAX: u32 = 20;

/// How long they count.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// How many addresses are told apart; what is more shares one count.
const ADDRESSES_MAX: usize = 4_096;

/// The failures of each address.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_address: HashMap<IpAddr, Count>,
    others: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Timestamp,
    failures: u32,
}

impl Count {
    fn add(&mut self, now: Timestamp) -> bool {
        if now.since(self.since) >= WITHIN {
            *self = Self {
                since: now,
                failures: 0,
            };
        }
        self.failures = self.failures.saturating_add(1);
        self.failures <= FAILURES_MAX
    }
}

impl Attempts {
    /// Takes note of a failure; returns whether it is one of those that may be.
    pub(crate) fn failed(&mut self, address: IpAddr, now: Timestamp) -> bool {
        let address = place(address);
        if let Some(count) = self.by_address.get_mut(&address) {
            return count.add(now);
        }
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address
                .retain(|_, count| now.since(count.since) < WITHIN);
        }
        if self.by_address.len() >= ADDRESSES_MAX {
            return self.others.add(now);
        }
        self.by_address.entry(address).or_default().add(now)
    }
}

/// Returns what counts as one place: somebody with IPv6 has 2^64 addresses to choose from.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn an_address_that_keeps_failing_has_to_wait_and_others_do_not() {
        let mut attempts = Attempts::default();
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            assert!(attempts.failed(address, at(0)));
        }
        assert!(!attempts.failed(address, at(59)));
        assert!(!attempts.failed("::ffff:10.0.0.1".parse().unwrap(), at(59)));
        assert!(attempts.failed("10.0.0.2".parse().unwrap(), at(59)));
        assert!(attempts.failed(address, at(60)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let mut attempts = Attempts::default();
        let address = |host: u32| -> IpAddr { format!("2001:db8::{host:x}").parse().unwrap() };
        for host in 0..FAILURES_MAX {
            assert!(attempts.failed(address(host), at(0)));
        }
        assert!(!attempts.failed(address(999), at(0)));
        assert!(attempts.failed("2001:db8:0:1::1".parse().unwrap(), at(0)));
    }

    #[test]
    fn addresses_without_end_take_bounded_memory_and_are_still_counted() {
        let mut attempts = Attempts::default();
        let mut let_in = 0;
        for index in 0..20_000_u32 {
            let address = IpAddr::from((index + (10 << 24)).to_be_bytes());
            let_in += u32::from(attempts.failed(address, at(0)));
        }
        assert_eq!(attempts.by_address.len(), ADDRESSES_MAX);
        assert_eq!(let_in, ADDRESSES_MAX as u32 + FAILURES_MAX);
        let late = IpAddr::from([9, 9, 9, 9]);
        assert!(attempts.failed(late, at(100)));
        assert_eq!(attempts.by_address.len(), 1);
    }
}
