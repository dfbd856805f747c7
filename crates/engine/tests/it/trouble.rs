//! What the engine does when the machine is against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leadsman_core::Command;
use leadsman_core::id::ReleaseNumber;
use leadsman_core::weight::Weight;
use leadsman_engine::Error;
use leadsman_store::memory::MemoryLog;
use leadsman_store::{
    Append, AppendError, BoxFuture, EventLog, NewEvent, ReadError, Recorded, StreamName, Verified,
    VerifyError,
};
use leadsman_testkit::World;

const TWO: ReleaseNumber = ReleaseNumber(2);

/// A log on a disk that can be filled.
struct FullDisk {
    log: MemoryLog,
    full: AtomicBool,
}

impl EventLog for FullDisk {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Recorded>, AppendError>> {
        if self.full.load(Ordering::Relaxed) {
            let path = "events.db".into();
            let source = Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
            return Box::pin(std::future::ready(Err(AppendError::Full { path, source })));
        }
        self.log.append(append)
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        after_version: u64,
    ) -> BoxFuture<'a, Result<Vec<Recorded>, ReadError>> {
        self.log.read_stream(stream, after_version)
    }

    fn read_all(
        &self,
        after_position: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.log.read_all(after_position, limit)
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<StreamName>, ReadError>> {
        self.log.streams()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verified, VerifyError>> {
        self.log.verify()
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_not_done_and_goes_on_when_there_is_room() {
    let log = Arc::new(FullDisk {
        log: MemoryLog::new(),
        full: AtomicBool::new(false),
    });
    let world = World::start_on(Arc::clone(&log) as _, Arc::new(MemoryLog::new())).await;
    world.ship(1).await.expect("there is room");
    world.until_settled().await;
    world.ship(2).await.expect("there is room");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;

    log.full.store(true, Ordering::Relaxed);
    let view = world.until(|view| view.problem.is_some()).await;
    assert_eq!(
        world.plane.share(TWO),
        Weight::percent(5),
        "{:?}",
        view.problem
    );
    let refused = world
        .engine
        .command(&World::environment(), Command::Pause, "ann")
        .await;
    assert!(
        matches!(refused, Err(Error::NotRecorded(AppendError::Full { .. }))),
        "{refused:?}"
    );

    log.full.store(false, Ordering::Relaxed);
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
    assert!(
        !world
            .kinds()
            .await
            .contains(&"deployment_paused".to_owned())
    );
}

/// Brings release 1 in, and release 2 as far as its first step.
async fn reach_the_first_step(world: &World) {
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
}

#[tokio::test(start_paused = true)]
async fn another_engine_goes_on_where_the_first_one_ended() {
    let mut world = World::start().await;
    reach_the_first_step(&world).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = world.kinds().await;
    world.restart_engine().await;
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
    let after = world.kinds().await;
    assert_eq!(after[..before.len()], before);
    let starts = after
        .iter()
        .filter(|kind| *kind == "deployment_started")
        .count();
    assert_eq!(starts, 2, "nothing was begun anew: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_data_plane_holds_everything_and_is_named() {
    let world = World::start().await;
    reach_the_first_step(&world).await;
    world.plane.silence(true);
    world
        .until(|view| {
            view.reasons
                .iter()
                .any(|r| r.sentence().contains("does not answer"))
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(5));
    world.plane.silence(false);
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_recorded_is_known_before_a_command_is_judged() {
    let world = World::start().await;
    reach_the_first_step(&world).await;
    let id = World::environment();
    let stream = StreamName::from(&id);
    let version = world
        .log
        .read_stream(&stream, 0)
        .await
        .expect("readable")
        .len();
    let append = Append {
        stream,
        expected_version: version as u64,
        at: leadsman_core::time::Timestamp::from_millis(2_000_000),
        actor: "eve".to_owned(),
        events: vec![NewEvent {
            kind: "deployment_paused".to_owned(),
            body: r#"{"event":"deployment_paused","by":"eve"}"#.to_owned(),
        }],
    };
    world
        .log
        .append(append)
        .await
        .expect("the version is right");
    let refused = world.engine.command(&id, Command::Pause, "ann").await;
    let text = refused.expect_err("it is paused already").to_string();
    assert_eq!(text, "it is already paused, by eve");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_breaks_off_is_loaded_anew_and_goes_on() {
    let world = World::start().await;
    reach_the_first_step(&world).await;
    world.runtime.break_off();
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
    let kinds = world.kinds().await;
    let starts = kinds.iter().filter(|kind| *kind == "deployment_started");
    assert_eq!(starts.count(), 2, "nothing was begun anew: {kinds:?}");
}
