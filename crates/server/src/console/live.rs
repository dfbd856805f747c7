//! Pages as they change: what has changed is sent to who looks, at most once a second.
//!
//! What a page of an environment says is made once a second, however many look at it; only what somebody
//! can do differs from one to the other, and that changes with decisions alone.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use leadsman_api::{Event as WireEvent, Series};
use leadsman_console::{Part, environment_deeds, environment_parts, overview_parts, run_parts};
use leadsman_core::id::EnvironmentId;
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::access::Caller;
use crate::handlers::choices::choices;
use crate::handlers::history::of_newest;
use crate::handlers::runs::{AskedRun, now, run_id};
use crate::handlers::series::series;
use crate::handlers::status::{current, status_of};
use crate::handlers::{AskedEnvironment, Shared, view};
use crate::problem::Failure;
use crate::serve::Server;

/// How often a page changes at most.
const EVERY: Duration = Duration::from_secs(1);

/// How often what was counted is read anew: it is kept every ten seconds or so.
const SERIES_EVERY: Duration = Duration::from_secs(5);

/// How often a page of nothing new says that it is still there.
const ALIVE: Duration = Duration::from_secs(15);

/// The pages of environments that somebody looks at, as they were made last.
#[derive(Default)]
pub(crate) struct Watched(Mutex<BTreeMap<EnvironmentId, Made>>);

/// A page as it was made.
#[derive(Clone)]
struct Made {
    at: Instant,
    /// The version of the environment, with what had happened by then.
    version: u64,
    events: Arc<Vec<WireEvent>>,
    /// How the sides have been doing, and when that was read.
    series: Option<Arc<Series>>,
    read_at: Instant,
    parts: Arc<Vec<Part>>,
}

#[derive(Serialize)]
struct Sent<'a> {
    name: &'a str,
    html: &'a str,
}

pub(crate) async fn overview(
    State(server): Shared,
    caller: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let parts = move |server: Arc<Server>| {
        let caller = caller.clone();
        async move { Some(overview_parts(&current(&server, &caller).await)) }
    };
    stream(server, parts)
}

pub(crate) async fn environment(
    State(server): Shared,
    caller: Caller,
    Path(asked): AskedEnvironment,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    view(&server, &asked)?;
    let deeds: Arc<Mutex<Option<(u64, Part)>>> = Arc::default();
    let parts = move |server: Arc<Server>| {
        let (caller, asked, deeds) = (caller.clone(), asked.clone(), Arc::clone(&deeds));
        async move { of_environment(&server, &caller, &asked, &deeds).await.ok() }
    };
    Ok(stream(server, parts))
}

pub(crate) async fn run(
    State(server): Shared,
    Path(asked): AskedRun,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let id = run_id(asked)?;
    now(&server, &id).await?;
    let parts = move |server: Arc<Server>| {
        let id = id.clone();
        async move { Some(run_parts(&now(&server, &id).await.ok()?)) }
    };
    Ok(stream(server, parts))
}

/// Sends the parts of a page that have changed. What a browser has it loaded a moment before.
fn stream<F>(
    server: Arc<Server>,
    parts: impl Fn(Arc<Server>) -> F + Send + 'static,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    F: Future<Output = Option<Vec<Part>>> + Send,
{
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shown: HashMap<String, String> = HashMap::new();
    let ended = server.ended.clone();
    let state = (tick, ended, shown, Vec::new(), parts, server);
    let events = futures_util::stream::unfold(state, |state| async {
        let (mut tick, mut ended, mut shown, mut waiting, parts, server) = state;
        loop {
            if let Some(event) = waiting.pop() {
                let state = (tick, ended, shown, waiting, parts, server);
                return Some((Ok(event), state));
            }
            tokio::select! {
                biased;
                // An error means that nobody is left who could end it: then it ends.
                _ = ended.wait_for(|ended| *ended) => return None,
                _ = tick.tick() => {}
            }
            let now = parts(Arc::clone(&server)).await?;
            let is_other = !shown.is_empty()
                && (shown.len() != now.len() || !now.iter().all(|it| shown.contains_key(&it.name)));
            if is_other {
                waiting.push(Event::default().event("again").data(""));
            }
            for part in now {
                if shown.get(&part.name) != Some(&part.html) {
                    let (name, html) = (&*part.name, &*part.html);
                    let event = Event::default()
                        .event("part")
                        .json_data(Sent { name, html });
                    waiting.extend(event);
                    shown.insert(part.name, part.html);
                }
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))
}

async fn of_environment(
    server: &Server,
    caller: &Caller,
    asked: &(String, String),
    deeds: &Mutex<Option<(u64, Part)>>,
) -> Result<Vec<Part>, Failure> {
    let view = view(server, asked)?;
    let id = &view.environment.id;
    let made = server.watched.get(id);
    let fresh = made.clone().filter(|made| made.at.elapsed() < EVERY / 2);
    let made = match fresh {
        Some(made) => made,
        None => {
            let version = view.environment.version;
            let events = match made.as_ref().filter(|made| made.version == version) {
                Some(made) => Arc::clone(&made.events),
                None => Arc::new(of_newest(server, &view).await?),
            };
            let fresh = made.filter(|made| made.read_at.elapsed() < SERIES_EVERY);
            let (series, read_at) = match fresh {
                Some(made) => (made.series, made.read_at),
                None => {
                    let last = view.environment.last_deployment;
                    let series = series(server, id, last).await?;
                    (series.map(Arc::new), Instant::now())
                }
            };
            let status = status_of(server, &view).await;
            let made = Made {
                at: Instant::now(),
                version,
                parts: Arc::new(environment_parts(&status, &events, series.as_deref())),
                events,
                series,
                read_at,
            };
            server.watched.put(id.clone(), made.clone());
            made
        }
    };
    let mut parts = (*made.parts).clone();
    let turned_at = view.environment.turned_at;
    let kept = deeds.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let part = match kept.filter(|(at, _)| *at == turned_at) {
        Some((_, part)) => part,
        None => {
            let status = crate::wire::status(&view);
            let part = environment_deeds(&status, &choices(server, caller, &view));
            let mut deeds = deeds.lock().unwrap_or_else(PoisonError::into_inner);
            *deeds = Some((turned_at, part.clone()));
            part
        }
    };
    parts.push(part);
    Ok(parts)
}

impl Watched {
    fn get(&self, id: &EnvironmentId) -> Option<Made> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(id).cloned()
    }

    fn put(&self, id: EnvironmentId, made: Made) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody has looked at these for a while.
        all.retain(|_, made| made.at.elapsed() < EVERY * 60);
        all.insert(id, made);
    }
}
