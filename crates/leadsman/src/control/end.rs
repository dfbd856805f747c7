//! How control ends, and what it takes along.

use std::time::{Duration, Instant};

use leadsman_core::id::EnvironmentId;
use leadsman_core::workload::Workloads;
use leadsman_runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::codes::Code;
use crate::failure::Failure;

/// How long all instances together may take to end; each has its own grace time before.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why control ends.
pub(super) enum Why {
    /// A signal: what runs goes on running.
    Signal,
    /// `leadsman down`: everything ends.
    Down,
}

/// Waits for whatever ends control.
pub(super) async fn wait(
    mut down: watch::Receiver<bool>,
    mut serving: JoinHandle<Result<(), leadsman_server::Error>>,
) -> Result<Why, Failure> {
    let failed =
        |error| Failure::new(Code::NotStarted, "failed to listen to signals").because(&error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Why::Signal),
        _ = terminate.recv() => Ok(Why::Signal),
        _ = down.wait_for(|down| *down) => Ok(Why::Down),
        served = &mut serving => Err(match served {
            Ok(Err(error)) => Failure::of(Code::NotStarted, &error),
            Ok(Ok(())) => Failure::new(Code::NotStarted, "the API has ended by itself"),
            Err(error) => {
                Failure::new(Code::NotStarted, "the API broke off: a mistake of Leadsman")
                    .because(&error)
            }
        }),
    }
}

/// Stops every instance and waits until nothing of them is left.
pub(super) async fn stop_instances(
    runtime: &dyn Runtime,
    environments: &[EnvironmentId],
) -> Result<(), Failure> {
    let failed = |error| Failure::of(Code::NotStarted, &error);
    for environment in environments {
        // Whatever is recorded says that they should run: nothing overtakes the end.
        runtime
            .apply(environment, u64::MAX, &Workloads::default())
            .await
            .map_err(failed)?;
    }
    let begun = Instant::now();
    for environment in environments {
        loop {
            let left = runtime.observe(environment).await.map_err(failed)?;
            if left.is_empty() {
                break;
            }
            if begun.elapsed() > PATIENCE {
                let names: Vec<String> = left.keys().map(ToString::to_string).collect();
                let what = format!("still running after 10 minutes: {}", names.join(", "));
                return Err(Failure::new(Code::NotStarted, what));
            }
            tokio::select! {
                () = runtime.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }
    Ok(())
}
