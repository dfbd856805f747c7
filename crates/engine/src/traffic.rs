//! What each service's traffic has been while one revision served it alone.
//!
//! Two things are made of it. The last ten minutes, window by window, are the history that the
//! judge of the next rollout is told. And minute by minute it is kept for days, so that a plan can
//! say what a step will see.
//!
//! Windows in which two revisions answered are left out: what a canary did says nothing about the
//! revision that serves, and neither has all the requests.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use leadsman_analysis::{Figures, History, Told};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ReleaseNumber, RevisionId, ServiceName};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Environment, Stage};
use leadsman_store::{FigureLog, FigureRow};
use serde::{Deserialize, Serialize};

use crate::data_plane::SideWindow;
use crate::error::Error;
use crate::kept::{self, Counted, Number};

/// How much history a judge is told, in seconds.
pub(crate) const HISTORY: f64 = 600.0;

/// How many minutes of traffic a plan goes by.
const LATELY: usize = 180;

/// What is known of the traffic of one environment's services.
#[derive(Debug, Default)]
pub(crate) struct Record {
    services: BTreeMap<ServiceName, Service>,
}

/// One service, as its revision has served it alone.
#[derive(Debug)]
struct Service {
    revision: RevisionId,
    /// The last windows, the oldest first.
    recent: VecDeque<Recent>,
    /// The minute under way.
    minute: Option<Minute>,
    /// Until when an earlier control has kept its minutes.
    kept_until: Timestamp,
}

/// One window of the past.
#[derive(Debug)]
struct Recent {
    started_at: Timestamp,
    seconds: f64,
    /// As it is kept: a small part of what its figures take in memory.
    item: String,
}

/// A minute's traffic of one service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Minute {
    pub(crate) started_at: Timestamp,
    pub(crate) revision: RevisionId,
    pub(crate) seconds: f64,
    pub(crate) figures: Figures,
}

/// What was counted of a service's traffic over some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// How long that was, in seconds; 0 where nothing is known.
    pub seconds: f64,
    /// All that was counted.
    pub figures: Figures,
}

/// [`Minute`] as it is kept: release, deployment, seconds, figures.
#[derive(Serialize, Deserialize)]
struct Body(u64, u64, Number, Counted);

/// Returns the name under which the minutes of a service are kept. Those of rollouts have a
/// number in the place of the word.
pub(crate) fn series(environment: &EnvironmentId, service: &ServiceName) -> String {
    format!("{environment}/traffic/{service}")
}

/// Whether a series is of minutes.
pub(crate) fn is_traffic(series: &str) -> bool {
    series.split('/').nth(2) == Some("traffic")
}

/// Returns the traffic of the last three hours; where nothing was counted in them, of the last
/// three that were.
pub(crate) async fn lately(
    figures: &dyn FigureLog,
    environment: &EnvironmentId,
    service: &ServiceName,
    now: Timestamp,
) -> Result<Traffic, Error> {
    let series = series(environment, service);
    let since = now.as_millis().saturating_sub(LATELY as u64 * 60_000);
    let mut rows = Vec::new();
    for since in [since, 0] {
        if rows.is_empty() {
            let since = Timestamp::from_millis(since);
            let read = figures.read_figures(&series, since, usize::MAX).await;
            rows = read.map_err(Error::NotRead)?;
        }
    }
    let mut traffic = Traffic::default();
    for row in rows.iter().rev().take(LATELY) {
        if let Some(minute) = Minute::of_row(service, row) {
            traffic.seconds += minute.seconds;
            traffic.figures.add(&minute.figures);
        }
    }
    Ok(traffic)
}

impl Minute {
    fn row(&self, environment: &EnvironmentId) -> FigureRow {
        let RevisionId {
            service,
            release,
            deployment,
        } = &self.revision;
        let figures = Counted::of(&self.figures);
        let body = Body(release.0, deployment.0, Number(self.seconds), figures);
        FigureRow {
            series: series(environment, service),
            at: self.started_at,
            body: serde_json::to_string(&body).expect("the kept form has only text keys"),
        }
    }

    /// Reads a minute of `service`; `None` where the row holds none.
    pub(crate) fn of_row(service: &ServiceName, row: &FigureRow) -> Option<Self> {
        let Body(release, deployment, Number(seconds), figures) =
            serde_json::from_str(&row.body).ok()?;
        let mut figures = figures.figures();
        figures.forget_over();
        Some(Self {
            started_at: row.at,
            revision: RevisionId {
                service: service.clone(),
                release: ReleaseNumber(release),
                deployment: DeploymentNumber(deployment),
            },
            seconds,
            figures,
        })
    }

    fn ends_at(&self) -> Timestamp {
        after(self.started_at, self.seconds)
    }
}

