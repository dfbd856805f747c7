//! `leadsman audit`: who did what, and that the log is what was recorded.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use leadsman_api::AuditQuery;
use leadsman_core::project::units::parse_duration;
use leadsman_store::sqlite::{SqliteLog, snapshot_file, verify_file};
use leadsman_store::{OpenError, SnapshotError, VerifyError};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::audit::{self, Key, PublicKey, WriteError, Written, Wrong};
use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::format;
use crate::render::people;
use crate::render::words::{self, Clock};
use crate::whole;

/// Work with the audit log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// List who did what and what was denied, the newest first
    List(List),
    /// Verify that nothing in the log was changed, removed or put in another order; works also
    /// while control is down
    ///
    /// With a file, an export is verified, which needs nothing of Leadsman's state.
    Verify {
        /// An export of the log
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The public key that has to have signed the export, as `leadsman audit key` prints it
        #[arg(long, value_name = "KEY", requires = "file")]
        key: Option<PublicKey>,
    },
    /// Write the whole log as JSON lines that others can verify, with a signed checkpoint
    Export {
        /// The file, which is replaced once the new one is complete
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Print the public key that exports are signed with
    Key,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only what this person did, or was denied; `leadsman` is what nobody asked for
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only what happened in this time before now, such as `2h` or `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only events of this kind, such as `denied` or `token_created`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what is about this application, such as `shop`, or environment
    #[arg(long = "for", value_name = "REACH")]
    about: Option<String>,
    /// Leave out what nobody asked for
    #[arg(long)]
    people: bool,
    /// List at most so many: 100 at once
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    limit: u32,
    /// List only what lies before this position in the log
    #[arg(long, value_name = "POSITION")]
    before: Option<u64>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match &args.subcommand {
        Subcommand::List(args) => context.block_on(list(context, args)),
        Subcommand::Verify { file: None, .. } => {
            context.only_here("verifying the log")?;
            verify_log(context)
        }
        Subcommand::Verify {
            file: Some(file),
            key,
        } => verify_export(context, file, *key),
        Subcommand::Export { to } => {
            context.only_here("exporting the log")?;
            export(context, &context.working_folder.join(to))
        }
        Subcommand::Key => {
            context.only_here("showing the key")?;
            let key = key(context)?.public();
            let report = json!({ "key": key.to_string() });
            context.output.either(&report, |_| format!("{key}\n"))
        }
    }
}

async fn list(context: &Context, args: &List) -> Result<(), Failure> {
    let clock = Clock::now();
    let since = args.since.as_ref().map(|since| {
        let long = parse_duration(since).map_err(|why| {
            let what = format!("`--since {since}` is not understood: {why}");
            Failure::new(Code::LineWrong, what).exit(Exit::Usage)
        })?;
        let long = u64::try_from(long.as_millis()).unwrap_or(u64::MAX);
        Ok::<_, Failure>(clock.now.0.saturating_sub(long))
    });
    let query = AuditQuery {
        actor: args.actor.clone(),
        since: since.transpose()?,
        kind: args.kind.clone(),
        about: args.about.clone(),
        people: args.people.then_some(true),
        before: args.before,
        limit: Some(args.limit),
        ..AuditQuery::default()
    };
    let page = context.client().audit(&query).await?;
    context
        .output
        .either(&page, |page| people::audit(page, &clock))
}

fn verify_log(context: &Context) -> Result<(), Failure> {
    let path = context.state.log();
    let verified = verify_file(&path).map_err(|error| not_verified(context, &error))?;
    let report = json!({
        "events": verified.events,
        "streams": verified.streams,
        "head": verified.head.to_string(),
    });
    context.output.either(&report, |_| {
        format!(
            "the log is whole: {} in {}\nits head is {}\n",
            words::count(verified.events, "event"),
            words::count(verified.streams, "stream"),
            verified.head
        )
    })
}

fn not_verified(context: &Context, error: &VerifyError) -> Failure {
    match error {
        VerifyError::Broken { .. } | VerifyError::Corrupt { .. } => {
            Failure::of(Code::LogBroken, error).hint(
                "stop trusting this log from that position on, and keep the file as it is: it is \
                 evidence",
            )
        }
        VerifyError::Open(OpenError::Newer { .. }) => {
            Failure::of(Code::NewerState, error).hint(format::who_knows(&context.state))
        }
        VerifyError::Open(OpenError::Older { .. }) => Failure::of(Code::LogUnreadable, error).hint(
            "verify it with the version of Leadsman that has written it, or start this one with \
             `leadsman up` first",
        ),
        // Whatever else there will be: nothing was found out about the log.
        _ => Failure::of(Code::LogUnreadable, error)
            .hint("name the folder that holds it with `--state`"),
    }
}

/// Verifies an export. Returns what it is, and the file, which was read to its end.
pub(super) fn verified_export(
    context: &Context,
    file: &Path,
    key: Option<PublicKey>,
) -> Result<(audit::Verified, File), Failure> {
    let path = context.working_folder.join(file);
    let shown = file.display();
    let mut opened = File::open(&path).map_err(|error| {
        Failure::new(Code::LogUnreadable, format!("failed to open `{shown}`")).because(&error)
    })?;
    let whole = audit::verify(BufReader::new(&mut opened), key).map_err(|wrong| match &wrong {
        Wrong::Line { line, why } => Failure::new(
            Code::ExportBroken,
            format!("line {line} of `{shown}` is wrong: {why}"),
        )
        .hint(
            "stop trusting the file from that line on, and keep it as it is: it is \
                     evidence",
        ),
        Wrong::Read { .. } => Failure::of(Code::LogUnreadable, &wrong),
    })?;
    Ok((whole, opened))
}

fn verify_export(context: &Context, file: &Path, key: Option<PublicKey>) -> Result<(), Failure> {
    let (whole, _) = verified_export(context, file, key)?;
    let report = json!({
        "events": whole.events,
        "streams": whole.streams,
        "head": whole.head.to_string(),
        "at": whole.at,
        "key": whole.key.to_string(),
        "key_was_given": key.is_some(),
    });
    context.output.either(&report, |_| {
        let clock = Clock::now();
        let signed = if key.is_some() {
            "by the key that was given".to_owned()
        } else {
            format!(
                "by {}\ncompare that with what `leadsman audit key` prints on the machine, or give \
                 it with `--key`",
                whole.key
            )
        };
        format!(
            "the export is whole: {} in {}, up to {}\nits head is {}\nits checkpoint was signed \
             {signed}\n",
            words::count(whole.events, "event"),
            words::count(whole.streams, "stream"),
            clock.long(leadsman_api::Moment(whole.at)),
            whole.head,
        )
    })
}

pub(super) fn key(context: &Context) -> Result<Key, Failure> {
    Key::of(context.state.path()).map_err(|error| Failure::of(Code::AuditKey, &error))
}

fn export(context: &Context, to: &Path) -> Result<(), Failure> {
    format::check(&context.state)?;
    let key = key(context)?;
    let scratch = whole::scratch_beside(to, "the export")?;
    let copy = scratch.path().join("events.db");
    // What is appended meanwhile is not in it, and nobody waits.
    snapshot_file(&context.state.log(), &copy, false).map_err(|error| match &error {
        SnapshotError::Verify(error) => not_verified(context, error),
        _ => Failure::of(Code::NotExported, &error),
    })?;
    let written = whole::file(to, "the export", |file| write(&copy, &key, file))?;
    let report = json!({
        "events": written.events,
        "head": written.head.to_string(),
        "key": written.key.to_string(),
        "file": to,
    });
    context.output.either(&report, |_| {
        format!(
            "exported {} to `{}`\nits head is {}\nits checkpoint was signed by {}\n",
            words::count(written.events, "event"),
            to.display(),
            written.head,
            written.key
        )
    })
}

fn write(copy: &Path, key: &Key, file: &mut NamedTempFile) -> Result<Written, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Code::NotExported, "failed to prepare for reading the log").because(&error)
    })?;
    let log = SqliteLog::open(copy).map_err(|error| Failure::of(Code::NotExported, &error))?;
    let mut out = BufWriter::new(file);
    let written = runtime.block_on(audit::write(&log, key, &mut out));
    let written = written.map_err(|error: WriteError| Failure::of(Code::NotExported, &error))?;
    out.flush().map_err(|error| {
        Failure::new(Code::NotExported, "failed to write the export").because(&error)
    })?;
    Ok(written)
}
