//! What is told of single requests: the access log, and spans for a collector.
//!
//! Workers hand over what they know of requests that are over, many at a time, and never wait: a
//! queue that is full loses what comes, and that is counted. One thread makes lines and spans of it,
//! and writes the lines; another one sends the spans, so that a collector that is slow holds up no
//! line.

mod entry;
mod export;
mod file;
mod line;
mod span;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::observe::AccessLog;
use export::Exporter;
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
    /// Spans that a collector took.
    pub spans: u64,
    /// Spans that none did, because it was too slow or gone, or refused them.
    pub spans_dropped: u64,
}

/// The same, as it is counted.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    lines: AtomicU64,
    lines_dropped: AtomicU64,
    spans: AtomicU64,
    spans_dropped: AtomicU64,
}

/// The threads that tell, and the way to them.
#[derive(Debug)]
pub(crate) struct Journal {
    inlet: Inlet,
    threads: Vec<JoinHandle<()>>,
}

/// Where entries are put.
#[derive(Clone, Debug)]
pub(crate) struct Inlet {
    batches: SyncSender<Batch>,
    counts: Arc<Telling>,
}

/// What waits for the end of the threads.
#[derive(Debug)]
pub(crate) struct Ending(Vec<JoinHandle<()>>);

impl Journal {
    /// Starts the threads, if there is anything to tell.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(config: &Config) -> io::Result<Option<Self>> {
        if config.access_log.is_none() && config.traces.is_none() {
            return Ok(None);
        }
        let (batches, inbox) = sync_channel(BATCHES_MAX);
        let counts = Arc::<Telling>::default();
        let traces = config.traces.clone();
        let exporter = traces.map(|traces| Exporter::start(traces, Arc::clone(&counts)));
        let (exporter, exporting) = exporter.transpose()?.unzip();
        let log = config.access_log.clone();
        let writer = Writer {
            log: log.map(|log| LogWriter::new(log, Arc::clone(&counts))),
            exporter,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Some(Self {
            inlet: Inlet { batches, counts },
            threads: [thread].into_iter().chain(exporting).collect(),
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
        Ending(self.threads)
    }
}

impl Ending {
    pub(crate) fn wait(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("what tells of requests ended by a panic");
            }
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
            let spans = batch.iter().filter(|entry| entry.sampled().is_some());
            self.counts.drop_spans(spans.count() as u64);
        }
    }
}

impl Telling {
    /// Returns what became of what was to be told.
    pub(crate) fn told(&self) -> Told {
        Told {
            lines: self.lines.load(Ordering::Relaxed),
            lines_dropped: self.lines_dropped.load(Ordering::Relaxed),
            spans: self.spans.load(Ordering::Relaxed),
            spans_dropped: self.spans_dropped.load(Ordering::Relaxed),
        }
    }

    fn drop_lines(&self, count: u64) {
        self.lines_dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn drop_spans(&self, count: u64) {
        self.spans_dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// What the thread has.
struct Writer {
    log: Option<LogWriter>,
    exporter: Option<Exporter>,
}

/// The access log as the thread has it.
struct LogWriter {
    file: Rotating,
    log: AccessLog,
    counts: Arc<Telling>,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// How many of them there are.
    count: u64,
    /// How many dropped ones were said in the log.
    said: u64,
    /// Whether the last attempt at writing failed.
    is_broken: bool,
}

impl Writer {
    /// Tells what comes until nobody is left who could put something.
    fn run(mut self, inbox: &Receiver<Batch>) {
        loop {
            match inbox.recv_timeout(LOOK_AFTER) {
                Ok(batch) => self.take(inbox, batch),
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
        }
    }

    /// Takes in a batch, and what waits behind it.
    fn take(&mut self, inbox: &Receiver<Batch>, batch: Batch) {
        for batch in std::iter::once(batch).chain(inbox.try_iter()) {
            for entry in &batch {
                if let Some(log) = self.log.as_mut().filter(|_| entry.is_logged) {
                    log.add(entry);
                }
                self.export(entry);
            }
        }
        self.write();
    }

    fn export(&self, entry: &Entry) {
        if let (Some(exporter), Some(trace)) = (&self.exporter, entry.sampled()) {
            match span::written(entry, trace) {
                Ok(span) => exporter.put(span),
                // It is made of numbers and texts only.
                Err(error) => tracing::error!(%error, "a span cannot be written"),
            }
        }
    }

    fn write(&mut self) {
        if let Some(log) = &mut self.log {
            log.write();
        }
    }
}

impl LogWriter {
    fn new(log: AccessLog, counts: Arc<Telling>) -> Self {
        Self {
            file: Rotating::new(&log.path, log.bytes_max, log.kept),
            log,
            counts,
            lines: Vec::new(),
            count: 0,
            said: 0,
            is_broken: false,
        }
    }

    fn add(&mut self, entry: &Entry) {
        line::write(entry, self.log.query, &mut self.lines);
        self.count += 1;
        if self.lines.len() >= WRITE_AT {
            self.write();
        }
    }

    /// Writes the lines there are, and says in the log how many were lost before them.
    fn write(&mut self) {
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
        let count = std::mem::take(&mut self.count);
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
    use std::path::Path;

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

    fn writer(path: &Path, counts: &Arc<Telling>) -> Writer {
        Writer {
            log: Some(LogWriter::new(AccessLog::at(path), Arc::clone(counts))),
            exporter: None,
        }
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
        let writer = writer(&path, &counts);
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
        let mut writer = writer(&path, &counts);
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
