//! The data plane beside control: a process of its own, under a shim of its own, so that it is
//! started again whoever else is gone. Should it be the shim, control starts both anew.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use leadsman_proxy::control::{Client, Status};
use leadsman_runtime::shim::{OutputSpec, Pauses, Spec};
use leadsman_runtime::{SuperviseError, Supervised};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::codes::Code;
use crate::command::proxy::Setup;
use crate::context::Context;
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::output::Output;

/// How long the data plane may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the data plane may take to end after its requests in flight had their time.
const GRACE: Duration = Duration::from_secs(10);

/// How long after a shim could not be started, or was gone before the data plane answered, it is
/// tried again.
const START_AGAIN: Duration = Duration::from_millis(200);

/// What is said then, once it had been started.
const GONE: &str = "warning: the data plane's shim is gone, and both are started anew";

/// The data plane, and who sees to it that a shim holds it.
pub(super) struct DataPlane {
    client: Client,
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

/// What is started anew if the shim of the data plane is gone.
struct Anew {
    executable: PathBuf,
    folder: PathBuf,
    spec: Spec,
    output: Output,
}

/// Finds the data plane that runs already, or starts one; returns when it answers. One that is
/// another program, or set up differently, is succeeded by what this program would start; where
/// that does not work it goes on as it is.
pub(super) async fn start(context: &Context, setup: &Setup) -> Result<DataPlane, Failure> {
    let state = &context.state;
    let executable = super::executable()?;
    let output = state.path().join("logs").join("proxy");
    let spec = spec(state, &executable, setup, &output);
    let client = Client::new(state.proxy_socket());
    let begun = Instant::now();
    let (supervised, status) = loop {
        let mut supervised = Supervised::start(&executable, &state.proxy_shim(), &spec)
            .await
            .map_err(|error: SuperviseError| Failure::of(Code::NotStarted, &error))?;
        tokio::select! {
            status = wait_for(&client, &output, begun) => break (supervised, status?),
            () = gone(&mut supervised) => context.output.talk(GONE),
        }
        tokio::time::sleep(START_AGAIN).await;
    };
    let is_other = status.program != program();
    if is_other || supervised.spec().as_ref() != Some(&spec) {
        let said = match supervised.succeed(&spec).await {
            Ok(()) => upgraded(is_other.then_some(&status.program)),
            Err(error) => not_upgraded(&error),
        };
        context.output.talk(&said);
    }
    let anew = Anew {
        executable,
        folder: state.proxy_shim(),
        // What runs is known to work, also where it could not be upgraded.
        spec: supervised.spec().unwrap_or(spec),
        output: context.output,
    };
    let (stop, stopped) = oneshot::channel();
    let keeper = tokio::spawn(keep(supervised, anew, stopped));
    Ok(DataPlane {
        client,
        stop,
        keeper,
    })
}

/// Sees to it that the data plane has a shim, until it is told to stop both; where nobody is left to
/// tell, they go on.
async fn keep(mut supervised: Supervised, anew: Anew, mut stopped: oneshot::Receiver<()>) {
    loop {
        let told = tokio::select! {
            told = &mut stopped => Some(told),
            () = gone(&mut supervised) => None,
        };
        match told {
            Some(Ok(())) => return supervised.stop().await,
            Some(Err(_)) => return,
            None => anew.output.talk(GONE),
        }
        supervised = loop {
            match Supervised::start(&anew.executable, &anew.folder, &anew.spec).await {
                Ok(supervised) => break supervised,
                Err(error) => {
                    let why = leadsman_runtime::words(&error);
                    let said = format!("warning: the data plane cannot be started: {why}");
                    anew.output.talk(&said);
                }
            }
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(START_AGAIN) => {}
            }
        };
    }
}

/// Waits until nothing is left of the shim and of what it holds.
async fn gone(supervised: &mut Supervised) {
    // What comes before is how it is with what it holds, and of no concern here.
    while supervised.next().await.is_some() {}
}

fn spec(state: &StateFolder, executable: &Path, setup: &Setup, output: &Path) -> Spec {
    let text = |path: &Path| path.display().to_string();
    let mut command = vec![
        text(executable),
        "--state".to_owned(),
        text(state.path()),
        "proxy".to_owned(),
        "--deposit".to_owned(),
    ];
    command.extend(setup.arguments());
    Spec {
        command,
        env: BTreeMap::new(),
        folder: state.path().to_owned(),
        user: None,
        memory: None,
        files: None,
        stop_signal: "TERM".to_owned(),
        // Requests in flight have a time of their own; then it ends by itself.
        grace: setup.drain() + GRACE,
        pauses: Pauses {
            first: Duration::from_millis(20),
            // Nobody else answers meanwhile: also one that is killed again and again is soon back.
            most: Duration::from_millis(80),
            ..Pauses::default()
        },
        output: OutputSpec::in_folder(output.to_owned()),
        sockets: true,
    }
}

/// Returns what tells this program from another one: its version, and when its file was made.
pub(crate) fn program() -> String {
    let version = env!("CARGO_PKG_VERSION");
    // The very file that runs, also where its name leads to a newer one by now.
    match std::fs::metadata("/proc/self/exe") {
        Ok(file) => {
            let (seconds, nanos) = (file.mtime(), file.mtime_nsec());
            format!("{version} of {seconds}.{nanos:09}, {} bytes", file.size())
        }
        Err(_) => version.to_owned(),
    }
}

fn upgraded(from: Option<&String>) -> String {
    match from {
        Some(from) => format!("the data plane is this program now; it was {from}"),
        None => "the data plane is set up as it was asked for now".to_owned(),
    }
}

fn not_upgraded(error: &SuperviseError) -> String {
    let why = leadsman_runtime::words(error);
    format!(
        "warning: the data plane goes on as it was, and is not upgraded: {why}; `leadsman down` and \
         `leadsman up` start it anew, with a gap"
    )
}

async fn wait_for(client: &Client, output: &Path, begun: Instant) -> Result<Status, Failure> {
    let mut pause = Duration::from_millis(2);
    loop {
        let error = match client.status().await {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        if begun.elapsed() > PATIENCE {
            let what = "the data plane does not answer";
            let where_ = format!("its output is in `{}`", output.display());
            return Err(Failure::new(Code::NotStarted, what)
                .because(&error)
                .hint(where_));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

impl DataPlane {
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Lets requests in flight end, then ends the data plane.
    pub(super) async fn stop(self) {
        // Closed means that there was no shim to stop, and that none is started any more.
        let _told_or_gone = self.stop.send(());
        let _ended = self.keeper.await;
    }
}
