//! What can go wrong when the engine is asked for something.

use leadsman_core::Refusal;
use leadsman_core::id::{
    ApplicationName, EnvironmentId, EnvironmentName, ReleaseNumber, ServiceName,
};
use leadsman_core::time::Timestamp;
use leadsman_store::{AppendError, ReadError, Recorded};

/// Why the engine could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The domain says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The domain says no to what was asked for about people.
    #[error(transparent)]
    PeopleRefused(#[from] leadsman_core::people::Refusal),
    /// It could not be recorded, so it did not happen.
    #[error("failed to record it in the event log: nothing was changed")]
    NotRecorded(#[source] AppendError),
    /// The log could not be read.
    #[error("failed to read the event log")]
    NotRead(#[source] ReadError),
    /// The log holds something that this program does not understand.
    #[error("event {version} of `{stream}` (`{kind}`) is not readable by this version of Leadsman")]
    NotUnderstood {
        /// The stream.
        stream: String,
        /// The event's version.
        version: u64,
        /// The event's kind.
        kind: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The figures hold something that this program does not understand.
    #[error("the figures of `{series}`, {at}, are not readable by this version of Leadsman")]
    FiguresNotUnderstood {
        /// The series.
        series: String,
        /// The moment of the row.
        at: Timestamp,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such environment.
    #[error("there is no environment `{0}` here")]
    UnknownEnvironment(EnvironmentId),
    /// There is no such application.
    #[error("there is no application `{0}` here")]
    UnknownApplication(ApplicationName),
    /// There is no such release.
    #[error("`{application}` has no {release}")]
    UnknownRelease {
        /// The application.
        application: ApplicationName,
        /// The release.
        release: ReleaseNumber,
    },
    /// The project file has problems.
    #[error("the project file has problems:\n{0}")]
    Project(String),
    /// The project file does not name the environment.
    #[error("the project file names no environment `{name}`, but {known}")]
    NotInProject {
        /// The environment that was asked for.
        name: EnvironmentName,
        /// Those that there are.
        known: String,
    },
    /// No environment was asked for and there is more than one.
    #[error("the project file names several environments: say which one, {known}")]
    WhichEnvironment {
        /// Those that there are.
        known: String,
    },
    /// An artifact is missing.
    #[error("the artifact of `{0}` was not uploaded")]
    ArtifactMissing(ServiceName),
    /// The engine is about to end.
    #[error("Leadsman is shutting down")]
    ShuttingDown,
}

impl Error {
    pub(crate) fn not_understood(recorded: &Recorded, source: serde_json::Error) -> Self {
        Self::NotUnderstood {
            stream: recorded.stream.to_string(),
            version: recorded.version,
            kind: recorded.kind.clone(),
            source,
        }
    }
}
