//! What is told of single requests: the access log.
//!
//! Workers hand over what they know of requests that are over, many at a time, and never wait: a
//! queue that is full loses what comes, and that is counted. One thread makes lines of it, and
//! writes them.

mod entry;
mod file;
mod line;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::observe::AccessLog;
use file::Rotating;

pub(crate) use crate::observe::Trace;
pub(crate) use entry::{End, Entry};

/// How many entries a worker hands over at a time, at most.
pub(crate) const BATCH: usize = 128;

/// After how long it hands over what it has, be it ever so few.
pub(crate) const BATCH_AFTER: Duration = Duration::from_millis(100);

/// How many batches may wait: some 16,000 entries, of mostly 500 bytes each.
const BATCHES_MAX: usize = 128;

/// How many bytes of lines are written at once.
const WRITE_AT: usize = 256 * 1024;

/// After how long it is looked again whether something is to be said about what was dropped.
const LOOK_AFTER: Duration = Duration::from_secs(1);

type Batch = Vec<Entry>;

/// What became of what was to be told of requests, since the process was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Lines of the access log that were written.
    pub lines: u64,
    /// Lines that were not, because the disk was too slow or full.
    pub lines_dropped: u64,
}

/// The same, as it is counted.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    lines: AtomicU64,
    lines_dropped: AtomicU64,
}

/// The thread that tells, and the way to it.
#[derive(Debug)]
pub(crate) struct Journal {
    inlet: Inlet,
    thread: JoinHandle<()>,
}

/// Where entries are put.
#[derive(Clone, Debug)]
pub(crate) struct Inlet {
    batches: SyncSender<Batch>,
    counts: Arc<Telling>,
}

/// What waits for the end of the thread.
#[derive(Debug)]
pub(crate) struct Ending(JoinHandle<()>);

impl Journal {
    /// Starts the thread, if there is anything to tell.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(config: &Config) -> io::Result<Option<Self>> {
        let Some(log) = config.access_log.clone() else {
            return Ok(None);
        };
        let (batches, inbox) = sync_channel(BATCHES_MAX);
        let counts = Arc::<Telling>::default();
        let writer = Writer {
            file: Rotating::new(&log.path, log.bytes_max, log.kept),
            log,
            counts: Arc::clone(&counts),
            lines: Vec::new(),
            said: 0,
            is_broken: false,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Some(Self {
            inlet: Inlet { batches, counts },
            thread,
        }))
    }

    /// Returns where entries are put.
    pub(crate) fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// Returns what says what became of what was told.
    pub(crate) fn telling(&self) -> Arc<Telling> {
        Arc::clone(&self.inlet.counts)
    }

    /// Returns what waits until all is written, once nobody has an inlet any more.
    pub(crate) fn close(self) -> Ending {
        Ending(self.thread)
    }
}

impl Ending {
    pub(crate) fn wait(self) {
        if self.0.join().is_err() {
            tracing::error!("what writes the access log ended by a panic");
        }
    }
}

impl Inlet {
    /// Hands over a batch, or loses it.
    pub(crate) fn put(&self, batch: Batch) {
        if let Err(lost) = self.batches.try_send(batch) {
            let (std::sync::mpsc::TrySendError::Full(batch)
            | std::sync::mpsc::TrySendError::Disconnected(batch)) = lost;
            let lines = batch.iter().filter(|entry| entry.is_logged).count();
            self.counts.drop_lines(lines as u64);
        }
    }
}

impl Telling {
    /// Returns what became of what was to be told.
    pub(crate) fn told(&self) -> Told {
        Told {
            lines: self.lines.load(Ordering::Relaxed),
            lines_dropped: self.lines_dropped.load(Ordering::Relaxed),
        }
    }

