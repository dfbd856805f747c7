//! A folder that is served: its keys, what they mean, and how they are written.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_CACHE, BAD_HEADER, BAD_PATTERN};
use super::effective::{Lines, or_null, scalar};
use super::entrance_values::{HeaderKey, HeaderText};
use super::keys::keys;
use super::problem::quoted;
use super::read::{Located, Merge, Read, Reader};
use super::shape::{Map, MapKey, short_form};
use super::texts::{ArtifactPath, FolderPath, RequestPath};
use super::units;
use super::values::{True, Word, schema};
use super::yaml::{Key, Node};
use crate::bundle::{Bundle, Cache, CacheRule, HeaderRule, Pattern};

keys! {
    /// Files that Leadsman serves by itself: a front end that was built, a site. They are compressed,
    /// have an `ETag` by their content, and are asked about before they are used again unless their
    /// names stand for their content. In short: the folder.
    struct Serve("`serve`") {
        /// The folder, relative to the project file. It is packed with the release; there has to be
        /// one.
        root: ArtifactPath,
        /// The path of requests that its files lie below: where a route has a path, mostly that one.
        #[schemars(extend("default" = "/"))]
        path: RequestPath,
        /// The file that answers where a page is asked for that is not there, such as `index.html`
        /// of an application of a single page; left out, that is not found.
        fallback: FolderPath,
        /// For how long answers may be kept, by patterns of files: `immutable`, a duration,
        /// `no-cache` (asked about before it is used again) or `no-store`. The first pattern that
        /// is for a file counts.
        cache: Map<PatternKey, CacheText, 100>,
        /// Headers that files are answered with, by patterns of files.
        headers: Map<PatternKey, Map<FileHeaderKey, HeaderText, 20>, 100>,
        /// `true`: files whose names begin with a dot are served, too, and a `leadsman.yaml` in the
        /// folder. Those in `.well-known` always are.
        hidden: Word<True>,
    }
}

short_form!(
    Serve { root },
    json_schema!({ "title": "folder", "type": "string", "pattern": r"^[^/~\\][^\\]*$" })
);

/// The keys of a mapping are patterns of files.
#[derive(Clone, Debug)]
pub(super) struct PatternKey;

impl MapKey for PatternKey {
    const WHAT: &'static str = "a mapping of patterns of files";
    const PATTERN: &'static str = r"^[^\\]{1,256}$";

    fn check(key: &Key, reader: &mut Reader) -> bool {
        match Pattern::try_from(key.text.clone()) {
            Ok(_) => true,
            Err(problem) => {
                let message = format!("{} is not a pattern for files", quoted(&key.text));
                reader.note(&BAD_PATTERN, key.at, message, problem.0);
                false
            }
        }
    }
}

/// The name of a header that files are answered with.
#[derive(Clone, Debug)]
pub(super) struct FileHeaderKey;

impl FileHeaderKey {
    /// Headers that say what part of which form of a file an answer is.
    const OF_THE_FILE: &'static [&'static str] = &[
        "accept-ranges",
        "content-encoding",
        "content-range",
        "etag",
        "last-modified",
        "vary",
    ];
}

impl MapKey for FileHeaderKey {
    const WHAT: &'static str = HeaderKey::WHAT;
    const PATTERN: &'static str = HeaderKey::PATTERN;
    const TAKEN: &'static [&'static str] = HeaderKey::TAKEN;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let name = key.text.to_ascii_lowercase();
        let hint = if name == "cache-control" {
            "say it under `cache`, such as `cache: { \"assets/**\": immutable }`"
        } else if Self::OF_THE_FILE.contains(&&*name) {
            "take it out: it follows from the file"
        } else {
            return HeaderKey::check(key, reader);
        };
        let message = format!("the header `{name}` is not to be chosen");
        reader.note(&BAD_HEADER, key.at, message, hint);
        false
    }
}

/// For how long an answer may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheText(Cache);

const WORDS: [(&str, Cache); 3] = [
    ("immutable", Cache::Immutable),
    ("no-cache", Cache::Asked),
    ("no-store", Cache::Never),
];

