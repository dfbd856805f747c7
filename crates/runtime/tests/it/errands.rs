//! Commands that are run once: with real runners, and with everything killed that can be.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::errand::{Errand, ErrandEnd, ErrandId, ErrandKind, ObservedErrand};
use leadsman_core::id::{DeploymentNumber, InstanceId, ReleaseNumber};
use leadsman_core::pipeline::SecretSource;
use leadsman_core::workload::Workloads;
use leadsman_runtime::{ReadFrom, Runtime as _};

use crate::world::{World, eventually, eventually_async, is_alive, running};

fn migration(deployment: u64) -> ErrandId {
    ErrandId {
        deployment: DeploymentNumber(deployment),
        kind: ErrandKind::Migration,
    }
}

impl World {
    /// Returns the first errand, which has begun, and waits.
    async fn begun(&self) -> Errand {
        let errand = self.errand(WAITS);
        self.ask(&[(1, &errand)]).await;
        eventually("it has begun", || self.lines("begun") == 1).await;
        errand
    }

    fn errand(&self, script: &str) -> Errand {
        // Not as an argument, in which `$` would stand for what is told to the program.
        let file = self.file(&format!("{}.sh", script.len()));
        fs::write(&file, script).unwrap();
        let file = file.display().to_string();
        let command = ["/bin/sh", &file].map(str::to_owned).to_vec();
        let service = running(vec!["serve".to_owned()]);
        Errand {
            release: ReleaseNumber(7),
            service: "web".parse().unwrap(),
            released: Arc::new(self.released(&service)),
            command,
            env: BTreeMap::from([("LEADSMAN_SCHEMA_TO".to_owned(), "12".to_owned())]),
            secrets: BTreeMap::new(),
            timeout: Duration::from_secs(600),
            ended: false,
        }
    }

    async fn ask(&self, errands: &[(u64, &Errand)]) {
        let named = errands.iter();
        let errands = named.map(|(number, errand)| (migration(*number), (*errand).clone()));
        let workloads = Workloads {
            errands: errands.collect(),
            ..Workloads::default()
        };
        let told = self.runtime().apply(&self.environment, 1, &workloads);
        told.await.unwrap();
    }

    async fn seen(&self, number: u64) -> Option<ObservedErrand> {
        let all = self.runtime().errands(&self.environment).await.unwrap();
        all.get(&migration(number)).cloned()
    }

