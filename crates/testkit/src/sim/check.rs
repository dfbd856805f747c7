//! What must always hold, checked against the world as it really is.
//!
//! [`leadsman_core::invariant`] looks at one moment as the engine saw it. Here the same names are
//! held against what really runs, what is really in force and what was really recorded, by
//! whichever control.

use std::collections::{BTreeMap, BTreeSet};

use leadsman_analysis::{Outcome, Verdict};
use leadsman_core::id::{InstanceId, ReleaseNumber, RevisionId, ServiceName};
use leadsman_core::route::Routes;
use leadsman_core::spec::Sizing;
use leadsman_core::weight::Weight;
use leadsman_core::workload::Workloads;
use leadsman_core::{
    Cause, Deployment, Environment, Event, Origin, Passed, Rollout, Stage, Standing, evolve,
    invariant, plan,
};
use leadsman_engine::{SideWindow, View};
use leadsman_store::Recorded;

use super::gated;
use super::instances::{Instances, Moment, Process, Running};
use super::proxy::Proxy;
use super::script::Nature;
use super::sea::environment;
use super::words::{in_words, told};

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// When, in milliseconds since the beginning of the world.
    pub at: u64,
    /// Where it did not hold.
    pub detail: String,
}

/// How many facts may be recorded in a second: there is no reason for a tenth of it.
const IN_A_SECOND_MAX: usize = 2_000;

/// What a world is checked for, and what was found.
pub(super) struct Checks {
    /// The second in which something was recorded last, and how much was.
    busy: (u64, usize),
    /// The state after each number of events.
    states: Vec<Environment>,
    /// The version that each control showed last: the one that it plans on.
    shown: BTreeMap<u64, u64>,
    /// The version on which what runs was planned.
    workloads: u64,
    /// The newest version on which routes in force were really planned.
    routes: u64,
    /// How many requests each side has really had in closed windows.
    answered: BTreeMap<RevisionId, u64>,
    /// How many it had had when the weight of its present step was decided.
    answered_before: BTreeMap<ServiceName, u64>,
    /// What was really so of all that releases are asked for.
    pub(super) gated: gated::Truth,
    /// Whether nothing ever breaks in this world.
    pub(super) faultless: bool,
    /// Whether figures were made up.
    pub(super) figures_tampered: bool,
    /// Whether somebody insisted on what no rule on schemas allows.
    pub(super) insisted: bool,
    /// Whether more than one control has been there at once.
    pub(super) two_controls: bool,
    pub(super) violations: Vec<Violation>,
    /// How often each invariant was checked.
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// What happened, if it is to be told.
    pub(super) timeline: Option<Vec<String>>,
}

impl Checks {
    pub(super) fn new(faultless: bool, told: bool) -> Self {
        Self {
            busy: (0, 0),
            states: vec![Environment::new(environment())],
            shown: BTreeMap::new(),
            workloads: 0,
            routes: 0,
            answered: BTreeMap::new(),
            answered_before: BTreeMap::new(),
            gated: gated::Truth::default(),
            faultless,
            figures_tampered: false,
            insisted: false,
            two_controls: false,
            violations: Vec::new(),
            counts: BTreeMap::new(),
            timeline: told.then(Vec::new),
        }
    }

    pub(super) fn tell(&mut self, at: Moment, line: impl FnOnce() -> String) {
        if let Some(timeline) = &mut self.timeline {
            let (seconds, millis) = (at / 1_000, at % 1_000);
            timeline.push(format!("{seconds:>5}.{millis:03} s  {}", line()));
        }
    }

    /// Checks one thing: `broken` says where it does not hold.
    pub(super) fn check(&mut self, invariant: &'static str, at: Moment, broken: Option<String>) {
        *self.counts.entry(invariant).or_default() += 1;
        if let Some(detail) = broken {
            self.tell(at, || format!("VIOLATION of `{invariant}`: {detail}"));
            self.violations.push(Violation {
                invariant,
                at,
                detail,
            });
        }
    }

    /// Whether it ever was so in what is recorded.
    pub(super) fn was_ever(&self, so: impl Fn(&Environment) -> bool) -> bool {
        self.states.iter().rev().any(so)
    }

    pub(super) fn state(&self) -> &Environment {
        self.states
            .last()
            .expect("there is one before the first event")
    }

    // ---- what is recorded ----

