//! The axe: what is done to the processes of a machine.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::live::machine::DEADLINE;
use crate::live::processes::{self, Process, has_ended};
use crate::live::small_disk::fill;

/// How long after one look at a condition the next one is made.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What keeps the disk busy writes so much before it has that brought to the disk, in bytes.
const BUSY_PIECE: usize = 4 << 20;

/// Who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Control,
    Proxy,
    ProxyShim,
    Shim,
    Instance,
}

impl Target {
    pub(super) const ALL: [Self; 5] = [
        Self::Control,
        Self::Proxy,
        Self::ProxyShim,
        Self::Shim,
        Self::Instance,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Proxy => "proxy",
            Self::ProxyShim => "the proxy's shim",
            Self::Shim => "shim",
            Self::Instance => "instance",
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Kill(Target),
    /// Everything at once, as when the machine is cut off.
    KillAll,
    Stop(Target),
    /// It may open hardly any more file.
    FewFiles(Target),
    FullDisk,
    /// Others keep the disk busy; a disk that is really slow would take rights that a test has not.
    BusyDisk,
    /// An instance takes memory until its limit is enforced.
    Hoard,
}

/// Something that is going to be done.
#[derive(Clone, Debug)]
pub(super) struct Blow {
    pub(super) what: What,
    /// How long after the beginning of the round.
    pub(super) after: Duration,
    /// For how long, where it lasts.
    pub(super) lasts: Duration,
    /// Chooses one of several that can be hit.
    pub(super) which: u64,
}

/// Something that was done.
#[derive(Clone, Debug)]
pub(super) struct Struck {
    pub(super) what: What,
    pub(super) from: Instant,
    /// When it was over: the process was gone, or could go on.
    pub(super) to: Instant,
    /// The instance that it concerned, where it was one.
    pub(super) instance: Option<String>,
}

/// Whom it can hit.
#[derive(Clone)]
pub(super) struct Axe {
    pub(super) folder: PathBuf,
    pub(super) state: PathBuf,
}

impl Axe {
    /// Does everything when it is due; returns what hit anybody, and what was not over in time.
    pub(super) fn swing(&self, blows: &[Blow]) -> (Vec<Struck>, Vec<String>) {
        let begun = Instant::now();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for blow in blows {
                threads.push(scope.spawn(move || {
                    // Not a wait for anything: it is the instant that the seed has chosen.
                    std::thread::sleep(blow.after.saturating_sub(begun.elapsed()));
                    self.strike(blow)
                }));
            }
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.collect()
        });
        let (mut struck, mut late) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(hit) => struck.extend(hit),
                Err(what) => late.push(what),
            }
        }
        (struck, late)
    }

    /// Does one thing; nothing where nobody is there whom it could hit.
    fn strike(&self, blow: &Blow) -> Result<Option<Struck>, String> {
        let done = |from, instance| Struck {
            what: blow.what,
            from,
            to: Instant::now(),
            instance,
        };
        let from = Instant::now();
        match blow.what {
            What::FullDisk => {
                let ballast = self.state.join("ballast");
                while from.elapsed() < blow.lasts {
                    // Others give room back meanwhile.
                    fill(&ballast);
                    std::thread::sleep(LOOK_AGAIN);
                }
                fs::remove_file(ballast).unwrap();
                Ok(Some(done(from, None)))
            }
            What::BusyDisk => {
                self.keep_the_disk_busy(blow.lasts);
                Ok(Some(done(from, None)))
            }
            What::Kill(target) => self.hit(target, blow, |hit| {
                processes::kill(hit.pids[0]);
                gone(&hit.pids)
            }),
            What::KillAll => {
                let all = processes::of(&self.folder);
                let is_part = |process: &&Process| target_of(process, &all).is_some();
                let pids: Vec<i32> = all.iter().filter(is_part).map(|it| it.pid).collect();
                pids.iter().for_each(|pid| processes::kill(*pid));
                gone(&pids)?;
                Ok(Some(done(from, None)))
            }
            What::Stop(target) => self.hit(target, blow, |hit| {
                processes::stop(hit.pids[0], true);
                std::thread::sleep(blow.lasts);
                processes::stop(hit.pids[0], false);
                Ok(())
            }),
            What::FewFiles(target) => self.hit(target, blow, |hit| {
                few_files(hit.pids[0], blow);
                Ok(())
            }),
            What::Hoard => self.hit(Target::Instance, blow, |hit| match ask_to_hoard(hit) {
                // It was gone before it could be asked.
                None => Ok(()),
                Some(_asked) => gone(&hit.pids),
            }),
        }
    }

    fn hit(
        &self,
        target: Target,
        blow: &Blow,
        act: impl FnOnce(&Hit) -> Result<(), String>,
    ) -> Result<Option<Struck>, String> {
        let Some(hit) = self.find(target, blow.which) else {
            return Ok(None);
        };
        let from = Instant::now();
        act(&hit).map_err(|problem| format!("{:?}: {problem}", blow.what))?;
        Ok(Some(Struck {
            what: blow.what,
            from,
            to: Instant::now(),
            instance: hit.instance,
        }))
    }

    /// Returns whom a blow hits.
    fn find(&self, target: Target, which: u64) -> Option<Hit> {
        let all = processes::of(&self.folder);
        let candidates: Vec<&Process> = all
            .iter()
            .filter(|process| target_of(process, &all) == Some(target))
            .collect();
        let at = usize::try_from(which).unwrap() % candidates.len().max(1);
        let chosen = *candidates.get(at)?;
        let mut pids = vec![chosen.pid];
        if matches!(target, Target::Shim | Target::ProxyShim) {
            // They die with it, and not quite at the same moment.
            let held = all.iter().filter(|process| process.parent == chosen.pid);
            pids.extend(held.map(|process| process.pid));
        }
        let shim = match target {
            Target::Shim => Some(chosen),
            Target::Instance => all.iter().find(|process| process.pid == chosen.parent),
            Target::Control | Target::Proxy | Target::ProxyShim => None,
        };
        let instance = shim.and_then(|shim| shim.command.rsplit('/').next());
        Some(Hit {
            pids,
            instance: instance.map(str::to_owned),
        })
    }

    fn keep_the_disk_busy(&self, lasts: Duration) {
        let begun = Instant::now();
        let one = |name: &str| {
            let path = self.folder.join(name);
            let mut file = fs::File::create(&path).unwrap();
            while begun.elapsed() < lasts {
                file.set_len(0).unwrap();
                file.write_all(&vec![1; BUSY_PIECE]).unwrap();
                file.sync_all().unwrap();
            }
            fs::remove_file(path).unwrap();
        };
        std::thread::scope(|scope| {
            for name in ["busy-1", "busy-2"] {
                scope.spawn(move || one(name));
            }
        });
    }
}

