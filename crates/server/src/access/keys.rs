//! Acts that are asked for again because their answer was lost.
//!
//! Whoever asks for an act can give it a key. While an act of that key is under way, another one is
//! told to wait; once it has been carried out, its answer comes again and nothing is done. What was
//! refused changed nothing, and is decided anew.
//!
//! Answers are kept in memory. The key itself is recorded with what it had recorded, in the same
//! append, so that it holds across the end of control: an act that was recorded, and whose answer
//! was lost when control was killed, is not done again either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use leadsman_api::{IDEMPOTENCY_KEY_HEADER, path};
use leadsman_core::audit::{Asked, Key};
use leadsman_core::time::Timestamp;
use leadsman_store::{ReadError, Recorded, StreamKind};
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinSet;

use super::Caller;
use crate::handlers::audit::{last_position, sentence};
use crate::handlers::commands::accepted;
use crate::problem::Failure;
use crate::serve::Server;

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// How long a key is remembered.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How many keys are remembered.
const KEYS_MAX: usize = 10_000;

/// How large an answer may be that is kept.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How many events are looked at for keys that were used before control was started.
const LOOKED_AT: u64 = 50_000;

/// How many events are read at once.
const ROWS: u64 = 1_000;

/// Says that an answer is one that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Whose key it is, and the key.
type Name = (String, String);

/// The keys that were used.
#[derive(Default)]
pub(crate) struct Keys {
    used: Mutex<HashMap<Name, Used>>,
    /// Set once those are known that were used before control was started.
    recalled: OnceCell<()>,
    /// What goes on although whoever asked for it may have hung up.
    tasks: Mutex<JoinSet<()>>,
}

/// What a key was used for.
#[derive(Clone)]
struct Used {
    at: Timestamp,
    /// The digest of the request.
    request: String,
    came: Came,
}

/// What came of it.
#[derive(Clone)]
enum Came {
    /// It is under way.
    Nothing,
    /// It was answered.
    Answer(StatusCode, Option<HeaderValue>, Bytes),
    /// It was recorded before control was started.
    Recorded(Vec<Recorded>),
}

