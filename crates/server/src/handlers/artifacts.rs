//! Artifacts: whether they are here, and bringing them here.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use futures_util::StreamExt as _;
use leadsman_api::Artifact;
use leadsman_core::id::Digest;
use tokio::sync::mpsc;

use super::Shared;
use crate::extract::Path;
use crate::problem::Failure;

/// How many parts of a body may wait to be written: it bounds the memory that an upload takes.
const PARTS_IN_FLIGHT: usize = 16;

fn digest(text: &str) -> Result<Digest, Failure> {
    text.parse()
        .map_err(|error: leadsman_core::id::InvalidDigest| Failure::bad_request(error.to_string()))
}

pub(crate) async fn get(
    State(server): Shared,
    Path(text): Path<String>,
) -> Result<Json<Artifact>, Failure> {
    let digest = digest(&text)?;
    match server.shelf.artifact(&digest).await? {
        Some(size) => Ok(Json(Artifact { digest: text, size })),
        None => Err(Failure::not_found(format!(
            "there is no artifact `{text}` here"
        ))),
    }
}

pub(crate) async fn put(
    State(server): Shared,
    Path(text): Path<String>,
    body: Body,
) -> Result<Json<Artifact>, Failure> {
    let digest = digest(&text)?;
    let (sender, parts) = mpsc::channel(PARTS_IN_FLIGHT);
    let mut stream = body.into_data_stream();
    let receive = async move {
        while let Some(part) = stream.next().await {
            let part = part.map_err(|error| error.to_string());
            // Nobody takes it any more: the answer says why.
            if sender.send(part).await.is_err() {
                return;
            }
        }
    };
    let keep = server.shelf.put_artifact(&digest, parts);
    let ((), size) = tokio::join!(receive, keep);
    Ok(Json(Artifact {
        digest: text,
        size: size?,
    }))
}
