//! Which of several instances is asked: one with few requests in flight.
//!
//! Of few instances the one with the fewest, and equals take turns: nothing spreads better, and
//! looking at all of them costs less than a random number does. Of many, two are drawn and the less
//! busy one is asked: looking at all would cost more with each instance, and with several workers,
//! none of which sees what the others do, the very best choice is no better than this one. A single
//! random draw is much worse: some instances then get several times what others have in flight.

use std::cell::Cell;

use crate::worker::random::Random;

/// Up to how many instances are all looked at.
const FEW: usize = 16;

/// How many pairs are drawn before all are looked at, because so many do not suit.
const DRAWS: usize = 4;

/// What is remembered from choice to choice.
#[derive(Debug)]
pub(super) struct Turn {
    /// Where the search begins, so that equals take turns.
    next: Cell<usize>,
    random: Random,
}

impl Turn {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            next: Cell::new(0),
            random: Random::of(seed),
        }
    }

    /// Returns which of `count` instances is to be asked, of those that suit; `None` if none does.
    pub(super) fn choose(
        &self,
        count: usize,
        busy: impl Fn(usize) -> u64,
        suits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let drawn = if count > FEW {
            (0..DRAWS).find_map(|_| self.of_two(count, &busy, &suits))
        } else {
            None
        };
        drawn.or_else(|| self.of_all(count, busy, suits))
    }

    fn of_two(
        &self,
        count: usize,
        busy: impl Fn(usize) -> u64,
        suits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let one = self.random.below(count);
        // Another one: a step of anything but a whole round.
        let other = (one + 1 + self.random.below(count - 1)) % count;
        match (suits(one), suits(other)) {
            (true, true) => Some(if busy(other) < busy(one) { other } else { one }),
            (true, false) => Some(one),
            (false, true) => Some(other),
            (false, false) => None,
        }
    }

    fn of_all(
        &self,
        count: usize,
        busy: impl Fn(usize) -> u64,
        suits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let start = self.next.get();
        let mut best: Option<(usize, u64)> = None;
        for at in (start..start + count).map(|at| at % count) {
            let busy = busy(at);
            if best.is_none_or(|(_, least)| busy < least) && suits(at) {
                best = Some((at, busy));
            }
        }
        let (at, _) = best?;
        self.next.set((at + 1) % count);
        Some(at)
    }

    pub(super) fn random(&self) -> &Random {
        &self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives requests to `count` instances; each takes as long as `takes` says, in requests. Returns
    /// how many each got, and the most that any had in flight at a time.
    fn spread(
        count: usize,
        requests: usize,
        takes: impl Fn(usize) -> usize,
        choose: impl Fn(&[u64]) -> usize,
    ) -> (Vec<usize>, u64) {
        let mut busy = vec![0_u64; count];
        let mut got = vec![0; count];
        let mut ends: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
        let mut most = 0;
        for now in 0..requests {
            for at in ends.remove(&now).into_iter().flatten() {
                busy[at] -= 1;
            }
            let at = choose(&busy);
            busy[at] += 1;
            got[at] += 1;
            most = most.max(busy[at]);
            ends.entry(now + 1 + takes(at)).or_default().push(at);
        }
        (got, most)
    }

    fn by(turn: &Turn) -> impl Fn(&[u64]) -> usize {
        |busy| turn.choose(busy.len(), |at| busy[at], |_| true).unwrap()
    }

    #[test]
    fn equals_share_evenly() {
        for count in [1, 2, 3, 7, 16] {
            let turn = Turn::new(1);
            let (got, _) = spread(count, count * 50, |_| 0, by(&turn));
            assert_eq!(got, vec![50; count]);
        }
        // Of many, chance decides: each within a fifth of its share of 1000.
        for count in [17, 50] {
            let turn = Turn::new(2);
            let (got, _) = spread(count, count * 1000, |_| 0, by(&turn));
            assert!(got.iter().all(|got| (800..1200).contains(got)), "{got:?}");
        }
    }

    #[test]
    fn none_is_much_busier_than_the_others() {
        // Four in flight each on average.
        let count = 100;
        let takes = |_| 4 * count;
        let two = Turn::new(3);
        let (_, of_two) = spread(count, 20_000, takes, by(&two));
        let one = Random::of(3);
        let (_, of_one) = spread(count, 20_000, takes, |busy| one.below(busy.len()));
        assert!(of_two <= 7, "{of_two}");
        assert!(of_one >= 2 * of_two - 3, "{of_one} beside {of_two}");
    }

    #[test]
    fn a_slow_instance_gets_less() {
        for count in [4, 40] {
            let turn = Turn::new(4);
            // One takes ten times as long as the others.
            let takes = |at| if at == 1 { 40 * count } else { 4 * count };
            let (got, _) = spread(count, count * 500, takes, by(&turn));
            let others = (got.iter().sum::<usize>() - got[1]) / (count - 1);
            assert!(got[1] * 2 < others, "{} beside {others}", got[1]);
        }
    }

    #[test]
    fn only_those_that_suit_are_asked() {
        for count in [2, 5, 30, 500] {
            let turn = Turn::new(5);
            let only = |wanted: usize| turn.choose(count, |_| 0, |at| at == wanted);
            assert!((0..count).all(|wanted| only(wanted) == Some(wanted)));
            assert_eq!(turn.choose(count, |_| 0, |_| false), None);
        }
        assert_eq!(Turn::new(6).choose(0, |_| 0, |_| true), None);
    }
}
