//! Gates: conditions on facts that a release must keep to go on.
//!
//! A gate is open, closed, or unknown where it cannot be evaluated; what is unknown does not let
//! pass. Each outcome has one sentence with its numbers.

mod findings;
mod jobs;
mod licences;
mod load;
mod measured;
mod numbers;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::facts::{Facts, bounded};

pub use findings::{Exception, FindingsGate};
pub use licences::LicencesGate;
pub use load::LoadGate;
pub use measured::{CoverageGate, TestsGate};
pub use numbers::NumberGate;

/// How long facts count where nothing is said.
const EXPIRE: u32 = 30;

/// The gates of one environment. What is not asked for is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gates {
    /// What becomes of tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestsGate>,
    /// How much of the code the tests run through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CoverageGate>,
    /// What scanners may find.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingsGate>,
    /// Under which licences the release's components may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licences: Option<LicencesGate>,
    /// What a load test must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadGate>,
    /// The jobs that must have tried the release where it serves, and passed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub jobs: BTreeSet<String>,
    /// Bounds of numbers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, NumberGate>,
    /// Rules, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, String>,
    /// For how many days facts count.
    pub expire: u32,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            tests: None,
            coverage: None,
            findings: None,
            licences: None,
            load: None,
            jobs: BTreeSet::new(),
            numbers: BTreeMap::new(),
            rules: BTreeMap::new(),
            expire: EXPIRE,
        }
    }
}

impl Gates {
    /// Says whether there is no gate at all.
    pub fn is_empty(&self) -> bool {
        let Self {
            tests,
            coverage,
            findings,
            licences,
            load,
            jobs,
            numbers,
            rules,
            expire: _,
        } = self;
        tests.is_none()
            && coverage.is_none()
            && findings.is_none()
            && licences.is_none()
            && load.is_none()
            && jobs.is_empty()
            && numbers.is_empty()
            && rules.is_empty()
    }
}

/// What a rule may know of the release itself. What is not known is empty, or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The number of the release.
    pub number: u64,
    /// The environment that it is to enter.
    pub environment: String,
    /// The digest of what it is.
    pub digest: String,
    /// The commit that it is made of.
    pub commit: String,
    /// The branch of the commit.
    pub branch: String,
    /// The tag of the commit.
    pub tag: String,
}

/// What gates are evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e> {
    /// What the reports on the release say.
    pub facts: &'e Facts,
    /// The day on which the oldest of them was made; `None` if they are of today.
    pub collected: Option<Day>,
    /// The same of the release that was promoted last in the environment; `None` if none was.
    pub promoted: Option<&'e Facts>,
    /// What the release is.
    pub about: &'e About,
    /// The day that it is.
    pub today: Day,
}

/// What came of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It lets pass.
    Open,
    /// What it asks for does not hold.
    Closed,
    /// It could not be evaluated. It does not let pass.
    Unknown,
}

impl Outcome {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }
}

/// What came of one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// Its name, such as `coverage` or `numbers.bundle_kb`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, with its numbers, in one sentence without a full stop.
    #[serde(default)]
    pub sentence: String,
    /// The first day on which it has to be evaluated anew; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl GateResult {
    fn of(name: &str, outcome: Outcome, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            sentence: format!("{why}: {}", outcome.as_str()),
            expires: None,
        }
    }

    fn open_if(name: &str, holds: bool, why: &str) -> Self {
        let outcome = if holds {
            Outcome::Open
        } else {
            Outcome::Closed
        };
        Self::of(name, outcome, why)
    }

    /// What cannot be evaluated: `why`, and what would open it.
    fn unknown(name: &str, why: &str, way_out: &str) -> Self {
        Self::of(name, Outcome::Unknown, &format!("{why}; {way_out}"))
    }

    /// A gate whose facts no report has.
    fn missing(name: &str, what: &str, kinds: &str) -> Self {
        let way_out = format!("a job has to give {kinds} under `reports`");
        Self::unknown(name, &format!("no report speaks of {what}"), &way_out)
    }
}

/// Evaluates gates, in an order that never changes. The caller binds the results to the release's
/// digest.
pub fn evaluate(gates: &Gates, evidence: &Evidence<'_>) -> Vec<GateResult> {
    let facts = evidence.facts;
    let mut results = Vec::new();
    results.extend(gates.tests.iter().map(|gate| gate.evaluate(facts)));
    if let Some(gate) = &gates.coverage {
        results.extend(gate.evaluate(facts));
    }
    let today = evidence.today;
    results.extend(
        gates
            .findings
            .iter()
            .map(|gate| gate.evaluate(facts, today)),
    );
    results.extend(
        gates
            .licences
            .iter()
            .map(|gate| gate.evaluate(facts, today)),
    );
    results.extend(gates.load.iter().map(|gate| gate.evaluate(facts)));
    results.extend(gates.jobs.iter().map(|name| jobs::evaluate(name, facts)));
    for (name, gate) in &gates.numbers {
        results.push(gate.evaluate(name, facts, evidence.promoted));
    }
    results.extend(rules::evaluate(&gates.rules, evidence));
    if let Some(collected) = evidence.collected {
        let ends = collected.plus(gates.expire).plus(1);
        for result in &mut results {
            if today >= ends {
                let why = format!(
                    "the facts are of {collected}, and count for {} days",
                    gates.expire
                );
                *result = GateResult::unknown(&result.name, &why, "run the pipeline again");
            } else {
                result.expires = Some(result.expires.map_or(ends, |day| day.min(ends)));
            }
        }
    }
    results
}

/// Says whether every gate is open.
pub fn all_open(results: &[GateResult]) -> bool {
    results.iter().all(|result| result.outcome == Outcome::Open)
}

/// Returns the name of something that a person or a report chose, fit for a sentence.
fn quoted(name: &str) -> String {
    format!("`{}`", bounded(name, 100))
}
