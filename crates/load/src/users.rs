//! The users of a closed model: when each of them makes the next request.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::profile::Profile;

/// The users of one worker. Times count from the beginning of the load.
pub(crate) struct Users {
    profile: Profile,
    think: Duration,
    worker: usize,
    of: usize,
    /// Who makes a request when, the earliest first.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    users: Vec<User>,
    random: Random,
}

#[derive(Clone, Copy, Default)]
struct User {
    /// How many requests the user has made.
    made: u64,
}

impl Users {
    /// Of `of` workers each has every `of`th user.
    pub(crate) fn new(profile: &Profile, think: Duration, worker: usize, of: usize) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a scenario without problems has a million users at most"
        )]
        let all = profile.highest().ceil() as usize;
        let mut users = Self {
            profile: profile.clone(),
            think,
            worker,
            of: of.max(1),
            due: BinaryHeap::new(),
            users: Vec::new(),
            random: Random(worker as u64),
        };
        for number in (worker..all).step_by(users.of) {
            let user = users.users.len();
            users.users.push(User::default());
            // Who is there from the beginning does not begin together with all others.
            #[expect(clippy::cast_precision_loss, reason = "a million users at most")]
            let spread = think.mul_f64(number as f64 / all as f64);
            let Some((begins, _)) = users.there(user, Duration::ZERO) else {
                continue;
            };
            let first = if begins.is_zero() { spread } else { begins };
            if let Some((begins, _)) = users.there(user, first) {
                users.due.push(Reverse((begins, user)));
            }
        }
        users
    }

    /// Returns how many there are in all.
    pub(crate) fn count(&self) -> usize {
        self.users.len()
    }

    /// Returns when a user is there, from this moment on.
    fn there(&self, user: usize, from: Duration) -> Option<(Duration, Duration)> {
        #[expect(clippy::cast_precision_loss, reason = "a million users at most")]
        let number = (self.worker + user * self.of + 1) as f64;
        // Of a part of a user there is a whole one.
        let there = self
            .profile
            .at_least(number.min(self.profile.highest()), from.as_secs_f64());
        let (begins, ends) = there?;
        // Seconds in a float are a little off: nobody begins before the moment asked for.
        Some((
            Duration::from_secs_f64(begins).max(from),
            Duration::from_secs_f64(ends),
        ))
    }

    /// Returns when the next request is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the user whose request is due now, with the moment at which it was due and how many
    /// requests the user had made before.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(Duration, usize, u64)> {
        let Reverse((due, user)) = *self.due.peek()?;
        if due > now {
            return None;
        }
        self.due.pop();
        let made = self.users.get_mut(user).map(|user| {
            user.made += 1;
            user.made - 1
        })?;
        Some((due, user, made))
    }

    /// Has a user whose answer has come think and make the next request, if there is time for one.
    pub(crate) fn think(&mut self, user: usize, now: Duration) {
        let think = self.think.mul_f64(0.5 + self.random.share());
        if let Some((begins, _)) = self.there(user, now.saturating_add(think)) {
            self.due.push(Reverse((begins, user)));
        }
    }
}

/// Numbers that are spread well enough for thinking: splitmix64.
struct Random(u64);

impl Random {
    /// Returns a number from 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are left")]
        let share = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Stage;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn users_who_are_there_from_the_beginning_do_not_begin_together() {
        let mut users = Users::new(&Profile::constant(4.0, S * 10), S * 2, 0, 1);
        let mut begun = Vec::new();
        while let Some((due, user, made)) = users.take(S * 10) {
            assert_eq!(made, 0);
            begun.push((due.as_millis(), user));
        }
        assert_eq!(begun, [(0, 0), (500, 1), (1000, 2), (1500, 3)]);
    }

    #[test]
    fn a_user_thinks_after_each_answer_and_leaves_in_the_end() {
        let mut users = Users::new(&Profile::constant(1.0, S * 20), S, 0, 1);
        let mut now = Duration::ZERO;
        let mut made = 0;
        while let Some(due) = users.next() {
            assert!(due == Duration::ZERO || (S / 2..=S * 3 / 2).contains(&(due - now)));
            assert_eq!(users.take(due), Some((due, 0, made)));
            assert_eq!(users.take(S * 100), None, "only one request at a time");
            made += 1;
            now = due + S / 10;
            users.think(0, now);
        }
        assert!((13..=25).contains(&made), "{made}");
    }

    #[test]
    fn users_come_and_go_as_the_profile_says() {
        let profile = Profile {
            start: 0.0,
            stages: vec![
                Stage {
                    to: 2.0,
                    over: S * 2,
                },
                Stage {
                    to: 0.0,
                    over: S * 2,
                },
                Stage {
                    to: 2.0,
                    over: S * 2,
                },
            ],
        };
        let users = Users::new(&profile, Duration::ZERO, 1, 2);
        assert_eq!(users.count(), 1);
        // The second user is there at the height of it alone.
        assert_eq!(users.next(), None);
        let mut users = Users::new(&profile, Duration::ZERO, 0, 2);
        assert_eq!(users.next(), Some(S));
        assert!(users.take(S).is_some());
        users.think(0, S * 2);
        assert_eq!(users.take(S * 2), Some((S * 2, 0, 1)));
        users.think(0, S * 7 / 2);
        assert_eq!(users.next(), Some(S * 5), "gone in between, and back");
        assert!(users.take(S * 5).is_some());
        users.think(0, S * 6);
        assert_eq!(users.next(), None);
    }
}
