//! `leadsman load`: asks a server for something as often as is said, and tells how it answered.

use std::path::PathBuf;
use std::time::Duration;

use leadsman_core::project::units;
use leadsman_load::{Cancel, Document, Report, Scenario};
use tokio::signal::unix::{SignalKind, signal};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::load::{described, progress, render};
use crate::output::Screen;

/// Make requests at a rate, or as so many users, and measure how they are answered
///
/// Latency counts from the moment on at which a request is due, whether or not others are
/// answered. The status says whether every threshold holds: 0 if so, 1 if not, or if the load
/// could not be made as asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  leadsman load http://localhost:8080/ --rate 1000 --for 30s --p95 400ms
  leadsman load https://staging.example/cart --users 150 --for 2m --ramp 10s --errors 0.1%
  leadsman load 'http://localhost:8080/p/${id}' --data products.csv --rate 50
  leadsman load http://localhost:8080 --scenario load.yaml --json")]
pub(crate) struct Args {
    /// What is asked for; `${name}` in it stands for a value of `--data`
    #[arg(required_unless_present = "scenario", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Make the load that a file describes, as it stands under `load:` of a job; the URL is the
    /// server's then
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "rate", "users", "length", "ramp", "warm_up", "think", "RequestArgs", "ThresholdArgs", "ConnectionArgs",
    ])]
    pub(crate) scenario: Option<PathBuf>,
    /// Open model: so many requests a second, whether or not others are answered
    #[arg(long, value_name = "COUNT", required_unless_present_any = ["users", "scenario"], conflicts_with = "users", value_parser = number)]
    pub(crate) rate: Option<f64>,
    /// Closed model: so many users, each of which waits for an answer and thinks
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) users: Option<u32>,
    /// How long it is measured [default: 30s]
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) length: Option<Duration>,
    /// Reach the rate, or the users, evenly in so long, which is not measured
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) ramp: Option<Duration>,
    /// Then go on for so long before it is measured
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) warm_up: Option<Duration>,
    /// How long a user thinks, on average [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "rate")]
    pub(crate) think: Option<Duration>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) thresholds: ThresholdArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// What a request is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// Its method [default: GET, with a body POST]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A header, `name: value`, or `@FILE` with one a line: what is secret has no place in an
    /// argument; can be repeated
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Its body, or `@FILE` with it
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Rows of values for `${name}` in path, headers and body: a CSV file with the names in its
    /// first line, or a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// A status that is no error, such as `200` or `2xx`; can be repeated [default: 2xx, 3xx]
    #[arg(long, value_name = "STATUS", value_parser = leadsman_load::Statuses::parse)]
    pub(crate) expect: Vec<leadsman_load::Statuses>,
    /// What the body of every answer contains
    #[arg(long, value_name = "TEXT")]
    pub(crate) contains: Option<String>,
}

/// What must hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Thresholds")]
pub(crate) struct ThresholdArgs {
    /// Half of the answers take at most so long
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) p50: Option<Duration>,
    /// 90 of 100 answers take at most so long
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) p90: Option<Duration>,
    /// 95 of 100 answers take at most so long
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) p95: Option<Duration>,
    /// 99 of 100 answers take at most so long
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) p99: Option<Duration>,
    /// 999 of 1000 answers take at most so long
    #[arg(long = "p99.9", value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) p999: Option<Duration>,
    /// Every answer takes at most so long
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) max: Option<Duration>,
    /// At most this share of requests fails [default: 1%]
    #[arg(long, value_name = "SHARE", value_parser = units::parse_share)]
    pub(crate) errors: Option<f64>,
    /// At least so many requests a second are answered as they should be
    #[arg(long, value_name = "COUNT", value_parser = number)]
    pub(crate) rate_at_least: Option<f64>,
}

