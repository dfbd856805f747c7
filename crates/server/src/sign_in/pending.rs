//! Sign-ins that have begun and not ended: bounded, and used once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use leadsman_core::time::Timestamp;

use crate::access::token::sha256;

/// How long somebody may take to sign in.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// How many may be signing in at once, in all and from one address. Of more the oldest gives way, so
/// that nobody is locked out by who begins many and ends none.
const PENDING_MAX: usize = 1_024;
const OF_ONE_MAX: usize = 16;

/// A sign-in that has begun.
pub(super) struct Pending {
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// By what whoever began it is known when they end it.
    pub(super) claim: String,
    pub(super) redirect: String,
    /// What whoever signs in wants to see then.
    pub(super) to: String,
    pub(super) from: Option<IpAddr>,
    pub(super) begun_at: Timestamp,
}

/// All of them, by state.
#[derive(Default)]
pub(super) struct Pendings(BTreeMap<String, Pending>);

impl Pendings {
    pub(super) fn add(&mut self, state: String, pending: Pending) {
        let now = pending.begun_at;
        self.0.retain(|_, it| now.since(it.begun_at) < PATIENCE);
        let of_one = self.0.values().filter(|it| it.from == pending.from);
        if of_one.count() >= OF_ONE_MAX {
            self.drop_oldest(|it| it.from == pending.from);
        }
        if self.0.len() >= PENDING_MAX {
            self.drop_oldest(|_| true);
        }
        self.0.insert(state, pending);
    }

    fn drop_oldest(&mut self, which: impl Fn(&Pending) -> bool) {
        let those = self.0.iter().filter(|(_, it)| which(it));
        let oldest = those.min_by_key(|(_, it)| it.begun_at);
        if let Some(state) = oldest.map(|(state, _)| state.clone()) {
            self.0.remove(&state);
        }
    }

    /// Takes the sign-in of `state` for whoever has its claim. Who does not have it cannot end somebody
    /// else's either.
    pub(super) fn take(&mut self, state: &str, claim: &str, now: Timestamp) -> Option<Pending> {
        let pending = self.0.get(state)?;
        // Compared by their hashes, texts give nothing away by how long that takes.
        let is_theirs = sha256(claim.as_bytes()) == sha256(pending.claim.as_bytes());
        if !is_theirs || now.since(pending.begun_at) >= PATIENCE {
            return None;
        }
        self.0.remove(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(from: u8, seconds: u64) -> Pending {
        Pending {
            nonce: String::new(),
            verifier: String::new(),
            claim: "claim".to_owned(),
            redirect: String::new(),
            to: String::new(),
            from: Some(IpAddr::from([10, 0, 0, from])),
            begun_at: Timestamp::from_millis(seconds * 1_000),
        }
    }

    #[test]
    fn a_sign_in_is_ended_once_by_who_began_it_and_in_time() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut all = Pendings::default();
        all.add("one".to_owned(), pending(1, 100));
        assert!(all.take("one", "guess", at(100)).is_none());
        assert!(all.take("other", "claim", at(100)).is_none());
        assert!(all.take("one", "claim", at(699)).is_some());
        assert!(all.take("one", "claim", at(699)).is_none());
        all.add("two".to_owned(), pending(1, 100));
        assert!(all.take("two", "claim", at(700)).is_none());
    }

    #[test]
    fn who_begins_many_locks_out_nobody_and_takes_bounded_memory() {
        let mut all = Pendings::default();
        all.add("mine".to_owned(), pending(1, 0));
        for number in 0..10_000 {
            all.add(number.to_string(), pending(2, 1));
        }
        assert_eq!(all.0.len(), OF_ONE_MAX + 1);
        assert!(
            all.take("mine", "claim", Timestamp::from_millis(2_000))
                .is_some()
        );
        for number in 0..10_000_u32 {
            let mut other = pending(0, 3);
            other.from = Some(IpAddr::from(number.to_be_bytes()));
            all.add(format!("far-{number}"), other);
        }
        assert_eq!(all.0.len(), PENDING_MAX);
    }
}
