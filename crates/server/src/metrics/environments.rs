//! Environments: what serves, what is on its way, and what it waits for.

use std::collections::BTreeMap;

use leadsman_api::{
    Checklist, EnvironmentStatus, GateOutcome, ItemState, Moment, Phase, RolloutStage,
    ServiceStatus, Side, Who,
};
use leadsman_core::Outcome;
use leadsman_engine::View;

use super::page::{Family, Kind, Labels, Page, seconds};
use crate::wire;

/// Returns a family of what is so at this moment.
const fn gauge(name: &'static str, help: &'static str) -> Family {
    let kind = Kind::Gauge;
    Family { name, kind, help }
}

const SERVES: Family = gauge(
    "leadsman_environment_release",
    "The number of the release that serves; not there before the first one.",
);
const ACCEPTS: Family = gauge(
    "leadsman_environment_accepts_requests",
    "1 while the data plane accepts requests for the environment, else 0.",
);
const ENDED: Family = Family {
    name: "leadsman_deployments_ended_total",
    kind: Kind::Counter,
    help: "Deployments that ended, since the log began: settled, failed (all of it or a part went \
           back by itself), rolled_back (by a person), aborted, superseded or abandoned.",
};
const PHASE: Family = gauge(
    "leadsman_deployment_phase",
    "1 for the phase that the newest deployment is in, else 0.",
);
const NUMBER: Family = gauge(
    "leadsman_deployment_number",
    "The number of the newest deployment.",
);
const RELEASE: Family = gauge(
    "leadsman_deployment_release",
    "The number of the release that the newest deployment brings in, or brought.",
);
const AGE: Family = gauge(
    "leadsman_deployment_age_seconds",
    "For how long a deployment that is not finished has been on its way.",
);
const IN_PHASE: Family = gauge(
    "leadsman_deployment_phase_seconds",
    "For how long the newest deployment has been in its phase.",
);
const WAITING: Family = gauge(
    "leadsman_waiting_seconds",
    "For how long something has been waited for, by its kind and by who can move it: leadsman, a \
     person, or either.",
);
const REQUESTS: Family = gauge(
    "leadsman_entry_requests",
    "Releases that wait to enter the environment.",
);
const REQUESTS_AGE: Family = gauge(
    "leadsman_entry_requests_oldest_seconds",
    "For how long the one of them has waited that came first.",
);
const GATES: Family = gauge(
    "leadsman_entry_gates",
    "Gates of the releases that wait, by what they say: open, closed, or unknown, which lets \
     nothing through either.",
);
const FREEZES: Family = gauge(
    "leadsman_freezes",
    "Freezes and maintenance windows that are on.",
);
const ITEMS: Family = gauge(
    "leadsman_checklist_items",
    "Items of the checklists that are open, by how they stand.",
);
const STAGE: Family = gauge(
    "leadsman_rollout_stage",
    "1 for the stage that the rollout of a service is in, else 0; not there without a deployment.",
);
const STEP: Family = gauge(
    "leadsman_rollout_step",
    "The step that the rollout is in, counted from 1; 0 before the first one.",
);
const STEPS: Family = gauge("leadsman_rollout_steps", "How many steps the rollout has.");
const SOAK: Family = gauge(
    "leadsman_rollout_soak_seconds",
    "How long the step that the rollout is in is held; not there where it rests on readiness alone.",
);
const WEIGHT: Family = gauge(
    "leadsman_side_weight_ratio",
    "The share of a service's requests that a side gets by what the data plane acknowledged, 0 to 1.",
);
const INSTANCES: Family = gauge(
    "leadsman_side_instances",
    "Instances of a side, by whether they are ready.",
);
const WANTED: Family = gauge(
    "leadsman_side_instances_wanted",
    "How many instances of a side should run.",
);
const CLOSED: Family = gauge(
    "leadsman_service_closed",
    "1 while a person keeps users' requests from the service, else 0.",
);

const PHASES: [&str; 9] = [
    "moving",
    "paused",
    "returning",
    "frozen",
    "settling",
    "settled",
    "rolled_back",
    "superseded",
    "abandoned",
];

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Moving => "moving",
        Phase::Paused => "paused",
        Phase::Returning => "returning",
        Phase::Frozen => "frozen",
        Phase::Settling => "settling",
        Phase::Settled => "settled",
        Phase::RolledBack => "rolled_back",
        Phase::Superseded => "superseded",
        Phase::Abandoned => "abandoned",
    }
}

const STAGES: [&str; 7] = [
    "waiting",
    "preparing",
    "shifting",
    "soaking",
    "promoted",
    "returning",
    "returned",
];

const fn stage(stage: RolloutStage) -> &'static str {
    match stage {
        RolloutStage::Waiting => "waiting",
        RolloutStage::Preparing => "preparing",
        RolloutStage::Shifting => "shifting",
        RolloutStage::Soaking => "soaking",
        RolloutStage::Promoted => "promoted",
        RolloutStage::Returning => "returning",
        RolloutStage::Returned => "returned",
    }
}

