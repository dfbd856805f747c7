//! `leadsman gate`: whether the gates of an environment would be open with the reports at hand.

use std::time::{SystemTime, UNIX_EPOCH};

use leadsman_gates::{About, Day, Evidence, GateResult, Outcome, evaluate};
use serde_json::json;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::project;
use crate::render::paint;
use crate::render::table::Table;
use crate::render::words;
use crate::reports::{self, Named};

/// Say whether the gates of an environment would be open with the reports at hand
///
/// Nothing is recorded, and control is not asked. The status says whether every gate is open: 0 if
/// so, 1 if not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The environment [default: the one named with `--environment`, or the only one]
    #[arg(value_name = "ENVIRONMENT")]
    of: Option<String>,
    /// A report: `FILE`, `KIND=FILE`, `KIND/JOB=FILE`, or `numbers/NAME:PATH=FILE` for one number
    #[arg(long, value_name = "FILE", num_args = 1..)]
    facts: Vec<Named>,
    /// A report of the release that is promoted, to compare with
    #[arg(long, value_name = "FILE", num_args = 1..)]
    promoted: Vec<Named>,
    /// The branch that rules are told
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// The tag that rules are told
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let file = context.project()?;
    let project = file.parse()?;
    let named = args.of.as_deref().or(context.environment.as_deref());
    let spec = project::environment(&project, named)?;
    let facts = reports::facts(context, &args.facts, None)?;
    let promoted = reports::facts(context, &args.promoted, None)?;
    let about = About {
        environment: spec.environment.to_string(),
        branch: args.branch.clone().unwrap_or_default(),
        tag: args.tag.clone().unwrap_or_default(),
        ..About::default()
    };
    let results = evaluate(
        &spec.entry.gates,
        &Evidence {
            facts: &facts,
            collected: None,
            promoted: (!promoted.is_empty()).then_some(&promoted),
            about: &about,
            today: today()?,
        },
    );
    let open = results
        .iter()
        .filter(|result| result.outcome == Outcome::Open);
    let not_open = results.len() - open.count();
    let report = json!({
        "environment": spec.environment,
        "open": not_open == 0,
        "gates": results,
    });
    context
        .output
        .either(&report, |_| match results.as_slice() {
            [] => format!("`{}` has no gates\n", spec.environment),
            results => text(results),
        })?;
    if not_open == 0 {
        return Ok(());
    }
    let gates = words::count(results.len() as u64, "gate");
    let message = format!(
        "{not_open} of {gates} of `{}` would not be open",
        spec.environment
    );
    Err(Failure::new(Code::GatesNotOpen, message))
}

fn text(results: &[GateResult]) -> String {
    let mut table = Table::default();
    for result in results {
        let outcome = result.outcome.as_str();
        let outcome = match result.outcome {
            Outcome::Open => paint::good(outcome),
            Outcome::Closed => paint::bad(outcome),
            Outcome::Unknown => paint::care(outcome),
        };
        let why = result.sentence.rsplit_once(": ").map_or("", |(why, _)| why);
        table.row([outcome, result.name.clone(), why.to_owned()]);
    }
    let lines = table.to_lines(0);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the day that it is, in UTC.
fn today() -> Result<Day, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    let day = i64::try_from(days).ok().and_then(Day::since_epoch);
    day.ok_or_else(|| Failure::new(Code::GatesNotOpen, "the clock of this machine shows no day"))
}
