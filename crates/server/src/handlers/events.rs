//! What happens, as it happens, from any place in the log on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use leadsman_api::{EventsQuery, LoggedEvent};
use leadsman_core::people::{Act, Reach};
use leadsman_engine::Views;
use leadsman_store::{Recorded, StreamKind};
use tokio::sync::watch;

use super::Shared;
use super::audit::{last_position, reach_of, sentence};
use super::people::reach;
use crate::access::{Caller, Looking};
use crate::extract::Query;
use crate::problem::Failure;
use crate::serve::Server;
use crate::wire;

/// How many events are read at once.
const ROWS: usize = 256;

/// How long nothing is looked for where nobody says that something has happened: what concerns
/// people is not told in any other way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a stream without events says that it is still there.
const ALIVE: Duration = Duration::from_secs(15);

/// The header by which a browser says what it has seen.
const LAST_EVENT_ID: &str = "last-event-id";

pub(crate) async fn get(
    State(server): Shared,
    looking: Looking,
    Query(query): Query<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let about = query.about.as_deref().map(|it| reach(Some(it)));
    let about = about.transpose()?;
    let seen = match looking.header(LAST_EVENT_ID) {
        Some(id) => Some(id.parse().map_err(|_| {
            Failure::bad_request(format!("`{LAST_EVENT_ID}` is a position in the log"))
        })?),
        None => query.after,
    };
    let last = last_position(&*server.engine.log()).await;
    let last = last.map_err(leadsman_engine::Error::NotRead)?;
    // Another log is here than the one that was looked at: to wait would be to miss what it has.
    if let Some(seen) = seen.filter(|seen| *seen > last) {
        let message = format!("there is no position {seen} yet: the log ends at {last}");
        return Err(Failure::bad_request(message));
    }
    let follower = Follower {
        position: seen.unwrap_or(last),
        views: server.engine.views(),
        runs: server.runs.version(),
        ended: server.ended.clone(),
        ready: VecDeque::new(),
        server,
        looking,
        about,
    };
    let events = futures_util::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// Reads along the log.
struct Follower {
    server: Arc<Server>,
    looking: Looking,
    about: Option<Reach>,
    /// Up to where it was read.
    position: u64,
    /// What was read and not sent yet.
    ready: VecDeque<LoggedEvent>,
    views: watch::Receiver<Views>,
    runs: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
}

impl Follower {
    /// Returns the next event; nothing where there will be none, or none that may be seen.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                let named = Event::default()
                    .id(event.position.to_string())
                    .event(&event.kind);
                return named.json_data(&event).ok();
            }
            let caller = self.looking.caller(&self.server, false).ok()?;
            let log = self.server.engine.log();
            let rows = log.read_all(self.position, ROWS).await.ok()?;
            if let Some(last) = rows.last() {
                self.position = last.position;
                let about = &self.about;
                let wanted = |row: &&Recorded| {
                    let is_about = |about: &Reach| about.covers(&reach_of(row));
                    about.as_ref().is_none_or(is_about) && sees(&caller, row)
                };
                self.ready.extend(rows.iter().filter(wanted).map(logged));
                continue;
            }
            tokio::select! {
                biased;
                // An error means that nobody is left who could end it: then it ends.
                _ = self.ended.wait_for(|ended| *ended) => return None,
                _ = self.views.changed() => {}
                _ = self.runs.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

/// Whether somebody may see an event. What people are and were denied is for those who may see the
/// audit.
fn sees(caller: &Caller, row: &Recorded) -> bool {
    let act = match row.stream.kind() {
        Some(StreamKind::Application(_) | StreamKind::Environment(_) | StreamKind::Run(_)) => {
            Act::See
        }
        Some(StreamKind::People | StreamKind::Audit) | None => Act::Audit,
    };
    caller.can(act, &reach_of(row))
}

fn logged(row: &Recorded) -> LoggedEvent {
    LoggedEvent {
        position: row.position,
        at: wire::moment(row.at),
        actor: row.actor.clone(),
        stream: row.stream.to_string(),
        kind: row.kind.clone(),
        sentence: sentence(row).unwrap_or_else(|| row.kind.clone()),
    }
}
