//! `leadsman state export`: the state as one file, while control runs and while it does not.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{STANDARD, Told, holds};
use crate::codes::Code;
use crate::context::Context;
use crate::export::{self, Error, Wanted};
use crate::failure::{Exit, Failure};
use crate::format;
use crate::render::words;
use crate::whole;

/// Write the state to one file, also while everything runs
///
/// The file holds the event log as it is at one moment, every artifact, and the certificates that
/// the data plane obtained. `leadsman state import` takes it in on another machine.
/// Keep it as you keep a private key: it has the values of environment variables and, unless
/// `--without-keys` is given, private keys. Only you can read it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file, which is replaced once the new one is complete; `-` for standard output
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Leave out the figures: smaller, but a rollout that is under way is judged anew elsewhere,
    /// and none can be replayed there
    #[arg(long)]
    without_figures: bool,
    /// Leave out certificates and ACME accounts with their private keys: the other machine obtains
    /// its own
    #[arg(long)]
    without_keys: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let wanted = Wanted {
        figures: !args.without_figures,
        keys: !args.without_keys,
    };
    format::check(&context.state)?;
    if args.to == Path::new(STANDARD) {
        to_standard_output(context, wanted)
    } else {
        to_file(context, wanted, &context.working_folder.join(&args.to))
    }
}

fn to_standard_output(context: &Context, wanted: Wanted) -> Result<(), Failure> {
    let stdout = io::stdout().lock();
    if stdout.is_terminal() {
        let what = "an export is nothing for a terminal";
        return Err(Failure::new(Code::NotWritten, what)
            .hint("name a file, or pass it on with `|`")
            .exit(Exit::Usage));
    }
    let folder = std::env::temp_dir();
    let scratch =
        whole::scratch_in(&folder).map_err(export::Error::at("make a folder in", &folder))?;
    let mut told = Told::new(context.output, "exporting");
    let mut out = BufWriter::new(stdout);
    let written = export::write(&context.state, wanted, scratch.path(), &mut out, &mut told)?;
    out.flush().map_err(Error::Write)?;
    told.end();
    // Standard output is taken.
    if context.output.is_json() {
        let report = report(&written, None, None);
        context.output.talk(&report.to_string());
    } else {
        context
            .output
            .talk(text(&written, "standard output").trim_end());
    }
    warn(context, &written);
    Ok(())
}

fn to_file(context: &Context, wanted: Wanted, to: &Path) -> Result<(), Failure> {
    let scratch = whole::scratch_beside(to, "the export")?;
    let mut told = Told::new(context.output, "exporting");
    // Readable by its owner only, as temporary files are.
    let (written, bytes) = whole::file(to, "the export", |file| {
        let out = BufWriter::new(&mut *file);
        let written = export::write(&context.state, wanted, scratch.path(), out, &mut told)?;
        let bytes = file.as_file().metadata().map_err(Error::Write)?.len();
        Ok((written, bytes))
    })?;
    told.end();
    let report = report(&written, Some(to), Some(bytes));
    let name = format!("`{}`", to.display());
    context.output.either(&report, |_| text(&written, &name))?;
    warn(context, &written);
    Ok(())
}

fn report(written: &export::Written, path: Option<&Path>, bytes: Option<u64>) -> serde_json::Value {
    let manifest = &written.manifest;
    json!({
        "path": path,
        "bytes": bytes,
        "format": manifest.format,
        "program": manifest.program,
        "at_ms": manifest.at_ms,
        "events": manifest.events,
        "head": manifest.head,
        "artifacts": manifest.artifacts(),
        "missing": written.missing,
        "figures": manifest.figures,
        "secrets": manifest.secrets(),
    })
}

fn text(written: &export::Written, to: &str) -> String {
    let manifest = &written.manifest;
    format!(
        "exported {} to {to}\nthe head of its log is {}\n",
        holds(manifest),
        manifest.head
    )
}

/// Says what should be known of what was exported.
fn warn(context: &Context, written: &export::Written) {
    if written.manifest.secrets() > 0 {
        context.output.talk(
            "it holds private keys: keep it where nobody else can read it, or export again with \
             `--without-keys`",
        );
    }
    if !written.missing.is_empty() {
        let count = words::count(written.missing.len() as u64, "artifact");
        let names: Vec<&str> = written
            .missing
            .iter()
            .map(|digest| digest.as_str())
            .collect();
        context.output.talk(&format!(
            "warning: not there, and so not in it: {count} of recorded releases, {}",
            names.join(", ")
        ));
    }
}