    async fn over(&self, number: u64) -> ErrandEnd {
        let mut over = None;
        eventually_async("the errand is over", async || {
            match self.seen(number).await {
                Some(ObservedErrand::Over(end)) => over = Some(end),
                Some(ObservedErrand::Running(_)) | None => {}
            }
            over.is_some()
        })
        .await;
        over.unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lines(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().count()
    }
}

/// Says that it began, and goes on as soon as it may.
const WAITS: &str = "echo begun >> begun; while [ ! -e go ]; do sleep 0.02; done; echo did >> did";

#[tokio::test]
async fn it_runs_once_whoever_asks_how_often() {
    let mut world = World::new().await;
    let errand = world.errand("echo \"$LEADSMAN_RELEASE to $LEADSMAN_SCHEMA_TO\" >> did; cat did");
    for _ in 0..3 {
        world.ask(&[(1, &errand)]).await;
        let end = world.over(1).await;
        assert_eq!(end.failure, None);
        assert_eq!(end.last, ["7 to 12"]);
        world.restart_control().await;
    }
    assert_eq!(world.lines("did"), 1);
    // Its output is read as that of instances is.
    let name = InstanceId::from_text("shop.production.web.d1-migration");
    let output = world
        .runtime()
        .output(&name, ReadFrom::Last(9))
        .await
        .unwrap();
    assert!(output.text.contains("7 to 12\n"), "{}", output.text);
    // Another deployment is another errand.
    world.ask(&[(1, &errand), (2, &errand)]).await;
    world.over(2).await;
    assert_eq!(world.lines("did"), 2);
    world.end().await;
}

#[tokio::test]
async fn it_goes_on_while_control_is_dead_and_is_found_again() {
    let mut world = World::new().await;
    let errand = world.begun().await;
    world.restart_control().await;
    assert_eq!(world.seen(1).await, Some(ObservedErrand::Running(None)));
    world.ask(&[(1, &errand)]).await;
    world.lose_control();
    fs::write(world.file("go"), "").unwrap();
    eventually("it has ended by itself", || world.lines("did") == 1).await;
    world.restart_control().await;
    assert_eq!(world.over(1).await.failure, None);
    assert_eq!((world.lines("begun"), world.lines("did")), (1, 1));
    world.end().await;
}

#[tokio::test]
async fn what_fails_says_so_with_its_last_lines_and_without_secrets() {
    let world = World::new().await;
    let mut errand = world.errand("echo begins; echo \"no table for $PGPASSWORD\" >&2; exit 3");
    fs::write(world.file("password"), "open sesame\n").unwrap();
    let source = SecretSource::File(world.file("password").display().to_string());
    errand.secrets = BTreeMap::from([("PGPASSWORD".to_owned(), source)]);
    world.ask(&[(1, &errand)]).await;
    let end = world.over(1).await;
    let failure = end.failure.unwrap();
    assert!(failure.contains("exited with status 3"), "{failure}");
    assert!(failure.contains("no table for ***"), "{failure}");
    assert_eq!(end.last, ["begins", "no table for ***"]);
    let name = InstanceId::from_text("shop.production.web.d1-migration");
    let output = world
        .runtime()
        .output(&name, ReadFrom::Last(9))
        .await
        .unwrap();
    assert!(!output.text.contains("sesame"), "{}", output.text);
    world.end().await;
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended_with_all_that_it_started() {
    let world = World::new().await;
    let stubborn = "trap '' TERM; (trap '' TERM; echo $$ > pid; while :; do sleep 1; done) & wait";
    let errand = Errand {
        timeout: Duration::from_millis(1_500),
        ..world.errand(stubborn)
    };
    world.ask(&[(1, &errand)]).await;
    let failure = world.over(1).await.failure.unwrap();
    assert!(failure.contains("`timeout`"), "{failure}");
    let pid = fs::read_to_string(world.file("pid")).unwrap();
    assert!(!is_alive(pid.trim().parse().unwrap()));
    world.end().await;
}

#[tokio::test]
async fn who_ends_it_ends_it_and_what_was_never_begun_never_is() {
    let world = World::new().await;
    let errand = world.errand(WAITS);
    let ended = Errand {
        ended: true,
        ..errand.clone()
    };
    world.ask(&[(1, &errand)]).await;
    eventually("it has begun", || world.lines("begun") == 1).await;
    world.ask(&[(1, &ended), (2, &ended)]).await;
    for number in [1, 2] {
        let failure = world.over(number).await.failure;
        let asked_for = "ended because somebody asked for it";
        assert_eq!(failure.as_deref(), Some(asked_for));
    }
    fs::write(world.file("go"), "").unwrap();
    // An effect that comes late changes nothing.
    world.ask(&[(2, &errand), (3, &errand)]).await;
    assert_eq!(world.over(3).await.failure, None);
    assert_eq!((world.lines("begun"), world.lines("did")), (2, 1));
    world.end().await;
}

#[tokio::test]
async fn two_of_one_environment_never_run_at_once() {
    let world = World::new().await;
    let errand = world.begun().await;
    world.ask(&[(1, &errand), (2, &errand)]).await;
    let failure = world.over(2).await.failure;
    let alone = "another one runs in this environment";
    assert_eq!(failure.as_deref(), Some(alone));
    fs::write(world.file("go"), "").unwrap();
    assert_eq!(world.over(1).await.failure, None);
    assert_eq!(world.lines("did"), 1);
    world.end().await;
}

#[tokio::test]
async fn one_whose_runner_is_killed_is_not_begun_again() {
    let world = World::new().await;
    let errand = world.begun().await;
    let folder = world.state().join("errands/shop/production/d1-migration");
    let identity = fs::read(folder.join("runner.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let pid = i32::try_from(identity["runner"]["pid"].as_i64().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let failure = world.over(1).await.failure;
    assert_eq!(failure.as_deref(), Some("its runner was killed"));
    fs::write(world.file("go"), "").unwrap();
    world.ask(&[(1, &errand)]).await;
    world.until_no_process_is_left().await;
    assert_eq!((world.lines("begun"), world.lines("did")), (1, 0));
    world.end().await;
}

#[tokio::test]
async fn one_that_cannot_be_started_says_why_and_is_over() {
    let world = World::new().await;
    let mut errand = world.errand("true");
    let mut released = (*errand.released).clone();
    released.spec.user = Some("nobody-of-this-name".to_owned());
    errand.released = Arc::new(released);
    world.ask(&[(1, &errand)]).await;
    let failure = world.over(1).await.failure.unwrap();
    assert!(
        failure.contains("does not exist on this machine"),
        "{failure}"
    );
    let missing = Errand {
        command: vec!["./no-such-thing".to_owned()],
        ..world.errand("true")
    };
    world.ask(&[(2, &missing)]).await;
    let failure = world.over(2).await.failure.unwrap();
    assert!(
        failure.contains("`./no-such-thing` does not exist"),
        "{failure}"
    );
    let ObservedErrand::Over(_) = world.seen(1).await.unwrap() else {
        panic!("it is over");
    };
    world.end().await;
}
