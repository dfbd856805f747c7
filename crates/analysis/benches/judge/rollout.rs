//! One rollout: the same requests for every rule, until each has rolled back or all is over.

use leadsman_analysis::Split;
use rand::rngs::SmallRng;

use super::rules::{Call, Rule, Second};
use super::scenario::{Moment, Scenario, Truth};
use super::traffic::{Counted, Shapes, Twin, Weather, arrive};

/// Seconds of traffic before the rollout.
const HISTORY: i32 = 600;

/// Seconds of each step.
pub(crate) const SOAK: u32 = 1800;

/// How many steps there are.
pub(crate) const STEPS: usize = 4;

/// The share of all requests that one instance of stable answers: as many as the canary gets in
/// its first step.
const INSTANCE: f64 = 0.05;

/// How a rollout proceeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Requests per second, both arms together.
    pub(crate) rate: f64,
    /// The canary's share in each step.
    pub(crate) steps: [f64; STEPS],
}

/// How a rollout went under one rule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// When it was rolled back, in seconds since the canary's first request.
    pub(crate) rolled_back: Option<u32>,
    /// How many bad answers the canary gave that stable would not have given.
    pub(crate) bad: f64,
    /// Requests on the canary since it became bad.
    pub(crate) requests: u64,
    /// When each step was passed for the first time, in seconds since it began.
    pub(crate) passed: [Option<u32>; STEPS],
}

/// Plays a rollout with fresh `rules`.
pub(crate) fn play(
    scenario: &Scenario,
    plan: &Plan,
    rules: &mut [Box<dyn Rule>],
    shapes: &mut Shapes,
    rng: &mut SmallRng,
) -> Vec<Ending> {
    let mut weather = Weather::new(scenario.bursts);
    let mut arms = Arms::default();
    for at in -HISTORY..0 {
        weather.turn(at, rng);
        let moment = (scenario.at)(f64::from(at));
        let all = Split {
            canary: 0.0,
            baseline: 1.0,
        };
        arms.draw(&moment, plan.rate, all, weather.factors, shapes, rng);
        for rule in &mut *rules {
            rule.remember(&arms.baseline, &arms.reference);
        }
    }

    let onset = match scenario.truth {
        Truth::Good => u32::MAX,
        Truth::Bad { onset } => onset,
    };
    let mut endings = vec![Ending::default(); rules.len()];
    let mut twin = Twin::default();
    for end in 1..=SOAK * STEPS as u32 {
        if endings.iter().all(|ending| ending.rolled_back.is_some()) {
            break;
        }
        let began = end - 1;
        let step = (began / SOAK) as usize;
        let split = Split {
            canary: plan.steps[step],
            baseline: 1.0 - plan.steps[step],
        };
        weather.turn(began as i32, rng);
        let moment = (scenario.at)(f64::from(began));
        arms.draw(&moment, plan.rate, split, weather.factors, shapes, rng);
        let beside = plan.rate * moment.traffic * split.canary;
        let failing = (moment.baseline.errors * weather.factors[2]).min(1.0);
        twin.expect(beside, failing, &shapes.of(&moment.baseline));
        let minute = (end % 60 == 0).then(|| twin.draw(rng));

        let second = Second {
            end,
            split,
            ends_step: end % SOAK == 0,
            canary: &arms.canary,
            baseline: &arms.baseline,
            reference: &arms.reference,
            twin: minute.as_ref(),
        };
        let excess = if began >= onset {
            excess(&moment, shapes)
        } else {
            0.0
        };
        for (rule, ending) in rules.iter_mut().zip(&mut endings) {
            if ending.rolled_back.is_some() {
                continue;
            }
            ending.bad += excess * arms.canary.requests as f64;
            if began >= onset {
                ending.requests += arms.canary.requests;
            }
            match rule.observe(&second) {
                Call::GoOn => {}
                Call::Pass => {
                    let passed = &mut ending.passed[step];
                    *passed = passed.or(Some(end - step as u32 * SOAK));
                }
                Call::RollBack => ending.rolled_back = Some(end),
            }
        }
    }
    endings
}

/// Returns the share of the canary's answers that are bad and would not be on stable: errors, and
/// answers slower than 1.2 times stable's usual 95th percentile.
pub(crate) fn excess(moment: &Moment, shapes: &mut Shapes) -> f64 {
    let errors = moment.canary.errors - moment.baseline.errors;
    let slow = shapes.of(&moment.canary).slow - shapes.of(&moment.baseline).slow;
    errors.max(0.0) + slow.max(0.0)
}

/// What each arm counted in the current second.
#[derive(Default)]
struct Arms {
    canary: Counted,
    baseline: Counted,
    reference: Counted,
}

impl Arms {
    fn draw(
        &mut self,
        moment: &Moment,
        rate: f64,
        split: Split,
        [on_canary, on_baseline, _]: [f64; 3],
        shapes: &mut Shapes,
        rng: &mut SmallRng,
    ) {
        let requests = rate * moment.traffic;
        self.canary.clear();
        let errors = (moment.canary.errors * on_canary).min(1.0);
        let shape = shapes.of(&moment.canary);
        arrive(
            &mut self.canary,
            requests * split.canary,
            errors,
            &shape,
            rng,
        );

        // One instance of the baseline, then the others.
        self.reference.clear();
        self.baseline.clear();
        let errors = (moment.baseline.errors * on_baseline).min(1.0);
        let shape = shapes.of(&moment.baseline);
        let instance = INSTANCE.min(split.baseline);
        arrive(
            &mut self.reference,
            requests * instance,
            errors,
            &shape,
            rng,
        );
        self.baseline.add(&self.reference);
        let others = split.baseline - instance;
        arrive(&mut self.baseline, requests * others, errors, &shape, rng);
    }
}
