//! Asking control, without holding up what is drawn.

use std::time::Duration;

use leadsman_api::{Client, Command, SeriesQuery, StatusQuery};
use tokio::task::JoinSet;

use super::model::Look;
use super::update::{Input, Wish};
use crate::context::Context;
use crate::failure::Failure;
use crate::target::Target;
use crate::wait::WAIT;

/// How long control may take for what is only looked at: whoever watches wants to know soon that
/// it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long after one attempt to reach an absent control the next one is made.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks control, and owns every question until it is answered.
pub(super) struct Asker {
    /// For what is only looked at.
    client: Client,
    /// For what is decided.
    decider: Client,
    asked: JoinSet<Input>,
}

impl Asker {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            client: context.client().with_patience(PATIENCE),
            decider: context.client(),
            asked: JoinSet::new(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Begins to ask what is wished.
    pub(super) fn ask(&mut self, wish: Wish) {
        match wish {
            Wish::Status { after, later } => {
                self.asked.spawn(status(self.client.clone(), after, later));
            }
            Wish::Look {
                target,
                whole,
                series,
            } => {
                let client = self.client.clone();
                self.asked.spawn(look(client, target, whole, series));
            }
            Wish::Give {
                target,
                command,
                seen,
                reason,
            } => {
                let client = self.decider.clone().with_reason(reason);
                self.asked.spawn(give(client, target, command, seen));
            }
            Wish::Redraw | Wish::End(_) => {}
        }
    }

    /// Returns the next answer; `None` while nothing is asked.
    pub(super) async fn told(&mut self) -> Option<Input> {
        match self.asked.join_next().await? {
            Ok(told) => Some(told),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => None,
            },
        }
    }
}

async fn status(client: Client, after: Option<u64>, later: bool) -> Input {
    if later {
        tokio::time::sleep(PAUSE).await;
    }
    let query = StatusQuery {
        after,
        wait_ms: after.map(|_| WAIT.as_millis() as u64),
    };
    let told = client.status(&query).await;
    Input::Status(Box::new(told.map_err(Failure::from)))
}

async fn look(client: Client, target: Target, whole: bool, series: bool) -> Input {
    let Target {
        application,
        environment,
    } = &target;
    let choices = client.choices(application, environment).await;
    let events = if whole {
        let why = client.why(application, environment).await;
        Some(why.map(|why| why.events).map_err(Failure::from))
    } else {
        None
    };
    let series = if series {
        let newest = SeriesQuery::default();
        let series = client.series(application, environment, &newest).await;
        Some(series.map_err(Failure::from))
    } else {
        None
    };
    Input::Looked(Box::new(Look {
        choices: choices.map_err(Failure::from),
        events,
        series,
        target,
    }))
}

async fn give(client: Client, target: Target, command: Command, seen: u64) -> Input {
    let Target {
        application,
        environment,
    } = &target;
    let told = client
        .decide(application, environment, &command, Some(seen))
        .await;
    Input::Given(told.map_err(Failure::from))
}
