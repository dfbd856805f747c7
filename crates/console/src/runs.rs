//! Runs of the pipeline: all of them, one of them, and what a job of it wrote.

use std::collections::BTreeMap;

use askama::Template;
use leadsman_api::words::{count, duration, plain, whole_seconds};
use leadsman_api::{JobStatus, Moment, RunList, RunStatus};

use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::search::RunsSearch;
use crate::words::{Said, Shown, Tone, said, shown};

/// How many characters of a commit's name are shown.
const COMMIT: usize = 10;

#[derive(Template)]
#[template(path = "runs.html")]
struct Table {
    rows: Vec<Row>,
    application: String,
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    name: String,
    address: String,
    tone: Tone,
    state: String,
    subject: String,
    commit: String,
    author: String,
    began: Shown,
    took: String,
    over_budget: bool,
    release: Option<(u64, String)>,
}

#[derive(Template)]
#[template(path = "run_head.html")]
struct Head {
    row: Row,
    reference: String,
    trigger: Said,
    budget: Option<String>,
    problem: Option<Said>,
    release: Option<Said>,
}

#[derive(Template)]
#[template(path = "run_jobs.html")]
struct Jobs {
    /// Jobs that may run beside each other, each stage after those before it.
    stages: Vec<Vec<Job>>,
}

struct Job {
    name: String,
    tone: Tone,
    state: String,
    took: String,
    needs: Option<String>,
    sentence: Option<Said>,
    reports: Option<String>,
    logs: Option<String>,
}

#[derive(Template)]
#[template(path = "run_log.html")]
struct Log {
    title: String,
    lines: Vec<String>,
    cut: bool,
}

/// Returns the page of the runs that `search` asks for.
pub fn runs(visitor: &Visitor, list: &RunList, search: &RunsSearch) -> String {
    let older = list.next.as_deref();
    let is_newest = search.before.trim().is_empty();
    let table = Table {
        rows: list.runs.iter().map(|run| row(run, list.at)).collect(),
        application: search.application.clone(),
        older: older.map(|before| search.address(path::RUNS, Some(before))),
        newest: (!is_newest).then(|| search.address(path::RUNS, None)),
    };
    Page {
        title: "Runs",
        visitor: Some(visitor),
        live: None,
        above: &[],
        parts: &[Part::of("runs", &table)],
    }
    .whole()
}

/// Returns the page of a run.
pub fn run(visitor: &Visitor, run: &RunStatus) -> String {
    Page {
        title: &name(run),
        visitor: Some(visitor),
        live: Some(path::of_run(path::RUN_LIVE, run)),
        above: &[("Runs".to_owned(), path::RUNS.to_owned())],
        parts: &run_parts(run),
    }
    .whole()
}

/// Returns its parts.
pub fn run_parts(run: &RunStatus) -> Vec<Part> {
    let budget = run.budget_ms.map(|budget| {
        let over = if run.over_budget { "more than" } else { "of" };
        format!("{over} its {}", long(budget))
    });
    let not_released = run.not_released.as_ref();
    let release = match (run.release, not_released) {
        (Some(release), _) => Some(format!("It made release {release}.")),
        (None, Some(why)) => Some(format!("It made no release: {why}")),
        (None, None) => None,
    };
    let head = Head {
        row: row(run, run.at),
        reference: plain(&run.reference),
        trigger: said(&run.trigger),
        budget,
        problem: run.problem.as_deref().map(said),
        release: release.as_deref().map(said),
    };
    let stages = stages(run);
    vec![Part::of("run", &head), Part::of("jobs", &Jobs { stages })]
}

/// Returns the page of what a job of a run wrote last. `cut` says that there was more.
pub fn run_log(
    visitor: &Visitor,
    run: &RunStatus,
    job: &str,
    lines: &[String],
    cut: bool,
) -> String {
    let title = format!("{job} of {}", name(run));
    let log = Log {
        title: title.clone(),
        lines: lines.iter().map(|line| plain(line)).collect(),
        cut,
    };
    let above = [
        ("Runs".to_owned(), path::RUNS.to_owned()),
        (name(run), path::of_run(path::RUN, run)),
    ];
    Page {
        title: &title,
        visitor: Some(visitor),
        live: None,
        above: &above,
        parts: &[Part::of("log", &log)],
    }
    .whole()
}

fn name(run: &RunStatus) -> String {
    format!("{} run {}", run.application, run.number)
}

fn long(millis: u64) -> String {
    duration(whole_seconds(millis))
}

