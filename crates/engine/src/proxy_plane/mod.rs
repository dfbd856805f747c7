//! The built-in proxy as the engine's data plane.
//!
//! One proxy serves all environments of a machine, so each environment's routes are a part of one
//! table: an environment replaces its own part and leaves the others as they are. What belongs to
//! whom is told by the names in the table, so that a control that has just started can replace
//! one part without knowing the rest.

mod entrance;
mod names;
#[cfg(test)]
mod samples;
mod table;
mod told;
mod treatment;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use leadsman_core::id::EnvironmentId;
use leadsman_core::route::{AcknowledgedRoutes, Routes};
use leadsman_proxy::control::{Client, ClientError, Status};
use tokio::sync::Notify;

use crate::data_plane::{BoxFuture, DataPlane, SideWindow};

/// How often the proxy is asked for its status while nothing drains.
const CALM: Duration = Duration::from_secs(2);

/// How often it is asked while something drains or does not answer.
const BUSY: Duration = Duration::from_millis(100);

/// The built-in proxy, reached over its control socket.
#[derive(Debug)]
pub struct ProxyPlane {
    client: Client,
    /// What the proxy said last; `None` while it does not answer.
    status: Mutex<Option<Status>>,
    /// Why the proxy did not take the routes of an environment, until it takes newer ones.
    refused: Mutex<BTreeMap<EnvironmentId, String>>,
    /// Held while a table is changed, so that two environments do not overwrite one another.
    changing: tokio::sync::Mutex<()>,
    heard: Notify,
    /// The series of windows that was read (`None` before the first time), and the last one of them.
    cursor: Mutex<Cursor>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    series: Option<u64>,
    sequence: u64,
}

impl ProxyPlane {
    /// Returns the proxy behind `client`; asks it for its status first.
    pub async fn connect(client: Client) -> Self {
        let plane = Self {
            client,
            status: Mutex::new(None),
            refused: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            heard: Notify::new(),
            cursor: Mutex::default(),
        };
        plane.refresh().await;
        plane
    }

    /// Asks the proxy for its status; returns whether it differs from what was known.
    async fn refresh(&self) -> bool {
        let status = self.client.status().await.ok().map(told::of_concern);
        let mut known = lock(&self.status);
        let differs = *known != status;
        if let Some(status) = &status {
            say_what_was_cut_short(known.as_ref(), status);
        }
        *known = status;
        differs
    }

    fn is_calm(&self) -> bool {
        lock(&self.status)
            .as_ref()
            .is_some_and(|s| s.draining.is_empty() && s.problems.is_empty() && s.unsaved.is_none())
    }

    async fn change(
        &self,
        environment: &EnvironmentId,
        version: u64,
        routes: &Routes,
    ) -> Result<(), ClientError> {
        let _changing = self.changing.lock().await;
        // What is in force now, not what it was when it was last looked at.
        let status = self.client.status().await?;
        let Some(table) = table::exchange(status.table, environment, version, routes) else {
            let message = format!(
                "routes of a newer version than {version} are in force: another control decided \
                 them, or the event log here is older than the data plane's saved table"
            );
            let what = format!("the routes of `{environment}`");
            return Err(ClientError::Refused { what, message });
        };
        // Should somebody else change it meanwhile, it is of another generation, and this is refused.
        self.client.apply(&table).await?;
        Ok(())
    }

    /// Whether the table that the proxy told last is as it should be already. A control that has just
    /// started finds that of every environment.
    fn is_in_force(&self, environment: &EnvironmentId, version: u64, routes: &Routes) -> bool {
        let known = lock(&self.status);
        let Some(status) = known.as_ref().filter(|status| status.unsaved.is_none()) else {
            return false;
        };
        let wanted = table::exchange(status.table.clone(), environment, version, routes);
        wanted.is_some_and(|wanted| wanted.listeners == status.table.listeners)
    }

    /// Keeps why the routes of `environment` were refused, if they were: that concerns who wrote
    /// them. Why the proxy could not be asked is seen elsewhere, and passes.
    fn keep_refusal(&self, environment: &EnvironmentId, done: Result<(), ClientError>) {
        if let Err(problem) = &done {
            tracing::warn!(%environment, %problem, "the proxy did not take the routes");
        }
        let mut refused = lock(&self.refused);
        match done {
            Err(ClientError::Refused { message, .. }) => {
                refused.insert(environment.clone(), message);
            }
            Ok(()) | Err(_) => {
                refused.remove(environment);
            }
        }
    }

    async fn next_windows(&self) -> Result<Vec<SideWindow>, String> {
        let in_words = |error: ClientError| error.to_string();
        loop {
            let before = *lock(&self.cursor);
            let status = self.client.status().await.map_err(in_words)?;
            let Status {
                series, tripped, ..
            } = status;
            let known = lock(&self.status)
                .as_ref()
                .map(|status| status.tripped == tripped);
            if known == Some(false) {
                self.heard.notify_one();
            }
            // A process that crashed took its windows along: the next one has its own, and nobody
            // has read them. One that was succeeded handed them over.
            let same = before.series == Some(series);
            let after = if same { before.sequence } else { 0 };
            let windows = self.client.windows(after).await.map_err(in_words)?;
            let sequence = windows.iter().map(|window| window.sequence).max();
            let sequence = sequence.unwrap_or(after);
            *lock(&self.cursor) = Cursor {
                series: Some(series),
                sequence,
            };
            if !windows.is_empty() {
                let fresh = before.series.is_some();
                return Ok(windows
                    .into_iter()
                    .map(|window| told::sides(window, series, fresh))
                    .collect());
            }
        }
    }
}

impl DataPlane for ProxyPlane {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.is_in_force(environment, version, routes) {
                self.keep_refusal(environment, Ok(()));
                return;
            }
            let done = self.change(environment, version, routes).await;
            self.keep_refusal(environment, done);
            self.refresh().await;
        })
    }

    fn acknowledged(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes> {
        let acknowledged = lock(&self.status)
            .as_ref()
            .map(|status| told::acknowledged(status, environment))?;
        let refused = lock(&self.refused).get(environment).cloned();
        Some(AcknowledgedRoutes {
            problem: acknowledged.problem.or(refused),
            ..acknowledged
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let pause = if self.is_calm() { CALM } else { BUSY };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.heard.notified() => {}
                }
                if self.refresh().await {
                    return;
                }
            }
        })
    }

    fn windows(&self) -> BoxFuture<'_, Result<Vec<SideWindow>, String>> {
        Box::pin(async move {
            let windows = self.next_windows().await;
            if windows.is_err() {
                self.heard.notify_one();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            windows
        })
    }
}

/// A lock that is held for a few assignments only; what panicked meanwhile left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says which requests were cut short since `before`, once.
fn say_what_was_cut_short(before: Option<&Status>, now: &Status) {
    let known = |instance| before.and_then(|before| before.draining.get(instance));
    for (instance, draining) in &now.draining {
        let is_said = known(instance).is_some_and(|known| known.cut_short == draining.cut_short);
        if draining.cut_short.sum() > 0 && !is_said {
            let cut_short = draining.cut_short;
            tracing::warn!(instance, %cut_short, "its time to drain is up");
        }
    }
}