    pub(super) fn recorded(
        &mut self,
        control: u64,
        at: Moment,
        recorded: &[Recorded],
        proxy: &Proxy,
        natures: &BTreeMap<ReleaseNumber, Nature>,
    ) {
        let stream = leadsman_store::StreamName::from(&environment());
        for recorded in recorded {
            self.gated.hear(recorded);
        }
        let second = at / 1_000;
        let so_far = if self.busy.0 == second {
            self.busy.1
        } else {
            0
        };
        self.busy = (second, so_far + recorded.len());
        // Who records without end lets hardly any time pass: nothing but ending it ends the world.
        assert!(
            self.busy.1 < IN_A_SECOND_MAX,
            "control {control} records without end: {} facts in a second",
            self.busy.1
        );
        let events: Vec<Event> = recorded
            .iter()
            .filter(|recorded| recorded.stream == stream)
            .map(|recorded| serde_json::from_str(&recorded.body).expect("it was written by us"))
            .collect();
        for (index, event) in events.iter().enumerate() {
            self.tell(at, || format!("control {control} records {}", told(event)));
            self.event(at, event, &events[index + 1..], proxy, natures);
            let moment = recorded[index].at;
            let both = gated::At {
                log: moment,
                world: at,
            };
            let state = self.states.last();
            let gated = state.and_then(|state| self.gated.broken(state, event, both));
            if let Some(broken) = gated {
                self.check("gated", at, broken);
            }
            let after = evolve(self.state().clone(), moment, event);
            self.states.push(after);
        }
    }

    fn event(
        &mut self,
        at: Moment,
        event: &Event,
        next: &[Event],
        proxy: &Proxy,
        natures: &BTreeMap<ReleaseNumber, Nature>,
    ) {
        self.held(at, event);
        match event {
            Event::DeploymentStarted {
                release, origin, ..
            } => {
                let state = self.state();
                let under_way = state
                    .deployment
                    .as_ref()
                    .map(|d| format!("{} is under way", d.number));
                let rejected = matches!(
                    state.releases.get(release).map(|known| &known.standing),
                    Some(Standing::Rejected { .. })
                );
                self.check("one-at-a-time", at, under_way);
                let returns = rejected && *origin == Origin::Ship;
                let broken = returns.then(|| format!("{release} comes in again"));
                self.check("rejected-stays-rejected", at, broken);
            }
            Event::MigrationStarted { .. } => {
                let deployment = self.state().deployment.as_ref();
                let again = deployment.is_none_or(|it| it.migration.is_some());
                let broken = again.then(|| "it is run a second time".to_owned());
                self.check("migrated-once", at, broken);
            }
            Event::WeightShifted { service, .. } => {
                let revision = self.rollout(service).map(|rollout| rollout.to.id.clone());
                let had = revision.and_then(|revision| self.answered.get(&revision).copied());
                self.answered_before
                    .insert(service.clone(), had.unwrap_or_default());
            }
            Event::SoakStarted { service, step } => {
                let rollout = self.rollout(service);
                let wanted = rollout.map(|r| (r.to.id.clone(), r.step(*step).weight));
                if let Some((revision, weight)) = wanted {
                    let in_force = in_force(proxy, &revision);
                    let tripped = proxy.acknowledged(&environment(), at).tripped;
                    let is_less = in_force < weight && !tripped.contains_key(&revision);
                    let broken = (is_less && !self.two_controls)
                        .then(|| format!("{revision} has {in_force} of {weight}"));
                    self.check("ack-before-soak", at, broken);
                }
            }
            Event::StepPassed {
                service, passed, ..
            }
            | Event::ServicePromoted { service, passed } => {
                self.passed(at, service, passed, natures);
            }
            Event::VerdictReached { service, verdict } => {
                self.told_once(at, service, verdict);
                if verdict.outcome != Outcome::Fail {
                    return;
                }
                let can_return = self.rollout(service).is_some_and(|r| r.from.is_some());
                let returns = |event: &Event| {
                    let stays = matches!(event, Event::DeploymentFrozen { .. });
                    stays || matches!(event, Event::RollbackStarted { .. })
                };
                let broken = (can_return && !next.iter().any(returns))
                    .then(|| format!("`{service}` failed and goes on: {}", verdict.sentence));
                self.check("fail-goes-back", at, broken);
            }
            Event::RollbackStarted { services, cause } => {
                let blames = matches!(cause, Cause::Failed { .. } | Cause::NotReady { .. });
                let mut rollouts = services.iter().filter_map(|name| self.rollout(name));
                let good = rollouts.all(|rollout| {
                    let is_good = |release| natures.get(&release) == Some(&Nature::Good);
                    let from = rollout.from.as_ref();
                    is_good(rollout.to.id.release)
                        && from.is_none_or(|from| is_good(from.id.release))
                });
                if self.faultless {
                    let broken = (blames && good).then(|| cause.to_string());
                    self.check("good-is-not-blamed", at, broken);
                }
            }
            _ => {}
        }
    }

