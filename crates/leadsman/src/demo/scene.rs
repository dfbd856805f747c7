//! Everything that is there while an act is played, and what every act does with it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use leadsman_api::{
    Client, Command, Deployment, EnvironmentStatus, Event, HistoryQuery, Moment, Phase,
    RolloutStage, StatusQuery,
};

use super::control::Control;
use super::record::{ActRecord, Fate};
use super::scratch::Scratch;
use super::sender::Sender;
use super::tally::Tally;
use super::tell::Teller;
use super::users::Users;
use super::version::{self, Version};
use crate::shipment::Prepared;

/// How long a question about the status waits for a change, in milliseconds: how often what moves
/// all the time is looked at.
const WAIT_MS: u64 = 100;

/// How many events of the history are looked at; a deployment here has some thirty.
const EVENTS: u32 = 200;

/// The stage on which the acts are played.
pub(super) struct Scene {
    // In this order they end: users first, so that nobody is failed by the end itself.
    pub(super) users: Users,
    pub(super) control: Control,
    pub(super) client: Client,
    pub(super) scratch: Scratch,
    pub(super) teller: Teller,
    pub(super) address: SocketAddr,
    /// What was counted in all acts that are over.
    pub(super) counted: Tally,
    sender: Sender,
    application: String,
    environment: String,
}

/// One look at how things stand. The tally is a little older than the status.
pub(super) struct Look {
    pub(super) tally: Tally,
    pub(super) status: EnvironmentStatus,
}

/// What was recorded of one deployment, the oldest first.
pub(super) struct Facts(Vec<Event>);

/// The port was taken between being found and being used.
#[derive(Debug, thiserror::Error)]
#[error("requests are not accepted: {0}")]
pub(super) struct NotListening(pub(super) String);

impl Scene {
    /// Sets the stage with `users` virtual users in front of it. Nothing is started yet but them.
    pub(super) fn set(
        scratch: Scratch,
        control: Control,
        users: usize,
        teller: Teller,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let sender = Sender::new(&scratch)?;
        Ok(Self {
            users: Users::start(address, users)?,
            control,
            client: sender.client(),
            scratch,
            teller,
            address,
            counted: Tally::default(),
            sender,
            application: "demo".to_owned(),
            environment: "production".to_owned(),
        })
    }

    /// Writes and packs a version. What `change` says makes it another one than any before.
    pub(super) fn pack(&self, version: Version, change: &str) -> anyhow::Result<Prepared> {
        version::write(version, change, self.address, &self.scratch)?;
        self.sender.pack(change)
    }

    /// Ships what was packed, and returns the deployment that brings it in.
    pub(super) async fn send(&self, prepared: Prepared) -> anyhow::Result<u64> {
        let shipped = self.sender.send(prepared).await?;
        shipped
            .deployment
            .context("the release waits for another one")
    }

    /// Packs and ships a version, and returns the deployment that brings it in.
    pub(super) async fn ship(&self, version: Version, change: &str) -> anyhow::Result<u64> {
        self.send(self.pack(version, change)?).await
    }

    /// Gives a command.
    pub(super) async fn command(&self, command: &Command) -> anyhow::Result<()> {
        let accepted = self
            .client
            .command(&self.application, &self.environment, command);
        accepted.await?;
        Ok(())
    }

    /// Looks until `seen` has seen what it waits for, at most for `within`.
    pub(super) async fn watch<T>(
        &mut self,
        within: Duration,
        mut seen: impl FnMut(&Look) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + within;
        let mut after = None;
        loop {
            let tally = self.users.look().await?;
            let query = StatusQuery {
                after,
                wait_ms: after.map(|_| WAIT_MS),
            };
            let overview = self.client.status(&query).await?;
            after = Some(overview.version);
            let status = overview.environments.into_iter().find(|status| {
                status.application == self.application && status.environment == self.environment
            });
            let status = status.context("the environment is not there")?;
            if let Some(problem) = &status.url_problem {
                return Err(NotListening(problem.clone()).into());
            }
            let look = Look { tally, status };
            self.teller.live(&look);
            if let Some(found) = seen(&look) {
                self.teller.quiet();
                return Ok(found);
            }
            if Instant::now() >= deadline {
                self.teller.quiet();
                bail!(
                    "what was waited for did not come within {} s: {}",
                    within.as_secs(),
                    waits_for(&look.status)
                );
            }
        }
    }

    /// Watches a deployment until it has found its place.
    pub(super) async fn until_over(
        &mut self,
        deployment: u64,
        within: Duration,
    ) -> anyhow::Result<Deployment> {
        let over = |look: &Look| over(&look.status, deployment);
        self.watch(within, over).await
    }

