//! The webhooks that admins have added: one file each in the folder `webhooks` of the state folder.
//!
//! They are no events of the log, because the log is exported and shown, and a secret must not be
//! in it. That one was added or removed is.

use std::io;
use std::path::{Path, PathBuf};

use leadsman_core::id::{ApplicationName, is_name};
use leadsman_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::signed::{Secret, Sender};
use crate::state_file;

/// How many there may be.
const WEBHOOKS_MAX: usize = 200;

/// The longest URL, path or name of a repository, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What it is called, and so a part of where it is sent to.
    pub(crate) name: String,
    /// Who sends it.
    pub(crate) sender: Sender,
    /// The application whose runs it may begin.
    pub(crate) application: ApplicationName,
    /// Where commits come from.
    pub(crate) repository: Origin,
    /// What the sender calls the repository.
    pub(crate) called: String,
    /// The project file, relative to the top of the repository.
    pub(crate) project_file: String,
    /// What both sides know.
    pub(crate) secret: Secret,
    /// When it was added.
    pub(crate) added_at: Timestamp,
    /// Who added it.
    pub(crate) added_by: String,
}

/// Where the commits come from that are told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// A repository of this machine, which has them already.
    Folder(String),
    /// They are fetched from there.
    Url(String),
}

/// What keeps webhooks.
#[derive(Debug)]
pub(crate) struct Webhooks {
    folder: PathBuf,
}

