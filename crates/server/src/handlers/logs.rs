//! The output of instances.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use leadsman_api::{LogLine, LogsQuery};
use leadsman_core::id::{EnvironmentId, InstanceId};
use std::sync::Arc;
use tokio::sync::mpsc;

use super::{AskedEnvironment, Shared, view};
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::shelf::{Line, Shelf};

/// How many lines of each instance are given where nothing else is asked for.
const TAIL: u32 = 100;

/// How often it is looked for instances that were started meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(crate) async fn get(
    State(server): Shared,
    Path(asked): AskedEnvironment,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Failure> {
    let environment = view(&server, &asked)?.environment.id.clone();
    let instances = wanted(&*server.shelf, &environment, &query).await?;
    if instances.is_empty() && !query.follow {
        return Err(Failure::not_found("no output is kept of such an instance"));
    }
    let (sender, receiver) = mpsc::channel(256);
    let shelf = Arc::clone(&server.shelf);
    tokio::spawn(follow(shelf, environment, query, instances, sender));
    let lines = stream::unfold(receiver, |mut receiver| async move {
        let line: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    Response::builder()
        .header(CONTENT_TYPE, "application/x-ndjson")
        .body(Body::from_stream(lines))
        .map_err(|error| Failure::internal("failed to answer with lines", error))
}

/// Returns the instances that were asked for.
pub(crate) async fn wanted(
    shelf: &dyn Shelf,
    environment: &EnvironmentId,
    query: &LogsQuery,
) -> Result<BTreeSet<InstanceId>, Failure> {
    let known = shelf.logged().await?;
    let service = |id: &InstanceId| id.as_str().split('.').nth(2).map(str::to_owned);
    Ok(known
        .into_iter()
        .filter(|id| id.is_of(environment))
        .filter(|id| query.service.is_none() || query.service == service(id))
        .filter(|id| {
            query
                .instance
                .as_deref()
                .is_none_or(|asked| asked == id.as_str())
        })
        .collect())
}

/// Sends the lines of all instances until nobody listens any more. Each instance has a task of
/// its own, which ends with its receiver.
async fn follow(
    shelf: Arc<dyn Shelf>,
    environment: EnvironmentId,
    query: LogsQuery,
    mut fresh: BTreeSet<InstanceId>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut tail = usize::try_from(query.tail.unwrap_or(TAIL)).unwrap_or(usize::MAX);
    let mut seen = BTreeSet::new();
    loop {
        for id in fresh {
            if let Ok(lines) = shelf.lines(&id, tail, query.follow).await {
                let passed_on = pass_on(id.clone(), lines, sender.clone());
                if query.follow {
                    tokio::spawn(passed_on);
                } else {
                    passed_on.await;
                }
            }
            seen.insert(id);
        }
        if !query.follow {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
        let now = wanted(&*shelf, &environment, &query)
            .await
            .unwrap_or_default();
        fresh = now.difference(&seen).cloned().collect();
        // What was started since is shown from its first line on.
        tail = usize::MAX;
    }
}

async fn pass_on(id: InstanceId, mut lines: mpsc::Receiver<Line>, sender: mpsc::Sender<Bytes>) {
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = sender.closed() => return,
        };
        let Some(line) = line else { return };
        let line = LogLine {
            instance: id.to_string(),
            text: line.text,
        };
        let Ok(mut json) = serde_json::to_vec(&line) else {
            continue;
        };
        json.push(b'\n');
        if sender.send(json.into()).await.is_err() {
            return;
        }
    }
}
