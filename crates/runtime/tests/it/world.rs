//! A state folder of its own, a runtime on it, and what a test wants to run there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::id::{
    DeploymentNumber, Digest, EnvironmentId, InstanceId, ReleaseNumber, RevisionId,
};
use leadsman_core::spec::{
    BaselineKind, OnInconclusive, Probe, Readiness, ReleasedService, ServiceSpec, Sizing, Stop,
    Strategy,
};
use leadsman_core::workload::{Instance, InstanceState, ObservedInstance, Workloads};
use leadsman_runtime::process::{Config, ProcessRuntime};
use leadsman_runtime::shim::Status;
use leadsman_runtime::{ReadFrom, Runtime as _};
use tempfile::TempDir;

pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_leadsman-shim");
pub(crate) const SERVICE: &str = env!("CARGO_BIN_EXE_leadsman-test-service");

/// Nothing is limited: judging is not the runtime's.
const LIMITS: &str = r#"{"against_stable": {}, "requests": 1}"#;

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) environment: EnvironmentId,
    runtime: Option<ProcessRuntime>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let runtime = Some(ProcessRuntime::start(config).await.unwrap());
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        Self {
            folder,
            environment,
            runtime,
        }
    }

    pub(crate) fn runtime(&self) -> &ProcessRuntime {
        self.runtime.as_ref().unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        state_in(self.folder.path())
    }

    pub(crate) fn folder_of(&self, id: &InstanceId) -> PathBuf {
        self.state().join("instances").join(id.as_str())
    }

    pub(crate) fn status(&self, id: &InstanceId) -> Status {
        let text = std::fs::read(self.folder_of(id).join("status.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Ends this control as a kill would: nothing is stopped, nothing is written.
    pub(crate) fn lose_control(&mut self) {
        drop(self.runtime.take());
    }

    pub(crate) async fn restart_control(&mut self) {
        self.lose_control();
        self.runtime = Some(
            ProcessRuntime::start(config(self.folder.path()))
                .await
                .unwrap(),
        );
    }

    pub(crate) fn id(&self, ordinal: u16) -> InstanceId {
        InstanceId::new(&self.environment, &revision(), ordinal)
    }

    /// Wants the first instances of `service`, and no other.
    pub(crate) async fn want(&self, count: u16, service: &Service) {
        let workloads = self.workloads(count, service);
        self.runtime()
            .apply(&self.environment, 1, &workloads)
            .await
            .unwrap();
    }

    pub(crate) fn workloads(&self, count: u16, service: &Service) -> Workloads {
        let instance = Instance {
            revision: revision(),
            service: Arc::new(service.released(self.folder.path())),
        };
        let instances = (1..=count)
            .map(|ordinal| (self.id(ordinal), instance.clone()))
            .collect();
        Workloads {
            instances,
            ..Workloads::default()
        }
    }

    pub(crate) fn released(&self, service: &Service) -> ReleasedService {
        service.released(self.folder.path())
    }

    pub(crate) async fn observed(&self) -> BTreeMap<InstanceId, ObservedInstance> {
        self.runtime().observe(&self.environment).await.unwrap()
    }

    /// Waits until the first instance looks as `looks` says.
    pub(crate) async fn until(
        &self,
        what: &str,
        looks: impl Fn(&ObservedInstance) -> bool,
    ) -> ObservedInstance {
        let id = self.id(1);
        self.until_all(what, |all| all.get(&id).is_some_and(&looks))
            .await
            .remove(&id)
            .unwrap()
    }

    /// Waits until all instances look as `looks` says.
    pub(crate) async fn until_all(
        &self,
        what: &str,
        looks: impl Fn(&BTreeMap<InstanceId, ObservedInstance>) -> bool,
    ) -> BTreeMap<InstanceId, ObservedInstance> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let all = self.observed().await;
            if looks(&all) {
                return all;
            }
            let nudge = tokio::time::timeout_at(deadline, self.runtime().changed());
            assert!(
                nudge.await.is_ok(),
                "never seen: {what}; last seen: {all:#?}"
            );
        }
    }

    pub(crate) async fn until_ready(&self) -> ObservedInstance {
        self.until("ready", |one| one.ready_since.is_some()).await
    }

    /// Stops all instances, and asserts that nothing of them is left.
    pub(crate) async fn end(self) {
        self.want(0, &service(&[])).await;
        self.until_all("nothing", BTreeMap::is_empty).await;
        assert_eq!(
            std::fs::read_dir(self.state().join("instances"))
                .unwrap()
                .count(),
            0
        );
        self.until_no_process_is_left().await;
    }

    pub(crate) async fn until_no_process_is_left(&self) {
        eventually("no process of the test is left", || {
            processes_of(&self.state()).is_empty()
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A test that failed half-way must leave nothing running either.
        kill_processes_of(&self.state());
    }
}

/// A folder of shims and of what they run; nothing of them is left when it is dropped, also where a
/// test fails half-way.
pub(crate) struct Shims(TempDir);

impl Shims {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Shims {
    fn drop(&mut self) {
        kill_processes_of(self.path());
    }
}

fn kill_processes_of(state: &Path) {
    for pid in processes_of(state) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn config(folder: &Path) -> Config {
    Config::new(state_in(folder), SHIM)
}

/// Returns a state folder whose sockets have longer paths than sockets may have.
fn state_in(folder: &Path) -> PathBuf {
    folder.join("d".repeat(120)).join("state")
}

fn revision() -> RevisionId {
    RevisionId {
        service: "web".parse().unwrap(),
        release: ReleaseNumber(1),
        deployment: DeploymentNumber(1),
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until something is so, where finding out takes a while itself.
pub(crate) async fn eventually_async(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the first instance has written `text`, and returns its last lines.
pub(crate) async fn output_with(world: &World, text: &str) -> String {
    let mut output = String::new();
    eventually_async(text, async || {
        let read = world
            .runtime()
            .output(&world.id(1), ReadFrom::Last(50))
            .await;
        output = read.map(|output| output.text).unwrap_or_default();
        output.contains(text)
    })
    .await;
    output
}

/// Returns all live processes that belong to a state folder: its shims, and whatever has the
/// folder's mark in its environment.
pub(crate) fn processes_of(state: &Path) -> Vec<i32> {
    let state = state.to_str().unwrap().as_bytes().to_vec();
    let names = |path: PathBuf| {
        std::fs::read(path)
            .is_ok_and(|text| text.windows(state.len()).any(|window| window == state))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            names(process.join("environ")) || names(process.join("cmdline"))
        })
        .collect()
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

/// A service with everything at its usual value.
pub(crate) struct Service {
    pub(crate) spec: ServiceSpec,
    pub(crate) artifact: Option<Digest>,
}

/// Returns the test service with these flags.
pub(crate) fn service(flags: &[&str]) -> Service {
    let mut run = vec![SERVICE.to_owned()];
    run.extend(flags.iter().map(|flag| (*flag).to_owned()));
    running(run)
}

/// Returns a service that is a shell script, and ready as soon as it runs.
pub(crate) fn script(script: &str) -> Service {
    let mut service = running(["/bin/sh", "-c", script].map(str::to_owned).to_vec());
    service.spec.ready.probe = Probe::Command(vec!["true".to_owned()]);
    service
}

pub(crate) fn running(run: Vec<String>) -> Service {
    let spec = ServiceSpec {
        instances: 1,
        run,
        serve: None,
        artifact: None,
        folder: ".".to_owned(),
        env: BTreeMap::new(),
        user: None,
        memory: None,
        files: None,
        protocol: leadsman_core::spec::Protocol::Http1,
        ready: Readiness {
            probe: Probe::Http("/health".to_owned()),
            every: Duration::from_millis(50),
            timeout: Duration::from_secs(5),
            within: Duration::from_secs(60),
            steady: Duration::ZERO,
        },
        stop: Stop {
            signal: "TERM".to_owned(),
            drain: Duration::ZERO,
            grace: Duration::from_secs(30),
        },
        after: Vec::new(),
        strategy: Strategy {
            steps: Vec::new(),
            sizing: Sizing::Full,
            keep_warm: Duration::ZERO,
            patience: Duration::ZERO,
            on_inconclusive: OnInconclusive::Hold,
            baseline: BaselineKind::Stable,
        },
        traffic: leadsman_core::traffic::Traffic::default(),
        limits: serde_json::from_str(LIMITS).unwrap(),
        metrics: BTreeMap::new(),
    };
    Service {
        spec,
        artifact: None,
    }
}

impl Service {
    fn released(&self, folder: &Path) -> ReleasedService {
        let mut spec = self.spec.clone();
        // By this its processes are found, wherever they went.
        spec.env.insert(
            "TEST_FOLDER".to_owned(),
            state_in(folder).display().to_string(),
        );
        ReleasedService {
            spec,
            artifact: self.artifact.clone(),
            origin: folder.display().to_string(),
        }
    }
}

pub(crate) fn is(state: InstanceState) -> impl Fn(&ObservedInstance) -> bool {
    move |one| one.state == state
}

pub(crate) fn two_are_ready(all: &BTreeMap<InstanceId, ObservedInstance>) -> bool {
    all.len() == 2 && all.values().all(|one| one.ready_since.is_some())
}
