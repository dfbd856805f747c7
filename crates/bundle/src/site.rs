//! What is served: every file below a folder, as it was found at the start.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use leadsman_core::bundle::{Bundle, Cache};

use crate::coding::Coding;
use crate::fingerprint;
use crate::form::{Forms, Room};
use crate::media::{self, Media};

/// How many files and folders there may be: as many as an artifact may have.
const ENTRIES_MAX: usize = 500_000;

/// How deep folders may lie in each other. Links could lead deeper without an end.
const DEPTH_MAX: usize = 64;

/// How much is kept in memory, in bytes.
const ROOM: u64 = 64 << 20;

/// What answers a request for something that is not there, if it lies in the folder.
const NOT_FOUND: &str = "404.html";

/// A folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Something in it cannot be read.
    #[error("failed to read `{}`", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no folder.
    #[error("`{}` is not a folder", .0.display())]
    NoFolder(PathBuf),
    /// There is too much in it.
    #[error("there are more than {ENTRIES_MAX} files and folders in `{}`", .0.display())]
    TooMany(PathBuf),
    /// The page that answers for all others is not there.
    #[error("the fallback `{0}` is not among the files that are served")]
    NoFallback(String),
    /// A header cannot be sent.
    #[error("`{name}: {value}` is not a header")]
    BadHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// One file that is served.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) forms: Forms,
    pub(crate) media: Media,
    pub(crate) cache: HeaderValue,
    /// What the project file adds to its answers.
    pub(crate) headers: HeaderMap,
}

/// The files that are served, and how.
#[derive(Debug)]
pub struct Site {
    pub(crate) bundle: Bundle,
    files: HashMap<String, File>,
    /// How much memory is left to keep files in.
    pub(crate) room: Arc<Room>,
}

impl Site {
    /// Finds out what there is below `folder`. Blocks while it reads.
    ///
    /// Links count as what they lead to, as long as that lies in the folder. What is neither file
    /// nor folder, leads elsewhere, is hidden, or has a name that is not UTF-8 is left out.
    ///
    /// # Errors
    /// When the folder cannot be read, is too large, or lacks its fallback.
    pub fn open(folder: &Path, bundle: Bundle) -> Result<Self, SiteError> {
        let unreadable = |source| SiteError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        let root = fs::canonicalize(folder).map_err(unreadable)?;
        if !root.is_dir() {
            return Err(SiteError::NoFolder(folder.to_owned()));
        }
        let mut finding = Finding {
            root: &root,
            bundle: &bundle,
            files: HashMap::new(),
            entries: 0,
        };
        finding.folder(&root, "", 0)?;
        let mut files = finding.files;
        let coded: Vec<(String, Coding, Arc<Path>)> = files
            .iter()
            .flat_map(|(name, file)| {
                let of = Coding::ALL
                    .into_iter()
                    .filter_map(|coding| Some((name.strip_suffix(coding.extension())?, coding)));
                of.map(|(name, coding)| (name.to_owned(), coding, Arc::clone(file.forms.path())))
            })
            .collect();
        for (name, coding, path) in coded {
            if let Some(file) = files.get_mut(&name) {
                file.forms.lies_beside(coding, path);
            }
        }
        if let Some(fallback) = &bundle.fallback
            && !files.contains_key(fallback)
        {
            return Err(SiteError::NoFallback(fallback.clone()));
        }
        Ok(Self {
            bundle,
            files,
            room: Arc::new(Room::new(ROOM)),
        })
    }

    /// Returns how many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn file(&self, name: &str) -> Option<&File> {
        self.files.get(name)
    }

    /// Returns the page of a folder.
    pub(crate) fn page_of(&self, folder: &str) -> Option<&File> {
        if folder.is_empty() {
            return self.file("index.html");
        }
        self.file(&format!("{folder}/index.html"))
    }

    pub(crate) fn fallback(&self) -> Option<&File> {
        self.file(self.bundle.fallback.as_deref()?)
    }

    pub(crate) fn not_found(&self) -> Option<&File> {
        self.file(NOT_FOUND)
    }

    /// Makes every form of every file, the small files first, so that no user waits for it.
    pub(crate) async fn prepare(&self) {
        let mut files: Vec<&File> = self.files.values().collect();
        files.sort_by_key(|file| file.forms.length());
        for file in files {
            // What cannot be read now is tried again, and told, when somebody asks for it.
            drop(file.forms.plain(&self.room).await);
            if file.forms.varies() {
                for coding in Coding::ALL {
                    drop(file.forms.coded(coding, &self.room).await);
                }
            }
        }
    }
}

/// A walk through a folder.
struct Finding<'a> {
    root: &'a Path,
    bundle: &'a Bundle,
    files: HashMap<String, File>,
    entries: usize,
}

