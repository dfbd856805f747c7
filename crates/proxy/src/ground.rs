//! What a proxy stands on before it runs: the lock of its state folder, its control socket, and
//! what the processes before it have deposited.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use leadsman_deposit::{Line, Said};
use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit};

use crate::config::Config;
use crate::control;
use crate::deposit::fetch;
use crate::keeper::{Sockets, sockets_of_doors};
use crate::proxy::Error;
use crate::saved::Saved;

/// What the lock and the control socket are deposited as.
const LOCK: &str = "lock";
const CONTROL: &str = "control";

/// What a proxy stands on before it runs.
pub(crate) struct Ground {
    pub(crate) lock: OwnedFd,
    pub(crate) control: UnixListener,
    /// The sockets that others have listened on.
    pub(crate) doors: Sockets,
    /// Whether another process serves, which this one is to succeed.
    pub(crate) predecessor: bool,
    pub(crate) line: Option<Line>,
}

impl Ground {
    /// # Errors
    /// The folder or the socket cannot be used, or the shim does not answer.
    pub(crate) fn prepare(config: &Config) -> Result<Self, Error> {
        let failed = |source| Error::State {
            path: config.state.clone(),
            source,
        };
        fs::create_dir_all(&config.state).map_err(failed)?;
        Saved::new(&config.state).check()?;
        raise_open_files_limit();
        let line = match &config.line {
            None => None,
            Some(line) => {
                let line = line.try_clone().and_then(Line::given);
                Some(line.map_err(Error::Shim)?)
            }
        };
        let fetched = line.as_ref().map(fetch).transpose();
        let mut fetched = fetched.map_err(Error::Shim)?.unwrap_or_default();
        let deposit = |name: &str, thing: &OwnedFd| match &line {
            None => Ok(()),
            Some(line) => {
                let said = Said::Deposit(name.to_owned());
                line.send(&said, &[thing.as_fd()]).map_err(Error::Shim)
            }
        };
        let lock = match fetched.sockets.remove(LOCK) {
            Some(lock) => lock,
            None => {
                let lock = lock(&config.state)?.into();
                deposit(LOCK, &lock)?;
                lock
            }
        };
        let is_there =
            fs::symlink_metadata(&config.socket).is_ok_and(|there| there.file_type().is_socket());
        // Somebody may have removed it; then nobody finds it any more.
        let control = match fetched.sockets.remove(CONTROL).filter(|_| is_there) {
            Some(control) => control.into(),
            None => {
                let control = OwnedFd::from(control::claim(&config.socket)?);
                deposit(CONTROL, &control)?;
                control.into()
            }
        };
        Ok(Self {
            lock,
            control,
            doors: sockets_of_doors(fetched.sockets),
            predecessor: fetched.predecessor,
            line,
        })
    }
}

/// Makes sure that no other proxy uses the state folder as long as the file returned is open, here
/// or anywhere.
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
