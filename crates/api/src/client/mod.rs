//! The client: one method per request, one connection per request.
//!
//! A connection to a Unix socket costs microseconds, so none is kept: control can be restarted
//! between any two requests without the client noticing.

mod connection;
mod error;
mod lines;
mod people;
mod place;
mod subscriptions;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::{Method, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::path::{self, fill, with_query};
use crate::{
    Accepted, Artifact, Choices, Command, Diff, DiffQuery, EnvironmentStatus, EventsQuery, History,
    HistoryQuery, LogLine, LoggedEvent, LogsQuery, Overview, Plan, ReleaseStatus, Replay,
    ReplayLine, ReportAccepted, ReportQuery, RunAccepted, RunCommand, RunLine, RunList,
    RunLogsQuery, RunQuery, RunRequest, RunStatus, RunsQuery, Series, SeriesQuery, Shipment,
    Shipped, StatusQuery, System, Why,
};

pub use error::Error;
pub use lines::Lines;
pub use place::{InvalidUrl, Remote};

use place::Place;

use connection::Answer;

/// What a request carries: nothing, JSON, or a stream of bytes.
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long control may take for an answer that does not have to wait for anything. Generous: it
/// only has to tell a control that hangs from one that is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// After which pauses, in milliseconds, an act is asked for again whose answer was lost: a control
/// that was killed is there again in less than a second.
const AGAIN_MS: [u64; 6] = [50, 100, 200, 400, 800, 1_600];

/// Asks one control.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
    patience: Duration,
    reason: Option<String>,
}

/// What is sent.
enum Content {
    /// All of it is here, so that it can be sent again.
    Whole(Bytes),
    /// It comes bit by bit; so many bytes.
    Stream(Body, u64),
}

/// One request: what it is called in messages, and what is sent.
struct Request {
    /// How a person calls it, such as `ship`.
    name: &'static str,
    method: Method,
    path: String,
    content: Content,
    /// How long the answer's head may take; `None` waits as long as the connection lives.
    patience: Option<Duration>,
    /// Whether it changes anything, so that losing the answer leaves a doubt.
    changes: bool,
    /// Why it is asked for.
    reason: Option<String>,
    /// The version of what was looked at.
    seen: Option<u64>,
    /// By what it is told from another one when it is asked for again.
    key: Option<String>,
}

