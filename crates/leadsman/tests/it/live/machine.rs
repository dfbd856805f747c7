//! A machine of its own for each test: a folder, a free address, and Leadsman in between.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::processes::{self, Process};
use super::{client, service};
use crate::program::{PROGRAM, Place, Ran};

/// How long anything may take that is waited for; generous, because many tests share a machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// How long after one look at a condition the next one is made.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A strategy and limits with which a rollout takes a little more than a second.
pub(super) const QUICK: &str = "strategy: { canary: { steps: [50%], soak: 1s }, keep_warm: 10m }\n\
                                limits: { requests: 20, against_stable: null }\n";

/// The same with a soak that no test waits for.
pub(super) const LONG: &str = "strategy: { canary: { steps: [25%, 50%], soak: 1h } }\n\
                               limits: { requests: 20, against_stable: null }\n";

/// Leadsman in a folder of its own. Whatever was started for it ends with it.
pub(super) struct Machine {
    pub(super) place: Place,
    /// Where the only environment listens.
    pub(super) address: SocketAddr,
    /// What the project file says of how it is encrypted, after a comma.
    pub(super) tls: String,
    up: Option<Child>,
    /// What control is started with.
    program: PathBuf,
    /// What commands are given with.
    commands: PathBuf,
}

impl Machine {
    /// Makes the folder; nothing runs yet.
    pub(super) fn new() -> Self {
        // A port that was free a moment ago is as near to a free one as one can get.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::at(free.local_addr().unwrap())
    }

