//! What breaks, breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::chance::Chance;
use super::control::Control;
use super::gate::End;
use super::instances::{Moment, Running};
use super::play::World;
use super::script::Fault;
use super::sea::Kind;

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        let now = self.sea.moment();
        let sea = Arc::clone(&self.sea);
        let mut truth = sea.truth();
        let counted = !matches!(
            fault,
            Fault::Effect(..) | Fault::Trip | Fault::Kill(_) | Fault::Hang(..) | Fault::KillRunners
        );
        if counted {
            truth.trouble.count(fault.kind());
        }
        let mut begin = |kind, length| truth.trouble.begin(kind, now, length);
        match fault {
            Fault::Crash { steps, half, down } => {
                drop(truth);
                self.first.end_after(steps, End::Killed { half }, down);
            }
            Fault::Freeze {
                steps,
                length,
                overtaken,
            } => {
                truth.checks.two_controls |= overtaken;
                truth.checks.gated.stopped = true;
                drop(truth);
                let down = Duration::from_secs(1);
                self.first.end_after(steps, End::Stopped(length), down);
                if overtaken {
                    self.second(length + Duration::from_secs(20));
                }
            }
            Fault::Second(length) => {
                truth.checks.two_controls = true;
                truth.checks.gated.stopped = true;
                drop(truth);
                self.second(length);
            }
            Fault::LogRefuses(length) => begin(Kind::LogRefuses, length),
            Fault::DiskFull(length) => begin(Kind::DiskFull, length),
            Fault::LogLies(length) => begin(Kind::LogLies, length),
            Fault::LogUnreadable(length) => begin(Kind::LogUnreadable, length),
            Fault::MetricsFail(length) => {
                sea.metrics.fail(Some("connection refused"));
                let metrics = sea.metrics.clone();
                self.tasks.spawn(async move {
                    sleep(length).await;
                    metrics.fail(None);
                });
            }
            Fault::Silent(length) => begin(Kind::Silent, length),
            Fault::Unsaved(length) => begin(Kind::Unsaved, length),
            Fault::PlaneCrash(length) => {
                begin(Kind::PlaneDown, length);
                let truth = &mut *truth;
                truth.proxy.restart();
                truth.checks.came_back(&truth.proxy);
            }
            Fault::FiguresMissing(length) => begin(Kind::FiguresMissing, length),
            Fault::FiguresLate(length) => begin(Kind::FiguresLate, length),
            Fault::FiguresTwice(length) => {
                begin(Kind::FiguresTwice, length);
                truth.checks.figures_tampered = true;
            }
            Fault::FiguresAbsurd(length) => {
                begin(Kind::FiguresAbsurd, length);
                truth.checks.figures_tampered = true;
            }
            Fault::Effect(receiver, effect) => {
                truth
                    .trouble
                    .effects
                    .entry(receiver)
                    .or_default()
                    .push_back(effect);
            }
            Fault::Trip => {
                let wall = truth.wall(now);
                if truth.proxy.trip(wall) {
                    truth.proxy.save();
                    truth.trouble.count(fault.kind());
                }
                drop(truth);
                sea.proxy_changed.notify_waiters();
            }
            Fault::Kill(which) | Fault::Hang(which, _) => {
                let truth = &mut *truth;
                let count = truth.instances.all.len();
                let index = usize::try_from(which).unwrap_or(0) % count.max(1);
                if let Some(running) = truth.instances.all.values_mut().nth(index) {
                    truth.trouble.count(fault.kind());
                    strike(running, fault, now);
                }
                sea.instances_changed.notify_waiters();
            }
            Fault::KillRunners => {
                if truth.errands.kill(now) {
                    truth.trouble.count(fault.kind());
                }
                sea.instances_changed.notify_waiters();
            }
            Fault::KillAll(release) | Fault::HangAll(release, _) => {
                truth.trouble.count(fault.kind());
                let of = |running: &&mut Running| running.what.revision.release.0 == release;
                for running in truth.instances.all.values_mut().filter(of) {
                    strike(running, fault, now);
                }
                sea.instances_changed.notify_waiters();
            }
            Fault::ClockForth(by) => truth.set_clock(millis(by)),
            Fault::ClockBack(by) => truth.set_clock(-millis(by)),
        }
    }

    /// Another control runs beside the first for a while. Then the first one may end as well, and is
    /// started again.
    fn second(&mut self, length: Duration) {
        self.controls += 1;
        let second = Control::new(&self.sea, self.controls);
        self.tasks.spawn(Arc::clone(&second).live());
        self.others.push(Arc::clone(&second));
        let first = Arc::clone(&self.first);
        let both = Chance::of(self.sea.seed, &format!("control {}", self.controls)).one_in(2);
        self.tasks.spawn(async move {
            sleep(length).await;
            second.retire();
            if both {
                first.gate().kill();
            }
        });
    }
}

/// An instance hangs for a while, or is killed.
fn strike(running: &mut Running, fault: Fault, now: Moment) {
    match fault {
        Fault::Hang(_, length) | Fault::HangAll(_, length) => {
            running.hang(now + u64::try_from(length.as_millis()).unwrap_or(0));
        }
        _ => running.kill(now),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
