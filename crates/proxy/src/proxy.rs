//! The proxy as a whole: start, run, stop.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::certificates::Secrets;
use crate::config::Config;
use crate::control::{self, CutShort};
use crate::keeper::Keeper;
use crate::saved::Saved;
use crate::worker;

/// Why the proxy could not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state folder cannot be used.
    #[error("failed to use the state folder `{}`", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another proxy runs on the same state folder or control socket.
    #[error("another proxy is running on `{}`", .0.display())]
    Running(PathBuf),
    /// The control socket cannot be made.
    #[error("failed to make the control socket `{}`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a thread or what a runtime needs.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
    /// The system gave no random numbers, which encryption needs.
    #[error("failed to get random numbers from the system")]
    Random,
    /// A thread ended that should not have.
    #[error("a thread of the proxy ended by itself")]
    Died,
}

/// Runs the proxy until it is told to end by SIGTERM or SIGINT, then lets requests in flight end
/// (up to [`Config::drain_timeout`]) and returns.
///
/// What was cut short then is logged.
///
/// # Errors
/// It could not start, or one of its threads died.
pub fn run(config: Config) -> Result<(), Error> {
    Proxy::launch(config, true)?.wait().map(drop)
}

/// A proxy that runs on threads of this process. Dropping it stops it like
/// [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Proxy {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<Result<CutShort, Error>>>,
    socket: PathBuf,
}

impl Proxy {
    /// Starts a proxy. When this returns, the last table is served and control can connect.
    ///
    /// # Errors
    /// The state folder or the socket cannot be used, or threads cannot be started.
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::launch(config, false)
    }

    /// Returns a client to control it.
    pub fn client(&self) -> control::Client {
        control::Client::new(&self.socket)
    }

    /// Stops accepting, lets requests in flight end (up to [`Config::drain_timeout`]), and waits
    /// until all threads have ended. Returns what had to be cut short.
    ///
    /// # Errors
    /// A thread of the proxy had died.
    pub fn shutdown(self) -> Result<CutShort, Error> {
        self.stop_soon();
        self.wait()
    }

    fn stop_soon(&self) {
        // Full means that it was told already, closed that it has ended.
        self.stop.try_send(()).ok();
    }

    fn wait(mut self) -> Result<CutShort, Error> {
        let Some(thread) = self.thread.take() else {
            return Ok(CutShort::default());
        };
        thread.join().unwrap_or(Err(Error::Died))
    }

    fn launch(config: Config, signals: bool) -> Result<Self, Error> {
        let failed = |source| Error::State {
            path: config.state.clone(),
            source,
        };
        fs::create_dir_all(&config.state).map_err(failed)?;
        let lock = lock(&config.state)?;
        raise_open_files_limit();
        let listener = control::claim(&config.socket)?;
        let socket = config.socket.clone();
        let (stop, stopped) = mpsc::channel(1);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || {
                let socket = config.socket.clone();
                let result = keep(config, listener, stopped, signals, &ready);
                // Best effort: a socket that stays behind is replaced by the next proxy.
                drop(fs::remove_file(socket));
                drop(lock);
                result
            })
            .map_err(Error::Thread)?;
        let proxy = Self {
            stop,
            thread: Some(thread),
            socket,
        };
        match is_ready.recv() {
            Ok(()) => Ok(proxy),
            // The thread has ended without being ready, so it has something to say.
            Err(_) => Err(proxy.wait().err().unwrap_or(Error::Died)),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop_soon();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the proxy ended by a panic");
        }
    }
}

/// The keeper's thread.
fn keep(
    config: Config,
    listener: UnixListener,
    stopped: mpsc::Receiver<()>,
    signals: bool,
    ready: &std::sync::mpsc::Sender<()>,
) -> Result<CutShort, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    LocalSet::new().block_on(&runtime, async move {
        let mut stop_asked = Box::pin(stop_asked(stopped, signals)?);
        let (trips, tripping) = mpsc::unbounded_channel();
        let started: Result<Vec<_>, _> = (0..config.workers())
            .map(|index| worker::start(index, config.clone(), trips.clone()))
            .collect();
        let (mailboxes, threads): (Vec<_>, Vec<_>) =
            started.map_err(Error::Thread)?.into_iter().unzip();
        let drain_timeout = config.drain_timeout;
        let socket = config.socket.clone();
        let saved = Saved::new(&config.state);
        let secrets = Secrets::new(&config.state).map_err(|_| Error::Random)?;
        let keeper = Rc::new(Keeper::new(config, mailboxes, saved, secrets));
        keeper.restore().await;
        let serving =
            control::serve(Rc::clone(&keeper), listener).map_err(|source| Error::Socket {
                path: socket,
                source,
            })?;
        tokio::task::spawn_local(serving);
        let ticking = {
            let keeper = Rc::clone(&keeper);
            tokio::task::spawn_local(async move { keeper.tick().await })
        };
        tokio::task::spawn_local(Rc::clone(&keeper).cut_off(tripping));
        let cutting = Rc::clone(&keeper);
        tokio::task::spawn_local(async move { cutting.cut_short().await });
        tokio::task::spawn_local(Rc::clone(&keeper).watch_certificates());
        tokio::task::spawn_local(Rc::clone(&keeper).obtain_certificates());
        ready.send(()).ok();
        let result = tokio::select! {
            () = &mut stop_asked => Ok(()),
            _ = ticking => Err(Error::Died),
        };
        tracing::info!("stopping: requests in flight may end");
        keeper.stop(Instant::now() + drain_timeout);
        // Beside the control socket, so that it can be watched how requests end.
        let joined = tokio::task::spawn_blocking(move || {
            let mut cut_short = CutShort::default();
            for thread in threads {
                cut_short.add(thread.join().ok()?);
            }
            Some(cut_short)
        });
        let cut_short = joined.await.ok().flatten().ok_or(Error::Died)?;
        tell(&cut_short);
        result.map(|()| cut_short)
    })
}

fn tell(cut_short: &CutShort) {
    let CutShort {
        connections,
        in_flight,
    } = cut_short;
    if *connections > 0 || !in_flight.is_empty() {
        let kinds = cut_short.kinds();
        tracing::warn!(connections, cut_short = %kinds, "the time to drain was up");
    }
    for (instance, kinds) in in_flight {
        tracing::warn!(instance, cut_short = %kinds, "the time to drain was up");
    }
}

/// Returns a future that ends when the proxy should.
fn stop_asked(
    mut stopped: mpsc::Receiver<()>,
    signals: bool,
) -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| {
        signals
            .then(|| signal(kind))
            .transpose()
            .map_err(Error::Thread)
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        let terminate = async {
            match &mut terminate {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let interrupt = async {
            match &mut interrupt {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped.recv() => {}
            _ = terminate => {}
            _ = interrupt => {}
        }
    })
}

/// Makes sure that no other proxy uses the state folder as long as the file returned is open.
fn lock(state: &Path) -> Result<File, Error> {
    let path = state.join("proxy.lock");
    let failed = |source| Error::State {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Running(state.to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

/// Each request in flight takes two open files; the usual soft limit of 1024 is meant for
/// programs that use `select`.
fn raise_open_files_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
