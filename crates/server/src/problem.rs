//! The one place where an error becomes an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use leadsman_api::{PROBLEM_TYPE, Problem};
use leadsman_core::Refusal;
use leadsman_core::id::{DeploymentNumber, EnvironmentId};
use leadsman_core::people::{self, Reach, TokenNumber};
use leadsman_engine::{Error as EngineError, RunError};

use crate::access::attempts::WITHIN;
use crate::shelf::ShelfError;
use crate::subscriptions::kept as subscribed;
use crate::webhooks::kept;
use crate::webhooks::signed::Unverified;

/// The codes of problems that are not refusals of the domain.
pub const CODES: &[&str] = &[
    "L012", "L015", "L031", "L033", "L034", "L080", "L081", "L082", "L083", "L084", "L085", "L086",
    "L087", "L088", "L089", "L100", "L101", "L102", "L103", "L104", "L130", "L131", "L132", "L133",
    "L134", "L135", "L140", "L141", "L142", "L150",
];

/// That something was denied or refused, for the audit. It goes with the answer as far as the
/// guard.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) why: String,
    /// Who it was denied to, where the guard does not know.
    pub(crate) who: Option<String>,
    /// What was asked for, where the route does not tell.
    pub(crate) act: Option<String>,
    /// On what, where the path does not tell.
    pub(crate) on: Option<String>,
    /// Whether the domain said no, and not the rights.
    pub(crate) refused: bool,
}

/// Whatever a handler answers that is not a success.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    hint: Option<String>,
    /// For the log alone: it never leaves the machine.
    internal: Option<String>,
    /// For the audit.
    said: Option<Box<Said>>,
}

