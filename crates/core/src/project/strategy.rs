//! From what is said about a strategy to the steps that are taken.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{NOTHING_BESIDE, UNKNOWN_NAME};
use super::model::{
    BUILT_IN, BlueGreen, Canary, Choice, File, Rolling, Step as StepKeys, Strategy as Keys,
};
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader, Setting};
use super::shape::{List, Short};
use super::suggest;
use super::values::Time;
use super::yaml::Node;
use crate::spec::{BaselineKind, OnInconclusive, Sizing, Step, Strategy};
use crate::weight::Weight;

const SOAK: Duration = Duration::from_secs(600);
const KEEP_WARM: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(3600);
/// The last soak leaves a tenth of the requests to the old revision: with nothing beside it, nothing
/// can be compared, and a tenth shows a regression several times sooner than a twentieth.
const CANARY: [u16; 4] = [5, 25, 50, 90];

/// What all layers say about one strategy, the lowest first.
#[derive(Clone, Debug)]
pub(super) struct StrategyForm(Vec<Choice>);

impl Read for StrategyForm {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        Choice::read(node, reader).map(|choice| Self(vec![choice]))
    }
}

/// Names are not known before the whole file is read, so that the layers are kept apart.
impl Merge for StrategyForm {
    fn under(mut self, mut upper: Self) -> Self {
        self.0.append(&mut upper.0);
        self
    }
}

impl JsonSchema for StrategyForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StrategyForm".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "title": "name", "type": "string" }, generator.subschema_for::<Keys>()],
        })
    }
}

/// Returns the strategy of a service with so many instances that is described `at` some place, or
/// notes what is wrong with it.
pub(super) fn resolve(
    form: &Setting<StrategyForm>,
    instances: u16,
    at: Span,
    file: &File,
    reader: &mut Reader,
) -> Option<Strategy> {
    let mut keys = Keys::default();
    for choice in form.get().into_iter().flat_map(|form| &form.0) {
        keys = match choice {
            Choice::Named(name) => named(&name.value, file).or_else(|| {
                let known = file.strategies.get().into_iter().flat_map(|map| map.keys());
                let known: Vec<_> = BUILT_IN.into_iter().chain(known).collect();
                let message = format!("there is no strategy {}", quoted(&name.value));
                let hint = suggest::hint(&name.value, known.iter().copied());
                reader.note(&UNKNOWN_NAME, name.at, message, hint);
                None
            })?,
            // Another kind is another strategy; the same kind, or none, changes single keys.
            Choice::Inline(upper) if is_another_kind(&keys, upper) => (**upper).clone(),
            Choice::Inline(upper) => keys.under((**upper).clone()),
        };
    }
    let strategy = filled_in(&keys, instances);
    warn_of_nothing_beside(&strategy, last_weight(&keys).unwrap_or(at), reader);
    Some(strategy)
}

/// Notes it if all requests are held on the new revision: there is nothing left to compare it with.
fn warn_of_nothing_beside(strategy: &Strategy, at: Span, reader: &mut Reader) {
    let held = |step: &Step| step.weight == Weight::ALL && step.soak.is_some();
    if strategy.steps.last().is_some_and(held) {
        let message =
            "all requests are held on the new revision, with nothing beside it to compare";
        let hint =
            "hold at `90%` instead; the step to `100%` follows, watched while `keep_warm` lasts";
        reader.note(&NOTHING_BESIDE, at, message, hint);
    }
}

/// Returns where the weight of the last step is written.
fn last_weight(keys: &Keys) -> Option<Span> {
    let steps = match keys.blue_green.get() {
        Some(blue_green) => &blue_green.steps,
        None => &keys.canary.get()?.steps,
    };
    let Short(step) = steps.get()?.items.last()?;
    step.weight.get().map(|weight| weight.0.at)
}

fn named(name: &str, file: &File) -> Option<Keys> {
    let mut keys = Keys::default();
    match name {
        "canary" => keys.canary = Setting::Given(Canary::default()),
        "blue-green" => keys.blue_green = Setting::Given(BlueGreen::default()),
        "rolling" => keys.rolling = Setting::Given(Rolling::default()),
        name => {
            return file
                .strategies
                .get()?
                .get(name)
                .map(|s| s.get().cloned().unwrap_or_default());
        }
    }
    Some(keys)
}

