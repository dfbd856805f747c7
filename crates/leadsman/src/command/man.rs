//! `leadsman man`: manual pages.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;

/// Write the manual pages, one for each subcommand, into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder; it is made if it is not there
    folder: PathBuf,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let folder = context.working_folder.join(&args.folder);
    std::fs::create_dir_all(&folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
        .map_err(|error| {
            let message = format!("failed to write manual pages into `{}`", folder.display());
            Failure::new(Code::NotWritten, message).because(&error)
        })?;
    context
        .output
        .talk(&format!("the manual pages are in `{}`", folder.display()));
    Ok(())
}
