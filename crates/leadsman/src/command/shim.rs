//! `leadsman shim`: supervises one command, as the runtime starts it.

use std::path::PathBuf;

use crate::codes::Code;
use crate::failure::Failure;

/// Supervise the command that a folder describes; the runtime does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that describes it
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    leadsman_runtime::shim::run(&args.folder).map_err(|error| Failure::of(Code::NotStarted, &error))
}
