//! How one environment stands, in a few words: what the overview and its own page have in common.

use leadsman_api::words::phase;
use leadsman_api::{
    EnvironmentStatus, ItemState, Outcome, Phase, Reason, Rollout, RolloutStage, Who,
};

use super::page::{Page, Tone};
use crate::render::words::{Clock, bar, count, duration, percent, whole_seconds};
use crate::render::{requests, status as told};

/// How wide the bar of a soak is.
const BAR: u64 = 12;

/// Returns where the newest deployment is.
pub(super) fn standing(status: &EnvironmentStatus) -> (Tone, &'static str) {
    let Some(deployment) = &status.deployment else {
        return (Tone::Plain, "nothing yet");
    };
    let tone = match deployment.phase {
        Phase::Moving => Tone::Busy,
        Phase::Paused | Phase::Returning => Tone::Care,
        Phase::Frozen | Phase::RolledBack | Phase::Abandoned => Tone::Bad,
        Phase::Settling | Phase::Settled => Tone::Good,
        Phase::Superseded => Tone::Plain,
    };
    (tone, phase(deployment.phase))
}

/// Returns which release serves.
pub(super) fn serves(status: &EnvironmentStatus) -> String {
    match status.serves {
        Some(release) => format!("release {release}"),
        None => "nothing".to_owned(),
    }
}

/// Returns what comes in, or would if it could.
pub(super) fn comes_in(status: &EnvironmentStatus) -> String {
    let deployment = status.deployment.as_ref();
    let under_way = deployment.filter(|it| !it.phase.is_over() && !it.phase.is_promoted());
    let mut parts = Vec::new();
    if let Some(deployment) = under_way {
        parts.push(format!("release {}", deployment.release));
    }
    if let Some(queued) = &status.queued {
        parts.push(format!("release {} is next", queued.release));
    }
    match &*status.requests {
        [] => {}
        [one] => parts.push(format!("release {} waits to enter", one.release)),
        several => {
            let several = count(several.len() as u64, "release");
            parts.push(format!("{several} wait to enter"));
        }
    }
    parts.join(", ")
}

/// Returns which step a rollout is in and what it gives.
pub(super) fn step(rollout: &Rollout) -> String {
    let (step, steps) = (rollout.step, rollout.steps);
    let weight = percent(rollout.weight_percent);
    match rollout.stage {
        RolloutStage::Soaking => format!("step {step} of {steps} at {weight}"),
        RolloutStage::Waiting
        | RolloutStage::Preparing
        | RolloutStage::Shifting
        | RolloutStage::Promoted
        | RolloutStage::Returning
        | RolloutStage::Returned => told::progress(rollout),
    }
}

/// Returns how far a soak is; empty where nothing soaks.
pub(super) fn soak(rollout: &Rollout) -> String {
    if rollout.stage != RolloutStage::Soaking {
        return String::new();
    }
    let done = rollout.soaked_ms;
    match rollout.soak_ms {
        Some(whole) if done < whole => {
            // What is left is rounded up: where it says 1s there is something left.
            let left = duration(whole_seconds(whole - done + 999));
            format!("{}  {left} of soak left", bar(done, whole, BAR))
        }
        Some(_) => {
            let held = duration(whole_seconds(done));
            format!("{}  held for {held}", bar(1, 1, BAR))
        }
        None => String::new(),
    }
}

/// Returns how what the judge concluded is shown.
pub(super) const fn judged(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Fail => Tone::Bad,
        Outcome::Inconclusive => Tone::Busy,
        Outcome::NoData | Outcome::SourceError => Tone::Care,
    }
}

/// Returns how a reason is shown: one that waits for a person stands out.
pub(super) const fn waits(reason: &Reason) -> (&'static str, Tone) {
    match reason.who {
        Who::Person => ("? ", Tone::Care),
        Who::Leadsman | Who::Either => ("- ", Tone::Dim),
    }
}

/// Adds what a person should know besides: why something went back, what is closed, and what is
/// wrong with anything around it.
pub(super) fn notices(page: &mut Page, indent: &str, status: &EnvironmentStatus, clock: &Clock) {
    let mut notice = |tone: Tone, text: &str| {
        page.marked(&format!("{indent}! "), tone, text);
    };
    if let Some(problem) = &status.url_problem {
        notice(Tone::Bad, &format!("no requests are accepted: {problem}"));
    }
    if let Some(deployment) = &status.deployment {
        if let Some(last) = told::aftermath(deployment, clock) {
            notice(Tone::Bad, &last);
        }
        let (release, since) = (deployment.release, clock.short(deployment.since));
        let cause = deployment.cause.as_deref().unwrap_or("no cause is known");
        match deployment.phase {
            Phase::Frozen => notice(
                Tone::Bad,
                &format!("release {release} is frozen since {since}: {cause}"),
            ),
            Phase::Returning => notice(
                Tone::Care,
                &format!("release {release} goes back since {since}: {cause}"),
            ),
            Phase::Moving
            | Phase::Paused
            | Phase::Settling
            | Phase::Settled
            | Phase::RolledBack
            | Phase::Superseded
            | Phase::Abandoned => {}
        }
    }
    if let Some(schema) = &status.schema
        && let Some(towards) = schema.towards
    {
        let (at, release) = (schema.at, schema.release);
        notice(
            Tone::Bad,
            &format!(
                "schema {at} or {towards}: the migration of release {release} has not ended well \
                 so far"
            ),
        );
    }
    let ahead = status.freezes.iter();
    for freeze in ahead.filter(|it| it.until.is_none_or(|until| until > clock.now)) {
        notice(Tone::Care, &requests::freeze(freeze, clock));
    }
    if let Some(maintenance) = &status.maintenance {
        notice(Tone::Care, &format!("nothing enters: {maintenance}"));
    }
    for service in &status.services {
        if let Some(closing) = &service.closed {
            let text = format!("`{}`: {}", service.name, told::closed(closing, clock));
            notice(Tone::Care, &text);
        }
    }
    for list in &status.checklists {
        let of = |state| list.items.iter().filter(|item| item.state == state).count();
        let (done, missed) = (of(ItemState::Done), of(ItemState::Missed));
        if done < list.items.len() {
            let tone = if missed > 0 { Tone::Bad } else { Tone::Care };
            let (when, release, all) = (&list.when, list.release, list.items.len());
            notice(
                tone,
                &format!(
                    "checklist `{when}` of release {release}: {done} of {all} done, {missed} missed"
                ),
            );
        }
    }
    for problem in status
        .certificates
        .iter()
        .filter_map(|it| it.problem.as_ref())
    {
        notice(Tone::Care, problem);
    }
}
