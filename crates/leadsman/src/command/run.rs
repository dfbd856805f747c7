//! `leadsman run`: a commit through the pipeline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use leadsman_api::{
    Client, Error, RunCommand, RunLogsQuery, RunQuery, RunRequest, RunStatus, RunsQuery,
};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::git;
use crate::output::Screen;
use crate::render::words::{Clock, clean};
use crate::render::{paint, runs};

/// How long one question waits for a change.
const WAIT: Duration = Duration::from_secs(1);
/// How long control may be away before it is given up on. A restart takes about a second.
const ABSENCE: Duration = Duration::from_secs(60);
/// How long after one attempt to reach an absent control the next one is made.
const PAUSE: Duration = Duration::from_millis(200);

/// Take a commit through the pipeline, and watch it until it is over
///
/// Without anything else it is the commit that is checked out here. What is not committed is no part
/// of it. Ends with status 0 if every job passed, and with 1 if one did not. Ctrl-C ends the watching,
/// not the run.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The branch, tag or commit [default: what is checked out]
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Only this job, by its name in the project file, and what it needs; may be repeated. Such a run
    /// makes no release
    #[arg(long = "job", value_name = "NAME")]
    jobs: Vec<String>,
    /// Let the run with this number go on: the jobs that did not pass begin again
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["reference", "jobs"])]
    resume: Option<u64>,
    /// Return as soon as the run is recorded
    #[arg(long, short)]
    detach: bool,
    /// Begin only if the project file says so for what was pushed: for hooks of Git
    #[arg(long, conflicts_with = "resume")]
    pushed: bool,
}

/// What can be done with a run beside starting it.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// End a run, and all processes of it
    Cancel {
        /// Its number
        number: u64,
    },
    /// Print what the jobs of a run wrote
    Logs(Logs),
    /// Show how a run stands
    Show {
        /// Its number
        number: u64,
    },
}

/// Which lines of a run are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The number of the run
    number: u64,
    /// Only this job
    job: Option<String>,
    /// This attempt of each job, counted from 1 [default: the last one]
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only so many of the last lines of each job
    #[arg(long, short = 'n', value_name = "LINES")]
    tail: Option<u32>,
    /// Go on with what is written from now on, until the run is over
    #[arg(long, short)]
    follow: bool,
}

impl Logs {
    /// Returns the last `tail` lines of each job of a run, or of one.
    pub(crate) fn of(number: u64, job: Option<String>, tail: u32, follow: bool) -> Self {
        Self {
            number,
            job,
            attempt: None,
            search: None,
            tail: Some(tail),
            follow,
        }
    }
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    match &args.what {
        Some(What::Cancel { number }) => return cancel(context, &client, *number).await,
        Some(What::Logs(logs)) => return print_logs(context, logs).await,
        Some(What::Show { number }) => {
            let application = application(context, &client).await?;
            let run = client
                .run(&application, *number, &RunQuery::default())
                .await?;
            let clock = Clock::at(run.at);
            return context.output.either(&run, |run| runs::run(run, &clock));
        }
        None => {}
    }
    let run = match args.resume {
        Some(number) => {
            let application = application(context, &client).await?;
            let accepted = client
                .run_command(&application, number, RunCommand::Resume)
                .await?;
            accepted.run
        }
        None => begin(context, &client, args).await?,
    };
    // A hook pushed what starts nothing.
    let Some(run) = run else { return Ok(()) };
    let headline =
        |run: &RunStatus| format!("run {} of {} begins\n", run.number, clean(&run.application));
    if args.detach {
        return context.output.either(&run, headline);
    }
    let run = tokio::select! {
        run = watch(context, &client, run.clone()) => run?,
        _ = tokio::signal::ctrl_c() => {
            context.output.talk(&format!(
                "run {number} goes on without being watched: `leadsman run show {number}` shows it, \
                 `leadsman run cancel {number}` ends it",
                number = run.number
            ));
            return Err(Failure::silent(Exit::Interrupted));
        }
    };
    if context.output.is_json() {
        context.output.json(&run, false)?;
    }
    verdict(&run)
}

async fn begin(
    context: &Context,
    client: &Client,
    args: &Args,
) -> Result<Option<RunStatus>, Failure> {
    let named = git::named(
        &context.working_folder,
        args.reference.as_deref(),
        context.project_path(),
    )?;
    let request = RunRequest {
        repository: named.repository,
        commit: named.commit,
        reference: named.reference,
        project_file: named.project_file,
        jobs: args.jobs.clone(),
        pushed: args.pushed,
    };
    let accepted = client.begin_run(&request).await?;
    if accepted.run.is_none() {
        context.output.talk(&clean(&accepted.sentence));
    }
    Ok(accepted.run)
}