    /// Returns what was recorded of a deployment.
    pub(super) async fn facts(&self, deployment: u64) -> anyhow::Result<Facts> {
        let query = HistoryQuery {
            limit: Some(EVENTS),
            ..HistoryQuery::default()
        };
        let history = self
            .client
            .history(&self.application, &self.environment, &query)
            .await?;
        let mut events = history.events;
        events.retain(|event| event.deployment == Some(deployment));
        events.reverse();
        Ok(Facts(events))
    }

    /// Ends an act: takes what was counted, and puts down what is the same for every act.
    pub(super) async fn conclude(
        &mut self,
        record: &mut ActRecord,
        deployment: &Deployment,
        facts: &Facts,
    ) -> anyhow::Result<Tally> {
        let tally = self.users.take().await?;
        self.counted.add(&tally);
        record.release = deployment.release;
        record.requests = tally.requests();
        record.answers = tally.answers_of(deployment.release);
        record.failed_by_platform = tally.failed();
        record.outcome = fate(deployment.phase, record.answers);
        record.reason = deployment.cause.clone().or_else(|| facts.let_through());
        let decided = facts.first("rollback_started");
        let began = facts
            .first("soak_started")
            .or(facts.first("deployment_started"));
        record.detected_ms = since(decided, began);
        record.cut_ms = since(facts.first("service_returned"), decided);

        let expected = record.expected;
        let (outcome, failed) = (record.outcome, record.failed_by_platform);
        record.expect(outcome == expected, || {
            format!(
                "the release is {}, not {}",
                outcome.words(),
                expected.words()
            )
        });
        record.expect(failed == 0, || {
            format!(
                "{failed} requests were failed by the platform: {:?}",
                tally.failures
            )
        });
        Ok(tally)
    }
}

impl Look {
    /// Whether the rollout holds step `step` (counted from 1) in this look.
    pub(super) fn holds(&self, step: u16) -> bool {
        self.status.services.iter().any(|service| {
            service.rollout.as_ref().is_some_and(|rollout| {
                rollout.step == step && rollout.stage == RolloutStage::Soaking
            })
        })
    }
}

impl Facts {
    /// Returns when the first fact of a kind was recorded.
    pub(super) fn first(&self, kind: &str) -> Option<Moment> {
        let fact = self.0.iter().find(|event| event.kind == kind);
        fact.map(|event| event.at)
    }

    /// Returns how many facts of a kind there are.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.0.iter().filter(|event| event.kind == kind).count()
    }

    /// Returns the sentences of the facts of a kind.
    pub(super) fn sentences<'f>(&'f self, kind: &'f str) -> impl Iterator<Item = &'f str> {
        let facts = self.0.iter().filter(move |event| event.kind == kind);
        facts.map(|event| event.sentence.as_str())
    }

    /// Returns what let the release through in the end.
    fn let_through(&self) -> Option<String> {
        self.sentences("service_promoted").last().map(str::to_owned)
    }
}

/// Returns the deployment once it is where it stays without a person, for as long as the demo
/// looks.
pub(super) fn over(status: &EnvironmentStatus, number: u64) -> Option<Deployment> {
    let deployment = status.deployment.as_ref()?;
    let over = deployment.phase.is_promoted()
        || deployment.phase.is_over()
        || deployment.phase == Phase::Frozen;
    (deployment.number == number && over).then(|| deployment.clone())
}

fn fate(phase: Phase, answers: u64) -> Fate {
    match phase {
        Phase::Moving | Phase::Paused | Phase::Returning => Fate::Pending,
        Phase::Frozen => Fate::Frozen,
        Phase::Settling | Phase::Settled => Fate::Promoted,
        Phase::RolledBack if answers == 0 => Fate::Rejected,
        Phase::RolledBack => Fate::RolledBack,
        Phase::Superseded => Fate::Superseded,
        Phase::Abandoned => Fate::Abandoned,
    }
}

fn since(later: Option<Moment>, earlier: Option<Moment>) -> Option<u64> {
    Some(later?.millis_since(earlier?))
}

/// Says what an environment waits for.
pub(super) fn waits_for(status: &EnvironmentStatus) -> String {
    let reasons: Vec<&str> = status
        .reasons
        .iter()
        .map(|reason| reason.sentence.as_str())
        .collect();
    if reasons.is_empty() {
        "it waits for nothing".to_owned()
    } else {
        reasons.join("; ")
    }
}

/// Returns an address that is free at the moment. Somebody may take it before it is used: then the
/// whole stage is set once more, with another one.
fn free_address() -> anyhow::Result<SocketAddr> {
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    found.context("failed to find a free port")
}