    fn passed(
        &mut self,
        at: Moment,
        service: &ServiceName,
        passed: &Passed,
        natures: &BTreeMap<ReleaseNumber, Nature>,
    ) {
        let Some(rollout) = self.rollout(service) else {
            return;
        };
        let soaks = rollout
            .step_index()
            .is_some_and(|step| rollout.step(step).soak.is_some());
        let to = rollout.to.id.clone();
        let nature = |revision: &RevisionId| natures.get(&revision.release).copied();
        let beside_good = rollout
            .from
            .as_ref()
            .is_some_and(|from| nature(&from.id) == Some(Nature::Good));
        let plainly_bad = matches!(nature(&to), Some(Nature::Fails | Nature::Lies)) && beside_good;
        let had = self.answered.get(&to).copied().unwrap_or_default();
        let before = self
            .answered_before
            .get(service)
            .copied()
            .unwrap_or_default();
        let silent = match passed {
            Passed::ByHand { .. } => None,
            Passed::Ready => soaks.then(|| "by readiness alone".to_owned()),
            Passed::Judged { verdict } | Passed::Unproven { verdict } => {
                let unseen = had == before && !self.figures_tampered && !self.two_controls;
                let is_pass =
                    verdict.outcome == Outcome::Pass || matches!(passed, Passed::Unproven { .. });
                (verdict.requests == 0 || unseen || !is_pass).then(|| {
                    format!(
                        "by {:?}, {} requests told, {before} to {had} answered",
                        verdict.outcome, verdict.requests
                    )
                })
            }
        };
        let broken = silent.map(|how| format!("`{service}` passed {how}"));
        self.check("no-silent-pass", at, broken);
        if !self.figures_tampered && soaks {
            // A handful of requests shows nothing, and the strategy says that this is enough.
            let by = match passed {
                Passed::Judged { verdict } => Some(verdict),
                Passed::Unproven { verdict } => Some(verdict).filter(|it| it.requests > 50),
                Passed::Ready | Passed::ByHand { .. } => None,
            };
            let broken = by.filter(|_| plainly_bad).map(|verdict| {
                let findings = verdict.findings.iter().map(|finding| &*finding.sentence);
                let findings: Vec<&str> = findings.collect();
                format!("{to} passed a step: {}", findings.join(", "))
            });
            self.check("bad-is-not-promoted", at, broken);
        }
    }

    /// What moves by itself moves only while nothing holds it.
    fn held(&mut self, at: Moment, event: &Event) {
        let by_hand = |passed: &Passed| matches!(passed, Passed::ByHand { .. });
        let service = match event {
            Event::RolloutStarted { service } | Event::WeightShifted { service, .. } => service,
            Event::StepPassed {
                service, passed, ..
            }
            | Event::ServicePromoted { service, passed }
                if !by_hand(passed) =>
            {
                service
            }
            _ => return,
        };
        let Some(deployment) = &self.state().deployment else {
            return;
        };
        // What was shifted already is passed by its acknowledgement.
        let waits = !matches!(
            deployment
                .rollouts
                .get(service)
                .map(|rollout| rollout.stage),
            Some(Stage::Shifting { .. })
        );
        let paused = deployment.paused.as_ref().filter(|_| waits);
        let paused = paused.map(|pause| format!("`{service}` moves, paused by {}", pause.by));
        let first = deployment.rollouts.get(service).and_then(|rollout| {
            let mut after = rollout.to.service.spec.after.iter();
            let promoted = |name: &&ServiceName| {
                let needed = deployment.rollouts.get(*name);
                needed.is_none_or(|needed| matches!(needed.stage, Stage::Promoted { .. }))
            };
            after.find(|name| !promoted(name)).cloned()
        });
        let starts = matches!(event, Event::RolloutStarted { .. });
        let early = first.filter(|_| starts);
        let early = early.map(|first| format!("`{service}` moves before `{first}`"));
        self.check("paused-holds", at, paused);
        self.check("after-holds", at, early);
    }

