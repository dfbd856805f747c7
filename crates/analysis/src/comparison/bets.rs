//! The bets: what is put on which alternative, window by window and block by block.

use super::Comparison;
use super::block::{Counts, tempered};
use crate::Figures;
use crate::evidence::bernoulli::{
    Alternatives, Arms, Bets, Margin, Tally, growth, growth_beside, projections,
};
use crate::evidence::gate::PARTS;
use crate::evidence::prior;
use crate::evidence::process::alternatives;

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
            let (Some(limit), Some(bets)) = (self.config.shares[i], &absolute.bets) else {
                continue;
            };
            let seen = counted[i].tempered(self.block.effects[i].canary);
            if i == 0 || warmth.is_over() {
                absolute.exceeded.settle(if warmth.is_over() {
                    bets.growth(seen)
                } else {
                    let limit = limit + warmth.points;
                    growth(seen, alternatives(limit), [limit; 6])
                });
            }
            if warmth.is_over() {
                let kept = PARTS.map(|part| kept_limit(usual[i], limit, part));
                absolute.gate.settle(growth(seen, kept, [limit; 3]));
            }
        }
    }

    pub(super) fn bet_on_errors(&mut self, counts: &Counts) {
        let seen = tempered(counts.errors(), self.block.effects[0]);
        let b = self.memory.errors();
        let warm = self.block.warmth.points;
        let margin = self.config.margin.unwrap_or(Margin::NONE);
        if counts.requests.baseline > 0.0 {
            let tolerated = Margin {
                points: margin.points + warm,
                ..margin
            };
            if self.config.margin.is_some() {
                let bets = beside(alternatives(tolerated.of(b)), b);
                let growth = growth_beside(seen, &bets, tolerated);
                self.errors.beyond.settle(growth);
            }
            let none = Margin {
                points: warm,
                ..Margin::NONE
            };
            let bets = beside(alternatives(none.of(b)), b);
            let growth = growth_beside(seen, &bets, none);
            self.errors.at_all.settle(growth);
        }
        if self.config.margin.is_some() {
            let growth = growth_if_kept(seen, b, b, margin);
            self.errors.gate.settle(growth);
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
            let bettors = &mut self.tails[i];
            // Where nothing more is granted, both bet on the same.
            let bets = against_equal(beyond, alternatives(tail.above), tail.above);
            bettors.at_all.settle(grown(&bets, above));
            let margin = tail.margin();
            bettors.beyond.settle(if margin == Margin::NONE {
                grown(&bets, beyond)
            } else {
                let worse = alternatives(margin.of(tail.above));
                growth_beside(beyond, &beside(worse, tail.above), margin)
            });
            if self.block.warmth.is_over() {
                let seen = tempered(counts.beyond_when_warm(i), effect);
                let growth = growth_if_kept(seen, tail.far_above, tail.above, margin);
                bettors.gate.settle(growth);
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
            let bets = beside(alternatives(b), b);
            let growth = growth_beside(seen, &bets, Margin::NONE);
            self.absolute[1 + i].blamed.settle(growth);
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

/// Returns what bettors take for the truth who agree on the baseline.
pub(super) fn beside<const N: usize>(canary: [f64; N], baseline: f64) -> Alternatives<N> {
    Alternatives { canary, baseline }
}

/// Returns the growth of the bets that a `margin` over what the `baseline` has is kept by a canary of
/// which `usual` is to be expected. Where that is more than the margin allows, nobody bets.
pub(super) fn growth_if_kept(
    seen: Arms<Tally>,
    usual: f64,
    baseline: f64,
    margin: Margin,
) -> [f64; 3] {
    let limit = margin.of(baseline);
    let kept = PARTS.map(|part| kept_margin(usual, limit, part));
    let mut growth = growth_beside(seen, &beside(kept, baseline), margin);
    for k in 0..3 {
        if kept[k] >= limit {
            growth[k] = 0.0;
        }
    }
    growth
}

/// Returns the bets of both arms on their alternatives against their being equal.
fn against_equal(seen: Arms<Tally>, c: [f64; 6], b: f64) -> Arms<Bets<6>> {
    let of = Arms {
        canary: seen.canary.of,
        baseline: seen.baseline.of,
    };
    let null = projections(of, &beside(c, b), Margin::NONE);
    Arms {
        canary: Bets::new(c, null.canary),
        baseline: Bets::new([b; 6], null.baseline),
    }
}

fn grown(bets: &Arms<Bets<6>>, seen: Arms<Tally>) -> [f64; 6] {
    let mut growth = bets.canary.growth(seen.canary);
    let more = bets.baseline.growth(seen.baseline);
    for k in 0..6 {
        growth[k] += more[k];
    }
    growth
}
