//! What a release must keep before it may enter: the keys, and what they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leadsman_gates::{self as gates, Severity};
use schemars::{Schema, json_schema};

use super::codes::{CONTRADICTION, MISSING_KEY};
use super::gate_values::{CoverageForm, DayText, FactKey, Line, Pass, RuleText};
use super::keys::keys;
use super::metric_values::Amount;
use super::problem::Span;
use super::read::{Located, Read as _, Reader, Setting};
use super::shape::{List, Map, Short, ShortForm, short_form};
use super::traffic_values::PerTime;
use super::values::{Name, NameKey, Share, Time, Whole, Word};
use super::yaml::Node;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

keys! {
    /// What a release must keep before it may enter: conditions on what reports say of it. An
    /// environment adds to what the top level asks, or changes it key by key; `null` takes one out.
    struct Gates("`gates`") {
        /// What becomes of tests. In short: `pass`: none fails, and at least one runs.
        tests: Short<TestsGate>,
        /// How many of the lines tests must run through, such as `85%`; or of the lines of single
        /// groups or jobs, such as `{ backend: 85%, frontend: 80% }`.
        coverage: CoverageForm,
        /// What scanners may find. In short: the least severity that is not let pass, such as
        /// `high`.
        findings: Short<FindingsGate>,
        /// Under which licences the components of the release may be.
        licences: LicencesGate,
        /// What a load test must show.
        load: LoadGate,
        /// The jobs of the pipeline that must have tried the release where it serves, and passed;
        /// left out, all that begin `after` the environment that this one comes `after`.
        jobs: List<Name, 200>,
        /// Bounds of numbers in reports, by name. In short: the largest.
        numbers: Map<FactKey, Short<NumberGate>, 50>,
        /// Conditions of any kind, by names of your choice: expressions in a part of CEL that must
        /// be true, such as `"tests.skipped <= promoted.tests.skipped"`.
        rules: Map<NameKey, RuleText, 50>,
        /// For how many days what reports say counts.
        #[schemars(extend("default" = "30d"))]
        expire: Time<DAY, { 3650 * DAY }>,
    }
    empty: Taken;
}

keys! {
    /// What becomes of tests: none may fail or come to no end, and at least one must run.
    struct TestsGate("`tests`") {
        /// How many must pass at least.
        #[schemars(extend("default" = 1))]
        at_least: Whole<1, 1_000_000_000>,
        /// How many may be left out at most; left out, any number.
        skipped: Whole<0, 1_000_000_000>,
        /// How many may pass only when they are run again; left out, any number.
        flaky: Whole<0, 1_000_000_000>,
    }
}

impl ShortForm for TestsGate {
    fn read_short(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Word(Pass) = Word::read(node, reader)?;
        Some(Self::default())
    }

    fn short_schema() -> Schema {
        json_schema!({ "enum": ["pass"] })
    }
}

keys! {
    /// What scanners may find.
    struct FindingsGate("`findings`") {
        /// The least severity that is not let pass: `critical`, `high`, `medium`, `low`, or `any`,
        /// which includes what nobody has rated yet.
        #[schemars(extend("default" = "high"))]
        block: Word<Severity>,
        /// What is let pass all the same, until a day.
        #[schemars(extend("default" = []))]
        exceptions: List<Exception, 200>,
    }
}

short_form!(
    FindingsGate { block },
    json_schema!({ "enum": ["critical", "high", "medium", "low", "any"] })
);

keys! {
    /// What is let pass although a gate would close. It is named in the gate's sentence; after its
    /// last day it counts no more.
    #[schemars(extend("required" = ["id", "until", "reason"]))]
    struct Exception("an exception") {
        /// What is let pass: the name of a weakness, such as `CVE-2026-1234`, or of a rule; among
        /// `licences` the name of a component, with or without its version.
        id: Line,
        /// The last day on which it counts, in UTC.
        until: DayText,
        /// Why, for those who read the gate's sentence.
        reason: Line,
    }
    check: check_exception;
}

