//! Processes that come and go behind a socket that stays.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leadsman_runtime::shim::{OutputSpec, Pauses, Spec, State};
use leadsman_runtime::{ProcessId, Supervised};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{SHIM, Shims, eventually, is_alive};

const LISTENER: &str = env!("CARGO_BIN_EXE_leadsman-test-listener");

fn spec(folder: &Path, arguments: &[&str]) -> Spec {
    let command = [&[LISTENER], arguments].concat();
    Spec {
        command: command.into_iter().map(str::to_owned).collect(),
        env: BTreeMap::new(),
        folder: "/".into(),
        user: None,
        memory: None,
        files: None,
        stop_signal: "TERM".to_owned(),
        grace: Duration::from_secs(30),
        pauses: Pauses {
            first: Duration::from_millis(1),
            ..Pauses::default()
        },
        output: OutputSpec::in_folder(folder.join("logs")),
        sockets: true,
    }
}

/// A listener under a shim, and users who come one after the other.
struct Scene {
    folder: Shims,
    supervised: Supervised,
    address: SocketAddr,
}

impl Scene {
    async fn new() -> Self {
        let temporary = Shims::new();
        let folder = temporary.path().join("shim");
        let spec = spec(&folder, &["first"]);
        let supervised = Supervised::start(SHIM.as_ref(), &folder, &spec)
            .await
            .unwrap();
        let output = folder.join("logs/output.log");
        let said = || std::fs::read_to_string(&output).unwrap_or_default();
        eventually("it listens", || said().ends_with('\n')).await;
        let address = said().trim().parse().unwrap();
        // What it prints may be here before what its shim says of it.
        let child = || supervised.status().child;
        eventually("its shim says that it runs", || child().is_some()).await;
        Self {
            folder: temporary,
            supervised,
            address,
        }
    }

    fn spec(&self, arguments: &[&str]) -> Spec {
        spec(&self.folder.path().join("shim"), arguments)
    }

    fn child(&self) -> ProcessId {
        self.supervised.status().child.unwrap()
    }
}

/// Returns what is answered to somebody who connects.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Asks again and again until `holds` ends, and returns all answers.
async fn while_asking(address: SocketAddr, holds: impl Future<Output = ()>) -> Vec<String> {
    /// Ends it also where the test fails in between.
    struct End(Arc<AtomicBool>);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let end = End(Arc::default());
    let ending = Arc::clone(&end.0);
    let asking = tokio::task::spawn_blocking(move || {
        let mut answers = Vec::new();
        loop {
            // The last one comes when `holds` has ended.
            let is_last = ending.load(Ordering::SeqCst);
            answers.push(ask(address));
            if is_last {
                return answers;
            }
        }
    });
    holds.await;
    drop(end);
    let answers = asking.await.unwrap();
    answers.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_successor_takes_over_and_nobody_is_refused() {
    let scene = Scene::new().await;
    let first = scene.child();
    let answers = while_asking(scene.address, async {
        let mut before = first;
        for name in ["second", "third"] {
            scene
                .supervised
                .succeed(&scene.spec(&[name]))
                .await
                .unwrap();
            // Until it has retired it may still answer who comes.
            eventually("the one before has retired", || !before.is_alive()).await;
            eventually("the next one is seen", || scene.child() != before).await;
            before = scene.child();
        }
    })
    .await;
    let mut names: Vec<&str> = answers
        .iter()
        .filter_map(|answer| answer.split(' ').next())
        .collect();
    names.dedup();
    assert_eq!(*names.last().unwrap(), "third", "{names:?}");
    let status = scene.supervised.status();
    assert_eq!((status.state, status.restarts), (State::Running, 0));
    assert_eq!(scene.supervised.spec(), Some(scene.spec(&["third"])));
    let address = scene.address;
    scene.supervised.stop().await;
    assert!(ask(address).is_err(), "the port is free");
}

#[tokio::test]
async fn who_comes_while_nothing_runs_waits_for_the_next_process() {
    let scene = Scene::new().await;
    let first = scene.child();
    kill_process(Pid::from_raw(first.pid).unwrap(), Signal::KILL).unwrap();
    // From the kill on: the first of them are in the queue of nobody.
    let answers: Vec<String> = (0..20).map(|_| ask(scene.address).unwrap()).collect();
    let last = answers.last().unwrap();
    assert!(
        last.starts_with("first ") && *last != format!("first {}", first.pid),
        "{last}"
    );
    scene.supervised.stop().await;
}

#[tokio::test]
async fn a_successor_that_dies_costs_nothing_and_says_why() {
    let scene = Scene::new().await;
    let first = scene.child();
    let answers = while_asking(scene.address, async {
        let refused = scene
            .supervised
            .succeed(&scene.spec(&["second", "dies"]))
            .await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            "it was not succeeded: the successor exited with status 1 before it served; it said: \
             second: no wish to serve"
        );
        let refused = scene
            .supervised
            .succeed(&Spec {
                sockets: false,
                ..scene.spec(&["second"])
            })
            .await;
        assert!(refused.is_err());
        let mut nowhere = scene.spec(&["second"]);
        nowhere.command[0] = "/no/such/listener".to_owned();
        let refused = scene
            .supervised
            .succeed(&nowhere)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.ends_with("`/no/such/listener` does not exist"),
            "{refused}"
        );
    })
    .await;
    let expected = format!("first {}", first.pid);
    assert!(
        answers.iter().all(|answer| *answer == expected),
        "{answers:?}"
    );
    assert_eq!(scene.child(), first);
    assert_eq!(scene.supervised.spec(), Some(scene.spec(&["first"])));
    scene.supervised.stop().await;
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_succession_starts_what_ran() {
    let scene = Scene::new().await;
    let first = scene.child();
    let hanging = scene.spec(&["second", "hangs"]);
    let (refused, ()) = tokio::join!(scene.supervised.succeed(&hanging), async {
        eventually("the successor is there", || {
            is_there(&scene.folder, "hangs")
        })
        .await;
        kill_process(Pid::from_raw(first.pid).unwrap(), Signal::KILL).unwrap();
    });
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("the process that it was to succeed has ended"),
        "{refused}"
    );
    assert!(ask(scene.address).unwrap().starts_with("first "));
    eventually("the successor is gone", || {
        !is_there(&scene.folder, "hangs")
    })
    .await;
    assert!(!is_alive(first.pid));
    scene.supervised.stop().await;
}

/// Whether a process of the folder's shim runs that was called with a word.
fn is_there(folder: &Shims, word: &str) -> bool {
    let processes = crate::world::processes_of(folder.path());
    processes.iter().any(|pid| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command
            .split(|byte| *byte == 0)
            .any(|one| one == word.as_bytes())
    })
}
