//! What is known of releases, reports and people: the same to all environments.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use leadsman_core::entry::KnownFacts;
use leadsman_core::id::{ApplicationName, ReleaseNumber};
use leadsman_store::EventLog;
use tokio::sync::{Mutex, Notify};

use crate::application::Application;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::error::Error;

/// What reports say of the releases of an application.
pub(crate) type Facts = BTreeMap<ReleaseNumber, Arc<KnownFacts>>;

/// What is known of releases, reports and people.
pub(crate) struct Known {
    log: Arc<dyn EventLog>,
    pub(crate) directory: Directory,
    pub(crate) applications: Mutex<BTreeMap<ApplicationName, Application>>,
    facts: RwLock<BTreeMap<ApplicationName, Facts>>,
    /// Told when something has changed that releases may wait for in any environment: what reports
    /// say, or what has all traffic in another one.
    pub(crate) awaited: Notify,
}

impl Known {
    pub(crate) async fn load(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self {
            directory: Directory::load(Arc::clone(&log), clock).await?,
            log,
            applications: Mutex::default(),
            facts: RwLock::default(),
            awaited: Notify::new(),
        })
    }

    /// Learns what another control has recorded; says whether there was anything. Two that know
    /// different things would take back from each other what they record, or let in what the other
    /// one knows to lack consent.
    pub(crate) async fn learn(&self) -> Result<bool, Error> {
        let mut is_more = self.directory.learn().await?;
        for application in self.applications.lock().await.values_mut() {
            if application.catch_up(&self.log).await? {
                is_more = true;
                self.know(application);
            }
        }
        Ok(is_more)
    }

    /// Makes an application known, unless it is.
    pub(crate) async fn application(&self, name: &ApplicationName) -> Result<(), Error> {
        let mut applications = self.applications.lock().await;
        if !applications.contains_key(name) {
            let loaded = Application::load(&self.log, name.clone()).await?;
            self.know(&loaded);
            applications.insert(name.clone(), loaded);
        }
        Ok(())
    }

    /// Lets the environments know what reports say of an application's releases.
    pub(crate) fn know(&self, application: &Application) {
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(application.name.clone(), application.facts.clone());
        drop(known);
        self.awaited.notify_one();
    }

    /// Returns what reports say of those of an application's releases that `wanted` names.
    pub(crate) fn facts(
        &self,
        application: &ApplicationName,
        wanted: impl Iterator<Item = ReleaseNumber>,
    ) -> Facts {
        let facts = self.facts.read().unwrap_or_else(PoisonError::into_inner);
        let Some(facts) = facts.get(application) else {
            return Facts::new();
        };
        wanted
            .filter_map(|release| Some((release, Arc::clone(facts.get(&release)?))))
            .collect()
    }
}