impl Client {
    /// Makes a client of the control that listens on `socket`. Nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::Socket(socket.into()),
            patience: PATIENCE,
            reason: None,
        }
    }

    /// Makes a client of a control that is reached over the network. Nothing is connected yet.
    pub const fn remote(remote: Remote) -> Self {
        Self {
            place: Place::Remote(remote),
            patience: PATIENCE,
            reason: None,
        }
    }

    /// Has the audit know why everything is asked for that this client asks.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// Gives up on an answer after `patience` instead of 30 seconds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Returns the socket or the address that it connects to.
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Says which control answers.
    pub async fn system(&self) -> Result<System, Error> {
        self.get("version", path::SYSTEM.to_owned()).await
    }

    /// Ends control, the data plane and every instance. Returns once control has begun to.
    pub async fn down(&self) -> Result<System, Error> {
        let mut request = self.request("down", Method::POST, path::DOWN.to_owned());
        request.changes = true;
        self.json(request).await
    }

    /// Says how everything stands; with `query.wait_ms`, as soon as something has changed.
    pub async fn status(&self, query: &StatusQuery) -> Result<Overview, Error> {
        let pairs = [
            ("after", query.after.map(|after| after.to_string())),
            ("wait_ms", query.wait_ms.map(|wait| wait.to_string())),
        ];
        let mut request = self.request("status", Method::GET, with_query(path::STATUS, &pairs));
        let wait = Duration::from_millis(query.wait_ms.unwrap_or(0));
        request.patience = Some(self.patience + wait);
        self.json(request).await
    }

    /// Says how one environment stands.
    pub async fn environment(
        &self,
        application: &str,
        environment: &str,
    ) -> Result<EnvironmentStatus, Error> {
        self.get(
            "status",
            fill(path::ENVIRONMENT, &[application, environment]),
        )
        .await
    }

    /// Says how one environment stands and what happened to its newest deployment.
    pub async fn why(&self, application: &str, environment: &str) -> Result<Why, Error> {
        self.get("why", fill(path::WHY, &[application, environment]))
            .await
    }

    /// Says what could be done to one environment now.
    pub async fn choices(&self, application: &str, environment: &str) -> Result<Choices, Error> {
        let path = fill(path::CHOICES, &[application, environment]);
        self.get("choices", path).await
    }

    /// Says how the sides of every service have been doing in one deployment.
    pub async fn series(
        &self,
        application: &str,
        environment: &str,
        query: &SeriesQuery,
    ) -> Result<Series, Error> {
        let deployment = query.deployment.map(|number| number.to_string());
        let path = fill(path::SERIES, &[application, environment]);
        self.get("series", with_query(&path, &[("deployment", deployment)]))
            .await
    }

    /// Returns what was deployed and what was recorded, the newest first.
    pub async fn history(
        &self,
        application: &str,
        environment: &str,
        query: &HistoryQuery,
    ) -> Result<History, Error> {
        let pairs = [
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("before", query.before.map(|before| before.to_string())),
            ("release", query.release.map(|release| release.to_string())),
            ("commit", query.commit.clone()),
            ("actor", query.actor.clone()),
            ("phase", query.phase.map(|phase| phase.as_str().to_owned())),
            ("since", query.since.map(|since| since.to_string())),
            ("until", query.until.map(|until| until.to_string())),
        ];
        let path = fill(path::HISTORY, &[application, environment]);
        self.get("history", with_query(&path, &pairs)).await
    }

    /// Says how two releases differ.
    pub async fn diff(
        &self,
        application: &str,
        environment: &str,
        query: &DiffQuery,
    ) -> Result<Diff, Error> {
        let pairs = [
            ("from", query.from.map(|from| from.to_string())),
            ("to", query.to.map(|to| to.to_string())),
            ("with", query.with.clone()),
        ];
        let path = fill(path::DIFF, &[application, environment]);
        self.get("diff", with_query(&path, &pairs)).await
    }

    /// Gives a command. When this returns `Ok`, the command is recorded for good.
    pub async fn command(
        &self,
        application: &str,
        environment: &str,
        command: &Command,
    ) -> Result<Accepted, Error> {
        self.decide(application, environment, command, None).await
    }

    /// Gives a command on what was looked at when the environment was at version `seen`: if
    /// anything has happened since that could change the decision, it is refused.
    pub async fn decide(
        &self,
        application: &str,
        environment: &str,
        command: &Command,
        seen: Option<u64>,
    ) -> Result<Accepted, Error> {
        let name = match command {
            Command::Pause {} => "pause",
            Command::Resume {} => "resume",
            Command::Promote { .. } => "promote",
            Command::Abort {} => "abort",
            Command::Retry {} => "retry",
            Command::Rollback { .. } => "rollback",
            Command::Close { .. } => "close",
            Command::Open { .. } => "open",
            Command::Approve { .. } => "approve",
            Command::Confirm { .. } => "confirm",
            Command::Reject { .. } => "reject",
            Command::Freeze { .. } => "freeze",
            Command::Except { .. } => "except",
            Command::Thaw { .. } => "thaw",
        };
        let path = fill(path::COMMANDS, &[application, environment]);
        let mut request = self.post(name, path, command);
        request.seen = seen;
        self.act(request).await
    }

    /// Says what shipping would do. Changes nothing; the artifacts need not be uploaded.
    pub async fn plan(&self, shipment: &Shipment) -> Result<Plan, Error> {
        self.json(self.post("plan", path::PLAN.to_owned(), shipment))
            .await
    }

    /// Ships. When this returns `Ok`, the release is recorded for good.
    pub async fn ship(&self, shipment: &Shipment) -> Result<Shipped, Error> {
        let request = self.post("ship", path::SHIP.to_owned(), shipment);
        self.act(request).await
    }

    /// Says whether control has the artifact.
    pub async fn has_artifact(&self, digest: &str) -> Result<bool, Error> {
        let path = fill(path::ARTIFACT, &[digest]);
        let request = self.request("artifact look-up", Method::HEAD, path);
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(answer.into_problem().await),
        }
    }

    /// Uploads the `size` packed bytes of an artifact. Control checks the digest, and keeps
    /// nothing of an upload that was interrupted, so it can always be sent again.
    pub async fn put_artifact<S>(
        &self,
        digest: &str,
        size: u64,
        bytes: S,
    ) -> Result<Artifact, Error>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let path = fill(path::ARTIFACT, &[digest]);
        let mut request = self.request("artifact upload", Method::PUT, path);
        let body = StreamBody::new(bytes.map_ok(Frame::data)).boxed_unsync();
        request.content = Content::Stream(body, size);
        request.patience = None;
        self.json(request).await
    }

    /// Says all that is known of a release.
    pub async fn release(&self, application: &str, release: u64) -> Result<ReleaseStatus, Error> {
        let path = fill(path::RELEASE, &[application, &release.to_string()]);
        self.get("release", path).await
    }

    /// Hands in a report on a release. When this returns `Ok`, what it says is recorded for good.
    pub async fn report(
        &self,
        application: &str,
        release: u64,
        query: &ReportQuery,
        bytes: Vec<u8>,
    ) -> Result<ReportAccepted, Error> {
        let pairs = [
            ("kind", query.kind.clone()),
            ("path", query.path.clone()),
            ("job", query.job.clone()),
            ("number", query.number.clone()),
        ];
        let path = fill(path::REPORTS, &[application, &release.to_string()]);
        let mut request = self.request("report", Method::POST, with_query(&path, &pairs));
        request.content = Content::Whole(bytes.into());
        self.act(request).await
    }

    /// Returns what instances wrote, line by line; with `query.follow`, without an end.
    pub async fn logs(
        &self,
        application: &str,
        environment: &str,
        query: &LogsQuery,
    ) -> Result<Lines<LogLine>, Error> {
        let pairs = [
            ("service", query.service.clone()),
            ("instance", query.instance.clone()),
            ("tail", query.tail.map(|tail| tail.to_string())),
            ("follow", query.follow.then(|| "true".to_owned())),
        ];
        let path = with_query(&fill(path::LOGS, &[application, environment]), &pairs);
        let answer = self.send(self.request("logs", Method::GET, path)).await?;
        Ok(Lines::new(answer.success().await?))
    }

    /// Judges a past rollout again.
    pub async fn replay(
        &self,
        application: &str,
        environment: &str,
        replay: &Replay,
    ) -> Result<Lines<ReplayLine>, Error> {
        let path = fill(path::REPLAY, &[application, environment]);
        let answer = self.send(self.post("replay", path, replay)).await?;
        Ok(Lines::new(answer.success().await?))
    }

    /// Asks for a run. When this returns `Ok`, it is recorded for good.
    pub async fn begin_run(&self, run: &RunRequest) -> Result<RunAccepted, Error> {
        let request = self.post("run", path::RUNS.to_owned(), run);
        self.act(request).await
    }

    /// Returns runs, the newest first.
    pub async fn runs(&self, query: &RunsQuery) -> Result<RunList, Error> {
        let pairs = [
            ("application", query.application.clone()),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("before", query.before.clone()),
        ];
        self.get("runs", with_query(path::RUNS, &pairs)).await
    }

    /// Says how a run stands; with `query.wait_ms`, as soon as something has changed.
    pub async fn run(
        &self,
        application: &str,
        number: u64,
        query: &RunQuery,
    ) -> Result<RunStatus, Error> {
        let pairs = [
            ("after", query.after.map(|after| after.to_string())),
            ("wait_ms", query.wait_ms.map(|wait| wait.to_string())),
        ];
        let path = fill(path::RUN, &[application, &number.to_string()]);
        let mut request = self.request("run", Method::GET, with_query(&path, &pairs));
        let wait = Duration::from_millis(query.wait_ms.unwrap_or(0));
        request.patience = Some(self.patience + wait);
        self.json(request).await
    }

    /// Asks something of a run. When this returns `Ok`, it is recorded for good.
    pub async fn run_command(
        &self,
        application: &str,
        number: u64,
        command: RunCommand,
    ) -> Result<RunAccepted, Error> {
        let path = fill(path::RUN_COMMANDS, &[application, &number.to_string()]);
        let request = self.post("run", path, &command);
        self.act(request).await
    }

    /// Returns what happens, as it happens, without an end.
    pub async fn events(&self, query: &EventsQuery) -> Result<Lines<LoggedEvent>, Error> {
        let pairs = [
            ("after", query.after.map(|after| after.to_string())),
            ("about", query.about.clone()),
        ];
        let request = self.request("events", Method::GET, with_query(path::EVENTS, &pairs));
        let answer = self.send(request).await?;
        Ok(Lines::of_events(answer.success().await?))
    }

    /// Returns what the jobs of a run wrote, line by line.
    pub async fn run_logs(
        &self,
        application: &str,
        number: u64,
        query: &RunLogsQuery,
    ) -> Result<Lines<RunLine>, Error> {
        let pairs = [
            ("job", query.job.clone()),
            ("attempt", query.attempt.map(|attempt| attempt.to_string())),
            ("tail", query.tail.map(|tail| tail.to_string())),
            ("search", query.search.clone()),
            ("follow", query.follow.then(|| "true".to_owned())),
        ];
        let path = fill(path::RUN_LOGS, &[application, &number.to_string()]);
        let request = self.request("logs", Method::GET, with_query(&path, &pairs));
        let answer = self.send(request).await?;
        Ok(Lines::new(answer.success().await?))
    }

    fn request(&self, name: &'static str, method: Method, path: String) -> Request {
        Request {
            name,
            method,
            path,
            content: Content::Whole(Bytes::new()),
            patience: Some(self.patience),
            changes: false,
            reason: self.reason.clone(),
            seen: None,
            key: None,
        }
    }

    fn post(&self, name: &'static str, path: String, body: &impl Serialize) -> Request {
        let json = serde_json::to_vec(body).expect("the wire types have only text as keys");
        let mut request = self.request(name, Method::POST, path);
        request.content = Content::Whole(json.into());
        request
    }

    /// Asks for something that changes things. Where the answer is lost it is asked for again with
    /// the same key: control does nothing twice, and says once more what came of it.
    async fn act<T: DeserializeOwned>(&self, mut request: Request) -> Result<T, Error> {
        request.changes = true;
        request.key = Some(new_key());
        let again = request.copy();
        let lost = match self.json(request).await {
            Err(error @ Error::Lost { .. }) => error,
            other => return other,
        };
        for pause in AGAIN_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let Some(again) = again.as_ref().and_then(Request::copy) else {
                break;
            };
            match self.json(again).await {
                // It is being started, or has yet to end what it had begun.
                Err(Error::Lost { .. } | Error::NotRunning { .. } | Error::Connect { .. }) => {}
                Err(Error::Refused(problem)) if problem.code == "L088" => {}
                other => return other,
            }
        }
        Err(lost)
    }

    async fn get<T: DeserializeOwned>(&self, name: &'static str, path: String) -> Result<T, Error> {
        self.json(self.request(name, Method::GET, path)).await
    }

    async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        self.send(request).await?.success().await?.json().await
    }

    async fn send(&self, request: Request) -> Result<Answer, Error> {
        connection::send(&self.place, request).await
    }
}

impl Request {
    /// Returns the same once more; nothing where what it sends is not all here.
    fn copy(&self) -> Option<Self> {
        let Content::Whole(bytes) = &self.content else {
            return None;
        };
        Some(Self {
            name: self.name,
            method: self.method.clone(),
            path: self.path.clone(),
            content: Content::Whole(bytes.clone()),
            patience: self.patience,
            changes: self.changes,
            reason: self.reason.clone(),
            seen: self.seen,
            key: self.key.clone(),
        })
    }
}

/// Returns a key that nobody has used: 128 bits that differ from process to process and from call to
/// call. It is no secret.
fn new_key() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
