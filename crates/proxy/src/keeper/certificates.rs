//! What the keeper does about certificates.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Keeper;
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::worker::Message;

/// How long the disk may take to show the files of certificates. A table is not held up longer: a
/// weight may have to change.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

impl Keeper {
    /// Looks at the certificates of the table in force again and again, for ever.
    pub(crate) async fn watch_certificates(self: Rc<Self>) {
        loop {
            tokio::time::sleep(self.config.certificates_interval).await;
            self.look_again().await;
        }
    }

    /// Looks at the certificates of the table in force, and shows what has changed.
    pub(super) async fn look_again(&self) {
        // Not beside a new table, which looks for itself.
        let _applying = self.applying.lock().await;
        let table = self.state.borrow().snapshot.table.clone();
        if self.look_at_certificates(&table).await {
            self.show_certificates().await;
            tracing::info!("certificates have changed");
        }
    }

    /// Looks at the files that `table` names. Returns whether clients should be shown others from
    /// now on.
    pub(super) async fn look_at_certificates(&self, table: &Table) -> bool {
        if table
            .listeners
            .iter()
            .all(|listener| listener.tls.is_none())
        {
            return false;
        }
        // A disk that does not answer holds one thread, and not one more each time.
        let Ok(looking) = Arc::clone(&self.looking).try_lock_owned() else {
            return false;
        };
        let before = self.state.borrow().certificates.clone();
        let (known, table, secrets) = (before.clone(), table.clone(), self.secrets.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let _looking = looking;
            known.look(&table, &secrets)
        });
        let seen = match tokio::time::timeout(LOOK_LIMIT, looking).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                tracing::error!(%error, "looking at certificates ended badly");
                return false;
            }
            Err(_) => {
                tracing::error!(
                    "certificates cannot be read for a moment: their disk does not answer"
                );
                return false;
            }
        };
        for problem in seen.new_problems(&before) {
            tracing::error!("{problem}");
        }
        let is_other = !seen.show_the_same(&before);
        self.state.borrow_mut().certificates = seen;
        is_other
    }

    /// Brings what is known into use for new connections; those that are there go on.
    pub(super) async fn show_certificates(&self) {
        let _installing = self.installing.lock().await;
        let snapshot = {
            let state = self.state.borrow();
            let Snapshot {
                table,
                instances,
                queues,
                rates,
                ..
            } = &*state.snapshot;
            Arc::new(Snapshot {
                table: table.clone(),
                instances: instances.clone(),
                queues: queues.clone(),
                rates: Arc::clone(rates),
                shown: state
                    .certificates
                    .shown(table, &self.secrets, &state.challenges),
            })
        };
        self.ask(|done| Message::Swap(Arc::clone(&snapshot), done))
            .await;
        self.state.borrow_mut().snapshot = snapshot;
    }
}
