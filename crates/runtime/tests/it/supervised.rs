//! A command that is supervised for its own sake.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use leadsman_runtime::Supervised;
use leadsman_runtime::shim::{OutputSpec, Pauses, Spec, State};

use crate::world::{SHIM, Shims, eventually, is_alive};

#[tokio::test]
async fn a_command_is_started_found_again_and_stopped() {
    let temporary = Shims::new();
    let folder = temporary.path().join("shim");
    let spec = spec(
        "trap 'echo ended; exit 0' TERM; echo begun; while :; do sleep 0.01; done",
        &folder,
    );
    assert!(Supervised::attach(&folder).await.unwrap().is_none());
    let mut first = Supervised::start(SHIM.as_ref(), &folder, &spec)
        .await
        .unwrap();
    let mut running = first.status();
    while running.state != State::Running {
        running = first.next().await.unwrap();
    }
    let child = running.child.unwrap();
    let output = folder.join("logs/output.log");
    eventually("the trap is set", || {
        std::fs::read_to_string(&output).is_ok_and(|text| text == "begun\n")
    })
    .await;
    drop(first);
    let second = Supervised::start(SHIM.as_ref(), &folder, &spec)
        .await
        .unwrap();
    assert_eq!(
        second.status().child,
        Some(child),
        "the one that runs is found"
    );
    let mut third = Supervised::attach(&folder).await.unwrap().unwrap();
    assert!(child.is_alive());
    second.stop().await;
    assert!(!is_alive(child.pid) && !is_alive(running.shim.pid));
    let mut last = third.status();
    while let Some(status) = third.next().await {
        last = status;
    }
    assert_eq!(last.state, State::Stopped);
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.lines().any(|line| line == "ended"), "{text}");
}

#[tokio::test]
async fn a_shim_that_cannot_begin_says_why() {
    let temporary = Shims::new();
    let folder = temporary.path().join("shim");
    let mut wrong = spec("true", &folder);
    wrong.stop_signal = "SEGV".to_owned();
    let error = Supervised::start(SHIM.as_ref(), &folder, &wrong)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the shim could not begin: `SEGV` is not a signal: TERM, INT, QUIT, HUP, USR1, USR2 or \
         KILL is expected"
    );
    let missing = Path::new("/no/such/shim");
    let error = Supervised::start(missing, &folder, &wrong)
        .await
        .unwrap_err();
    assert_eq!(
        leadsman_runtime::words(&error),
        "failed to start the shim `/no/such/shim`: No such file or directory (os error 2)"
    );
}

fn spec(script: &str, folder: &Path) -> Spec {
    Spec {
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        folder: "/".into(),
        user: None,
        memory: None,
        files: None,
        stop_signal: "TERM".to_owned(),
        grace: Duration::from_secs(30),
        pauses: Pauses::default(),
        output: OutputSpec::in_folder(folder.join("logs")),
        sockets: false,
    }
}
