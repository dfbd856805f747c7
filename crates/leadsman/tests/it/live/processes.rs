//! The processes of this machine, as the kernel tells of them.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// Its command line, in words parted by blanks.
    pub(super) command: String,
}

/// Returns every process, zombies apart, that has to do with `folder`: whose command line or
/// environment names it, or that works in it.
pub(super) fn of(folder: &Path) -> Vec<Process> {
    let mut found: Vec<_> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| i64::from(*pid) != i64::from(std::process::id()))
        .filter_map(|pid| look(pid, folder))
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Kills a process, as a machine that runs out of memory would.
pub(super) fn kill(pid: i32) {
    // One that is gone already needs no more.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
}

/// Keeps a process from doing anything, or lets it go on.
pub(super) fn stop(pid: i32, stops: bool) {
    let signal = if stops { Signal::STOP } else { Signal::CONT };
    // One that is gone meanwhile needs neither.
    kill_process(Pid::from_raw(pid).unwrap(), signal).ok();
}

/// Asks a process to end.
pub(super) fn terminate(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
}

/// Whether a process is there, and be it that only its end is to be taken note of.
pub(super) fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether a process is there and is not a zombie.
pub(super) fn is_alive(pid: i32) -> bool {
    parent(pid).is_some()
}

/// Whether nothing of a process runs any more. One whose first thread has ended is a zombie already
/// while the others still hold its sockets.
pub(super) fn has_ended(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !is_alive(pid) && threads <= 1
}

fn look(pid: i32, folder: &Path) -> Option<Process> {
    let parent = parent(pid)?;
    let at = PathBuf::from(format!("/proc/{pid}"));
    let needle = folder.as_os_str().as_bytes();
    let names = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    // What ends while it is looked at has nothing to do with anything.
    let command = fs::read(at.join("cmdline")).ok()?;
    let concerned = names(&command)
        || fs::read(at.join("environ")).is_ok_and(|environ| names(&environ))
        || fs::read_link(at.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    concerned.then(|| Process {
        pid,
        parent,
        command: command.trim_end().to_owned(),
    })
}

/// Returns the parent of a process that is there and is not a zombie.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?;
    let parent = words.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}
