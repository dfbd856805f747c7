//! The runner: one attempt from its checkout to its result.
//!
//! It is synchronous and single-threaded. What it does is written down in order, as a person would
//! say it; while it waits for a command, one `poll` over signals and output serves all the rest.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use leadsman_core::pipeline::SecretSource;
use leadsman_core::run::{FailureKind, Outcome};
use leadsman_gates::Facts;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus, getpid, set_child_subreaper, setsid, wait};
use serde::{Deserialize, Serialize};

use super::Error;
use super::clearing::{self, Cleared};
use super::mask::{Patterns, SECRET_BYTES_MIN};
use super::output::Source;
use super::scratch;
use super::spec::{Finished, Spec};
use crate::files::{Durable, create_private_folder, read_json, replace_json};
use crate::machine::{ProcessId, boot_id, descendants};
use crate::shim::{
    Folder, Output, OutputSpec, Pauses, Spec as ChildSpec, describe, empty, signal_pipe,
    start_child,
};

/// How often processes are counted, and it is looked whether something is due.
const TICK: Duration = Duration::from_millis(100);
/// How often the scratch folder is measured at most. Measuring takes no more than a twentieth of the
/// time.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// How large a secret may be.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// Why a job does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed.
    Failed(FailureKind, String),
    /// Somebody asked for its end.
    Cancelled,
}

impl Stop {
    pub(super) fn failed(kind: FailureKind, why: impl Into<String>) -> Self {
        Self::Failed(kind, why.into())
    }
}

/// Who runs an attempt: what control finds after it was started anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) runner: ProcessId,
    pub(super) boot: String,
}

/// A process that was started and is waited for.
#[derive(Debug)]
pub(super) struct Started {
    /// What a person calls it.
    pub(super) name: String,
    pub(super) pid: i32,
}

pub(super) struct Runner {
    folder: Folder,
    pub(super) spec: Spec,
    mark: String,
    /// Values of secrets, by variable.
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) patterns: Patterns,
    pub(super) output: Output,
    sources: Vec<Source>,
    child_ended: UnixStream,
    stop_asked: UnixStream,
    /// How processes ended that were started here and nobody has asked about yet.
    ended: BTreeMap<i32, WaitStatus>,
    /// Locked until nothing of it runs any more, where it has to be alone.
    alone: Option<std::fs::File>,
    /// Whether somebody asked for the end.
    cancelled: bool,
    deadline: Instant,
    tick_at: Instant,
    measure_at: Instant,
}

pub(super) fn run(path: &Path) -> Result<(), Error> {
    // Out of the terminal and the process group of whoever started it. It fails where the runner
    // already leads a session, which is as good.
    let _leads_already = setsid();
    let folder = Folder::new(path);
    let busy = || Error::Busy(path.display().to_string());
    let _lock = folder.try_lock()?.ok_or_else(busy)?;
    // An attempt is made once, or given up before it is made.
    if folder.file("runner.json").exists() || folder.file("result.json").exists() {
        return Err(busy());
    }
    let begun = Instant::now();
    let mut runner = Runner::begin(folder, begun)?;
    // Whoever started it may be gone already, which must not stop it.
    let _nobody_waits = std::io::stdout().write_all(b"ready\n");
    let did = runner.everything();
    let mut finished = runner.finish(did);
    finished.took = begun.elapsed();
    let path = runner.folder.file("result.json");
    replace_json(&path, &finished, Durable::Yes)?;
    // Where it fails it is removed with the whole folder some day.
    let _later = scratch::remove(&runner.scratch());
    Ok(())
}

