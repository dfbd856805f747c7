//! `leadsman logs`: what instances wrote.

use leadsman_api::{LogLine, LogsQuery};

use crate::context::Context;
use crate::failure::Failure;
use crate::render::{paint, words};
use crate::target::{self, Target};

/// Print what instances wrote
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this service, or this instance by its full name [default: everything]
    #[arg(value_name = "SERVICE")]
    of: Option<String>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many lines of each instance to begin with
    #[arg(long, short = 'n', value_name = "LINES", default_value_t = 100)]
    tail: u32,
    /// Print what the jobs of the run with this number wrote instead; a name is then that of a job
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    if let Some(number) = args.run {
        let logs = super::run::Logs::of(number, args.of.clone(), args.tail, args.follow);
        return super::run::print_logs(context, &logs).await;
    }
    let client = context.client();
    let target = target::find(context, &client).await?;
    // Names of services have no dot, and those of instances always do.
    let (service, instance) = match &args.of {
        Some(name) if name.contains('.') => (None, Some(name.clone())),
        other => (other.clone(), None),
    };
    let query = LogsQuery {
        service,
        instance,
        tail: Some(args.tail),
        follow: args.follow,
    };
    let mut lines = client
        .logs(&target.application, &target.environment, &query)
        .await?;
    while let Some(line) = lines.next().await? {
        if context.output.is_json() {
            context.output.json(&line, true)?;
        } else {
            context.output.data(&text(&line, &target))?;
        }
    }
    Ok(())
}

/// Returns a line after the name of its instance, which need not repeat the environment.
fn text(line: &LogLine, target: &Target) -> String {
    let prefix = format!("{}.{}.", target.application, target.environment);
    let instance = line
        .instance
        .strip_prefix(&prefix)
        .unwrap_or(&line.instance);
    let text = words::clean(&line.text);
    format!("{} {text}\n", paint::dim(&format!("{instance} |")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_wrote_it() {
        let target = Target {
            application: "shop".to_owned(),
            environment: "production".to_owned(),
        };
        let line = LogLine {
            instance: "shop.production.web.r4.d4.1".to_owned(),
            text: "\x1b[2Jready".to_owned(),
        };
        let plain = anstream::adapter::strip_str(&text(&line, &target)).to_string();
        assert_eq!(plain, "web.r4.d4.1 | ready\n");
    }
}
