//! The releases of one application, recorded once for all its environments.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use leadsman_core::entry::{EntryRules, Identity, KnownFacts, Source};
use leadsman_core::id::{ApplicationName, Digest, EnvironmentName, ReleaseNumber, ServiceName};
use leadsman_core::project::Project;
use leadsman_core::spec::ReleasedService;
use leadsman_core::time::Timestamp;
use leadsman_core::{ApplicationEvent, ReleaseContent, Routing};
use leadsman_store::{Append, AppendError, EventLog, StreamName};
use sha2::{Digest as _, Sha256};

use crate::by::By;
use crate::error::Error;

/// What a release is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRelease {
    /// The project file, word for word.
    pub project: String,
    /// The project file's name, for messages.
    pub file_name: String,
    /// The folder that it lies in.
    pub origin: String,
    /// The digests of the artifacts, by service.
    pub artifacts: BTreeMap<ServiceName, Digest>,
    /// What the person who ships it says about it.
    pub note: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// A recorded release.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseRecord {
    /// Its number.
    pub number: ReleaseNumber,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who recorded it.
    pub by: String,
    /// What it is made of.
    pub made_of: NewRelease,
}

/// An application and its releases.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its name.
    pub name: ApplicationName,
    /// Its releases.
    pub releases: BTreeMap<ReleaseNumber, ReleaseRecord>,
    /// What reports say of them.
    pub facts: BTreeMap<ReleaseNumber, Arc<KnownFacts>>,
    /// When each report that counts came.
    came: BTreeMap<ReleaseNumber, HashMap<leadsman_gates::Source, Timestamp>>,
    version: u64,
}

impl Application {
    pub(crate) fn stream(name: &ApplicationName) -> StreamName {
        name.as_str()
            .parse()
            .expect("an application's name is a stream's name")
    }

    /// Loads an application; one without any release has no events.
    pub(crate) async fn load(
        log: &Arc<dyn EventLog>,
        name: ApplicationName,
    ) -> Result<Self, Error> {
        let mut application = Self {
            name,
            releases: BTreeMap::new(),
            facts: BTreeMap::new(),
            came: BTreeMap::new(),
            version: 0,
        };
        application.catch_up(log).await?;
        Ok(application)
    }

    /// Folds what the log has and this has not; says whether there was anything.
    pub(crate) async fn catch_up(&mut self, log: &Arc<dyn EventLog>) -> Result<bool, Error> {
        let stream = Self::stream(&self.name);
        let more = log
            .read_stream(&stream, self.version)
            .await
            .map_err(Error::NotRead)?;
        let is_more = !more.is_empty();
        for recorded in more {
            let event = serde_json::from_str(&recorded.body)
                .map_err(|source| Error::not_understood(&recorded, source))?;
            self.evolve(recorded.at, &recorded.actor, event);
        }
        Ok(is_more)
    }

    fn evolve(&mut self, at: Timestamp, by: &str, event: ApplicationEvent) {
        self.version += 1;
        match event {
            ApplicationEvent::ReleaseCreated {
                number,
                project,
                origin,
                artifacts,
                note,
                source,
            } => {
                let file_name = "leadsman.yaml".to_owned();
                let made_of = NewRelease {
                    project,
                    file_name,
                    origin,
                    artifacts,
                    note,
                    source,
                };
                let by = by.to_owned();
                let record = ReleaseRecord {
                    number,
                    at,
                    by,
                    made_of,
                };
                self.releases.insert(number, record);
            }
            ApplicationEvent::ReportReceived {
                release,
                source,
                says,
            } => {
                let came = self.came.entry(release).or_default();
                came.insert(source.clone(), at);
                let known = Arc::make_mut(self.facts.entry(release).or_default());
                known.facts.add(source, *says);
                known.collected = came.values().copied().min();
            }
        }
    }

