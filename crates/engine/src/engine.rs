//! The engine as a whole: who drives which environment, and what can be asked of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use leadsman_core::entry::Identity;
use leadsman_core::id::{
    ApplicationName, DeploymentNumber, EnvironmentId, EnvironmentName, ReleaseNumber, ServiceName,
};
use leadsman_core::people::{self, People};
use leadsman_core::project::Project;
use leadsman_core::time::Timestamp;
use leadsman_core::{ApplicationEvent, Command, Environment, ReleaseContent, audit};
use leadsman_gates::Says;
use leadsman_runtime::Runtime;
use leadsman_store::{EventLog, FigureLog, Recorded, StreamKind};
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::actor::{Actor, Message, Tools, keep};
use crate::application::{Application, NewRelease, content, identity, known};
use crate::auditing::Auditing;
use crate::by::By;
use crate::checks::Inspector;
use crate::clock::Clock;
use crate::data_plane::DataPlane;
use crate::error::Error;
use crate::known::Known;
use crate::metrics::MetricSources;
use crate::rows::{self, ToldRow};
use crate::traffic::{self, Traffic};
use crate::view::Views;
use crate::{judging, retention};

/// How many messages may wait for one environment.
const INBOX: usize = 256;

/// What the engine is composed of.
pub struct Parts {
    /// Where facts are recorded.
    pub log: Arc<dyn EventLog>,
    /// Where figures are kept.
    pub figures: Arc<dyn FigureLog>,
    /// What runs instances.
    pub runtime: Arc<dyn Runtime>,
    /// What spreads requests.
    pub data_plane: Arc<dyn DataPlane>,
    /// What reads metrics.
    pub metrics: Arc<dyn MetricSources>,
    /// What finds out what checklists ask of the machine.
    pub inspector: Arc<dyn Inspector>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

/// In which way a release comes in, other than the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Why it cannot wait, if it should take the expedited way.
    pub expedited: Option<String>,
    /// Why it comes in although its migration leaves no way back.
    pub one_way: Option<String>,
}

/// Drives every environment. Cheap to clone; the last clone that is dropped ends it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) tools: Tools,
    pub(crate) auditing: Auditing,
    actors: Mutex<BTreeMap<EnvironmentId, Mailbox>>,
    tasks: Mutex<JoinSet<()>>,
    views: watch::Receiver<Views>,
}

#[derive(Clone)]
struct Mailbox {
    inbox: mpsc::Sender<Message>,
    nudge: Arc<Notify>,
}

