//! What the codes of problems mean.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;
use crate::extract::Path;
use crate::problem::Failure;

pub(crate) async fn get(
    State(server): Shared,
    Path(code): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let page = (server.page_of)(&code);
    let page = page.ok_or_else(|| Failure::not_found(format!("there is no code `{code}`")))?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], page))
}
