//! `leadsman proxy`: the data plane, as `leadsman up` starts it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use leadsman_proxy::Config;

use super::observe::Observe;
use crate::codes::Code;
use crate::context::Context;
use crate::control;
use crate::failure::Failure;

/// Run the data plane; `leadsman up` does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    setup: Setup,
    /// Deposit sockets with the shim whose line standard input is
    #[arg(long)]
    deposit: bool,
}

/// How the data plane is set up.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Data plane")]
pub(crate) struct Setup {
    /// Threads of the data plane, each with connections of its own [default: one per core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    proxy_threads: Option<u16>,
    /// How long requests in flight may take when the data plane ends or is upgraded
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    proxy_drain: u32,
    #[command(flatten)]
    observe: Observe,
}

impl Setup {
    /// Returns the arguments that say the same to another process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(threads) = self.proxy_threads {
            arguments.extend(["--proxy-threads".to_owned(), threads.to_string()]);
        }
        arguments.extend(["--proxy-drain".to_owned(), self.proxy_drain.to_string()]);
        arguments.extend(self.observe.arguments());
        arguments
    }

    /// Returns how long requests in flight may take.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.proxy_drain.into())
    }
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    control::listen_to_tracing(context);
    // Where that fails it goes on as it is, which is only slower.
    drop(keep_memory());
    let mut config = Config::new(context.state.proxy(), context.state.proxy_socket());
    config.program = control::program();
    config.cores = args.setup.proxy_threads.map(usize::from);
    config.drain_timeout = args.setup.drain();
    args.setup.observe.set_up(&mut config, &context.state);
    if args.deposit {
        config.line = Some(Arc::new(line()?));
    }
    leadsman_proxy::run(config).map_err(|error| match &error {
        leadsman_proxy::Error::Newer { program, .. } => Failure::of(Code::NewerState, &error)
            .hint(format!("use Leadsman {program} or a newer one")),
        _ => Failure::of(Code::NotStarted, &error),
    })
}

/// Returns the line that this process was given.
fn line() -> Result<OwnedFd, Failure> {
    std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| {
            let what = "standard input, which should be the line to a shim, cannot be used";
            Failure::new(Code::NotStarted, what).because(&error)
        })
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
