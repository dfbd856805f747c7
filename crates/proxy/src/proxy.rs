//! The proxy as a whole: start, run, stop.

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::control::{self, CutShort};
use crate::ground::Ground;
use crate::life;

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
    /// The last table cannot be understood, because a newer program has written it. It is left as it
    /// is.
    #[error(
        "the last table, `{}`, was written by Leadsman {program} in format {found}; this is Leadsman \
         {}, which knows formats up to {known}", path.display(), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the program that wrote it.
        program: String,
        /// Its format.
        found: u64,
        /// The newest format that this program knows.
        known: u64,
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
    /// The shim that this process is to deposit its sockets with does not answer.
    #[error("failed to talk to the shim")]
    Shim(#[source] io::Error),
    /// The process that this one is to succeed did not hand over.
    #[error("failed to take over from the process that serves")]
    Handover(#[source] Box<dyn std::error::Error + Send + Sync>),
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

    /// Stops accepting, unless a shim has another process take over first; lets requests in flight
    /// end (up to [`Config::drain_timeout`]), and waits until all threads have ended. Returns what had to be cut short.
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

    /// Waits until it has ended, because another one has succeeded it. Returns what had to be cut
    /// short.
    ///
    /// # Errors
    /// A thread of the proxy had died.
    pub fn wait(mut self) -> Result<CutShort, Error> {
        let Some(thread) = self.thread.take() else {
            return Ok(CutShort::default());
        };
        thread.join().unwrap_or(Err(Error::Died))
    }

    fn launch(config: Config, signals: bool) -> Result<Self, Error> {
        let ground = Ground::prepare(&config)?;
        let socket = config.socket.clone();
        let (stop, stopped) = mpsc::channel(2);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || life::live(config, ground, stopped, signals, &ready))
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
