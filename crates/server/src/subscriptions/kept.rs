//! The subscriptions that admins have added, and how far each was told: two files each in the
//! folder `subscriptions` of the state folder.
//!
//! As with webhooks, they are no events of the log, because the log is exported and shown, and a
//! secret must not be in it. That one was added, removed or ended is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_core::id::is_name;
use leadsman_core::people::Reach;
use leadsman_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::address::{Address, Allowed};
use super::progress::Progress;
use crate::state_file;
use crate::webhooks::signed::Secret;

/// How many there may be: each has a task of its own.
const SUBSCRIPTIONS_MAX: usize = 50;

/// For how long the secret before the present one signs, too.
const BOTH_FOR: Duration = Duration::from_secs(24 * 3600);

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What it is called.
    pub(crate) name: String,
    /// Where it is told.
    pub(crate) address: Address,
    /// What is allowed of that.
    pub(crate) allowed: Allowed,
    /// In which words.
    pub(crate) format: Format,
    /// Only of events of these kinds; of all where there are none.
    pub(crate) only: Vec<String>,
    /// Only of what is about this.
    pub(crate) about: Reach,
    /// By what notices are signed.
    pub(crate) secret: Secret,
    /// By what they were signed before, and until when they are signed by that, too.
    pub(crate) previous: Option<(Secret, Timestamp)>,
    /// The position in the log from which on it is told.
    pub(crate) from: u64,
    /// When it was added.
    pub(crate) added_at: Timestamp,
    /// Who added it.
    pub(crate) added_by: String,
}

/// In which words a subscription is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Leadsman,
    CdEvents,
}

/// What keeps subscriptions.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    folder: PathBuf,
    /// Held while a file is written, so that nothing comes back that was removed.
    writing: Mutex<()>,
    /// Grows whenever one was added or removed.
    changed: watch::Sender<u64>,
}

/// A subscription could not be added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is a subscription called `{0}` already")]
    Known(String),
    #[error("there is no subscription called `{0}`")]
    Unknown(String),
    #[error(
        "there are {SUBSCRIPTIONS_MAX} subscriptions already, which is as many as there may be"
    )]
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

impl Format {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Leadsman => "leadsman",
            Self::CdEvents => "cdevents",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "leadsman" => Ok(Self::Leadsman),
            "cdevents" => Ok(Self::CdEvents),
            other => Err(format!(
                "`{other}` is no format: `leadsman` or `cdevents` is expected"
            )),
        }
    }
}

impl Kept {
    /// Returns the signatures of what is called `id`, is sent at `now` and says `body`.
    pub(crate) fn signatures(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let at = now.as_millis() / 1_000;
        let mut signatures = self.secret.sign(id, at, body);
        if let Some((previous, until)) = &self.previous
            && now < *until
        {
            signatures.push(' ');
            signatures.push_str(&previous.sign(id, at, body));
        }
        signatures
    }
}

impl Subscriptions {
    /// Names what is kept in the state folder `state`.
    pub(crate) fn of(state: &Path) -> Self {
        Self {
            folder: state.join("subscriptions"),
            writing: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }

    /// Returns what changes whenever a subscription is added or removed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn progress_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.progress"))
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        // What is written is whole whatever a thread that held it came to.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the subscription called `name`.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Kept>, Error> {
        // Whatever is no name leads out of the folder, or nowhere.
        if !is_name(name) {
            return Ok(None);
        }
        let path = self.path(name);
        state_file::read(&path).map_err(|source| Error::NotRead { path, source })
    }

    /// Returns the subscription called `name`.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub(crate) fn known(&self, name: &str) -> Result<Kept, Error> {
        let kept = self.get(name)?;
        kept.ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    /// Returns every subscription, by name.
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

