//! `leadsman facts`: what reports say.

use leadsman_gates::{Facts, ReportKind};

use crate::context::Context;
use crate::failure::Failure;
use crate::render::paint;
use crate::reports::{self, Named};

/// Read reports on tests, coverage, findings, components, load and numbers, and say what they say
///
/// What a report is, is seen from how it begins; `KIND=FILE` says it. The kinds are junit, lcov,
/// cobertura, sarif, trivy, grype, cyclonedx, k6, load and numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A report: `FILE`, `KIND=FILE`, `KIND/JOB=FILE`, or `numbers/NAME:PATH=FILE` for one number
    #[arg(required = true, value_name = "FILE")]
    files: Vec<Named>,
    /// What those are of which nothing else is said
    #[arg(long, value_name = "KIND", value_parser = reports::kind)]
    kind: Option<ReportKind>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let facts = reports::facts(context, &args.files, args.kind)?;
    context.output.either(&facts, text)
}

fn text(facts: &Facts) -> String {
    let mut text = String::new();
    for report in &facts.reports {
        let source = &report.source;
        let words = paint::strong(&source.words());
        text.push_str(&format!("{words} ({})\n", source.kind.title()));
        for line in report.says.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}
