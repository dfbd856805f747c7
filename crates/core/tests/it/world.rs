//! A small world for the domain: instances start, the data plane acknowledges, time passes.
//!
//! It knows nothing but the domain's own types and has no clock but its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use leadsman_analysis::{AgainstStable, Evidence, Limits, Outcome, Verdict};
use leadsman_core::checklist::{Check, Checked};
use leadsman_core::entrance::Entrance;
use leadsman_core::entry::{EntryRules, Identity, KnownFacts, Source};
use leadsman_core::errand::{ErrandEnd, ErrandId, ObservedErrand};
use leadsman_core::id::{
    DeploymentNumber, Digest, EnvironmentId, EnvironmentName, InstanceId, ReleaseNumber,
    RevisionId, ServiceName,
};
use leadsman_core::people::People;
use leadsman_core::route::{AcknowledgedRoutes, Draining, Routes, Tripped};
use leadsman_core::spec::{
    BaselineKind, OnInconclusive, Probe, Readiness, ReleasedService, RouteRule, ServiceSpec,
    Sizing, Step, Stop, Strategy,
};
use leadsman_core::time::Timestamp;
use leadsman_core::traffic::Traffic;
use leadsman_core::weight::Weight;
use leadsman_core::workload::{InstanceState, ObservedInstance};
use leadsman_core::{
    Command, Environment, Event, Observed, Passed, Plan, Refusal, ReleaseContent, Routing, Stage,
    decide, evolve, invariant, plan,
};

/// Returns a name of whatever kind is asked for.
pub(crate) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a usable name")
}

/// Returns a canary of these weights in percent, each held for a minute.
pub(crate) fn canary(percents: &[u16]) -> Strategy {
    let soak = Some(Duration::from_secs(60));
    let mut steps: Vec<Step> = percents
        .iter()
        .map(|p| Step {
            weight: Weight::percent(*p),
            soak,
        })
        .collect();
    if percents.last() != Some(&100) {
        steps.push(Step {
            weight: Weight::ALL,
            soak: None,
        });
    }
    Strategy {
        steps,
        sizing: Sizing::Proportional,
        keep_warm: Duration::from_secs(300),
        patience: Duration::from_secs(600),
        on_inconclusive: OnInconclusive::Hold,
        baseline: BaselineKind::Stable,
    }
}

/// Returns a blue/green switch.
pub(crate) fn blue_green() -> Strategy {
    Strategy {
        sizing: Sizing::Full,
        ..canary(&[])
    }
}

/// Returns a rolling update of `instances` instances.
pub(crate) fn rolling(instances: u16) -> Strategy {
    let steps = (1..=instances)
        .map(|k| Step {
            weight: Weight::of(k, instances),
            soak: None,
        })
        .collect();
    Strategy {
        steps,
        sizing: Sizing::InTurn,
        keep_warm: Duration::ZERO,
        ..canary(&[])
    }
}

/// Returns a service; `version` is what differs between releases.
pub(crate) fn service(version: u64, instances: u16, strategy: &Strategy) -> ReleasedService {
    let second = Duration::from_secs(1);
    ReleasedService {
        spec: ServiceSpec {
            instances,
            run: vec!["serve".to_owned(), version.to_string()],
            serve: None,
            artifact: None,
            folder: ".".to_owned(),
            env: BTreeMap::new(),
            user: None,
            memory: None,
            files: None,
            protocol: leadsman_core::spec::Protocol::Http1,
            ready: Readiness {
                probe: Probe::Tcp,
                every: second,
                timeout: second,
                within: second * 60,
                steady: Duration::ZERO,
            },
            stop: Stop {
                signal: "TERM".to_owned(),
                drain: second * 30,
                grace: second * 10,
            },
            after: Vec::new(),
            strategy: strategy.clone(),
            limits: Limits {
                errors: Some(0.05),
                p95: None,
                p99: None,
                memory: None,
                restarts: Some(0),
                against_stable: AgainstStable::default(),
                ..Limits::default()
            },
            metrics: BTreeMap::new(),
            traffic: Traffic::default(),
        },
        artifact: None,
        origin: "/srv".to_owned(),
    }
}

/// Returns a release of these services, each after the one before it if `chained`.
pub(crate) fn content(services: &[(&str, ReleasedService)], chained: bool) -> Arc<ReleaseContent> {
    let mut all = BTreeMap::new();
    let mut before: Option<ServiceName> = None;
    for (text, service) in services {
        let mut service = service.clone();
        if chained {
            service.spec.after = before.iter().cloned().collect();
        }
        before = Some(name(text));
        all.insert(name(text), Arc::new(service));
    }
    let rules = all
        .keys()
        .map(|service: &ServiceName| RouteRule::to(service.clone(), format!("/{service}")))
        .collect();
    let listen = "127.0.0.1:8080".parse().expect("an address");
    Arc::new(ReleaseContent {
        routing: Routing {
            listen,
            entrance: Entrance::default(),
            rules,
        },
        services: all,
        entry: EntryRules::default(),
        migration: None,
    })
}

