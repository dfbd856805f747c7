//! Stories: what becomes of a run, event by event.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be had here fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::expect_file;
use leadsman_core::id::{Digest, ReleaseNumber, RunNumber};
use leadsman_core::pipeline::{JobName, Made, Retry};
use leadsman_core::project::Project;
use leadsman_core::run::{
    About, Delivery, Ended, FailureKind, INTERRUPTIONS_MAX, JobPhase, Outcome, Run, RunCommand,
    RunEvent, RunId, RunPlan, RunRefusal, RunResult, Seen, Trigger, Wait, decide, evolve, plan,
    started,
};
use leadsman_core::time::Timestamp;

/// A run whose jobs do what a test says, on time that waits for nobody.
struct World {
    run: Run,
    now: Timestamp,
    seen: Seen,
    said: Vec<String>,
}

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn about(only: &[&str]) -> About {
    About {
        commit: COMMIT.parse().unwrap(),
        reference: "refs/heads/main".to_owned(),
        author: "Mia".to_owned(),
        subject: "a change".to_owned(),
        repository: "/srv/shop.git".to_owned(),
        project_file: "leadsman.yaml".to_owned(),
        trigger: Trigger::Person {
            by: "mia".to_owned(),
        },
        only: only.iter().map(|name| name.parse().unwrap()).collect(),
        delivery: None,
    }
}

fn name(text: &str) -> JobName {
    text.parse().unwrap()
}

impl World {
    fn of(jobs: &str, only: &[&str], free: usize) -> Self {
        let text = format!(
            "application: shop\nservices: {{ web: {{ run: ./web }} }}\npipeline:\n  jobs:\n{jobs}"
        );
        let project = Project::parse(&text, "leadsman.yaml").unwrap_or_else(|p| panic!("{p}"));
        let event = RunEvent::RunStarted {
            about: Box::new(about(only)),
            project: text,
            pipeline: project.pipeline().unwrap().clone(),
            inputs: BTreeMap::new(),
        };
        let id = RunId {
            application: "shop".parse().unwrap(),
            number: RunNumber(7),
        };
        let now = Timestamp::from_millis(1_000_000);
        Self {
            run: started(id, now, &event).unwrap(),
            now,
            seen: Seen {
                free,
                ..Seen::default()
            },
            said: vec![event.to_string()],
        }
    }

    /// Records everything that follows at this moment.
    fn settle(&mut self) -> RunPlan {
        loop {
            let running = |run: &Run| {
                let jobs = run.jobs.values();
                jobs.filter(|job| matches!(job.phase, JobPhase::Running { .. }))
                    .count()
            };
            let seen = Seen {
                free: self.seen.free.saturating_sub(running(&self.run)),
                ..self.seen.clone()
            };
            let plan = plan(&self.run, &seen, self.now);
            if plan.facts.is_empty() {
                return plan;
            }
            for fact in &plan.facts {
                // What is recorded must be readable for ever.
                let json = serde_json::to_string(fact).unwrap();
                assert_eq!(serde_json::from_str::<RunEvent>(&json).unwrap(), *fact);
                self.said.push(fact.to_string());
                self.run = evolve(self.run.clone(), self.now, fact);
            }
            self.seen.ended.clear();
        }
    }

