//! Requests as they are sent.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::Full;

use crate::data::Data;
use crate::scenario::{Request, Scenario, Version};
use crate::template::{Template, as_it_is, into_path};

/// A request that can be sent.
pub(crate) type Sendable = http::Request<Full<Bytes>>;

/// A kind of request, with what is the same each time.
pub(crate) struct Prepared {
    method: Method,
    /// The path, where it is the same each time.
    uri: Option<Uri>,
    path: Template,
    headers: HeaderMap,
    varying: Vec<(HeaderName, Template)>,
    /// The body, where it is the same each time.
    same_body: Option<Bytes>,
    body: Template,
    secure: bool,
    version: Version,
    authority: String,
}

/// Prepares the requests of a scenario that has no problems. What does not make a request all the
/// same is returned with the request's name.
pub(crate) fn prepare(scenario: &Scenario) -> Result<Vec<Prepared>, String> {
    let of = |request: &Request| {
        Prepared::new(request, scenario).map_err(|error| format!("`{}`: {error}", request.name))
    };
    scenario.requests.iter().map(of).collect()
}

impl Prepared {
    fn new(request: &Request, scenario: &Scenario) -> Result<Self, String> {
        let target = &scenario.target;
        let mut headers = HeaderMap::new();
        let mut varying = Vec::new();
        let mut authority = target.authority().to_owned();
        for (name, value) in &request.headers {
            if value.names().next().is_some() {
                varying.push((name.clone(), value.clone()));
                continue;
            }
            let text = value.fill(|_| "", as_it_is);
            if *name == header::HOST {
                authority = text;
                continue;
            }
            headers.append(name, header_value(&text)?);
        }
        if !varying.iter().any(|(name, _)| *name == header::HOST)
            && scenario.version == Version::Http1
        {
            headers.insert(header::HOST, header_value(&authority)?);
        }
        if !headers.contains_key(header::USER_AGENT) {
            let agent = concat!("leadsman-load/", env!("CARGO_PKG_VERSION"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        }
        if !scenario.reuse && scenario.version == Version::Http1 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut prepared = Self {
            method: request.method.clone(),
            uri: None,
            path: request.path.clone(),
            headers,
            varying,
            same_body: None,
            body: request.body.clone(),
            secure: target.secure,
            version: scenario.version,
            authority,
        };
        if request.path.names().next().is_none() {
            let path = request.path.fill(|_| "", into_path);
            prepared.uri = Some(prepared.uri(&path, None)?);
        }
        if request.body.names().next().is_none() {
            prepared.same_body = Some(request.body.fill(|_| "", as_it_is).into());
        }
        Ok(prepared)
    }

    /// Returns where a path is asked for. HTTP/1.1 says the server in a header.
    fn uri(&self, path: &str, authority: Option<&str>) -> Result<Uri, String> {
        let wrong = |_| format!("`{path}` is no path that can be asked for");
        let path_and_query = PathAndQuery::try_from(path).map_err(wrong)?;
        if self.version == Version::Http1 {
            return Ok(Uri::from(path_and_query));
        }
        let authority = authority.unwrap_or(&self.authority);
        Uri::builder()
            .scheme(if self.secure { "https" } else { "http" })
            .authority(authority)
            .path_and_query(path_and_query)
            .build()
            .map_err(|_| format!("`{authority}` is no name of a server"))
    }

    /// Returns the request with the values of a row of the data.
    pub(crate) fn request(&self, data: Option<&Data>, row: u64) -> Result<Sendable, String> {
        let value = |name: &str| data.map_or("", |data| data.value(row, name));
        let mut headers = self.headers.clone();
        let mut authority = None;
        for (name, template) in &self.varying {
            let text = template.fill(value, as_it_is);
            if *name == header::HOST && self.version == Version::Http2 {
                authority = Some(text);
                continue;
            }
            headers.append(name, header_value(&text)?);
        }
        let uri = match &self.uri {
            Some(uri) if authority.is_none() => uri.clone(),
            _ => self.uri(&self.path.fill(value, into_path), authority.as_deref())?,
        };
        let body = match &self.same_body {
            Some(body) => body.clone(),
            None => self.body.fill(value, as_it_is).into(),
        };
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| "a header has a value that none can have".to_owned())
}