impl Engine {
    /// Loads everything from the log and begins to drive it.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or holds what this version does not understand.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let (sender, views) = watch::channel(Views::default());
        let known = Known::load(Arc::clone(&parts.log), Arc::clone(&parts.clock)).await?;
        let tools = Tools {
            known: Arc::new(known),
            log: parts.log,
            figures: parts.figures,
            runtime: parts.runtime,
            data_plane: parts.data_plane,
            metrics: parts.metrics,
            inspector: parts.inspector,
            clock: parts.clock,
            views: Arc::new(sender),
        };
        let (log, clock) = (&tools.log, &tools.clock);
        let inner = Inner {
            auditing: Auditing::new(Arc::clone(log), Arc::clone(clock)),
            tools,
            actors: Mutex::default(),
            tasks: Mutex::default(),
            views,
        };
        let engine = Self {
            inner: Arc::new(inner),
        };
        for stream in engine
            .inner
            .tools
            .log
            .streams()
            .await
            .map_err(Error::NotRead)?
        {
            match stream.kind() {
                Some(StreamKind::Application(name)) => {
                    engine.inner.tools.known.application(&name).await?;
                }
                Some(StreamKind::Environment(id)) => drop(engine.actor(&id).await?),
                // Who there is is known already; the audit is only written; runs have a driver of their own.
                Some(StreamKind::People | StreamKind::Audit | StreamKind::Run(_)) | None => {}
            }
        }
        engine.listen().await;
        Ok(engine)
    }

    /// Passes on what the world says: nudges without data, and closed windows.
    async fn listen(&self) {
        let mut tasks = self.inner.tasks.lock().await;
        let inner = Arc::downgrade(&self.inner);
        let (runtime, data_plane) = (
            Arc::clone(&self.inner.tools.runtime),
            Arc::clone(&self.inner.tools.data_plane),
        );
        let known = Arc::clone(&self.inner.tools.known);
        let mut people = known.directory.watch();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = runtime.changed() => {}
                    () = data_plane.changed() => {}
                    () = known.awaited.notified() => {}
                    // Whose consent counts may have changed. What the engine holds outlives this task.
                    changed = people.changed() => if changed.is_err() { return },
                }
                let Some(inner) = inner.upgrade() else { return };
                for mailbox in inner.actors.lock().await.values() {
                    mailbox.nudge.notify_one();
                }
            }
        });
        tasks.spawn(retention::keep_in_bounds(Arc::downgrade(&self.inner)));
        let inner = Arc::downgrade(&self.inner);
        let data_plane = Arc::clone(&self.inner.tools.data_plane);
        tasks.spawn(async move {
            loop {
                let messages: Vec<_> = match data_plane.windows().await {
                    Ok(windows) => windows.into_iter().map(|w| Ok(Arc::new(w))).collect(),
                    Err(why) => vec![Err(Arc::from(why))],
                };
                let Some(inner) = inner.upgrade() else { return };
                let mailboxes: Vec<Mailbox> = inner.actors.lock().await.values().cloned().collect();
                drop(inner);
                for mailbox in mailboxes {
                    for message in &messages {
                        let message = Message::Window(message.clone());
                        // An actor that is gone needs no figures.
                        drop(mailbox.inbox.send(message).await);
                    }
                }
            }
        });
    }

    /// Records a release, or finds the one that is made of the same.
    ///
    /// # Errors
    ///
    /// The project file has problems, or the release could not be recorded.
    pub async fn release(
        &self,
        new: &NewRelease,
        by: impl Into<By>,
    ) -> Result<(ApplicationName, ReleaseNumber), Error> {
        let project = parse(new)?;
        let name = project.application().clone();
        self.inner.tools.known.application(&name).await?;
        let tools = &self.inner.tools;
        let mut applications = self.inner.tools.known.applications.lock().await;
        let application = applications
            .get_mut(&name)
            .ok_or_else(|| Error::UnknownApplication(name.clone()))?;
        let number = application
            .release(&tools.log, new, &by.into(), tools.clock.now())
            .await?;
        Ok((name, number))
    }

    /// Records what a report says of a release. Environments in which it waits look at it at once.
    ///
    /// # Errors
    ///
    /// No such release, or it could not be recorded.
    pub async fn report(
        &self,
        name: &ApplicationName,
        release: ReleaseNumber,
        source: leadsman_gates::Source,
        says: Says,
        by: impl Into<By>,
    ) -> Result<(), Error> {
        let tools = &self.inner.tools;
        let mut applications = self.inner.tools.known.applications.lock().await;
        let application = applications
            .get_mut(name)
            .ok_or_else(|| Error::UnknownApplication(name.clone()))?;
        if !application.releases.contains_key(&release) {
            let application = name.clone();
            return Err(Error::UnknownRelease {
                application,
                release,
            });
        }
        let event = ApplicationEvent::ReportReceived {
            release,
            source,
            says: Box::new(says),
        };
        let at = tools.clock.now();
        application
            .report(&tools.log, event, &by.into(), at)
            .await?;
        tools.known.know(application);
        Ok(())
    }

    /// Ships a recorded release into an environment; without one, into the only one there is.
    ///
    /// # Errors
    ///
    /// No such release or environment, a refusal, or it could not be recorded.
    pub async fn ship(
        &self,
        application: &ApplicationName,
        release: ReleaseNumber,
        environment: Option<EnvironmentName>,
        ways: Ways,
        by: impl Into<By>,
    ) -> Result<(EnvironmentId, Vec<Recorded>), Error> {
        let made_of = self.made_of(application, release).await?;
        let (id, content) = resolve(&made_of, environment)?;
        let command = Command::Ship {
            release,
            identity: identity(&content, &made_of),
            content,
            expedited: ways.expedited,
            one_way: ways.one_way,
        };
        let recorded = self.actor(&id).await?;
        let recorded = ask(&recorded, command, None, by.into()).await?;
        Ok((id, recorded))
    }

    /// Returns what shipping `new` would bring into which environment, that environment's state as
    /// it is, and what exactly it would bring. Nothing is recorded.
    ///
    /// # Errors
    ///
    /// The project file has problems, or does not name the environment.
    pub fn preview(
        &self,
        new: &NewRelease,
        environment: Option<EnvironmentName>,
    ) -> Result<(Environment, Arc<ReleaseContent>, Identity), Error> {
        let (id, content) = resolve(new, environment)?;
        let identity = identity(&content, new);
        let views = self.inner.views.borrow();
        let state = match views.environments.get(&id) {
            Some(view) => view.environment.clone(),
            None => Environment::new(id),
        };
        Ok((state, content, identity))
    }

    /// Asks something of an environment in the name of `by`. When it returns, it is recorded.
    ///
    /// # Errors
    ///
    /// No such environment, a refusal, or it could not be recorded.
    pub async fn command(
        &self,
        environment: &EnvironmentId,
        command: Command,
        by: impl Into<By>,
    ) -> Result<Vec<Recorded>, Error> {
        self.decided(environment, command, None, by).await
    }

    /// Carries out a command of somebody who has looked at the environment at the version `seen`, where
    /// that is said.
    ///
    /// # Errors
    ///
    /// As above, and where something has happened since that they would decide on.
    pub async fn decided(
        &self,
        environment: &EnvironmentId,
        command: Command,
        seen: Option<u64>,
        by: impl Into<By>,
    ) -> Result<Vec<Recorded>, Error> {
        let mailbox = self.inner.actors.lock().await.get(environment).cloned();
        let mailbox = mailbox.ok_or_else(|| Error::UnknownEnvironment(environment.clone()))?;
        ask(&mailbox, command, seen, by.into()).await
    }

    /// Returns who there is.
    pub fn people(&self) -> Arc<People> {
        self.inner.tools.known.directory.people()
    }

    /// Carries out an order about people. When it returns, it is recorded and holds.
    ///
    /// # Errors
    ///
    /// A refusal, or it could not be recorded.
    pub async fn about_people(
        &self,
        command: &people::Command,
        by: impl Into<By>,
    ) -> Result<Vec<people::Event>, Error> {
        self.inner
            .tools
            .known
            .directory
            .tell(command, &by.into())
            .await
    }

    /// Takes note in the audit of what was denied or refused. Equal ones are counted.
    pub async fn denied(&self, by: impl Into<By>, event: &audit::Event) {
        self.inner.auditing.denied(&by.into(), event).await;
    }

    /// Records in the audit what leaves no other trace.
    pub async fn acted(&self, by: impl Into<By>, act: &str, on: Option<String>) {
        let act = act.to_owned();
        let event = audit::Event::Acted { act, on };
        self.inner.auditing.acted(&by.into(), event).await;
    }

    /// Returns the present moment, as everything here takes it.
    pub fn now(&self) -> Timestamp {
        self.inner.tools.clock.now()
    }

    /// Returns what is shown, now and whenever it changes.
    pub fn views(&self) -> watch::Receiver<Views> {
        self.inner.views.clone()
    }

    /// Returns the log that everything is recorded in.
    pub fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.inner.tools.log)
    }

    /// Returns the names of the applications that there are.
    pub(crate) async fn applications(&self) -> Vec<ApplicationName> {
        let known = self.inner.tools.known.applications.lock().await;
        known.keys().cloned().collect()
    }

    /// Returns the releases of an application.
    ///
    /// # Errors
    ///
    /// There is no such application.
    pub async fn releases(&self, application: &ApplicationName) -> Result<Application, Error> {
        let applications = self.inner.tools.known.applications.lock().await;
        let known = applications
            .get(application)
            .filter(|a| !a.releases.is_empty());
        known
            .cloned()
            .ok_or_else(|| Error::UnknownApplication(application.clone()))
    }

    /// Ends every task. What runs goes on running, and requests go on being answered.
    pub async fn shut_down(&self) {
        self.inner.auditing.settle(true).await;
        self.inner.actors.lock().await.clear();
        self.inner.tasks.lock().await.shutdown().await;
    }

    /// Returns the next rows of what the judge of a rollout was told, in order: those after the
    /// row of the moment `after`. None are left when it returns nothing; there never were any of
    /// a rollout that was not judged, and what ended more than 30 days ago is gone.
    ///
    /// # Errors
    ///
    /// The figures cannot be read.
    pub async fn told(
        &self,
        environment: &EnvironmentId,
        deployment: DeploymentNumber,
        service: &ServiceName,
        after: Option<Timestamp>,
    ) -> Result<Vec<ToldRow>, Error> {
        let series = judging::series(environment, deployment, service);
        rows::told(&*self.inner.tools.figures, &series, after).await
    }

    /// Returns the traffic of a service in the last hours that are known of it: three, in which
    /// one revision served alone.
    ///
    /// # Errors
    ///
    /// The figures cannot be read.
    pub async fn traffic(
        &self,
        environment: &EnvironmentId,
        service: &ServiceName,
    ) -> Result<Traffic, Error> {
        let Tools { figures, clock, .. } = &self.inner.tools;
        traffic::lately(&**figures, environment, service, clock.now()).await
    }

    async fn made_of(
        &self,
        application: &ApplicationName,
        release: ReleaseNumber,
    ) -> Result<NewRelease, Error> {
        let application = self.releases(application).await?;
        let record = application.releases.get(&release);
        record
            .map(|record| record.made_of.clone())
            .ok_or(Error::UnknownRelease {
                application: application.name,
                release,
            })
    }

    async fn actor(&self, id: &EnvironmentId) -> Result<Mailbox, Error> {
        let mut actors = self.inner.actors.lock().await;
        if let Some(mailbox) = actors.get(id) {
            return Ok(mailbox.clone());
        }
        let actor = Actor::load(self.inner.tools.clone(), id.clone()).await?;
        let (inbox, messages) = mpsc::channel(INBOX);
        let mailbox = Mailbox {
            inbox,
            nudge: Arc::new(Notify::new()),
        };
        let running = keep(actor, messages, Arc::clone(&mailbox.nudge));
        self.inner.tasks.lock().await.spawn(running);
        actors.insert(id.clone(), mailbox.clone());
        Ok(mailbox)
    }
}

