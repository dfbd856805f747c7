//! A deployment while it is watched: a block that is drawn again and again, or a line for each
//! thing that changed.

use std::collections::BTreeMap;

use leadsman_api::{EnvironmentStatus, InstanceState, Phase, Rollout, RolloutStage};

use super::status::{progress, reason, troubles};
use super::table::Table;
use super::words::{Clock, clean, duration, latency, percent, ratio, wrapped};

/// How long a new instance may be not ready before that is said, in milliseconds.
const PATIENCE_MS: u64 = 5000;

/// Returns one line for each service that moves, and what is waited for.
pub(crate) fn block(status: &EnvironmentStatus, clock: &Clock) -> String {
    let mut table = Table::default();
    for service in &status.services {
        let Some(rollout) = &service.rollout else {
            continue;
        };
        let figures = service
            .canary
            .as_ref()
            .and_then(|canary| canary.figures.as_ref());
        let weight = service
            .canary
            .as_ref()
            .map(|canary| percent(canary.weight_percent));
        let errors = figures.and_then(|figures| figures.error_ratio).map(ratio);
        let p95 = figures.and_then(|figures| figures.p95_ms).map(latency);
        table.row([
            service.name.clone(),
            weight.unwrap_or_default(),
            progress(rollout),
            errors
                .map(|errors| format!("errors {errors}"))
                .unwrap_or_default(),
            p95.map(|p95| format!("p95 {p95}")).unwrap_or_default(),
        ]);
    }
    let mut text: String = table
        .to_lines(2)
        .into_iter()
        .map(|line| line + "\n")
        .collect();
    for waiting in &status.reasons {
        text.push_str(&wrapped("  - ", &reason(waiting, clock)));
    }
    text
}

/// Remembers what was said, so that only what changed is said again.
#[derive(Default)]
pub(crate) struct Milestones {
    /// By what it is about: the mark of what was said.
    said: BTreeMap<String, String>,
}

/// Something worth a line.
struct Milestone {
    /// What the line is about.
    about: String,
    /// Changes when the line is to be said again.
    mark: String,
    /// The line.
    text: String,
}

impl Milestone {
    fn new(about: String, text: String) -> Self {
        Self {
            about,
            mark: text.clone(),
            text,
        }
    }
}

impl Milestones {
    /// Returns a line for each thing that is not as it was at the last look.
    pub(crate) fn news(&mut self, status: &EnvironmentStatus, clock: &Clock) -> Vec<String> {
        let now = milestones(status);
        let news = now
            .iter()
            .filter(|now| self.said.get(&now.about) != Some(&now.mark))
            .map(|now| format!("{}  {}: {}", clock.exact(status.at), now.about, now.text))
            .collect();
        self.said = now.into_iter().map(|now| (now.about, now.mark)).collect();
        news
    }
}

/// Says where everything is, leaving out what changes all the time: what it is about, and what.
fn milestones(status: &EnvironmentStatus) -> Vec<Milestone> {
    let mut milestones = Vec::new();
    for service in &status.services {
        if let Some(rollout) = &service.rollout {
            milestones.push(Milestone::new(service.name.clone(), stage(rollout)));
        }
        for (instance, trouble) in service.canary.iter().flat_map(troubles) {
            // That an instance takes its time to start is no news.
            let is_new = status.at.millis_since(instance.started_at) < PATIENCE_MS;
            if instance.state == InstanceState::Broken || instance.restarts > 0 || !is_new {
                // One that ends again and again is told of once for each time, not for each of its
                // states in between.
                milestones.push(Milestone {
                    about: clean(&instance.id),
                    mark: format!(
                        "{} {}",
                        instance.state == InstanceState::Broken,
                        instance.restarts
                    ),
                    text: trouble,
                });
            }
        }
    }
    if let Some(deployment) = &status.deployment {
        let cause = deployment
            .cause
            .as_deref()
            .map(|cause| format!(", {}", clean(cause)));
        let cause = cause.unwrap_or_default();
        let phase = match deployment.phase {
            Phase::Moving => "on its way".to_owned(),
            Phase::Paused => "paused".to_owned(),
            Phase::Returning => format!("goes back{cause}"),
            Phase::Frozen => format!("frozen{cause}"),
            Phase::Settling | Phase::Settled => "has all traffic".to_owned(),
            Phase::RolledBack => format!("went back{cause}"),
            Phase::Superseded => format!("superseded{cause}"),
            Phase::Abandoned => format!("given up{cause}"),
        };
        let about = format!("release {}", deployment.release);
        milestones.push(Milestone::new(about, phase));
    }
    milestones
}

