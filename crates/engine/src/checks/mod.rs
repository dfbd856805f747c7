//! What checklists ask of the machine.
//!
//! One question runs at a time for each check, beside everything else: a name that does not resolve
//! delays nothing but itself. Nothing of it is kept: a new control asks anew.

mod certificate;
mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::checklist::{Check, Checked};
use leadsman_core::time::Timestamp;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::data_plane::BoxFuture;

pub use machine::Machine;

/// How much longer than it may take a question is waited for: whoever asks keeps to the time.
const BESIDES: Duration = Duration::from_secs(5);

/// The most that is kept of what a check found, in bytes.
const SAID_BYTES_MAX: usize = 500;

/// Finds out what a checklist asks of the machine.
pub trait Inspector: Send + Sync {
    /// Finds out whether `check` holds, within its [`Check::timeout`], and says in one sentence what
    /// was found.
    ///
    /// # Errors
    ///
    /// It does not hold, or it could not be found out: why, in words and without secrets.
    fn inspect<'a>(&'a self, check: &'a Check) -> BoxFuture<'a, Result<String, String>>;
}

/// The questions of one environment that run just now.
#[derive(Default)]
pub(crate) struct Checking {
    due: BTreeMap<Check, Timestamp>,
    running: BTreeSet<Check>,
    tasks: JoinSet<(Check, Result<String, String>)>,
}

impl Checking {
    /// Makes the questions these, each with when it is due.
    pub(crate) fn follow(&mut self, due: &BTreeMap<Check, Timestamp>) {
        self.due.clone_from(due);
    }

    /// Waits for the next answer, and asks what is due meanwhile. May be dropped at any time.
    pub(crate) async fn next(
        &mut self,
        inspector: &Arc<dyn Inspector>,
        clock: &dyn Clock,
    ) -> (Check, Checked) {
        loop {
            let now = clock.now();
            let mut next = None;
            for (check, due) in &self.due {
                if self.running.contains(check) {
                    continue;
                }
                if *due <= now {
                    self.running.insert(check.clone());
                    self.tasks.spawn(ask(Arc::clone(inspector), check.clone()));
                } else {
                    next = Some(next.map_or(*due, |next: Timestamp| next.min(*due)));
                }
            }
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => {
                    // One that broke off has no name any more: whatever runs no longer may be asked again.
                    let Ok((check, result)) = ended else {
                        self.running.clear();
                        self.tasks.abort_all();
                        continue;
                    };
                    self.running.remove(&check);
                    self.due.remove(&check);
                    let at = clock.now();
                    let (passed, said) = match result {
                        Ok(said) => (true, said),
                        Err(why) => (false, why),
                    };
                    return (check, Checked { at, passed, said: bounded(&said) });
                }
                () = clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
                () = std::future::pending(), if next.is_none() && self.tasks.is_empty() => {}
            }
        }
    }
}

async fn ask(inspector: Arc<dyn Inspector>, check: Check) -> (Check, Result<String, String>) {
    let within = check.timeout() + BESIDES;
    let found = tokio::time::timeout(within, inspector.inspect(&check)).await;
    let late = || {
        Err(format!(
            "{check}: not found out within {} s",
            within.as_secs()
        ))
    };
    let result = found.unwrap_or_else(|_| late());
    (check, result)
}

/// Cuts what was found to one line of bounded length.
fn bounded(said: &str) -> String {
    let line: String = said
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut ends = (0..=line.len().min(SAID_BYTES_MAX)).rev();
    let end = ends.find(|end| line.is_char_boundary(*end));
    line.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
