//! Gates on tests and their coverage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GateResult, quoted};
use crate::facts::{Coverage, Facts, Tests};
use crate::words::{count, counted, percent, percent_down, some_of};

/// What must become of tests: none may fail, and at least one must run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestsGate {
    /// How many must run at least; 0 is as good as 1.
    pub at_least: u64,
    /// How many may be left out at most; `None` is any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// How many may pass only when they are run again; `None` is any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaky: Option<u64>,
}

impl TestsGate {
    pub(super) fn evaluate(&self, facts: &Facts) -> GateResult {
        let name = "tests";
        let Some(tests) = facts.tests() else {
            return GateResult::missing(name, "tests", "`junit`");
        };
        let ran = tests.ran();
        if ran == 0 {
            let why = "no test ran";
            return GateResult::unknown(name, why, "see why the job found none to run");
        }
        let bad = tests.failed.saturating_add(tests.errors);
        if bad > 0 {
            let why = format!(
                "{} of {} failed{}",
                count(bad),
                counted(ran, "test"),
                named(&tests)
            );
            return GateResult::open_if(name, false, &why);
        }
        let least = self.at_least.max(1);
        let bounds = [
            (self.skipped, tests.skipped, "left out"),
            (self.flaky, tests.flaky, "passed only when run again"),
        ];
        for (most, found, what) in bounds {
            if let Some(most) = most.filter(|most| found > *most) {
                let found = counted(found, "test");
                let why = format!("{found} {what}, {} at most", count(most));
                return GateResult::open_if(name, false, &why);
            }
        }
        let mut why = format!("{} passed", counted(ran, "test"));
        if tests.passed < least {
            why.push_str(&format!(", {} at least", count(least)));
            return GateResult::open_if(name, false, &why);
        }
        if tests.flaky > 0 {
            why.push_str(&format!(
                ", {} of them only when run again",
                count(tests.flaky)
            ));
        }
        if tests.skipped > 0 {
            why.push_str(&format!(", {} left out", count(tests.skipped)));
        }
        GateResult::open_if(name, true, &why)
    }
}

fn named(tests: &Tests) -> String {
    let names: Vec<String> = tests.failures.iter().map(|f| quoted(&f.name)).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(": {}", some_of(names, 3)),
    }
}

/// How much of the code the tests must run through. Shares are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoverageGate {
    /// Of all lines together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<f64>,
    /// Of the lines of single groups, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, f64>,
}

impl CoverageGate {
    pub(super) fn evaluate(&self, facts: &Facts) -> Vec<GateResult> {
        let all = self.all.iter().map(|wanted| match facts.coverage() {
            Some(coverage) => covered("coverage", "coverage", coverage, *wanted),
            None => GateResult::missing("coverage", "coverage", "`lcov` or `cobertura`"),
        });
        let groups = self.groups.iter().map(|(group, wanted)| {
            let name = format!("coverage.{group}");
            let what = format!("coverage of {}", quoted(group));
            match facts.coverage_of(group) {
                Some(coverage) => covered(&name, &what, coverage, *wanted),
                None => {
                    let known: Vec<String> = facts.groups().into_iter().map(quoted).collect();
                    let known = match known.as_slice() {
                        [] => "no report speaks of coverage".to_owned(),
                        known => format!("there is coverage of {}", some_of(known, 5)),
                    };
                    let way_out = "a job of this name has to give `lcov` or `cobertura`";
                    let why = format!("no report speaks of {what}: {known}");
                    GateResult::unknown(&name, &why, way_out)
                }
            }
        });
        all.chain(groups).collect()
    }
}

fn covered(name: &str, what: &str, coverage: Coverage, wanted: f64) -> GateResult {
    let Some(share) = coverage.lines.share() else {
        let why = format!("{what} is said of no line at all");
        return GateResult::unknown(
            name,
            &why,
            "see whether the tests run the code that is meant",
        );
    };
    let lines = counted(coverage.lines.total, "line");
    let why = format!(
        "{what} {} of {lines}, {} wanted",
        percent_down(share),
        percent(wanted)
    );
    // A share that is written as it is wanted must not fail by the last bit.
    GateResult::open_if(name, share >= wanted - 1e-9, &why)
}