    /// Keeps a subscription. When this returns, it is on the disk.
    pub(crate) fn add(&self, kept: &Kept) -> Result<(), Error> {
        let writing = self.writing();
        if self.names()?.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::TooMany);
        }
        let path = self.path(&kept.name);
        match state_file::create(&path, kept) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Known(kept.name.clone()));
            }
            Err(source) => return Err(Error::NotKept { path, source }),
        }
        drop(writing);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Gives the subscription called `name` another secret, and has the present one sign for a
    /// while, too.
    pub(crate) fn renew(&self, name: &str, secret: Secret, now: Timestamp) -> Result<Kept, Error> {
        let _writing = self.writing();
        let mut kept = self.known(name)?;
        let previous = std::mem::replace(&mut kept.secret, secret);
        kept.previous = Some((previous, now + BOTH_FOR));
        let path = self.path(name);
        let replaced = state_file::replace(&path, &kept);
        replaced.map_err(|source| Error::NotKept { path, source })?;
        Ok(kept)
    }

    /// Removes the subscription called `name`, secret and all.
    pub(crate) fn remove(&self, name: &str) -> Result<Kept, Error> {
        let writing = self.writing();
        let kept = self.known(name)?;
        let path = self.path(name);
        state_file::remove(&path).map_err(|source| Error::NotKept { path, source })?;
        let path = self.progress_path(name);
        match state_file::remove(&path) {
            // It was told nothing yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|source| Error::NotKept { path, source })?,
        }
        drop(writing);
        self.changed.send_modify(|count| *count += 1);
        Ok(kept)
    }

    /// Says how far a subscription was told.
    pub(crate) fn progress(&self, kept: &Kept) -> Result<Progress, Error> {
        let path = self.progress_path(&kept.name);
        let found: Option<Progress> =
            state_file::read(&path).map_err(|source| Error::NotRead { path, source })?;
        // What another one of the same name left says nothing of this one.
        let own = found.filter(|progress| progress.is_of(kept));
        Ok(own.unwrap_or_else(|| Progress::new(kept)))
    }

    /// Keeps how far a subscription was told, unless that is not there any more.
    pub(crate) fn keep_progress(&self, name: &str, progress: &Progress) -> Result<(), Error> {
        let _writing = self.writing();
        let kept = self.get(name)?;
        if !kept.is_some_and(|kept| progress.is_of(&kept)) {
            return Ok(());
        }
        let path = self.progress_path(name);
        state_file::replace(&path, progress).map_err(|source| Error::NotKept { path, source })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    pub(crate) fn kept(name: &str, url: &str) -> Kept {
        Kept {
            name: name.to_owned(),
            address: Address::try_from(url.to_owned()).unwrap(),
            allowed: Allowed {
                private_address: true,
                plain_http: false,
            },
            format: Format::Leadsman,
            only: Vec::new(),
            about: Reach::Everything,
            secret: Secret::make_signing().unwrap(),
            previous: None,
            from: 0,
            added_at: Timestamp::from_millis(7),
            added_by: "mia".to_owned(),
        }
    }

    #[test]
    fn what_was_added_is_kept_for_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::of(state.path());
        assert_eq!(subscriptions.all().unwrap(), []);
        let one = kept("chat", "https://hooks.example.org/T0/secret");
        subscriptions.add(&one).unwrap();
        let other = kept("archive", "https://example.org/");
        subscriptions.add(&other).unwrap();
        assert_eq!(subscriptions.all().unwrap(), [other, one.clone()]);
        assert!(matches!(subscriptions.add(&one), Err(Error::Known(name)) if name == "chat"));
        let folder = state.path().join("subscriptions");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("chat.json")), 0o600);
        for name in ["../subscriptions/chat", "", ".chat.json", "nothing"] {
            assert_eq!(subscriptions.get(name).unwrap(), None, "{name}");
        }
        assert_eq!(subscriptions.remove("chat").unwrap(), one);
        assert!(matches!(
            subscriptions.remove("chat"),
            Err(Error::Unknown(_))
        ));
        let shown = format!("{one:?}");
        assert!(
            !shown.contains("T0") && !shown.contains(one.secret.reveal()),
            "{shown}"
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let state = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::of(state.path());
        for number in 0..SUBSCRIPTIONS_MAX {
            let one = kept(&format!("s{number}"), "https://example.org/");
            subscriptions.add(&one).unwrap();
        }
        let one_more = kept("one-more", "https://example.org/");
        assert!(matches!(subscriptions.add(&one_more), Err(Error::TooMany)));
    }

    #[test]
    fn how_far_it_was_told_belongs_to_one_subscription_and_goes_with_it() {
        let state = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::of(state.path());
        let mut one = kept("chat", "https://example.org/");
        one.from = 3;
        subscriptions.add(&one).unwrap();
        let mut progress = subscriptions.progress(&one).unwrap();
        assert_eq!(progress.position, 3);
        progress.position = 9;
        subscriptions.keep_progress("chat", &progress).unwrap();
        assert_eq!(subscriptions.progress(&one).unwrap(), progress);
        subscriptions.remove("chat").unwrap();
        // Who was still telling it leaves nothing behind.
        subscriptions.keep_progress("chat", &progress).unwrap();
        let left = fs::read_dir(state.path().join("subscriptions")).unwrap();
        assert_eq!(left.count(), 0);
        let again = Kept {
            added_at: Timestamp::from_millis(8),
            from: 5,
            ..one
        };
        subscriptions.add(&again).unwrap();
        subscriptions.keep_progress("chat", &progress).unwrap();
        assert_eq!(subscriptions.progress(&again).unwrap().position, 5);
    }

    #[test]
    fn for_a_day_after_it_was_renewed_both_secrets_sign() {
        let state = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::of(state.path());
        let one = kept("chat", "https://example.org/");
        subscriptions.add(&one).unwrap();
        let now = Timestamp::from_millis(1_614_265_330_000);
        let secret = Secret::make_signing().unwrap();
        let renewed = subscriptions.renew("chat", secret.clone(), now).unwrap();
        assert_eq!(subscriptions.known("chat").unwrap(), renewed);
        let signatures = |at: Timestamp| renewed.signatures("id", at, b"{}");
        let by = |secret: &Secret, at: Timestamp| secret.sign("id", at.as_millis() / 1_000, b"{}");
        let later = now + BOTH_FOR;
        assert_eq!(
            signatures(now),
            format!("{} {}", by(&secret, now), by(&one.secret, now))
        );
        assert_eq!(signatures(later), by(&secret, later));
    }
}
