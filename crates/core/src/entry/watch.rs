//! What becomes of releases that wait to enter.

use std::collections::BTreeSet;
use std::sync::Arc;

use leadsman_gates::{GateResult, Outcome};

use super::calendar::Opening;
use super::judged::begins;
use super::request::{Missing, Request, soak_at_most};
use crate::decide::enter;
use crate::environment::{Environment, Queued};
use crate::event::Event;
use crate::id::ReleaseNumber;
use crate::observed::Observed;
use crate::reason::{Reason, Waiting, Who};
use crate::time::Timestamp;

/// Returns what holds now of the releases that wait: one of them at a time, because the next one
/// may find an environment that has changed.
pub(crate) fn facts(environment: &Environment, observed: &Observed, now: Timestamp) -> Vec<Event> {
    // The newest first: where several may enter, it is the one that is meant to stay.
    for (release, request) in environment.requests.iter().rev() {
        let release = *release;
        if now >= request.expires_at(environment) {
            return vec![Event::EntryExpired { release }];
        }
        let judged = request.judged(environment, release, observed, now);
        if judged != request.gates {
            return judge(release, request, judged);
        }
        if !environment.is_on_its_way(release)
            && request
                .missing(environment, release, observed, now)
                .is_empty()
        {
            return admit(environment, release, request, observed, now);
        }
    }
    Vec::new()
}

/// Records what the gates say now. Consent that was given while a gate was open is void once it is
/// closed.
fn judge(release: ReleaseNumber, request: &Request, gates: Vec<GateResult>) -> Vec<Event> {
    let closed = request.gates.iter().find_map(|before| {
        let now = gates.iter().find(|gate| gate.name == before.name)?;
        let closes = before.outcome == Outcome::Open && now.outcome != Outcome::Open;
        closes.then(|| now.sentence.clone())
    });
    let revoked = closed.filter(|_| !request.approvals.is_empty());
    let judged = Event::EntryJudged {
        release,
        digest: request.identity.digest.clone(),
        gates,
    };
    let revoked = revoked.map(|why| Event::ApprovalsRevoked { release, why });
    std::iter::once(judged).chain(revoked).collect()
}

/// Lets a release in. Older ones that wait would only take it back.
fn admit(
    environment: &Environment,
    release: ReleaseNumber,
    request: &Request,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Event> {
    let mut events = vec![Event::EntryAdmitted {
        release,
        digest: request.identity.digest.clone(),
        approvals: request.counted_approvals(environment, observed, now),
        gates: request.gates.clone(),
        checks: request.answers.clone(),
        expedited: request.expedited.clone(),
    }];
    let older = environment
        .requests
        .range(..release)
        .map(|(older, _)| *older);
    events.extend(older.map(|older| Event::EntryOvertaken {
        release: older,
        by: release,
    }));
    let after = events.iter().fold(environment.clone(), |state, event| {
        crate::evolve(state, now, event)
    });
    events.extend(enter(
        &after,
        Queued {
            release,
            content: Arc::clone(&request.content),
            origin: request.origin,
            by: request.by.clone(),
            identity: Some(request.identity.clone()),
            soak_at_most: soak_at_most(environment, &request.content, request.expedited.as_deref()),
            one_way: request.one_way.clone(),
        },
    ));
    events
}

/// Returns what each release that waits lacks, and when to look again.
pub(crate) fn reasons(
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> (Vec<Reason>, Option<Timestamp>) {
    let mut reasons = Vec::new();
    let mut wake_at = BTreeSet::new();
    for (release, request) in &environment.requests {
        let missing = request.missing(environment, *release, observed, now);
        let until = request.expires_at(environment);
        wake_at.insert(until);
        wake_at.extend(missing.iter().filter_map(turns));
        let expires = request.gates.iter().filter_map(|gate| gate.expires);
        wake_at.extend(expires.filter_map(begins));
        wake_at.extend(runs_out(environment, request, now));
        wake_at.extend(environment.freezes.values().map(|freeze| freeze.from));
        let who = who(&missing);
        reasons.push(Reason {
            waiting: Waiting::Entry {
                release: *release,
                missing,
            },
            since: request.since,
            until: Some(until),
            who,
        });
    }
    (reasons, wake_at.range(after(now)..).next().copied())
}

fn after(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis() + 1)
}

/// Returns when time alone changes what is missing.
fn turns(missing: &Missing) -> Option<Timestamp> {
    match missing {
        Missing::Window { opens, .. } => *opens,
        Missing::Closed(works) => works.until,
        Missing::Earlier { .. }
        | Missing::Approvals { .. }
        | Missing::Gate { .. }
        | Missing::Item(_) => None,
    }
}

/// Returns when something that it has is lacking again.
fn runs_out(environment: &Environment, request: &Request, now: Timestamp) -> Vec<Timestamp> {
    let rules = request.rules(environment);
    let mut moments = Vec::new();
    for rules in rules {
        if let Opening::Open { closes } = rules.calendar.at(now) {
            moments.extend(closes);
        }
        moments.extend(rules.turns(now));
        if let Some(rule) = &rules.approvals {
            moments.extend(request.approvals.iter().map(|it| it.at + rule.lasts));
        }
    }
    moments
}

fn who(missing: &[Missing]) -> Who {
    let needs_consent = missing
        .iter()
        .any(|it| matches!(it, Missing::Approvals { .. }));
    let is_frozen = missing.iter().any(|it| matches!(it, Missing::Closed(_)));
    match (needs_consent, is_frozen) {
        (true, _) => Who::Person(&["approve", "reject"]),
        (false, true) => Who::Either(&["thaw", "reject"]),
        (false, false) => Who::Either(&["reject"]),
    }
}
