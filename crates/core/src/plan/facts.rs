//! Which facts hold now and are not recorded yet.

use std::collections::{BTreeMap, BTreeSet};

use leadsman_analysis::{Outcome, Verdict};

use super::capacity::{back_by, copies, ready, ready_by, sizes, steady};
use super::migrating;
use super::routes::weight_on_the_way_back;
use crate::checklist;
use crate::decide::start;
use crate::deployment::{Cause, Deployment, End, Phase, Revision, Rollout, Stage};
use crate::entry;
use crate::environment::Environment;
use crate::event::{Event, Passed};
use crate::id::{RevisionId, ServiceName};
use crate::migration::closes_way_back;
use crate::observed::Observed;
use crate::people::ENGINE;
use crate::route::Routes;
use crate::spec::OnInconclusive;
use crate::time::Timestamp;
use crate::weight::Weight;
use crate::workload::{InstanceState, ObservedInstance};

/// What is looked at.
struct Look<'a> {
    environment: &'a Environment,
    deployment: &'a Deployment,
    observed: &'a Observed,
    routes: Option<&'a Routes>,
    now: Timestamp,
}

/// Returns the facts that hold now, in the order in which they are to be recorded.
pub(super) fn facts(
    environment: &Environment,
    observed: &Observed,
    routes: Option<&Routes>,
    now: Timestamp,
) -> Vec<Event> {
    let Some(deployment) = &environment.deployment else {
        return Vec::new();
    };
    let look = Look {
        environment,
        deployment,
        observed,
        routes,
        now,
    };
    if matches!(deployment.phase, Phase::Frozen { .. }) {
        return Vec::new();
    }
    let migrated = migrating::facts(environment, deployment, observed, now);
    if !migrated.is_empty() {
        // None begins while somebody works on the environment.
        let held = look.maintenance();
        let held = held.filter(|_| deployment.migration.is_none());
        return held.map_or(migrated, |fact| vec![fact]);
    }
    let mut facts = look.changed_verdicts();
    // Bad news first: whatever else could be recorded, a failed release goes back now.
    if let Some(cause) = look.cause_to_return() {
        let closed = closes_way_back(environment, deployment);
        facts.push(match closed {
            Some(refusal) => migrating::frozen(&cause, &refusal),
            None => look.failed(cause),
        });
        return facts;
    }
    if let Some(why) = look.blocked_way_back() {
        facts.push(Event::DeploymentFrozen { why });
        return facts;
    }
    if let Some(fact) = look.maintenance() {
        facts.push(fact);
        return facts;
    }
    facts.extend(look.lost_copies());
    if facts
        .iter()
        .any(|fact| matches!(fact, Event::BaselineGivenUp { .. }))
    {
        return facts;
    }
    facts.extend(
        deployment
            .rollouts
            .iter()
            .filter_map(|(name, r)| look.progress(name, r)),
    );
    if facts.is_empty() {
        facts.extend(look.progress_as_a_whole());
    }
    facts
}

