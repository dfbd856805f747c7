//! What really runs: instances that behave as their release does.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{Instance, InstanceState, ObservedInstance, Workloads};

use super::chance::Chance;
use super::script::Nature;

/// Milliseconds since the beginning of the world.
pub(super) type Moment = u64;

/// All instances of a world.
#[derive(Debug, Default)]
pub(super) struct Instances {
    pub(super) all: BTreeMap<InstanceId, Running>,
    next_port: u16,
}

/// One instance as it really is.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) what: Instance,
    nature: Nature,
    port: u16,
    /// Whether its process runs.
    pub(super) process: Process,
    /// When its process was started.
    started: Moment,
    /// When it is ready, if it ever is.
    ready: Option<Moment>,
    /// How far apart its bad moments are.
    period: u64,
    restarts: u32,
    hangs_until: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Runs,
    /// It ended, and is started again at this moment.
    Restarts(Moment),
    /// There is no such command.
    Broken,
    /// It was asked to end, and is gone at this moment.
    Stops(Moment),
}

impl Running {
    fn new(id: &InstanceId, what: &Instance, nature: Nature, seed: u64, now: Moment) -> Self {
        let mut chance = Chance::of(seed, id.as_str());
        let process = match nature {
            Nature::NoSuchCommand => Process::Broken,
            _ => Process::Runs,
        };
        let takes = chance.between(0, 4_000);
        Self {
            what: what.clone(),
            nature,
            port: 0,
            process,
            started: now,
            ready: (nature != Nature::NeverReady).then_some(now + takes),
            period: chance.between(3_000, 40_000),
            restarts: 0,
            hangs_until: 0,
        }
    }

    /// Goes on to `now`. Once the world has calmed down, every instance behaves.
    fn advance(&mut self, now: Moment, calm: bool) {
        if let Process::Restarts(at) = self.process
            && at <= now
        {
            self.process = Process::Runs;
            self.started = at;
            self.ready = self.ready.map(|_| at + 500);
        }
        let ends = matches!(self.nature, Nature::Crashes | Nature::Leaks) && !calm;
        if self.process == Process::Runs && ends && now >= self.started + self.period {
            self.kill(now);
        }
    }

    pub(super) fn kill(&mut self, now: Moment) {
        if self.process == Process::Runs {
            self.restarts += 1;
            self.process = Process::Restarts(now + 1_000);
        }
    }

    pub(super) fn hang(&mut self, until: Moment) {
        self.hangs_until = until;
    }

    /// Returns since when its probe has succeeded.
    fn ready_since(&self, now: Moment, calm: bool) -> Option<Moment> {
        let ready = self.ready.filter(|ready| *ready <= now)?;
        if self.process != Process::Runs || now < self.hangs_until {
            return None;
        }
        let ready = ready.max(self.hangs_until);
        if self.nature != Nature::Flaps || calm {
            return Some(ready);
        }
        let turn = (now - ready) / self.period;
        turn.is_multiple_of(2).then_some(ready + turn * self.period)
    }

    /// Whether a request would be answered by it at all.
    pub(super) fn answers(&self, now: Moment) -> bool {
        let stops = matches!(self.process, Process::Stops(_));
        let is_up = self.process == Process::Runs || stops;
        is_up && self.ready.is_some_and(|ready| ready <= now) && now >= self.hangs_until
    }

    pub(super) fn is_ready(&self, now: Moment, calm: bool) -> bool {
        self.ready_since(now, calm).is_some()
    }

    /// Returns the share of its answers that fail, in percent, and by how much they take longer.
    pub(super) fn quality(&self, now: Moment, calm: bool) -> (u64, u64) {
        let age = now.saturating_sub(self.started);
        match self.nature {
            Nature::Lies => (100, 1),
            Nature::Fails => (25, 1),
            Nature::FailsLater if age > 60_000 && !calm => (60, 1),
            Nature::Slow => (0, 3),
            Nature::Flaps if !calm && !self.is_ready(now, calm) => (50, 1),
            Nature::Good
            | Nature::NeverReady
            | Nature::NoSuchCommand
            | Nature::Crashes
            | Nature::Flaps
            | Nature::Leaks
            | Nature::FailsLater => (0, 1),
        }
    }

