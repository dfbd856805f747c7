//! The data plane beside control: a process of its own, under a shim of its own, so that it is
//! started again whoever else is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use leadsman_proxy::control::Client;
use leadsman_runtime::shim::{OutputSpec, Pauses, Spec};
use leadsman_runtime::{SuperviseError, Supervised};

use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;

/// How long the data plane may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(15);

/// The data plane, and the shim that holds it.
pub(super) struct DataPlane {
    supervised: Supervised,
    client: Client,
}

/// Finds the data plane that runs already, or starts one; returns when it answers.
pub(super) async fn start(state: &StateFolder) -> Result<DataPlane, Failure> {
    let executable = super::executable()?;
    let output = state.path().join("logs").join("proxy");
    let text = |path: &Path| path.display().to_string();
    let spec = Spec {
        command: vec![
            text(&executable),
            "--state".to_owned(),
            text(state.path()),
            "proxy".to_owned(),
        ],
        env: BTreeMap::new(),
        folder: state.path().to_owned(),
        user: None,
        memory: None,
        files: None,
        stop_signal: "TERM".to_owned(),
        // Requests in flight have 30 s of their own; then it ends by itself.
        grace: Duration::from_secs(40),
        pauses: Pauses {
            first: Duration::from_millis(20),
            ..Pauses::default()
        },
        output: OutputSpec::in_folder(output.clone()),
    };
    let supervised = Supervised::start(&executable, &state.proxy_shim(), &spec)
        .await
        .map_err(|error: SuperviseError| Failure::of(Code::NotStarted, &error))?;
    let client = Client::new(state.proxy_socket());
    wait_for(&client, &output).await?;
    Ok(DataPlane { supervised, client })
}

async fn wait_for(client: &Client, output: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        let Err(error) = client.status().await else {
            return Ok(());
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
        self.supervised.stop().await;
    }
}
