//! Reports the tide over HTTP: a service to ship, with versions good and bad.
//!
//! It knows nothing of what deploys it. A port, a host, the name of its release and, for
//! rehearsals, how to misbehave come from its environment; all else is in the README beside it.

mod behaviour;
mod service;
mod tide;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use crate::behaviour::Behaviour;
use crate::service::Service;

/// How long requests under way may take after a signal to end.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let port: u16 = match variable("PORT")? {
        Some(port) => port
            .parse()
            .with_context(|| format!("`PORT` is no port: `{port}`"))?,
        None => 8080,
    };
    let host = variable("HOST")?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let release = match variable("LEADSMAN_RELEASE")? {
        Some(release) => release,
        None => variable("RELEASE")?.unwrap_or_else(|| "unreleased".to_owned()),
    };
    let behaviour = Behaviour::load(variable("BEHAVIOUR")?)?;
    let service = Rc::new(Service::new(&release, behaviour)?);

    // One thread is enough: the work is waiting, and a little arithmetic.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(&host, port, &release, service))
}

/// Answers until it is asked to end, or until it is time to crash.
async fn serve(host: &str, port: u16, release: &str, service: Rc<Service>) -> anyhow::Result<()> {
    // Set up before the port is open: whoever reaches it may send a signal next.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let address = (host, port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on `{host}:{port}`"))?;
    say(&format!(
        "release {release} listens on {}",
        listener.local_addr()?
    ));

    let (ending, ends) = watch::channel(false);
    let mut crash = std::pin::pin!(service.crash());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(answer(stream, Rc::clone(&service), ends.clone()));
                }
                // Out of file descriptors, most likely: some will be free again.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            () = &mut crash => anyhow::bail!("crashes, as it was told to"),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }

    drop(listener);
    ending.send_replace(true);
    let finished = timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
    });
    finished.await.context("requests under way were cut off")
}

/// Answers the requests of one connection; after `ends` turns true, only the one under way.
async fn answer(stream: TcpStream, service: Rc<Service>, mut ends: watch::Receiver<bool>) {
    // Without it small answers may wait for an acknowledgement. An error says that the peer left.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let respond = service_fn(move |request| {
        let service = Rc::clone(&service);
        async move { service.respond(request).await }
    });
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), respond));
    // Either way the connection is over: an error here is the peer's own.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = ends.wait_for(|ends| *ends) => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
}

/// Returns a variable of the environment that is set and not empty.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{name}` cannot be read")),
    }
}

/// Tells whoever keeps the log. That nobody does is no reason to stop.
fn say(message: &str) {
    let _written = writeln!(io::stderr(), "tide: {message}");
}