impl Failure {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self {
            status,
            code,
            message,
            hint: None,
            internal: None,
            said: None,
        }
    }

    /// Returns what it says, where nothing comes of it but words.
    pub(crate) fn refused(self) -> leadsman_api::Refused {
        leadsman_api::Refused {
            code: self.code,
            message: self.message,
        }
    }

    /// What somebody wants to do cannot be done now, or not by them.
    pub(crate) fn not_now(refused: &leadsman_api::Refused) -> Self {
        Self::new(StatusCode::CONFLICT, &refused.code, &*refused.message)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn said(mut self, refused: bool) -> Self {
        self.said = Some(Box::new(Said {
            code: self.code.clone(),
            why: self.message.clone(),
            who: None,
            act: None,
            on: None,
            refused,
        }));
        self
    }

    /// Says for the audit what it was that was denied or refused.
    pub(crate) fn about(mut self, act: &str, on: Option<String>) -> Self {
        if let Some(said) = &mut self.said {
            said.act = Some(act.to_owned());
            said.on = on;
        }
        self
    }

    /// Says for the audit who it was, where that was found out behind the guard.
    pub(crate) fn of(mut self, who: &str) -> Self {
        if let Some(said) = &mut self.said {
            said.who = Some(who.to_owned());
        }
        self
    }

    /// A delivery is not known to be of who it claims to be.
    pub(crate) fn unverified(why: Unverified) -> Self {
        let message = format!("the delivery was not let in: {why}");
        Self::new(StatusCode::UNAUTHORIZED, "L130", message)
            .hint("compare the secret and the address with what `leadsman webhook add` printed")
            .said(false)
    }

    /// A delivery cannot be understood, or tells of what its webhook is not for.
    pub(crate) fn delivery_unusable(status: StatusCode, why: &str) -> Self {
        let message = format!("the delivery cannot be used: {why}");
        Self::new(status, "L132", message)
            .hint("see what the webhook is for with `leadsman webhook list`")
            .said(true)
    }

    /// Whoever asks names a repository that no runs were begun of.
    pub(crate) fn repository_not_known(repository: &str) -> Self {
        let message =
            format!("no runs are begun of `{repository}` for whoever asks from elsewhere");
        Self::new(StatusCode::NOT_FOUND, "L135", message)
            .hint("have the owner of the state folder begin the first run of it")
            .said(false)
    }

    /// Somebody could not sign in.
    pub(crate) fn sign_in(why: &str) -> Self {
        let message = format!("nobody was signed in: {why}");
        Self::new(StatusCode::UNAUTHORIZED, "L140", message)
            .hint("see `leadsman explain L140`, then sign in again with `leadsman login`")
            .said(false)
    }

    /// Nobody can sign in here.
    pub(crate) fn no_sign_in() -> Self {
        let message = "no provider of sign-ins is set up here";
        Self::new(StatusCode::NOT_FOUND, "L141", message)
            .hint("ask for a token instead: `leadsman token create` on the machine makes one")
    }

    /// The provider of sign-ins does not answer, or not as it should.
    pub(crate) fn provider(why: &str) -> Self {
        let message = format!("the provider of sign-ins cannot be used: {why}");
        Self::new(StatusCode::BAD_GATEWAY, "L142", message)
            .hint("see `leadsman explain L142`; tokens go on to work")
            .said(true)
    }

    /// A webhook cannot be what it is wanted to be.
    pub(crate) fn webhook_unusable(why: impl Into<String>) -> Self {
        let message = format!("the webhook cannot be added: {}", why.into());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L134", message)
            .hint("see what it may be with `leadsman webhook add --help`")
            .said(true)
    }

    /// A subscription cannot be what it is wanted to be.
    pub(crate) fn subscription_unusable(why: impl Into<String>) -> Self {
        let message = format!("the subscription cannot be added: {}", why.into());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L150", message)
            .hint("see what it may be with `leadsman subscription add --help`")
            .said(true)
    }

    /// Nobody says who asks, or nobody known does.
    pub(crate) fn not_signed_in(why: &str) -> Self {
        let message = format!("the request was not let in: {why}");
        Self::new(StatusCode::UNAUTHORIZED, "L100", message)
            .hint(
                "give a token in LEADSMAN_TOKEN or with `--token-file`; `leadsman token create` on \
                 the machine makes one",
            )
            .said(false)
    }

    /// A user of the machine who could open the socket is nobody here.
    pub(crate) fn not_a_person(user: &str) -> Self {
        let message = format!("the request was not let in: the user `{user}` is not known here");
        Self::new(StatusCode::UNAUTHORIZED, "L100", message)
            .hint(format!(
                "have an admin run `leadsman people add NAME --as user:{user}`, and grant a role"
            ))
            .said(false)
    }

    /// The token opens nothing any more.
    pub(crate) fn token_ended(number: TokenNumber, revoked: bool) -> Self {
        let how = if revoked {
            "was revoked"
        } else {
            "has expired"
        };
        let message = format!("the request was not let in: {number} {how}");
        Self::new(StatusCode::UNAUTHORIZED, "L101", message)
            .hint("make a new one with `leadsman token create`")
            .said(false)
    }

    /// Whoever asks may not do it.
    pub(crate) fn not_allowed(who: &str, act: &str, about: Option<&Reach>) -> Self {
        let on = about.map_or_else(|| "anywhere".to_owned(), |about| format!("on {about}"));
        let message = format!("`{who}` may not do this: `{act}` {on}");
        let mut failure = Self::new(StatusCode::FORBIDDEN, "L102", message)
            .hint("see what is needed in `leadsman explain L102`, and ask an admin for the role")
            .said(false);
        if let (Some(said), Some(about)) = (&mut failure.said, about) {
            said.act = Some(act.to_owned());
            said.on = match about {
                Reach::Everything => None,
                Reach::Application(_) | Reach::Environment(_) => Some(about.to_string()),
            };
        }
        failure
    }

    /// A token that was made by hand makes no other.
    pub(crate) fn token_makes_none() -> Self {
        let message = "a token cannot be used to make another one";
        Self::new(StatusCode::FORBIDDEN, "L102", message)
            .hint("make it on the machine itself, or ask an admin to make it")
            .said(false)
    }

    /// A token that was made by hand confirms nothing: whoever holds it need not be a person.
    pub(crate) fn token_confirms_nothing() -> Self {
        let message = "a token that was made by hand confirms nothing";
        Self::new(StatusCode::FORBIDDEN, "L102", message)
            .hint("confirm it on the machine itself, or sign in")
            .said(false)
    }

    /// Too many requests from one place were not let in.
    pub(crate) fn too_many_failures() -> Self {
        let message = "too many requests from this address were not let in";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "L103", message)
            .hint("give a token that is good: it is let in at once")
            .said(false)
    }

    /// The request was meant for somebody else.
    pub(crate) fn not_for_us(why: &str) -> Self {
        let message = format!("the request was not let in: {why}");
        Self::new(StatusCode::MISDIRECTED_REQUEST, "L104", message).said(false)
    }

    /// The request itself makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "L080", message)
    }

    /// What was sent cannot be read at all.
    pub(crate) fn unreadable(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "L080", message)
    }

    /// What is at the path is not asked for in this way.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "what is at this path is not asked for by this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "L080", message)
            .hint("see what there is at `/openapi.json`")
    }

    /// A key stands for something else already.
    pub(crate) fn other_with_key(key: &str) -> Self {
        let message = format!("something else was asked for with the key `{key}` already");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L087", message)
            .hint("give every act a key of its own")
    }

    /// What is asked for again is under way still.
    pub(crate) fn still_under_way() -> Self {
        let message = "what was asked for with this key is still under way";
        Self::new(StatusCode::CONFLICT, "L088", message).hint("ask again in a moment")
    }

    /// What is asked for again was carried out, and what was answered is not kept.
    pub(crate) fn answer_not_kept(said: &str) -> Self {
        let message =
            format!("it was carried out before control was started, and not again: {said}");
        Self::new(StatusCode::CONFLICT, "L089", message)
            .hint("what the answer said is not kept: look with `leadsman audit`")
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "L081", message)
            .hint("see what there is with `leadsman status`")
    }

    /// There is no such deployment.
    pub(crate) fn no_deployment(
        environment: &EnvironmentId,
        number: DeploymentNumber,
        last: DeploymentNumber,
    ) -> Self {
        let there_are = match last.0 {
            0 => "nothing has been shipped there yet".to_owned(),
            1 => "the only one is 1".to_owned(),
            last => format!("they are numbered from 1 to {last}"),
        };
        let message = format!(
            "`{environment}` has no deployment {}: {there_are}",
            number.0
        );
        Self::not_found(message).hint("see what there was with `leadsman history`")
    }

    /// Nothing is kept that could be judged again.
    pub(crate) fn nothing_kept(number: DeploymentNumber) -> Self {
        let message = format!(
            "nothing is kept of what the judge of deployment {} was told",
            number.0
        );
        Self::new(StatusCode::NOT_FOUND, "L086", message)
            .hint("either none of its steps was held and judged, or it ended more than 30 days ago")
    }

    /// Limits were given that cannot be read.
    pub(crate) fn limits(problems: String) -> Self {
        let message = format!("the limits have problems:\n{problems}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L015", message)
    }

    /// Something on this side went wrong; what exactly is for the log.
    pub(crate) fn internal(message: &str, internal: impl ToString) -> Self {
        let mut failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "L083", message);
        failure.internal = Some(internal.to_string());
        failure
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::UnknownRelease { .. }
            | Refusal::UnknownService(_)
            | Refusal::NotRequested { .. }
            | Refusal::NoSuchItem { .. }
            | Refusal::NoSuchFreeze { .. } => StatusCode::NOT_FOUND,
            Refusal::NothingOnItsWay(_)
            | Refusal::AlreadyOnItsWay(_)
            | Refusal::AlreadyServes(_)
            | Refusal::Rejected { .. }
            | Refusal::AlreadyPaused { .. }
            | Refusal::NotPaused
            | Refusal::AlreadyPromoted(_)
            | Refusal::AlreadyReturning(_)
            | Refusal::Frozen { .. }
            | Refusal::NoStepToPass(_)
            | Refusal::NothingToRetry(_)
            | Refusal::NoPrevious(_)
            | Refusal::NotARollbackTarget(_)
            | Refusal::NotPartOfIt { .. }
            | Refusal::NoWayBack(_)
            | Refusal::NothingToClose(_)
            | Refusal::AlreadyClosed { .. }
            | Refusal::NotClosed { .. }
            | Refusal::AlreadyRequested(_)
            | Refusal::NotFromHere { .. }
            | Refusal::NoExpeditedWay(_)
            | Refusal::TooManyRequests(_)
            | Refusal::OtherDigest { .. }
            | Refusal::NoApprovalNeeded(_)
            | Refusal::AlreadyExcepted { .. }
            | Refusal::WhichItem { .. }
            | Refusal::CheckedByMachine(_)
            | Refusal::InMaintenance { .. } => StatusCode::CONFLICT,
            Refusal::BreaksWhatServes { .. }
            | Refusal::OtherSchema { .. }
            | Refusal::NoMigrationBack(_)
            | Refusal::NothingToMigrateBack(_) => StatusCode::CONFLICT,
            Refusal::OwnRelease(_) | Refusal::OthersConfirm { .. } => StatusCode::FORBIDDEN,
            Refusal::EndsBeforeItBegins | Refusal::NoEnd => StatusCode::BAD_REQUEST,
            Refusal::SeenBefore { .. } => StatusCode::PRECONDITION_FAILED,
        };
        Self::new(status, refusal.code(), refusal.to_string())
            .hint(refusal.hint().to_string())
            .said(true)
    }
}