/// Says of a run that is over whether it passed.
fn verdict(run: &RunStatus) -> Result<(), Failure> {
    if run.state == "passed" {
        return Ok(());
    }
    let failed: Vec<String> = run
        .jobs
        .iter()
        .filter(|job| job.state == "failed")
        .map(|job| format!("`{}`", clean(&job.name)))
        .collect();
    let number = run.number;
    let message = match failed.as_slice() {
        [] => format!("run {number} was {}", run.state),
        failed => format!(
            "run {number} {}: {} did not pass",
            run.state,
            failed.join(" and ")
        ),
    };
    let job = run.jobs.iter().find(|job| job.state == "failed");
    let logs = job.map(|job| format!("leadsman run logs {number} {}", clean(&job.name)));
    let failure = Failure::new(Code::RunFailed, message);
    let failure = match logs {
        Some(logs) => failure.hint(format!("see what it wrote with `{logs}`")),
        None => failure,
    };
    Err(failure.hint(format!(
        "`leadsman run --resume {number}` begins again at what did not pass"
    )))
}

/// Shows a run until it is over.
async fn watch(
    context: &Context,
    client: &Client,
    mut run: RunStatus,
) -> Result<RunStatus, Failure> {
    let output = context.output;
    let mut drawn = 0;
    let mut told: BTreeMap<String, (String, u32)> = BTreeMap::new();
    if !output.can_redraw(Screen::Data) && !output.is_json() {
        let name = format!("run {} of {}", run.number, clean(&run.application));
        let short: String = run.commit.chars().take(10).collect();
        output.data(&format!(
            "{}: {} {}\n",
            paint::strong(&name),
            clean(&short),
            clean(&run.subject)
        ))?;
    }
    loop {
        let is_over = run.ended_at.is_some() && (run.state != "passed" || is_settled(&run));
        if output.can_redraw(Screen::Data) {
            let clock = Clock::at(run.at);
            drawn = output.redraw(Screen::Data, drawn, &runs::run(&run, &clock));
        } else if !output.is_json() {
            for job in &run.jobs {
                let now = (job.state.clone(), job.attempts);
                let waits = job.state == "waiting" || job.state == "later";
                if told.get(&job.name) != Some(&now) {
                    if !waits || told.contains_key(&job.name) {
                        output.data(&format!("  {}\n", runs::job_line(job)))?;
                    }
                    told.insert(job.name.clone(), now);
                }
            }
            if is_over {
                let clock = Clock::at(run.at);
                output.data(&runs::run(&run, &clock))?;
            }
        }
        if is_over {
            return Ok(run);
        }
        run = next(client, &run).await?;
    }
}

/// Whether it is known what became of what a run made. One of a part of the pipeline makes nothing.
fn is_settled(run: &RunStatus) -> bool {
    run.release.is_some() || run.not_released.is_some() || run.is_part
}

/// Returns how a run stands as soon as that changed, or after a while; also across a restart of
/// control.
async fn next(client: &Client, run: &RunStatus) -> Result<RunStatus, Failure> {
    let query = RunQuery {
        after: Some(run.version),
        wait_ms: u64::try_from(WAIT.as_millis()).ok(),
    };
    let mut absent_since = None;
    loop {
        match client.run(&run.application, run.number, &query).await {
            Ok(run) => return Ok(run),
            Err(
                error @ (Error::NotRunning { .. } | Error::Lost { .. } | Error::Connect { .. }),
            ) => {
                let since = *absent_since.get_or_insert_with(Instant::now);
                if since.elapsed() > ABSENCE {
                    return Err(error.into());
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn cancel(context: &Context, client: &Client, number: u64) -> Result<(), Failure> {
    let application = application(context, client).await?;
    let accepted = client
        .run_command(&application, number, RunCommand::Cancel)
        .await?;
    context.output.either(&accepted, |accepted| {
        format!("{}\n", clean(&accepted.sentence))
    })
}

/// Returns the application that is meant: that of the project file, or the only one that has runs.
async fn application(context: &Context, client: &Client) -> Result<String, Failure> {
    if let Ok(project) = context.project().and_then(|file| file.parse()) {
        return Ok(project.application().to_string());
    }
    let list = client.runs(&RunsQuery::default()).await?;
    let mut names: Vec<String> = list.runs.into_iter().map(|run| run.application).collect();
    names.sort();
    names.dedup();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Failure::new(
            Code::NoProjectFile,
            "it is not known which application is meant",
        )
        .hint("go to its folder, or name its project file with `--file`")),
    }
}

/// Prints what the jobs of a run wrote.
pub(crate) async fn print_logs(context: &Context, logs: &Logs) -> Result<(), Failure> {
    let client = context.client();
    let application = application(context, &client).await?;
    let query = RunLogsQuery {
        job: logs.job.clone(),
        attempt: logs.attempt,
        tail: logs.tail,
        search: logs.search.clone(),
        follow: logs.follow,
    };
    let mut lines = client.run_logs(&application, logs.number, &query).await?;
    while let Some(line) = lines.next().await? {
        if context.output.is_json() {
            context.output.json(&line, true)?;
            continue;
        }
        let text = clean(&line.text);
        context.output.data(&match &logs.job {
            Some(job) if *job == line.job => format!("{text}\n"),
            _ => format!(
                "{} {text}\n",
                paint::dim(&format!("{} |", clean(&line.job)))
            ),
        })?;
    }
    Ok(())
}