keys! {
    /// Under which licences the components of a release may be: SPDX identifiers, or names as the
    /// report has them. Of `A OR B` one is enough, of `A AND B` both are needed.
    struct LicencesGate("`licences`") {
        /// Those that are let pass; left out, every one that is not denied. A component that states
        /// none is let pass only where this is left out.
        allow: List<Line, 500>,
        /// Those that are not let pass.
        deny: List<Line, 500>,
        /// Components that are let pass all the same, until a day.
        #[schemars(extend("default" = []))]
        exceptions: List<Exception, 200>,
    }
    check: check_licences;
}

keys! {
    /// What a load test must show. Of several results the worst counts.
    struct LoadGate("`load`") {
        /// The longest median of latency.
        p50: Time<1, HOUR>,
        /// The longest 90th percentile of latency.
        p90: Time<1, HOUR>,
        /// The longest 95th percentile of latency.
        p95: Time<1, HOUR>,
        /// The longest 99th percentile of latency.
        p99: Time<1, HOUR>,
        /// The longest latency of all.
        max: Time<1, HOUR>,
        /// The largest share of requests that fail.
        errors: Share<100>,
        /// How many requests there must be in a second, such as `150/s`.
        rate: PerTime,
    }
}

keys! {
    /// The bounds of one number. In short: the largest.
    struct NumberGate("a number") {
        /// The largest it may be.
        at_most: Amount,
        /// The smallest it may be.
        at_least: Amount,
        /// By how much it may be larger than that of the release that was promoted last here.
        growth: Share<100_000>,
        /// By how much it may be smaller than that of the release that was promoted last here.
        shrink: Share<100>,
    }
    check: check_number;
}

short_form!(
    NumberGate { at_most },
    json_schema!({ "title": "number, share or size", "type": ["number", "string"] })
);

fn check_exception(exception: &Exception, at: Span, reader: &mut Reader) {
    let has = [
        ("id", exception.id.is_missing(), "id: CVE-2026-1234"),
        ("until", exception.until.is_missing(), "until: 2026-12-31"),
        (
            "reason",
            exception.reason.is_missing(),
            "reason: the code is never reached",
        ),
    ];
    for (key, is_missing, example) in has {
        if is_missing {
            let message = format!("the exception has no `{key}`");
            reader.note(
                &MISSING_KEY,
                at,
                message,
                format!("add it, such as `{example}`"),
            );
        }
    }
}

fn check_licences(licences: &LicencesGate, at: Span, reader: &mut Reader) {
    let none = licences.allow.is_missing() && licences.deny.is_missing();
    if none && licences.exceptions.is_missing() {
        let hint = "add `allow` or `deny`, such as `allow: [MIT, Apache-2.0]`";
        reader.note(&MISSING_KEY, at, "`licences` asks for nothing", hint);
    }
}

fn check_number(number: &NumberGate, at: Span, reader: &mut Reader) {
    let relative = number.growth.is_missing() && number.shrink.is_missing();
    if relative && number.at_most.is_missing() && number.at_least.is_missing() {
        let hint = "add a bound, such as `at_most: 250` or `growth: 5%`";
        reader.note(&MISSING_KEY, at, "nothing is asked of this number", hint);
    }
    if let (Some(most), Some(least)) = (number.at_most.get(), number.at_least.get())
        && most.0 < least.0
    {
        let message = format!("no number is at least {} and at most {}", least.0, most.0);
        let hint = "exchange the two, or take one out";
        reader.note(&CONTRADICTION, at, message, hint);
    }
}

/// Returns what the keys of all layers come to, or notes what is wrong with it.
pub(super) fn resolve(setting: &Setting<Gates>, reader: &mut Reader) -> gates::Gates {
    let keys = setting.get().cloned().unwrap_or_default();
    let number = |(name, keys): &(Located<String>, Setting<Short<NumberGate>>)| {
        let Short(keys) = keys.get()?;
        Some((name.value.clone(), resolved_number(keys)))
    };
    let rule = |(name, text): &(Located<String>, Setting<RuleText>)| {
        Some((name.value.clone(), text.get()?.0.clone()))
    };
    let numbers = keys.numbers.get().into_iter().flat_map(|map| &map.entries);
    let rules = keys.rules.get().into_iter().flat_map(|map| &map.entries);
    let default = gates::Gates::default();
    let days = |time: &Time<DAY, { 3650 * DAY }>| {
        u32::try_from(time.0.as_secs() / (DAY / 1000)).unwrap_or(u32::MAX)
    };
    gates::Gates {
        tests: keys.tests.get().map(|Short(tests)| tests_gate(tests)),
        coverage: keys.coverage.get().and_then(coverage),
        findings: keys.findings.get().map(|Short(keys)| gates::FindingsGate {
            from: keys.block.get().map_or(Severity::High, |word| word.0),
            exceptions: exceptions(&keys.exceptions),
        }),
        licences: keys.licences.get().and_then(|keys| licences(keys, reader)),
        load: keys.load.get().and_then(load),
        // Which there are is known once the pipeline is read.
        jobs: BTreeSet::new(),
        numbers: numbers.filter_map(number).collect(),
        rules: rules.filter_map(rule).collect(),
        expire: keys.expire.get().map_or(default.expire, days),
    }
}