/// Carries out what `request` asks for, unless that was done already.
pub(super) async fn once(
    server: Arc<Server>,
    caller: Caller,
    request: Request,
    body_bytes_max: usize,
    next: Next,
) -> Response {
    let begun = begin(&server, &caller, request, body_bytes_max).await;
    let (name, request) = match begun {
        Ok(Begun::New(name, request)) => (name, request),
        Ok(Begun::Done(response)) => return response,
        Err(failure) => return failure.into_response(),
    };
    let (sender, receiver) = oneshot::channel();
    let used = name.clone();
    let of = Arc::clone(&server);
    let task = async move {
        let response = next.run(request).await;
        let response = of.keys.answered(&name, response).await;
        // Whoever asked may have hung up: then nobody wants the answer yet.
        drop(sender.send(response));
    };
    {
        let tasks = server.keys.tasks.lock();
        let mut tasks = tasks.unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
    receiver.await.unwrap_or_else(|_| {
        // What it had recorded by then is found by its key once control is started again.
        server.keys.forget(&used);
        Failure::internal(
            "what was asked for was not carried out to its end",
            "it ended",
        )
        .into_response()
    })
}

enum Begun {
    New(Name, Request),
    Done(Response),
}

async fn begin(
    server: &Server,
    caller: &Caller,
    request: Request,
    body_bytes_max: usize,
) -> Result<Begun, Failure> {
    let key = key_of(&request)?;
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, body_bytes_max)
        .await
        .map_err(|error| Failure::unreadable(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    let digest = digest(&parts.method, &parts.uri, &body);
    let recalled = server
        .keys
        .recalled
        .get_or_try_init(|| recall(server))
        .await;
    recalled.map_err(leadsman_engine::Error::NotRead)?;
    let name = (caller.name().to_owned(), key.clone());
    let now = server.engine.now();
    // What is shipped twice is one release all the same, and its second half may be missing.
    if parts.uri.path() == path::SHIP {
        server.keys.forget_recorded(&name);
    }
    if let Some(used) = server.keys.begin(&name, &digest, now) {
        if used.request != digest {
            return Err(Failure::other_with_key(&key));
        }
        // It is the same request, so it asked for the same then.
        let is_command = parts.uri.path().ends_with("/commands");
        return answer_again(used.came, is_command).map(Begun::Done);
    }
    let key = Key {
        text: key,
        request: digest,
    };
    parts.extensions.insert(caller.clone().with_key(key));
    Ok(Begun::New(
        name,
        Request::from_parts(parts, Body::from(body)),
    ))
}

/// Returns the key that an act was given: any visible text, in quotes or without.
fn key_of(request: &Request) -> Result<String, Failure> {
    let given = request.headers().get(IDEMPOTENCY_KEY_HEADER);
    let text = given.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let unquoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let text = unquoted.unwrap_or(text);
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > KEY_BYTES_MAX || !is_visible {
        return Err(Failure::bad_request(format!(
            "`{IDEMPOTENCY_KEY_HEADER}` is 1 to {KEY_BYTES_MAX} visible ASCII characters"
        )));
    }
    Ok(text.to_owned())
}

/// Returns by what a request is told from another one.
fn digest(method: &axum::http::Method, uri: &axum::http::Uri, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    for part in [method.as_str().as_bytes(), uri.to_string().as_bytes(), body] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let half = &digest.as_ref()[..16];
    half.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer_again(came: Came, is_command: bool) -> Result<Response, Failure> {
    let mut response = match came {
        Came::Nothing => return Err(Failure::still_under_way()),
        Came::Answer(status, media_type, body) => {
            let mut response = (status, body).into_response();
            if let Some(media_type) = media_type {
                response.headers_mut().insert(CONTENT_TYPE, media_type);
            }
            response
        }
        // What was told to an environment is answered from what was recorded of it.
        Came::Recorded(rows) if is_command && rows.iter().all(is_of_environment) => {
            axum::Json(accepted(&rows)).into_response()
        }
        Came::Recorded(rows) => {
            let said = rows.iter().filter_map(sentence).collect::<Vec<_>>();
            return Err(Failure::answer_not_kept(&said.join("; ")));
        }
    };
    let replayed = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, replayed);
    Ok(response)
}

fn is_of_environment(row: &Recorded) -> bool {
    matches!(row.stream.kind(), Some(StreamKind::Environment(_)))
}

impl Keys {
    fn used(&self) -> MutexGuard<'_, HashMap<Name, Used>> {
        // What is known is whole whatever a thread that held it came to.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a key that was not used yet; returns what it was used for otherwise.
    fn begin(&self, name: &Name, request: &str, now: Timestamp) -> Option<Used> {
        let mut used = self.used();
        if let Some(used) = used.get(name).filter(|it| now.since(it.at) < LIFE) {
            return Some(used.clone());
        }
        if used.len() >= KEYS_MAX {
            used.retain(|_, it| now.since(it.at) < LIFE);
        }
        if used.len() >= KEYS_MAX {
            let answered = used.iter().filter(|it| !matches!(it.1.came, Came::Nothing));
            let oldest = answered.min_by_key(|it| it.1.at).map(|it| it.0.clone());
            oldest.and_then(|name| used.remove(&name));
        }
        let begun = Used {
            at: now,
            request: request.to_owned(),
            came: Came::Nothing,
        };
        used.insert(name.clone(), begun);
        None
    }

    /// Keeps the answer of what was carried out; forgets what was not.
    async fn answered(&self, name: &Name, response: Response) -> Response {
        let carried_out = response.status().is_success();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let mut used = self.used();
        if carried_out && body.len() <= ANSWER_BYTES_MAX {
            let media_type = parts.headers.get(CONTENT_TYPE).cloned();
            if let Some(used) = used.get_mut(name) {
                used.came = Came::Answer(parts.status, media_type, body.clone());
            }
        } else {
            used.remove(name);
        }
        Response::from_parts(parts, Body::from(body))
    }

    fn forget(&self, name: &Name) {
        let mut used = self.used();
        used.remove(name);
    }

    /// Has what was recorded before control was started be carried out again.
    fn forget_recorded(&self, name: &Name) {
        let mut used = self.used();
        if used
            .get(name)
            .is_some_and(|it| matches!(it.came, Came::Recorded(_)))
        {
            used.remove(name);
        }
    }

    fn remember(&self, name: Name, key: Key, row: &Recorded) {
        let mut used = self.used();
        let used = used.entry(name).or_insert_with(|| Used {
            at: row.at,
            request: key.request,
            came: Came::Recorded(Vec::new()),
        });
        if let Came::Recorded(rows) = &mut used.came {
            rows.push(row.clone());
        }
    }
}

/// What events have beside what happened.
#[derive(Deserialize)]
struct WithAsked {
    asked: Asked,
}

/// Finds the keys that were used before control was started.
async fn recall(server: &Server) -> Result<(), ReadError> {
    let log = server.engine.log();
    let now = server.engine.now();
    let last = last_position(&*log).await?;
    let mut after = last.saturating_sub(LOOKED_AT);
    while after < last {
        let count = usize::try_from(ROWS).unwrap_or(usize::MAX);
        let rows = log.read_all(after, count).await?;
        let Some(end) = rows.last() else { break };
        after = end.position;
        for row in rows.iter().filter(|row| now.since(row.at) < LIFE) {
            // Most have none, and need not be understood.
            if !row.body.contains("\"key\":{") {
                continue;
            }
            let with = serde_json::from_str::<WithAsked>(&row.body).ok();
            if let Some(key) = with.and_then(|with| with.asked.key) {
                let name = (row.actor.clone(), key.text.clone());
                server.keys.remember(name, key, row);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: usize) -> Name {
        ("mia".to_owned(), key.to_string())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn answered(keys: &Keys, name: &Name, status: StatusCode) {
        let response = (status, "done").into_response();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(keys.answered(name, response));
    }

    #[test]
    fn a_key_is_under_way_until_it_is_answered_and_free_again_where_nothing_was_done() {
        let keys = Keys::default();
        assert!(keys.begin(&name(1), "a", at(0)).is_none());
        let used = keys.begin(&name(1), "a", at(1)).expect("it is used");
        assert!(matches!(used.came, Came::Nothing));
        let refused = answer_again(used.came, false).expect_err("it is under way");
        assert_eq!(refused.refused().code, "L088");

        answered(&keys, &name(1), StatusCode::CONFLICT);
        assert!(
            keys.begin(&name(1), "a", at(2)).is_none(),
            "it changed nothing"
        );
        answered(&keys, &name(1), StatusCode::OK);
        let used = keys.begin(&name(1), "b", at(3)).expect("it is used");
        assert_eq!(used.request, "a", "for something else");
        assert!(matches!(used.came, Came::Answer(StatusCode::OK, ..)));
        let day = LIFE.as_secs();
        assert!(
            keys.begin(&name(1), "b", at(2 + day)).is_none(),
            "forgotten"
        );
    }

    #[test]
    fn so_many_are_remembered_and_none_that_is_under_way_is_forgotten() {
        let keys = Keys::default();
        assert!(keys.begin(&name(0), "a", at(0)).is_none());
        for key in 1..=KEYS_MAX {
            assert!(keys.begin(&name(key), "a", at(key as u64)).is_none());
            let mut used = keys.used.lock().expect("nobody panicked");
            let used = used.get_mut(&name(key)).expect("it is there");
            used.came = Came::Answer(StatusCode::OK, None, Bytes::new());
        }
        let used = keys.used.lock().expect("nobody panicked");
        assert_eq!(used.len(), KEYS_MAX);
        assert!(used.contains_key(&name(0)), "it is under way");
        assert!(!used.contains_key(&name(1)), "it is the oldest");
    }
}
