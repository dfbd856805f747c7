//! Runs and their jobs.

use leadsman_api::{JobStatus, RunList, RunStatus};

use super::paint;
use super::table::Table;
use super::words::{Clock, clean, duration, whole_seconds};

/// How many digits of a commit people need.
const COMMIT: usize = 10;

/// Returns a run with a line for each of its jobs.
pub(crate) fn run(run: &RunStatus, clock: &Clock) -> String {
    let mut text = format!(
        "{}  {}  {}, {}\n  {} {} by {}\n",
        paint::strong(&format!(
            "run {} of {}",
            run.number,
            clean(&run.application)
        )),
        state(&run.state),
        clean(&run.trigger),
        clock.long(run.started_at),
        commit(run),
        paint::dim(&clean(&run.subject)),
        clean(&run.author),
    );
    let mut table = Table::default();
    for job in &run.jobs {
        table.row([
            clean(&job.name),
            state(&job.state),
            job_took(job),
            clean(&job.sentence),
        ]);
    }
    for line in table.to_lines(2) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&end(run));
    text
}

/// Returns what there is to say of the run as a whole.
fn end(run: &RunStatus) -> String {
    let took = duration(whole_seconds(run.took_ms));
    let mut said = vec![format!("took {took}")];
    if let Some(budget) = run.budget_ms {
        let budget = duration(budget);
        said.push(match run.over_budget {
            true => paint::care(&format!("more than its budget of {budget}")),
            false => format!("of its budget of {budget}"),
        });
    }
    if let Some(release) = run.release {
        said.push(format!("release {release}"));
    }
    if let Some(why) = &run.not_released {
        said.push(paint::bad(&format!("no release: {}", clean(why))));
    }
    if let Some(problem) = &run.problem {
        said.push(paint::bad(&format!("nothing moves: {}", clean(problem))));
    }
    format!("  {}\n", said.join(", "))
}

/// Returns the line that says where a job has come to.
pub(crate) fn job_line(job: &JobStatus) -> String {
    let sentence = clean(&job.sentence);
    let took = job_took(job);
    if job.state == "reused" {
        // The sentence says that it is.
        return format!("{}: {sentence}", clean(&job.name));
    }
    let mut line = format!("{}: {}", clean(&job.name), state(&job.state));
    if !took.is_empty() {
        line.push_str(&format!(" ({took})"));
    }
    if !sentence.is_empty() {
        line.push_str(&format!(": {sentence}"));
    }
    line
}

fn job_took(job: &JobStatus) -> String {
    if job.attempts == 0 {
        return String::new();
    }
    let took = duration(whole_seconds(job.took_ms));
    match job.budget_ms {
        Some(budget) if job.over_budget => {
            paint::care(&format!("{took}, budget {}", duration(budget)))
        }
        _ => took,
    }
}

/// Returns what takes, or took, longer than its budget.
fn slow(run: &RunStatus) -> String {
    let jobs = run.jobs.iter().filter(|job| job.over_budget).count();
    match (run.over_budget, jobs) {
        (false, 0) => String::new(),
        (true, 0) => paint::care("over its budget"),
        (true, 1) => paint::care("over its budget, 1 job too"),
        (false, 1) => paint::care("1 job over its budget"),
        (true, jobs) => paint::care(&format!("over its budget, {jobs} jobs too")),
        (false, jobs) => paint::care(&format!("{jobs} jobs over their budget")),
    }
}

fn commit(run: &RunStatus) -> String {
    let short: String = run.commit.chars().take(COMMIT).collect();
    let name = run
        .reference
        .strip_prefix("refs/heads/")
        .or_else(|| run.reference.strip_prefix("refs/tags/"))
        .unwrap_or(&run.reference);
    if name.is_empty() || run.commit.starts_with(name) || name == "HEAD" {
        clean(&short)
    } else {
        format!("{} ({})", clean(&short), clean(name))
    }
}

fn state(state: &str) -> String {
    let state = clean(state);
    match state.as_str() {
        "passed" | "reused" => paint::good(&state),
        "failed" => paint::bad(&state),
        "cancelled" | "ending" | "pausing" => paint::care(&state),
        "running" => paint::strong(&state),
        _ => paint::dim(&state),
    }
}

/// Returns runs, a line for each.
pub(crate) fn list(list: &RunList, clock: &Clock) -> String {
    if list.runs.is_empty() {
        return "no commit has gone through the pipeline yet\n".to_owned();
    }
    let mut table = Table::default();
    for run in &list.runs {
        let count = |state: &str| run.jobs.iter().filter(|job| job.state == state).count();
        let jobs: Vec<String> = ["passed", "reused", "running", "failed", "skipped"]
            .into_iter()
            .filter(|state| count(state) > 0)
            .map(|state| format!("{} {state}", count(state)))
            .collect();
        table.row([
            paint::strong(&format!("{}/{}", clean(&run.application), run.number)),
            state(&run.state),
            clock.long(run.started_at),
            duration(whole_seconds(run.took_ms)),
            commit(run),
            jobs.join(", "),
            slow(run),
            run.release
                .map_or(String::new(), |release| format!("release {release}")),
        ]);
    }
    let mut text = table.to_lines(0).join("\n");
    text.push('\n');
    text
}
