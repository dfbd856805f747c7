//! How much there is of something over time: a rate, or a number of users.

use std::time::Duration;

/// A line of straight pieces: it begins somewhere, and each stage leads evenly to another value.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What there is in the beginning.
    pub start: f64,
    /// What follows.
    pub stages: Vec<Stage>,
}

/// A straight piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// What there is in the end.
    pub to: f64,
    /// How long it takes; a stage that takes no time is a jump.
    pub over: Duration,
}

/// A stage as it lies in time.
#[derive(Clone, Copy, Debug)]
struct Piece {
    begins: f64,
    length: f64,
    from: f64,
    to: f64,
}

impl Profile {
    /// Returns the same value all the time.
    pub fn constant(value: f64, length: Duration) -> Self {
        let stages = vec![Stage {
            to: value,
            over: length,
        }];
        Self {
            start: value,
            stages,
        }
    }

    /// Returns a value that is reached evenly from 0 and then kept.
    pub fn ramped(value: f64, ramp: Duration, length: Duration) -> Self {
        if ramp.is_zero() {
            return Self::constant(value, length);
        }
        let stages = vec![
            Stage {
                to: value,
                over: ramp,
            },
            Stage {
                to: value,
                over: length,
            },
        ];
        Self { start: 0.0, stages }
    }