impl Finding<'_> {
    /// Takes in the folder that is really at `path`, called `name`.
    fn folder(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), SiteError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| SiteError::Unreadable { path, source }
        };
        for entry in fs::read_dir(path).map_err(unreadable(path))? {
            let entry = entry.map_err(unreadable(path))?;
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(SiteError::TooMany(self.root.to_owned()));
            }
            let Some(name) = joined(name, &entry.file_name()) else {
                continue;
            };
            if !self.bundle.shows(&name) {
                continue;
            }
            let mut path = entry.path();
            if entry.file_type().map_err(unreadable(&path))?.is_symlink() {
                match self.led_to(&path) {
                    Some(there) => path = there,
                    None => continue,
                }
            }
            let metadata = fs::metadata(&path).map_err(unreadable(&path))?;
            if metadata.is_dir() {
                if depth < DEPTH_MAX {
                    self.folder(&path, &name, depth + 1)?;
                }
            } else if metadata.is_file() {
                let file = self.file(path, &name, metadata.len())?;
                self.files.insert(name, file);
            }
        }
        Ok(())
    }

    /// Returns where a link really leads: to something in the folder that is served by itself, too,
    /// and in which the link does not lie.
    fn led_to(&self, link: &Path) -> Option<PathBuf> {
        let there = fs::canonicalize(link).ok()?;
        let name = there.strip_prefix(self.root).ok()?.to_str()?;
        let is_around = link.starts_with(&there);
        (self.bundle.shows(name) && !is_around).then_some(there)
    }

    fn file(&self, path: PathBuf, name: &str, length: u64) -> Result<File, SiteError> {
        let media = media::of(name);
        let last = name.rsplit('/').next().unwrap_or(name);
        let cache = self.bundle.cache_of(name).unwrap_or({
            if fingerprint::has_one(last) && !media.is_page {
                Cache::Immutable
            } else {
                // A page names the files that belong to it, so it has to be of the release that
                // serves; of anything else nobody knows whether its name changes with it.
                Cache::Asked
            }
        });
        let mut headers = HeaderMap::new();
        for (name, value) in self.bundle.headers_of(name) {
            let bad = || SiteError::BadHeader {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            let header = HeaderName::try_from(name).map_err(|_| bad())?;
            headers.insert(header, HeaderValue::try_from(value).map_err(|_| bad())?);
        }
        Ok(File {
            forms: Forms::new(path, length, media.shrinks),
            cache: said(cache),
            media,
            headers,
        })
    }
}

fn joined(folder: &str, name: &std::ffi::OsStr) -> Option<String> {
    let name = name.to_str()?;
    Some(if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    })
}

/// Returns what is said to caches.
fn said(cache: Cache) -> HeaderValue {
    match cache {
        Cache::Immutable => HeaderValue::from_static("public, max-age=31536000, immutable"),
        Cache::Asked => HeaderValue::from_static("no-cache"),
        Cache::Never => HeaderValue::from_static("no-store"),
        Cache::For(time) => HeaderValue::try_from(format!("public, max-age={}", time.as_secs()))
            .unwrap_or(HeaderValue::from_static("no-cache")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use leadsman_core::bundle::{CacheRule, Pattern};

    use super::*;

    fn names(site: &Site) -> Vec<&str> {
        let mut names: Vec<&str> = site.files.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_files_below_the_folder_are_found() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("site");
        fs::create_dir_all(root.join("docs/deep")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join(".well-known")).unwrap();
        for name in [
            "site/index.html",
            "site/docs/index.html",
            "site/docs/deep/a b.txt",
            "site/.env",
            "site/.git/config",
            "site/.well-known/security.txt",
            "secret",
        ] {
            fs::write(outer.path().join(name), name).unwrap();
        }
        symlink("index.html", root.join("same.html")).unwrap();
        symlink("docs", root.join("latest")).unwrap();
        symlink("../secret", root.join("stolen")).unwrap();
        symlink("/etc/passwd", root.join("passwd")).unwrap();
        symlink("/", root.join("all")).unwrap();
        symlink(".env", root.join("env.txt")).unwrap();
        symlink("..", root.join("docs/up")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        put_a_socket(&root.join("pipe"));
        let site = Site::open(&root, Bundle::default()).unwrap();
        let shown = [
            ".well-known/security.txt",
            "docs/deep/a b.txt",
            "docs/index.html",
            "index.html",
            "latest/deep/a b.txt",
            "latest/index.html",
            "same.html",
        ];
        assert_eq!(names(&site), shown);
        let hidden = Bundle {
            hidden: true,
            ..Bundle::default()
        };
        let site = Site::open(&root, hidden).unwrap();
        for name in [".env", ".git/config", "env.txt"] {
            assert!(site.file(name).is_some(), "{name}");
        }
        assert!(site.file("stolen").is_none() && site.file("passwd").is_none());
    }

    /// Puts something that is neither file nor folder at a path.
    fn put_a_socket(path: &Path) {
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    }

    #[test]
    fn what_is_said_to_caches_follows_from_the_name_unless_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            ("index.html", "no-cache"),
            ("app.3f9a1c2b.js", "public, max-age=31536000, immutable"),
            ("page.3f9a1c2b.html", "no-cache"),
            ("logo.png", "no-cache"),
            ("font.woff2", "public, max-age=3600"),
            ("api.json", "no-store"),
        ];
        for (name, _) in all {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let rule = |files: &str, cache| CacheRule {
            files: Pattern::try_from(files.to_owned()).unwrap(),
            cache,
        };
        let bundle = Bundle {
            cache: vec![
                rule("*.woff2", Cache::For(Duration::from_secs(3600))),
                rule("api.*", Cache::Never),
            ],
            ..Bundle::default()
        };
        let site = Site::open(folder.path(), bundle).unwrap();
        for (name, expected) in all {
            assert_eq!(site.file(name).unwrap().cache, expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_served_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.html");
        fs::write(&file, "a").unwrap();
        let with = |fallback: &str| Bundle {
            fallback: Some(fallback.to_owned()),
            ..Bundle::default()
        };
        let said = |folder: &Path, bundle| Site::open(folder, bundle).unwrap_err().to_string();
        assert!(said(&file, Bundle::default()).contains("is not a folder"));
        assert!(said(&folder.path().join("x"), Bundle::default()).contains("failed to read"));
        assert!(said(folder.path(), with("b.html")).contains("the fallback `b.html`"));
        assert!(Site::open(folder.path(), with("a.html")).is_ok());
    }
}
