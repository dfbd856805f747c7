//! `leadsman check`: every problem of the project file, or what it comes to.

use leadsman_core::project::{Problems, Project};
use serde_json::json;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::project;
use crate::render::words;

/// Check the project file and show every problem in one go
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print what an environment comes to, with every default filled in [default: the one named
    /// with `--environment`, or the only one]
    #[arg(long, value_name = "ENVIRONMENT", num_args = 0..=1)]
    effective: Option<Option<String>>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let file = context.project()?;
    let project = match Project::parse(&file.text, &file.name()) {
        Ok(project) => project,
        Err(problems) => {
            let all: Vec<_> = problems.iter().collect();
            let report = json!({ "file": file.path, "problems": all, "count": problems.count() });
            context
                .output
                .either(&report, |_| format!("{problems}\n"))?;
            let found = words::count(problems.count() as u64, "problem");
            return Err(Failure::new(
                Code::ProjectFileWrong,
                format!("`{}` has {found}", file.path.display()),
            ));
        }
    };
    if let Some(named) = &args.effective {
        let named = named.as_deref().or(context.environment.as_deref());
        let spec = project::environment(&project, named)?;
        let text = project.effective(&spec.environment).ok_or_else(|| {
            let message = format!("environment `{}` is left out", spec.environment);
            Failure::new(Code::NoSuchEnvironment, message)
        })?;
        let report = json!({ "environment": spec.environment, "project": text });
        return context.output.either(&report, |_| text);
    }
    let environments: Vec<_> = project.environments().map(|name| name.as_str()).collect();
    let warnings: Vec<_> = project
        .warnings()
        .into_iter()
        .flat_map(Problems::iter)
        .collect();
    let report = json!({
        "file": file.path,
        "problems": warnings,
        "count": project.warnings().map_or(0, Problems::count),
        "environments": environments,
    });
    context.output.either(&report, |_| {
        let warnings = project.warnings().map(|warnings| format!("{warnings}\n\n"));
        format!(
            "{}`{}` is right: `{}` with {}\n",
            warnings.unwrap_or_default(),
            file.path.display(),
            project.application(),
            environments.join(", ")
        )
    })
}