    /// Returns how long it lasts.
    pub fn length(&self) -> Duration {
        let lengths = self.stages.iter().map(|stage| stage.over);
        lengths.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Returns the highest value.
    pub fn highest(&self) -> f64 {
        let values = self.stages.iter().map(|stage| stage.to);
        values.fold(self.start, f64::max)
    }

    /// Says whether every value is a number that is not negative.
    pub(crate) fn is_sound(&self) -> bool {
        let mut values = self.stages.iter().map(|stage| stage.to).chain([self.start]);
        values.all(|value| value.is_finite() && value >= 0.0)
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> {
        let mut begins = 0.0;
        let mut from = self.start;
        self.stages.iter().map(move |stage| {
            let length = stage.over.as_secs_f64();
            let piece = Piece {
                begins,
                length,
                from,
                to: stage.to,
            };
            begins += length;
            from = stage.to;
            piece
        })
    }

    /// Returns the seconds in which there are at least so many, from this one on: when they begin
    /// and when they end.
    pub(crate) fn at_least(&self, value: f64, from: f64) -> Option<(f64, f64)> {
        let mut found: Option<(f64, f64)> = None;
        for piece in self.pieces().filter(|piece| piece.length > 0.0) {
            let Some((begins, ends)) = piece.at_least(value) else {
                if found.is_some() {
                    break;
                }
                continue;
            };
            match &mut found {
                Some((_, end)) if begins <= *end + 1e-9 => *end = ends,
                Some(_) => break,
                None if ends > from => found = Some((begins.max(from), ends)),
                None => {}
            }
        }
        found
    }
}

impl Piece {
    /// Returns the area below the first `time` seconds.
    fn area(&self, time: f64) -> f64 {
        if self.length <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.length;
        time * (self.from + slope * time / 2.0)
    }

    /// Returns after how long the area is this one, which must not be more than all of it.
    fn time_of(&self, area: f64) -> f64 {
        if area <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.length;
        // slope/2 t² + from t = area, in the form that loses nothing where the slope is small.
        let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        if self.from + root <= 0.0 {
            return self.length;
        }
        (2.0 * area / (self.from + root)).clamp(0.0, self.length)
    }

    /// Returns when in it there are at least so many.
    fn at_least(&self, value: f64) -> Option<(f64, f64)> {
        if self.length <= 0.0 {
            return None;
        }
        let crossing = |value: f64| (value - self.from) / (self.to - self.from) * self.length;
        let (begins, ends) = match (self.from >= value, self.to >= value) {
            (true, true) => (0.0, self.length),
            (true, false) => (0.0, crossing(value)),
            (false, true) => (crossing(value), self.length),
            (false, false) => return None,
        };
        (begins < ends).then_some((self.begins + begins, self.begins + ends))
    }
}

/// The moments at which requests are due under a rate, from the first on: the one numbered `k`
/// when `k` have come before it. Of `of` workers each takes every `of`th.
pub(crate) struct Arrivals {
    pieces: Vec<Piece>,
    /// The next one's number.
    next: u64,
    step: u64,
    /// The piece that is looked at, and how many came before it.
    at: usize,
    before: f64,
}

impl Arrivals {
    pub(crate) fn new(rate: &Profile, worker: usize, of: usize) -> Self {
        Self {
            pieces: rate.pieces().collect(),
            next: worker as u64,
            step: of.max(1) as u64,
            at: 0,
            before: 0.0,
        }
    }
}

impl Iterator for Arrivals {
    /// The number of a request, and when it is due.
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<(u64, Duration)> {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 in a week")]
        let number = self.next as f64;
        loop {
            let piece = self.pieces.get(self.at)?;
            let area = piece.area(piece.length);
            // One that is due at the very end of a piece belongs to what follows.
            if number < self.before + area - 1e-6 {
                let second = piece.begins + piece.time_of(number - self.before);
                let found = (self.next, Duration::from_secs_f64(second));
                self.next += self.step;
                return Some(found);
            }
            self.before += area;
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn stages(start: f64, stages: &[(f64, u32)]) -> Profile {
        let stage = |(to, seconds): &(f64, u32)| Stage {
            to: *to,
            over: S * *seconds,
        };
        Profile {
            start,
            stages: stages.iter().map(stage).collect(),
        }
    }

    fn due(profile: &Profile) -> Vec<f64> {
        let arrivals = Arrivals::new(profile, 0, 1);
        arrivals.map(|(_, due)| due.as_secs_f64()).collect()
    }

    #[test]
    fn a_constant_rate_spreads_requests_evenly() {
        assert_eq!(due(&Profile::constant(4.0, S)), [0.0, 0.25, 0.5, 0.75]);
        let many: Vec<f64> = due(&Profile::constant(20_000.0, S * 5));
        assert_eq!(many.len(), 100_000);
        for (number, due) in many.iter().enumerate() {
            assert!(
                (due - number as f64 / 20_000.0).abs() < 1e-8,
                "{number}: {due}"
            );
        }
    }

    #[test]
    fn a_ramp_makes_requests_come_closer_and_closer() {
        // The area below a ramp from 0 to 8 in 2 s is 2t²: number k is due at √(k/2).
        let due = due(&stages(0.0, &[(8.0, 2)]));
        assert_eq!(due.len(), 8);
        for (number, due) in due.iter().enumerate() {
            assert!(
                (due - (number as f64 / 2.0).sqrt()).abs() < 1e-9,
                "{number}: {due}"
            );
        }
    }

    #[test]
    fn stages_follow_on_one_another() {
        for (profile, count) in [
            (stages(10.0, &[(10.0, 1), (20.0, 0), (20.0, 1)]), 30),
            (stages(0.0, &[(100.0, 10), (100.0, 5), (0.0, 10)]), 1500),
            (stages(5.0, &[(0.0, 0), (0.0, 3), (5.0, 0), (5.0, 1)]), 5),
            (stages(0.0, &[(0.0, 5)]), 0),
        ] {
            let due = due(&profile);
            assert_eq!(due.len(), count, "{profile:?}");
            assert!(due.is_sorted(), "{profile:?}");
        }
    }

    #[test]
    fn workers_share_the_requests_and_none_is_left_out() {
        let profile = stages(0.0, &[(50.0, 3), (20.0, 2)]);
        let mut all: Vec<_> = (0..3)
            .flat_map(|worker| Arrivals::new(&profile, worker, 3))
            .collect();
        all.sort_unstable();
        let alone: Vec<_> = Arrivals::new(&profile, 0, 1).collect();
        assert_eq!(all, alone);
    }

    #[test]
    fn a_user_is_there_while_there_are_so_many() {
        let profile = stages(
            0.0,
            &[
                (10.0, 10),
                (10.0, 5),
                (2.0, 8),
                (2.0, 0),
                (10.0, 0),
                (10.0, 1),
            ],
        );
        for (user, from, found) in [
            (1.0, 0.0, Some((1.0, 24.0))),
            (5.0, 0.0, Some((5.0, 20.0))),
            (5.0, 7.0, Some((7.0, 20.0))),
            (5.0, 21.0, Some((23.0, 24.0))),
            (10.0, 0.0, Some((10.0, 15.0))),
            (11.0, 0.0, None),
            (1.0, 24.0, None),
        ] {
            assert_eq!(profile.at_least(user, from), found, "{user} from {from}");
        }
        let constant = Profile::constant(3.0, S * 2);
        assert_eq!(constant.at_least(3.0, 0.0), Some((0.0, 2.0)));
    }
}
