//! `leadsman job-runner`: does one attempt of a job, as the runtime starts it.

use std::path::PathBuf;

use crate::codes::Code;
use crate::failure::Failure;

/// Do the attempt of a job that a folder describes; the runtime does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that describes it
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    leadsman_runtime::job::run(&args.folder).map_err(|error| Failure::of(Code::NotStarted, &error))
}
