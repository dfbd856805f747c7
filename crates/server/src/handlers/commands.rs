//! What people ask of an environment.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use leadsman_api::{
    Accepted, Closed as WishedClosed, Command as Wish, Moment, Scope as WishedScope,
};
use leadsman_core::id::{Digest, EnvironmentId, ItemName, ReleaseNumber, ServiceName};
use leadsman_core::people::{Act, Role};
use leadsman_core::time::Timestamp;
use leadsman_core::{Closed, Command, Event, Scope};
use leadsman_store::Recorded;

use super::people::bad;
use super::{AskedEnvironment, Shared, environment_id};
use crate::access::Caller;
use crate::extract::{Path, Sent};
use crate::problem::Failure;
use crate::serve::Server;
use crate::tag::seen;

/// The most that a person says about an act, in bytes.
const SAID_BYTES_MAX: usize = 2_000;

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Path(asked): AskedEnvironment,
    headers: HeaderMap,
    Sent(wish): Sent<Wish>,
) -> Result<Json<Accepted>, Failure> {
    let id = environment_id(&asked)?;
    let seen = seen(&headers)?;
    Ok(Json(tell(&server, &caller, &id, wish, seen).await?))
}

/// Tells an environment what somebody asks of it who has looked at it at the version `seen`.
pub(crate) async fn tell(
    server: &Server,
    caller: &Caller,
    id: &EnvironmentId,
    wish: Wish,
    seen: Option<u64>,
) -> Result<Accepted, Failure> {
    let act = act(&wish);
    let permit = caller.may_in(act, id)?;
    if matches!(wish, Wish::Confirm { .. }) && caller.has_token() {
        return Err(Failure::token_confirms_nothing());
    }
    let command = command(wish, Asking::of(server, caller, id))?;
    let told = server.engine.decided(id, command, seen, permit.by()).await;
    let recorded = told.map_err(|error| {
        let failure = Failure::from(error);
        failure.about(act.as_str(), Some(id.to_string()))
    })?;
    Ok(accepted(&recorded))
}

/// Returns what somebody must be allowed for it.
pub(crate) const fn act(wish: &Wish) -> Act {
    match wish {
        Wish::Pause {} => Act::Pause,
        Wish::Resume {} => Act::Resume,
        Wish::Promote { .. } => Act::Promote,
        Wish::Abort {} => Act::Abort,
        Wish::Retry {} => Act::Retry,
        Wish::Rollback { .. } => Act::Rollback,
        Wish::Close { .. } => Act::Close,
        Wish::Open { .. } => Act::Open,
        Wish::Approve { .. } => Act::Approve,
        Wish::Reject { .. } => Act::Reject,
        Wish::Confirm { .. } => Act::Confirm,
        Wish::Freeze { .. } => Act::Freeze,
        Wish::Except { .. } => Act::Except,
        Wish::Thaw { .. } => Act::Thaw,
    }
}

/// Who asks, beside their name.
pub(crate) struct Asking {
    /// What they are to the environment.
    roles: BTreeSet<Role>,
    /// What else they are called.
    known_as: BTreeSet<String>,
    /// Whether they own the state folder.
    owner: bool,
}

impl Asking {
    pub(crate) fn of(server: &Server, caller: &Caller, id: &EnvironmentId) -> Self {
        Self {
            roles: caller.roles(id),
            known_as: caller.known_as(&server.engine.people()),
            owner: caller.person().is_none(),
        }
    }
}

/// Returns what is wished as the domain knows it.
pub(crate) fn command(wish: Wish, asking: Asking) -> Result<Command, Failure> {
    Ok(match wish {
        Wish::Pause {} => Command::Pause,
        Wish::Resume {} => Command::Resume,
        Wish::Promote { all } => Command::Promote { all },
        Wish::Abort {} => Command::Abort,
        Wish::Retry {} => Command::Retry,
        Wish::Rollback {
            to,
            scope,
            migrate_back,
        } => Command::Rollback {
            to: to.map(ReleaseNumber),
            migrate_back,
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
        Wish::Approve {
            release,
            digest,
            note,
        } => Command::Approve {
            release: ReleaseNumber(release),
            digest: digest.as_deref().map(digest_of).transpose()?,
            known_as: asking.known_as,
            owner: asking.owner,
            note: note.as_deref().map(said).transpose()?,
        },
        Wish::Confirm {
            item,
            when,
            release,
            digest,
            said: text,
        } => Command::Confirm {
            item: item.parse::<ItemName>().map_err(|error| bad(&error))?,
            when: when
                .map(|when| {
                    when.parse()
                        .map_err(|error: String| Failure::bad_request(error))
                })
                .transpose()?,
            release: release.map(ReleaseNumber),
            digest: digest.as_deref().map(digest_of).transpose()?,
            roles: asking.roles,
            said: said(&text)?,
        },
        Wish::Reject { release, why } => Command::Reject {
            release: ReleaseNumber(release),
            why: said(&why)?,
        },
        Wish::Freeze {
            from,
            until,
            maintenance,
            why,
        } => Command::Freeze {
            from: from.map(timestamp),
            until: until.map(timestamp),
            maintenance,
            why: said(&why)?,
        },
        Wish::Except {
            freeze,
            release,
            why,
        } => Command::Except {
            freeze,
            release: ReleaseNumber(release),
            why: said(&why)?,
        },
        Wish::Thaw { freeze } => Command::Thaw { freeze },
    })
}

fn timestamp(moment: Moment) -> Timestamp {
    Timestamp::from_millis(moment.0)
}

fn digest_of(text: &str) -> Result<Digest, Failure> {
    let parsed = text.parse::<Digest>();
    parsed.map_err(|error| Failure::bad_request(error.to_string()))
}

/// Returns what a person has said for others to read later.
pub(crate) fn said(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::bad_request(
            "a reason is expected, and none is given",
        ));
    }
    if text.len() > SAID_BYTES_MAX {
        let message = format!("a reason has at most {SAID_BYTES_MAX} bytes");
        return Err(Failure::bad_request(message));
    }
    Ok(text.to_owned())
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
