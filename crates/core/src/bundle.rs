//! A bundle: built files that Leadsman serves by itself, and what is said of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The file that says what is served, where it lies in the very folder: it is nobody's business.
const PROJECT_FILE: &str = "leadsman.yaml";

/// How the files of a folder are served.
///
/// It is recorded with the release, and told to a program of another version: fields are only ever
/// added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The path of requests that the files lie below; begins with `/`, and ends with none unless it
    /// is `/`.
    #[serde(default = "everything")]
    pub path: String,
    /// The file that answers where a page is asked for that is no file: the one page of an
    /// application that reads paths itself. Relative to the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// For how long answers may be kept; the first one that is for a file counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<CacheRule>,
    /// Headers that files are answered with; of rules that are for the same file all count, the
    /// earlier ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderRule>,
    /// Whether files whose names begin with a dot are served, too, and a project file that lies in
    /// the folder. Those in `.well-known` always are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

fn everything() -> String {
    "/".to_owned()
}

impl Default for Bundle {
    fn default() -> Self {
        Self {
            path: everything(),
            fallback: None,
            cache: Vec::new(),
            headers: Vec::new(),
            hidden: false,
        }
    }
}

impl Bundle {
    /// Returns for how long the answer with the file `path` may be kept, as far as that is said.
    pub fn cache_of(&self, path: &str) -> Option<Cache> {
        let rule = self.cache.iter().find(|rule| rule.files.matches(path));
        rule.map(|rule| rule.cache)
    }

    /// Returns the headers that the file `path` is answered with; one that is there twice counts as
    /// it is there first.
    pub fn headers_of(&self, path: &str) -> BTreeMap<&str, &str> {
        let mut headers = BTreeMap::new();
        let rules = self.headers.iter().filter(|rule| rule.files.matches(path));
        for (name, value) in rules.flat_map(|rule| &rule.headers) {
            headers.entry(name.as_str()).or_insert(value.as_str());
        }
        headers
    }

    /// Whether the file `path` is served at all, by its name.
    pub fn shows(&self, path: &str) -> bool {
        let mut parts = path.split('/').enumerate();
        let is_shown = |(at, part): (usize, &str)| {
            !part.starts_with('.') || (at == 0 && part == ".well-known")
        };
        self.hidden || path != PROJECT_FILE && parts.all(is_shown)
    }
}

/// For how long answers with some files may be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRule {
    /// Which files.
    pub files: Pattern,
    /// How long.
    pub cache: Cache,
}

/// Headers that some files are answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRule {
    /// Which files.
    pub files: Pattern,
    /// The headers; names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// For how long an answer may be kept by those who got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// For ever: the name stands for the content.
    Immutable,
    /// It may be kept, and is asked about before it is used again.
    Asked,
    /// Not at all.
    Never,
    /// So long.
    For(Duration),
}

/// Which files are meant: a path in which `?` is any character, `*` any characters within a name,
/// and `**` any folders. Without a `/` it is the name of a file, in whatever folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 256;

/// A text is no pattern, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pattern for files: {0}")]
pub struct BadPattern(pub(crate) &'static str);

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        let parts = || text.strip_prefix('/').unwrap_or(&text).split('/');
        let hint = if text.len() > PATTERN_MAX {
            "256 bytes are the most"
        } else if text.contains(|c: char| c == '\\' || c.is_control()) {
            "separate folders by `/`"
        } else if parts().any(|part| matches!(part, "." | "..")) {
            "write the path from the folder on, without `.` and `..`"
        } else if text.ends_with('/') {
            "end it with `/**` for all that lies in a folder"
        } else if parts().any(str::is_empty) {
            "write it like `assets/**` or `*.woff2`"
        } else if parts().any(|part| part != "**" && part.contains("**")) {
            "`**` stands alone between two `/`; within a name write `*`"
        } else {
            return Ok(Self(text));
        };
        Err(BadPattern(hint))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl Pattern {
    /// Returns it as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the file `path` is meant; it is relative to the served folder.
    pub fn matches(&self, path: &str) -> bool {
        if !self.0.contains('/') {
            let name = path.rsplit('/').next().unwrap_or(path);
            return self.0 == "**" || is_like(&self.0, name);
        }
        let pattern = self.0.strip_prefix('/').unwrap_or(&self.0);
        let (pattern, path): (Vec<&str>, Vec<&str>) =
            (pattern.split('/').collect(), path.split('/').collect());
        meets(
            &pattern,
            &path,
            |part| *part == "**",
            |part, name| is_like(part, name),
        )
    }
}

/// Whether a name is like a pattern without `/`.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    meets(
        &pattern,
        &name,
        |c| *c == '*',
        |expected, c| *expected == '?' || expected == c,
    )
}

