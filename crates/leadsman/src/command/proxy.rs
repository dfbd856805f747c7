//! `leadsman proxy`: the data plane, as `leadsman up` starts it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use leadsman_proxy::Config;

use crate::codes::Code;
use crate::context::Context;
use crate::control;
use crate::failure::Failure;

/// Run the data plane; `leadsman up` does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    control::listen_to_tracing(context);
    // Where that fails it goes on as it is, which is only slower.
    drop(keep_memory());
    let config = Config::new(context.state.proxy(), context.state.proxy_socket());
    leadsman_proxy::run(config).map_err(|error| Failure::of(Code::NotStarted, &error))
}

/// Where the system's library reads how it is to allocate memory, once, when a process starts.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Buffers for connections come and go with every request. As it is set up usually, the library
/// searches for room for each of them, and gives the last one back to the system only to ask for it
/// again: a sixth of the processor time of a small request. So it keeps up to 64 MiB, and buffers up
/// to 68 KiB at hand.
const KEEP: &str = "glibc.malloc.trim_threshold=67108864:glibc.malloc.top_pad=1048576:\
                    glibc.malloc.mmap_threshold=4194304:glibc.malloc.tcache_max=70000";

/// Begins anew with the settings for memory, unless there are some.
///
/// # Errors
/// The program cannot be started again; it goes on as it is.
fn keep_memory() -> io::Result<()> {
    if !cfg!(target_env = "gnu") || std::env::var_os(TUNABLES).is_some() {
        return Ok(());
    }
    let mut args = std::env::args_os();
    let mut again = Command::new(std::env::current_exe()?);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    // Only returns if it fails.
    Err(again.args(args).env(TUNABLES, KEEP).exec())
}
