//! `leadsman schema`: the JSON Schema of the project file, for editors.

use leadsman_core::project;

use crate::context::Context;
use crate::failure::Failure;

/// Print the JSON Schema of the project file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    context.output.json(&project::schema(), false)
}