    fn drop_lines(&self, count: u64) {
        self.lines_dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// What the thread has.
struct Writer {
    file: Rotating,
    log: AccessLog,
    counts: Arc<Telling>,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// How many dropped ones were said in the log.
    said: u64,
    /// Whether the last attempt at writing failed.
    is_broken: bool,
}

impl Writer {
    /// Writes what comes until nobody is left who could put something.
    fn run(mut self, inbox: &Receiver<Batch>) {
        loop {
            match inbox.recv_timeout(LOOK_AFTER) {
                Ok(batch) => self.take(inbox, batch),
                Err(RecvTimeoutError::Timeout) => self.write(0),
                Err(RecvTimeoutError::Disconnected) => return self.write(0),
            }
        }
    }

    /// Takes in a batch, and what waits behind it.
    fn take(&mut self, inbox: &Receiver<Batch>, batch: Batch) {
        let mut count = 0;
        for batch in std::iter::once(batch).chain(inbox.try_iter()) {
            for entry in batch.iter().filter(|entry| entry.is_logged) {
                line::write(entry, self.log.query, &mut self.lines);
                count += 1;
            }
            if self.lines.len() >= WRITE_AT {
                self.write(std::mem::take(&mut count));
            }
        }
        self.write(count);
    }

    /// Writes the lines there are, which are so many; says in the log how many were lost before them.
    fn write(&mut self, count: u64) {
        let dropped = self.counts.lines_dropped.load(Ordering::Relaxed);
        let unsaid = dropped - self.said;
        if unsaid > 0 {
            line::write_gap(now_ns(), unsaid, &mut self.lines);
        }
        if self.lines.is_empty() {
            return;
        }
        let written = self.file.append(&self.lines);
        self.lines.clear();
        let path = self.log.path.display();
        match written {
            Ok(()) => {
                self.said = dropped;
                self.counts.lines.fetch_add(count, Ordering::Relaxed);
                if std::mem::take(&mut self.is_broken) {
                    tracing::info!("the access log `{path}` is written again");
                }
            }
            Err(error) => {
                self.counts.drop_lines(count);
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::error!(%error, "the access log `{path}` cannot be written: lines are dropped and counted");
                }
            }
        }
    }
}

/// Returns the time of day, in nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;

    use super::entry::Said;
    use super::*;

    fn entries(count: usize) -> Batch {
        let entry = |_| {
            let mut entry = Entry::new(IpAddr::from([127, 0, 0, 1]), Said::default());
            entry.is_logged = true;
            entry
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn what_is_put_is_written_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut config = Config::new(folder.path(), folder.path().join("socket"));
        config.access_log = Some(AccessLog::at(&path));
        let journal = Journal::start(&config).unwrap().unwrap();
        let inlet = journal.inlet();
        let mut batch = entries(3);
        batch[1].is_logged = false;
        inlet.put(batch);
        inlet.put(entries(4));
        let counts = journal.telling();
        drop(inlet);
        journal.close().wait();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 6);
        assert_eq!(counts.lines.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn a_full_queue_loses_and_counts_instead_of_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // Nobody takes anything out of it yet.
        let (batches, inbox) = sync_channel(BATCHES_MAX);
        let counts = Arc::<Telling>::default();
        let inlet = Inlet {
            batches,
            counts: Arc::clone(&counts),
        };
        for _ in 0..BATCHES_MAX + 2 {
            inlet.put(entries(10));
        }
        assert_eq!(inlet.counts.told().lines_dropped, 20);
        let writer = Writer {
            file: Rotating::new(&path, u64::MAX, 0),
            log: AccessLog::at(&path),
            counts,
            lines: Vec::new(),
            said: 0,
            is_broken: false,
        };
        let told = Arc::clone(&inlet.counts);
        drop(inlet);
        writer.run(&inbox);
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), BATCHES_MAX * 10 + 1);
        assert_eq!(text.matches("\"dropped\":20").count(), 1, "said once");
        assert_eq!(told.lines.load(Ordering::Relaxed), BATCHES_MAX as u64 * 10);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("a");
        fs::write(&blocked, "not a folder").unwrap();
        let path = blocked.join("log");
        let counts = Arc::<Telling>::default();
        let mut writer = Writer {
            file: Rotating::new(&path, u64::MAX, 0),
            log: AccessLog::at(&path),
            counts: Arc::clone(&counts),
            lines: Vec::new(),
            said: 0,
            is_broken: false,
        };
        let (_batches, inbox) = sync_channel(1);
        writer.take(&inbox, entries(5));
        assert_eq!(counts.lines_dropped.load(Ordering::Relaxed), 5);
        fs::remove_file(&blocked).unwrap();
        writer.take(&inbox, entries(1));
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.matches("\"dropped\":5").count(), 1);
        assert_eq!(text.lines().count(), 2);
    }
}