/// The command that ships a release of which nothing more is known.
pub(crate) fn shipping(release: u64, content: &Arc<ReleaseContent>) -> Command {
    Command::Ship {
        release: ReleaseNumber(release),
        content: Arc::clone(content),
        identity: Identity {
            digest: Digest::from_bytes([7; 32]),
            source: Source::default(),
        },
        expedited: None,
        one_way: None,
    }
}

/// What the judge says of a service's present step.
pub(crate) type Judge = dyn FnMut(&ServiceName, &RevisionId, Duration) -> Option<Outcome>;

pub(crate) struct World {
    pub(crate) environment: Environment,
    pub(crate) now: Timestamp,
    pub(crate) instances: BTreeMap<InstanceId, ObservedInstance>,
    pub(crate) acknowledged: Option<AcknowledgedRoutes>,
    /// The commands that are run once. They run until a test says how they end.
    pub(crate) errands: BTreeMap<ErrandId, ObservedErrand>,
    /// Whether the data plane answers.
    pub(crate) data_plane: bool,
    /// Revisions whose instances never become ready.
    pub(crate) never_ready: BTreeSet<ReleaseNumber>,
    pub(crate) judge: Box<Judge>,
    /// How strongly the judge says that its figures speak.
    pub(crate) evidence: Option<Evidence>,
    /// What reports say of releases.
    pub(crate) facts: BTreeMap<ReleaseNumber, Arc<KnownFacts>>,
    /// What took all traffic in other environments.
    pub(crate) elsewhere: BTreeMap<EnvironmentName, BTreeSet<ReleaseNumber>>,
    /// What the machine has found out.
    pub(crate) checks: BTreeMap<Check, Checked>,
    /// Who there is.
    pub(crate) people: Arc<People>,
    pub(crate) timeline: String,
    pub(crate) events: Vec<(Timestamp, Event)>,
    port: u16,
}

impl World {
    pub(crate) fn new() -> Self {
        let id = EnvironmentId {
            application: name("shop"),
            environment: name("production"),
        };
        Self {
            environment: Environment::new(id),
            now: Timestamp::from_millis(0),
            instances: BTreeMap::new(),
            acknowledged: Some(AcknowledgedRoutes::default()),
            errands: BTreeMap::new(),
            data_plane: true,
            never_ready: BTreeSet::new(),
            judge: Box::new(|_, _, _| Some(Outcome::Pass)),
            evidence: None,
            facts: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            people: Arc::default(),
            checks: BTreeMap::new(),
            timeline: String::new(),
            events: Vec::new(),
            port: 20_000,
        }
    }

    pub(crate) fn ship(&mut self, release: u64, content: &Arc<ReleaseContent>) {
        self.ask(&shipping(release, content))
            .expect("the release is accepted");
    }

