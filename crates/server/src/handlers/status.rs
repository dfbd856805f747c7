//! How everything stands.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use leadsman_api::{EnvironmentStatus, Moment, Overview, StatusQuery};

use super::{AskedEnvironment, Shared, view};
use crate::access::Caller;
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::serve::Server;
use crate::tag::{tagged, unless_known};
use crate::wire;

/// The longest that a client may wait for something to change.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn overview(
    State(server): Shared,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<StatusQuery>,
) -> Result<Response, Failure> {
    if let (Some(after), Some(wait)) = (query.after, query.wait_ms) {
        let mut views = server.engine.views();
        let newer = views.wait_for(|views| views.version > after);
        let wait = Duration::from_millis(wait).min(WAIT_MAX);
        // Whether it changed or the time is over: the answer is how things stand.
        drop(tokio::time::timeout(wait, newer).await);
    }
    let overview = current(&server, &caller).await;
    // What somebody sees changes with what they may.
    let tag = format!("{}-{}", overview.version, server.engine.people().version);
    Ok(unless_known(&headers, &tag, overview))
}

pub(crate) async fn current(server: &Server, caller: &Caller) -> Overview {
    let views = server.engine.views().borrow().clone();
    let mut environments = Vec::new();
    let seen = views.environments.values();
    for view in seen.filter(|view| caller.sees(&view.environment.id)) {
        environments.push(status_of(server, view).await);
    }
    let at = views
        .environments
        .values()
        .map(|view| view.at)
        .max()
        .unwrap_or(server.started_at);
    Overview {
        version: views.version,
        at: Moment(at.as_millis()),
        environments,
    }
}

/// Returns how an environment stands, with what is known of its release.
pub(crate) async fn status_of(server: &Server, view: &leadsman_engine::View) -> EnvironmentStatus {
    let mut status = wire::status(view);
    if let Some(deployment) = &mut status.deployment {
        let application = server
            .engine
            .releases(&view.environment.id.application)
            .await;
        deployment.note = application.ok().and_then(|application| {
            let number = leadsman_core::id::ReleaseNumber(deployment.release);
            application.releases.get(&number)?.made_of.note.clone()
        });
    }
    status
}

pub(crate) async fn environment(
    State(server): Shared,
    Path(asked): AskedEnvironment,
) -> Result<Response, Failure> {
    let view = view(&server, &asked)?;
    let status = status_of(&server, &view).await;
    Ok(tagged(status.version, status))
}