    fn observed(
        &self,
        now: Moment,
        calm: bool,
        wall: impl Fn(Moment) -> Timestamp,
    ) -> ObservedInstance {
        let state = match self.process {
            Process::Runs => InstanceState::Running,
            Process::Restarts(_) => InstanceState::Restarting,
            Process::Broken => InstanceState::Broken,
            Process::Stops(_) => InstanceState::Stopping,
        };
        let ready_since = self.ready_since(now, calm);
        let runs = self.process == Process::Runs;
        let age = now.saturating_sub(self.started);
        let leaked = if self.nature == Nature::Leaks && !calm {
            900 * age.min(self.period) / self.period
        } else {
            100
        };
        ObservedInstance {
            revision: self.what.revision.clone(),
            state,
            address: Some(([127, 0, 0, 1], self.port).into()),
            started_at: wall(self.started),
            ready_since: ready_since.map(wall),
            restarts: self.restarts,
            memory: runs.then_some((100 + leaked) << 20),
            cpu: runs.then_some(Duration::from_millis(80)),
            detail: ready_since
                .is_none()
                .then(|| "connection refused".to_owned()),
        }
    }
}

impl Instances {
    /// Goes on to `now`.
    pub(super) fn advance(&mut self, now: Moment, calm: bool) {
        self.all.retain(|_, running| {
            running.advance(now, calm);
            !matches!(running.process, Process::Stops(gone) if gone <= now)
        });
    }

    /// Starts what is wanted and is not there; returns what was started. At most `most` of them.
    pub(super) fn start(
        &mut self,
        desired: &Workloads,
        nature: impl Fn(&Instance) -> Nature,
        seed: u64,
        now: Moment,
        most: usize,
    ) -> Vec<InstanceId> {
        let missing: Vec<_> = desired
            .instances
            .iter()
            .filter(|(id, _)| !self.all.contains_key(*id))
            .take(most)
            .collect();
        missing
            .into_iter()
            .map(|(id, what)| {
                self.next_port = self.next_port % 40_000 + 1;
                let running = Running {
                    port: 20_000 + self.next_port,
                    ..Running::new(id, what, nature(what), seed, now)
                };
                self.all.insert(id.clone(), running);
                id.clone()
            })
            .collect()
    }

    /// Asks those to end that are not wanted; returns which, as they were. At most `most` of them.
    pub(super) fn stop(
        &mut self,
        environment: &EnvironmentId,
        desired: &Workloads,
        seed: u64,
        now: Moment,
        most: usize,
    ) -> Vec<(InstanceId, Running)> {
        let unwanted = self.all.iter_mut().filter(|(id, running)| {
            id.is_of(environment)
                && !desired.instances.contains_key(*id)
                && !matches!(running.process, Process::Stops(_))
        });
        let stop = |(id, running): (&InstanceId, &mut Running)| {
            let before = running.clone();
            let takes = Chance::of(seed, id.as_str()).between(10, 3_000);
            running.process = Process::Stops(now + takes);
            (id.clone(), before)
        };
        unwanted.take(most).map(stop).collect()
    }

    pub(super) fn observed(
        &self,
        environment: &EnvironmentId,
        now: Moment,
        calm: bool,
        wall: impl Fn(Moment) -> Timestamp + Copy,
    ) -> BTreeMap<InstanceId, ObservedInstance> {
        let mine = self.all.iter().filter(|(id, _)| id.is_of(environment));
        mine.map(|(id, running)| (id.clone(), running.observed(now, calm, wall)))
            .collect()
    }
}
