//! Test support: a control process that wants what a file says until it is killed.
//!
//! Called with a state folder, the program that is the shim, and a JSON file that holds an
//! environment and its workloads.

use std::error::Error;

use leadsman_core::id::EnvironmentId;
use leadsman_core::workload::Workloads;
use leadsman_runtime::Runtime as _;
use leadsman_runtime::process::{Config, ProcessRuntime};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [state, shim, wanted] = &arguments[..] else {
        return Err("three arguments".into());
    };
    let wanted = std::fs::read(wanted)?;
    let (environment, workloads): (EnvironmentId, Workloads) = serde_json::from_slice(&wanted)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async {
            let runtime = ProcessRuntime::start(Config::new(state, shim)).await?;
            runtime.apply(&environment, 1, &workloads).await?;
            std::future::pending().await
        })
}
