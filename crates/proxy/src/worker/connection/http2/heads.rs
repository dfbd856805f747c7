//! The head of a request, as HTTP/2 has it.

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};

use crate::table::Address;

/// Returns the head of a request to the instance at `address`. What was made fit for HTTP/1.1 is
/// said otherwise in HTTP/2: the host stands in the target, and each connection ends its bodies in
/// the same way. Another protocol cannot be asked for.
pub(super) fn head<B>(request: &Request<B>, address: &Address) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.headers_mut().clone_from(request.headers());
    let headers = head.headers_mut();
    // HTTP/1.0 may have named none, and then one was added behind it.
    let named = request.headers().get_all(HOST).iter().next_back();
    let authority = named
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .or_else(|| Authority::try_from(address.host()).ok());
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let path = request.uri().path_and_query().cloned();
    let mut target = http::uri::Parts::default();
    target.scheme = Some(Scheme::HTTP);
    target.authority = authority;
    target.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = Uri::from_parts(target).unwrap_or_default();
    head
}