    /// A verdict rests on requests that were really answered, each told once.
    fn told_once(&mut self, at: Moment, service: &ServiceName, verdict: &Verdict) {
        let Some(rollout) = self.rollout(service) else {
            return;
        };
        let answered = self
            .answered
            .get(&rollout.to.id)
            .copied()
            .unwrap_or_default();
        if self.figures_tampered || self.two_controls {
            return;
        }
        let broken = (verdict.requests > answered)
            .then(|| format!("`{service}`: {} of {answered} requests", verdict.requests));
        self.check("told-once", at, broken);
    }

    fn rollout(&self, service: &ServiceName) -> Option<&Rollout> {
        self.state().deployment.as_ref()?.rollouts.get(service)
    }

    // ---- what controls ask of the world ----

    /// What a receiver of workloads does with the version.
    pub(super) fn takes_workloads(&mut self, version: u64) -> bool {
        let takes = version >= self.workloads;
        self.workloads = self.workloads.max(version);
        takes
    }

    pub(super) fn told_workloads(
        &mut self,
        control: u64,
        at: Moment,
        version: u64,
        desired: &Workloads,
    ) {
        let Some((_, state)) = self.planned_on(control, at, version) else {
            return;
        };
        let broken = without_way_back(state, desired);
        self.check("way-back", at, broken);
    }

    /// Returns the version that the routes were really planned on.
    pub(super) fn told_routes(
        &mut self,
        control: u64,
        at: Moment,
        version: u64,
        routes: &Routes,
    ) -> u64 {
        let Some((planned_on, state)) = self.planned_on(control, at, version) else {
            return version;
        };
        let undecided = undecided(state, routes);
        self.check("log-before-effect", at, undecided);
        self.check("weights-sum", at, wrong_sum(routes));
        planned_on
    }

    /// Returns the state that an effect was planned on; checks that it says so itself.
    fn planned_on(
        &mut self,
        control: u64,
        at: Moment,
        version: u64,
    ) -> Option<(u64, &Environment)> {
        let shown = self.shown.get(&control).copied();
        let broken = shown
            .filter(|shown| *shown != version)
            .map(|shown| format!("an effect planned on version {shown} says {version}"));
        self.check("newest-wins", at, broken);
        let known = usize::try_from(shown?).ok()?;
        if known >= self.states.len() {
            let detail = format!("an effect of version {known}, of which nothing is recorded");
            self.check("log-before-effect", at, Some(detail));
        }
        Some((shown?, self.states.get(known)?))
    }

    pub(super) fn put(&mut self, control: u64, at: Moment, planned_on: u64, routes: &Routes) {
        self.tell(at, || {
            format!("control {control} puts in force: {}", in_words(routes))
        });
        let newest = self.routes;
        let older = planned_on < newest;
        let broken = older.then(|| format!("version {planned_on} replaces version {newest}"));
        self.check("newest-wins", at, broken);
        self.routes = newest.max(planned_on);
    }

    /// The data plane came back with the routes that it had saved.
    pub(super) fn came_back(&mut self, proxy: &Proxy) {
        let versions = proxy.in_force.values().map(|in_force| in_force.version);
        self.routes = versions.max().unwrap_or_default();
    }

    pub(super) fn started(&mut self, at: Moment, started: &[InstanceId]) {
        for id in started {
            self.tell(at, || format!("starts {id}"));
        }
    }

    pub(super) fn stopped(
        &mut self,
        control: u64,
        at: Moment,
        stopped: &[(InstanceId, Running)],
        proxy: &Proxy,
    ) {
        for (id, before) in stopped {
            self.tell(at, || format!("control {control} stops {id}"));
            let alive = before.process == Process::Runs;
            let broken = (alive && proxy.is_busy(id, at))
                .then(|| format!("{id} is stopped and may still have requests"));
            self.check("ack-before-removal", at, broken);
        }
    }

    // ---- what controls show ----

