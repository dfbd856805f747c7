//! The shim's loop: start, watch, start again, stop.
//!
//! The shim is the subreaper of all it starts: whatever loses its parent becomes a child of the
//! shim. So "nothing of it remains" is a question with a certain answer: the shim has no children.
//! Where others retire beside it, the process table has to answer.

use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use leadsman_core::time::Timestamp;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, kill_process_group,
    set_child_subreaper, setrlimit, setsid, wait,
};

use super::child::{self, Child};
use super::clients::Clients;
use super::deposit::Deposit;
use super::folder::{Folder, Lock};
use super::output::{Output, Source};
use super::process::Process;
use super::signals::{name_of_signal, signal_by_name};
use super::succession::{Retiring, Successor};
use super::{Backoff, Error, Spec, State, Status};
use crate::files::At as _;
use crate::machine::{ProcessId, Usage, boot_id, descendants, usage_below};

/// How often memory and processor time are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// A change of memory below this is not worth telling, in bytes.
const MEMORY_STEP: u64 = 1 << 20;
/// A change of processor time below this is none: the kernel counts in hundredths of a second.
const CPU_STEP: Duration = Duration::from_millis(10);
/// How often what should be dead is looked for again.
const KILL_EVERY: Duration = Duration::from_millis(10);

pub(super) fn run(path: &Path) -> Result<(), Error> {
    // Out of the terminal and the process group of whoever started it. It fails where the shim
    // already leads a session, which is as good.
    let _leads_already = setsid();
    let folder = Folder::new(path);
    let Some(lock) = folder.try_lock()? else {
        return Err(Error::Busy(path.display().to_string()));
    };
    let mut shim = Shim::begin(folder, lock)?;
    // Whoever started it may be gone already, which must not stop it.
    let _nobody_waits = std::io::stdout().write_all(b"ready\n");
    shim.supervise();
    Ok(())
}

/// What the shim does at the moment.
#[derive(Debug)]
pub(super) enum Phase {
    /// The command runs.
    Running { since: Instant },
    /// The command ended, or has to; the rest of it is being killed.
    Clearing { then: Then, look_at: Instant },
    /// The command waits for its next start.
    Pausing { until: Instant },
    /// The command was asked to end.
    Ending { kill_at: Instant },
    /// Nothing of it remains.
    Done,
}

/// What follows once nothing of the command remains.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Pause(Duration),
    Done,
}

pub(super) struct Shim {
    pub(super) folder: Folder,
    pub(super) spec: Spec,
    pub(super) stop_signal: Signal,
    mark: String,
    pub(super) status: Status,
    pub(super) phase: Phase,
    /// The process that serves.
    pub(super) main: Process,
    /// The one that is to take over from it.
    pub(super) successor: Option<Successor>,
    /// Those that did before.
    pub(super) retiring: Vec<Retiring>,
    /// Whether the process that serves waits for being succeeded.
    pub(super) leaving: bool,
    pub(super) deposit: Deposit,
    /// How many processes were started.
    started: u32,
    pub(super) output: Output,
    pub(super) backoff: Backoff,
    pub(super) clients: Clients,
    pub(super) child_ended: UnixStream,
    pub(super) stop_asked: UnixStream,
    pub(super) measure_at: Instant,
    /// When processor time was looked at last, and how much had been used until then.
    used: Option<(Instant, Duration)>,
    /// Why the shim itself killed the command, where it did.
    killed_because: Option<String>,
    /// The status could not be written to disk yet.
    unwritten: bool,
    _lock: Lock,
}

