//! The server as a whole: what it serves, where, and for how long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use leadsman_api::{API_VERSION, API_VERSION_HEADER};
use leadsman_core::time::Timestamp;
use leadsman_engine::{Engine, Runs};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::Peer;
use crate::access::attempts::Attempts;
use crate::access::keys::Keys;
use crate::console;
use crate::endpoints;
use crate::handlers::deliveries::Deliveries;
use crate::network::{self, Beside, Door, Network};
use crate::problem::Failure;
use crate::shelf::Shelf;
use crate::sign_in::{Provider, SignIn};
use crate::subscriptions::teller::Telling;
use crate::subscriptions::{Owner, Subscriptions};
use crate::webhooks::Webhooks;

/// How large any other request may be: a project file of 1 MiB and what goes with it.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

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
pub struct Setup {
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
    /// Returns what is written about a code.
    pub page_of: fn(&str) -> Option<&'static str>,
    /// Set to true when a client asks for everything to be stopped.
    pub down: watch::Sender<bool>,
    /// Where it is served beside the socket.
    pub network: Option<Network>,
    /// Another socket of this machine that it is served on.
    pub beside: Option<Beside>,
    /// The provider that people sign in with, if there is one.
    pub provider: Option<Provider>,
}

/// What handlers work with.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) runs: Runs,
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) state: PathBuf,
    pub(crate) started_at: Timestamp,
    pub(crate) version: &'static str,
    /// Returns what is written about a code.
    pub(crate) page_of: fn(&str) -> Option<&'static str>,
    pub(crate) down: watch::Sender<bool>,
    /// The user who owns the socket, and so the state folder.
    pub(crate) owner: u32,
    /// Where it is served beside the socket.
    pub(crate) api: Option<String>,
    /// Whether it is served with TLS there.
    pub(crate) tls: bool,
    /// How people sign in, if they can.
    pub(crate) sign_in: Option<SignIn>,
    /// The webhooks that were added.
    pub(crate) webhooks: Webhooks,
    /// What their deliveries share.
    pub(crate) deliveries: Deliveries,
    /// The keys of acts that may be asked for again.
    pub(crate) keys: Keys,
    /// The subscriptions that were added.
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// What tells them.
    pub(crate) telling: Arc<Telling>,
    /// The pages that are looked at.
    pub(crate) watched: console::live::Watched,
    /// Becomes true when this is served no more.
    pub(crate) ended: watch::Receiver<bool>,
    /// Who failed to say who they are.
    attempts: Mutex<Attempts>,
    /// How many requests were denied or refused, by code: there are only so many codes.
    refused: Mutex<BTreeMap<String, u64>>,
}

impl Server {
    /// Takes note of a request that was not let in.
    ///
    /// # Errors
    ///
    /// There were too many from this address.
    pub(crate) fn failed(&self, address: IpAddr) -> Result<(), Failure> {
        let attempts = self.attempts.lock();
        // Counts are whole whatever a thread that held them came to.
        let mut attempts = attempts.unwrap_or_else(PoisonError::into_inner);
        if attempts.failed(address, self.engine.now()) {
            Ok(())
        } else {
            Err(Failure::too_many_failures())
        }
    }

    /// Counts a request that was denied or refused.
    pub(crate) fn count_refused(&self, code: &str) {
        let refused = self.refused.lock();
        let mut refused = refused.unwrap_or_else(PoisonError::into_inner);
        *refused.entry(code.to_owned()).or_default() += 1;
    }

    /// Returns how many requests were denied or refused since this control was started, by code.
    pub(crate) fn refused(&self) -> BTreeMap<String, u64> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Setup {
    /// Serves `socket`, and the network where that is wanted, until `ended` becomes true. The
    /// socket's mode lets only its owner in.
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
        let owner = std::fs::metadata(socket).map_err(bound)?.uid();
        let webhooks = Webhooks::of(&self.state);
        let subscriptions = Arc::new(Subscriptions::of(&self.state));
        let (engine, runs) = (self.engine.clone(), self.runs.clone());
        let tellers = Owner::new(engine, runs, Arc::clone(&subscriptions));
        let server = Arc::new(Server {
            engine: self.engine,
            runs: self.runs,
            shelf: self.shelf,
            state: self.state,
            started_at: self.started_at,
            version: self.version,
            page_of: self.page_of,
            down: self.down,
            owner,
            api: self.network.as_ref().map(Network::url),
            tls: self.network.as_ref().is_some_and(Network::has_tls),
            sign_in: self.provider.map(SignIn::new),
            webhooks,
            deliveries: Deliveries::default(),
            keys: Keys::default(),
            subscriptions,
            telling: tellers.telling(),
            watched: console::live::Watched::default(),
            ended: ended.clone(),
            attempts: Mutex::default(),
            refused: Mutex::default(),
        });
        let app = app(&server);
        // Ends with this function, whichever way that ends.
        let mut beside = JoinSet::new();
        let doors = self.network.map(Door::Network).into_iter();
        beside.spawn(tellers.run(ended.clone()));
        for door in doors.chain(self.beside.map(Door::Beside)) {
            beside.spawn(network::serve(door, app.clone(), ended.clone()));
        }
        let app = app.into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                // An error means that nobody is left who could end it: then it ends.
                drop(ended.wait_for(|ended| *ended).await);
            })
            .await
            .map_err(|source| Error::Serve {
                path: socket.to_owned(),
                source,
            })?;
        while beside.join_next().await.is_some() {}
        Ok(())
    }
}

/// Returns everything that is served, to whoever comes.
fn app(server: &Arc<Server>) -> Router {
    endpoints::router(server)
        .layer(axum::extract::DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(axum::middleware::map_response(say_version))
        .layer(axum::middleware::map_response(as_problem))
        .with_state(Arc::clone(server))
}

/// Has a method that there is not answered as everything else that is refused.
async fn as_problem(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let mut answer = Failure::method_not_allowed().into_response();
    if let Some(allowed) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allowed.clone());
    }
    answer
}

async fn say_version(mut response: Response) -> Response {
    let name = HeaderName::from_static(API_VERSION_HEADER);
    response
        .headers_mut()
        .insert(name, HeaderValue::from(API_VERSION));
    response
}
