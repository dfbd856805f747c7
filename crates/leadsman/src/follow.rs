//! Watching one deployment until its traffic has found its place.

use leadsman_api::{Client, Deployment, EnvironmentStatus, HistoryQuery, Phase};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::render::live::{self, Milestones};
use crate::render::words::Clock;
use crate::target::Target;
use crate::wait::Watch;

/// Which deployment is watched.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) target: Target,
    /// The version of the environment's state that contains it.
    pub(crate) version: u64,
    pub(crate) release: u64,
    /// Its number; `None` while it has yet to start.
    pub(crate) deployment: Option<u64>,
}

/// What a look at the environment tells about the deployment.
#[derive(Debug, PartialEq)]
enum Look {
    /// It is not there yet, or on its way.
    Pending,
    /// It is where it stays without a person.
    Over(Deployment),
    /// A later one took its place: the history knows what became of it.
    Gone,
}

/// Shows the deployment's progress, and returns it once the release is promoted or will not be.
pub(crate) async fn follow(
    context: &Context,
    client: &Client,
    followed: &Followed,
) -> Result<Deployment, Failure> {
    let output = context.output;
    let mut watch = Watch::new(client.clone(), output).after_contact();
    let mut milestones = Milestones::default();
    let mut drawn = 0;
    loop {
        let overview = watch.next().await?;
        let mut statuses = overview.environments.iter();
        // A status from before the shipment could be taken for one from after its end.
        let is_shown = |status: &&EnvironmentStatus| {
            followed.target.is(status) && status.version >= followed.version
        };
        let Some(status) = statuses.find(is_shown) else {
            continue;
        };
        let clock = Clock::at(status.at);
        if output.can_redraw(Screen::Talk) {
            drawn = output.redraw(Screen::Talk, drawn, &live::block(status, &clock));
        } else {
            for line in milestones.news(status, &clock) {
                output.talk(&line);
            }
        }
        match look(status, followed) {
            Look::Pending => {}
            Look::Over(deployment) => return Ok(deployment),
            Look::Gone => return remembered(client, followed).await,
        }
    }
}

fn look(status: &EnvironmentStatus, followed: &Followed) -> Look {
    let Some(deployment) = &status.deployment else {
        return Look::Pending;
    };
    let is_it = match followed.deployment {
        Some(number) if deployment.number > number => return Look::Gone,
        Some(number) => deployment.number == number,
        None => deployment.release == followed.release,
    };
    let is_queued = status
        .queued
        .as_ref()
        .is_some_and(|queued| queued.release == followed.release);
    match deployment.phase {
        _ if !is_it && followed.deployment.is_none() && !is_queued => Look::Gone,
        _ if !is_it => Look::Pending,
        Phase::Moving | Phase::Paused | Phase::Returning => Look::Pending,
        Phase::Frozen
        | Phase::Settling
        | Phase::Settled
        | Phase::RolledBack
        | Phase::Superseded
        | Phase::Abandoned => Look::Over(deployment.clone()),
    }
}

/// Returns what the history says about a deployment that was followed by another one.
async fn remembered(client: &Client, followed: &Followed) -> Result<Deployment, Failure> {
    let Target {
        application,
        environment,
    } = &followed.target;
    let query = HistoryQuery::default();
    let history = client.history(application, environment, &query).await?;
    let is_it = |deployment: &&Deployment| match followed.deployment {
        Some(number) => deployment.number == number,
        None => deployment.release == followed.release,
    };
    history
        .deployments
        .iter()
        .find(is_it)
        .cloned()
        .ok_or_else(|| superseded(followed.release))
}

