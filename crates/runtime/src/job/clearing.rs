//! Ending everything that a job started, wherever it went.

use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid};

use crate::machine::descendants;

/// How long processes may take to end by themselves once they are asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long it takes at most until what was killed is gone. What hangs in the kernel stays longer.
const GIVE_UP: Duration = Duration::from_secs(60);
/// How often it is looked again.
const AGAIN: Duration = Duration::from_millis(10);

/// What became of the processes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleared {
    /// None is left.
    Gone,
    /// So many could not be ended.
    Left(usize),
}

/// Asks everything below this process to end, and kills what does not. `serve` serves all else for
/// some time and says whether any child is left: since orphans become children of this process,
/// without one there is no descendant either.
pub(super) fn clear(mut serve: impl FnMut(Duration) -> bool) -> Cleared {
    if !serve(Duration::ZERO) {
        return Cleared::Gone;
    }
    let begun = Instant::now();
    for process in descendants(getpid().as_raw_pid()) {
        process.id.signal(Signal::TERM);
    }
    while begun.elapsed() < GRACE {
        if !serve(AGAIN) {
            return Cleared::Gone;
        }
    }
    while begun.elapsed() < GIVE_UP {
        // What multiplies is stopped first, so that it cannot run away from being killed.
        let mut known = 0;
        loop {
            let there = descendants(getpid().as_raw_pid());
            for process in &there {
                process.id.signal(Signal::STOP);
            }
            if there.len() <= known {
                break;
            }
            known = there.len();
        }
        for process in descendants(getpid().as_raw_pid()) {
            process.id.signal(Signal::KILL);
        }
        if !serve(AGAIN) {
            return Cleared::Gone;
        }
    }
    Cleared::Left(descendants(getpid().as_raw_pid()).len())
}