    /// Records what a report says of a release.
    pub(crate) async fn report(
        &mut self,
        log: &Arc<dyn EventLog>,
        event: ApplicationEvent,
        by: &By,
        at: Timestamp,
    ) -> Result<(), Error> {
        while !self.append(log, event.clone(), by, at).await? {}
        Ok(())
    }

    /// Appends a fact on the state that is known; returns whether nobody else was faster.
    async fn append(
        &mut self,
        log: &Arc<dyn EventLog>,
        event: ApplicationEvent,
        by: &By,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let append = Append {
            stream: Self::stream(&self.name),
            expected_version: self.version,
            at,
            actor: by.name.clone(),
            events: vec![by.store(event.kind(), &event)],
        };
        match log.append(append).await {
            Ok(_) => {
                self.evolve(at, &by.name, event);
                Ok(true)
            }
            Err(AppendError::Conflict { .. }) => self.catch_up(log).await.map(|_| false),
            Err(error) => Err(Error::NotRecorded(error)),
        }
    }

    /// Returns the number of the release that is made of the same, or records a new one.
    pub(crate) async fn release(
        &mut self,
        log: &Arc<dyn EventLog>,
        new: &NewRelease,
        by: &By,
        at: Timestamp,
    ) -> Result<ReleaseNumber, Error> {
        loop {
            let same = |record: &&ReleaseRecord| {
                let made_of = &record.made_of;
                made_of.project == new.project
                    && made_of.artifacts == new.artifacts
                    && made_of.origin == new.origin
                    && made_of.source == new.source
            };
            if let Some(record) = self.releases.values().rev().find(same) {
                return Ok(record.number);
            }
            let last = self
                .releases
                .keys()
                .next_back()
                .map_or(0, |number| number.0);
            let event = ApplicationEvent::ReleaseCreated {
                number: ReleaseNumber(last + 1),
                project: new.project.clone(),
                origin: new.origin.clone(),
                artifacts: new.artifacts.clone(),
                note: new.note.clone(),
                source: new.source.clone(),
            };
            if self.append(log, event, by, at).await? {
                return Ok(ReleaseNumber(last + 1));
            }
        }
    }
}

/// Returns the names of the environments, for messages.
pub(crate) fn known(project: &Project) -> String {
    let names: Vec<String> = project
        .environments()
        .map(|name| format!("`{name}`"))
        .collect();
    names.join(", ")
}

/// Returns what a release is in `environment`.
///
/// # Errors
///
/// There is no such environment, or a service needs an artifact that the release does not have.
pub(crate) fn content(
    project: &Project,
    environment: &EnvironmentName,
    made_of: &NewRelease,
) -> Result<Arc<ReleaseContent>, Error> {
    let spec = project
        .resolve(environment)
        .cloned()
        .ok_or_else(|| Error::NotInProject {
            name: environment.clone(),
            known: known(project),
        })?;
    let mut services = BTreeMap::new();
    for (name, service) in spec.services {
        let artifact = made_of.artifacts.get(&name).cloned();
        if service.artifact.is_some() && artifact.is_none() {
            return Err(Error::ArtifactMissing(name));
        }
        let origin = made_of.origin.clone();
        services.insert(
            name,
            Arc::new(ReleasedService {
                spec: service,
                artifact,
                origin,
            }),
        );
    }
    let routing = Routing {
        listen: spec.listen,
        entrance: spec.entrance,
        rules: spec.routes,
    };
    Ok(Arc::new(ReleaseContent {
        routing,
        services,
        entry: EntryRules {
            checklists: spec.entry.checklists.in_folder(&made_of.origin),
            ..spec.entry
        },
        migration: spec.migration,
    }))
}

/// Returns what exactly a release is in an environment: the digest of all that is known of it there.
pub(crate) fn identity(content: &ReleaseContent, made_of: &NewRelease) -> Identity {
    let text = serde_json::to_vec(content).expect("a release has only text keys");
    Identity {
        digest: Digest::from_bytes(Sha256::digest(&text).into()),
        source: made_of.source.clone(),
    }
}
