//! How much is kept of runs that are over.
//!
//! What is recorded stays for ever. Of an application's older runs the output goes, and with it what
//! they made, unless a younger run or a release is made of it: what can be shipped or rolled back to is
//! never cleaned up.

use std::collections::BTreeSet;

use leadsman_core::id::{ApplicationName, Digest};
use leadsman_core::run::{Run, RunId};

use super::{Inner, State};

/// Of how many runs of an application everything is kept. So far back it is looked for what can be
/// reused.
const RUNS_KEPT: usize = 100;

/// Returns the runs that are over, and older than those that are kept.
fn old(state: &State) -> Vec<RunId> {
    let mut old = Vec::new();
    for application in state.newest.keys() {
        let of = |id: &&RunId| id.application == *application;
        let runs: Vec<&RunId> = state.runs.keys().filter(of).collect();
        let surplus = runs.len().saturating_sub(RUNS_KEPT);
        old.extend(runs.into_iter().take(surplus).cloned());
    }
    old.retain(|id| {
        state
            .runs
            .get(id)
            .is_some_and(|known| !known.run.is_under_way())
    });
    old
}

fn artifacts(run: &Run) -> BTreeSet<Digest> {
    let made = run.jobs.values().map(|job| &job.made);
    made.flat_map(|made| made.artifacts.values().cloned())
        .collect()
}

fn reports(run: &Run) -> BTreeSet<Digest> {
    let made = run.jobs.values().map(|job| &job.made);
    made.flat_map(|made| made.reports.iter().map(|report| report.digest.clone()))
        .collect()
}

impl Inner {
    /// Removes what is kept of runs that are too old. What cannot be removed is tried again after the
    /// next run.
    pub(super) async fn forget_old(&self, state: &mut State) {
        for id in old(state) {
            let Some(known) = state.runs.remove(&id) else {
                continue;
            };
            let (mut unused, mut unread) = (artifacts(&known.run), reports(&known.run));
            for other in state.runs.values() {
                unused.retain(|digest| !artifacts(&other.run).contains(digest));
                unread.retain(|digest| !reports(&other.run).contains(digest));
            }
            let released = self.released(&id.application).await;
            unused.retain(|digest| !released.contains(digest));
            let removed = self.jobs.remove(&id, &unused, &unread).await;
            if let Err(error) = removed {
                let error = leadsman_runtime::words(&error);
                tracing::warn!(run = %id, error, "what is kept of it was not removed");
            }
        }
    }

    /// Returns every artifact that any release is made of, of whatever application: equal content is
    /// one artifact.
    async fn released(&self, application: &ApplicationName) -> BTreeSet<Digest> {
        let mut digests = BTreeSet::new();
        for name in self
            .engine
            .applications()
            .await
            .into_iter()
            .chain([application.clone()])
        {
            if let Ok(known) = self.engine.releases(&name).await {
                for release in known.releases.values() {
                    digests.extend(release.made_of.artifacts.values().cloned());
                }
            }
        }
        digests
    }
}
