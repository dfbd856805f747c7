//! Pages of the pipeline.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leadsman_console::{RunsSearch, Visitor};

use super::html;
use crate::access::Caller;
use crate::extract::{Path, Query};
use crate::handlers::Shared;
use crate::handlers::runs::{AskedRun, list as listed, now, run_id};
use crate::problem::Failure;

/// How many lines of a job's output a page shows.
const LINES: usize = 1_000;

pub(crate) async fn list(
    state: Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<RunsSearch>,
) -> Result<Response, Failure> {
    let list = listed(state, caller, Query(search.query())).await?;
    Ok(html(
        StatusCode::OK,
        leadsman_console::runs(&visitor, &list, &search),
    ))
}

pub(crate) async fn one(
    State(server): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(asked): AskedRun,
) -> Result<Response, Failure> {
    let run = now(&server, &run_id(asked)?).await?;
    Ok(html(StatusCode::OK, leadsman_console::run(&visitor, &run)))
}

pub(crate) async fn log(
    State(server): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((application, number, job)): Path<(String, u64, String)>,
) -> Result<Response, Failure> {
    let id = run_id((application, number))?;
    let run = now(&server, &id).await?;
    let attempt = run.jobs.iter().find(|it| it.name == job);
    let attempt = attempt.map(|it| it.attempts).filter(|it| *it > 0);
    let attempt = attempt
        .ok_or_else(|| Failure::not_found(format!("{id} has run no job that is called `{job}`")))?;
    let (mut lines, mut at) = (Vec::new(), None);
    loop {
        let read = server
            .runs
            .output(&id, &job, attempt, at, Some(LINES))
            .await;
        let Ok((text, next)) = read else { break };
        if text.is_empty() {
            break;
        }
        lines.extend(text.lines().map(str::to_owned));
        at = Some(next);
        if lines.len() > 2 * LINES {
            break;
        }
    }
    let cut = lines.len() >= LINES;
    let last = lines.split_off(lines.len().saturating_sub(LINES));
    let page = leadsman_console::run_log(&visitor, &run, &job, &last, cut);
    Ok(html(StatusCode::OK, page))
}
