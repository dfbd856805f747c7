//! The one place where all parts are put together: control, and the data plane beside it.

mod data_plane;
mod end;
mod lock;
mod shelf;
mod tell;

use std::sync::Arc;

use leadsman_core::time::Timestamp;
use leadsman_engine::{Engine, HttpSources, Parts, ProxyPlane, SystemClock};
use leadsman_runtime::process::ProcessRuntime;
use leadsman_server::Server;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{EventLog, FigureLog};
use tokio::sync::watch;

pub(crate) use data_plane::program;
pub(crate) use tell::listen_to_tracing;

use crate::codes::Code;
use crate::command::proxy::Setup;
use crate::context::Context;
use crate::failure::Failure;
use crate::folder::StateFolder;

/// Runs control on the context's state folder until it is told to end.
pub(crate) async fn run(context: &Context, setup: &Setup) -> Result<(), Failure> {
    let state = &context.state;
    state.create()?;
    let _lock = lock::take(state)?;
    let log = open_log(state)?;
    let clock = SystemClock::not_before(last_recorded(&*log).await?);
    let proxy = data_plane::start(context, setup).await?;
    let runtime = start_runtime(state).await?;
    let plane = ProxyPlane::connect(proxy.client()).await;
    let parts = Parts {
        log: Arc::clone(&log) as Arc<dyn EventLog>,
        figures: Arc::clone(&log) as Arc<dyn FigureLog>,
        runtime: Arc::clone(&runtime) as _,
        data_plane: Arc::new(plane),
        metrics: Arc::new(HttpSources),
        clock: Arc::new(clock),
    };
    let engine = Engine::start(parts)
        .await
        .map_err(|error| Failure::of(Code::LogUnreadable, &error))?;
    let (down, down_wanted) = watch::channel(false);
    let (ended, end) = watch::channel(false);
    let server = Server {
        engine: engine.clone(),
        shelf: Arc::new(shelf::StateShelf::open(state)?),
        state: state.path().to_owned(),
        started_at: leadsman_engine::Clock::now(&clock),
        version: env!("CARGO_PKG_VERSION"),
        down,
    };
    let socket = state.socket();
    let serving = tokio::spawn(async move { server.run(&socket, end).await });
    tell::ready(context, &engine);
    let why = end::wait(down_wanted, serving).await?;
    let environments: Vec<_> = engine
        .views()
        .borrow()
        .environments
        .keys()
        .cloned()
        .collect();
    engine.shut_down().await;
    match why {
        end::Why::Signal => tell::control_ended(context, &*runtime, &environments).await,
        end::Why::Down => {
            // Requests first, so that nobody meets an instance that is about to end.
            proxy.stop().await;
            end::stop_instances(&*runtime, &environments).await?;
            context.output.talk("everything has ended");
        }
    }
    // Whoever waits for the end watches the socket: it goes last.
    ended.send_replace(true);
    drop(std::fs::remove_file(state.socket()));
    Ok(())
}

fn open_log(state: &StateFolder) -> Result<Arc<SqliteLog>, Failure> {
    SqliteLog::open(state.log()).map(Arc::new).map_err(|error| {
        Failure::of(Code::LogUnreadable, &error)
            .hint("check it with `leadsman audit verify`; free the disk if it is full")
    })
}

/// Returns the moment of the last recorded event, so that time goes on from there.
async fn last_recorded(log: &dyn EventLog) -> Result<Timestamp, Failure> {
    let unreadable = |error| Failure::of(Code::LogUnreadable, &error);
    let mut last = Timestamp::default();
    for stream in log.streams().await.map_err(unreadable)? {
        let events = log.read_stream(&stream, 0).await.map_err(unreadable)?;
        last = events.last().map_or(last, |event| last.max(event.at));
    }
    Ok(last)
}

async fn start_runtime(state: &StateFolder) -> Result<Arc<ProcessRuntime>, Failure> {
    let config = leadsman_runtime::process::Config::new(state.path(), executable()?);
    ProcessRuntime::start(config)
        .await
        .map(Arc::new)
        .map_err(|error| Failure::of(Code::NotStarted, &error))
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
