//! What the steps of a planned rollout can see, by what the traffic has been lately.

use std::time::Duration;

use leadsman_analysis::power::{self, Seen, Sight, Traffic};
use leadsman_analysis::{Figures, Limits, Split};
use leadsman_api::{PlannedRise, PlannedSight, PlannedTraffic};
use leadsman_core::project::units;
use leadsman_core::spec::{OnInconclusive, Step, Strategy};
use leadsman_core::weight::Weight;
use leadsman_engine as engine;

use crate::wire;

/// A rise of errors by so many points should be seen by every step: it is what a service is held
/// to without a baseline, if nothing else is said.
const USEFUL: f64 = 0.05;

/// Soaks that a person would write, in minutes.
const SOAKS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440];

/// Weights that a person would write, in percent.
const WEIGHTS: [u16; 6] = [5, 10, 20, 25, 50, 75];

/// A service that rolls, and its traffic.
pub(crate) struct Planned<'p> {
    pub(crate) name: &'p str,
    pub(crate) limits: &'p Limits,
    pub(crate) strategy: &'p Strategy,
    pub(crate) traffic: &'p engine::Traffic,
}

impl Planned<'_> {
    /// Returns the traffic that everything here goes by; `None` where nothing is known of it.
    pub(crate) fn traffic(&self) -> Option<PlannedTraffic> {
        let engine::Traffic { seconds, figures } = self.traffic;
        let Figures {
            requests, errors, ..
        } = figures;
        let counted = *requests > 0 && *seconds > 0.0;
        counted.then(|| PlannedTraffic {
            over_ms: wire::in_ms(*seconds),
            requests_per_second: *requests as f64 / seconds,
            error_ratio: *errors as f64 / *requests as f64,
            p95_ms: figures.latency.quantile(0.95).map(wire::latency_ms),
        })
    }

    /// Returns what a step sees; `None` of one that is not judged, or where no traffic is known.
    pub(crate) fn step(&self, index: usize) -> Option<PlannedSight> {
        let step = self.strategy.steps.get(index)?;
        let sight = self.sight(index, step.weight, step.soak?)?;
        let rise = |from, to| PlannedRise { from, to };
        Some(PlannedSight {
            requests: sight.requests.round() as u64,
            errors: match sight.errors {
                Seen::NotJudged => None,
                Seen::Nothing => Some(rise(self.error_ratio(), None)),
                Seen::Rise { from, to } => Some(rise(from, Some(to))),
            },
            p95_ms: match sight.p95 {
                Seen::NotJudged => None,
                Seen::Nothing => {
                    let from = self.traffic.figures.latency.quantile(0.95)?;
                    Some(rise(wire::latency_ms(from), None))
                }
                Seen::Rise { from, to } => {
                    Some(rise(wire::latency_ms(from), Some(wire::latency_ms(to))))
                }
            },
            passes_after_ms: sight.passes_in.map(wire::in_ms),
        })
    }

    /// Says what a person should know before it begins.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let judged: Vec<usize> = self.judged().map(|(index, _, _)| index).collect();
        if judged.is_empty() {
            return Vec::new();
        }
        if self.traffic().is_none() {
            return vec![self.without_traffic()];
        }
        let blind = judged.iter().find_map(|index| self.blind(*index));
        let stuck = judged.iter().find_map(|index| self.stuck(*index));
        blind.into_iter().chain(stuck).collect()
    }

    fn error_ratio(&self) -> f64 {
        let Figures {
            requests, errors, ..
        } = self.traffic.figures;
        errors as f64 / requests.max(1) as f64
    }

    /// The steps that are held and judged beside a baseline: index, weight, soak.
    fn judged(&self) -> impl Iterator<Item = (usize, Weight, Duration)> {
        let steps = self.strategy.steps.iter().enumerate();
        steps.filter_map(|(index, Step { weight, soak })| Some((index, *weight, (*soak)?)))
    }

    /// Returns what step `index` would see with this weight and soak.
    fn sight(&self, index: usize, weight: Weight, soak: Duration) -> Option<Sight> {
        let figures = &self.traffic.figures;
        let traffic = Traffic {
            figures,
            seconds: self.traffic.seconds,
        };
        power::sight(self.limits, traffic, self.planned(index, weight, soak))
    }

    fn planned(&self, index: usize, weight: Weight, soak: Duration) -> power::Step {
        let before = index.checked_sub(1).map(|before| {
            let steps = &self.strategy.steps;
            steps.get(before).map_or(Weight::NONE, |step| step.weight)
        });
        let earlier = self.judged().filter(|(earlier, _, _)| *earlier < index);
        power::Step {
            split: Split {
                canary: share(weight),
                baseline: share(self.beside(weight)),
            },
            baseline_before: before.map_or(1.0, |before| share(self.beside(before))),
            after: u32::try_from(earlier.count()).unwrap_or(u32::MAX),
            seconds: soak.as_secs_f64(),
        }
    }

    /// The share of what the canary is compared with.
    fn beside(&self, weight: Weight) -> Weight {
        if self.strategy.has_fresh_baseline() {
            weight.beside()
        } else {
            weight.rest()
        }
    }

    /// The smallest rise of errors that step `index` would see, as the share that it rises to;
    /// `None` where it would see none at all.
    fn errors_seen(&self, index: usize, weight: Weight, soak: Duration) -> Option<f64> {
        match self.sight(index, weight, soak)?.errors {
            Seen::Rise { to, .. } => Some(to),
            Seen::Nothing | Seen::NotJudged => None,
        }
    }

    /// Says that a step sees next to nothing, and what would do.
    fn blind(&self, index: usize) -> Option<String> {
        let step = self.strategy.steps.get(index)?;
        let (weight, soak) = (step.weight, step.soak?);
        let useful = self.error_ratio() + USEFUL;
        let sight = self.sight(index, weight, soak)?;
        let at_best = match sight.errors {
            Seen::Rise { to, .. } if to <= useful => return None,
            Seen::Rise { to, .. } => format!("a rise of errors to {} at best", ratio(to)),
            Seen::Nothing => "no rise of errors at all".to_owned(),
            Seen::NotJudged => return None,
        };
        let does = |to: &f64| *to <= useful;
        let other_weight = WEIGHTS.map(Weight::percent).into_iter().find_map(|other| {
            let to = self.errors_seen(index, other, soak).filter(does)?;
            (other > weight).then(|| format!("{other} would show one to {}", ratio(to)))
        });
        let other_soak = SOAKS.map(minutes).into_iter().find_map(|other| {
            let to = self.errors_seen(index, weight, other).filter(does)?;
            let other = units::duration(other);
            Some(format!("{other} would show one to {}", ratio(to)))
        });
        let would: Vec<String> = other_weight.into_iter().chain(other_soak).collect();
        let way_out = if would.is_empty() {
            "there is too little traffic for any step to see more within a day".to_owned()
        } else {
            would.join(", and ")
        };
        let rate = rate(self.traffic()?.requests_per_second);
        Some(format!(
            "`{}`: {weight} for {} at {rate} shows {at_best}; {way_out}",
            self.name,
            units::duration(soak)
        ))
    }

    /// Says that a step cannot pass, and what would do.
    fn stuck(&self, index: usize) -> Option<String> {
        let step = self.strategy.steps.get(index)?;
        let (weight, soak) = (step.weight, step.soak?);
        let has = soak + self.strategy.patience;
        let passes = |weight: Weight| {
            let sight = self.sight(index, weight, soak)?;
            sight.passes_in.map(Duration::from_secs_f64)
        };
        let needed = passes(weight);
        if needed.is_some_and(|needed| needed <= has) {
            return None;
        }
        let takes = match needed {
            Some(needed) => format!("takes {} to pass", units::duration(rounded(needed))),
            None => "never passes".to_owned(),
        };
        let other = WEIGHTS.map(Weight::percent).into_iter().find_map(|other| {
            let needed = passes(other).filter(|needed| *needed <= has)?;
            let needed = units::duration(rounded(needed));
            (other != weight).then(|| format!("; at {other} it takes {needed}"))
        });
        let then = match self.strategy.on_inconclusive {
            OnInconclusive::Hold => "a person will be asked",
            OnInconclusive::Rollback => "it will go back",
            OnInconclusive::Advance => "it will go on without proof",
        };
        Some(format!(
            "`{}`: even a good release {takes} at {weight} and {}{}: after {} {then}",
            self.name,
            rate(self.traffic()?.requests_per_second),
            other.unwrap_or_default(),
            units::duration(has)
        ))
    }

    /// Says what it takes to see anything, of a service whose traffic is not known.
    fn without_traffic(&self) -> String {
        /// What is assumed: one request a second, of which one in a thousand fails.
        const ASSUMED: u64 = 100_000;
        let mut needed = None;
        if let Some((index, weight, soak)) = self.judged().next() {
            let figures = Figures {
                requests: ASSUMED,
                errors: ASSUMED / 1_000,
                ..Figures::default()
            };
            let traffic = Traffic {
                figures: &figures,
                seconds: ASSUMED as f64,
            };
            // Of latencies nothing is known.
            let mut limits = self.limits.clone();
            (limits.p95, limits.p99) = (None, None);
            (limits.against_stable.p95, limits.against_stable.p99) = (None, None);
            let sight = power::sight(&limits, traffic, self.planned(index, weight, soak));
            needed = sight.and_then(|sight| Some((weight, sight.passes_in?)));
        }
        let known = format!(
            "no traffic is known of `{}`: what its steps will see cannot be said",
            self.name
        );
        match needed {
            Some((weight, seconds)) => format!(
                "{known}. If 1 of 1000 requests fails now, it takes about {} answers of the new \
                 revision to pass: {} requests at {weight}",
                two_digits(seconds * share(weight)),
                two_digits(seconds)
            ),
            None => known,
        }
    }
}

