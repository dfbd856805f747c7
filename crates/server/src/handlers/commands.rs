//! What people ask of an environment.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use leadsman_api::{Accepted, Closed as WishedClosed, Command as Wish, Scope as WishedScope};
use leadsman_core::id::{ReleaseNumber, ServiceName};
use leadsman_core::{Closed, Command, Event, Scope};
use leadsman_store::Recorded;

use super::{AskedEnvironment, Shared, environment_id};
use crate::peer::Peer;
use crate::problem::Failure;

pub(crate) async fn post(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(asked): AskedEnvironment,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Accepted>, Failure> {
    let Json(wish) = wish.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let id = environment_id(&asked)?;
    let recorded = server
        .engine
        .command(&id, command(wish)?, &peer.name)
        .await?;
    Ok(Json(accepted(&recorded)))
}

fn command(wish: Wish) -> Result<Command, Failure> {
    Ok(match wish {
        Wish::Pause {} => Command::Pause,
        Wish::Resume {} => Command::Resume,
        Wish::Promote { all } => Command::Promote { all },
        Wish::Abort {} => Command::Abort,
        Wish::Retry {} => Command::Retry,
        Wish::Rollback { to, scope } => Command::Rollback {
            to: to.map(ReleaseNumber),
            scope: match scope {
                WishedScope::All => Scope::All,
                WishedScope::Canary => Scope::Canary,
                WishedScope::Service(name) => Scope::Service(service(&name)?),
            },
        },
        Wish::Close { how, service: name } => Command::Close {
            how: closed(how),
            service: name.as_deref().map(service).transpose()?,
        },
        Wish::Open { how, service: name } => Command::Open {
            how: closed(how),
            service: name.as_deref().map(service).transpose()?,
        },
    })
}

fn service(name: &str) -> Result<ServiceName, Failure> {
    let parsed = name.parse::<ServiceName>();
    parsed.map_err(|error| Failure::bad_request(error.to_string()))
}

fn closed(how: WishedClosed) -> Closed {
    match how {
        WishedClosed::Held => Closed::Held,
        WishedClosed::Maintenance => Closed::Maintenance,
    }
}

/// Returns what was recorded, in words.
pub(crate) fn accepted(recorded: &[Recorded]) -> Accepted {
    let events: Vec<Event> = recorded
        .iter()
        .filter_map(|r| serde_json::from_str(&r.body).ok())
        .collect();
    Accepted {
        version: recorded.last().map_or(0, |last| last.version),
        deployment: events.iter().rev().find_map(started),
        sentence: sentence(&events),
    }
}

pub(crate) fn started(event: &Event) -> Option<u64> {
    if let Event::DeploymentStarted { number, .. } = event {
        Some(number.0)
    } else {
        None
    }
}

/// Joins facts to one sentence. The last one says where it is going, so it comes first; that
/// something else ended to make room goes without saying.
pub(crate) fn sentence(events: &[Event]) -> String {
    let only = events.len() == 1;
    let said: Vec<String> = events
        .iter()
        .rev()
        .filter(|event| only || !matches!(event, Event::DeploymentEnded { .. }))
        .map(ToString::to_string)
        .collect();
    said.join("; ")
}