fn stage(rollout: &Rollout) -> String {
    let Rollout { step, steps, .. } = rollout;
    let weight = percent(rollout.weight_percent);
    match rollout.stage {
        RolloutStage::Waiting => "waits for its turn".to_owned(),
        RolloutStage::Preparing => {
            format!("step {step} of {steps}: instances for {weight} become ready")
        }
        RolloutStage::Shifting => format!("step {step} of {steps}: weight moves to {weight}"),
        RolloutStage::Soaking => match rollout.soak_ms {
            Some(soak) => {
                format!(
                    "step {step} of {steps}: holds {weight} for {}",
                    duration(soak)
                )
            }
            None => format!("step {step} of {steps}: {weight}"),
        },
        RolloutStage::Promoted => "promoted".to_owned(),
        RolloutStage::Returning => "traffic goes back".to_owned(),
        RolloutStage::Returned => "traffic is back".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::samples::{clock, plain, rolled_back, soaking};
    use super::*;

    #[test]
    fn a_block_has_a_line_for_each_service_that_moves() {
        // The head keeps the golden text from losing its indentation.
        let text = format!("shop/production\n{}", plain(&block(&soaking(), &clock())));
        expect![[r#"
            shop/production
              web  25 %  step 2 of 4  █████░░░░░░░  4m12s of 10m  errors 0.1 %  p95 81 ms
              - step 2 of 4 of `web` holds 25 % for 5 min 48 s more (since 14:09; by hand:
                `leadsman promote`, `leadsman abort`)
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn an_instance_that_starts_is_no_news_and_one_that_cannot_is() {
        let mut status = soaking();
        let instance = &mut status.services[1].canary.as_mut().unwrap().instances[0];
        instance.ready = false;
        instance.started_at = status.at;
        let said = |status: &EnvironmentStatus| {
            let lines = Milestones::default().news(status, &clock());
            lines
                .into_iter()
                .find(|line| line.contains("shop.production.web"))
        };
        assert_eq!(said(&status), None);

        status.at.0 += PATIENCE_MS;
        assert!(said(&status).unwrap().ends_with("web.r4.d4.1: not ready"));

        status.at.0 -= PATIENCE_MS;
        let instance = &mut status.services[1].canary.as_mut().unwrap().instances[0];
        instance.restarts = 1;
        assert!(
            said(&status)
                .unwrap()
                .ends_with("not ready, restarted once")
        );
    }

    #[test]
    fn only_what_changed_is_said_again() {
        let mut milestones = Milestones::default();
        let mut lines = milestones.news(&soaking(), &clock());
        lines.extend(milestones.news(&soaking(), &clock()));
        let mut later = soaking();
        let rollout = later.services[1].rollout.as_mut().unwrap();
        rollout.soaked_ms += 1000;
        lines.extend(milestones.news(&later, &clock()));
        let rollout = later.services[1].rollout.as_mut().unwrap();
        rollout.step = 3;
        rollout.weight_percent = 50.0;
        rollout.stage = RolloutStage::Preparing;
        lines.extend(milestones.news(&later, &clock()));
        lines.extend(milestones.news(&rolled_back(), &clock()));
        expect![[r#"
            14:13:20  web: step 2 of 4: holds 25 % for 10m
            14:13:20  release 4: on its way
            14:13:20  web: step 3 of 4: instances for 50 % become ready
            14:13:20  release 4: went back, `web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)"#]].assert_eq(&lines.join("\n"));
    }
}