impl Runner {
    fn begin(folder: Folder, now: Instant) -> Result<Self, Error> {
        let spec: Spec = read_json(&folder.file("job.json"))?;
        let pid = getpid();
        let runner = ProcessId::of(pid.as_raw_pid())
            .ok_or_else(|| Error::Kernel("read /proc", std::io::ErrorKind::NotFound.into()))?;
        set_child_subreaper(Some(pid))
            .map_err(|errno| Error::Kernel("become a subreaper", errno.into()))?;
        let child_ended = signal_pipe(&[signal_hook::consts::SIGCHLD])?;
        let stop_asked = signal_pipe(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
        let output = output_of(&folder, &spec);
        let output = Output::open(output)?;
        // Before anything is started: who looks after a crash must know whom to look for.
        let identity = Identity {
            runner,
            boot: boot_id(),
        };
        replace_json(&folder.file("runner.json"), &identity, Durable::Yes)?;
        for name in ["scratch", "scratch/tmp", "kept"] {
            create_private_folder(&folder.file(name))?;
        }
        let deadline = now + spec.job.timeout;
        Ok(Self {
            mark: folder.mark(),
            folder,
            spec,
            secrets: BTreeMap::new(),
            patterns: Patterns::default(),
            output,
            sources: Vec::new(),
            child_ended,
            stop_asked,
            ended: BTreeMap::new(),
            alone: None,
            cancelled: false,
            deadline,
            tick_at: now,
            measure_at: now + MEASURE_EVERY,
        })
    }

    /// Does all that belongs to the attempt.
    fn everything(&mut self) -> Result<(), Stop> {
        self.read_secrets()?;
        self.be_alone()?;
        self.check_out()?;
        self.give()?;
        let mut env = self.environment();
        self.ask_tools(&env)?;
        self.start_beside(&mut env)?;
        let steps = self.spec.job.steps.clone();
        for step in &steps {
            self.step(step, &env)?;
        }
        Ok(())
    }

    /// Ends what still runs, keeps what was made, and says what came of it.
    fn finish(&mut self, did: Result<(), Stop>) -> Finished {
        let did = match (self.clear(), did) {
            (Cleared::Gone, did) => did,
            (Cleared::Left(left), Ok(())) => Err(Stop::failed(
                FailureKind::Processes,
                format!("{left} of its processes could not be ended"),
            )),
            (Cleared::Left(left), Err(stop)) => {
                self.say(&format!("{left} of its processes could not be ended"));
                Err(stop)
            }
        };
        let mut finished = Finished {
            outcome: Outcome::Passed,
            took: Duration::ZERO,
            artifacts: BTreeMap::new(),
            reports: Vec::new(),
            facts: Facts::default(),
            last: self.output.last_lines(),
        };
        // Reports matter most where something failed.
        let reports = self.collect_reports(did.is_ok(), &mut finished);
        let did = did.and(reports);
        let did = did.and_then(|()| self.collect_artifacts(&mut finished));
        if did.is_ok() {
            self.keep_caches();
        }
        finished.outcome = match did {
            Ok(()) => Outcome::Passed,
            Err(Stop::Cancelled) => Outcome::Cancelled,
            Err(Stop::Failed(kind, why)) => {
                let why = self.hide(&why);
                Outcome::Failed { kind, why }
            }
        };
        let words = leadsman_core::run::outcome_words(&finished.outcome);
        self.say(&words);
        finished
    }

    /// Takes the lock of the place, where it has one: what another one does there must not be done at
    /// the same time.
    fn be_alone(&mut self) -> Result<(), Stop> {
        let Some(place) = &self.spec.place else {
            return Ok(());
        };
        let failed = |why: String| Stop::failed(FailureKind::NotStarted, why);
        let path = place.alone.clone();
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| {
                failed(format!("`{}` could not be opened: {error}", path.display()))
            })?;
        match file.try_lock() {
            Ok(()) => {
                self.alone = Some(file);
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(failed("another one runs in this environment".to_owned()))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(failed(format!(
                "`{}` could not be locked: {error}",
                path.display()
            ))),
        }
    }

    /// Returns the name of the job: its folder is called so.
    pub(super) fn name(&self) -> String {
        let job = self.folder.path().ancestors().nth(1);
        let name = job.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Returns the folder in which the job may write.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.file("scratch")
    }

    /// Returns the checkout.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.file("scratch/tree")
    }

    /// Returns the folder of the project file in the checkout.
    pub(super) fn project_folder(&self) -> PathBuf {
        self.tree().join(&self.spec.project_folder)
    }

    /// Returns the folder that the job runs in.
    pub(super) fn job_folder(&self) -> PathBuf {
        match &self.spec.place {
            Some(place) => place.folder.clone(),
            None => self.project_folder().join(&self.spec.job.folder),
        }
    }

    /// Returns where what is kept lies until control takes it.
    pub(super) fn kept(&self) -> PathBuf {
        self.folder.file("kept")
    }