    fn passes(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn ends(&mut self, job: &str, outcome: Outcome) {
        let attempt = self.run.jobs[&name(job)].attempts;
        self.seen.ended.insert(
            name(job),
            Ended {
                attempt,
                outcome,
                took: Duration::from_secs(3),
                made: Made::default(),
            },
        );
    }

    fn asks(&mut self, command: RunCommand) -> Result<(), RunRefusal> {
        for event in decide(&self.run, command, "mia")? {
            self.said.push(event.to_string());
            self.run = evolve(self.run.clone(), self.now, &event);
        }
        Ok(())
    }
}

fn fails(why: &str) -> Outcome {
    Outcome::Failed {
        kind: FailureKind::Command,
        why: why.to_owned(),
    }
}

const THREE: &str = "    lint: { run: a }\n    unit: { run: b, retry: { times: 1, backoff: 10s } }\n    build: { run: c, needs: [lint, unit] }\n";

#[test]
fn jobs_run_side_by_side_and_in_order() {
    let mut world = World::of(THREE, &[], 8);
    let plan = world.settle();
    assert_eq!(
        plan.running.keys().map(JobName::as_str).collect::<Vec<_>>(),
        ["lint", "unit"]
    );
    assert_eq!(
        plan.waits[&name("build")].to_string(),
        "waits for `lint` and `unit`"
    );
    world.ends("lint", Outcome::Passed);
    world.settle();
    world.ends("unit", fails("`b` exited with status 1"));
    let plan = world.settle();
    assert_eq!(plan.wake_at, Some(world.now + Duration::from_secs(10)));
    world.passes(10);
    world.settle();
    world.ends("unit", Outcome::Passed);
    let plan = world.settle();
    assert_eq!(plan.running, [(name("build"), 1)].into());
    world.ends("build", Outcome::Passed);
    world.settle();
    expect_test::expect![[r"
        0123456789 begins with 3 jobs: asked for by mia
        `lint` begins, attempt 1
        `unit` begins, attempt 1
        `lint` took 3 s: passed
        `unit` took 3 s: `b` exited with status 1
        `unit` begins, attempt 2
        `unit` took 3 s: passed
        `build` begins, attempt 1
        `build` took 3 s: passed
        the run passed after 10 s"]]
    .assert_eq(&world.said.join("\n"));
}

#[test]
fn what_needs_a_failed_job_is_skipped_and_a_resumed_run_goes_on_there() {
    let mut world = World::of(THREE, &[], 8);
    world.settle();
    world.ends("lint", fails("`a` exited with status 2"));
    world.ends("unit", Outcome::Passed);
    world.settle();
    assert_eq!(world.run.ended.unwrap().0, RunResult::Failed);
    assert_eq!(world.asks(RunCommand::Cancel).unwrap_err().code(), "R201");
    world.asks(RunCommand::Resume).unwrap();
    let plan = world.settle();
    assert_eq!(plan.running, [(name("lint"), 2)].into());
    world.ends("lint", Outcome::Passed);
    world.settle();
    world.ends("build", Outcome::Passed);
    world.settle();
    assert_eq!(world.asks(RunCommand::Resume).unwrap_err().code(), "R204");
    expect_test::expect![[r"
        0123456789 begins with 3 jobs: asked for by mia
        `lint` begins, attempt 1
        `unit` begins, attempt 1
        `lint` took 3 s: `a` exited with status 2
        `unit` took 3 s: passed
        `build` is skipped: `lint` did not pass
        the run failed after 0 s
        mia has the run go on where it stopped
        `lint` begins, attempt 2
        `lint` took 3 s: passed
        `build` begins, attempt 1
        `build` took 3 s: passed
        the run passed after 0 s"]]
    .assert_eq(&world.said.join("\n"));
}

#[test]
fn a_cancelled_run_ends_once_nothing_of_it_runs() {
    let mut world = World::of(THREE, &[], 1);
    let plan = world.settle();
    assert_eq!(plan.waits[&name("unit")], Wait::Place);
    world.asks(RunCommand::Cancel).unwrap();
    assert_eq!(world.asks(RunCommand::Cancel).unwrap_err().code(), "R202");
    assert_eq!(world.asks(RunCommand::Resume).unwrap_err().code(), "R203");
    let plan = world.settle();
    assert!(plan.end_all && world.run.ended.is_none());
    world.ends("lint", Outcome::Cancelled);
    world.settle();
    assert_eq!(world.run.ended.unwrap().0, RunResult::Cancelled);
    assert!(
        world
            .run
            .jobs
            .values()
            .all(|job| job.phase == JobPhase::Cancelled)
    );
}

#[test]
fn what_is_interrupted_begins_again_but_not_for_ever() {
    let mut world = World::of("    lint: { run: a }\n", &[], 8);
    for attempt in 1..=1 + INTERRUPTIONS_MAX {
        let plan = world.settle();
        assert_eq!(plan.running, [(name("lint"), attempt)].into());
        let why = "the machine was started anew".to_owned();
        world.ends("lint", Outcome::Interrupted { why });
    }
    world.settle();
    assert_eq!(world.run.ended.unwrap().0, RunResult::Failed);
    let sentence = world.run.jobs[&name("lint")].sentence();
    assert_eq!(sentence, "interrupted: the machine was started anew");
}

#[test]
fn what_could_not_go_better_is_not_tried_again() {
    for (kind, again) in [
        (FailureKind::Command, true),
        (FailureKind::TimedOut, true),
        (FailureKind::Service, true),
        (FailureKind::NotStarted, true),
        (FailureKind::Disk, false),
        (FailureKind::Processes, false),
        (FailureKind::Checkout, false),
        (FailureKind::Secret, false),
        (FailureKind::Tool, false),
        (FailureKind::Missing, false),
    ] {
        let mut world = World::of("    lint: { run: a, retry: 3 }\n", &[], 8);
        world.settle();
        world.ends(
            "lint",
            Outcome::Failed {
                kind,
                why: String::new(),
            },
        );
        world.settle();
        assert_eq!(world.run.ended.is_none(), again, "{kind:?}");
    }
}

#[test]
fn a_job_whose_result_is_known_does_not_run() {
    let mut world = World::of(THREE, &[], 8);
    world
        .seen
        .known
        .insert(name("lint"), (RunNumber(4), Made::default()));
    world.settle();
    assert!(
        world
            .said
            .contains(&"`lint` is reused from run 4: inputs unchanged".to_owned())
    );
    assert_eq!(
        world.run.jobs[&name("lint")].sentence(),
        "reused from run 4: inputs unchanged"
    );
}

#[test]
fn one_job_alone_runs_with_what_it_needs() {
    let world = World::of(THREE, &["unit"], 8);
    assert_eq!(
        world
            .run
            .jobs
            .keys()
            .map(JobName::as_str)
            .collect::<Vec<_>>(),
        ["unit"]
    );
    let world = World::of(THREE, &["build"], 8);
    assert_eq!(world.run.jobs.len(), 3);
}

const TRIED: &str = "    unit: { run: a }\n    smoke: { run: b, after: production }\n    \
                     load: { load: { url: /, rate: 5 }, after: production, needs: [smoke] }\n";

/// A run whose jobs before the release have passed, and whose release is recorded.
fn released() -> World {
    let mut world = World::of(TRIED, &[], 8);
    world.settle();
    world.ends("unit", Outcome::Passed);
    assert!(world.settle().release);
    let released = RunEvent::RunReleased {
        release: ReleaseNumber(4),
    };
    world.said.push(released.to_string());
    world.run = evolve(world.run.clone(), world.now, &released);
    world
}

#[test]
fn jobs_after_an_environment_try_the_release_once_it_serves_there() {
    let mut world = released();
    let plan = world.settle();
    assert!(plan.running.is_empty() && !plan.release);
    assert_eq!(
        plan.waits[&name("smoke")].to_string(),
        "runs once the release serves in `production`"
    );
    world.passes(60);
    world.seen.serving = ["production".parse().unwrap()].into();
    let plan = world.settle();
    assert_eq!(plan.running, [(name("smoke"), 1)].into());
    assert!(world.run.is_under_way());
    world.ends("smoke", Outcome::Passed);
    // It has begun, and goes on wherever the release is meanwhile.
    let plan = world.settle();
    assert_eq!(plan.running, [(name("load"), 1)].into());
    world.seen.serving.clear();
    world.ends("load", fails("2 of 3 thresholds do not hold"));
    world.settle();
    assert!(!world.run.is_under_way());
    // What was made of the run stays; only what failed is done again, where the release serves.
    world.asks(RunCommand::Resume).unwrap();
    let plan = world.settle();
    assert!(plan.running.is_empty() && !plan.release);
    assert_eq!(world.run.release(), Some(ReleaseNumber(4)));
    world.seen.serving = ["production".parse().unwrap()].into();
    world.settle();
    world.ends("load", Outcome::Passed);
    world.settle();
    assert_eq!(world.asks(RunCommand::Resume).unwrap_err().code(), "R204");
    expect_test::expect![[r"
        0123456789 begins with 3 jobs: asked for by mia
        `unit` begins, attempt 1
        `unit` took 3 s: passed
        the run passed after 0 s
        what it made is release 4
        `smoke` begins, attempt 1
        `smoke` took 3 s: passed
        `load` begins, attempt 1
        `load` took 3 s: 2 of 3 thresholds do not hold
        mia has the run go on where it stopped
        `load` begins, attempt 2
        `load` took 3 s: passed"]]
    .assert_eq(&world.said.join("\n"));
}

#[test]
fn jobs_that_try_a_release_are_ended_like_others_and_the_release_stays() {
    let mut world = released();
    world.seen.serving = ["production".parse().unwrap()].into();
    world.settle();
    world.asks(RunCommand::Cancel).unwrap();
    assert_eq!(world.asks(RunCommand::Cancel).unwrap_err().code(), "R202");
    assert!(world.settle().end_all);
    world.ends("smoke", Outcome::Cancelled);
    world.settle();
    assert!(!world.run.is_under_way());
    assert_eq!(world.run.ended.unwrap().0, RunResult::Passed);
    assert_eq!(world.run.release(), Some(ReleaseNumber(4)));
    let phases: Vec<&str> = world
        .run
        .jobs
        .values()
        .map(|job| job.phase.as_str())
        .collect();
    assert_eq!(phases, ["cancelled", "cancelled", "passed"]);
    assert_eq!(world.asks(RunCommand::Cancel).unwrap_err().code(), "R201");
}

#[test]
fn what_takes_longer_than_its_budget_is_said_once_while_it_still_does() {
    let mut world = World::of(
        "    lint: { run: a, budget: 1m }\n    unit: { run: b }\n",
        &[],
        8,
    );
    world.run.pipeline.budget = Some(Duration::from_secs(100));
    let plan = world.settle();
    let said = |world: &World| {
        let said = world.said.iter().filter(|it| it.contains("budget"));
        said.cloned().collect::<Vec<_>>()
    };
    // It is looked at again when it will be, and not before.
    let first = world.now + Duration::from_millis(60_001);
    assert_eq!(plan.wake_at, Some(first));
    world.passes(60);
    assert_eq!(world.settle().wake_at, Some(first));
    assert_eq!(said(&world), [""; 0]);
    world.passes(1);
    let plan = world.settle();
    let lint = "`lint` takes longer than its budget of 1 min";
    assert_eq!(said(&world), [lint]);
    assert_eq!(plan.running.len(), 2, "both go on");
    world.passes(60);
    world.settle();
    let both = [lint, "the run takes longer than its budget of 1 min 40 s"];
    assert_eq!(said(&world), both);
    world.passes(1_000);
    world.ends("lint", Outcome::Passed);
    world.ends("unit", Outcome::Passed);
    world.settle();
    assert_eq!(world.run.ended.map(|it| it.0), Some(RunResult::Passed));
    assert_eq!(said(&world), both);
}

#[test]
fn what_was_over_before_anybody_looked_is_said_all_the_same() {
    let mut world = World::of("    lint: { run: a, budget: 1s }\n", &[], 8);
    world.settle();
    // It took 3 s, and control was away meanwhile.
    world.ends("lint", Outcome::Passed);
    world.settle();
    let at = |text: &str| world.said.iter().position(|it| it.contains(text));
    let (exceeded, ended) = (
        at("`lint` takes longer than its budget of 1 s"),
        at("the run passed"),
    );
    assert!(exceeded.is_some() && exceeded < ended, "{:?}", world.said);
}

#[test]
fn a_matrix_is_one_job_for_each_combination() {
    let jobs = "    unit: { run: a, matrix: { RUST: [stable, 1.95], OS: [a, b] } }\n    \
                build: { run: b, needs: [unit] }\n";
    let world = World::of(jobs, &[], 8);
    let build = &world.run.pipeline.jobs[&name("build")];
    let names: Vec<&str> = build.needs.iter().map(JobName::as_str).collect();
    assert_eq!(
        names,
        [
            "unit.1.95.a",
            "unit.1.95.b",
            "unit.stable.a",
            "unit.stable.b"
        ]
    );
    let env = &world.run.pipeline.jobs[&name("unit.1.95.b")].env;
    assert_eq!(env["RUST"], "1.95");
    assert_eq!(env["OS"], "b");
}

#[test]
fn a_retry_has_the_pauses_that_are_asked_for() {
    let world = World::of(
        "    lint: { run: a, retry: { times: 2, backoff: 1s } }\n",
        &[],
        8,
    );
    let expected = Retry {
        times: 2,
        backoff: Duration::from_secs(1),
    };
    assert_eq!(world.run.pipeline.jobs[&name("lint")].retry, expected);
}

fn examples() -> Vec<RunEvent> {
    let world = World::of(
        "    lint:\n      run: [a b, c]\n      inputs: [\"src/**\"]\n      retry: 2\n      reports: { junit: out/a.xml, \
         numbers: { kb: { file: out/b.json, at: kb } } }\n      services: { db: { run: db } }\n      \
         secrets: { A: /etc/a, B: { variable: B } }\n      tools: { git: 2 }\n      cache: [x]\n      \
         artifacts: { web: dist }\n    later: { script: d, after: production, budget: 1m }\n",
        &[],
        1,
    );
    let digest = Digest::from_bytes([7; 32]);
    let ended = |outcome| RunEvent::JobEnded {
        job: name("lint"),
        attempt: 2,
        outcome,
        took: Duration::from_millis(1500),
        made: Made {
            artifacts: [("web".parse().unwrap(), digest.clone())].into(),
            ..Made::default()
        },
    };
    let by = || "mia".to_owned();
    let mut events = vec![
        RunEvent::JobReused {
            job: name("lint"),
            of_run: RunNumber(3),
            made: Made::default(),
        },
        RunEvent::JobStarted {
            job: name("unit.stable"),
            attempt: 1,
            key: Some(digest.clone()),
        },
        RunEvent::JobStarted {
            job: name("lint"),
            attempt: 2,
            key: None,
        },
        ended(Outcome::Passed),
        ended(Outcome::Cancelled),
        ended(Outcome::Interrupted {
            why: "the runner was killed".to_owned(),
        }),
        RunEvent::JobSkipped {
            job: name("build"),
            because_of: name("lint"),
        },
        RunEvent::RunCancelled { by: by() },
        RunEvent::RunResumed { by: by() },
        RunEvent::BudgetExceeded {
            job: None,
            budget: Duration::from_secs(1_200),
        },
        RunEvent::BudgetExceeded {
            job: Some(name("lint")),
            budget: Duration::from_secs(60),
        },
        RunEvent::RunReleased {
            release: ReleaseNumber(4),
        },
        RunEvent::RunNotReleased {
            why: "no artifact".to_owned(),
        },
    ];
    for result in [RunResult::Passed, RunResult::Failed, RunResult::Cancelled] {
        let took = Duration::from_secs(60);
        events.push(RunEvent::RunEnded { result, took });
    }
    for kind in [
        FailureKind::Command,
        FailureKind::TimedOut,
        FailureKind::Disk,
        FailureKind::Processes,
        FailureKind::Service,
        FailureKind::Checkout,
        FailureKind::Secret,
        FailureKind::Tool,
        FailureKind::Missing,
        FailureKind::NotStarted,
    ] {
        let why = "it did".to_owned();
        events.push(ended(Outcome::Failed { kind, why }));
    }
    for trigger in [
        Trigger::Person { by: by() },
        Trigger::Push { by: by() },
        Trigger::Tag { by: by() },
        Trigger::Schedule,
    ] {
        events.push(RunEvent::RunStarted {
            about: Box::new(About {
                trigger,
                ..about(&["lint"])
            }),
            project: "application: shop".to_owned(),
            pipeline: world.run.pipeline.clone(),
            inputs: [(name("lint"), digest.clone())].into(),
        });
    }
    events.push(RunEvent::RunStarted {
        about: Box::new(About {
            trigger: Trigger::Push { by: by() },
            delivery: Some(Delivery {
                webhook: "github".to_owned(),
                id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
                body: digest.clone(),
            }),
            ..about(&[])
        }),
        project: "application: shop".to_owned(),
        pipeline: world.run.pipeline,
        inputs: [(name("lint"), digest)].into(),
    });
    events
}

#[test]
fn what_happens_in_a_run_is_stored_as_it_always_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/runs.jsonl");
    // A line is never edited: what was written once must be readable for ever.
    let mut known = std::fs::read_to_string(path).unwrap_or_default();
    for line in known.lines() {
        let event: RunEvent = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let start = format!(r#"{{"event":"{}""#, event.kind());
        assert!(line.starts_with(&start), "{line}");
    }
    let mut seen = BTreeSet::new();
    for event in examples() {
        seen.insert(event.kind());
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<RunEvent>(&json).unwrap(), event);
        if !known.lines().any(|line| line == json) {
            known.push_str(&json);
            known.push('\n');
        }
    }
    assert_eq!(seen.len(), 11, "an event has no example");
    expect_file![path].assert_eq(&known);
}
