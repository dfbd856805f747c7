//! The runs of the pipeline, and the time that they may take.

use std::collections::BTreeMap;

use leadsman_api::RunStatus;
use leadsman_core::id::ApplicationName;
use leadsman_core::run::RunId;
use leadsman_core::time::Timestamp;
use leadsman_engine::KnownRun;

use super::page::{Family, Kind, Labels, Page, seconds};
use crate::run_status::{state, status};

/// Of so many runs of an application each is shown by itself: of the newest, and those that are
/// under way.
pub(crate) const SHOWN: usize = 20;

/// What a run can be.
const STATES: [&str; 5] = ["running", "ending", "passed", "failed", "cancelled"];

const RUNS: Family = Family {
    name: "leadsman_runs",
    kind: Kind::Gauge,
    help: "Runs of the pipeline that the log knows, by state.",
};
const NEWEST: Family = Family {
    name: "leadsman_newest_run_state",
    kind: Kind::Gauge,
    help: "1 for the state that the newest run of the application is in, else 0.",
};
const NUMBER: Family = Family {
    name: "leadsman_newest_run_number",
    kind: Kind::Gauge,
    help: "The number of the newest run of the application.",
};
const TAKEN: Family = Family {
    name: "leadsman_run_taken_seconds",
    kind: Kind::Gauge,
    help: "How long a run took so far: the newest of each application, and those under way.",
};
const BUDGET: Family = Family {
    name: "leadsman_budget_seconds",
    kind: Kind::Gauge,
    help: "How long a run, or a job of it, should take at most by its budget.",
};
const BUDGET_TAKEN: Family = Family {
    name: "leadsman_budget_taken_seconds",
    kind: Kind::Gauge,
    help: "How long what has a budget took so far.",
};
const BUDGET_EXCEEDED: Family = Family {
    name: "leadsman_budget_exceeded",
    kind: Kind::Gauge,
    help: "1 for what takes, or took, longer than its budget, else 0.",
};

/// The runs of all applications that are seen.
#[derive(Debug, Default)]
pub(crate) struct Passages(BTreeMap<ApplicationName, OfApplication>);

/// The runs of one application.
#[derive(Debug, Default)]
struct OfApplication {
    by_state: BTreeMap<&'static str, u64>,
    /// The newest one, and those that are under way, the newest first.
    shown: Vec<RunStatus>,
}

impl Passages {
    /// Returns what is shown of `runs` at `now`.
    pub(crate) fn of(
        runs: &BTreeMap<RunId, KnownRun>,
        sees: impl Fn(&ApplicationName) -> bool,
        now: Timestamp,
    ) -> Self {
        let mut passages = Self::default();
        // The newest first.
        for (id, known) in runs.iter().rev() {
            if !sees(&id.application) {
                continue;
            }
            let of = passages.0.entry(id.application.clone()).or_default();
            let is_newest = of.by_state.is_empty();
            *of.by_state.entry(state(&known.run)).or_default() += 1;
            if is_newest || (known.run.is_under_way() && of.shown.len() < SHOWN) {
                of.shown.push(status(known, 0, now));
            }
        }
        passages
    }

    fn each(&self) -> impl Iterator<Item = (Labels, &OfApplication)> {
        let labels = |name: &ApplicationName| Labels::of(&[("application", name.as_str())]);
        self.0.iter().map(move |(name, of)| (labels(name), of))
    }

    fn shown(&self) -> impl Iterator<Item = (Labels, &RunStatus)> {
        self.each().flat_map(|(labels, of)| {
            of.shown.iter().map(move |run| {
                let number = run.number.to_string();
                (labels.and(&[("run", &number)]), run)
            })
        })
    }
}

/// Something that has a budget.
struct Budgeted {
    labels: Labels,
    budget_ms: u64,
    took_ms: u64,
    is_exceeded: bool,
}

/// Returns what has a budget of a run: itself, and its jobs.
fn budgeted((labels, run): (Labels, &RunStatus)) -> Vec<Budgeted> {
    let whole = run.budget_ms.map(|budget_ms| Budgeted {
        labels: labels.and(&[("of", "run")]),
        budget_ms,
        took_ms: run.took_ms,
        is_exceeded: run.over_budget,
    });
    let jobs = run.jobs.iter().filter_map(|job| {
        // Prometheus has a label `job` of its own.
        let labels = labels.and(&[("of", "job"), ("pipeline_job", &job.name)]);
        Some(Budgeted {
            labels,
            budget_ms: job.budget_ms?,
            took_ms: job.took_ms,
            is_exceeded: job.over_budget,
        })
    });
    whole.into_iter().chain(jobs).collect()
}

/// Writes what is known of runs.
pub(super) fn write(passages: &Passages, page: &mut Page) {
    page.family(RUNS);
    for (labels, of) in passages.each() {
        for state in STATES {
            let count = of.by_state.get(state).copied().unwrap_or_default();
            page.one(&labels.and(&[("state", state)]), count);
        }
    }
    let newest = || {
        let each = passages.each();
        each.filter_map(|(labels, of)| Some((labels, of.shown.first()?)))
    };
    page.family(NEWEST);
    for (labels, run) in newest() {
        page.which(&labels, "state", &STATES, &run.state);
    }
    page.family(NUMBER);
    for (labels, run) in newest() {
        page.one(&labels, run.number);
    }
    page.family(TAKEN);
    for (labels, run) in passages.shown() {
        page.one(&labels, seconds(run.took_ms));
    }
    let budgets: Vec<Budgeted> = passages.shown().flat_map(budgeted).collect();
    page.family(BUDGET);
    for it in &budgets {
        page.one(&it.labels, seconds(it.budget_ms));
    }
    page.family(BUDGET_TAKEN);
    for it in &budgets {
        page.one(&it.labels, seconds(it.took_ms));
    }
    page.family(BUDGET_EXCEEDED);
    for it in &budgets {
        page.one(&it.labels, u8::from(it.is_exceeded));
    }
}
