//! The one place where all parts are put together: control, and the data plane beside it.

mod data_plane;
mod end;
mod lock;
mod shelf;
mod tell;

use std::sync::Arc;

use leadsman_engine::{Engine, HttpSources, Machine, Parts, ProxyPlane, Runs, SystemClock};
use leadsman_runtime::job::Jobs;
use leadsman_runtime::process::ProcessRuntime;
use leadsman_server::{Provider, Setup as Server};
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{EventLog, FigureLog, OpenError};
use tokio::sync::watch;

pub(crate) use data_plane::program;
pub(crate) use tell::listen_to_tracing;

use crate::codes::Code;
use crate::command::api::Api;
use crate::command::proxy::Setup;
use crate::command::socket::Socket;
use crate::context::Context;
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::format;

/// By which ways others than the owner of the state folder come in.
pub(crate) struct Doors<'a> {
    pub(crate) api: &'a Api,
    pub(crate) socket: &'a Socket,
    /// How they sign in.
    pub(crate) provider: Option<Provider>,
}

/// Runs control on the context's state folder until it is told to end.
pub(crate) async fn run(context: &Context, setup: &Setup, doors: Doors<'_>) -> Result<(), Failure> {
    let state = &context.state;
    state.create()?;
    let _lock = lock::take(state)?;
    // All that this program does not understand has to be found before anything is done: neither
    // a data plane nor an instance is touched by a program that is too old.
    format::check(state)?;
    let log = open_log(state)?;
    let last_recorded = leadsman_engine::understand(&*log).await;
    let last_recorded = last_recorded.map_err(|error| unreadable(state, &error))?;
    format::claim(state, context.output)?;
    let clock = SystemClock::not_before(last_recorded);
    // Before anything is started: what cannot be served as it should is better not begun.
    let network = doors.api.bind()?;
    let (held, beside) = doors.socket.bind(context)?.unzip();
    let proxy = data_plane::start(context, setup).await?;
    let runtime = start_runtime(state).await?;
    let plane = ProxyPlane::connect(proxy.client()).await;
    let parts = Parts {
        log: Arc::clone(&log) as Arc<dyn EventLog>,
        figures: Arc::clone(&log) as Arc<dyn FigureLog>,
        runtime: Arc::clone(&runtime) as _,
        data_plane: Arc::new(plane),
        metrics: Arc::new(HttpSources),
        inspector: Arc::new(Machine),
        clock: Arc::new(clock),
    };
    let engine = Engine::start(parts)
        .await
        .map_err(|error| unreadable(state, &error))?;
    let shelf = shelf::StateShelf::open(state)?;
    let jobs = Jobs::open(state.path(), executable()?, shelf.store());
    let jobs = jobs.map_err(|error| Failure::of(Code::NotStarted, &error))?;
    let runs = Runs::start(engine.clone(), Arc::new(clock), jobs, places()).await;
    let runs = runs.map_err(|error| unreadable(state, &error))?;
    let (down, down_wanted) = watch::channel(false);
    let (ended, end) = watch::channel(false);
    let url = network.as_ref().map(leadsman_server::Network::url);
    let server = Server {
        engine: engine.clone(),
        runs: runs.clone(),
        shelf: Arc::new(shelf),
        state: state.path().to_owned(),
        started_at: leadsman_engine::Clock::now(&clock),
        version: env!("CARGO_PKG_VERSION"),
        page_of: |code| crate::pages::find(code).map(|(_, page)| page),
        down,
        network,
        beside,
        provider: doors.provider,
    };
    let socket = state.socket();
    let serving = tokio::spawn(async move { server.run(&socket, end).await });
    tell::ready(context, &engine, url.as_deref(), held.as_ref());
    let why = end::wait(down_wanted, serving).await?;
    let environments: Vec<_> = engine
        .views()
        .borrow()
        .environments
        .keys()
        .cloned()
        .collect();
    runs.shut_down().await;
    engine.shut_down().await;
    match why {
        end::Why::Signal => tell::control_ended(context, &*runtime, &environments).await,
        end::Why::Down => {
            // Requests first, so that nobody meets an instance that is about to end.
            proxy.stop().await;
            end::stop_instances(&*runtime, &environments).await?;
            runs.stop_attempts().await;
            context.output.talk("everything has ended");
        }
    }
    // Whoever waits for the end watches the socket: it goes last.
    ended.send_replace(true);
    drop(held);
    drop(std::fs::remove_file(state.socket()));
    Ok(())
}

fn open_log(state: &StateFolder) -> Result<Arc<SqliteLog>, Failure> {
    let log = SqliteLog::open(state.log()).map(Arc::new);
    log.map_err(|error| match &error {
        OpenError::Newer { .. } => {
            Failure::of(Code::NewerState, &error).hint(format::who_knows(state))
        }
        _ => Failure::of(Code::LogUnreadable, &error)
            .hint("check it with `leadsman audit verify`; free the disk if it is full"),
    })
}

fn unreadable(state: &StateFolder, error: &leadsman_engine::Error) -> Failure {
    match error {
        leadsman_engine::Error::NotUnderstood { .. } => {
            let version = env!("CARGO_PKG_VERSION");
            Failure::of(Code::NewerState, error).hint(format!(
                "this is Leadsman {version}: {}",
                format::who_knows(state)
            ))
        }
        _ => Failure::of(Code::LogUnreadable, error),
    }
}

async fn start_runtime(state: &StateFolder) -> Result<Arc<ProcessRuntime>, Failure> {
    let config = leadsman_runtime::process::Config::new(state.path(), executable()?);
    ProcessRuntime::start(config)
        .await
        .map(Arc::new)
        .map_err(|error| Failure::of(Code::NotStarted, &error))
}

/// Returns how many jobs run at once: as many as there are cores, since each may take one.
fn places() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns the program itself: shims and the data plane are the same one.
fn executable() -> Result<std::path::PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new(
            Code::NotStarted,
            "the path of the running program is not known",
        )
        .because(&error)
    })
}