    /// Returns the folder of the state of this Leadsman: attempts lie in it at one known depth.
    pub(super) fn state(&self) -> PathBuf {
        super::jobs::state_of(self.folder.path())
    }

    /// Writes a line of the runner's own into the log.
    pub(super) fn say(&mut self, text: &str) {
        let text = self.hide(text);
        self.output
            .write(format!("[leadsman] {text}\n").into_bytes());
    }

    /// Hides secrets in a text of the runner's own, which may repeat what a tool said.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut mask = super::mask::Mask::default();
        let mut shown = mask.take(&self.patterns, text.as_bytes());
        shown.extend(mask.finish(&self.patterns));
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn read_secrets(&mut self) -> Result<(), Stop> {
        for (name, source) in self.spec.job.secrets.clone() {
            let failed = |why: String| Stop::failed(FailureKind::Secret, why);
            let value = match &source {
                SecretSource::File(path) => read_some(Path::new(path)).map_err(|error| {
                    failed(format!(
                        "the secret `{name}` cannot be read from `{path}`: {error}"
                    ))
                })?,
                SecretSource::Variable(variable) => std::env::var(variable).map_err(|_| {
                    failed(format!(
                        "the secret `{name}` is not there: `leadsman up` was started without the \
                         variable `{variable}`"
                    ))
                })?,
            };
            let value = value.trim_end_matches(['\n', '\r']).to_owned();
            if value.len() < SECRET_BYTES_MIN || value.contains('\0') {
                return Err(failed(format!(
                    "the secret `{name}` has fewer than {SECRET_BYTES_MIN} characters, or a NUL: it \
                     could not be kept out of the output"
                )));
            }
            self.secrets.insert(name, value);
        }
        self.patterns = Patterns::of(self.secrets.values().map(|value| value.as_bytes()));
        Ok(())
    }

    /// Starts a command in `folder` with `env`, and sees to its output.
    pub(super) fn start(
        &mut self,
        name: &str,
        command: Vec<String>,
        folder: &Path,
        env: &BTreeMap<String, String>,
        prefix: &str,
    ) -> Result<Started, String> {
        let place = self.spec.place.as_ref();
        let spec = ChildSpec {
            command,
            env: env.clone(),
            folder: folder.to_owned(),
            user: place.and_then(|place| place.user.clone()),
            memory: None,
            files: place.and_then(|place| place.files),
            stop_signal: "TERM".to_owned(),
            grace: Duration::ZERO,
            pauses: Pauses::default(),
            output: output_of(&self.folder, &self.spec),
            sockets: false,
        };
        let child = start_child(&spec, &self.mark)?;
        for pipe in [child.stdout, child.stderr] {
            let source = Source::new(pipe, prefix)
                .map_err(|error| format!("its output could not be captured: {error}"))?;
            self.sources.push(source);
        }
        Ok(Started {
            name: name.to_owned(),
            pid: child.id.pid,
        })
    }

    /// Waits until a process has ended, and serves all the rest meanwhile.
    pub(super) fn wait_for(&mut self, started: &Started) -> Result<WaitStatus, Stop> {
        loop {
            if let Some(status) = self.has_ended(started) {
                // What it wrote just before its end stands before what comes next.
                self.read_all();
                return Ok(status);
            }
            self.turn(TICK)?;
        }
    }

    /// Returns how a process ended, if it has. Each end is told once.
    pub(super) fn has_ended(&mut self, started: &Started) -> Option<WaitStatus> {
        self.ended.remove(&started.pid)
    }

    /// Serves signals and output for up to `pause`, and looks whether a limit is exceeded.
    pub(super) fn turn(&mut self, pause: Duration) -> Result<(), Stop> {
        self.serve(pause);
        let now = Instant::now();
        if self.cancelled {
            return Err(Stop::Cancelled);
        }
        if now >= self.deadline {
            let limit = leadsman_core::project::units::duration(self.spec.job.timeout);
            let why = format!("it took longer than its `timeout` of {limit}");
            return Err(Stop::failed(FailureKind::TimedOut, why));
        }
        if now >= self.tick_at {
            self.tick_at = now + TICK;
            self.count_processes()?;
        }
        if now >= self.measure_at {
            self.measure()?;
            let took = now.elapsed();
            self.measure_at = Instant::now() + MEASURE_EVERY.max(20 * took);
        }
        Ok(())
    }

