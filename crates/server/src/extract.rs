//! What handlers take out of a request. Whatever cannot be taken out is answered as a problem, as
//! everything else is.

use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Failure;

/// What the path names.
pub(crate) struct Path<T>(pub(crate) T);

/// What the query asks for.
pub(crate) struct Query<T>(pub(crate) T);

/// What was filled in on a page.
pub(crate) struct Form<T>(pub(crate) T);

/// What was sent, as JSON.
pub(crate) struct Sent<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let taken = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(taken) = taken.map_err(|rejection: PathRejection| {
            // A number that is none, or too large for one, is the name of nothing.
            Failure::not_found(rejection.body_text())
        })?;
        Ok(Self(taken))
    }
}

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let taken = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(taken) = taken
            .map_err(|rejection: QueryRejection| Failure::bad_request(rejection.body_text()))?;
        Ok(Self(taken))
    }
}

impl<S, T> FromRequest<S> for Form<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let taken = axum::extract::Form::from_request(request, state).await;
        let axum::extract::Form(taken) = taken
            .map_err(|rejection: FormRejection| Failure::bad_request(rejection.body_text()))?;
        Ok(Self(taken))
    }
}

impl<S, T> FromRequest<S> for Sent<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let taken = axum::Json::from_request(request, state).await;
        let axum::Json(taken) = taken.map_err(|rejection: JsonRejection| {
            let status = match rejection.status() {
                // What JSON is right and says nothing that is known here is a bad request too.
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                other => other,
            };
            Failure::unreadable(status, rejection.body_text())
        })?;
        Ok(Self(taken))
    }
}