    /// Asks as `ann` does, and notes a refusal in the timeline.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<(), Refusal> {
        self.ask_as("ann", command)
    }

    /// Asks as `who` does, and notes a refusal in the timeline.
    pub(crate) fn ask_as(&mut self, who: &str, command: &Command) -> Result<(), Refusal> {
        match decide(&self.environment, command, who) {
            Ok(events) => {
                for event in &events {
                    self.record(event);
                }
                Ok(())
            }
            Err(refusal) => {
                self.note(&format!("refused[{}]: {refusal}", refusal.code()));
                Err(refusal)
            }
        }
    }

    pub(crate) fn note(&mut self, text: &str) {
        let seconds = self.now.as_millis() / 1000;
        writeln!(self.timeline, "{seconds} s: {text}").expect("a string takes it");
    }

    fn record(&mut self, event: &Event) {
        self.environment = evolve(self.environment.clone(), self.now, event);
        self.events.push((self.now, event.clone()));
        let detail = match event {
            Event::DeploymentStarted {
                release, rollouts, ..
            } => {
                let services: Vec<&str> = rollouts.keys().map(ServiceName::as_str).collect();
                format!(" {release} ({})", services.join(", "))
            }
            Event::DeploymentQueued { release, .. } => format!(" {release}"),
            Event::BaselineGivenUp { service, why } => format!(" {service}: {why}"),
            Event::RolloutStarted { service }
            | Event::SoakStarted { service, .. }
            | Event::StepsSkipped { service, .. }
            | Event::ServiceReturned { service } => format!(" {service}"),
            Event::StepPassed {
                service, passed, ..
            }
            | Event::ServicePromoted { service, passed } => match passed {
                Passed::Unproven { .. } => format!(" {service}{passed}"),
                Passed::Judged { .. } | Passed::Ready | Passed::ByHand { .. } => {
                    format!(" {service}")
                }
            },
            Event::WeightShifted {
                service, weight, ..
            } => format!(" {service} {weight}"),
            Event::VerdictReached { service, verdict } => {
                format!(" {service} {:?}", verdict.outcome)
            }
            Event::RollbackStarted { services, cause } => {
                let services: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
                format!(" {} because {cause}", services.join(", "))
            }
            Event::DeploymentFrozen { why } => format!(" {why}"),
            Event::MigrationStarted { .. }
            | Event::MigrationEnded { .. }
            | Event::OldWatched { .. } => format!(" {event}"),
            Event::DeploymentEnded { end } => format!(" {end:?}"),
            Event::DeploymentPromoted {}
            | Event::DeploymentPaused { .. }
            | Event::DeploymentResumed { .. } => String::new(),
            Event::ServicesClosed { .. }
            | Event::ServicesOpened { .. }
            | Event::EntryRequested { .. }
            | Event::EntryApproved { .. }
            | Event::EntryJudged { .. }
            | Event::ApprovalsRevoked { .. }
            | Event::EntryRejected { .. }
            | Event::EntryExpired { .. }
            | Event::EntryOvertaken { .. }
            | Event::EntryAdmitted { .. }
            | Event::ItemAnswered { .. }
            | Event::ItemMissed { .. }
            | Event::FreezeBegun { .. }
            | Event::FreezeExcepted { .. }
            | Event::FreezeEnded { .. } => format!(": {event}"),
        };
        self.note(&format!("{}{detail}", event.kind()));
    }

    pub(crate) fn observed(&mut self) -> Observed {
        let mut verdicts = BTreeMap::new();
        let rollouts = self.environment.deployment.iter().flat_map(|d| &d.rollouts);
        for (service, rollout) in rollouts {
            let (Stage::Preparing { since, .. }
            | Stage::Shifting { since, .. }
            | Stage::Soaking { since, .. }
            | Stage::Promoted { at: since }) = rollout.stage
            else {
                continue;
            };
            if rollout.weight() == Weight::NONE {
                continue;
            }
            let held = self.now.since(since);
            if let Some(outcome) = (self.judge)(service, &rollout.to.id, held) {
                let requests = if outcome == Outcome::NoData { 0 } else { 500 };
                let sentence = format!("{outcome:?} after {requests} requests");
                let verdict = Verdict {
                    outcome,
                    requests,
                    sentence,
                    findings: Vec::new(),
                    evidence: self.evidence,
                };
                verdicts.insert(service.clone(), verdict);
            }
        }
        Observed {
            instances: self.instances.clone(),
            errands: self.errands.clone(),
            routes: self.acknowledged.clone().filter(|_| self.data_plane),
            verdicts,
            elsewhere: self.elsewhere.clone(),
            facts: self.facts.clone(),
            people: Arc::clone(&self.people),
            checks: self.checks.clone(),
        }
    }

    /// Plans, records facts and carries out effects until nothing more follows at this moment.
    /// Returns the last plan.
    pub(crate) fn settle(&mut self) -> Plan {
        for _ in 0..200 {
            let observed = self.observed();
            let plan = plan(&self.environment, &observed, self.now);
            let violations = invariant::check(&self.environment, &observed, &plan);
            assert!(
                violations.is_empty(),
                "{}\n{}",
                violations[0],
                self.timeline
            );
            if !plan.facts.is_empty() {
                for fact in &plan.facts {
                    self.record(fact);
                }
                continue;
            }
            let all = |it: &Self| {
                let errands = it.errands.clone();
                (it.instances.clone(), it.acknowledged.clone(), errands)
            };
            let before = all(self);
            if self.data_plane
                && let Some(routes) = &plan.routes
            {
                self.acknowledge(routes);
            }
            self.run(&plan);
            if before == all(self) {
                return plan;
            }
        }
        unreachable!("it never comes to rest\n{}", self.timeline);
    }

    /// The data plane cuts `release` off by itself.
    pub(crate) fn trip(&mut self, release: u64) {
        let acknowledged = self.acknowledged.as_mut().expect("it has acknowledged");
        for weights in acknowledged.weights.values_mut() {
            let is_cut = |revision: &RevisionId| revision.release == ReleaseNumber(release);
            let Some(cut) = weights.keys().find(|revision| is_cut(revision)).cloned() else {
                continue;
            };
            let share = weights
                .insert(cut.clone(), Weight::NONE)
                .unwrap_or_default();
            let heir = weights.iter_mut().find(|(revision, _)| !is_cut(revision));
            if let Some((_, weight)) = heir {
                *weight = Weight::from_hundredths(weight.hundredths() + share.hundredths());
            }
            let tripped = Tripped {
                at: self.now,
                requests: 3,
                sentence: "3 of 3 answers failed".to_owned(),
            };
            acknowledged.tripped.insert(cut, tripped);
        }
    }

    fn acknowledge(&mut self, routes: &Routes) {
        let before = self.acknowledged.take().unwrap_or_default();
        let mut tripped = before.tripped;
        let mut routes = routes.clone();
        tripped.retain(|revision, _| {
            let mut sides = routes.services.values().flatten();
            sides.any(|side| side.revision == *revision)
        });
        routes.cut_off(&tripped);
        let (weights, instances) = (routes.weights(), routes.instances());
        let draining = before
            .instances
            .difference(&instances)
            .map(|id| {
                (
                    id.clone(),
                    Draining {
                        since: self.now,
                        in_flight: 0,
                    },
                )
            })
            .collect();
        self.acknowledged = Some(AcknowledgedRoutes {
            weights,
            instances,
            draining,
            tripped,
            ..AcknowledgedRoutes::default()
        });
    }

    /// Has an errand that runs come to its end.
    pub(crate) fn end_errand(&mut self, id: ErrandId, failure: Option<&str>) {
        let seen = self.errands.get_mut(&id).expect("it was begun");
        *seen = ObservedErrand::Over(ErrandEnd {
            failure: failure.map(str::to_owned),
            last: Vec::new(),
            took: Duration::from_secs(3),
        });
        self.settle();
    }

    fn run(&mut self, plan: &Plan) {
        for (id, errand) in &plan.workloads.errands {
            let running = || ObservedErrand::Running(None);
            let seen = self.errands.entry(*id).or_insert_with(running);
            if errand.ended && *seen == running() {
                *seen = ObservedErrand::Over(ErrandEnd {
                    failure: Some("it was ended".to_owned()),
                    last: Vec::new(),
                    took: Duration::from_secs(1),
                });
            }
        }
        self.instances
            .retain(|id, _| plan.workloads.instances.contains_key(id));
        for (id, instance) in &plan.workloads.instances {
            if self.instances.contains_key(id) {
                continue;
            }
            self.port += 1;
            let ready = !self.never_ready.contains(&instance.revision.release);
            let seen = ObservedInstance {
                revision: instance.revision.clone(),
                state: InstanceState::Running,
                address: Some(([127, 0, 0, 1], self.port).into()),
                started_at: self.now,
                ready_since: ready.then_some(self.now),
                restarts: 0,
                memory: None,
                cpu: None,
                detail: (!ready).then(|| "GET /health: connection refused".to_owned()),
            };
            self.instances.insert(id.clone(), seen);
        }
    }

    /// Lets time pass until `seconds` from now, second by second.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            self.settle();
        }
    }

    /// Returns the share of `service` that goes to `release`, as the data plane acknowledged it.
    pub(crate) fn share(&self, service: &str, release: u64) -> Weight {
        let weights = self
            .acknowledged
            .as_ref()
            .and_then(|a| a.weights.get(&name(service)));
        weights
            .into_iter()
            .flatten()
            .filter(|(revision, _)| revision.release == ReleaseNumber(release))
            .map(|(_, weight)| *weight)
            .max()
            .unwrap_or_default()
    }

    /// Returns the share of `release` as `deployment` brought it in.
    pub(crate) fn revision_share(&self, service: &str, release: u64, deployment: u64) -> Weight {
        let revision = RevisionId {
            service: name(service),
            release: ReleaseNumber(release),
            deployment: DeploymentNumber(deployment),
        };
        let weights = self.acknowledged.as_ref().map(|a| &a.weights);
        let weights = weights.and_then(|weights| weights.get(&revision.service));
        weights
            .and_then(|weights| weights.get(&revision))
            .copied()
            .unwrap_or_default()
    }

    /// Returns how many instances of `release` run.
    pub(crate) fn running(&self, release: u64) -> usize {
        let release = ReleaseNumber(release);
        self.instances
            .values()
            .filter(|seen| seen.revision.release == release)
            .count()
    }
}