/// How the server is spoken to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionArgs {
    /// How long a request may take from when it is due; then it has failed [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// How many connections there may be at a time with `--rate`; users have one each [default:
    /// 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with = "users")]
    pub(crate) connections: Option<u32>,
    /// The version of HTTP [default: 1.1]
    #[arg(long, value_name = "VERSION", value_parser = ["1.1", "2"])]
    pub(crate) http: Option<String>,
    /// Make a new connection for each request
    #[arg(long)]
    pub(crate) no_reuse: bool,
    /// Certificates in PEM form that are trusted beside those of this machine
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Threads that make requests [default: as many as it takes, one per core at most]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// Reads a number that is not negative.
fn number(text: &str) -> Result<f64, String> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("write a number above 0, such as `1000` or `0.5`".to_owned()),
    }
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let scenario = described::scenario(args)?;
    let report = make(context, &scenario).await?;
    let document = Document::of(&scenario, &report);
    context
        .output
        .either(&document, |_| render::report(&scenario, &report))?;
    judged(&report)
}

/// Makes the load. Ctrl-C ends it early, with what was measured so far.
pub(super) async fn make(context: &Context, scenario: &Scenario) -> Result<Report, Failure> {
    let output = context.output;
    let failed = |error: std::io::Error| {
        Failure::new(Code::LoadImpossible, "failed to listen for signals").because(&error)
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let cancel = Cancel::default();
    let (for_it, scenario) = (cancel.clone(), scenario.clone());
    let mut made = tokio::task::spawn_blocking(move || {
        let mut drawn = 0;
        let made = leadsman_load::run(
            &scenario,
            |progress| {
                if output.can_redraw(Screen::Talk) {
                    drawn = output.redraw(Screen::Talk, drawn, &progress::line(progress));
                }
            },
            &for_it,
        );
        if drawn > 0 {
            output.redraw(Screen::Talk, drawn, "");
        }
        made
    });
    let made = loop {
        tokio::select! {
            made = &mut made => break made,
            _ = interrupt.recv() => cancel.cancel(),
            _ = terminate.recv() => cancel.cancel(),
        }
    };
    let made = made.map_err(|error| {
        Failure::new(Code::LoadImpossible, "the load broke off").because(&error)
    })?;
    made.map_err(|error| impossible(&error))
}

fn impossible(error: &leadsman_load::Error) -> Failure {
    use leadsman_load::{ConnectError, Error};
    match error {
        Error::Wrong(problems) => described::wrong(problems),
        Error::Room { .. } => Failure::of(Code::LoadImpossible, error)
            .hint("ask for fewer connections or users, or allow more: `ulimit -n` shows the limit of open files"),
        Error::Connect(ConnectError::Tls { .. }) => Failure::of(Code::LoadImpossible, error)
            .hint("name a certificate that it is to trust with `--trust FILE`"),
        Error::Connect(ConnectError::NoHttp2 { .. }) => {
            Failure::of(Code::LoadImpossible, error).hint("leave out `--http 2`")
        }
        Error::Connect(_) | Error::Start { .. } => Failure::of(Code::LoadImpossible, error),
    }
}

/// Turns a report into the status to end with.
pub(super) fn judged(report: &Report) -> Result<(), Failure> {
    if report.interrupted {
        let message = "the load was ended early: the figures are those so far";
        return Err(Failure::new(Code::LoadInvalid, message).exit(Exit::Interrupted));
    }
    if let Some(why) = report.invalid.first() {
        return Err(Failure::new(
            Code::LoadInvalid,
            format!("the figures are not valid: {why}"),
        )
        .hint("ask for less, or give the generator a machine, or cores, of its own"));
    }
    let broken: Vec<String> = report
        .thresholds
        .iter()
        .filter(|held| !held.holds)
        .map(|held| format!("`{}`", held.threshold))
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} of {} thresholds do not hold: {}",
        broken.len(),
        report.thresholds.len(),
        broken.join(", ")
    );
    Err(Failure::new(Code::LoadBroken, message))
}
