//! A supervised command, as seen by the one who wants it to run.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::files::{FileError, create_private_folder, remove_folder};
use crate::machine::{self, boot_id};
use crate::shim::{Folder, MARK, Outcome, Spec, Status};

/// How long a shim may take to begin. It does so in milliseconds; a loaded machine is slower.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a succession may take; the shim gives up before.
const SUCCEED_WITHIN: Duration = Duration::from_secs(30);
/// How much is shown of what a shim said when it could not begin.
const COMPLAINT_CHARS_MAX: usize = 500;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A command that runs under a shim of its own. It goes on when this is dropped, and when the whole
/// process ends; [`Supervised::attach`] finds it again.
#[derive(Debug)]
pub struct Supervised {
    folder: Folder,
    status: watch::Receiver<Status>,
    stop: mpsc::Sender<()>,
}

/// A command could not be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A file or folder could not be used.
    #[error("failed to prepare the supervision")]
    File(#[from] FileError),
    /// The shim could not be started.
    #[error("failed to start the shim `{}`", executable.display())]
    Start {
        /// The program that should be the shim.
        executable: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The shim ended before it began.
    #[error("the shim could not begin: {0}")]
    Ended(String),
    /// There is a shim, but it does not talk.
    #[error("the shim in `{0}` does not answer")]
    Silent(String),
    /// The process that ran still does.
    #[error("it was not succeeded: {0}")]
    NotSucceeded(String),
}

impl Supervised {
    /// Makes sure that a command runs under a shim in `folder`: finds the one that does or, where
    /// there is none, removes all that is left of an earlier one and starts `spec`.
    ///
    /// `executable` is started as `<executable> shim <folder>` and must call [`crate::shim::run`].
    ///
    /// # Errors
    /// When the shim cannot begin. A command that cannot be started is no error: it is told by
    /// [`Status`], and tried again.
    pub async fn start(
        executable: &Path,
        folder: &Path,
        spec: &Spec,
    ) -> Result<Self, SuperviseError> {
        if let Some(found) = Self::attach(folder).await? {
            return Ok(found);
        }
        let folder = Folder::new(folder);
        create_private_folder(folder.path())?;
        folder.write_spec(spec)?;
        if let Err(error) = begin(executable, &folder).await {
            // A shim that an earlier control started just before it ended may have been faster.
            return Self::connect(&folder).await?.ok_or(error);
        }
        match Self::connect(&folder).await? {
            Some(supervised) => Ok(supervised),
            None => Err(SuperviseError::Silent(folder.path().display().to_string())),
        }
    }

    /// Finds the shim that works in `folder`. Where there is none, all processes that are left of
    /// an earlier one are killed, and `None` is returned.
    ///
    /// # Errors
    /// When there is one that does not answer, or the folder cannot be used.
    pub async fn attach(folder: &Path) -> Result<Option<Self>, SuperviseError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        Self::connect(&Folder::new(folder)).await
    }

    async fn connect(folder: &Folder) -> Result<Option<Self>, SuperviseError> {
        let deadline = tokio::time::Instant::now() + BEGIN_WITHIN;
        loop {
            if let Some(lock) = folder.try_lock()? {
                kill_leftovers_of(folder).await;
                drop(lock);
                return Ok(None);
            }
            // Its socket may not be there yet, or belong to one that was killed before.
            if let Some(stream) = try_connect(folder).await
                && let Ok(Some((reader, status, writer))) =
                    timeout(BEGIN_WITHIN, greet(stream)).await
            {
                let (sender, receiver) = watch::channel(status);
                let (stop, stops) = mpsc::channel(1);
                tokio::spawn(listen(reader, writer, sender, stops));
                return Ok(Some(Self {
                    folder: folder.clone(),
                    status: receiver,
                    stop,
                }));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(SuperviseError::Silent(folder.path().display().to_string()));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Returns what was seen last.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Resolves with the next status; with `None` when the shim has ended, and nothing is left of
    /// it and of what it started.
    pub async fn next(&mut self) -> Option<Status> {
        if self.status.changed().await.is_ok() {
            return Some(self.status.borrow_and_update().clone());
        }
        self.wait_for_lock().await;
        None
    }

    /// Returns what the shim was told to run, if it can be read.
    pub fn spec(&self) -> Option<Spec> {
        self.folder.spec().ok()
    }

    /// Has the process that runs succeeded by one that `spec` describes: the sockets that it has
    /// deposited pass on, and it retires only once the new one says that it serves. One succession
    /// at a time: who asks while one is under way gets its outcome.
    ///
    /// # Errors
    /// [`SuperviseError::NotSucceeded`] says why the process that ran still does, as if nothing had
    /// been asked; otherwise the shim cannot be asked.
    pub async fn succeed(&self, spec: &Spec) -> Result<(), SuperviseError> {
        self.folder.write_successor(spec)?;
        let silent = || SuperviseError::Silent(self.folder.path().display().to_string());
        let stream = try_connect(&self.folder).await.ok_or_else(silent)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        let asked = async {
            stream.write_all(b"succeed\n").await?;
            stream.read_line(&mut line).await
        };
        match timeout(SUCCEED_WITHIN, asked).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(_) => {
                let why = "its shim is of an older version, which cannot do that";
                return Err(SuperviseError::NotSucceeded(why.to_owned()));
            }
            Err(_) => return Err(silent()),
        }
        match serde_json::from_str(&line) {
            Ok(Outcome::Succeeded) => Ok(()),
            Ok(Outcome::Refused(why)) => Err(SuperviseError::NotSucceeded(why)),
            Err(_) => Err(silent()),
        }
    }

    /// Asks the command to end, and resolves when nothing of it and of its shim is left. The folder
    /// stays. It takes at most the grace time, and what the kernel needs to kill the rest.
    pub async fn stop(mut self) {
        self.ask_to_stop();
        while self.next().await.is_some() {}
    }

    /// Asks the command to end, without waiting.
    pub fn ask_to_stop(&self) {
        // Full means that it was asked already, closed that it ended.
        let _asked_or_ended = self.stop.try_send(());
    }

    async fn wait_for_lock(&self) {
        loop {
            match self.folder.try_lock() {
                Ok(Some(lock)) => {
                    kill_leftovers_of(&self.folder).await;
                    drop(lock);
                    return;
                }
                Ok(None) => sleep(LOOK_AGAIN).await,
                // The folder is gone, so nobody can work in it.
                Err(_) => return,
            }
        }
    }
}

/// Removes the folder of a shim, unless one works in it. Returns whether it is gone.
pub(crate) async fn remove(folder: &Path) -> Result<bool, FileError> {
    if !folder.is_dir() {
        return Ok(true);
    }
    let folder = Folder::new(folder);
    let Some(_lock) = folder.try_lock()? else {
        return Ok(false);
    };
    kill_leftovers_of(&folder).await;
    remove_folder(folder.path())?;
    Ok(true)
}

async fn begin(executable: &Path, folder: &Folder) -> Result<(), SuperviseError> {
    let start = |source| SuperviseError::Start {
        executable: executable.to_owned(),
        source,
    };
    let complaints = folder.file("shim.err");
    let stderr = std::fs::File::create(&complaints).map_err(start)?;
    let mut child = Command::new(executable)
        .arg("shim")
        .arg(folder.path())
        // Control's environment may hold what no service should be able to find out.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(start)?;
    let mut word = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // An end without a word, and silence, are told apart from `ready` below.
        let mut stdout = stdout.take(6);
        let _silent = timeout(BEGIN_WITHIN, stdout.read_to_end(&mut word)).await;
    }
    let begun = word == b"ready\n";
    if !begun {
        child.start_kill().map_err(start)?;
    }
    // It is a child of this process, which so has to take notice of its end.
    let ended = tokio::spawn(async move { child.wait().await });
    if begun {
        return Ok(());
    }
    let status = ended
        .await
        .map_err(|error| start(error.into()))?
        .map_err(start)?;
    let text = std::fs::read_to_string(&complaints).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let complaint: String = lines.join("; ").chars().take(COMPLAINT_CHARS_MAX).collect();
    Err(SuperviseError::Ended(if complaint.is_empty() {
        status.to_string()
    } else {
        complaint
    }))
}

async fn try_connect(folder: &Folder) -> Option<UnixStream> {
    let stream = folder
        .with_socket_path(std::os::unix::net::UnixStream::connect)
        .ok()?;
    stream.set_nonblocking(true).ok()?;
    UnixStream::from_std(stream).ok()
}

type Greeting = (
    BufReader<OwnedReadHalf>,
    Status,
    tokio::net::unix::OwnedWriteHalf,
);

async fn greet(stream: UnixStream) -> Option<Greeting> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"watch\n").await.ok()?;
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    Some((reader, serde_json::from_str(&line).ok()?, writer))
}

