//! Where a control can be killed or stopped: between any two steps, and in the middle of an effect.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// More steps than this at one moment are no work any more.
const STEPS: u32 = 20_000;

/// What every step of one control passes through.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// It goes on after it was stopped.
    goes_on: Notify,
    /// It was killed or stopped.
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    life: Life,
    /// How it ends, and after how many steps.
    end: Option<(u32, End)>,
    /// How it ended last.
    last: Option<End>,
    /// How many steps it has made at this moment.
    steps: u32,
    moment: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Runs,
    Stopped,
    Killed,
}

/// How a control ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Killed; with `half` an effect that it is at is half done.
    Killed { half: bool },
    /// Stopped, for a while.
    Stopped(Duration),
}

/// How an effect is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    Half,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It shall end so, after that many steps.
    pub(super) fn end_after(&self, steps: u32, end: End) {
        self.state().end = Some((steps, end));
    }

    /// Passes from one step to the next: never, if it is killed here. Says how far an effect that
    /// is the step gets.
    pub(super) async fn pass(&self) -> Extent {
        // Others may come in between any two steps.
        tokio::task::yield_now().await;
        loop {
            let stopped = self.goes_on.notified();
            match self.step() {
                (Life::Runs, extent) => return extent,
                (Life::Stopped, _) => stopped.await,
                (Life::Killed, _) => std::future::pending().await,
            }
        }
    }

    fn step(&self) -> (Life, Extent) {
        let mut state = self.state();
        let mut extent = Extent::Whole;
        let now = Instant::now();
        if state.moment.replace(now) != Some(now) {
            state.steps = 0;
        }
        state.steps += 1;
        if state.steps == STEPS {
            state.end = Some((0, End::Killed { half: false }));
        }
        if state.life == Life::Runs {
            match state.end {
                Some((0, end)) => {
                    state.end = None;
                    state.last = Some(end);
                    state.life = match end {
                        End::Killed { .. } => Life::Killed,
                        End::Stopped(_) => Life::Stopped,
                    };
                    self.ended.notify_one();
                }
                Some((left, end)) => {
                    state.end = Some((left - 1, end));
                    if left == 1 && end == (End::Killed { half: true }) {
                        extent = Extent::Half;
                    }
                }
                None => {}
            }
        }
        (state.life, extent)
    }

    /// Kills it where it is.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.life = Life::Killed;
        state.last = Some(End::Killed { half: false });
        self.ended.notify_one();
    }

    /// Lets it go on after it was stopped.
    pub(super) fn go_on(&self) {
        let mut state = self.state();
        if state.life == Life::Stopped {
            state.life = Life::Runs;
            self.goes_on.notify_waiters();
        }
    }

    /// Resolves when it was killed or stopped.
    pub(super) async fn ended(&self) -> End {
        self.ended.notified().await;
        let killed = End::Killed { half: false };
        self.state().last.unwrap_or(killed)
    }

    /// Whether it was killed because it made steps without end.
    pub(super) fn spins(&self) -> bool {
        self.state().steps >= STEPS
    }

    pub(super) fn runs(&self) -> bool {
        self.state().life == Life::Runs
    }
}
