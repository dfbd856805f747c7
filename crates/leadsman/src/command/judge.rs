//! `leadsman judge`: the judge alone, for scripts and other tools.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use leadsman_analysis::{Judge, Limits, Risk, Told};
use leadsman_core::project;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::lines::{self, Reader};
use crate::output::output_failure;
use crate::project::{located, read_text};

/// A line is no longer than this, in bytes: a window with every bucket takes a tenth of it.
const LINE_MAX: u64 = 256 * 1024;

/// How much is read and written at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// Judge windows from standard input, one JSON object a line; say a verdict after each
///
/// Before the first step come windows of the baseline alone, then a line that says how requests
/// are split, then windows of both arms. The reference describes the lines.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the canary is held to: a YAML file as under `limits:` of a project file [default:
    /// errors 5 %, p95 1 s, p99 2 s; against stable +1 point of errors, +20 % p95, +50 % p99]
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

pub(crate) fn run(_context: &Context, args: &Args) -> Result<(), Failure> {
    let limits = match &args.limits {
        Some(file) => read_limits(file)?,
        None => usual(),
    };
    let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
    let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let judged = judge(limits, &mut input, &mut out);
    // What was said before a broken line stands.
    let flushed = out.flush();
    judged
        .and(flushed.map_err(Stopped::Write))
        .map_err(Stopped::failure)
}

fn read_limits(path: &Path) -> Result<Limits, Failure> {
    let text = read_text(path, "limits", Code::LimitsWrong)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let limits = project::limits(&text, &name)
        .map_err(|problems| located(&problems, path, Code::LimitsWrong))?;
    Ok(Limits {
        risk: whole(limits.risk.in_all()),
        ..limits
    })
}

/// The chance of a false alarm where nothing else is said.
const ALPHA: f64 = 0.01;

/// The risk of a judge whose steps may take all of it: there is no data plane that could cut a
/// release off by itself.
fn whole(alpha: f64) -> Risk {
    Risk {
        steps: alpha,
        ..Risk::of(alpha)
    }
}

/// The limits of a judge that nobody told of any.
fn usual() -> Limits {
    Limits {
        p95: Some(Duration::from_secs(1)),
        p99: Some(Duration::from_secs(2)),
        requests: 1,
        risk: whole(ALPHA),
        ..Limits::default()
    }
}

/// Why it ended before its input did.
enum Stopped {
    Read(io::Error),
    Write(io::Error),
    Wrong { line: u64, why: lines::Wrong },
    TooLong { line: u64 },
}

impl Stopped {
    fn failure(self) -> Failure {
        let wrong = |line: u64| {
            let message = format!("line {line} of standard input is not understood");
            Failure::new(Code::LineWrong, message).exit(Exit::Usage)
        };
        match self {
            Self::Read(error) => {
                let message = "failed to read standard input";
                Failure::new(Code::LineWrong, message).because(&error)
            }
            Self::Write(error) => output_failure(error),
            Self::Wrong { line, why } => wrong(line).because(&why),
            Self::TooLong { line } => {
                let why = format!("it has more than {} KiB", LINE_MAX / 1024);
                wrong(line).because(&io::Error::other(why))
            }
        }
    }
}

fn judge(
    limits: Limits,
    input: &mut BufReader<impl io::Read>,
    out: &mut impl io::Write,
) -> Result<(), Stopped> {
    let mut judge = Judge::new(limits);
    let mut reader = Reader::new();
    let mut text = Vec::new();
    let (mut line, mut window) = (0, 0);
    loop {
        // Whoever waits for an answer gets it before more is asked for.
        if input.buffer().is_empty() {
            out.flush().map_err(Stopped::Write)?;
        }
        text.clear();
        let mut limited = input.by_ref().take(LINE_MAX);
        if limited
            .read_until(b'\n', &mut text)
            .map_err(Stopped::Read)?
            == 0
        {
            return Ok(());
        }
        line += 1;
        if text.last() != Some(&b'\n') && text.len() as u64 == LINE_MAX {
            return Err(Stopped::TooLong { line });
        }
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let told = reader
            .read(text)
            .map_err(|why| Stopped::Wrong { line, why })?;
        judge.tell(told);
        if matches!(told, Told::Window(_)) {
            window += 1;
            lines::write(out, window, &judge.call()).map_err(Stopped::Write)?;
        }
    }
}