fn is_another_kind(lower: &Keys, upper: &Keys) -> bool {
    let kind = |keys: &Keys| {
        if keys.blue_green.is_present() {
            Sizing::Full
        } else if keys.rolling.is_present() {
            Sizing::InTurn
        } else {
            Sizing::Proportional
        }
    };
    let says =
        upper.canary.is_present() || upper.blue_green.is_present() || upper.rolling.is_present();
    says && kind(lower) != kind(upper)
}

fn filled_in(keys: &Keys, instances: u16) -> Strategy {
    let stable = BaselineKind::Stable;
    let (sizing, steps, keep_warm, baseline) = if keys.rolling.is_present() {
        let soak = keys.rolling.get().and_then(|rolling| soak(&rolling.soak));
        (
            Sizing::InTurn,
            in_turn(instances, soak),
            Duration::ZERO,
            stable,
        )
    } else if keys.blue_green.is_present() {
        let BlueGreen { steps, soak: held } = keys.blue_green.get().cloned().unwrap_or_default();
        let steps = match steps.get() {
            None => vec![Step {
                weight: Weight::ALL,
                soak: soak(&held),
            }],
            Some(steps) => listed(steps, default_soak(&held)),
        };
        (Sizing::Full, steps, KEEP_WARM, stable)
    } else {
        let Canary {
            steps,
            soak: held,
            baseline,
        } = keys.canary.get().cloned().unwrap_or_default();
        let baseline = baseline.get().map_or(stable, |word| word.0);
        let held = default_soak(&held);
        let steps = match steps.get() {
            Some(steps) => listed(steps, held),
            None => with_all(
                CANARY
                    .map(|percent| Step {
                        weight: Weight::percent(percent),
                        soak: held,
                    })
                    .into(),
            ),
        };
        (Sizing::Proportional, steps, KEEP_WARM, baseline)
    };
    Strategy {
        steps,
        sizing,
        keep_warm: keys.keep_warm.get().map_or(keep_warm, |time| time.0),
        patience: keys.patience.get().map_or(PATIENCE, |time| time.0),
        on_inconclusive: keys
            .on_inconclusive
            .get()
            .map_or(OnInconclusive::Hold, |word| word.0),
        baseline,
    }
}

fn soak<const MIN: u64, const MAX: u64>(setting: &Setting<Time<MIN, MAX>>) -> Option<Duration> {
    setting.get().map(|time| time.0)
}

/// Returns the soak of steps that name none: `null` is none on purpose, nothing is the default.
fn default_soak<const MIN: u64, const MAX: u64>(
    setting: &Setting<Time<MIN, MAX>>,
) -> Option<Duration> {
    match setting {
        Setting::Absent | Setting::Broken => Some(SOAK),
        Setting::Removed => None,
        Setting::Given(time) => Some(time.0),
    }
}

fn in_turn(instances: u16, soak: Option<Duration>) -> Vec<Step> {
    (1..=instances)
        .map(|moved| Step {
            weight: Weight::of(moved, instances),
            soak: soak.filter(|_| moved < instances),
        })
        .collect()
}

fn listed(steps: &List<Short<StepKeys>, 100>, held: Option<Duration>) -> Vec<Step> {
    let step = |step: &StepKeys| {
        let weight = step.weight.get()?.0.value;
        let soak = match &step.soak {
            Setting::Absent | Setting::Broken => held,
            Setting::Removed => None,
            Setting::Given(time) => Some(time.0),
        };
        Some(Step { weight, soak })
    };
    with_all(
        steps
            .items
            .iter()
            .filter_map(|Short(keys)| step(keys))
            .collect(),
    )
}

/// Adds the step to all requests where it is not listed; it is not held.
fn with_all(mut steps: Vec<Step>) -> Vec<Step> {
    if steps.last().is_none_or(|step| step.weight != Weight::ALL) {
        steps.push(Step {
            weight: Weight::ALL,
            soak: None,
        });
    }
    steps
}