const fn who(who: Who) -> &'static str {
    match who {
        Who::Leadsman => "leadsman",
        Who::Person => "person",
        Who::Either => "either",
    }
}

/// An environment, as somebody sees it who may.
#[derive(Debug)]
pub(crate) struct Seen {
    labels: Labels,
    status: EnvironmentStatus,
    ended: BTreeMap<Outcome, u64>,
    /// Now: the picture may be older where nothing has moved.
    now: Moment,
}

impl Seen {
    /// Returns an environment at `now`.
    pub(crate) fn of(view: &View, now: Moment) -> Self {
        let status = wire::status(view);
        Self {
            labels: Labels::of(&[
                ("application", &status.application),
                ("environment", &status.environment),
            ]),
            status,
            ended: view.environment.outcomes.clone(),
            now,
        }
    }

    fn since(&self, moment: Moment) -> f64 {
        seconds(self.now.millis_since(moment))
    }

    fn services(&self) -> impl Iterator<Item = (Labels, &ServiceStatus)> {
        let services = self.status.services.iter();
        services.map(|service| (self.labels.and(&[("service", &service.name)]), service))
    }

    /// Returns the sides of each service, which `leadsman status` calls so.
    fn sides(&self) -> impl Iterator<Item = (Labels, &Side)> {
        self.services().flat_map(|(labels, service)| {
            let sides = [
                ("stable", &service.stable),
                ("canary", &service.canary),
                ("baseline", &service.baseline),
                ("warm", &service.warm),
            ];
            sides.into_iter().filter_map(move |(name, side)| {
                Some((labels.and(&[("side", name)]), side.as_ref()?))
            })
        })
    }
}

/// Writes how environments stand.
pub(super) fn write(all: &[Seen], page: &mut Page) {
    page.family(SERVES);
    for seen in all {
        if let Some(release) = seen.status.serves {
            page.one(&seen.labels, release);
        }
    }
    page.family(ACCEPTS);
    for seen in all {
        let accepts = seen.status.url.is_some() && seen.status.url_problem.is_none();
        page.one(&seen.labels, u8::from(accepts));
    }
    page.family(ENDED);
    for seen in all {
        for outcome in Outcome::ALL {
            let count = seen.ended.get(&outcome).copied().unwrap_or_default();
            page.one(&seen.labels.and(&[("outcome", outcome.as_str())]), count);
        }
    }
    deployments(all, page);
    entering(all, page);
    page.family(ITEMS);
    for seen in all {
        for (when, counts) in items(&seen.status.checklists) {
            for (state, count) in STATES.iter().zip(counts) {
                page.one(&seen.labels.and(&[("when", when), ("state", state)]), count);
            }
        }
    }
    rollouts(all, page);
    sides(all, page);
}

fn deployments(all: &[Seen], page: &mut Page) {
    let newest = || {
        let seen = all.iter();
        seen.filter_map(|seen| Some((seen, seen.status.deployment.as_ref()?)))
    };
    page.family(PHASE);
    for (seen, deployment) in newest() {
        page.which(&seen.labels, "phase", &PHASES, phase(deployment.phase));
    }
    page.family(NUMBER);
    for (seen, deployment) in newest() {
        page.one(&seen.labels, deployment.number);
    }
    page.family(RELEASE);
    for (seen, deployment) in newest() {
        page.one(&seen.labels, deployment.release);
    }
    page.family(AGE);
    for (seen, deployment) in newest().filter(|(_, it)| !it.phase.is_over()) {
        page.one(&seen.labels, seen.since(deployment.started_at));
    }
    page.family(IN_PHASE);
    for (seen, deployment) in newest() {
        page.one(&seen.labels, seen.since(deployment.since));
    }
    page.family(WAITING);
    for seen in all {
        // Of several of a kind the one that has lasted longest.
        let mut longest: BTreeMap<(&str, &str, &str), Moment> = BTreeMap::new();
        for reason in &seen.status.reasons {
            let service = reason.service.as_deref().unwrap_or_default();
            let kind = (service, reason.kind.as_str(), who(reason.who));
            let since = longest.entry(kind).or_insert(reason.since);
            *since = reason.since.min(*since);
        }
        for ((service, kind, who), since) in longest {
            let of = match service {
                "" => seen.labels.clone(),
                service => seen.labels.and(&[("service", service)]),
            };
            let labels = of.and(&[("kind", kind), ("who", who)]);
            page.one(&labels, seen.since(since));
        }
    }
}

