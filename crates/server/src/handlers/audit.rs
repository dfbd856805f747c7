//! The audit: what everybody did and was denied, searched.

use axum::Json;
use axum::extract::State;
use leadsman_api::{Audit, AuditEntry, AuditQuery};
use leadsman_core::audit::{self, Asked};
use leadsman_core::people::{self, Act, Reach};
use leadsman_core::run::RunEvent;
use leadsman_core::{ApplicationEvent, Event};
use leadsman_store::{EventLog, ReadError, Recorded, StreamKind};
use serde::Deserialize;

use super::Shared;
use super::people::reach;
use crate::access::Caller;
use crate::extract::Query;
use crate::problem::Failure;
use crate::wire;

/// How many entries a page has at the most.
const LIMIT: usize = 100;

/// How many events are looked at for one page. What lies behind comes with the next one.
const LOOKED_AT: u64 = 20_000;

/// How many events are read at once.
const ROWS: usize = 1_000;

/// By how many milliseconds moments along the log may be out of order.
const MIXED: u64 = 60_000;

/// What events have beside what happened.
#[derive(Deserialize)]
struct WithAsked {
    asked: Option<Asked>,
}

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Audit>, Failure> {
    let about = query
        .about
        .as_deref()
        .map(|it| reach(Some(it)))
        .transpose()?;
    let log = server.engine.log();
    let not_read = |error| Failure::from(leadsman_engine::Error::NotRead(error));
    let limit = query
        .limit
        .map_or(LIMIT, |limit| limit as usize)
        .clamp(1, LIMIT);
    let mut before = match query.before {
        Some(before) => before,
        None => last_position(&*log).await.map_err(not_read)? + 1,
    };
    let mut entries = Vec::new();
    let lowest = before.saturating_sub(LOOKED_AT);
    'pages: while before > 1 && before > lowest {
        let after = (before - 1).saturating_sub(ROWS as u64);
        let count = usize::try_from(before - 1 - after).unwrap_or(ROWS);
        let rows = log.read_all(after, count).await.map_err(not_read)?;
        for row in rows.iter().rev() {
            let at = row.at.as_millis();
            // Along the log moments grow, but for those of two streams that were written at once.
            if query.since.is_some_and(|since| at + MIXED < since) {
                before = 1;
                break 'pages;
            }
            before = row.position;
            let in_time = query.since.is_none_or(|since| at >= since)
                && query.until.is_none_or(|until| at < until);
            if in_time
                && matches(row, &query, about.as_ref())
                && caller.can(Act::Audit, &reach_of(row))
            {
                entries.push(entry(row));
                if entries.len() == limit {
                    break 'pages;
                }
            }
        }
        before = before.min(after + 1);
    }
    Ok(Json(Audit {
        entries,
        next: (before > 1).then_some(before),
    }))
}

/// Returns the position of the last event: positions have no holes, so it can be closed in on.
pub(crate) async fn last_position(log: &dyn EventLog) -> Result<u64, ReadError> {
    let (mut there, mut beyond) = (0, 1);
    while !log.read_all(beyond - 1, 1).await?.is_empty() {
        there = beyond;
        beyond *= 2;
    }
    while beyond - there > 1 {
        let middle = there + (beyond - there) / 2;
        if log.read_all(middle - 1, 1).await?.is_empty() {
            beyond = middle;
        } else {
            there = middle;
        }
    }
    Ok(there)
}

fn matches(row: &Recorded, query: &AuditQuery, about: Option<&Reach>) -> bool {
    query.actor.as_ref().is_none_or(|actor| *actor == row.actor)
        && query.kind.as_ref().is_none_or(|kind| *kind == row.kind)
        && about.is_none_or(|about| about.covers(&reach_of(row)))
        && (query.people != Some(true) || row.actor != "leadsman")
}

/// Returns what an event is about, for who may see it.
pub(super) fn reach_of(row: &Recorded) -> Reach {
    match row.stream.kind() {
        Some(StreamKind::Application(name)) => Reach::Application(name),
        Some(StreamKind::Environment(id)) => Reach::Environment(id),
        Some(StreamKind::Run(id)) => Reach::Application(id.application),
        Some(StreamKind::People | StreamKind::Audit) | None => Reach::Everything,
    }
}

fn entry(row: &Recorded) -> AuditEntry {
    let asked = serde_json::from_str::<WithAsked>(&row.body).ok();
    let asked = asked.and_then(|it| it.asked).unwrap_or_default();
    AuditEntry {
        position: row.position,
        at: wire::moment(row.at),
        actor: row.actor.clone(),
        stream: row.stream.to_string(),
        kind: row.kind.clone(),
        sentence: sentence(row).unwrap_or_else(|| row.kind.clone()),
        from: Some(asked.from).filter(|from| !from.is_empty()),
        token: asked.token,
        why: asked.why,
    }
}

/// Returns an event in words; `None` where it is not understood.
pub(crate) fn sentence(row: &Recorded) -> Option<String> {
    let body = &row.body;
    Some(match row.stream.kind()? {
        StreamKind::Application(_) => serde_json::from_str::<ApplicationEvent>(body)
            .ok()?
            .to_string(),
        StreamKind::Environment(_) => serde_json::from_str::<Event>(body).ok()?.to_string(),
        StreamKind::Run(id) => {
            let event: RunEvent = serde_json::from_str(body).ok()?;
            format!("{id}: {event}")
        }
        StreamKind::People => serde_json::from_str::<people::Event>(body)
            .ok()?
            .to_string(),
        StreamKind::Audit => serde_json::from_str::<audit::Event>(body).ok()?.to_string(),
    })
}
