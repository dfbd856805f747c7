//! When which metric is read.
//!
//! One reading of a metric runs at a time, beside everything else: a source that does not answer
//! delays nothing but itself.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::metric::MetricSource;
use leadsman_core::time::Timestamp;
use leadsman_core::{Observed, Revision, Rollout};
use tokio::task::JoinSet;

use super::{Asked, AskedInstance, AskedSide, MetricReader, MetricSources, Reading};
use crate::clock::Clock;

/// A rollout that is judged.
pub(crate) struct Judged<'r> {
    pub(crate) deployment: DeploymentNumber,
    pub(crate) rollout: &'r Rollout,
    pub(crate) baseline: Option<&'r Revision>,
    /// Since when the present step is judged.
    pub(crate) since: Timestamp,
}

/// The metrics of the rollouts of one environment.
#[derive(Default)]
pub(crate) struct Polling {
    polls: BTreeMap<Name, Poll>,
    running: JoinSet<Done>,
}

/// A metric of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    service: ServiceName,
    deployment: DeploymentNumber,
    metric: String,
}

struct Poll {
    every: Duration,
    asked: Asked,
    due: Timestamp,
    /// When it was read last, be it in vain.
    ended_at: Option<Timestamp>,
    reader: Reader,
}

enum Reader {
    Waits(Box<dyn MetricReader>),
    Reads,
}

/// A reading that ended, and its reader.
struct Done {
    name: Name,
    result: Result<Vec<Reading>, String>,
    reader: Box<dyn MetricReader>,
}

/// What came of a reading.
pub(crate) struct Polled {
    pub(crate) service: ServiceName,
    pub(crate) deployment: DeploymentNumber,
    pub(crate) metric: String,
    /// For how long nothing was heard of it before, in seconds.
    pub(crate) seconds: f64,
    pub(crate) result: Result<Vec<Reading>, String>,
}

impl Polling {
    /// Makes the metrics those of the rollouts that are judged.
    pub(crate) fn follow<'r>(
        &mut self,
        environment: &EnvironmentId,
        judged: impl Iterator<Item = (&'r ServiceName, Judged<'r>)>,
        observed: &Observed,
        sources: &dyn MetricSources,
        now: Timestamp,
    ) {
        let mut before = std::mem::take(&mut self.polls);
        for (service, judged) in judged {
            let spec = &judged.rollout.to.service.spec;
            for (metric, source) in &spec.metrics {
                let name = Name {
                    service: service.clone(),
                    deployment: judged.deployment,
                    metric: metric.clone(),
                };
                let limit = spec.limits.metrics.get(metric);
                let compared = limit.is_some_and(|limit| limit.against_stable.is_some());
                let asked = Asked {
                    environment: environment.clone(),
                    now,
                    since: judged.since,
                    canary: side(&judged.rollout.to, observed),
                    baseline: judged
                        .baseline
                        .filter(|_| compared)
                        .map(|baseline| side(baseline, observed)),
                };
                let known = before.remove(&name).map(|poll| Poll {
                    asked: asked.clone(),
                    ..poll
                });
                let poll = known.or_else(|| Poll::open(source, asked, sources, now));
                self.polls.extend(poll.map(|poll| (name, poll)));
            }
        }
    }

    /// Waits for the next reading that ends, and begins those that are due meanwhile. May be
    /// dropped at any time.
    pub(crate) async fn next(&mut self, clock: &dyn Clock) -> Polled {
        loop {
            self.begin(clock.now());
            let waiting = self
                .polls
                .values()
                .filter(|poll| matches!(poll.reader, Reader::Waits(_)));
            let due = waiting.map(|poll| poll.due).min();
            tokio::select! {
                biased;
                Some(done) = self.running.join_next() => {
                    let polled = match done {
                        Ok(done) => self.end(done, clock.now()),
                        Err(error) => {
                            tracing::error!(%error, "BUG: the reading of a metric broke off");
                            // Whose it was is not known; the next pass opens it anew.
                            let waits = |poll: &mut Poll| matches!(poll.reader, Reader::Waits(_));
                            self.polls.retain(|_, poll| waits(poll));
                            None
                        }
                    };
                    if let Some(polled) = polled {
                        return polled;
                    }
                }
                () = clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {}
                else => std::future::pending().await,
            }
        }
    }

    fn begin(&mut self, now: Timestamp) {
        for (name, poll) in &mut self.polls {
            if poll.due > now {
                continue;
            }
            let Reader::Waits(mut reader) = std::mem::replace(&mut poll.reader, Reader::Reads)
            else {
                continue;
            };
            let (name, asked) = (
                name.clone(),
                Asked {
                    now,
                    ..poll.asked.clone()
                },
            );
            self.running.spawn(async move {
                let result = reader.read(&asked).await;
                Done {
                    name,
                    result,
                    reader,
                }
            });
        }
    }

    /// Takes back a reader; what it read for a rollout that is over is forgotten.
    fn end(&mut self, done: Done, now: Timestamp) -> Option<Polled> {
        let Done {
            name,
            result,
            reader,
        } = done;
        let poll = self.polls.get_mut(&name)?;
        poll.reader = Reader::Waits(reader);
        poll.due = now + poll.every;
        let before = poll.ended_at.replace(now);
        let heard_of = before.map_or(poll.every, |before| now.since(before));
        Some(Polled {
            service: name.service,
            deployment: name.deployment,
            metric: name.metric,
            seconds: heard_of.as_secs_f64(),
            result,
        })
    }
}

impl Poll {
    fn open(
        source: &MetricSource,
        asked: Asked,
        sources: &dyn MetricSources,
        now: Timestamp,
    ) -> Option<Self> {
        let every = match source {
            MetricSource::Shown(shown) => shown.every,
            MetricSource::Queried(queried) => queried.every,
            MetricSource::Measured(_) => return None,
        };
        Some(Self {
            every,
            asked,
            due: now,
            ended_at: None,
            reader: Reader::Waits(sources.open(source)?),
        })
    }
}

/// Returns a revision and those of its instances that are ready.
fn side(revision: &Revision, observed: &Observed) -> AskedSide {
    let mine = observed
        .instances
        .iter()
        .filter(|(_, seen)| seen.revision == revision.id && seen.ready_since.is_some());
    let instances = mine.filter_map(|(id, seen)| {
        Some(AskedInstance {
            id: id.clone(),
            address: seen.address?,
            started_at: seen.started_at,
        })
    });
    AskedSide {
        revision: revision.id.clone(),
        instances: instances.collect(),
    }
}