/// A year: what no cache keeps an answer longer than.
const KEPT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

impl Read for CacheText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write `immutable`, a duration such as `1h`, `no-cache` or `no-store`";
        let text = reader.scalar(node, "for how long an answer may be kept", FORM)?;
        let word = WORDS.iter().find(|(word, _)| *word == text);
        let cache = match (word, units::parse_duration(text)) {
            (Some((_, cache)), _) => *cache,
            (None, Ok(time)) if (Duration::from_secs(1)..=KEPT_MAX).contains(&time) => {
                Cache::For(time)
            }
            (None, parsed) => {
                let hint = parsed.map_or(FORM, |_| "choose a duration from 1s to 365d");
                let message = format!("{} says nothing to a cache", quoted(text));
                reader.note(&BAD_CACHE, node.at, message, hint);
                return None;
            }
        };
        Some(Self(cache))
    }
}

impl Merge for CacheText {}

schema!(
    CacheText,
    json_schema!({
        "title": "`immutable`, duration, `no-cache` or `no-store`",
        "anyOf": [
            { "enum": ["immutable", "no-cache", "no-store"] },
            { "type": "string", "pattern": units::DURATION_PATTERN },
        ],
    })
);

/// Returns what a service is told of its files.
pub(super) fn resolve(keys: &Serve) -> Bundle {
    // What is no pattern was noted where it stands.
    let pattern = |key: &Located<String>| Pattern::try_from(key.value.clone()).ok();
    let cache = keys.cache.get().into_iter().flat_map(|map| &map.entries);
    let headers = keys.headers.get().into_iter().flat_map(|map| &map.entries);
    Bundle {
        path: keys
            .path
            .get()
            .map_or_else(|| Bundle::default().path, |path| path.0.clone()),
        fallback: keys.fallback.get().map(|path| plain(&path.0)),
        cache: cache
            .filter_map(|(key, kept)| {
                let cache = kept.get()?.0;
                Some(CacheRule {
                    files: pattern(key)?,
                    cache,
                })
            })
            .collect(),
        headers: headers
            .filter_map(|(key, headers)| {
                let headers = headers.get()?.entries.iter();
                let headers = headers.filter_map(|(name, text)| {
                    Some((name.value.to_ascii_lowercase(), text.get()?.0.clone()))
                });
                Some(HeaderRule {
                    files: pattern(key)?,
                    headers: headers.collect(),
                })
            })
            .collect(),
        hidden: keys.hidden.get().is_some(),
    }
}

/// Returns the path of a file as the folder has it, without `.` and doubled `/`.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

/// Writes how the files of the folder `root` are served.
pub(super) fn put_bundle(file: &mut Lines, root: &str, bundle: &Bundle) {
    file.open(2, "serve");
    file.put(3, "root", root);
    file.put(3, "path", scalar(&bundle.path));
    file.put(
        3,
        "fallback",
        or_null(bundle.fallback.as_deref().map(scalar)),
    );
    if bundle.cache.is_empty() {
        file.put(3, "cache", "{}");
    } else {
        file.open(3, "cache");
    }
    for CacheRule { files, cache } in &bundle.cache {
        let kept = match (WORDS.iter().find(|(_, known)| known == cache), cache) {
            (Some((word, _)), _) => (*word).to_owned(),
            (None, Cache::For(time)) => units::duration(*time),
            (None, Cache::Immutable | Cache::Asked | Cache::Never) => continue,
        };
        file.put(4, &scalar(files.as_str()), kept);
    }
    if bundle.headers.is_empty() {
        file.put(3, "headers", "{}");
    } else {
        file.open(3, "headers");
    }
    for HeaderRule { files, headers } in &bundle.headers {
        file.open(4, &scalar(files.as_str()));
        for (name, text) in headers {
            file.put(5, &scalar(name), scalar(text));
        }
    }
    if bundle.hidden {
        file.put(3, "hidden", true);
    }
}