/// What waits to enter, and what keeps it out.
fn entering(all: &[Seen], page: &mut Page) {
    page.family(REQUESTS);
    for seen in all {
        page.one(&seen.labels, seen.status.requests.len());
    }
    page.family(REQUESTS_AGE);
    for seen in all {
        let since = seen.status.requests.iter().map(|request| request.since);
        if let Some(first) = since.min() {
            page.one(&seen.labels, seen.since(first));
        }
    }
    page.family(GATES);
    for seen in all {
        let requests = seen.status.requests.iter();
        let gates: Vec<_> = requests.flat_map(|request| &request.gates).collect();
        for (word, outcome) in [
            ("open", GateOutcome::Open),
            ("closed", GateOutcome::Closed),
            ("unknown", GateOutcome::Unknown),
        ] {
            let count = gates.iter().filter(|gate| gate.outcome == outcome).count();
            page.one(&seen.labels.and(&[("outcome", word)]), count);
        }
    }
    page.family(FREEZES);
    for seen in all {
        let freezes = seen.status.freezes.iter();
        let on = freezes.filter(|freeze| {
            freeze.from <= seen.now && freeze.until.is_none_or(|until| until > seen.now)
        });
        let (maintenance, freezes): (Vec<_>, Vec<_>) = on.partition(|freeze| freeze.maintenance);
        let maintenance = maintenance.len() + usize::from(seen.status.maintenance.is_some());
        for (kind, count) in [("freeze", freezes.len()), ("maintenance", maintenance)] {
            page.one(&seen.labels.and(&[("kind", kind)]), count);
        }
    }
}

const STATES: [&str; 5] = ["open", "done", "failed", "expired", "missed"];

/// Returns how many items of each kind of checklist stand in each of the states.
fn items(lists: &[Checklist]) -> BTreeMap<&str, [u64; 5]> {
    let mut counts: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
    for list in lists {
        let [open, done, failed, expired, missed] = counts.entry(&list.when).or_default();
        for item in &list.items {
            *match item.state {
                ItemState::Open => &mut *open,
                ItemState::Done => &mut *done,
                ItemState::Failed => &mut *failed,
                ItemState::Expired => &mut *expired,
                ItemState::Missed => &mut *missed,
            } += 1;
        }
    }
    counts
}

fn rollouts(all: &[Seen], page: &mut Page) {
    let rollouts = || {
        let services = all.iter().flat_map(Seen::services);
        services.filter_map(|(labels, service)| Some((labels, service.rollout.as_ref()?)))
    };
    page.family(STAGE);
    for (labels, rollout) in rollouts() {
        page.which(&labels, "stage", &STAGES, stage(rollout.stage));
    }
    page.family(STEP);
    for (labels, rollout) in rollouts() {
        page.one(&labels, rollout.step);
    }
    page.family(STEPS);
    for (labels, rollout) in rollouts() {
        page.one(&labels, rollout.steps);
    }
    page.family(SOAK);
    for (labels, rollout) in rollouts() {
        if let Some(soak) = rollout.soak_ms {
            page.one(&labels, seconds(soak));
        }
    }
}

fn sides(all: &[Seen], page: &mut Page) {
    page.family(WEIGHT);
    for (labels, side) in all.iter().flat_map(Seen::sides) {
        page.one(&labels, side.weight_percent / 100.0);
    }
    page.family(INSTANCES);
    for (labels, side) in all.iter().flat_map(Seen::sides) {
        let ready = side.ready();
        let not_ready = side.instances.len() - ready;
        for (state, count) in [("ready", ready), ("not_ready", not_ready)] {
            page.one(&labels.and(&[("state", state)]), count);
        }
    }
    page.family(WANTED);
    for (labels, side) in all.iter().flat_map(Seen::sides) {
        page.one(&labels, side.wanted);
    }
    page.family(CLOSED);
    for (labels, service) in all.iter().flat_map(Seen::services) {
        page.one(&labels, u8::from(service.closed.is_some()));
    }
}

#[cfg(test)]
mod tests {
    use leadsman_api::ChecklistItem;

    use super::*;

    fn list(when: &str, states: &[ItemState]) -> Checklist {
        let item = |state: &ItemState| ChecklistItem {
            name: "told".to_owned(),
            asks: "is everybody told".to_owned(),
            role: None,
            state: *state,
            said: None,
            actor: None,
            at: None,
            until: None,
            rollback: false,
        };
        Checklist {
            when: when.to_owned(),
            release: 1,
            digest: None,
            since: Moment(0),
            items: states.iter().map(item).collect(),
        }
    }

    #[test]
    fn items_are_counted_by_list_and_state() {
        use ItemState::{Done, Expired, Failed, Missed, Open};
        let lists = [
            list("before", &[Open, Done]),
            list("after", &[Missed, Missed, Failed]),
            list("before", &[Expired, Open]),
        ];
        let counted: Vec<_> = items(&lists).into_iter().collect();
        // In the order of `STATES`.
        assert_eq!(
            counted,
            [("after", [0, 0, 1, 0, 2]), ("before", [2, 1, 0, 1, 0])]
        );
        assert_eq!(STATES, ["open", "done", "failed", "expired", "missed"]);
    }
}