impl Look<'_> {
    /// Outcomes of the steps that soak. After promotion only a failure matters, and that is recorded
    /// as the cause of the way back.
    fn changed_verdicts(&self) -> Vec<Event> {
        let outcome = |verdict: Option<&Verdict>| verdict.map(|verdict| verdict.outcome);
        self.deployment
            .rollouts
            .iter()
            .filter(|(_, rollout)| matches!(rollout.stage, Stage::Soaking { .. }))
            .filter_map(|(name, rollout)| {
                let verdict = self.observed.verdicts.get(name)?;
                (outcome(rollout.verdict.as_ref()) != outcome(Some(verdict))).then(|| {
                    Event::VerdictReached {
                        service: name.clone(),
                        verdict: verdict.clone(),
                    }
                })
            })
            .collect()
    }

    /// Holds what is on its way where a maintenance window begins, and lets it go on where it ends.
    /// The way back is never held.
    fn maintenance(&self) -> Option<Event> {
        let Deployment {
            release,
            content,
            paused,
            ..
        } = self.deployment;
        let forward = self.deployment.goes_forward();
        let works = || entry::works(self.environment, *release, content, self.now);
        let works = forward.then(works).flatten();
        let by = ENGINE.to_owned();
        match (paused, works) {
            (None, Some(works)) => Some(Event::DeploymentPaused {
                works: Some(works.to_string()),
                by,
            }),
            (Some(pause), None) if pause.works.is_some() => Some(Event::DeploymentResumed { by }),
            (Some(_) | None, _) => None,
        }
    }

    fn cause_to_return(&self) -> Option<Cause> {
        self.deployment
            .rollouts
            .iter()
            .find_map(|(name, rollout)| self.cause(name, rollout))
            .or_else(|| checklist::sends_back(self.environment, self.deployment))
    }

    fn cause(&self, service: &ServiceName, rollout: &Rollout) -> Option<Cause> {
        let service = service.clone();
        if let Stage::Preparing { step, since } = rollout.stage
            && let Some(cause) = self.not_ready(&service, rollout, step, since)
        {
            return Some(cause);
        }
        if !is_judged(rollout) {
            return None;
        }
        if let Some(verdict) = self.cut_off(rollout) {
            let weight = rollout.weight();
            return Some(Cause::Failed {
                service,
                weight,
                verdict,
            });
        }
        let verdict = self.observed.verdicts.get(&service);
        if let Some(verdict) = verdict.filter(|verdict| verdict.outcome == Outcome::Fail) {
            // Without a previous revision there is nothing better: it serves as it is.
            rollout.from.as_ref()?;
            let (weight, verdict) = (rollout.weight(), verdict.clone());
            return Some(Cause::Failed {
                service,
                weight,
                verdict,
            });
        }
        let Stage::Soaking { step, since } = rollout.stage else {
            return None;
        };
        let patient_until = rollout.patient_until(step, since)?;
        let lost_patience = rollout.strategy.on_inconclusive == OnInconclusive::Rollback
            && self.deployment.paused.is_none()
            && self.now >= patient_until
            && verdict.is_none_or(|verdict| verdict.outcome != Outcome::Pass);
        lost_patience.then(|| Cause::Inconclusive {
            service,
            verdict: or_none(verdict),
        })
    }

    /// Returns why the data plane has cut off the new revision, as a verdict, where it has and
    /// there is another one to go back to.
    fn cut_off(&self, rollout: &Rollout) -> Option<Verdict> {
        rollout.from.as_ref()?;
        let tripped = &self.observed.routes.as_ref()?.tripped;
        let tripped = tripped.get(&rollout.to.id)?;
        Some(Verdict {
            outcome: Outcome::Fail,
            requests: tripped.requests,
            sentence: tripped.sentence.clone(),
            findings: Vec::new(),
            evidence: None,
        })
    }

    fn not_ready(
        &self,
        service: &ServiceName,
        rollout: &Rollout,
        step: usize,
        since: Timestamp,
    ) -> Option<Cause> {
        let needed = sizes(rollout).to;
        if ready(self.observed, &rollout.to) >= needed {
            return None;
        }
        let mut newcomers = self
            .observed
            .instances
            .values()
            .filter(|seen| seen.revision == rollout.to.id);
        let broken = newcomers
            .clone()
            .find(|seen| seen.state == InstanceState::Broken);
        let late = self.now >= ready_by(&rollout.to, since);
        let detail = match (broken, late) {
            (Some(broken), _) => broken.detail.clone().unwrap_or_default(),
            (None, true) => {
                let within = crate::reason::duration(rollout.to.service.spec.ready.within);
                let seen = newcomers
                    .find(|seen| seen.ready_since.is_none())
                    .and_then(|seen| seen.detail.as_deref())
                    .unwrap_or("nothing was heard of it");
                format!("not within {within}: {seen}")
            }
            (None, false) => return None,
        };
        // A first release that is not ready has nothing to lose by going; a later step of it has.
        (step == 0 || rollout.from.is_some()).then(|| Cause::NotReady {
            service: service.clone(),
            detail,
        })
    }

    /// Copies that cannot be started, did not become ready for a step in the time that they have,
    /// or had requests and can take no more: one that comes back is younger than what comes in. The
    /// release is not to blame for any of it, nor does it wait for ever.
    fn lost_copies(&self) -> Vec<Event> {
        let lost = |(name, rollout): (&ServiceName, &Rollout)| {
            let why = self.lost_copy(rollout)?;
            let service = name.clone();
            Some(Event::BaselineGivenUp { service, why })
        };
        self.deployment.rollouts.iter().filter_map(lost).collect()
    }

    fn lost_copy(&self, rollout: &Rollout) -> Option<String> {
        let copy = rollout.copy()?;
        let late = match rollout.stage {
            Stage::Preparing { step, since } => {
                self.now >= ready_by(copy, since) && !self.copy_is_steady(rollout, step)
            }
            Stage::Shifting { .. } | Stage::Soaking { .. } => false,
            Stage::Waiting { .. }
            | Stage::Promoted { .. }
            | Stage::Returning { .. }
            | Stage::Returned => return None,
        };
        let instances = || {
            let mine = |seen: &&ObservedInstance| seen.revision == copy.id;
            self.observed.instances.values().filter(mine)
        };
        let broken = instances().find(|seen| seen.state == InstanceState::Broken);
        let unready = instances().find(|seen| seen.ready_since.is_none());
        let detail = broken.or(unready).and_then(|seen| seen.detail.as_deref());
        let detail = detail.unwrap_or("nothing was heard of it");
        let serves = rollout.copy_weight(rollout.weight()) > Weight::NONE;
        if broken.is_some() {
            Some(format!("cannot be started: {detail}"))
        } else if serves && ready(self.observed, copy) == 0 {
            Some(format!("stopped being ready: {detail}"))
        } else if late {
            let within = crate::reason::duration(copy.service.spec.ready.within);
            Some(format!("was not ready within {within}: {detail}"))
        } else {
            None
        }
    }

    /// Whether the copy has been ready for long enough to get what `step` gives it.
    fn copy_is_steady(&self, rollout: &Rollout, step: usize) -> bool {
        let needed = copies(rollout, rollout.step(step).weight);
        rollout
            .copy()
            .is_none_or(|copy| steady(self.observed, copy, self.now) >= needed)
    }

    fn failed(&self, cause: Cause) -> Event {
        let services: BTreeSet<ServiceName> = self
            .deployment
            .rollouts
            .iter()
            .filter(|(_, rollout)| rollout.stage != Stage::Returned)
            .filter(|(_, rollout)| {
                // A new service that is promoted has no way back, and did not fail by itself.
                rollout.from.is_some() || !matches!(rollout.stage, Stage::Promoted { .. })
            })
            .map(|(name, _)| name.clone())
            .collect();
        Event::RollbackStarted { services, cause }
    }

    fn blocked_way_back(&self) -> Option<String> {
        self.deployment.rollouts.iter().find_map(|(name, rollout)| {
            let Stage::Returning { since, .. } = rollout.stage else {
                return None;
            };
            let from = rollout.from.as_ref()?;
            if self.now < back_by(Some(from), since) || self.is_back(name, rollout) {
                return None;
            }
            let ready = ready(self.observed, from);
            let needed = from.service.spec.instances;
            let id = &from.id;
            Some(match &self.observed.routes {
                None => "the data plane does not answer".to_owned(),
                Some(_) => {
                    format!("{ready} of {needed} instances of {id} are ready to take over again")
                }
            })
        })
    }

    fn progress(&self, name: &ServiceName, rollout: &Rollout) -> Option<Event> {
        let service = name.clone();
        let held = self.deployment.paused.is_some();
        match rollout.stage {
            Stage::Waiting { .. } => {
                let free = !held
                    && waits_for(self.deployment, rollout).next().is_none()
                    && migrating::is_clear(self.environment, self.deployment);
                free.then_some(Event::RolloutStarted { service })
            }
            Stage::Preparing { step, .. } => {
                let needed = sizes(rollout).to;
                let ready = steady(self.observed, &rollout.to, self.now) >= needed
                    && self.copy_is_steady(rollout, step);
                let weight = rollout.step(step).weight;
                let checked = || !rollout.is_last(step) || self.holds_back().is_empty();
                (ready && !held && checked()).then_some(Event::WeightShifted {
                    service,
                    step,
                    weight,
                })
            }
            Stage::Shifting { step, .. } => {
                if !self.is_acknowledged(name, rollout) {
                    return None;
                }
                Some(match rollout.step(step).soak {
                    Some(_) => Event::SoakStarted { service, step },
                    None => passed(service, rollout, step, Passed::Ready),
                })
            }
            Stage::Soaking { step, since } => {
                let soak = rollout.step(step).soak.unwrap_or_default();
                let verdict = self.observed.verdicts.get(name)?;
                let over = |until| !held && self.now >= until;
                let impatient = rollout.patient_until(step, since).is_some_and(over);
                // `no-silent-pass`: time alone never ends a step.
                let passes = if over(since + soak) && verdict.outcome == Outcome::Pass {
                    Passed::Judged {
                        verdict: verdict.clone(),
                    }
                } else if impatient && advances(rollout, verdict) {
                    Passed::Unproven {
                        verdict: verdict.clone(),
                    }
                } else {
                    return None;
                };
                Some(passed(service, rollout, step, passes))
            }
            Stage::Returning { .. } => self
                .is_back(name, rollout)
                .then_some(Event::ServiceReturned { service }),
            Stage::Promoted { .. } | Stage::Returned => None,
        }
    }

    /// Whether something is open that may send it back yet.
    fn may_go_back(&self) -> bool {
        checklist::may_send_back_until(self.environment, self.deployment).is_some()
    }

    /// Returns what of the checklist keeps it from getting all traffic.
    fn holds_back(&self) -> Vec<String> {
        checklist::holds_back(self.environment, self.deployment, self.observed, self.now)
    }

    fn progress_as_a_whole(&self) -> Vec<Event> {
        let rollouts = &self.deployment.rollouts;
        let at_rest = rollouts.values().all(Rollout::is_at_rest);
        if !at_rest || !migrating::may_end(self.environment, self.deployment, self.observed) {
            return Vec::new();
        }
        if let Some(queued) = &self.environment.queued {
            let end = Event::DeploymentEnded {
                end: End::Superseded { by: queued.release },
            };
            let after = crate::evolve(self.environment.clone(), self.now, &end);
            return vec![end, start(&after, queued.clone())];
        }
        let any_promoted = rollouts
            .values()
            .any(|r| matches!(r.stage, Stage::Promoted { .. }));
        let came_back = !any_promoted && self.deployment.cause.is_some();
        match &self.deployment.phase {
            _ if came_back => vec![Event::DeploymentEnded {
                end: End::RolledBack,
            }],
            Phase::Moving => vec![Event::DeploymentPromoted {}],
            // While nothing is heard of the data plane it may have cut off what serves: the way
            // back is kept.
            Phase::Settling { .. }
                if self.now >= settled_at(self.environment, self.deployment)
                    && !self.may_go_back()
                    && self.observed.routes.is_some() =>
            {
                vec![Event::DeploymentEnded { end: End::Settled }]
            }
            Phase::Settling { .. } | Phase::Frozen { .. } => Vec::new(),
        }
    }

    /// Whether the data plane has put into force what was decided, and nothing less. It is more
    /// where the previous revision has no instance left that could take its share.
    fn is_acknowledged(&self, name: &ServiceName, rollout: &Rollout) -> bool {
        let Some(decided) = self.decided(name) else {
            return false;
        };
        let weight = decided.get(&rollout.to.id).copied().unwrap_or_default();
        weight >= rollout.weight() && self.in_force(name) == Some(decided)
    }

    /// Whether the previous revision has all traffic again.
    fn is_back(&self, name: &ServiceName, rollout: &Rollout) -> bool {
        let Stage::Returning { weight, .. } = rollout.stage else {
            return false;
        };
        let gone = weight_on_the_way_back(rollout, weight, self.observed) == Weight::NONE;
        let Some(in_force) = self.in_force(name) else {
            // The data plane knows no such service: nobody gets any of it.
            return gone && self.observed.routes.is_some();
        };
        let has_some = |revision: &Revision| in_force.contains_key(&revision.id);
        gone && !has_some(&rollout.to) && !rollout.copy().is_some_and(has_some)
    }

    fn decided(&self, name: &ServiceName) -> Option<BTreeMap<RevisionId, Weight>> {
        let sides = self.routes?.services.get(name)?;
        Some(
            sides
                .iter()
                .map(|side| (side.revision.clone(), side.weight))
                .collect(),
        )
    }

    fn in_force(&self, name: &ServiceName) -> Option<BTreeMap<RevisionId, Weight>> {
        let routes = self.observed.routes.as_ref()?;
        if routes.problem.is_some() || routes.unsaved.is_some() {
            return None;
        }
        routes.weights.get(name).cloned()
    }
}

