//! `leadsman evidence`: everything that let a release pass, in one file that others can verify.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _};
use std::path::{Path, PathBuf};

use leadsman_core::id::{ApplicationName, Digest, ReleaseNumber};
use leadsman_store::sqlite::snapshot_file;
use serde_json::json;

use super::audit::{key, verified_export};
use crate::audit::PublicKey;
use crate::codes::Code;
use crate::context::Context;
use crate::evidence::{self, Error, Verified, Written};
use crate::failure::{Exit, Failure};
use crate::format;
use crate::render::words::{self, Clock};
use crate::whole;

/// Write everything that let a release pass to one file, or verify such a file
///
/// The file is a tar archive: a summary for people, the project file, the events of the log about
/// this release, what reports say and the reports themselves, and the figures that the judge was
/// told. It is signed with the key of the audit; what others do is not in it.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  leadsman evidence 4
  leadsman evidence 4 --of shop --to release-4.tar
  leadsman evidence verify shop-4-evidence.tar --log log.jsonl"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
    /// The number of the release
    #[arg(required = true)]
    release: Option<u64>,
    /// The application [default: that of the project file]
    #[arg(long, value_name = "APP")]
    of: Option<ApplicationName>,
    /// The file, which is replaced once the new one is complete [default: APP-RELEASE-evidence.tar]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Verify that evidence is as it was written, which needs nothing of Leadsman's state
    Verify {
        /// The evidence
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The public key that has to have signed it, as `leadsman audit key` prints it
        #[arg(long, value_name = "KEY")]
        key: Option<PublicKey>,
        /// An export of the log, as `leadsman audit export` writes it: it has to be whole, and every
        /// event of the evidence has to be in it
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match (&args.subcommand, args.release) {
        (Some(Subcommand::Verify { file, key, log }), _) => {
            verify(context, file, *key, log.as_deref())
        }
        (None, Some(release)) => write(context, args, ReleaseNumber(release)),
        (None, None) => {
            let what = "the number of a release is expected";
            Err(Failure::new(Code::LineWrong, what).exit(Exit::Usage))
        }
    }
}

fn write(context: &Context, args: &Args, release: ReleaseNumber) -> Result<(), Failure> {
    context.only_here("gathering evidence")?;
    format::check(&context.state)?;
    let application = match &args.of {
        Some(application) => application.clone(),
        None => context.project()?.parse()?.application().clone(),
    };
    let name = format!("{application}-{}-evidence.tar", release.0);
    let to = args.to.clone().unwrap_or_else(|| PathBuf::from(name));
    let to = context.working_folder.join(to);
    let scratch = whole::scratch_beside(&to, "the evidence")?;
    let copy = scratch.path().join("events.db");
    // What is appended meanwhile is not in it, and nobody waits.
    let whole = snapshot_file(&context.state.log(), &copy, true)
        .map_err(|error| Failure::from(crate::export::Error::from(error)))?;
    let head = (whole.events, whole.head);
    let gathered = evidence::gather(&copy, head, &application, release)?;
    let (key, now) = (key(context)?, Clock::now().now.0);
    let written = whole::file(&to, "the evidence", |file| {
        let out = BufWriter::new(file);
        Ok(evidence::write(&gathered, &context.state, &key, now, out)?)
    })?;
    let Written { manifest, key } = &written;
    let report = json!({ "file": to, "manifest": manifest, "key": key.to_string() });
    context.output.either(&report, |_| {
        let missing: String = manifest
            .missing
            .iter()
            .map(|one| format!("not kept any more: {one}\n"))
            .collect();
        format!(
            "wrote the evidence of {release} of {application} to `{}`: {}\n{missing}it was signed by {key}\n",
            to.display(),
            words::count(manifest.files.len() as u64, "file"),
        )
    })
}

fn verify(
    context: &Context,
    file: &Path,
    key: Option<PublicKey>,
    log: Option<&Path>,
) -> Result<(), Failure> {
    let open = |path: &Path| {
        let opened = File::open(context.working_folder.join(path));
        opened.map_err(|error| Failure::from(Error::Unreadable(error)))
    };
    let lines = match log {
        None => None,
        Some(log) => Some(lines_of(context, log, key)?),
    };
    let evidence = BufReader::new(open(file)?);
    let Verified {
        manifest,
        key: signed_by,
        events,
    } = evidence::verify(evidence, key, lines.as_ref())?;
    let report = json!({
        "manifest": manifest,
        "key": signed_by.to_string(),
        "key_was_given": key.is_some(),
        "events": events,
        "log_was_given": log.is_some(),
    });
    context.output.either(&report, |_| {
        let signed = match key {
            Some(_) => "by the key that was given".to_owned(),
            None => format!(
                "by {signed_by}\ncompare that with what `leadsman audit key` prints on the machine, or \
                 give it with `--key`"
            ),
        };
        let looked_up = match log {
            Some(_) => "every event of it is in the log\n",
            None => "",
        };
        format!(
            "the evidence of release {} of {} is whole: {} and {}\n{looked_up}it was signed {signed}\n",
            manifest.release,
            manifest.application,
            words::count(manifest.files.len() as u64, "file"),
            words::count(events, "event"),
        )
    })
}

/// Returns what lines an export of the log has, which is verified first.
fn lines_of(
    context: &Context,
    log: &Path,
    key: Option<PublicKey>,
) -> Result<HashSet<Digest>, Failure> {
    let mut file = verified_export(context, log, key)?.1;
    let unreadable = |error| Failure::from(Error::Unreadable(error));
    file.rewind().map_err(unreadable)?;
    evidence::lines(BufReader::new(file)).map_err(unreadable)
}
