//! What gates say of a release that waits.

use leadsman_gates::{About, Day, Evidence, Facts, GateResult, Gates, Outcome, evaluate};

use super::request::{Identity, Reference, Request, rules};
use crate::environment::Environment;
use crate::id::ReleaseNumber;
use crate::observed::Observed;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// What reports say of a release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownFacts {
    /// What they say.
    pub facts: Facts,
    /// When the oldest of them came; `None` if there is none.
    pub collected: Option<Timestamp>,
}

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// Returns the day of a moment, in UTC.
fn day(moment: Timestamp) -> Option<Day> {
    let days = i64::try_from(moment.as_millis() / DAY_MILLIS).ok()?;
    Day::since_epoch(days)
}

/// Returns the moment at which a day begins in UTC.
pub(super) fn begins(day: Day) -> Option<Timestamp> {
    let days = u64::try_from(day.days_since_epoch()).ok()?;
    Some(Timestamp::from_millis(days.checked_mul(DAY_MILLIS)?))
}

impl Request {
    /// Returns what the gates say at the moment `now`: those of its own rules, and those of the
    /// rules that hold. Of two of one name the one that lets less pass counts. The jobs that must
    /// have tried it are those of its own rules alone: a pipeline without one of them cannot run it,
    /// and nobody could ever take it out.
    pub fn judged(
        &self,
        environment: &Environment,
        release: ReleaseNumber,
        observed: &Observed,
        now: Timestamp,
    ) -> Vec<GateResult> {
        let asked = (release, &*self.content, &self.identity);
        gates_of(environment, asked, observed, now)
    }
}

/// Returns what the gates say of a release at the moment `now`, as of one that waits.
pub(crate) fn gates_of(
    environment: &Environment,
    (release, content, identity): (ReleaseNumber, &ReleaseContent, &Identity),
    observed: &Observed,
    now: Timestamp,
) -> Vec<GateResult> {
    let mut judged: Vec<GateResult> = Vec::new();
    for rules in rules(environment, content) {
        let mut gates = rules.gates.clone();
        gates.jobs.clone_from(&content.entry.gates.jobs);
        for result in judged_by(&gates, environment, (release, identity), observed, now) {
            match judged.iter_mut().find(|known| known.name == result.name) {
                Some(known) if known.outcome == Outcome::Open => *known = result,
                Some(_) => {}
                None => judged.push(result),
            }
        }
    }
    judged
}

fn judged_by(
    gates: &Gates,
    environment: &Environment,
    (release, identity): (ReleaseNumber, &Identity),
    observed: &Observed,
    now: Timestamp,
) -> Vec<GateResult> {
    let Some(today) = day(now).filter(|_| !gates.is_empty()) else {
        return Vec::new();
    };
    let nothing = Facts::default();
    let of = |release| observed.facts.get(&release);
    let known = of(release);
    let source = &identity.source;
    let called = |which: fn(&Reference) -> Option<&String>| {
        let name = source.reference.as_ref().and_then(which);
        name.cloned().unwrap_or_default()
    };
    let about = About {
        number: release.0,
        environment: environment.id.environment.to_string(),
        digest: identity.digest.to_string(),
        commit: source.commit.clone().unwrap_or_default(),
        branch: called(|reference| match reference {
            Reference::Branch(name) => Some(name),
            Reference::Tag(_) => None,
        }),
        tag: called(|reference| match reference {
            Reference::Tag(name) => Some(name),
            Reference::Branch(_) => None,
        }),
    };
    let promoted = environment.serving().and_then(of);
    evaluate(
        gates,
        &Evidence {
            facts: known.map_or(&nothing, |known| &known.facts),
            collected: known.and_then(|known| known.collected).and_then(day),
            promoted: promoted.map(|known| &known.facts),
            about: &about,
            today,
        },
    )
}
