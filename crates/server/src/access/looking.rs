//! Somebody who goes on looking.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::{Caller, Peer};
use crate::problem::Failure;
use crate::serve::Server;

/// Who looks: they are asked anew who they are before anything is sent to them, because a session
/// may have ended, or a role been taken away, since they began to.
pub(crate) struct Looking {
    peer: Peer,
    headers: HeaderMap,
}

impl Looking {
    /// Finds out who it is now. A cookie counts only `on_page`.
    pub(crate) fn caller(&self, server: &Server, on_page: bool) -> Result<Caller, Failure> {
        Caller::find(server, &self.peer, &self.headers, on_page)
    }

    /// Returns a header of what they asked.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Looking {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>();
        let peer = peer.ok_or_else(|| Failure::not_signed_in("it says not who asks"))?;
        Ok(Self {
            peer: peer.0.clone(),
            headers: parts.headers.clone(),
        })
    }
}