/// Turns what became of a deployment into success or the failure that a script has to notice.
pub(crate) fn verdict(deployment: &Deployment) -> Result<(), Failure> {
    let release = deployment.release;
    let with_cause = |failure: Failure| match &deployment.cause {
        Some(cause) => Failure {
            causes: vec![cause.clone()],
            ..failure
        },
        None => failure,
    };
    match deployment.phase {
        Phase::Settling | Phase::Settled => Ok(()),
        Phase::RolledBack | Phase::Returning => Err(with_cause(
            Failure::new(Code::RolledBack, format!("release {release} went back"))
                .hint("see everything that led to it with `leadsman why`")
                .exit(Exit::RolledBack),
        )),
        Phase::Superseded => Err(with_cause(superseded(release))),
        Phase::Frozen => Err(with_cause(
            Failure::new(
                Code::Frozen,
                format!("release {release} is frozen: a person has to decide"),
            )
            .hint(
                "try the way back again with `leadsman retry`, ship another release, or accept \
                 what serves with `leadsman abort`",
            ),
        )),
        Phase::Abandoned => Err(with_cause(
            Failure::new(Code::RolledBack, format!("release {release} was given up"))
                .hint("see everything that led to it with `leadsman why`"),
        )),
        Phase::Moving | Phase::Paused => Ok(()),
    }
}

fn superseded(release: u64) -> Failure {
    Failure::new(
        Code::Superseded,
        format!("a newer release took the place of release {release}"),
    )
    .hint("watch the newer one with `leadsman status --watch`")
}

#[cfg(test)]
mod tests {
    use leadsman_api::{Origin, Queued};

    use super::*;
    use crate::render::samples::{deployment, serving};

    fn followed(deployment: Option<u64>) -> Followed {
        let target = Target {
            application: "shop".to_owned(),
            environment: "production".to_owned(),
        };
        Followed {
            target,
            version: 12,
            release: 4,
            deployment,
        }
    }

    fn status(phase: Phase) -> EnvironmentStatus {
        EnvironmentStatus {
            certificates: Vec::new(),
            deployment: Some(deployment(phase)),
            ..serving()
        }
    }

    #[test]
    fn a_deployment_is_followed_until_its_traffic_has_found_its_place() {
        for phase in [Phase::Moving, Phase::Paused, Phase::Returning] {
            assert_eq!(look(&status(phase), &followed(Some(4))), Look::Pending);
        }
        for phase in [
            Phase::Settling,
            Phase::Settled,
            Phase::RolledBack,
            Phase::Superseded,
            Phase::Frozen,
            Phase::Abandoned,
        ] {
            assert_eq!(
                look(&status(phase), &followed(Some(4))),
                Look::Over(deployment(phase))
            );
        }
    }

    #[test]
    fn an_earlier_deployment_is_not_taken_for_it_and_a_later_one_means_it_is_gone() {
        assert_eq!(
            look(&status(Phase::Settled), &followed(Some(5))),
            Look::Pending
        );
        assert_eq!(look(&status(Phase::Moving), &followed(Some(3))), Look::Gone);
    }

    #[test]
    fn one_that_waits_for_its_turn_is_found_when_it_starts() {
        let queued = |release| Queued {
            release,
            origin: Origin::Ship,
            actor: "mia".to_owned(),
        };
        let mut before = serving();
        before.queued = Some(queued(4));
        assert_eq!(look(&before, &followed(None)), Look::Pending);
        before.queued = Some(queued(5));
        assert_eq!(look(&before, &followed(None)), Look::Gone);
        assert_eq!(look(&status(Phase::Moving), &followed(None)), Look::Pending);
        assert!(matches!(
            look(&status(Phase::Settling), &followed(None)),
            Look::Over(_)
        ));
    }

    #[test]
    fn what_became_of_it_decides_the_status_of_the_program() {
        for (phase, expected) in [
            (Phase::Settling, None),
            (Phase::Settled, None),
            (Phase::RolledBack, Some(("L060", Exit::RolledBack))),
            (Phase::Superseded, Some(("L061", Exit::Failed))),
            (Phase::Frozen, Some(("L062", Exit::Failed))),
            (Phase::Abandoned, Some(("L060", Exit::Failed))),
        ] {
            let failure = verdict(&deployment(phase)).err();
            let found = failure
                .as_ref()
                .map(|failure| (failure.code.as_str(), failure.exit));
            assert_eq!(found, expected, "{phase:?}");
        }
    }
}
