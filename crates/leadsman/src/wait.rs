//! Waiting for something to change, also across a restart of control.

use std::time::{Duration, Instant};

use leadsman_api::{Client, Error, Overview, StatusQuery};

use crate::failure::Failure;
use crate::output::Output;

/// How long a question waits for a change. Figures change all the time, so it is also how often
/// they are looked at.
pub(crate) const WAIT: Duration = Duration::from_secs(1);

/// How long control may be away before it is given up on. A restart takes about a second.
const ABSENCE: Duration = Duration::from_secs(60);

/// How long after one attempt to reach an absent control the next one is made.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks at everything again and again.
pub(crate) struct Watch {
    client: Client,
    output: Output,
    version: Option<u64>,
    /// Whether control has answered before, so that it may be expected to come back.
    was_there: bool,
}

impl Watch {
    pub(crate) fn new(client: Client, output: Output) -> Self {
        Self {
            client,
            output,
            version: None,
            was_there: false,
        }
    }

    /// Waits for control from the beginning, because it has just answered something else.
    #[must_use]
    pub(crate) fn after_contact(self) -> Self {
        Self {
            was_there: true,
            ..self
        }
    }

    /// Returns how everything stands: at once the first time, later when something has changed or
    /// a second is over.
    pub(crate) async fn next(&mut self) -> Result<Overview, Failure> {
        let wait_ms = self.version.map(|_| WAIT.as_millis() as u64);
        let query = StatusQuery {
            after: self.version,
            wait_ms,
        };
        let mut absent_since = None;
        loop {
            match self.client.status(&query).await {
                Ok(overview) => {
                    if absent_since.is_some() {
                        self.output.talk("control answers again");
                    }
                    self.version = Some(overview.version);
                    self.was_there = true;
                    return Ok(overview);
                }
                Err(Error::NotRunning { .. } | Error::Lost { .. }) if self.was_there => {}
                Err(error) => return Err(error.into()),
            }
            let since = *absent_since.get_or_insert_with(|| {
                self.output.talk(
                    "control does not answer; what serves goes on serving, and this waits for it",
                );
                Instant::now()
            });
            if since.elapsed() > ABSENCE {
                let at = self.client.place();
                return Err(Error::NotRunning { at }.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