impl Shim {
    fn begin(folder: Folder, lock: Lock) -> Result<Self, Error> {
        let spec = folder.spec()?;
        let stop_signal = signal_by_name(&spec.stop_signal)
            .ok_or_else(|| Error::UnknownSignal(spec.stop_signal.clone()))?;
        let own_pid = rustix::process::getpid();
        let own = ProcessId::of(own_pid.as_raw_pid())
            .ok_or_else(|| Error::Kernel("read /proc", std::io::ErrorKind::NotFound.into()))?;
        set_child_subreaper(Some(own_pid))
            .map_err(|errno| Error::Kernel("become a subreaper", errno.into()))?;
        let child_ended = signal_pipe(&[signal_hook::consts::SIGCHLD])?;
        let stop_asked = signal_pipe(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
        let output = Output::open(spec.output.clone())?;
        if spec.sockets {
            keep_many_files();
        }
        // Left by a shim that was killed; the lock says that it is gone.
        let socket = folder.file("shim.sock");
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).at("remove", &socket)?;
            }
            _ => {}
        }
        let listener = folder.with_socket_path(UnixListener::bind)?;
        let clients = Clients::new(listener).at("use the socket", &socket)?;
        let now = Instant::now();
        let mut shim = Self {
            stop_signal,
            mark: folder.mark(),
            status: Status {
                shim: own,
                boot: boot_id(),
                state: State::Starting,
                child: None,
                started_at: wall_clock(),
                restarts: 0,
                last_exit: None,
                last_output: Vec::new(),
                memory: None,
                cpu: None,
                dropped_lines: 0,
            },
            phase: Phase::Pausing { until: now },
            main: Process::none(),
            successor: None,
            retiring: Vec::new(),
            leaving: false,
            deposit: Deposit::default(),
            started: 0,
            output,
            backoff: Backoff::new(spec.pauses.clone()),
            clients,
            child_ended,
            stop_asked,
            measure_at: now + MEASURE_EVERY,
            used: None,
            killed_because: None,
            unwritten: false,
            folder,
            spec,
            _lock: lock,
        };
        // Before anything is started: who looks after a crash must know whom to look for.
        shim.folder.write_status(&shim.status)?;
        shim.unwritten = false;
        Ok(shim)
    }

    fn supervise(&mut self) {
        loop {
            self.reap();
            self.act(Instant::now());
            if matches!(self.phase, Phase::Done) {
                return;
            }
            self.wait_for_something();
        }
    }

    /// Does what is due.
    fn act(&mut self, now: Instant) {
        if now >= self.measure_at {
            self.measure_at = now + MEASURE_EVERY;
            self.measure();
        }
        self.act_on_succession(now);
        match self.phase {
            Phase::Pausing { until } if now >= until => self.start(now),
            Phase::Ending { kill_at } if now >= kill_at => {
                self.killed_because.get_or_insert_with(|| {
                    format!(
                        "did not end within {} s of signal {} and was killed",
                        self.spec.grace.as_secs_f32(),
                        self.spec.stop_signal
                    )
                });
                self.clear(Then::Done, now);
            }
            Phase::Clearing { look_at, then } if now >= look_at => self.clear(then, now),
            _ => {}
        }
    }

    fn start(&mut self, now: Instant) {
        self.output.forget_last_lines();
        let restarts = match self.status.state {
            State::Restarting => self.status.restarts.saturating_add(1),
            _ => self.status.restarts,
        };
        match self.start_process(&self.spec.clone()) {
            Ok(process) => {
                self.main = process;
                self.killed_because = None;
                self.phase = Phase::Running { since: now };
                self.status.state = State::Running;
                self.status.child = self.main.id;
                self.status.started_at = wall_clock();
                self.status.restarts = restarts;
                self.tell();
            }
            Err(problem) => {
                self.status.state = State::Broken;
                self.status.last_exit = Some(problem);
                self.status.last_output.clear();
                self.tell();
                let pause = self.backoff.broken();
                self.clear(Then::Pause(pause), now);
            }
        }
    }

    /// Starts a process, or says in words why that is not possible. One that could be started in
    /// part only is left for those who clear up.
    pub(super) fn start_process(&mut self, spec: &Spec) -> Result<Process, String> {
        let Child {
            id,
            stdout,
            stderr,
            line,
        } = child::start(spec, &self.mark)?;
        let sources: std::io::Result<_> = [stdout, stderr].into_iter().map(Source::new).collect();
        self.started = self.started.wrapping_add(1);
        match sources {
            Ok(sources) => Ok(Process {
                number: self.started,
                id: Some(id),
                sources,
                line,
            }),
            Err(error) => {
                id.signal(Signal::KILL);
                Err(format!("its output could not be captured: {error}"))
            }
        }
    }

    /// Takes notice of every process that ended.
    fn reap(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_pid();
                    if self.main.is(pid) {
                        self.child_has_ended(status);
                    } else {
                        self.bystander_has_ended(pid, &describe(status));
                    }
                }
                // Some are still there, but none ended.
                Ok(None) => return,
                Err(rustix::io::Errno::INTR) => {}
                // There is no child at all, so there is no descendant either.
                Err(_) => return self.nothing_remains(),
            }
        }
    }

    fn child_has_ended(&mut self, status: WaitStatus) {
        let now = Instant::now();
        self.main.id = None;
        self.main.line = None;
        self.leaving = false;
        self.give_up_successor("the process that it was to succeed has ended");
        self.status.child = None;
        self.status.memory = None;
        self.status.cpu = None;
        self.used = None;
        // What it wrote just before its end belongs to the story of its end.
        for source in &mut self.main.sources {
            self.output.drain(source);
        }
        self.status.last_output = self.output.last_lines();
        self.status.last_exit = Some(
            self.killed_because
                .take()
                .unwrap_or_else(|| describe(status)),
        );
        if let Phase::Running { since } = self.phase {
            self.status.state = State::Restarting;
            let pause = self.backoff.after(now.duration_since(since));
            self.tell();
            self.clear(Then::Pause(pause), now);
        } else {
            self.tell();
        }
    }

    fn nothing_remains(&mut self) {
        let then = match self.phase {
            Phase::Clearing { then, .. } => then,
            Phase::Ending { .. } => Then::Done,
            Phase::Running { .. } | Phase::Pausing { .. } | Phase::Done => return,
        };
        for source in &mut self.main.sources {
            self.output.drain(source);
        }
        self.main.sources.clear();
        match then {
            Then::Pause(pause) => {
                self.phase = Phase::Pausing {
                    until: Instant::now() + pause,
                }
            }
            Then::Done => self.done(),
        }
    }

    /// Kills everything that descends from the shim, but not what retires while another process is
    /// to be started. It takes more than one look when processes are born meanwhile.
    fn clear(&mut self, then: Then, now: Instant) {
        let spared: Vec<i32> = match then {
            Then::Done => Vec::new(),
            Then::Pause(_) => self.retiring_with_descendants(),
        };
        let mut none_left = true;
        for process in descendants(self.status.shim.pid) {
            if !spared.contains(&process.id.pid) {
                none_left = false;
                process.id.signal(Signal::KILL);
            }
        }
        self.phase = Phase::Clearing {
            then,
            look_at: now + KILL_EVERY,
        };
        if none_left && !spared.is_empty() {
            self.nothing_remains();
        }
    }

    fn retiring_with_descendants(&self) -> Vec<i32> {
        let retiring = self.retiring.iter().filter_map(|one| one.process.id);
        let mut pids: Vec<i32> = retiring.map(|id| id.pid).collect();
        for at in 0..pids.len() {
            pids.extend(descendants(pids[at]).iter().map(|entry| entry.id.pid));
        }
        pids
    }

    pub(super) fn stop(&mut self) {
        let now = Instant::now();
        // First of all: who comes now is to be refused, and not to wait for nobody.
        self.deposit.clear();
        self.give_up_successor("the shim was told to end");
        self.hurry_retiring();
        match self.phase {
            Phase::Running { .. } => {
                self.phase = Phase::Ending {
                    kill_at: now + self.spec.grace,
                };
                self.status.state = State::Stopping;
                if let Some(group) = self.main.id.and_then(|main| Pid::from_raw(main.pid)) {
                    // It is the shim's own child and not reaped yet, so the number is still its.
                    let _ended_already = kill_process_group(group, self.stop_signal);
                }
                self.tell();
            }
            Phase::Clearing { look_at, .. } => {
                self.phase = Phase::Clearing {
                    then: Then::Done,
                    look_at,
                };
                self.status.state = State::Stopping;
                self.tell();
            }
            Phase::Pausing { .. } if self.retiring.is_empty() => self.done(),
            Phase::Pausing { .. } => {
                self.phase = Phase::Ending {
                    kill_at: now + self.spec.grace,
                };
                self.status.state = State::Stopping;
                self.tell();
            }
            Phase::Ending { .. } | Phase::Done => {}
        }
    }

    fn done(&mut self) {
        self.phase = Phase::Done;
        self.status.state = State::Stopped;
        self.tell();
    }

    /// Looks at the memory and the processor time in use, and enforces the limit of memory.
    ///
    /// RSS is watched instead of limiting the address space: a limit on that (`RLIMIT_AS`) counts
    /// what is reserved and never used, which runtimes with a garbage collector do by the gigabyte,
    /// holds for each process alone, and shows as a strange failure inside of the service.
    fn measure(&mut self) {
        if self.unwritten {
            self.unwritten = self.folder.write_status(&self.status).is_err();
        }
        if !matches!(self.phase, Phase::Running { .. } | Phase::Ending { .. }) {
            return;
        }
        let Usage { memory, cpu } = usage_below(self.status.shim.pid);
        if let (Some(limit), Phase::Running { .. }) = (self.spec.memory, &self.phase)
            && memory > limit
            && self.killed_because.is_none()
        {
            self.killed_because = Some(format!(
                "used {} MiB of its limit of {} MiB",
                memory.div_ceil(1 << 20),
                limit >> 20
            ));
            for process in descendants(self.status.shim.pid) {
                process.id.signal(Signal::KILL);
            }
        }
        let cpu_moved = self.take_cpu(cpu, Instant::now());
        if self
            .status
            .memory
            .is_none_or(|told| told.abs_diff(memory) >= MEMORY_STEP)
        {
            self.status.memory = Some(memory);
            self.tell();
        } else if cpu_moved {
            // It moves every second, and is worth no write to the disk.
            self.clients.tell(&self.status);
        }
    }

    /// Takes in how much processor time was used up to now. Returns whether the use of the last
    /// interval differs from what was told.
    fn take_cpu(&mut self, used: Duration, now: Instant) -> bool {
        let Some((at, before)) = self.used.replace((now, used)) else {
            return false;
        };
        let interval = now.duration_since(at).as_secs_f64();
        if interval <= 0.0 {
            return false;
        }
        // What a process used is lost when it ends without anybody who waits for it.
        let share = used.saturating_sub(before).as_secs_f64() / interval;
        let cpu = Duration::from_secs_f64(share);
        let moved = self
            .status
            .cpu
            .is_none_or(|told| told.abs_diff(cpu) >= CPU_STEP);
        if moved {
            self.status.cpu = Some(cpu);
        }
        moved
    }

    pub(super) fn tell(&mut self) {
        self.status.dropped_lines = self.output.dropped_lines();
        // A full disk must not stop the service: whoever is connected still learns of it, and the
        // file follows as soon as there is room.
        self.unwritten = self.folder.write_status(&self.status).is_err();
        self.clients.tell(&self.status);
    }
}

pub(crate) fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("killed by signal {}", name_of_signal(signal)),
        (None, None) => "ended".to_owned(),
    }
}

/// Returns the end of a pipe that becomes readable when one of `signals` comes in.
pub(crate) fn signal_pipe(signals: &[i32]) -> Result<UnixStream, Error> {
    let pipe = || {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
        }
        Ok(read)
    };
    pipe().map_err(|error| Error::Kernel("listen to signals", error))
}

/// Lets this process keep as many files as it may. Its child takes the limit over, which is what it
/// would do itself.
fn keep_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Then fewer sockets are kept.
    let _as_it_was = setrlimit(Resource::Nofile, raised);
}

pub(super) fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
