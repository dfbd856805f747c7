//! `gated`: no release gets traffic unless all that was asked of it held.
//!
//! It is found out anew here, from what was recorded, what the machine really said and who people
//! really were; the engine is asked for nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leadsman_core::checklist::{Answer, Asks, Checklist, When};
use leadsman_core::entry::{Approval, ApprovalRule, EntryRules, Freeze, Opening, Voters};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::people::{self, Act, People, PersonName, Reach};
use leadsman_core::time::Timestamp;
use leadsman_core::{ApplicationEvent, Environment, Event, Origin, ReleaseContent, Stage};
use leadsman_store::{Recorded, StreamKind};

use super::guarded::MEMORY;
use super::instances::Moment;

/// How long something may lie back that held when it was decided: a control may be held up between
/// deciding and recording, and what it found out counts for half a minute.
const SLACK: Duration = Duration::from_secs(30);

/// The same in a world in which controls are stopped for a while.
const SLACK_STOPPED: Duration = Duration::from_secs(200);

/// What was really so, and since when.
#[derive(Default)]
pub(super) struct Truth {
    people: Vec<(Timestamp, People)>,
    reports: BTreeMap<ReleaseNumber, Vec<(Timestamp, bool)>>,
    machine: Vec<(Moment, bool)>,
    /// The releases that were let in and have not begun.
    admitted: BTreeSet<ReleaseNumber>,
    /// Whether a control was stopped for a while.
    pub(super) stopped: bool,
}

/// A moment, by the log and by the world.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) log: Timestamp,
    pub(super) world: Moment,
}

impl Truth {
    /// Takes in what was recorded of people and reports.
    pub(super) fn hear(&mut self, recorded: &Recorded) {
        match recorded.stream.kind() {
            Some(StreamKind::People) => {
                let event: people::Event =
                    serde_json::from_str(&recorded.body).expect("it was written by us");
                let before = self.people.last().map(|(_, people)| people.clone());
                let people = people::evolve(before.unwrap_or_default(), recorded.at, &event);
                self.people.push((recorded.at, people));
            }
            Some(StreamKind::Application(_)) => {
                let event = serde_json::from_str(&recorded.body).expect("it was written by us");
                if let ApplicationEvent::ReportReceived { release, says, .. } = event {
                    let good = says.tests.is_some_and(|tests| tests.failed == 0);
                    self.reports
                        .entry(release)
                        .or_default()
                        .push((recorded.at, good));
                }
            }
            Some(_) | None => {}
        }
    }

    /// The machine says from now on that all is well, or that it is not.
    pub(super) fn machine(&mut self, at: Moment, holds: bool) {
        self.machine.push((at, holds));
    }

    fn slack(&self) -> Duration {
        if self.stopped { SLACK_STOPPED } else { SLACK }
    }

    /// Says what did not hold where a release is let in or gets traffic; `None` where neither is so.
    pub(super) fn broken(
        &mut self,
        state: &Environment,
        event: &Event,
        at: At,
    ) -> Option<Option<String>> {
        match event {
            Event::EntryAdmitted { release, .. } => {
                self.admitted.insert(*release);
                let request = state.requests.get(release);
                let Some(request) = request else {
                    return Some(Some(format!("{release} did not wait")));
                };
                let before = back(at.log, self.slack());
                let mut freezes = state.freezes.values();
                let frozen = freezes.find(|freeze| keeps_out(freeze, *release, before, at.log));
                let rules = rules(state, &request.content);
                let lacks = rules.into_iter().find_map(|rules| {
                    self.consent(rules.approvals.as_ref(), &request.approvals, state, at)
                        .or_else(|| self.window(rules, at))
                        .or_else(|| self.gates(rules, *release, at))
                        .or_else(|| self.checklist(&rules.checklists.before, &request.answers, at))
                });
                Some(frozen.map(|freeze| freeze.why.clone()).or(lacks))
            }
            Event::DeploymentQueued {
                release,
                content,
                origin,
                ..
            } => self.begins(state, *release, content, *origin),
            Event::DeploymentStarted {
                release,
                content,
                origin,
                ..
            } => {
                let queued = state.queued.as_ref();
                if queued.is_some_and(|queued| queued.release == *release) {
                    return None;
                }
                self.begins(state, *release, content, *origin)
            }
            Event::WeightShifted { service, step, .. } => {
                let deployment = state.deployment.as_ref()?;
                let rollout = deployment.rollouts.get(service)?;
                if !deployment.goes_forward() || matches!(rollout.stage, Stage::Returning { .. }) {
                    return None;
                }
                let (release, content) = (deployment.release, &deployment.content);
                if let Some(works) = self.works(state, release, content, at) {
                    return Some(Some(works));
                }
                if !rollout.is_last(*step) {
                    return Some(None);
                }
                let rules = rules(state, content);
                let lacks = rules.into_iter().find_map(|rules| {
                    self.checklist(rules.checklists.get(When::During), &deployment.answers, at)
                });
                Some(lacks)
            }
            _ => None,
        }
    }

    /// A release that comes in was let in, or nothing was asked of it.
    fn begins(
        &mut self,
        state: &Environment,
        release: ReleaseNumber,
        content: &ReleaseContent,
        origin: Origin,
    ) -> Option<Option<String>> {
        if matches!(origin, Origin::Rollback { .. }) || self.admitted.remove(&release) {
            return None;
        }
        let asked = rules(state, content).into_iter().any(asks) || !state.freezes.is_empty();
        Some(asked.then(|| format!("{release} comes in without being let in")))
    }

