//! The side of control that answers.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;

use super::Problem;
use super::page::page;
use crate::keeper::{Handing, Keeper, Refusal};
use crate::proxy::Error;
use crate::table::Table;

/// The largest table that is read, in bytes: some ten thousand instances.
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a request for windows waits for a new one.
const WINDOWS_WAIT: Duration = Duration::from_secs(2);

/// How long to wait before accepting again after the system ran out of something.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Makes the control socket at `path`, usable by this user only. The socket of a proxy that is
/// dead is replaced.
pub(crate) fn claim(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::Socket {
        path: path.to_owned(),
        source,
    };
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            let what = "there is something else than a socket";
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(Error::Running(path.to_owned()));
        }
    }
    // Under another name first: there is no instant in which others could connect.
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".new");
    let scratch = Path::new(&scratch);
    match fs::remove_file(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(scratch).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    fs::set_permissions(scratch, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(scratch, path).map_err(failed)?;
    Ok(listener)
}

/// Returns a future that answers whoever connects to `listener`, for ever.
pub(crate) fn serve(
    keeper: Rc<Keeper>,
    listener: UnixListener,
) -> io::Result<impl Future<Output = ()>> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    Ok(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept control for a moment");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
            };
            let keeper = Rc::clone(&keeper);
            tokio::task::spawn_local(async move {
                // A successor is there for as long as its connection is.
                let handing = RefCell::new(None);
                let service = service_fn(|request| {
                    let (keeper, handing) = (Rc::clone(&keeper), &handing);
                    async move { Ok::<_, Infallible>(answer(&keeper, handing, request).await) }
                });
                let served = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection of control broke");
                }
            });
        }
    })
}

async fn answer(
    keeper: &Rc<Keeper>,
    handing: &RefCell<Option<Handing>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let is_successor = handing.borrow().is_some();
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/handover") => match keeper.hand_over().await {
            Some((handover, begun)) => {
                handing.replace(Some(begun));
                json(StatusCode::OK, &handover)
            }
            None => problem(
                StatusCode::CONFLICT,
                "another successor is there already".to_owned(),
            ),
        },
        (&Method::PUT, "/follow") if is_successor => {
            keeper.until_retired().await;
            // What this version cannot read is none of its mistakes.
            keeper.follow(table(request).await.ok()).await;
            json(StatusCode::OK, &())
        }
        (&Method::GET, "/followed") if is_successor => {
            json(StatusCode::OK, &keeper.followed().await)
        }
        (&Method::POST, "/relay") if is_successor => {
            keeper.until_retired().await;
            json(StatusCode::OK, &keeper.relayed().await)
        }
        (&Method::PUT, "/table") => match table(request).await {
            Ok(table) => apply(Rc::clone(keeper), table).await,
            Err(message) => problem(StatusCode::BAD_REQUEST, message),
        },
        (&Method::GET, "/status") => json(StatusCode::OK, &keeper.status().await),
        (&Method::GET, "/metrics") => page(keeper).await,
        (&Method::GET, "/windows") => match after(request.uri().query()) {
            Some(after) => written(StatusCode::OK, keeper.windows(after, WINDOWS_WAIT).await),
            None => problem(
                StatusCode::BAD_REQUEST,
                "`after` has to be a number".to_owned(),
            ),
        },
        (method, path) => problem(
            StatusCode::NOT_FOUND,
            format!("there is no `{method} {path}` here"),
        ),
    }
}

async fn apply(keeper: Rc<Keeper>, table: Table) -> Response<Full<Bytes>> {
    // As a task of its own: a caller that hangs up must not leave a table half applied.
    let applying = tokio::task::spawn_local(async move { keeper.apply(table).await });
    match applying.await {
        Ok(Ok(applied)) => json(StatusCode::OK, &applied),
        Ok(Err(refusal)) => refused(&refusal),
        Err(error) => {
            tracing::error!(%error, "applying a table ended badly");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "see the log of the proxy".to_owned(),
            )
        }
    }
}

async fn table(request: Request<Incoming>) -> Result<Table, String> {
    let body = Limited::new(request.into_body(), TABLE_BYTES_MAX);
    let text = body
        .collect()
        .await
        .map_err(|error| format!("cannot read the table: {error}"))?;
    serde_json::from_slice(&text.to_bytes()).map_err(|error| format!("not a table: {error}"))
}

fn after(query: Option<&str>) -> Option<u64> {
    match query {
        None => Some(0),
        Some(query) => query.strip_prefix("after=")?.parse().ok(),
    }
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let status = match refusal {
        Refusal::Faulty { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Conflict(_) => StatusCode::CONFLICT,
        Refusal::Unsaved { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Succeeded => {
            return problem(StatusCode::MISDIRECTED_REQUEST, refusal.to_string());
        }
    };
    tracing::error!("{refusal}");
    problem(status, refusal.to_string())
}

fn problem(status: StatusCode, message: String) -> Response<Full<Bytes>> {
    json(status, &Problem { message })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    written(status, serde_json::to_vec(value))
}

fn written(status: StatusCode, text: serde_json::Result<Vec<u8>>) -> Response<Full<Bytes>> {
    let (status, text) = match text {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer to control");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                b"{\"message\":\"see the log\"}".to_vec(),
            )
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
