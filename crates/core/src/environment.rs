//! The state of one environment, folded from its events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::checklist::Aftercare;
use crate::closing::Closing;
use crate::deployment::{Cause, Deployment, End, Origin, Outcome, Revision};
use crate::entry::{EntryRules, Freeze, Identity, Request};
use crate::id::{DeploymentNumber, EnvironmentId, ReleaseNumber, ServiceName};
use crate::migration::{Migration, Schema};
use crate::refusal::Refusal;
use crate::release::{KnownRelease, ReleaseContent, Routing, Standing};
use crate::time::Timestamp;

/// One environment of an application: the boundary inside which everything is consistent.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its name.
    pub id: EnvironmentId,
    /// How many events it was folded from. A decision is recorded only if this is still so.
    pub version: u64,
    /// The version since which nothing has happened that a person would decide on: what the judge says
    /// from second to second does not count.
    pub turned_at: u64,
    /// Every release that was ever deployed here.
    pub releases: BTreeMap<ReleaseNumber, KnownRelease>,
    /// The releases that took all traffic, in order; a release that came back stands again.
    pub promotions: Vec<ReleaseNumber>,
    /// The revision that serves, by service; during a rollout, the one that served before it.
    pub stable: BTreeMap<ServiceName, Revision>,
    /// How requests reach the stable revisions.
    pub routing: Option<Routing>,
    /// What the release that serves asks of those that want to follow it.
    pub entry: Option<EntryRules>,
    /// What the release that serves says of the schema of the database.
    pub migration: Option<Migration>,
    /// Which schema the database is at; `None` before the first migration.
    pub schema: Option<Schema>,
    /// The releases that wait to enter.
    pub requests: BTreeMap<ReleaseNumber, Request>,
    /// The times in which nothing enters, by number.
    pub freezes: BTreeMap<u64, Freeze>,
    /// The number of the last freeze; 0 before the first.
    pub last_freeze: u64,
    /// What is to be looked at since a release got all traffic, or went back.
    pub aftercare: Option<Aftercare>,
    /// The one deployment that is not finished: `one-at-a-time`.
    pub deployment: Option<Deployment>,
    /// What starts as soon as the present deployment has gone back.
    pub queued: Option<Queued>,
    /// The number of the last deployment; 0 before the first.
    pub last_deployment: DeploymentNumber,
    /// The services that a person keeps from their users.
    pub closed: BTreeMap<ServiceName, Closing>,
    /// How the last finished deployment ended.
    pub last_end: Option<Ended>,
    /// How many deployments ended, by what came of them.
    pub outcomes: BTreeMap<Outcome, u64>,
}

/// A deployment that will start.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// What it brings.
    pub release: ReleaseNumber,
    /// What that release is.
    pub content: Arc<ReleaseContent>,
    /// What asked for it.
    pub origin: Origin,
    /// Who asked for it.
    pub by: String,
    /// What exactly the release is, and where it comes from.
    pub identity: Option<Identity>,
    /// How long its steps are held at most, if it could not wait.
    pub soak_at_most: Option<Duration>,
    /// Why it comes in although its migration leaves no way back.
    pub one_way: Option<String>,
}

/// A deployment that is finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its number.
    pub number: DeploymentNumber,
    /// What it brought.
    pub release: ReleaseNumber,
    /// The release that served when it began; `None` for the first one.
    pub from: Option<ReleaseNumber>,
    /// What asked for it.
    pub origin: Origin,
    /// Who asked for it.
    pub by: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How it ended.
    pub end: End,
    /// Why it went back, if it did.
    pub cause: Option<Cause>,
    /// When it ended.
    pub at: Timestamp,
}

impl Environment {
    /// Returns the environment before its first event.
    pub fn new(id: EnvironmentId) -> Self {
        Self {
            id,
            version: 0,
            turned_at: 0,
            releases: BTreeMap::new(),
            promotions: Vec::new(),
            stable: BTreeMap::new(),
            routing: None,
            entry: None,
            migration: None,
            schema: None,
            requests: BTreeMap::new(),
            freezes: BTreeMap::new(),
            last_freeze: 0,
            aftercare: None,
            deployment: None,
            queued: None,
            last_deployment: DeploymentNumber(0),
            closed: BTreeMap::new(),
            last_end: None,
            outcomes: BTreeMap::new(),
        }
    }

    /// Makes sure that who saw the environment at the version `seen` saw what there is to decide on.
    ///
    /// # Errors
    ///
    /// Something has happened since.
    pub fn still(&self, seen: u64) -> Result<(), Refusal> {
        if seen < self.turned_at {
            let now = self.turned_at;
            return Err(Refusal::SeenBefore { seen, now });
        }
        Ok(())
    }

    /// Returns the release that serves: the last one promoted that still stands.
    pub fn serving(&self) -> Option<ReleaseNumber> {
        self.standing_promotions().next()
    }

    /// Returns the release that served before the one that serves, and still stands.
    pub fn previous(&self) -> Option<ReleaseNumber> {
        let serving = self.serving()?;
        self.standing_promotions()
            .find(|release| *release != serving)
    }

    /// Whether `content` is what the stable revisions are already.
    pub fn already_runs(&self, content: &ReleaseContent) -> bool {
        self.routing.as_ref() == Some(&content.routing)
            && self.entry.as_ref() == Some(&content.entry)
            && self.migration == content.migration
            && self.stable.len() == content.services.len()
            && content.services.iter().all(|(name, service)| {
                self.stable
                    .get(name)
                    .is_some_and(|stable| *stable.service == **service)
            })
    }

    /// Whether `release` is being brought in, or will be next.
    pub(crate) fn is_on_its_way(&self, release: ReleaseNumber) -> bool {
        let on_its_way = match (&self.queued, &self.deployment) {
            (Some(queued), _) => Some(queued.release),
            (None, Some(deployment)) if deployment.cause.is_none() => Some(deployment.release),
            (None, _) => None,
        };
        on_its_way == Some(release)
    }

    /// Returns what is asked of those that enter now: the rules of the release that serves, from its
    /// promotion on, also while it settles.
    pub fn entry_in_force(&self) -> Option<&EntryRules> {
        let deployment = self.deployment.as_ref();
        let promoted = deployment.filter(|deployment| deployment.routes_are_in_force());
        let promoted = promoted.map(|deployment| &deployment.content.entry);
        promoted.or(self.entry.as_ref())
    }

    /// Returns how requests reach services now. The rules change at once, when the whole release
    /// has been promoted; the first release brings its own.
    pub fn routing_in_force(&self) -> Option<&Routing> {
        let deployment = self.deployment.as_ref();
        match (&self.routing, deployment) {
            (_, Some(deployment)) if deployment.routes_are_in_force() => {
                Some(&deployment.content.routing)
            }
            (Some(routing), _) => Some(routing),
            (None, Some(deployment)) => Some(&deployment.content.routing),
            // The first release went back: nobody answers, and the data plane has to be told that.
            (None, None) => {
                let ended = self.last_end.as_ref()?;
                let known = self.releases.get(&ended.release)?;
                Some(&known.content.routing)
            }
        }
    }

    /// Returns the releases that took all traffic and were not rejected since.
    pub fn promoted(&self) -> impl Iterator<Item = ReleaseNumber> {
        self.standing_promotions()
    }

    fn standing_promotions(&self) -> impl Iterator<Item = ReleaseNumber> {
        self.promotions.iter().rev().copied().filter(|release| {
            matches!(
                self.releases.get(release),
                Some(KnownRelease {
                    standing: Standing::Promoted { .. },
                    ..
                })
            )
        })
    }
}