fn share(weight: Weight) -> f64 {
    f64::from(weight.hundredths()) / f64::from(Weight::ALL.hundredths())
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Returns a share as percent, in two digits.
fn ratio(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = usize::from(percent < 9.95);
    format!("{percent:.decimals$} %")
}

fn rate(per_second: f64) -> String {
    let decimals = match per_second {
        9.95.. => 0,
        0.095.. => 1,
        _ => 3,
    };
    let text = format!("{per_second:.decimals$}");
    let text = if decimals > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} requests/s")
}

/// Rounds a length of time up to what matters of it.
fn rounded(duration: Duration) -> Duration {
    let unit = match duration.as_secs() {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    Duration::from_secs(duration.as_secs().div_ceil(unit) * unit)
}

/// Returns a count in two digits.
fn two_digits(count: f64) -> u64 {
    let digits = count.max(1.0).log10().floor() as i32;
    let unit = 10_f64.powi((digits - 1).max(0));
    ((count / unit).ceil() * unit) as u64
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use leadsman_analysis::Histogram;
    use leadsman_core::spec::{BaselineKind, Sizing};

    use super::*;

    /// Three hours of a log-normal service around 80 ms, of which one answer in a thousand fails.
    fn lately(per_second: f64) -> engine::Traffic {
        let seconds = 10_800.0;
        let requests = (per_second * seconds) as u64;
        let mut latency = Histogram::default();
        for request in 0..requests {
            // The logistic curve is near enough to the normal one, and has an inverse.
            let share = (request as f64 + 0.5) / requests as f64;
            let normal = (share / (1.0 - share)).ln() / 1.702;
            latency.record(Duration::from_secs_f64(0.08 * (0.6 * normal).exp()));
        }
        engine::Traffic {
            seconds,
            figures: Figures {
                requests,
                errors: requests / 1_000,
                latency,
                over: None,
            },
        }
    }

    fn strategy(soak: Duration, patience: Duration) -> Strategy {
        let steps = [5, 25, 50].map(|percent| Step {
            weight: Weight::percent(percent),
            soak: Some(soak),
        });
        Strategy {
            steps: steps.into(),
            sizing: Sizing::Proportional,
            keep_warm: Duration::ZERO,
            patience,
            on_inconclusive: OnInconclusive::Hold,
            baseline: BaselineKind::Stable,
        }
    }

    fn said(per_second: f64, soak: u64, patience: u64) -> String {
        let (strategy, traffic) = (
            strategy(minutes(soak), minutes(patience)),
            lately(per_second),
        );
        let planned = Planned {
            name: "web",
            limits: &Limits::default(),
            strategy: &strategy,
            traffic: &traffic,
        };
        let rise = |rise: Option<PlannedRise>, digits: usize| {
            let PlannedRise { from, to } = rise.expect("it is judged");
            let to = to.map_or_else(|| "nothing".to_owned(), |to| format!("{to:.digits$}"));
            format!("{from:.digits$} to {to}")
        };
        let mut said = String::new();
        for sight in (0..3).filter_map(|index| planned.step(index)) {
            let (errors, p95) = (rise(sight.errors, 4), rise(sight.p95_ms, 0));
            let passes = sight.passes_after_ms.map(|after| after / 1_000);
            said += &format!(
                "{} see errors {errors}, p95 {p95}, pass in {passes:?} s\n",
                sight.requests
            );
        }
        said + &planned.warnings().join("\n") + "\n"
    }

    #[track_caller]
    fn says((per_second, soak, patience): (f64, u64, u64), expected: &Expect) {
        expected.assert_eq(&said(per_second, soak, patience));
    }

    #[test]
    fn much_traffic_needs_no_warning() {
        says(
            (100.0, 10, 60),
            &expect![[r#"
            3000 see errors 0.0010 to 0.0208, p95 227 to 312, pass in Some(540) s
            15000 see errors 0.0010 to 0.0156, p95 227 to 298, pass in Some(136) s
            30000 see errors 0.0010 to 0.0145, p95 227 to 298, pass in Some(102) s

        "#]],
        );
    }

    #[test]
    fn little_traffic_is_told_what_would_do() {
        says(
            (0.4, 30, 60),
            &expect![[r#"
                36 see errors 0.0009 to 0.2015, p95 227 to 604, pass in Some(121856) s
                180 see errors 0.0009 to 0.0821, p95 227 to 459, pass in Some(30976) s
                360 see errors 0.0009 to 0.0711, p95 227 to 590, pass in Some(75264) s
                `web`: 5 % for 30m at 0.4 requests/s shows a rise of errors to 20 % at best; 8h would show one to 3.7 %
                `web`: even a good release takes 1d10h to pass at 5 % and 0.4 requests/s: after 1h30m a person will be asked
            "#]],
        );
        says(
            (2.0, 10, 30),
            &expect![[r#"
                60 see errors 0.0010 to 0.1390, p95 227 to 527, pass in Some(26112) s
                300 see errors 0.0010 to 0.0597, p95 227 to 419, pass in Some(6528) s
                600 see errors 0.0010 to 0.0487, p95 227 to 410, pass in Some(4832) s
                `web`: 5 % for 10m at 2 requests/s shows a rise of errors to 14 % at best; 50 % would show one to 4.1 %, and 1h would show one to 4.7 %
                `web`: even a good release takes 7h16m to pass at 5 % and 2 requests/s: after 40m a person will be asked
            "#]],
        );
    }

    #[test]
    fn next_to_no_traffic_is_told_so() {
        says(
            (0.01, 10, 60),
            &expect![[r#"
                0 see errors 0.0000 to nothing, p95 227 to nothing, pass in None s
                2 see errors 0.0000 to nothing, p95 227 to nothing, pass in None s
                3 see errors 0.0000 to nothing, p95 227 to nothing, pass in None s
                `web`: 5 % for 10m at 0.01 requests/s shows no rise of errors at all; there is too little traffic for any step to see more within a day
                `web`: even a good release never passes at 5 % and 0.01 requests/s: after 1h10m a person will be asked
            "#]],
        );
    }

    #[test]
    fn without_traffic_it_says_what_it_would_take() {
        says(
            (0.0, 10, 60),
            &expect![[r#"
            no traffic is known of `web`: what its steps will see cannot be said. If 1 of 1000 requests fails now, it takes about 860 answers of the new revision to pass: 18000 requests at 5 %
        "#]],
        );
    }
}
