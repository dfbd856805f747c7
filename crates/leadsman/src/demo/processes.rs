//! The processes that the demo brought to life, wherever they are in the tree by now.
//!
//! Shims outlive control on purpose, so that being somebody's child says nothing. What does: a
//! process runs this very program and mentions the scratch folder in its command line or its
//! environment, or it runs a program that lies in the scratch folder. A person's shell or pager
//! that looks into the folder does neither.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::sleep;

/// How often it is looked whether processes have ended.
const EVERY: Duration = Duration::from_millis(20);

/// A process: its number alone may be somebody else's tomorrow, so its start belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pid: Pid,
    /// When it was started, in the kernel's ticks since boot.
    started: u64,
    /// The name of its program.
    name: String,
}

impl Process {
    /// Whether it is still there, be it as a zombie.
    pub(super) fn is_there(&self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Returns its number and its program.
    pub(super) fn describe(&self) -> String {
        format!("{} (process {})", self.name, self.pid.as_raw_nonzero())
    }

    /// Ends it at once. That it has ended meanwhile is fine.
    fn kill(&self) {
        // With the descriptor the number cannot become another process's between the look and the
        // signal.
        if let Ok(descriptor) = pidfd_open(self.pid, PidfdFlags::empty())
            && self.is_there()
        {
            let _ended_meanwhile = pidfd_send_signal(descriptor, Signal::KILL);
        }
    }
}

/// Finds the processes of the demo whose scratch folder is `folder` and whose Leadsman is
/// `program`, itself excepted.
pub(super) fn find(folder: &Path, program: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = rustix::process::getpid();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| *pid != own)
        .filter_map(|pid| belongs(pid, folder, program))
        .collect()
}

/// Returns the process if it is the demo's. One that cannot be looked at is another user's.
fn belongs(pid: Pid, folder: &Path, program: &Path) -> Option<Process> {
    let about = proc(pid);
    let executable = fs::read_link(about.join("exe")).ok()?;
    let mentions = |file: &str| {
        let bytes = fs::read(about.join(file)).unwrap_or_default();
        let folder = folder.as_os_str().as_bytes();
        bytes.windows(folder.len()).any(|window| window == folder)
    };
    let runs_leadsman = executable == program;
    let is_ours = executable.starts_with(folder)
        || (runs_leadsman && (mentions("cmdline") || mentions("environ")));
    if !is_ours {
        return None;
    }
    Some(Process {
        pid,
        started: started(pid)?,
        name: executable
            .file_name()
            .unwrap_or(OsStr::new("?"))
            .to_string_lossy()
            .into_owned(),
    })
}

/// Waits until none of `processes` is there any more, at most until `deadline`; returns the rest.
pub(super) async fn gone(processes: &[Process], deadline: Instant) -> Vec<Process> {
    loop {
        let left: Vec<Process> = processes
            .iter()
            .filter(|process| process.is_there())
            .cloned()
            .collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(EVERY).await;
    }
}

/// Kills the demo's processes until none is left: one that is found may just be starting another.
pub(super) fn kill_all(folder: &Path, program: &Path) {
    // A round takes a few milliseconds. What is left after that many cannot be killed by us.
    for _ in 0..100 {
        let found = find(folder, program);
        if found.is_empty() {
            return;
        }
        found.iter().for_each(Process::kill);
        std::thread::sleep(EVERY);
    }
}

fn proc(pid: Pid) -> PathBuf {
    Path::new("/proc").join(pid.as_raw_nonzero().to_string())
}

/// Returns when a process was started; `None` when there is none.
fn started(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(proc(pid).join("stat")).ok()?;
    // The name in the second field may hold anything, the others are numbers and a letter. The
    // start is the 22nd.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper(program: &Path, folder: &Path) -> Child {
        Command::new(program)
            .arg("1000")
            .env("LEADSMAN_DEMO", folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn pid(child: &Child) -> Pid {
        Pid::from_child(child)
    }

    fn number(pid: Pid) -> i32 {
        pid.as_raw_nonzero().get()
    }

    fn which_sleep() -> PathBuf {
        let path = std::env::var_os("PATH").unwrap();
        let found = std::env::split_paths(&path).map(|folder| folder.join("sleep"));
        fs::canonicalize(found.into_iter().find(|file| file.is_file()).unwrap()).unwrap()
    }

    #[test]
    fn what_the_demo_started_is_found_and_killed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let sleep = which_sleep();
        let [copy, stranger] = [&folder, &elsewhere].map(|folder| folder.path().join("service"));
        fs::copy(&sleep, &copy).unwrap();
        fs::copy(&sleep, &stranger).unwrap();
        // One runs the program and mentions the folder, one lies in it; the others do only one half.
        let mut ours = [
            sleeper(&sleep, folder.path()),
            sleeper(&copy, elsewhere.path()),
        ];
        let mut others = [
            sleeper(&sleep, elsewhere.path()),
            sleeper(&stranger, folder.path()),
        ];
        let pids = |found: &[Process]| {
            let mut pids: Vec<_> = found.iter().map(|process| number(process.pid)).collect();
            pids.sort_unstable();
            pids
        };
        let mut expected: Vec<i32> = ours.iter().map(|child| number(pid(child))).collect();
        expected.sort_unstable();
        // Until it has become its program, a child is still this test.
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = loop {
            let found = find(folder.path(), &sleep);
            if pids(&found) == expected {
                break found;
            }
            assert!(Instant::now() < deadline, "{found:?}");
        };
        assert!(found.iter().all(Process::is_there));

        kill_all(folder.path(), &sleep);
        for child in &mut ours {
            assert!(!child.wait().unwrap().success());
        }
        assert!(!found.iter().any(Process::is_there));
        for other in &mut others {
            assert!(other.try_wait().unwrap().is_none());
            other.kill().unwrap();
            other.wait().unwrap();
        }
    }

    #[test]
    fn a_process_that_ended_is_not_there() {
        let mut child = Command::new(which_sleep()).arg("0").spawn().unwrap();
        let pid = pid(&child);
        let started = started(pid);
        child.wait().unwrap();
        let process = Process {
            pid,
            started: started.unwrap_or_default(),
            name: "sleep".to_owned(),
        };
        assert!(!process.is_there());
    }
}
