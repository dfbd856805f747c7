//! Obtaining certificates, one after the other, and again in time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Keeper, State, unix_ms};
use crate::certificates::acme::{self, Challenges, schedule};
use crate::certificates::to_obtain;
use crate::control;
use crate::table::Acme;

/// How long it may take to obtain one certificate: some requests, and the server's own to us.
const LIMIT: Duration = Duration::from_secs(120);

/// A certificate that could not be obtained.
pub(super) struct Missed {
    /// How it was asked for; asked for otherwise it is another matter.
    acme: Acme,
    /// How often in a row.
    failures: u32,
    next_at: Instant,
    problem: String,
}

impl Keeper {
    /// Obtains certificates that are missing, and those that have to be renewed, for ever.
    pub(crate) async fn obtain_certificates(self: Rc<Self>) {
        loop {
            let due = self.due();
            match due {
                Some((host, acme)) => self.obtain(host, acme).await,
                None => tokio::time::sleep(self.config.certificates_interval).await,
            }
        }
    }

    /// Returns a host that needs a certificate now, and how to get it.
    fn due(&self) -> Option<(String, Acme)> {
        let state = self.state.borrow();
        let now = Instant::now();
        let is_due = |host: &str, acme: &Acme| {
            let missed = state.missed.get(host);
            let waits = missed.is_some_and(|missed| missed.next_at > now && missed.acme == *acme);
            !waits && self.is_missing(&state, host)
        };
        let mut hosts = to_obtain(&state.snapshot.table).into_iter();
        let (host, acme) = hosts.find(|(host, acme)| is_due(host, acme))?;
        Some((host.to_owned(), acme.clone()))
    }

    /// Says whether there is no certificate for `host`, or one that has to be renewed.
    fn is_missing(&self, state: &State, host: &str) -> bool {
        let Some(pair) = state.certificates.obtained(host, &self.secrets) else {
            return true;
        };
        let is_for_it = pair.names.iter().any(|name| name == host);
        !is_for_it || unix_ms() / 1000 >= schedule::renewed_at(host, &pair.valid)
    }

    async fn obtain(&self, host: String, acme: Acme) {
        tracing::info!(host, directory = acme.directory, "obtaining a certificate");
        let why = self.try_to_obtain(&host, &acme).await;
        let mut state = self.state.borrow_mut();
        let before = state.missed.remove(&host);
        let Err(why) = why else {
            tracing::info!(host, "a certificate was obtained");
            return;
        };
        let failures = before.map_or(1, |missed| missed.failures.saturating_add(1));
        let wait = schedule::retried_in(&host, failures, self.config.acme_retry);
        let problem = format!(
            "cannot obtain a certificate for `{host}` from `{}`: {why}; tried {failures} times, \
             again in {}",
            acme.directory,
            in_words(wait),
        );
        tracing::error!("{problem}");
        let missed = Missed {
            acme,
            failures,
            next_at: Instant::now() + wait,
            problem,
        };
        state.missed.insert(host, missed);
    }

    /// Obtains a certificate and shows it from then on.
    ///
    /// # Errors
    /// In words: why not, and what to do.
    async fn try_to_obtain(&self, host: &str, acme: &Acme) -> Result<(), String> {
        let publish = async |answer| {
            let mut challenges = Challenges::clone(&self.state.borrow().challenges);
            challenges.add(answer);
            self.answer_challenges(challenges).await;
        };
        let obtaining = acme::obtain(acme, host, &self.secrets, publish);
        let obtained = tokio::time::timeout(LIMIT, obtaining).await;
        self.answer_challenges(Challenges::default()).await;
        match obtained {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let what_to_do = error.what_to_do(acme.challenge);
                return Err(format!("{}; {what_to_do}", error.sentence()));
            }
            Err(_) => {
                return Err(format!(
                    "it took longer than {LIMIT:?}; see whether the server is well"
                ));
            }
        }
        self.look_again().await;
        // To ask for another one at once would not help, and servers count.
        if self.is_missing(&self.state.borrow(), host) {
            let why = "it was obtained, but cannot be read back, or should be renewed already; see \
                whether the disk and the clock are well";
            return Err(why.to_owned());
        }
        Ok(())
    }

    /// Has all workers answer these challenges and no others.
    async fn answer_challenges(&self, challenges: Challenges) {
        {
            let mut state = self.state.borrow_mut();
            if state.challenges.is_empty() && challenges.is_empty() {
                return;
            }
            state.challenges = Arc::new(challenges);
        }
        self.show_certificates().await;
    }

    /// Says how the certificates are.
    pub(super) fn certificates(&self, state: &State) -> Vec<control::Certificate> {
        let missed = |host: &str| Some(state.missed.get(host)?.problem.clone());
        let table = &state.snapshot.table;
        let certificates = &state.certificates;
        certificates.status(table, &self.secrets, unix_ms(), missed)
    }
}

impl State {
    /// Forgets what could not be obtained and is asked for no more.
    pub(super) fn forget_missed(&mut self) {
        let hosts = to_obtain(&self.snapshot.table);
        self.missed
            .retain(|host, _| hosts.contains_key(host.as_str()));
    }
}

fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