/// Whether `items` are those that `pattern` names one by one, where a wild one stands for any number
/// of them. Only the last wild one is ever taken up again: an earlier one could do no better. So the
/// work is bounded by the product of the two lengths.
fn meets<T, U>(
    pattern: &[T],
    items: &[U],
    is_wild: impl Fn(&T) -> bool,
    is_one: impl Fn(&T, &U) -> bool,
) -> bool {
    let (mut at, mut next) = (0, 0);
    // Behind the last wild one, and up to where it reaches.
    let mut again: Option<(usize, usize)> = None;
    while let Some(item) = items.get(next) {
        match pattern.get(at) {
            Some(part) if is_wild(part) => {
                again = Some((at + 1, next));
                at += 1;
            }
            Some(part) if is_one(part, item) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((behind, reach)) = again else {
                    return false;
                };
                again = Some((behind, reach + 1));
                (at, next) = (behind, reach + 1);
            }
        }
    }
    pattern.iter().skip(at).all(is_wild)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_pattern_means_files() {
        for (text, path, expected) in [
            ("*.woff2", "fonts/a.woff2", true),
            ("*.woff2", "a.woff2", true),
            ("*.woff2", "a.woff", false),
            ("**", "a/b/c", true),
            ("robots.txt", "deep/robots.txt", true),
            ("/robots.txt", "deep/robots.txt", false),
            ("/robots.txt", "robots.txt", true),
            ("assets/**", "assets/a.js", true),
            ("assets/**", "assets/deep/a.js", true),
            ("assets/**", "other/assets/a.js", false),
            ("assets/*", "assets/deep/a.js", false),
            ("**/img/*.png", "img/a.png", true),
            ("**/img/*.png", "a/b/img/a.png", true),
            ("**/img/*.png", "a/img/b/a.png", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/x/y/c", false),
            ("v?.js", "v1.js", true),
            ("v?.js", "v12.js", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("grün/*", "grün/ö", true),
            (
                ".well-known/apple-app-site-association",
                ".well-known/apple-app-site-association",
                true,
            ),
        ] {
            assert_eq!(pattern(text).matches(path), expected, "{text} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_others() {
        let stars = pattern(&format!("{}b", "*a".repeat(127)));
        assert!(!stars.matches(&"a".repeat(4000)));
        let folders = pattern(&format!("{}x", "**/a/".repeat(50)));
        assert!(!folders.matches(&"a/".repeat(1000)));
    }

    #[test]
    fn what_is_no_pattern_says_what_to_write() {
        for (text, hint) in [
            ("", "write it like"),
            ("/", "end it with `/**`"),
            ("a//b", "write it like"),
            ("assets/", "end it with `/**`"),
            ("../x", "write the path from"),
            ("a\\b", "separate folders"),
            ("a**", "`**` stands alone"),
        ] {
            let error = Pattern::try_from(text.to_owned()).unwrap_err();
            assert!(error.0.starts_with(hint), "{text}: {error}");
        }
        assert!(Pattern::try_from("a".repeat(257)).is_err());
    }

    #[test]
    fn names_with_a_dot_are_hidden() {
        let mut bundle = Bundle::default();
        for (path, expected) in [
            ("index.html", true),
            (".env", false),
            ("leadsman.yaml", false),
            ("docs/leadsman.yaml", true),
            ("a/.git/config", false),
            (".well-known/security.txt", true),
            (".well-known/.secret", false),
            ("a/.well-known/x", false),
        ] {
            assert_eq!(bundle.shows(path), expected, "{path}");
        }
        bundle.hidden = true;
        assert!(bundle.shows("a/.git/config"));
    }

    #[test]
    fn the_first_rule_counts_and_headers_come_together() {
        let headers = |files: &str, name: &str, value: &str| HeaderRule {
            files: pattern(files),
            headers: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        };
        let cache = |files: &str, cache| CacheRule {
            files: pattern(files),
            cache,
        };
        let bundle = Bundle {
            cache: vec![
                cache("sw.js", Cache::Never),
                cache("*.js", Cache::Immutable),
            ],
            headers: vec![
                headers("sw.js", "service-worker-allowed", "/"),
                headers("*.js", "x-kind", "script"),
                headers("**", "x-kind", "any"),
            ],
            ..Bundle::default()
        };
        assert_eq!(bundle.cache_of("sw.js"), Some(Cache::Never));
        assert_eq!(bundle.cache_of("a/b.js"), Some(Cache::Immutable));
        assert_eq!(bundle.cache_of("a.css"), None);
        let expected = BTreeMap::from([("service-worker-allowed", "/"), ("x-kind", "script")]);
        assert_eq!(bundle.headers_of("sw.js"), expected);
        assert_eq!(
            bundle.headers_of("a.css"),
            BTreeMap::from([("x-kind", "any")])
        );
    }

    #[test]
    fn what_an_older_release_says_is_understood() {
        assert_eq!(
            serde_json::from_str::<Bundle>("{}").unwrap(),
            Bundle::default()
        );
        let refused =
            serde_json::from_str::<Bundle>(r#"{"cache":[{"files":"a//b","cache":"never"}]}"#);
        assert!(refused.is_err());
    }
}
