//! A request, and what comes of it.

use std::io;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::coding::{self, Coding};
use crate::condition::{self, Part};
use crate::form::{Content, Form};
use crate::path::{self, Malformed};
use crate::site::{File, Site};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ASKED: HeaderValue = HeaderValue::from_static("no-cache");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_GUESSING: HeaderValue = HeaderValue::from_static("nosniff");

/// What a path leads to.
enum Found<'s> {
    /// A file.
    File(&'s File),
    /// A folder that has a page, asked for without the `/` at the end.
    Folder(String),
    /// The page that answers where there is none.
    Fallback(&'s File),
    Nothing,
    Malformed,
}

/// Answers a request. Whatever it is, an answer comes.
pub(crate) async fn answer<B>(site: &Site, request: &Request<B>) -> Response<Body> {
    let method = request.method();
    if method == Method::OPTIONS {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        answer.headers_mut().insert(ALLOW, METHODS);
        return answer;
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "there are only files here");
        answer.headers_mut().insert(ALLOW, METHODS);
        return answer;
    }
    let found = find(site, request);
    // Whether there is a page depends on whether one is asked for, then.
    let depends = matches!(found, Found::Fallback(_) | Found::Nothing) && site.fallback().is_some();
    let mut answer = match found {
        Found::File(file) => send(site, request, file, StatusCode::OK).await,
        Found::Fallback(file) => send(site, request, file, StatusCode::OK)
            .await
            .map(as_stand_in),
        Found::Folder(path) => led_to(&path, request.uri().query()),
        Found::Malformed => Ok(text(StatusCode::BAD_REQUEST, "no file has such a path")),
        Found::Nothing => match site.not_found() {
            Some(page) => send(site, request, page, StatusCode::NOT_FOUND)
                .await
                .map(as_stand_in),
            None => Ok(text(StatusCode::NOT_FOUND, "there is no such file")),
        },
    }
    .unwrap_or_else(|error| {
        tracing::error!(path = request.uri().path(), %error, "a file could not be read");
        text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the file could not be read",
        )
    });
    if depends {
        let accept = HeaderValue::from_static("accept");
        answer.headers_mut().append(VARY, accept);
    }
    if method == Method::HEAD {
        *answer.body_mut() = Body::empty();
    }
    answer
}

fn find<'s, B>(site: &'s Site, request: &Request<B>) -> Found<'s> {
    let asked = match path::asked(request.uri().path(), &site.bundle.path) {
        Ok(Some(asked)) => asked,
        Ok(None) => return Found::Nothing,
        Err(Malformed) => return Found::Malformed,
    };
    if !asked.folder
        && let Some(file) = site.file(&asked.name)
    {
        return Found::File(file);
    }
    if let Some(page) = site.page_of(&asked.name) {
        if asked.folder {
            return Found::File(page);
        }
        // From the name that was found, so that it leads nowhere else whatever was asked for.
        let base = site.bundle.path.trim_end_matches('/');
        let slash = if asked.name.is_empty() { "" } else { "/" };
        let name = path::encoded(&asked.name);
        return Found::Folder(format!("{base}{slash}{name}/"));
    }
    // What looks like a file and is none stays unfound: a script that got a page would break.
    let last = asked.name.rsplit('/').next().unwrap_or_default();
    if !last.contains('.')
        && coding::wants_page(request.headers())
        && let Some(page) = site.fallback()
    {
        return Found::Fallback(page);
    }
    Found::Nothing
}

/// What stands in for something else may be something else in the next release.
fn as_stand_in(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(CACHE_CONTROL, ASKED);
    answer
}

async fn send<B>(
    site: &Site,
    request: &Request<B>,
    file: &File,
    status: StatusCode,
) -> io::Result<Response<Body>> {
    let (form, coding) = choose(site, request, file).await?;
    let part = if status == StatusCode::OK {
        let ranges = request.method() == Method::GET;
        condition::part(request.headers(), &form.tag, form.length, ranges)
    } else {
        Part::Whole
    };
    let mut answer = match part {
        Part::Whole => with_bytes(status, form, 0, form.length).await?,
        Part::Range(first, end) => {
            let mut answer = with_bytes(StatusCode::PARTIAL_CONTENT, form, first, end).await?;
            let range = format!("bytes {first}-{}/{}", end - 1, form.length);
            answer.headers_mut().insert(CONTENT_RANGE, value(range)?);
            answer
        }
        Part::Unchanged => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        }
        Part::Changed => {
            return Ok(text(
                StatusCode::PRECONDITION_FAILED,
                "the file is another one",
            ));
        }
        Part::NoSuchRange => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let mut answer = text(status, "the file has no such bytes");
            let range = value(format!("bytes */{}", form.length))?;
            answer.headers_mut().insert(CONTENT_RANGE, range);
            return Ok(answer);
        }
    };
    let headers = answer.headers_mut();
    if part != Part::Unchanged {
        headers.insert(CONTENT_TYPE, file.media.name.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, NO_GUESSING);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, coding.value());
        }
    }
    for (name, value) in &file.headers {
        headers.insert(name, value.clone());
    }
    headers.insert(CACHE_CONTROL, file.cache.clone());
    headers.insert(ETAG, form.tag.clone());
    if file.forms.varies() {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    Ok(answer)
}

/// Returns the form that the client likes best of those that there are.
async fn choose<'s, B>(
    site: &Site,
    request: &Request<B>,
    file: &'s File,
) -> io::Result<(&'s Form, Option<Coding>)> {
    if file.forms.varies() {
        for coding in coding::accepted(request.headers()) {
            if let Some(form) = file.forms.coded(coding, &site.room).await? {
                return Ok((form, Some(coding)));
            }
        }
    }
    Ok((file.forms.plain(&site.room).await?, None))
}

/// Returns an answer with the bytes of a form from `first` up to before `end`.
async fn with_bytes(
    status: StatusCode,
    form: &Form,
    first: u64,
    end: u64,
) -> io::Result<Response<Body>> {
    let body = match &form.content {
        Content::Kept(bytes) => {
            let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            Body::Kept(bytes.slice(at(first)..at(end)))
        }
        Content::OnDisk(path) => Body::of_file(path.clone(), first, end).await?,
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(end - first));
    Ok(answer)
}

/// Leads to another path, for now: a release that is taken back must not leave its ways behind.
fn led_to(path: &str, query: Option<&str>) -> io::Result<Response<Body>> {
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let location = value(format!("{path}{query}"))?;
    let mut answer = text(StatusCode::TEMPORARY_REDIRECT, "it is a folder");
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}

fn value(text: String) -> io::Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(io::Error::other)
}

/// Returns an answer that says something itself.
fn text(status: StatusCode, said: &'static str) -> Response<Body> {
    let bytes = Bytes::from(format!("{said}\n"));
    let length = bytes.len();
    let mut answer = Response::new(Body::Kept(bytes));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, ASKED);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_GUESSING);
    answer
}
