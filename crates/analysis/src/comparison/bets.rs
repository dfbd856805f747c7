//! The bets: what is put on which alternative, window by window and block by block.

use super::Comparison;
use super::block::{Counts, tempered};
use crate::Figures;
use crate::evidence::bernoulli::{Arms, Bet, Margin, Tally, growth, growth_beside, projection};
use crate::evidence::gate::PARTS;
use crate::evidence::prior;
use crate::evidence::process::alternative;

impl Comparison {
    /// Bets of this window on the absolute limits.
    pub(super) fn bet_on_limits(&mut self, canary: &Figures) {
        let share = prior::between(self.rest.window_until, self.seconds);
        self.each_process(false, |process| process.inject(share));
        self.rest.by_window -= share;
        self.rest.window_until = self.seconds;
        if canary.requests == 0 {
            return;
        }
        let usual = [
            self.memory.errors(),
            self.memory.over(0),
            self.memory.over(1),
        ];
        let counted = self.on_limits(canary);
        let warmth = self.block.warmth;
        for (i, absolute) in self.absolute.iter_mut().enumerate() {
            let Some(limit) = self.config.shares[i] else {
                continue;
            };
            let seen = counted[i].tempered(self.block.effects[i].canary);
            if i == 0 || warmth.is_over() {
                if warmth.is_over() {
                    absolute.exceeded.settle(|k| absolute.bets[k].growth(seen));
                } else {
                    let limit = limit + warmth.points;
                    let process = &mut absolute.exceeded;
                    process.settle(|k| growth(seen, alternative(limit, k), limit));
                }
            }
            if warmth.is_over() {
                for (k, part) in PARTS.into_iter().enumerate() {
                    let kept = kept_limit(usual[i], limit, part);
                    absolute.gate.grow(k, growth(seen, kept, limit));
                }
            }
        }
    }

    pub(super) fn bet_on_errors(&mut self, counts: &Counts) {
        let seen = tempered(counts.errors(), self.block.effects[0]);
        let b = self.memory.errors();
        let bet = |c: f64, margin: Margin| {
            let alternative = Arms {
                canary: c,
                baseline: b,
            };
            growth_beside(seen, alternative, margin)
        };
        let warm = self.block.warmth.points;
        let margin = self.config.margin.unwrap_or(Margin::NONE);
        if counts.requests.baseline > 0.0 {
            let tolerated = Margin {
                points: margin.points + warm,
                ..margin
            };
            if self.config.margin.is_some() {
                let limit = tolerated.of(b);
                self.errors
                    .beyond
                    .settle(|k| bet(alternative(limit, k), tolerated));
            }
            let none = Margin {
                points: warm,
                ..Margin::NONE
            };
            let limit = none.of(b);
            self.errors
                .at_all
                .settle(|k| bet(alternative(limit, k), none));
        }
        if self.config.margin.is_some() {
            for (k, part) in PARTS.into_iter().enumerate() {
                let limit = margin.of(b);
                let kept = kept_margin(b, limit, part);
                if kept < limit {
                    self.errors.gate.grow(k, bet(kept, margin));
                }
            }
        }
    }

    pub(super) fn bet_on_percentiles(&mut self, counts: &Counts) {
        let Some(tails) = self.block.tails else {
            return;
        };
        for (i, tail) in tails.into_iter().enumerate() {
            if self.config.longer[i].is_none() {
                continue;
            }
            let effect = self.block.effects[1 + i];
            let beyond = tempered(counts.beyond(i), effect);
            let above = tempered(counts.above(i), effect);
            let beside = &mut self.tails[i];
            // Where nothing more is granted, both bet on the same.
            let bets: [Arms<Bet>; 6] = std::array::from_fn(|k| {
                against_equal(beyond, alternative(tail.above, k), tail.above)
            });
            beside.at_all.settle(|k| grown(bets[k], above));
            let margin = tail.margin();
            let limit = margin.of(tail.above);
            if margin == Margin::NONE {
                beside.beyond.settle(|k| grown(bets[k], beyond));
            } else {
                beside.beyond.settle(|k| {
                    let bet_on = Arms {
                        canary: alternative(limit, k),
                        baseline: tail.above,
                    };
                    growth_beside(beyond, bet_on, margin)
                });
            }
            if self.block.warmth.is_over() {
                let seen = tempered(counts.beyond_when_warm(i), effect);
                for (k, part) in PARTS.into_iter().enumerate() {
                    let kept = kept_margin(tail.far_above, limit, part);
                    if kept < limit {
                        let bet_on = Arms {
                            canary: kept,
                            baseline: tail.above,
                        };
                        beside.gate.grow(k, growth_beside(seen, bet_on, margin));
                    }
                }
            }
        }
    }

    pub(super) fn bet_on_blame(&mut self, counts: &Counts) {
        for i in 0..2 {
            if self.config.shares[1 + i].is_none() {
                continue;
            }
            let seen = tempered(counts.over(i), self.block.effects[1 + i]);
            let b = self.memory.over(i);
            self.absolute[1 + i].blamed.settle(|k| {
                let alternative = Arms {
                    canary: alternative(b, k),
                    baseline: b,
                };
                growth_beside(seen, alternative, Margin::NONE)
            });
        }
    }
}

/// Returns the share that a bettor on "the limit is kept" bets on, `part` of the way from what is
/// `usual` to a `limit` relative to it.
pub(super) fn kept_margin(usual: f64, limit: f64, part: f64) -> f64 {
    (usual + part * (limit - usual)).clamp(1e-7, 0.999)
}

/// The same for an absolute limit, which the usual share may exceed itself.
pub(super) fn kept_limit(usual: f64, limit: f64, part: f64) -> f64 {
    let usual = usual.clamp(1e-7, 0.9 * limit);
    usual + part * (limit - usual)
}

/// Returns the bets of both arms on `c` and `b` against their being equal.
fn against_equal(seen: Arms<Tally>, c: f64, b: f64) -> Arms<Bet> {
    let of = Arms {
        canary: seen.canary.of,
        baseline: seen.baseline.of,
    };
    let alternative = Arms {
        canary: c,
        baseline: b,
    };
    let null = projection(of, alternative, Margin::NONE);
    Arms {
        canary: Bet::new(c, null.canary),
        baseline: Bet::new(b, null.baseline),
    }
}

fn grown(bet: Arms<Bet>, seen: Arms<Tally>) -> f64 {
    bet.canary.growth(seen.canary) + bet.baseline.growth(seen.baseline)
}