    pub(super) fn view(&mut self, control: u64, at: Moment, view: &View) {
        let version = view.environment.version;
        self.shown.insert(control, version);
        let index = usize::try_from(version).unwrap_or(usize::MAX);
        let recorded = self.states.get(index);
        let differs = recorded.is_none_or(|recorded| *recorded != view.environment);
        let broken =
            differs.then(|| format!("control {control} acts on another version {version}"));
        self.check("replay-equals-live", at, broken);
        let plan = plan(&view.environment, &view.observed, view.at);
        for violation in invariant::check(&view.environment, &view.observed, &plan) {
            self.check(violation.invariant, at, Some(violation.detail));
        }
        for name in [
            "ready-before-traffic",
            "always-a-reason",
            "no-more-than-beside",
        ] {
            self.check(name, at, None);
        }
        let silent = view.environment.deployment.is_some()
            && view.reasons.is_empty()
            && plan.facts.is_empty()
            && view.problem.is_none();
        let broken = silent.then(|| "nothing is said about it".to_owned());
        self.check("always-a-reason", at, broken);
    }

    // ---- what really happens ----

    pub(super) fn window(
        &mut self,
        at: Moment,
        window: &SideWindow,
        proxy: &Proxy,
        instances: &Instances,
    ) {
        for ((_, revision), figures) in &window.sides {
            *self.answered.entry(revision.clone()).or_default() += figures.requests;
        }
        let routed: BTreeSet<InstanceId> = proxy
            .in_force
            .values()
            .flat_map(|in_force| in_force.routes.instances())
            .collect();
        let nowhere = routed.into_iter().find(|id| {
            let running = instances.all.get(id);
            running.is_none_or(|running| matches!(running.process, Process::Stops(_)))
        });
        let broken = nowhere.map(|id| format!("requests still go to {id}, which was removed"));
        self.check("ack-before-removal", at, broken);
    }
}

fn in_force(proxy: &Proxy, revision: &RevisionId) -> Weight {
    let sides = proxy
        .in_force
        .values()
        .flat_map(|in_force| in_force.routes.services.values().flatten());
    let mine = sides.filter(|side| side.revision == *revision);
    mine.map(|side| side.weight).max().unwrap_or_default()
}

fn wrong_sum(routes: &Routes) -> Option<String> {
    let all = u32::from(Weight::ALL.hundredths());
    routes.services.iter().find_map(|(name, sides)| {
        let sum: u32 = sides
            .iter()
            .map(|side| u32::from(side.weight.hundredths()))
            .sum();
        (!sides.is_empty() && sum != all)
            .then(|| format!("`{name}`: {sum} hundredths of a percent"))
    })
}

/// Returns the side that would get more than was ever recorded. Where the revision that serves has
/// no instance left, what comes in gets its requests, too.
fn undecided(state: &Environment, routes: &Routes) -> Option<String> {
    let rollouts = state.deployment.iter().flat_map(|d| &d.rollouts);
    rollouts
        .filter_map(|(name, rollout)| {
            let sides = routes.services.get(name)?;
            let weight = |id: &RevisionId| {
                sides
                    .iter()
                    .find(|side| side.revision == *id)
                    .map(|side| side.weight)
            };
            let to = weight(&rollout.to.id)?;
            let from = rollout.from.as_ref()?;
            // The one that serves is there and could have had it.
            let more = to > rollout.weight() && weight(&from.id).is_some();
            more.then(|| {
                format!(
                    "{} gets {to}, {} is recorded",
                    rollout.to.id,
                    rollout.weight()
                )
            })
        })
        .next()
}

fn without_way_back(state: &Environment, desired: &Workloads) -> Option<String> {
    let rollouts = state
        .deployment
        .iter()
        .flat_map(|d: &Deployment| &d.rollouts);
    rollouts
        .filter_map(|(_, rollout)| {
            let from = rollout.from.as_ref()?;
            let promoted = matches!(rollout.stage, Stage::Promoted { .. });
            let gave_up = rollout.strategy.sizing == Sizing::InTurn
                || (promoted && rollout.strategy.keep_warm.is_zero());
            let kept = desired
                .instances
                .values()
                .filter(|it| it.revision == from.id)
                .count();
            let wanted = usize::from(from.service.spec.instances);
            (!gave_up && kept < wanted)
                .then(|| format!("{kept} of {wanted} instances of {} are kept", from.id))
        })
        .next()
}