fn row(run: &RunStatus, now: Moment) -> Row {
    Row {
        name: name(run),
        address: path::of_run(path::RUN, run),
        tone: tone(&run.state),
        state: run.state.clone(),
        subject: plain(&run.subject),
        commit: run.commit.chars().take(COMMIT).collect(),
        author: plain(&run.author),
        began: shown(run.started_at, now),
        took: long(run.took_ms),
        over_budget: run.over_budget,
        release: run
            .release
            .map(|it| (it, path::of_release(&run.application, it))),
    }
}

fn tone(state: &str) -> Tone {
    match state {
        "passed" | "reused" => Tone::Good,
        "failed" => Tone::Bad,
        "running" => Tone::Busy,
        "cancelled" | "ending" | "pausing" => Tone::Care,
        _ => Tone::Plain,
    }
}

/// Returns the jobs so that each is in a stage behind those that it needs.
fn stages(run: &RunStatus) -> Vec<Vec<Job>> {
    let mut stage_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stages: Vec<Vec<Job>> = Vec::new();
    // A job comes behind those that it needs.
    for status in &run.jobs {
        let needs = status.needs.iter();
        let behind = needs.filter_map(|need| stage_of.get(need.as_str()));
        let stage = behind.max().map_or(0, |stage| stage + 1);
        stage_of.insert(&status.name, stage);
        while stages.len() <= stage {
            stages.push(Vec::new());
        }
        if let Some(jobs) = stages.get_mut(stage) {
            jobs.push(job(run, status));
        }
    }
    stages
}

fn job(run: &RunStatus, status: &JobStatus) -> Job {
    let attempts =
        (status.attempts > 1).then(|| format!(", {}", count(status.attempts.into(), "attempt")));
    let over = if status.over_budget {
        ", over its budget"
    } else {
        ""
    };
    let took = format!(
        "{}{over}{}",
        long(status.took_ms),
        attempts.unwrap_or_default()
    );
    let reports: Vec<&str> = status.reports.iter().map(|it| it.kind.as_str()).collect();
    let some = |list: Vec<&str>| (!list.is_empty()).then(|| list.join(", "));
    Job {
        name: status.name.clone(),
        tone: tone(&status.state),
        state: status.state.clone(),
        took,
        needs: some(status.needs.iter().map(String::as_str).collect()),
        sentence: (!status.sentence.is_empty()).then(|| said(&status.sentence)),
        reports: some(reports),
        logs: (status.attempts > 0).then(|| {
            let number = run.number.to_string();
            path::fill(path::RUN_LOG, &[&run.application, &number, &status.name])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, needs: &[&str]) -> JobStatus {
        JobStatus {
            name: name.to_owned(),
            state: "passed".to_owned(),
            attempts: 2,
            took_ms: 61_000,
            budget_ms: None,
            over_budget: false,
            sentence: "`x` <b>".to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            artifacts: BTreeMap::new(),
            reports: Vec::new(),
        }
    }

    #[test]
    fn a_job_stands_behind_what_it_needs() {
        let run = RunStatus {
            application: "shop".to_owned(),
            number: 3,
            version: 1,
            at: Moment(1_790_000_000_000),
            state: "running".to_owned(),
            commit: "0123456789abcdef".to_owned(),
            reference: "refs/heads/main".to_owned(),
            author: "Mia".to_owned(),
            subject: "a <change>".to_owned(),
            trigger: "asked for by mia".to_owned(),
            started_at: Moment(1_789_999_000_000),
            ended_at: None,
            took_ms: 1_000,
            budget_ms: Some(500),
            over_budget: true,
            release: None,
            not_released: None,
            is_part: false,
            problem: None,
            jobs: vec![
                status("lint", &[]),
                status("unit", &[]),
                status("build (a/b)", &["lint", "unit"]),
                status("scan", &["build (a/b)"]),
            ],
        };
        let stages = stages(&run);
        let names: Vec<Vec<&str>> = stages
            .iter()
            .map(|stage| stage.iter().map(|job| job.name.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [vec!["lint", "unit"], vec!["build (a/b)"], vec!["scan"]]
        );
        assert_eq!(
            stages[1][0].logs.as_deref(),
            Some("/runs/shop/3/logs/build%20%28a%2Fb%29")
        );
        let page: String = run_parts(&run).into_iter().map(|part| part.html).collect();
        assert!(page.contains("a &#60;change&#62;") && page.contains("<code>x</code> &#60;b&#62;"));
        assert!(page.contains("more than its 500ms"), "{page}");
    }
}
