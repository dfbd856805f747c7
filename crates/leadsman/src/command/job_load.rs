//! `leadsman job-load`: makes the load of a job, as the runner of the job starts it.

use std::path::PathBuf;

use leadsman_core::load::Load;
use leadsman_load::Document;

use super::load::{judged, make};
use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::load::{described, file, render};

/// Make the load that a file describes; the runner of a job does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that describes it
    description: PathBuf,
    /// The folder that the files lie in that it names
    folder: PathBuf,
    /// Where to write what was measured
    report: PathBuf,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let text = described::read(&args.description, "the load", Code::LoadWrong)?;
    let wrong = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(Code::LoadWrong, "the load of the job cannot be made").because(error)
    };
    let load: Load = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let scenario = file::of(&load, None, &args.folder)?;
    let report = make(context, &scenario).await?;
    let document = serde_json::to_vec(&Document::of(&scenario, &report));
    let document = document.map_err(|error| wrong(&error))?;
    std::fs::write(&args.report, document).map_err(|error| wrong(&error))?;
    context.output.data(&render::report(&scenario, &report))?;
    judged(&report)
}
