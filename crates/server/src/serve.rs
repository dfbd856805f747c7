//! The server as a whole: what it serves, where, and for how long.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post, put};
use leadsman_api::{API_VERSION, API_VERSION_HEADER, path};
use leadsman_core::time::Timestamp;
use leadsman_engine::{Engine, Runs};
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::handlers;
use crate::peer::Peer;
use crate::problem::Failure;
use crate::shelf::Shelf;

/// How large an artifact may be: the limit is there to stop what never ends.
const ARTIFACT_BYTES_MAX: usize = 16 * 1024 * 1024 * 1024;

/// How large any other request may be: a project file of 1 MiB and what goes with it.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The socket could not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be bound.
    #[error("failed to listen on `{path}`")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It broke while it was served.
    #[error("failed to serve `{path}`")]
    Serve {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What is served.
pub struct Server {
    /// Where to ask and to command.
    pub engine: Engine,
    /// The runs of the pipeline.
    pub runs: Runs,
    /// Artifacts and output.
    pub shelf: Arc<dyn Shelf>,
    /// The folder that holds the state.
    pub state: PathBuf,
    /// When control was started.
    pub started_at: Timestamp,
    /// The version of the program.
    pub version: &'static str,
    /// Set to true when a client asks for everything to be stopped.
    pub down: watch::Sender<bool>,
}

impl Server {
    /// Serves `socket` until `ended` becomes true. The socket's mode lets only its owner in.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound, or breaks.
    pub async fn run(self, socket: &Path, mut ended: watch::Receiver<bool>) -> Result<(), Error> {
        let bound = |source| Error::Bind {
            path: socket.to_owned(),
            source,
        };
        // Whoever holds the lock of the state folder owns its socket: an old one is nobody's.
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(bound(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(socket).map_err(bound)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(bound)?;
        let app = router(Arc::new(self)).into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                // An error means that nobody is left who could end it: then it ends.
                drop(ended.wait_for(|ended| *ended).await);
            })
            .await
            .map_err(|source| Error::Serve {
                path: socket.to_owned(),
                source,
            })
    }
}

fn router(server: Arc<Server>) -> Router {
    use axum::extract::DefaultBodyLimit;
    let artifact = get(handlers::artifacts::get)
        .merge(put(handlers::artifacts::put).layer(DefaultBodyLimit::max(ARTIFACT_BYTES_MAX)));
    Router::new()
        .route(path::SYSTEM, get(handlers::system::get))
        .route(path::DOWN, post(handlers::system::down))
        .route(path::STATUS, get(handlers::status::overview))
        .route(path::ENVIRONMENT, get(handlers::status::environment))
        .route(path::WHY, get(handlers::history::why))
        .route(path::HISTORY, get(handlers::history::history))
        .route(path::COMMANDS, post(handlers::commands::post))
        .route(path::SHIP, post(handlers::ship::post))
        .route(path::PLAN, post(handlers::plan::post))
        .route(path::DIFF, get(handlers::diff::get))
        .route(path::REPLAY, post(handlers::replay::post))
        .route(path::LOGS, get(handlers::logs::get))
        .route(path::ARTIFACT, artifact)
        .route(
            path::RUNS,
            get(handlers::runs::list).post(handlers::runs::begin),
        )
        .route(path::RUN, get(handlers::runs::get))
        .route(path::RUN_COMMANDS, post(handlers::runs::command))
        .route(path::RUN_LOGS, get(handlers::run_logs::get))
        .fallback(async || Failure::not_found("there is nothing at this path"))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(axum::middleware::map_response(say_version))
        .with_state(server)
}

async fn say_version(mut response: Response) -> Response {
    let name = HeaderName::from_static(API_VERSION_HEADER);
    response
        .headers_mut()
        .insert(name, HeaderValue::from(API_VERSION));
    response
}