/// A webhook could not be added or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is a webhook called `{0}` already")]
    Known(String),
    #[error("there is no webhook called `{0}`")]
    Unknown(String),
    #[error("there are {WEBHOOKS_MAX} webhooks already, which is as many as there may be")]
    TooMany,
    #[error("failed to keep it in `{}`", path.display())]
    NotKept {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to read `{}`", path.display())]
    NotRead {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Webhooks {
    /// Names what is kept in the state folder `state`.
    pub(crate) fn of(state: &Path) -> Self {
        Self {
            folder: state.join("webhooks"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Returns the webhook called `name`.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Kept>, Error> {
        // Whatever is no name leads out of the folder, or nowhere.
        if !is_name(name) {
            return Ok(None);
        }
        let path = self.path(name);
        state_file::read(&path).map_err(|source| Error::NotRead { path, source })
    }

    /// Returns every webhook, by name.
    pub(crate) fn all(&self) -> Result<Vec<Kept>, Error> {
        let mut all = Vec::new();
        for name in self.names()? {
            all.extend(self.get(&name)?);
        }
        Ok(all)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        state_file::names(&self.folder).map_err(|source| Error::NotRead {
            path: self.folder.clone(),
            source,
        })
    }

    /// Keeps a webhook. When this returns, it is on the disk.
    pub(crate) fn add(&self, webhook: &Kept) -> Result<(), Error> {
        if self.names()?.len() >= WEBHOOKS_MAX {
            return Err(Error::TooMany);
        }
        let path = self.path(&webhook.name);
        match state_file::create(&path, webhook) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Known(webhook.name.clone()))
            }
            Err(source) => Err(Error::NotKept { path, source }),
        }
    }

    /// Removes the webhook called `name`, secret and all.
    pub(crate) fn remove(&self, name: &str) -> Result<Kept, Error> {
        let webhook = self.get(name)?;
        let webhook = webhook.ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let path = self.path(name);
        state_file::remove(&path).map_err(|source| Error::NotKept { path, source })?;
        Ok(webhook)
    }
}

impl Origin {
    /// Takes the full path of a repository of this machine.
    pub(crate) fn folder(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') || path.contains(char::is_control) || path.len() > TEXT_BYTES_MAX
        {
            return Err(format!("`{path}` is not the full path of a repository"));
        }
        Ok(Self::Folder(path.to_owned()))
    }

    /// Takes a URL that Git fetches from.
    pub(crate) fn url(url: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("`{url}` cannot be fetched from: {why}"));
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if url.len() > TEXT_BYTES_MAX || url.contains(odd) || url.starts_with('-') {
            return Err("what is to be fetched from is no URL".to_owned());
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            // `git@example.org:acme/shop.git`, as SSH is written often.
            let (host, path) = url.split_once(':').unwrap_or_default();
            return match !host.is_empty() && !host.contains('/') && !path.is_empty() {
                true if !path.starts_with(':') => Ok(Self::Url(url.to_owned())),
                true | false => bad("a URL that begins with https, ssh or file is expected"),
            };
        };
        let before = rest.split('/').next().unwrap_or_default();
        if before
            .rsplit_once('@')
            .is_some_and(|(who, _)| who.contains(':'))
        {
            // Not repeated: it is in the URL.
            return Err(
                "a password is no part of a URL here, because it would be shown: have \
                        Git find it, with a credential helper or a key of SSH"
                    .to_owned(),
            );
        }
        match scheme {
            "https" | "ssh" if !before.is_empty() => Ok(Self::Url(url.to_owned())),
            "file" if rest.starts_with('/') => Ok(Self::Url(url.to_owned())),
            _ => bad("a URL that begins with https, ssh or file is expected"),
        }
    }

    /// Returns what GitHub or GitLab call the repository at a URL of theirs.
    pub(crate) fn called(&self) -> Option<String> {
        let Self::Url(url) = self else { return None };
        let path = match url.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split_once('/')?.1,
            None => url.split_once(':')?.1,
        };
        let path = path.trim_matches('/');
        let called = path.strip_suffix(".git").unwrap_or(path);
        called.contains('/').then(|| called.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn webhook(name: &str) -> Kept {
        Kept {
            name: name.to_owned(),
            sender: Sender::GitHub,
            application: "shop".parse().unwrap(),
            repository: Origin::Folder("/srv/shop.git".to_owned()),
            called: "acme/shop".to_owned(),
            project_file: "leadsman.yaml".to_owned(),
            secret: Secret::make(Sender::GitHub).unwrap(),
            added_at: Timestamp::from_millis(7),
            added_by: "mia".to_owned(),
        }
    }

    #[test]
    fn what_was_added_is_kept_for_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let webhooks = Webhooks::of(state.path());
        assert_eq!(webhooks.all().unwrap(), []);
        let (one, other) = (webhook("github"), webhook("a-second"));
        webhooks.add(&one).unwrap();
        webhooks.add(&other).unwrap();
        assert!(matches!(
            webhooks.add(&webhook("github")),
            Err(Error::Known(_))
        ));
        assert_eq!(webhooks.get("github").unwrap(), Some(one.clone()));
        assert_eq!(webhooks.all().unwrap(), [other, one.clone()]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.path().join("webhooks")), 0o700);
        assert_eq!(mode(&state.path().join("webhooks/github.json")), 0o600);
        assert_eq!(webhooks.remove("github").unwrap(), one);
        assert!(matches!(webhooks.remove("github"), Err(Error::Unknown(_))));
        assert_eq!(webhooks.get("github").unwrap(), None);
        for odd in [
            "../webhooks/a-second",
            "a-second.json",
            "",
            ".",
            "A-Second",
            "a/b",
        ] {
            assert_eq!(webhooks.get(odd).unwrap(), None, "{odd}");
        }
    }

    #[test]
    fn what_a_crash_left_behind_stands_in_nobodys_way() {
        let state = tempfile::tempdir().unwrap();
        let webhooks = Webhooks::of(state.path());
        fs::create_dir(state.path().join("webhooks")).unwrap();
        fs::write(state.path().join("webhooks/.github.new"), "{").unwrap();
        assert_eq!(webhooks.all().unwrap(), []);
        webhooks.add(&webhook("github")).unwrap();
        assert_eq!(webhooks.all().unwrap().len(), 1);
        // One that is broken is an error, and not as if there were none.
        fs::write(state.path().join("webhooks/broken.json"), "{").unwrap();
        assert!(matches!(webhooks.get("broken"), Err(Error::NotRead { .. })));
    }

    #[test]
    fn a_url_is_one_that_git_fetches_from_without_a_secret_in_it() {
        for (url, called) in [
            ("https://github.com/acme/shop.git", Some("acme/shop")),
            ("https://github.com/acme/shop", Some("acme/shop")),
            ("https://mia@gitlab.com/a/b/shop.git", Some("a/b/shop")),
            ("ssh://git@github.com:22/acme/shop.git", Some("acme/shop")),
            ("git@github.com:acme/shop.git", Some("acme/shop")),
            ("file:///srv/shop.git", None),
            ("https://example.org/shop.git", None),
        ] {
            let origin = Origin::url(url).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(origin.called().as_deref(), called, "{url}");
        }
        for bad in [
            "",
            "/srv/shop.git",
            "shop.git",
            "http://github.com/acme/shop.git",
            "git://github.com/acme/shop.git",
            "ext::sh -c true",
            "ext::sh",
            "--upload-pack=x",
            "https://",
            "file://host/srv",
            "https://github.com/acme/sh op",
        ] {
            assert!(Origin::url(bad).is_err(), "{bad}");
        }
        let why = Origin::url("https://mia:hunter2@example.org/a/b").unwrap_err();
        assert!(!why.contains("hunter2"), "{why}");
        for (path, good) in [
            ("/srv/shop.git", true),
            ("srv", false),
            ("", false),
            ("/a\n", false),
        ] {
            assert_eq!(Origin::folder(path).is_ok(), good, "{path:?}");
        }
    }
}