/// Whether the judge's word counts: whenever the new revision has traffic, also between steps,
/// while it is paused and after promotion.
fn is_judged(rollout: &Rollout) -> bool {
    rollout.weight() > Weight::NONE && !matches!(rollout.stage, Stage::Returning { .. })
}

/// Whether `verdict` lets a step go on that has been inconclusive for as long as it may: there were
/// requests, and they speak no more against the new revision than chance does. That is evidence of
/// less than half of what it takes to fail, the bound that a verdict of pass keeps as well; and with
/// more of the same requests it would not fail: four failures of four are little evidence, and yet
/// all there is.
fn advances(rollout: &Rollout, verdict: &Verdict) -> bool {
    let risk = rollout.to.service.spec.limits.risk;
    let is_weak = |log_e: f64, alpha: f64| log_e < -alpha.ln() / 2.0;
    let nothing_against = verdict.evidence.is_some_and(|evidence| {
        !evidence.warn
            && !evidence.fails_first()
            && is_weak(evidence.log_e, risk.steps)
            && evidence
                .log_e_alone
                .is_none_or(|log_e| is_weak(log_e, risk.alone))
    });
    rollout.strategy.on_inconclusive == OnInconclusive::Advance
        && verdict.outcome == Outcome::Inconclusive
        && verdict.requests > 0
        && nothing_against
}

