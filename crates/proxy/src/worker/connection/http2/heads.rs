//! The head of a request, as HTTP/2 has it.

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Uri, Version};

use crate::message::RequestHead;
use crate::table::Address;

/// Returns the head of a request to the instance at `address`. What was made fit for HTTP/1.1 is
/// said otherwise in HTTP/2: the host stands in the target, and each connection ends its bodies in
/// the same way. Another protocol cannot be asked for.
pub(super) fn head(said: &RequestHead, address: &Address) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(&said.method);
    let mut headers = HeaderMap::with_capacity(said.headers.len());
    let mut named = None;
    for (name, value) in said.headers.to_kept() {
        if *name == HOST {
            named = Authority::try_from(value.as_bytes()).ok();
        } else if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name) {
            headers.append(name, value);
        }
    }
    *head.headers_mut() = headers;
    let path = said.uri.path_and_query().cloned();
    let mut target = http::uri::Parts::default();
    target.scheme = Some(Scheme::HTTP);
    target.authority = named.or_else(|| Authority::try_from(address.host()).ok());
    target.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = Uri::from_parts(target).unwrap_or_default();
    head
}