impl From<people::Refusal> for Failure {
    fn from(refusal: people::Refusal) -> Self {
        let status = match &refusal {
            people::Refusal::UnknownPerson(_) | people::Refusal::UnknownToken(_) => {
                StatusCode::NOT_FOUND
            }
            people::Refusal::BadToken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            people::Refusal::KnownPerson(_)
            | people::Refusal::IdentityTaken { .. }
            | people::Refusal::NotTheirs { .. }
            | people::Refusal::AlreadyGranted { .. }
            | people::Refusal::AlreadyMember { .. }
            | people::Refusal::NotAMember { .. }
            | people::Refusal::NotGranted { .. }
            | people::Refusal::LastAdmin(_)
            | people::Refusal::TooMany(_) => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.code(), refusal.to_string())
            .hint(refusal.hint())
            .said(true)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::PeopleRefused(refusal) => refusal.into(),
            EngineError::NotRecorded(source) => {
                let why = format!("{message} ({source})");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "L082", why)
                    .hint("make room on the disk that holds the state folder, then ask again")
            }
            EngineError::NotRead(source) => Self::internal(&message, source),
            EngineError::NotUnderstood { ref source, .. }
            | EngineError::FiguresNotUnderstood { ref source, .. } => {
                let internal = source.to_string();
                Self::internal(&message, internal)
            }
            EngineError::UnknownEnvironment(_)
            | EngineError::UnknownApplication(_)
            | EngineError::UnknownRelease { .. } => Self::not_found(message),
            EngineError::Project(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L012", message)
                .hint("find all problems with `leadsman check`"),
            EngineError::NotInProject { .. } | EngineError::WhichEnvironment { .. } => {
                Self::bad_request(message).hint("choose one with `--environment`")
            }
            EngineError::ArtifactMissing(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L031", message)
                    .hint("ship again: `leadsman ship` uploads what is missing")
            }
            EngineError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "L084", message)
                    .hint("start it again with `leadsman up`")
            }
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let message = words(&error);
        match error {
            RunError::Refused(refusal) => Self::new(StatusCode::CONFLICT, refusal.code(), message)
                .hint(refusal.hint())
                .said(true),
            RunError::Engine(error) => error.into(),
            RunError::NotAllowed(_) => {
                Self::new(StatusCode::FORBIDDEN, "L102", message).said(false)
            }
            RunError::Taken(_) => Self::new(StatusCode::CONFLICT, "L131", message)
                .hint("begin another run of the same commit with `leadsman run`")
                .said(true),
            RunError::NotFetched(_) => Self::new(StatusCode::BAD_GATEWAY, "L133", message)
                .hint("see `leadsman explain L133`, then have it delivered again")
                .said(true),
            RunError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "L081", message)
                .hint("see what there is with `leadsman runs`"),
            RunError::Git(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L033", message)
                .hint("name a commit that is in the repository, with the project file in it"),
            RunError::Project { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L012", message)
                    .hint("find all problems with `leadsman check`")
            }
            RunError::NoPipeline(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L034", message)
                .hint("say what a commit goes through, with `pipeline` in the project file"),
            RunError::NotStarted(_) | RunError::NoSuchJob { .. } | RunError::Path { .. } => {
                Self::bad_request(message)
            }
        }
    }
}

