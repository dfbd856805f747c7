//! `leadsman replay`: a past rollout, judged again.

use std::path::{Path, PathBuf};

use leadsman_api::{Replay, ReplayLine};
use leadsman_core::project;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::project::{located, read_text};
use crate::render::replay::Told;
use crate::render::words;
use crate::target;

/// Judge a past rollout again, by the limits it was held to or by others
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The environment, such as `production` or `shop/production`; needed where there are several
    #[arg(value_name = "APP/ENV")]
    of: Option<String>,
    /// The number of the deployment [default: the newest one]
    deployment: Option<u64>,
    /// Only the rollout of this service [default: every one that was judged]
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Judge by these limits: YAML as under `limits:` of the project file, where what is left out
    /// has its default [default: those that the release was held to]
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let limits = args.limits.as_deref().map(limits).transpose()?;
    let client = context.client();
    // A deployment may be named without its environment: names are not made of digits.
    let (named, deployment) = match (args.of.as_deref(), args.deployment) {
        (Some(first), None) => match first.parse() {
            Ok(number) => (None, Some(number)),
            Err(_) => (Some(first), None),
        },
        (named, deployment) => (named, deployment),
    };
    let named = named.or(context.environment.as_deref());
    let target = target::find_named(context, &client, named).await?;
    let replay = Replay {
        deployment,
        service: args.service.clone(),
        limits,
        windows: context.output.is_json(),
    };
    let mut lines = client
        .replay(&target.application, &target.environment, &replay)
        .await?;
    let mut told = Told::default();
    while let Some(line) = lines.next().await? {
        if context.output.is_json() {
            context.output.json(&line, true)?;
        }
        // Of the windows nothing is left to say but what the steps say.
        if !matches!(line, ReplayLine::Window(_)) {
            told.lines.push(line);
        }
    }
    if !context.output.is_json() {
        context.output.data(&told.text(&target))?;
    }
    match told.differing() {
        0 => Ok(()),
        count => Err(Failure::new(
            Code::ReplayDiffers,
            format!(
                "{} did not come out again",
                words::count(count, "recorded verdict")
            ),
        )
        .hint("another version of Leadsman recorded them, or figures were lost with a full disk")),
    }
}

/// Reads limits, so that their problems are told with line and column.
fn limits(path: &Path) -> Result<String, Failure> {
    let text = read_text(path, "limits", Code::LimitsWrong)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match project::limits(&text, &name) {
        Ok(_) => Ok(text),
        Err(problems) => Err(located(&problems, path, Code::LimitsWrong)),
    }
}
