//! Pages as they change: what has changed is sent to who looks, at most once a second.
//!
//! What a page of an environment says is made once a second, however many look at it; only what somebody
//! can do differs from one to the other, and that changes with decisions alone.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use futures_util::Stream;
use leadsman_api::{Event as WireEvent, Series};
use leadsman_console::{Part, environment_deeds, environment_parts, overview_parts, run_parts};
use leadsman_core::id::EnvironmentId;
use leadsman_core::people::{Act, Reach};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::services::{self, AskedService, Chosen};
use crate::access::{Caller, Looking};
use crate::extract::{Path, Query};
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

/// How many events may wait for a slow browser: then nothing is made for it until it has taken them.
const WAITING: usize = 32;

/// How often a page of nothing new says that it is still there.
const ALIVE: Duration = Duration::from_secs(15);

/// What was counted, as it was read last.
type Read = Mutex<Option<(Option<Arc<Series>>, Instant)>>;

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

type Events = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;
type Live = Sse<KeepAliveStream<Events>>;

pub(crate) async fn overview(State(server): Shared, looking: Looking) -> Live {
    let parts = |server: Arc<Server>, caller: Caller| async move {
        Some(overview_parts(&current(&server, &caller).await))
    };
    stream(server, looking, parts)
}

pub(crate) async fn environment(
    State(server): Shared,
    looking: Looking,
    Path(asked): AskedEnvironment,
) -> Result<Live, Failure> {
    view(&server, &asked)?;
    let deeds: Arc<Deeds> = Arc::default();
    let parts = move |server: Arc<Server>, caller: Caller| {
        let (asked, deeds) = (asked.clone(), Arc::clone(&deeds));
        async move { of_environment(&server, &caller, &asked, &deeds).await.ok() }
    };
    Ok(stream(server, looking, parts))
}

pub(crate) async fn service(
    State(server): Shared,
    looking: Looking,
    Path(asked): AskedService,
    Query(chosen): Query<Chosen>,
) -> Result<Live, Failure> {
    services::there(&server, &asked)?;
    let read: Arc<Read> = Arc::default();
    let parts = move |server: Arc<Server>, caller: Caller| {
        let (asked, chosen, read) = (asked.clone(), chosen.clone(), Arc::clone(&read));
        async move {
            let view = services::there(&server, &asked).ok()?;
            if !caller.sees(&view.environment.id) {
                return None;
            }
            let known = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let series = match known.filter(|(_, at)| at.elapsed() < SERIES_EVERY) {
                Some((series, _)) => series,
                None => {
                    let series = services::counted(&server, &view).await.ok()?;
                    let series = series.map(Arc::new);
                    let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                    *read = Some((series.clone(), Instant::now()));
                    series
                }
            };
            let parts = services::parts(&server, &view, &asked.2, &chosen, series.as_deref());
            parts.await.ok()
        }
    };
    Ok(stream(server, looking, parts))
}

pub(crate) async fn run(
    State(server): Shared,
    looking: Looking,
    Path(asked): AskedRun,
) -> Result<Live, Failure> {
    let id = run_id(asked)?;
    now(&server, &id).await?;
    let parts = move |server: Arc<Server>, caller: Caller| {
        let id = id.clone();
        async move {
            let about = Reach::Application(id.application.clone());
            let sees = caller.can(Act::See, &about);
            let run = now(&server, &id).await.ok().filter(|_| sees)?;
            Some(run_parts(&run))
        }
    };
    Ok(stream(server, looking, parts))
}

/// Sends the parts of a page that have changed, as long as who looks may see it. `parts` are none
/// where they may not any more; the page is loaded again then, and says why.
fn stream<F>(
    server: Arc<Server>,
    looking: Looking,
    parts: impl Fn(Arc<Server>, Caller) -> F + Send + Sync + 'static,
) -> Live
where
    F: Future<Output = Option<Vec<Part>>> + Send,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = server.ended.clone();
        let mut shown: HashMap<String, String> = HashMap::new();
        loop {
            tokio::select! {
                biased;
                // An error means that nobody is left who could end it: then it ends.
                _ = ended.wait_for(|ended| *ended) => return,
                () = sender.closed() => return,
                _ = tick.tick() => {}
            }
            let caller = looking.caller(&server, true);
            let now = match caller {
                Ok(caller) => parts(Arc::clone(&server), caller).await,
                Err(_) => None,
            };
            let Some(now) = now else {
                drop(sender.send(again()).await);
                return;
            };
            // A part that is not there cannot take the place of another one; a page that was made of
            // others, be it before this was listened to, is loaded again.
            let has = |part: &Part| shown.contains_key(&part.name);
            let is_other = shown.len() != now.len() || !now.iter().all(has);
            let mut events = Vec::new();
            if is_other {
                let names: Vec<&str> = now.iter().map(|part| &*part.name).collect();
                events.extend(Event::default().event("parts").json_data(names));
                shown.clear();
            }
            for part in now {
                if shown.get(&part.name) != Some(&part.html) {
                    let (name, html) = (&*part.name, &*part.html);
                    let event = Event::default().event("part");
                    events.extend(event.json_data(Sent { name, html }));
                    shown.insert(part.name, part.html);
                }
            }
            for event in events {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        }
    });
    let events = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    });
    let events: Events = Box::pin(events);
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))
}

/// Returns what has a page loaded again.
fn again() -> Event {
    Event::default().event("again").data("")
}

/// What somebody can do, as it was made last, and what of it was made: when things had changed last, and
/// who there was.
type Deeds = Mutex<Option<((u64, u64), Part)>>;

async fn of_environment(
    server: &Server,
    caller: &Caller,
    asked: &(String, String),
    deeds: &Deeds,
) -> Result<Vec<Part>, Failure> {
    let view = view(server, asked)?;
    let id = &view.environment.id;
    if !caller.sees(id) {
        return Err(Failure::not_found("it is not seen any more"));
    }
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
            // Of a deployment that is over nothing more is counted.
            let is_over = view.environment.deployment.is_none();
            let fresh = made.filter(|made| {
                made.read_at.elapsed() < SERIES_EVERY || is_over && made.version == version
            });
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
    let of = (view.environment.turned_at, server.engine.people().version);
    let kept = deeds.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let part = match kept.filter(|(made_of, _)| *made_of == of) {
        Some((_, part)) => part,
        None => {
            let status = crate::wire::status(&view);
            let part = environment_deeds(&status, &choices(server, caller, &view));
            let mut deeds = deeds.lock().unwrap_or_else(PoisonError::into_inner);
            *deeds = Some((of, part.clone()));
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