impl From<kept::Error> for Failure {
    fn from(error: kept::Error) -> Self {
        match error {
            kept::Error::Known(_) | kept::Error::TooMany => {
                Self::new(StatusCode::CONFLICT, "L134", error.to_string())
                    .hint("see what there is with `leadsman webhook list`")
                    .said(true)
            }
            kept::Error::Unknown(_) => Self::not_found(error.to_string())
                .hint("see what there is with `leadsman webhook list`"),
            kept::Error::NotKept { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "L085", words(&error))
                    .hint("make room on the disk that holds the state folder, then ask again")
            }
            kept::Error::NotRead { .. } => {
                Self::internal("what is kept of webhooks cannot be read", words(&error))
            }
        }
    }
}

impl From<subscribed::Error> for Failure {
    fn from(error: subscribed::Error) -> Self {
        match error {
            subscribed::Error::Known(_) | subscribed::Error::TooMany => {
                Self::new(StatusCode::CONFLICT, "L150", error.to_string())
                    .hint("see what there is with `leadsman subscription list`")
                    .said(true)
            }
            subscribed::Error::Unknown(_) => Self::not_found(error.to_string())
                .hint("see what there is with `leadsman subscription list`"),
            subscribed::Error::NotKept { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "L085", words(&error))
                    .hint("make room on the disk that holds the state folder, then ask again")
            }
            subscribed::Error::NotRead { .. } => Self::internal(
                "what is kept of subscriptions cannot be read",
                words(&error),
            ),
        }
    }
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Rejected(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "L031", why),
            ShelfError::Failed(why) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "L085", why)
                .hint("make room on the disk that holds the state folder, then ask again"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let request_id = next_request_id();
        if self.status.is_server_error() {
            let internal = self.internal.as_deref().unwrap_or_default();
            tracing::error!(request_id, code = self.code, internal, "{}", self.message);
        }
        let problem = Problem {
            kind: Problem::kind_of(&self.code),
            status: self.status.as_u16(),
            code: self.code,
            message: self.message,
            hint: self.hint,
            request_id,
        };
        let mut response = (self.status, Json(&problem)).into_response();
        let media_type = HeaderValue::from_static(PROBLEM_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        // Pages say it in their own way.
        response.extensions_mut().insert(problem);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let wait = HeaderValue::from(WITHIN.as_secs());
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        if let Some(said) = self.said {
            response.extensions_mut().insert(*said);
        }
        response
    }
}

/// Returns an error with all that caused it.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