/// Who is hit: the first process, and those that die with it.
struct Hit {
    pids: Vec<i32>,
    instance: Option<String>,
}

/// Returns what a process is; `None` for what is none of these, or is only about to be.
pub(super) fn target_of(process: &Process, all: &[Process]) -> Option<Target> {
    let command = &process.command;
    let is_shim = |process: &Process| process.command.contains(" shim ");
    let is_instances = |shim: &Process| shim.command.contains("/instances/");
    let words: Vec<&str> = command.split(' ').collect();
    if words.get(1) == Some(&"up") {
        return Some(Target::Control);
    }
    if is_shim(process) {
        let of_instance = is_instances(process);
        return Some([Target::ProxyShim, Target::Shim][usize::from(of_instance)]);
    }
    if command.contains(" proxy --deposit ") {
        return Some(Target::Proxy);
    }
    let parent = all.iter().find(|parent| parent.pid == process.parent)?;
    let is_held = is_shim(parent) && is_instances(parent);
    (is_held && command.contains("live::service")).then_some(Target::Instance)
}

/// Waits until nothing of processes is left.
fn gone(pids: &[i32]) -> Result<(), String> {
    let begun = Instant::now();
    while !pids.iter().all(|pid| has_ended(*pid)) {
        if begun.elapsed() > DEADLINE {
            return Err(format!(
                "some of {pids:?} are still there after {DEADLINE:?}"
            ));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Lets a process have hardly more files open than it has.
fn few_files(pid: i32, blow: &Blow) {
    let id = Pid::from_raw(pid);
    let open = fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
    let (Ok(open), Some(maximum)) = (open, files_max(pid)) else {
        return;
    };
    // Only what counts is lowered: raising the other one again takes rights.
    let few = Rlimit {
        current: Some(u64::try_from(open).unwrap() + blow.which % 3),
        maximum: Some(maximum),
    };
    if let Ok(before) = prlimit(id, Resource::Nofile, few) {
        std::thread::sleep(blow.lasts);
        // One that was killed meanwhile needs no more.
        prlimit(id, Resource::Nofile, before).ok();
    }
}

/// Returns how many files a process may let itself have open.
fn files_max(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Asks an instance, and not by way of the data plane, to take memory.
fn ask_to_hoard(hit: &Hit) -> Option<TcpStream> {
    let port = port_of(hit.pids[0])?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let asked = stream.write_all(b"GET /hoard HTTP/1.1\r\nhost: quay\r\n\r\n");
    asked.ok().map(|()| stream)
}

/// Returns the port that a process was given.
pub(super) fn port_of(pid: i32) -> Option<u16> {
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split('\0');
    variables
        .find_map(|variable| variable.strip_prefix("PORT="))?
        .parse()
        .ok()
}
