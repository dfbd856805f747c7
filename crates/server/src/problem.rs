//! The one place where an error becomes an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leadsman_api::Problem;
use leadsman_core::Refusal;
use leadsman_core::id::{DeploymentNumber, EnvironmentId};
use leadsman_engine::{Error as EngineError, RunError};

use crate::shelf::ShelfError;

/// The codes of problems that are not refusals of the domain.
pub const CODES: &[&str] = &[
    "L012", "L015", "L031", "L033", "L034", "L080", "L081", "L082", "L083", "L084", "L085", "L086",
];

/// Whatever a handler answers that is not a success.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    hint: Option<String>,
    /// For the log alone: it never leaves the machine.
    internal: Option<String>,
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
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The request itself makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "L080", message)
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
            | Refusal::AlreadyExcepted { .. } => StatusCode::CONFLICT,
            Refusal::OwnRelease(_) => StatusCode::FORBIDDEN,
            Refusal::EndsBeforeItBegins => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.code(), refusal.to_string()).hint(refusal.hint().to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Refused(refusal) => refusal.into(),
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
            RunError::Refused(refusal) => {
                Self::new(StatusCode::CONFLICT, refusal.code(), message).hint(refusal.hint())
            }
            RunError::Engine(error) => error.into(),
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
            status: self.status.as_u16(),
            code: self.code,
            message: self.message,
            hint: self.hint,
            request_id,
        };
        (self.status, Json(problem)).into_response()
    }
}

/// Returns an error with all that caused it.
fn words(error: &dyn std::error::Error) -> String {
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
