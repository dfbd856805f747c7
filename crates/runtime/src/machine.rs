//! What the machine's process table says, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Names one process for good: a number alone is used again once its process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process number.
    pub pid: i32,
    /// When it was started, in clock ticks since the machine was.
    pub started_ticks: u64,
}

impl ProcessId {
    /// Returns the process that has this number now; `None` where there is none.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Entry::read(pid).map(|entry| entry.id)
    }

    /// Whether the process is still there and not a zombie.
    pub fn is_alive(self) -> bool {
        Entry::read(self.pid).is_some_and(|entry| entry.id == self && !entry.zombie)
    }

    /// Sends `signal` to this process, and never to another that took over its number.
    pub(crate) fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // Once the descriptor is open it stands for one process; that it is the right one is
        // known only after looking again.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if Self::of(self.pid) == Some(self) {
            // It may have ended meanwhile, which is as good.
            let _ended = pidfd_send_signal(&descriptor, signal);
        }
    }
}

/// One line of the process table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ProcessId,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    pub(crate) resident_bytes: u64,
    /// Processor time of its own, in clock ticks.
    own_ticks: u64,
    /// That of the children it has waited for, and of theirs.
    children_ticks: u64,
    pub(crate) zombie: bool,
}

impl Entry {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &text)
    }

    /// Reads a line of `/proc/N/stat`. The second field is the command's name in brackets, which
    /// may itself hold brackets and spaces: the fields are counted from the last bracket on.
    fn parse(pid: i32, text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The third field of the file is the first one here.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |number| field(number)?.parse::<u64>().ok();
        let pages = number(24)?;
        Some(Self {
            id: ProcessId {
                pid,
                started_ticks: number(22)?,
            },
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            resident_bytes: pages.saturating_mul(rustix::param::page_size() as u64),
            own_ticks: number(14)?.saturating_add(number(15)?),
            children_ticks: number(16)?.saturating_add(number(17)?),
            zombie: matches!(field(3)?, "Z" | "X"),
        })
    }
}

/// Returns all processes of the machine.
pub(crate) fn all() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Entry::read)
        .collect()
}

/// Returns everything that descends from the process `ancestor`, without itself.
///
/// It reads the whole process table, and so misses nothing that is there.
pub(crate) fn descendants(ancestor: i32) -> Vec<Entry> {
    let mut children: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
    for entry in all() {
        children.entry(entry.parent).or_default().push(entry);
    }
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            parents.push(child.id.pid);
            found.push(child);
        }
    }
    found
}

/// What some processes use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, in bytes. Pages that processes share are counted for each of them.
    pub(crate) memory: u64,
    /// Processor time since the beginning, of those that ended too, as long as they were waited
    /// for.
    pub(crate) cpu: Duration,
}

/// Returns what everything that descends from `ancestor` uses, without `ancestor` itself.
pub(crate) fn usage_below(ancestor: i32) -> Usage {
    // What `ancestor` waited for descended from it. It is read first: who ends meanwhile may be
    // missing from the sum, but is never in it twice.
    let mut ticks = Entry::read(ancestor).map_or(0, |entry| entry.children_ticks);
    let mut memory = 0_u64;
    for entry in below(ancestor) {
        memory = memory.saturating_add(entry.resident_bytes);
        ticks = ticks
            .saturating_add(entry.own_ticks)
            .saturating_add(entry.children_ticks);
    }
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Usage {
        memory,
        cpu: Duration::from_millis(ticks.saturating_mul(1000) / per_second),
    }
}

/// Returns what descends from `ancestor`, by the kernel's own lists of children where it keeps
/// them: they cost a few reads where a look at the whole table would cost hundreds every second.
/// They may miss a process that is just being born.
fn below(ancestor: i32) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let Some(children) = children(parent) else {
            return descendants(ancestor);
        };
        for child in children {
            found.extend(Entry::read(child));
            parents.push(child);
        }
    }
    found
}

/// Returns the children of all threads of `pid`; `None` where the kernel keeps no such lists.
fn children(pid: i32) -> Option<Vec<i32>> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Some(Vec::new());
    };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => found.extend(
                text.split_ascii_whitespace()
                    .filter_map(|n| n.parse::<i32>().ok()),
            ),
            Err(_) if thread.path().join("stat").exists() => return None,
            Err(_) => {}
        }
    }
    Some(found)
}

/// Whether the process has `entry`, such as `NAME=value`, in the environment it was started with.
pub(crate) fn has_variable(pid: i32, entry: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| {
        text.split(|byte| *byte == 0)
            .any(|one| one == entry.as_bytes())
    })
}

/// Returns the identity of this run of the machine: another one after each start of it.
pub(crate) fn boot_id() -> String {
    fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"))
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_whose_name_has_brackets_and_spaces() {
        let line = "42 (a) b (c) S 7 42 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 1000 3 \
                    18446744073709551615 1";
        let entry = Entry::parse(42, line).unwrap();
        assert_eq!(
            entry.id,
            ProcessId {
                pid: 42,
                started_ticks: 777
            }
        );
        assert_eq!((entry.parent, entry.session, entry.zombie), (7, 9, false));
        assert_eq!(entry.resident_bytes, 3 * rustix::param::page_size() as u64);
        assert_eq!((entry.own_ticks, entry.children_ticks), (5 + 6, 7 + 8));
    }

    #[test]
    fn finds_itself_alive_and_a_stranger_with_its_number_dead() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let myself = ProcessId::of(pid).unwrap();
        assert!(myself.is_alive());
        assert!(
            !ProcessId {
                started_ticks: myself.started_ticks + 1,
                ..myself
            }
            .is_alive()
        );
    }

    #[test]
    fn sees_children_both_ways() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(descendants(me).iter().any(|entry| entry.id.pid == pid));
        // In the middle of its exec it has none.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut memory = 0;
        while memory == 0 && std::time::Instant::now() < deadline {
            memory = usage_below(me).memory;
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(memory > 0);
    }
}
