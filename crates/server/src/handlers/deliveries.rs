//! What GitHub and GitLab deliver: a push that may begin a run.
//!
//! Nobody signs in here, so everything is bounded before it is read, and nothing is read before its
//! signature is good. The answer comes once it is known what came of it: what was answered with a
//! success is recorded. Whoever hangs up before that changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use leadsman_api::Delivered;
use leadsman_core::audit::Asked;
use leadsman_core::run::{Delivery, Trigger};
use leadsman_engine::{By, NewRun, RunError, Runs};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, oneshot};
use tokio::task::JoinSet;

use super::Shared;
use crate::access::{Peer, token};
use crate::extract::Path;
use crate::problem::Failure;
use crate::serve::Server;
use crate::webhooks::Kept;
use crate::webhooks::kept::Origin;
use crate::webhooks::signed::{self, Secret, Unverified};
use crate::webhooks::told::{self, Pushed, Told};

/// How large a delivery may be: GitHub sends none that is larger.
pub(crate) const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How much memory all bodies may take together that nobody has verified yet, in parts of 64 KiB.
const PARTS_MAX: usize = 1024;
const PART: u64 = 64 * 1024;

/// What deliveries share.
#[derive(Debug)]
pub(crate) struct Deliveries {
    memory: Semaphore,
    /// Each repository is fetched into by one at a time.
    fetching: Mutex<HashMap<String, Arc<Mutex<()>>>>,
    /// What goes on although the sender may have hung up.
    tasks: Mutex<JoinSet<()>>,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self {
            memory: Semaphore::new(PARTS_MAX),
            fetching: Mutex::default(),
            tasks: Mutex::default(),
        }
    }
}

pub(crate) async fn post(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Delivered>), Failure> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let (_memory, body) = read(&server, &headers, body).await?;
    let webhook = match verified(&server, &name, &headers, &body) {
        Ok(webhook) => webhook,
        Err(failure) => {
            if let Peer::Address(address) = peer {
                server.failed(address.ip())?;
            }
            return Err(failure);
        }
    };
    let by = By {
        name: format!("webhook {}", webhook.name),
        asked: Some(Asked {
            from: peer.from(),
            ..Asked::default()
        }),
    };
    let on = webhook.application.to_string();
    let done = taken(&server, webhook, &headers, &body, by.clone()).await;
    done.map_err(|failure| failure.of(&by.name).about("run", Some(on)))
}

