//! The machine: who runs on which core, and what else it does meanwhile.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Error;
use crate::processor::TICK;

/// Cores by who runs on them.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    /// Those of the proxy.
    proxy: CpuSet,
    /// Those of the load generator and the backends.
    others: CpuSet,
    pub(crate) words: String,
}

impl Cores {
    /// Gives the last `workers` cores to the proxy and all others to the rest. Where there are too
    /// few for that, the rest shares them.
    pub(crate) fn divide(workers: usize) -> Result<Self, Error> {
        let allowed = sched_getaffinity(None)?;
        let all: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|core| allowed.is_set(*core))
            .collect();
        let Some(first) = all.len().checked_sub(workers).filter(|_| workers > 0) else {
            let cores = all.len();
            return Err(format!("{workers} workers do not fit on {cores} cores").into());
        };
        let (others, proxy) = all.split_at(first);
        let shared = others.is_empty();
        let words = format!(
            "{} cores, {workers} of them for the proxy{}",
            all.len(),
            if shared { ", shared with the load" } else { "" }
        );
        Ok(Self {
            proxy: set(proxy),
            others: set(if shared { &all } else { others }),
            words,
        })
    }

    /// Moves this thread, and all that it will start, to the cores that are not the proxy's.
    pub(crate) fn leave_proxy_alone(&self) -> Result<(), Error> {
        Ok(sched_setaffinity(None, &self.others)?)
    }

    /// Runs something on the proxy's cores. What it starts stays there: also a program that asks
    /// how many cores there are, and makes as many workers.
    pub(crate) fn on_those_of_proxy<T>(&self, start: impl FnOnce() -> T) -> Result<T, Error> {
        sched_setaffinity(None, &self.proxy)?;
        let started = start();
        sched_setaffinity(None, &self.others)?;
        Ok(started)
    }
}

fn set(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    set
}

/// Raises the limit of open files as far as it goes, also for all programs that are started, and
/// returns it.
pub(crate) fn raise_open_files_limit() -> Result<usize, Error> {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    }))
}

/// Returns the load averages, as the system writes them.
pub(crate) fn load_average() -> Result<String, Error> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let numbers: Vec<&str> = text.split(' ').take(3).collect();
    Ok(numbers.join(" "))
}

/// Returns for how long all cores together have been busy.
pub(crate) fn busy() -> Result<Duration, Error> {
    let text = fs::read_to_string("/proc/stat")?;
    let cpu = text.lines().next().ok_or("an unknown form of /proc/stat")?;
    let ticks: Vec<u32> = cpu
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; the guests' are in the first two.
    let is_busy = |index: &usize| ![3, 4].contains(index) && *index < 8;
    let busy: u32 = ticks
        .iter()
        .enumerate()
        .filter(|(index, _)| is_busy(index))
        .map(|(_, ticks)| ticks)
        .sum();
    Ok(TICK * busy)
}