/// Returns the services that `rollout` still waits for.
pub(super) fn waits_for<'a>(
    deployment: &'a Deployment,
    rollout: &'a Rollout,
) -> impl Iterator<Item = &'a ServiceName> {
    rollout.to.service.spec.after.iter().filter(|needed| {
        deployment
            .rollouts
            .get(*needed)
            .is_some_and(|needed| !matches!(needed.stage, Stage::Promoted { .. }))
    })
}

/// Returns when the previous revisions need not be kept warm any longer.
pub(super) fn settled_at(environment: &Environment, deployment: &Deployment) -> Timestamp {
    let Phase::Settling { since } = deployment.phase else {
        return deployment.started_at;
    };
    let keep_warm = deployment
        .rollouts
        .values()
        .filter(|rollout| matches!(rollout.stage, Stage::Promoted { .. }))
        .map(|rollout| rollout.strategy.keep_warm)
        .max();
    let warm = since + keep_warm.unwrap_or_default();
    // What may send it back yet is waited for.
    warm.max(checklist::may_send_back_until(environment, deployment).unwrap_or_default())
}

fn passed(service: ServiceName, rollout: &Rollout, step: usize, passed: Passed) -> Event {
    if rollout.is_last(step) {
        Event::ServicePromoted { service, passed }
    } else {
        Event::StepPassed {
            service,
            step,
            passed,
        }
    }
}

fn or_none(verdict: Option<&Verdict>) -> Verdict {
    verdict.cloned().unwrap_or_else(|| Verdict {
        outcome: Outcome::NoData,
        requests: 0,
        sentence: "no figures were had".to_owned(),
        findings: Vec::new(),
        evidence: None,
    })
}
