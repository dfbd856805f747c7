//! `leadsman report`: hands reports on a release in.

use leadsman_gates::ReportKind;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::words::clean;
use crate::reports::{self, Named};
use crate::target;

/// Hand reports on a release in: its gates are evaluated on what they say
///
/// For what no job of the pipeline has found out. A report from the same place as an earlier one takes
/// its place.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of the release
    release: u64,
    /// A report: `FILE`, `KIND=FILE`, `KIND/JOB=FILE`, or `numbers/NAME:PATH=FILE` for one number
    #[arg(required = true, value_name = "FILE")]
    files: Vec<Named>,
    /// What those are of which nothing else is said
    #[arg(long, value_name = "KIND", value_parser = reports::kind)]
    kind: Option<ReportKind>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    // All of them are read before the first one is sent: a mistake leaves nothing half done.
    let reports = reports::read_all(context, &args.files, args.kind)?;
    let client = context.client();
    let target = target::find(context, &client).await?;
    let mut answers = Vec::new();
    for (query, bytes) in reports {
        let sent = client.report(&target.application, args.release, &query, bytes);
        answers.push(sent.await?);
    }
    context.output.either(&answers, |answers| {
        let lines = answers.iter().flat_map(|answer| &answer.lines);
        lines.map(|line| format!("{}\n", clean(line))).collect()
    })
}