    /// Makes the folder of a machine whose only environment listens at an address.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            place: Place::new(),
            address,
            tls: String::new(),
            up: None,
            program: PROGRAM.into(),
            commands: PROGRAM.into(),
        }
    }

    /// Makes a copy of the program, as an upgrade would be, and starts control with it from now on.
    pub(super) fn install_newer(&mut self) {
        let newer = self.place.path().join("leadsman-newer");
        fs::copy(PROGRAM, &newer).unwrap();
        self.program = newer;
    }

    /// Starts control with another program from now on, and gives commands with it.
    pub(super) fn install(&mut self, program: &Path) {
        program.clone_into(&mut self.program);
        program.clone_into(&mut self.commands);
    }

    /// Makes the folder and starts Leadsman.
    pub(super) fn started() -> Self {
        let mut machine = Self::new();
        machine.up();
        machine
    }

    /// Makes the folder, starts Leadsman and ships the version `one` of the service.
    pub(super) fn with_first_release() -> Self {
        let machine = Self::started();
        machine.project("one", QUICK);
        machine.ship().succeeds();
        machine.wait_for_version("one");
        machine
    }

    /// Returns the state folder.
    pub(super) fn state(&self) -> PathBuf {
        self.place.path().join(".leadsman")
    }

    /// Writes the project file for a version of the service, with a strategy.
    pub(super) fn project(&self, version: &str, strategy: &str) {
        let ready = "{ http: /health, every: 50ms, within: 20s }";
        self.project_of(&service::lines(version), ready, strategy);
    }

    /// Writes the project file with a service made of `lines`.
    pub(super) fn project_of(&self, lines: &str, ready: &str, strategy: &str) {
        let (address, tls) = (self.address, &self.tls);
        let text = format!(
            "application: quay\nenvironments: {{ production: {{ listen: \"{address}\"{tls} }} }}\n\
             services:\n  web:\n{lines}    ready: {ready}\n\
             {strategy}"
        );
        self.place.write("leadsman.yaml", text);
    }

    /// Starts control, and waits until it answers.
    pub(super) fn up(&mut self) {
        self.up_with(&[]);
    }

    /// Starts control with options, and waits until it answers.
    pub(super) fn up_with(&mut self, options: &[&str]) {
        self.launch_with(options);
        self.wait_for_control();
    }

    /// Waits until control answers.
    pub(super) fn wait_for_control(&self) {
        self.wait_until("control answers", || {
            self.run(&["status", "--json"]).status == 0
        });
    }

    /// Starts control without waiting for anything.
    pub(super) fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// The same with options.
    pub(super) fn launch_with(&mut self, options: &[&str]) {
        assert!(self.up.is_none(), "control runs already");
        let arguments = [&["up"], options].concat();
        let mut command = self.place.command_of(&self.program, &arguments);
        let mut log = File::options();
        let log = log.create(true).append(true);
        let log = log.open(self.place.path().join("up.log")).unwrap();
        with_path(&mut command);
        command.stdout(Stdio::null()).stderr(log);
        self.up = Some(command.spawn().unwrap());
    }

    /// Returns the process of control.
    pub(super) fn control(&self) -> i32 {
        i32::try_from(self.up.as_ref().unwrap().id()).unwrap()
    }

    /// Kills control as the kernel would, and nothing else.
    pub(super) fn kill_control(&mut self) {
        let mut up = self.up.take().unwrap();
        up.kill().unwrap();
        up.wait().unwrap();
    }

    /// Returns how control has ended, once it has.
    pub(super) fn control_has_ended(&mut self) -> Option<ExitStatus> {
        let ended = self.up.as_mut()?.try_wait().unwrap();
        if ended.is_some() {
            self.up = None;
        }
        ended
    }

    /// Waits for control to end by itself.
    pub(super) fn control_ends(&mut self) -> ExitStatus {
        let mut up = self.up.take().unwrap();
        let status = self.wait_for("control ends", || up.try_wait().unwrap());
        drop(up);
        status
    }

    /// Returns what control has said so far.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(self.place.path().join("up.log")).unwrap_or_default()
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        let child = self.start(arguments);
        let pid = i32::try_from(child.id()).unwrap();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(child.wait_with_output()));
        let (output, is_late) = match end.recv_timeout(DEADLINE) {
            Ok(output) => (output, false),
            Err(_) => {
                processes::kill(pid);
                (end.recv().unwrap(), true)
            }
        };
        let ran = self.place.told(output.unwrap());
        assert!(!is_late, "{arguments:?} does not end: {}", ran.whole());
        ran
    }

    /// Starts a command, and captures what it says.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.place.command_of(&self.commands, arguments);
        with_path(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs a command with `--json`, which must succeed, and returns its answer.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.whole());
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Ships, and watches until the release has found its place.
    pub(super) fn ship(&self) -> Ran {
        self.run(&["ship"])
    }

    /// Ships without watching.
    pub(super) fn ship_detached(&self) {
        self.run(&["ship", "--detach"]).succeeds();
    }

    /// Returns how the only environment stands.
    pub(super) fn environment(&self) -> Value {
        let status = self.json(&["status"]);
        status
            .pointer("/environments/0")
            .cloned()
            .unwrap_or_default()
    }

    /// Returns the name of the phase that the newest deployment is in.
    pub(super) fn phase(&self) -> String {
        text(&self.environment(), "/deployment/phase")
    }

    /// Returns the kinds of all events, the oldest first.
    pub(super) fn events(&self) -> Vec<String> {
        let history = self.json(&["history", "--limit", "1000"]);
        let events = history.get("events").unwrap().as_array().unwrap();
        events
            .iter()
            .rev()
            .map(|event| text(event, "/kind"))
            .collect()
    }

    /// Waits until a request is answered by a version of the service.
    pub(super) fn wait_for_version(&self, version: &str) {
        self.wait_until(&format!("version {version} answers"), || {
            client::get(self.address, "/").is_ok_and(|answer| answer.body == version)
        });
    }

    /// Waits until the rollout holds a step.
    pub(super) fn wait_for_soak(&self) {
        self.wait_until("the rollout holds a step", || {
            text(&self.environment(), "/services/0/rollout/stage") == "soaking"
        });
    }

    /// Waits until the newest deployment is in a phase.
    pub(super) fn wait_for_phase(&self, phase: &str) {
        self.wait_until(&format!("the deployment is {phase}"), || {
            self.phase() == phase
        });
    }

    pub(super) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.wait_for(what, || holds().then_some(()));
    }

    /// Looks until there is something, and returns it.
    pub(super) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < DEADLINE, "never comes true: {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Returns every process that has to do with this machine.
    pub(super) fn processes(&self) -> Vec<Process> {
        processes::of(self.place.path())
    }

    /// Returns the data plane's process.
    pub(super) fn proxy(&self) -> Process {
        let mut all = self.processes().into_iter();
        all.rfind(|process| process.command.contains(" proxy --deposit "))
            .unwrap()
    }

    /// Returns the shims of all instances.
    pub(super) fn shims(&self) -> Vec<Process> {
        let is_shim = |process: &Process| {
            process.command.contains(" shim ") && process.command.contains("/instances/")
        };
        self.processes().into_iter().filter(is_shim).collect()
    }

    /// Returns the processes of all instances: what their shims hold.
    pub(super) fn instances(&self) -> Vec<Process> {
        let shims = self.shims();
        let is_held = |process: &Process| shims.iter().any(|shim| shim.pid == process.parent);
        self.processes().into_iter().filter(is_held).collect()
    }

    /// Ends everything as a person would, and checks that nothing is left.
    pub(super) fn down(&mut self) {
        self.run(&["down"]).succeeds();
        let status = self.control_ends();
        assert!(status.success(), "{status}: {}", self.said());
        let left = self.processes();
        assert!(left.is_empty(), "still there: {left:#?}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- what control said\n{}", self.said());
        }
        // Whatever is started again by another one is found in the next round.
        let begun = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || begun.elapsed() > DEADLINE {
                break;
            }
            for process in left {
                processes::kill(process.pid);
            }
            if let Some(mut up) = self.up.take() {
                drop(up.wait());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let left = self.processes();
        assert!(
            left.is_empty() || std::thread::panicking(),
            "cannot be ended: {left:#?}"
        );
    }
}

impl Ran {
    /// Checks that the command succeeded.
    pub(super) fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.whole());
        self
    }

    /// Checks that it said every one of `words`, wherever lines were broken.
    pub(super) fn says(self, words: &[&str]) -> Self {
        let said: Vec<&str> = self.stdout.split_whitespace().collect();
        let said = said.join(" ");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {}", self.whole());
        }
        self
    }

    /// Checks that the command ended with a status and said every one of `words` on standard
    /// error.
    pub(super) fn fails(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, status, "{}", self.whole());
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{word:?} is not in {}",
                self.whole()
            );
        }
        self
    }
}

/// Returns the text at a place of an answer; empty where there is none.
pub(super) fn text(value: &Value, at: &str) -> String {
    let value = value.pointer(at).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// Lets a command find the programs of this machine: nothing else of the environment is passed on.
fn with_path(command: &mut std::process::Command) {
    command.env("PATH", std::env::var_os("PATH").unwrap());
}