/// Reads what is delivered, as far as it may be large.
async fn read<'s>(
    server: &'s Server,
    headers: &HeaderMap,
    body: Body,
) -> Result<(SemaphorePermit<'s>, Bytes), Failure> {
    let unusable = |status, why: &str| Failure::delivery_unusable(status, why);
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        unusable(
            StatusCode::LENGTH_REQUIRED,
            "it does not say how long it is",
        )
    })?;
    if length > BODY_BYTES_MAX as u64 {
        let why = "it is larger than 25 MiB";
        return Err(unusable(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let parts = u32::try_from(length.div_ceil(PART)).unwrap_or(u32::MAX);
    let memory = server.deliveries.memory.try_acquire_many(parts);
    let memory = memory.map_err(|_| {
        let why = "too much is delivered at this moment: send it again";
        unusable(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    // No more comes than was said: what is longer is the next request.
    let whole = tokio::time::timeout(BODY_PATIENCE, body.collect()).await;
    let whole = whole.map_err(|_| unusable(StatusCode::REQUEST_TIMEOUT, "it came too slowly"))?;
    let whole = whole.map_err(|_| unusable(StatusCode::BAD_REQUEST, "it broke off"))?;
    Ok((memory, whole.to_bytes()))
}

/// Returns the webhook that the delivery is of. To a stranger it looks the same whether there is none of
/// this name or the signature is not its own.
fn verified(
    server: &Server,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Kept, Failure> {
    let Some(webhook) = server.webhooks.get(name)? else {
        let unsigned = ["x-hub-signature-256", "webhook-signature", "x-gitlab-token"]
            .iter()
            .all(|name| !headers.contains_key(*name));
        let why = if unsigned {
            Unverified::Unsigned
        } else {
            Unverified::Wrong
        };
        return Err(Failure::unverified(why));
    };
    let secret: &Secret = &webhook.secret;
    signed::verify(webhook.sender, secret, headers, body, server.engine.now())
        .map_err(Failure::unverified)?;
    Ok(webhook)
}

/// Does what a delivery of `webhook` asks for.
async fn taken(
    server: &Arc<Server>,
    webhook: Kept,
    headers: &HeaderMap,
    body: &Bytes,
    by: By,
) -> Result<(StatusCode, Json<Delivered>), Failure> {
    let unusable = |why: &str| Failure::delivery_unusable(StatusCode::UNPROCESSABLE_ENTITY, why);
    let kind = signed::kind(webhook.sender, headers);
    let kind = kind.ok_or_else(|| unusable("it does not say of which kind it is"))?;
    let form = headers
        .get(header::CONTENT_TYPE)
        .map(|form| form.as_bytes());
    if !form.is_some_and(|form| form.starts_with(b"application/json")) {
        let why = "it is not sent as `application/json`: choose that where the webhook is set up";
        return Err(Failure::delivery_unusable(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            why,
        ));
    }
    let pushed = match told::read(webhook.sender, kind, body).map_err(|why| unusable(&why))? {
        Told::Pushed(pushed) => pushed,
        Told::Nothing(sentence) => return Ok(nothing(sentence)),
    };
    if !pushed.repository.eq_ignore_ascii_case(&webhook.called) {
        let why = format!(
            "it tells of a repository that this webhook is not for: `{}` is, as {} calls it",
            webhook.called,
            webhook.sender.called(),
        );
        return Err(unusable(&why));
    }
    let digest = token::sha256(body);
    let id = signed::id(webhook.sender, headers).unwrap_or_else(|| digest.hex().to_owned());
    let delivery = Delivery {
        webhook: webhook.name.clone(),
        id,
        body: digest,
    };
    // It is done to its end also where the sender hangs up: GitHub waits for 10 s.
    let (done, doing) = oneshot::channel();
    let shared = Arc::clone(server);
    let mut tasks = server.deliveries.tasks.lock().await;
    while tasks.try_join_next().is_some() {}
    tasks.spawn(async move {
        let begun = begin(&shared, webhook, pushed, delivery, &by).await;
        drop(done.send(begun));
    });
    drop(tasks);
    match doing.await {
        Ok(begun) => begun,
        Err(_) => Err(leadsman_engine::Error::ShuttingDown.into()),
    }
}

fn nothing(sentence: String) -> (StatusCode, Json<Delivered>) {
    (
        StatusCode::OK,
        Json(Delivered {
            sentence,
            run: None,
        }),
    )
}

/// Begins the run, if the project file of the commit says so.
async fn begin(
    server: &Server,
    webhook: Kept,
    pushed: Pushed,
    delivery: Delivery,
    by: &By,
) -> Result<(StatusCode, Json<Delivered>), Failure> {
    if let Some(run) = server.runs.taken(&delivery).await {
        return Err(RunError::Taken(run).into());
    }
    let repository = match &webhook.repository {
        Origin::Folder(path) => path.clone(),
        Origin::Url(url) => fetched(server, url, &pushed.reference).await?,
    };
    let is_tag = pushed.reference.starts_with("refs/tags/");
    let told = by.name.clone();
    let new = NewRun {
        repository,
        commit: pushed.commit.to_string(),
        reference: pushed.reference,
        project_file: webhook.project_file,
        trigger: match is_tag {
            true => Trigger::Tag { by: told },
            false => Trigger::Push { by: told },
        },
        only: Vec::new(),
        delivery: Some(delivery),
    };
    let may = |application: &_| *application == webhook.application;
    match server.runs.begin_if(&new, by, may).await {
        Ok(known) => {
            let delivered = Delivered {
                sentence: format!("{} begins", known.run.id),
                run: Some(known.run.id.number.0),
            };
            Ok((StatusCode::ACCEPTED, Json(delivered)))
        }
        Err(RunError::NotStarted(reference)) => {
            Ok(nothing(RunError::NotStarted(reference).to_string()))
        }
        Err(RunError::NotAllowed(application)) => {
            let why = format!(
                "this webhook begins runs of `{}`, and the commit is of `{application}`",
                webhook.application
            );
            Err(Failure::delivery_unusable(
                StatusCode::UNPROCESSABLE_ENTITY,
                &why,
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// Fetches a branch or tag, and returns the folder that it lies in then.
async fn fetched(server: &Server, url: &str, reference: &str) -> Result<String, Failure> {
    let folder = server.state.join("repositories");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::internal("no repository can be kept", error))?;
    let name: String = token::sha256(url.as_bytes())
        .hex()
        .chars()
        .take(32)
        .collect();
    let folder = folder.join(format!("{name}.git"));
    let folder = folder.to_str().ok_or_else(|| {
        Failure::internal(
            "no repository can be kept",
            "the state folder's path is not UTF-8",
        )
    })?;
    let mut all = server.deliveries.fetching.lock().await;
    let one = Arc::clone(all.entry(folder.to_owned()).or_default());
    drop(all);
    let _fetching = one.lock().await;
    Runs::fetch(folder, url, reference).await?;
    Ok(folder.to_owned())
}
