//! What comes of judging again.

use std::time::{Duration, Instant};

use leadsman_api::{
    Error, Outcome, Phase, Problem, Replay, ReplayLine, ReplayedRollout, ReplayedStep, StatusQuery,
};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::time::Timestamp;

use crate::served::{Served, shipment};

/// Ships a version and waits until its deployment is over.
async fn ship(served: &Served, version: u64) -> Phase {
    let shipped = served.client.ship(&shipment(version)).await;
    let number = shipped.expect("nothing stands in the way").deployment;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let query = StatusQuery {
            after: None,
            wait_ms: Some(200),
        };
        let overview = served.client.status(&query).await.expect("it answers");
        let deployment = overview
            .environments
            .first()
            .and_then(|it| it.deployment.as_ref());
        if let Some(deployment) = deployment.filter(|it| Some(it.number) == number)
            && deployment.phase.is_over()
        {
            return deployment.phase;
        }
    }
    unreachable!("it does not end")
}

async fn replay(served: &Served, replay: &Replay) -> Result<Vec<ReplayLine>, Error> {
    let mut lines = served.client.replay("shop", "production", replay).await?;
    let mut all = Vec::new();
    while let Some(line) = lines.next().await? {
        all.push(line);
    }
    Ok(all)
}

fn problem(result: Result<Vec<ReplayLine>, Error>) -> Problem {
    match result {
        Err(Error::Refused(problem)) => *problem,
        other => unreachable!("it is refused, not: {other:?}"),
    }
}

/// Returns what is told of the rollout of deployment 2, which went back: its head, and the rest.
fn of_the_second(lines: &[ReplayLine]) -> (&ReplayedRollout, &[ReplayLine]) {
    let [
        ReplayLine::Deployment(deployment),
        ReplayLine::Rollout(rollout),
        rest @ ..,
    ] = lines
    else {
        unreachable!("a deployment and its rollout: {lines:?}")
    };
    assert_eq!(
        (deployment.number, deployment.phase),
        (2, Phase::RolledBack)
    );
    (rollout, rest)
}

fn steps(lines: &[ReplayLine]) -> Vec<&ReplayedStep> {
    let steps = lines.iter().filter_map(|line| match line {
        ReplayLine::Step(step) => Some(step),
        _ => None,
    });
    steps.collect()
}

#[tokio::test]
async fn a_rollout_is_judged_again_by_its_own_limits_and_by_others() {
    let served = Served::start().await;
    assert_eq!(ship(&served, 1).await, Phase::Settled);
    served.world.plane.fail(ReleaseNumber(2));
    assert_eq!(ship(&served, 2).await, Phase::RolledBack);

    let newest = Replay::default();
    let lines = replay(&served, &newest).await.expect("it was judged");
    let (rollout, _) = of_the_second(&lines);
    assert!(rollout.same_limits);
    let [step] = steps(&lines)[..] else {
        unreachable!("it failed in its first step: {lines:?}")
    };
    assert_eq!((step.step, step.weight_percent), (1, 5.0));
    assert!(step.reached && step.fails_after_ms.is_some(), "{step:?}");
    let (recorded, _) = step.recorded.as_ref().expect("it was recorded");
    assert_eq!(*recorded, step.verdict);
    let compared: Vec<_> = lines
        .iter()
        .filter_map(|line| match line {
            ReplayLine::Recorded(recorded) => Some((recorded.event.as_str(), recorded.same)),
            _ => None,
        })
        .collect();
    assert!(
        compared.contains(&("rollback_started", Some(true))),
        "{compared:?}"
    );
    assert!(
        compared.iter().all(|(_, same)| *same == Some(true)),
        "{compared:?}"
    );

    let lenient = Replay {
        limits: Some("{ errors: null, against_stable: { errors: null } }".to_owned()),
        windows: true,
        ..Replay::default()
    };
    let lines = replay(&served, &lenient).await.expect("it was judged");
    let [step] = steps(&lines)[..] else {
        unreachable!("there was one step: {lines:?}")
    };
    assert_eq!(
        (step.fails_after_ms, step.verdict.outcome),
        (None, Outcome::Inconclusive)
    );
    let windows = lines.iter().filter_map(|line| match line {
        ReplayLine::Window(window) => Some(window.after_ms),
        _ => None,
    });
    let windows: Vec<u64> = windows.collect();
    assert_eq!(windows.last(), Some(&step.held_ms));
    assert!(windows.is_sorted() && windows.len() > 1, "{windows:?}");
}

/// The data plane may be faster than the judge: then all there is to tell is what it did.
#[tokio::test]
async fn what_was_cut_off_before_its_judge_was_told_anything_is_told_as_it_was_recorded() {
    let served = Served::start().await;
    assert_eq!(ship(&served, 1).await, Phase::Settled);
    served.world.plane.doom(ReleaseNumber(2));
    assert_eq!(ship(&served, 2).await, Phase::RolledBack);

    for limits in [None, Some("{ errors: null }".to_owned())] {
        let same_limits = limits.is_none();
        let replayed = Replay {
            limits,
            ..Replay::default()
        };
        let lines = replay(&served, &replayed).await.expect("it is told");
        let (rollout, [ReplayLine::Recorded(recorded)]) = of_the_second(&lines) else {
            unreachable!("its rollout and what was recorded: {lines:?}")
        };
        assert_eq!(rollout.same_limits, same_limits);
        assert_eq!(recorded.verdict.outcome, Outcome::Fail);
        assert!(recorded.verdict.sentence.ends_with("by the data plane"));
        assert_eq!((recorded.judged, recorded.same), (false, None));
        assert_eq!(recorded.again, None);
    }
}

#[tokio::test]
async fn what_cannot_be_judged_again_is_said() {
    let served = Served::start().await;
    assert_eq!(ship(&served, 1).await, Phase::Settled);
    // As it is a month later.
    let figures = &served.world.figures;
    for (series, _) in figures.figure_series().await.expect("readable") {
        let all = Timestamp::from_millis(u64::MAX);
        figures.prune_figures(&series, all).await.expect("writable");
    }
    let asked = |deployment, service: Option<&str>, limits: Option<&str>| Replay {
        deployment,
        service: service.map(str::to_owned),
        limits: limits.map(str::to_owned),
        windows: false,
    };
    for (replay_of, status, code, words) in [
        (asked(Some(7), None, None), 404, "L081", "the only one is 1"),
        (
            asked(None, Some("api"), None),
            404,
            "L081",
            "did not change `api`",
        ),
        (
            asked(None, None, Some("errors: 2\n")),
            422,
            "L015",
            "limits:1:9",
        ),
        (asked(None, None, None), 404, "L086", "nothing is kept"),
    ] {
        let problem = problem(replay(&served, &replay_of).await);
        assert_eq!((problem.status, problem.code.as_str()), (status, code));
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}
