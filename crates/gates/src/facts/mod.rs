//! What is known of a release before it serves: what the reports on it say.
//!
//! Facts are kept in the log for ever. Fields are only ever added, each with a default, and every
//! list has a bound; what a bound cuts off is counted, so that nothing passes by being left out.

mod coverage;
mod findings;
mod job;
mod licences;
mod load;
mod tests_run;
mod text;
mod told;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kind::ReportKind;

pub use coverage::{Count, Coverage};
pub use findings::{Finding, Findings, Severity};
pub use job::JobEnd;
pub use licences::{Component, Components, Licensed};
pub use load::Load;
pub use tests_run::{Failure, Tests};
pub(crate) use text::bounded;

/// What all reports of one release say, each by itself, so that every fact knows where it is from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The reports, in the order in which they came.
    pub reports: Vec<Report>,
}

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where it came from.
    pub source: Source,
    /// What it says.
    #[serde(default)]
    pub says: Says,
}

/// Where a report came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// What kind of report it is.
    pub kind: ReportKind,
    /// The path of the file, as the project file or the person names it.
    #[serde(default)]
    pub path: String,
    /// The job that wrote it; `None` if no job did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The name under which its coverage counts by itself; `None` if it has none but the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Source {
    /// Returns the name under which coverage of this report counts by itself.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref().or(self.job.as_deref())
    }

    /// Returns where it came from in words, such as "`out/unit.xml` of `unit`".
    pub fn words(&self) -> String {
        let path = bounded(&self.path, 200);
        match &self.job {
            Some(job) if path.is_empty() => format!("`{}`", bounded(job, 100)),
            Some(job) => format!("`{path}` of `{}`", bounded(job, 100)),
            None => format!("`{path}`"),
        }
    }
}

/// What one report says. What it says nothing about is `None`; that is something else than zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Says {
    /// Which tests ran, and what became of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
    /// How much of the code the tests ran through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What a scanner found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// What the release is made of, and under which licences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<Components>,
    /// How it bore load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Numbers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, f64>,
    /// How the job ended that tried the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobEnd>,
}

impl Facts {
    /// Adds what a report says. A report from the same place as an earlier one, such as that of a
    /// job that ran again, takes its place.
    pub fn add(&mut self, source: Source, says: Says) {
        self.reports.retain(|report| report.source != source);
        self.reports.push(Report { source, says });
    }

    /// Says whether there is no report at all.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Returns all tests together; `None` if no report speaks of tests.
    pub fn tests(&self) -> Option<Tests> {
        let all = self.reports.iter().filter_map(|r| r.says.tests.as_ref());
        all.cloned().reduce(Tests::and)
    }

    /// Returns all coverage together; `None` if no report speaks of it.
    ///
    /// Reports are added up, not united: lines that two of them speak of count twice.
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage_where(|_| true)
    }

    /// Returns the coverage that counts under a name: that of the group, or of the job.
    pub fn coverage_of(&self, group: &str) -> Option<Coverage> {
        self.coverage_where(|source| source.group() == Some(group))
    }

    fn coverage_where(&self, of: impl Fn(&Source) -> bool) -> Option<Coverage> {
        let all = self.reports.iter().filter(|report| of(&report.source));
        all.filter_map(|report| report.says.coverage)
            .reduce(Coverage::and)
    }

    /// Returns the names under which coverage counts by itself, sorted.
    pub fn groups(&self) -> Vec<&str> {
        let with = self.reports.iter().filter(|r| r.says.coverage.is_some());
        let mut groups: Vec<&str> = with.filter_map(|r| r.source.group()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Returns all findings together, each once; `None` if no report speaks of findings.
    pub fn findings(&self) -> Option<Findings> {
        let all = self.reports.iter().filter_map(|r| r.says.findings.as_ref());
        all.cloned().reduce(Findings::and)
    }

    /// Returns all components together; `None` if no report speaks of components.
    pub fn components(&self) -> Option<Components> {
        let all = self
            .reports
            .iter()
            .filter_map(|r| r.says.components.as_ref());
        all.cloned().reduce(Components::and)
    }

    /// Returns the worst of all load results, figure by figure; `None` if no report speaks of load.
    pub fn load(&self) -> Option<Load> {
        let all = self.reports.iter().filter_map(|r| r.says.load.as_ref());
        all.cloned().reduce(Load::and)
    }

    /// Returns how the job of this name ended that tried the release; `None` if it has not, or does
    /// not try releases.
    pub fn job(&self, name: &str) -> Option<&JobEnd> {
        let of_job = |report: &&Report| report.source.job.as_deref() == Some(name);
        let mut all = self.reports.iter().filter(of_job);
        all.find_map(|report| report.says.job.as_ref())
    }

    /// Returns all numbers by name. Of two with one name the later report's counts.
    pub fn numbers(&self) -> BTreeMap<&str, f64> {
        let all = self.reports.iter().flat_map(|r| &r.says.numbers);
        all.map(|(name, value)| (name.as_str(), *value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(kind: ReportKind, path: &str, job: &str) -> Source {
        Source {
            kind,
            path: path.to_owned(),
            job: Some(job.to_owned()),
            group: None,
        }
    }

    fn covered(covered: u64, total: u64) -> Says {
        Says {
            coverage: Some(Coverage {
                lines: Count { covered, total },
                branches: None,
            }),
            ..Says::default()
        }
    }

    #[test]
    fn coverage_adds_up_by_group_and_a_job_that_ran_again_counts_once() {
        let mut facts = Facts::default();
        facts.add(source(ReportKind::Lcov, "a", "backend"), covered(1, 10));
        facts.add(source(ReportKind::Lcov, "a", "backend"), covered(8, 10));
        facts.add(source(ReportKind::Lcov, "a", "frontend"), covered(1, 10));
        assert_eq!(facts.reports.len(), 2);
        assert_eq!(facts.groups(), ["backend", "frontend"]);
        let lines = |of: Option<Coverage>| of.map(|c| (c.lines.covered, c.lines.total));
        assert_eq!(lines(facts.coverage()), Some((9, 20)));
        assert_eq!(lines(facts.coverage_of("backend")), Some((8, 10)));
        assert_eq!(lines(facts.coverage_of("other")), None);
    }

    #[test]
    fn what_nobody_speaks_of_is_nothing_and_not_zero() {
        let mut facts = Facts::default();
        facts.add(source(ReportKind::Lcov, "a", "unit"), covered(0, 0));
        assert!(facts.tests().is_none() && facts.findings().is_none());
        assert!(facts.components().is_none() && facts.load().is_none());
        assert!(facts.coverage().is_some());
    }
}
