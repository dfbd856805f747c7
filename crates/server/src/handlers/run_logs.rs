//! What the jobs of a run wrote.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use leadsman_api::{RunLine, RunLogsQuery};
use leadsman_core::run::RunId;
use leadsman_engine::{KnownRun, RunError};
use tokio::sync::mpsc;

use super::Shared;
use super::runs::{AskedRun, run_id};
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::serve::Server;

/// How often a followed output is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The output of one attempt, and how far it was told: job, attempt, where to go on.
type Told = BTreeMap<(String, u32), Option<u64>>;

pub(crate) async fn get(
    State(server): Shared,
    Path(asked): AskedRun,
    Query(query): Query<RunLogsQuery>,
) -> Result<Response, Failure> {
    let id = run_id(asked)?;
    let known = server.runs.get(&id).await?;
    if let Some(job) = &query.job
        && !known
            .run
            .jobs
            .keys()
            .any(|name| name.as_str() == job || name.family() == job)
    {
        let names: Vec<String> = known
            .run
            .jobs
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        return Err(RunError::NoSuchJob {
            commit: known.run.about.commit,
            job: job.clone(),
            known: names.join(", "),
        }
        .into());
    }
    let (sender, receiver) = mpsc::channel(256);
    tokio::spawn(tell(server, id, query, sender));
    let lines = stream::unfold(receiver, |mut receiver| async move {
        let line: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    Response::builder()
        .header(CONTENT_TYPE, "application/x-ndjson")
        .body(Body::from_stream(lines))
        .map_err(|error| Failure::internal("failed to answer with lines", error))
}

/// Sends lines until there are no more, or nobody listens.
async fn tell(server: Arc<Server>, id: RunId, query: RunLogsQuery, sender: mpsc::Sender<Bytes>) {
    let search = query.search.as_ref().map(|text| text.to_lowercase());
    let mut told = Told::new();
    loop {
        // Looked at before the output: what is written before the end is told before the end.
        let Ok(known) = server.runs.get(&id).await else {
            return;
        };
        let mut is_new = false;
        for (job, attempt) in wanted(&known, &query) {
            let at = told.entry((job.clone(), attempt)).or_default();
            loop {
                let tail = query
                    .tail
                    .map(|tail| usize::try_from(tail).unwrap_or(usize::MAX));
                let read = server.runs.output(&id, &job, attempt, *at, tail).await;
                let Ok((text, next)) = read else { break };
                *at = Some(next);
                if text.is_empty() {
                    break;
                }
                is_new = true;
                for line in text.lines() {
                    let is_meant = search
                        .as_ref()
                        .is_none_or(|search| line.to_lowercase().contains(search));
                    if is_meant && !send(&sender, &job, attempt, line).await {
                        return;
                    }
                }
            }
        }
        let is_over = !known.run.is_under_way();
        if !query.follow || is_over && !is_new {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Returns the attempts that are asked for: of each job the last one, or the one with the number.
fn wanted(known: &KnownRun, query: &RunLogsQuery) -> Vec<(String, u32)> {
    let jobs = known.run.jobs.iter().filter(|(name, _)| {
        query
            .job
            .as_ref()
            .is_none_or(|job| name.as_str() == job || name.family() == job)
    });
    jobs.filter(|(_, state)| state.attempts > 0)
        .map(|(name, state)| (name.to_string(), query.attempt.unwrap_or(state.attempts)))
        .collect()
}

async fn send(sender: &mpsc::Sender<Bytes>, job: &str, attempt: u32, text: &str) -> bool {
    let line = RunLine {
        job: job.to_owned(),
        attempt,
        text: text.to_owned(),
    };
    let Ok(mut json) = serde_json::to_vec(&line) else {
        return true;
    };
    json.push(b'\n');
    sender.send(json.into()).await.is_ok()
}