fn tests_gate(keys: &TestsGate) -> gates::TestsGate {
    gates::TestsGate {
        at_least: keys.at_least.get().map_or(1, |number| number.0),
        skipped: keys.skipped.get().map(|number| number.0),
        flaky: keys.flaky.get().map(|number| number.0),
    }
}

fn coverage(form: &CoverageForm) -> Option<gates::CoverageGate> {
    let gate = match form {
        CoverageForm::All(share) => gates::CoverageGate {
            all: Some(*share),
            groups: BTreeMap::new(),
        },
        CoverageForm::Groups(map) => {
            let groups = map.entries.iter();
            let groups =
                groups.filter_map(|(name, share)| Some((name.value.clone(), share.get()?.0)));
            gates::CoverageGate {
                all: None,
                groups: groups.collect(),
            }
        }
    };
    (gate.all.is_some() || !gate.groups.is_empty()).then_some(gate)
}

fn exceptions(setting: &Setting<List<Exception, 200>>) -> Vec<gates::Exception> {
    let list = setting.get().into_iter().flat_map(|list| &list.items);
    list.filter_map(|keys| {
        Some(gates::Exception {
            id: keys.id.get()?.0.clone(),
            until: keys.until.get()?.0,
            reason: keys.reason.get()?.0.clone(),
        })
    })
    .collect()
}

fn licences(keys: &LicencesGate, reader: &mut Reader) -> Option<gates::LicencesGate> {
    let names = |setting: &Setting<List<Line, 500>>| {
        let list = setting.get().into_iter().flat_map(|list| &list.items);
        list.map(|line| line.0.clone()).collect::<Vec<_>>()
    };
    let gate = gates::LicencesGate {
        allow: names(&keys.allow),
        deny: names(&keys.deny),
        exceptions: exceptions(&keys.exceptions),
    };
    if gate.allow.is_empty() && gate.deny.is_empty() {
        // An empty list would let everything pass, which is the opposite of what it looks like.
        let lists = [&keys.allow, &keys.deny]
            .into_iter()
            .filter_map(|list| list.get());
        let places = lists
            .map(|list| list.at)
            .chain(keys.exceptions.get().map(|list| list.at));
        if let Some(at) = places.into_iter().next() {
            let hint = "name the licences under `allow` or `deny`, or take `licences` out";
            reader.note(&MISSING_KEY, at, "`licences` lets everything pass", hint);
        }
        return None;
    }
    Some(gate)
}

fn load(keys: &LoadGate) -> Option<gates::LoadGate> {
    let time = |setting: &Setting<Time<1, HOUR>>| setting.get().map(|time| millis(time.0));
    let rate = keys.rate.get();
    let gate = gates::LoadGate {
        p50: time(&keys.p50),
        p90: time(&keys.p90),
        p95: time(&keys.p95),
        p99: time(&keys.p99),
        max: time(&keys.max),
        errors: keys.errors.get().map(|share| share.0),
        rate: rate.map(|rate| f64::from(rate.count) / rate.per.as_secs_f64()),
    };
    (gate != gates::LoadGate::default()).then_some(gate)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn resolved_number(keys: &NumberGate) -> gates::NumberGate {
    let amount = |setting: &Setting<Amount>| setting.get().map(|amount| amount.0);
    gates::NumberGate {
        at_most: amount(&keys.at_most),
        at_least: amount(&keys.at_least),
        growth: keys.growth.get().map(|share| share.0),
        shrink: keys.shrink.get().map(|share| share.0),
    }
}