    fn consent(
        &self,
        rule: Option<&ApprovalRule>,
        approvals: &[Approval],
        state: &Environment,
        at: At,
    ) -> Option<String> {
        let rule = rule?;
        let lasting = |one: &&Approval| back(at.log, self.slack()) < one.at + rule.lasts;
        let given: Vec<&Approval> = approvals.iter().filter(lasting).collect();
        let about = Reach::Environment(state.id.clone());
        let enough = |people: &People| {
            let may = |one: &&&Approval| {
                let name = one.by.parse::<PersonName>();
                name.is_ok_and(|name| people.rights(&name).may(Act::Approve, &about))
            };
            let given: Vec<&str> = given
                .iter()
                .filter(may)
                .map(|one| one.by.as_str())
                .collect();
            let places: Vec<&Voters> = rule
                .needs
                .iter()
                .flat_map(|need| std::iter::repeat_n(&need.of, usize::from(need.count)))
                .collect();
            given.len() >= usize::from(rule.count) && stand(&places, &given, people)
        };
        let since = back(at.log, self.slack());
        let held = lately(&self.people, since).any(enough);
        (!held).then(|| format!("the consent of {given:?} is not enough"))
    }

    fn window(&self, rules: &EntryRules, at: At) -> Option<String> {
        let open = |moment| matches!(rules.calendar.at(moment), Opening::Open { .. });
        let held = open(at.log) || open(back(at.log, self.slack()));
        (!held).then(|| "no window is open".to_owned())
    }

    fn gates(&self, rules: &EntryRules, release: ReleaseNumber, at: At) -> Option<String> {
        rules.gates.tests.as_ref()?;
        let since = back(at.log, self.slack());
        let reports = self.reports.get(&release).map_or(&[][..], Vec::as_slice);
        let held = lately(reports, since).any(|good| *good);
        (!held).then(|| "tests have not passed".to_owned())
    }

    fn checklist(&self, list: &Checklist, answers: &[Answer], at: At) -> Option<String> {
        list.iter().find_map(|(name, item)| {
            let held = match &item.asks {
                Asks::Check(check) => *check != MEMORY || self.machine_held(at.world),
                Asks::Confirm { lasts, .. } => answers.iter().any(|answer| {
                    answer.item == *name
                        && answer.asked == item.asks
                        && answer.passed
                        && answer.by != "leadsman"
                        && back(at.log, self.slack()) < answer.at + *lasts
                }),
            };
            (!held).then(|| format!("`{name}` of a checklist is not done"))
        })
    }

    fn machine_held(&self, at: Moment) -> bool {
        let slack = u64::try_from(self.slack().as_millis()).unwrap_or(u64::MAX);
        let since = at.saturating_sub(slack);
        // Before anything was said, all was well.
        let was_well = self.machine.first().is_none_or(|(from, _)| *from > since);
        was_well || lately(&self.machine, since).any(|holds| *holds)
    }

    /// Returns the maintenance window in which nothing goes on.
    fn works(
        &self,
        state: &Environment,
        release: ReleaseNumber,
        content: &ReleaseContent,
        at: At,
    ) -> Option<String> {
        let before = back(at.log, self.slack());
        let mut declared = state.freezes.values().filter(|freeze| freeze.maintenance);
        let declared = declared.find(|freeze| keeps_out(freeze, release, before, at.log));
        let weekly = rules(state, content).into_iter().find(|rules| {
            let mut calendar = rules.calendar.clone();
            calendar.windows.clone_from(&rules.maintenance);
            let on = |moment| matches!(calendar.at(moment), Opening::Open { .. });
            !rules.maintenance.is_empty() && on(at.log) && on(before)
        });
        let declared = declared.map(|_| "it moves in a maintenance window that was declared");
        let weekly = weekly.map(|_| "it moves in a maintenance window of the week");
        declared.or(weekly).map(str::to_owned)
    }
}

/// Returns what was so at a moment since `since`, of what is `known` with the moment from which on it
/// was so, in order.
fn lately<M: PartialOrd, T>(known: &[(M, T)], since: M) -> impl Iterator<Item = &T> {
    let before = known.iter().rposition(|(from, _)| *from <= since);
    let known = known.get(before.unwrap_or_default()..).unwrap_or_default();
    known.iter().map(|(_, so)| so)
}

/// Whether a freeze keeps a release out from one moment to another. It asks nobody whose answer is
/// what is looked at.
fn keeps_out(freeze: &Freeze, release: ReleaseNumber, from: Timestamp, to: Timestamp) -> bool {
    let lasts = freeze.from <= from && freeze.until.is_none_or(|until| to < until);
    lasts && !freeze.except.contains(&release)
}

/// Whether each place has somebody of its own.
fn stand(places: &[&Voters], given: &[&str], people: &People) -> bool {
    let Some((place, places)) = places.split_first() else {
        return true;
    };
    (0..given.len()).any(|index| {
        let name = given[index];
        let known = name.parse::<PersonName>().ok();
        let known = known.and_then(|name| people.people.get(&name));
        let suits = match place {
            Voters::Team(team) => known.is_some_and(|person| person.teams.contains(team)),
            Voters::People(these) => these.iter().any(|one| one.as_str() == name),
        };
        let mut rest = given.to_vec();
        rest.remove(index);
        suits && stand(places, &rest, people)
    })
}

fn rules<'a>(state: &'a Environment, content: &'a ReleaseContent) -> Vec<&'a EntryRules> {
    let serving = state.entry_in_force();
    serving.into_iter().chain([&content.entry]).collect()
}

fn asks(rules: &EntryRules) -> bool {
    rules.approvals.is_some()
        || !rules.calendar.windows.is_empty()
        || !rules.maintenance.is_empty()
        || !rules.gates.is_empty()
        || !rules.checklists.before.is_empty()
}

fn back(at: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_sub(by))
}