/// Passes on what the shim tells until it ends, or nobody is interested any more.
async fn listen(
    reader: BufReader<OwnedReadHalf>,
    mut writer: tokio::net::unix::OwnedWriteHalf,
    statuses: watch::Sender<Status>,
    mut stops: mpsc::Receiver<()>,
) {
    let mut lines = reader.lines();
    let mut may_stop = true;
    loop {
        tokio::select! {
            // What was asked for goes out even if the one who asked has left already.
            biased;
            stop = stops.recv(), if may_stop => match stop {
                // Where it cannot be written the shim has ended, which the reader finds out.
                Some(()) => { let _ended = writer.write_all(b"stop\n").await; }
                None => may_stop = false,
            },
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    if let Ok(status) = serde_json::from_str(&line) {
                        statuses.send_replace(status);
                    }
                }
                _ => return,
            },
            () = statuses.closed() => return,
        }
    }
}

/// Kills what a shim that is gone left behind. Whoever calls this has the folder's lock.
async fn kill_leftovers_of(folder: &Folder) {
    let status = folder.status().ok();
    let status = status.filter(|status| status.boot == boot_id());
    kill_leftovers(folder.mark(), status.map(|status| status.shim)).await;
}

/// Kills what somebody who is gone left behind: all that carries his mark, or is in the session that
/// he led. Whoever calls this has the folder's lock.
pub(crate) async fn kill_leftovers(mark: String, leader: Option<machine::ProcessId>) {
    let mark = format!("{MARK}={mark}");
    loop {
        let mark = mark.clone();
        let search = tokio::task::spawn_blocking(move || {
            let mut found = 0;
            for entry in machine::all() {
                // The mark finds what left the session, and the session what took the mark
                // off. A session keeps its number for as long as one process is left in it, so
                // no stranger can have it.
                let in_session = leader.is_some_and(|leader| {
                    entry.session == leader.pid && entry.id.started_ticks >= leader.started_ticks
                });
                let is_left = in_session || machine::has_variable(entry.id.pid, &mark);
                if is_left && !entry.zombie {
                    entry.id.signal(Signal::KILL);
                    found += 1;
                }
            }
            found
        });
        match search.await {
            Ok(0) | Err(_) => return,
            Ok(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