impl Record {
    /// Takes in a closed window; returns the minutes that ended with it, to be kept.
    pub(crate) fn observe(
        &mut self,
        environment: &Environment,
        window: &SideWindow,
    ) -> Vec<FigureRow> {
        let mut rows = Vec::new();
        for (service, revision) in serving_alone(environment) {
            let mine = |(of, side): &&(EnvironmentId, RevisionId)| {
                *of == environment.id && side.service == *service
            };
            if window
                .sides
                .keys()
                .filter(mine)
                .any(|(_, side)| side != revision)
            {
                continue;
            }
            let key = (environment.id.clone(), revision.clone());
            let mut figures = window.sides.get(&key).cloned().unwrap_or_default();
            let mut reference = window.references.get(&key).cloned();
            // The next release, or a plan, may have other limits.
            let all = [Some(&mut figures), reference.as_mut()];
            all.into_iter().flatten().for_each(Figures::forget_over);
            let known = self
                .services
                .entry(service.clone())
                .or_insert_with(|| Service::new(revision));
            if known.revision != *revision {
                let before = std::mem::replace(known, Service::new(revision));
                rows.extend(before.minute.map(|minute| minute.row(&environment.id)));
            }
            let ended = known.observe(window, figures, reference);
            rows.extend(ended.map(|minute| minute.row(&environment.id)));
        }
        rows
    }

    /// Takes in the minutes of `service` that an earlier control kept, in order of time.
    pub(crate) fn restore(
        &mut self,
        environment: &Environment,
        service: &ServiceName,
        minutes: Vec<Minute>,
    ) {
        let Some((_, revision)) = serving_alone(environment).find(|(name, _)| *name == service)
        else {
            return;
        };
        let mut known = Service::new(revision);
        for minute in minutes {
            known.kept_until = minute.ends_at();
            if minute.revision == known.revision {
                known.remember(minute.started_at, minute.seconds, minute.figures, None);
            } else {
                known.recent.clear();
            }
        }
        self.services.insert(service.clone(), known);
    }

    /// Returns the last ten minutes in which `revision` served alone, the oldest first: nothing
    /// where it is another one that served last.
    pub(crate) fn history(&self, revision: &RevisionId) -> Vec<Told> {
        let known = self.services.get(&revision.service);
        let known = known.filter(|known| known.revision == *revision);
        let items = known.into_iter().flat_map(|known| &known.recent);
        kept::read(&kept::body(items.map(|recent| recent.item.as_str())))
            .expect("what was written a moment ago can be read")
    }
}

impl Service {
    fn new(revision: &RevisionId) -> Self {
        Self {
            revision: revision.clone(),
            recent: VecDeque::new(),
            minute: None,
            kept_until: Timestamp::default(),
        }
    }

    /// Returns the minute that ended before this window began.
    fn observe(
        &mut self,
        window: &SideWindow,
        figures: Figures,
        reference: Option<Figures>,
    ) -> Option<Minute> {
        let SideWindow {
            started_at,
            seconds,
            ..
        } = *window;
        // Only what an earlier control may have seen is compared with moments: a clock that is set
        // back must not stop the record.
        if !window.fresh {
            while let Some(last) = self.recent.back()
                && after(last.started_at, last.seconds) > started_at
            {
                // The same time, minute by minute: windows show more.
                self.recent.pop_back();
            }
        }
        self.remember(started_at, seconds, figures.clone(), reference);
        if !window.fresh && started_at < self.kept_until {
            return None;
        }
        let of = |moment: Timestamp| moment.as_millis() / 60_000;
        if let Some(minute) = &mut self.minute
            && of(minute.started_at) == of(started_at)
        {
            minute.seconds += seconds;
            minute.figures.add(&figures);
            return None;
        }
        self.minute.replace(Minute {
            started_at,
            revision: self.revision.clone(),
            seconds,
            figures,
        })
    }

    fn remember(
        &mut self,
        started_at: Timestamp,
        seconds: f64,
        baseline: Figures,
        reference: Option<Figures>,
    ) {
        let history = Told::History(History {
            seconds,
            baseline,
            reference,
        });
        let item = kept::item(&history, None);
        self.recent.push_back(Recent {
            started_at,
            seconds,
            item,
        });
        let mut all: f64 = self.recent.iter().map(|recent| recent.seconds).sum();
        while let Some(first) = self.recent.front()
            && all - first.seconds >= HISTORY
        {
            all -= first.seconds;
            self.recent.pop_front();
        }
    }
}

/// Returns the services of which one revision is to have all requests, with that revision.
pub(crate) fn serving_alone(
    environment: &Environment,
) -> impl Iterator<Item = (&ServiceName, &RevisionId)> {
    let rollouts = environment.deployment.iter().flat_map(|d| &d.rollouts);
    let rolled = rollouts.filter_map(|(service, rollout)| {
        let alone = match rollout.stage {
            Stage::Promoted { .. } => Some(&rollout.to),
            Stage::Returned => rollout.from.as_ref(),
            Stage::Waiting { .. }
            | Stage::Preparing { .. }
            | Stage::Shifting { .. }
            | Stage::Soaking { .. }
            | Stage::Returning { .. } => {
                let none = rollout.weight() == Weight::NONE;
                rollout.from.as_ref().filter(|_| none)
            }
        };
        Some((service, &alone?.id))
    });
    let rolls = |service: &ServiceName| {
        let deployment = environment.deployment.as_ref();
        deployment.is_some_and(|deployment| deployment.rollouts.contains_key(service))
    };
    let resting = environment.stable.iter();
    let resting = resting.filter(move |(service, _)| !rolls(service));
    rolled.chain(resting.map(|(service, revision)| (service, &revision.id)))
}

fn after(moment: Timestamp, seconds: f64) -> Timestamp {
    moment + Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