    fn count_processes(&self) -> Result<(), Stop> {
        let most = self.spec.job.processes as usize;
        let all = descendants(getpid().as_raw_pid());
        let memory = self.spec.place.as_ref().and_then(|place| place.memory);
        let resident: u64 = all.iter().map(|process| process.resident_bytes).sum();
        if let Some(limit) = memory.filter(|most| resident > *most) {
            let limit = leadsman_core::project::units::size(limit);
            let why = format!("it used more than the {limit} that `memory` allows");
            return Err(Stop::failed(FailureKind::Processes, why));
        }
        let there = all.len();
        if there <= most {
            return Ok(());
        }
        let why = format!("it had {there} processes, and `processes` allows {most}");
        Err(Stop::failed(FailureKind::Processes, why))
    }

    fn measure(&self) -> Result<(), Stop> {
        let most = self.spec.job.disk;
        if scratch::size(&self.scratch(), most) <= most {
            return Ok(());
        }
        let limit = leadsman_core::project::units::size(most);
        let why = format!("it wrote more than the {limit} that `disk` allows");
        Err(Stop::failed(FailureKind::Disk, why))
    }

    /// Serves signals and output for up to `pause`.
    fn serve(&mut self, pause: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.child_ended.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.stop_asked.as_fd(), PollFlags::IN),
        ];
        for source in &self.sources {
            watched.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
        }
        let ready: Vec<bool> = match poll(&mut watched, Some(&timeout)) {
            Ok(_) => watched.iter().map(|fd| !fd.revents().is_empty()).collect(),
            // A signal came: the next turn sees what it was about.
            Err(_) => vec![false; watched.len()],
        };
        drop(watched);
        if ready.get(1) == Some(&true) {
            empty(&mut self.stop_asked);
            self.cancelled = true;
        }
        if ready.first() == Some(&true) {
            empty(&mut self.child_ended);
        }
        let mut index = 2;
        let (patterns, output) = (&self.patterns, &mut self.output);
        self.sources.retain_mut(|source| {
            let is_ready = ready.get(index) == Some(&true);
            index += 1;
            !is_ready || source.take(patterns, output)
        });
        self.reap();
    }

    /// Takes notice of every process that ended. Returns whether any is left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    self.ended.insert(pid.as_raw_pid(), status);
                    // Whoever is asked about was started lately: all others were never known.
                    if self.ended.len() > 4096 {
                        self.ended.clear();
                    }
                }
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Reads what lies in pipes at this moment.
    fn read_all(&mut self) {
        for _ in 0..64 {
            let before = self.sources.len();
            self.serve(Duration::ZERO);
            if self.sources.len() == before {
                return;
            }
        }
    }

    /// Ends everything that still runs.
    fn clear(&mut self) -> Cleared {
        let cleared = clearing::clear(|pause| {
            self.serve(pause);
            self.reap()
        });
        self.read_all();
        let (patterns, output) = (&self.patterns, &mut self.output);
        for source in &mut self.sources {
            source.finish(patterns, output);
        }
        self.sources.clear();
        cleared
    }

    /// Says in words how a command ended that should have ended well.
    pub(super) fn ended_well(&self, started: &Started, status: WaitStatus) -> Result<(), String> {
        if status.exit_status() == Some(0) {
            return Ok(());
        }
        let last = self.output.last_lines();
        let last = last
            .last()
            .map_or(String::new(), |line| format!(": {line}"));
        Err(format!("`{}` {}{last}", started.name, describe(status)))
    }
}

/// Returns where the output of what `spec` describes goes.
fn output_of(folder: &Folder, spec: &Spec) -> OutputSpec {
    let output = spec.place.as_ref().map(|place| place.output.clone());
    OutputSpec::in_folder(output.unwrap_or_else(|| folder.file("output")))
}

/// Reads a file that must not be large.
fn read_some(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let limit = SECRET_BYTES_MAX as u64 + 1;
    std::fs::File::open(path)?
        .take(limit)
        .read_to_string(&mut text)?;
    if text.len() > SECRET_BYTES_MAX {
        return Err(std::io::Error::other("it has more than 64 KiB"));
    }
    Ok(text)
}