async fn ask(
    mailbox: &Mailbox,
    command: Command,
    seen: Option<u64>,
    by: By,
) -> Result<Vec<Recorded>, Error> {
    let (reply, answer) = oneshot::channel();
    let message = Message::Command {
        command: Box::new(command),
        seen,
        by,
        reply,
    };
    mailbox
        .inbox
        .send(message)
        .await
        .map_err(|_| Error::ShuttingDown)?;
    answer.await.map_err(|_| Error::ShuttingDown)?
}

fn parse(new: &NewRelease) -> Result<Project, Error> {
    Project::parse(&new.project, &new.file_name)
        .map_err(|problems| Error::Project(problems.to_string()))
}

fn resolve(
    made_of: &NewRelease,
    environment: Option<EnvironmentName>,
) -> Result<(EnvironmentId, Arc<ReleaseContent>), Error> {
    let project = parse(made_of)?;
    let names: Vec<EnvironmentName> = project.environments().cloned().collect();
    let known = || known(&project);
    let name = match (environment, names.as_slice()) {
        (Some(name), names) if names.contains(&name) => name,
        (Some(name), _) => {
            return Err(Error::NotInProject {
                name,
                known: known(),
            });
        }
        (None, [only]) => only.clone(),
        (None, _) => return Err(Error::WhichEnvironment { known: known() }),
    };
    let content = content(&project, &name, made_of)?;
    let application = project.application().clone();
    Ok((
        EnvironmentId {
            application,
            environment: name,
        },
        content,
    ))
}
