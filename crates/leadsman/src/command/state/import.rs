//! `leadsman state import`: an export becomes the state of a machine that has none.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::{STANDARD, Told, holds};
use crate::codes::Code;
use crate::context::Context;
use crate::export::{self, Error};
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::format;

/// What the folder that is about to become the state folder is called in the beginning.
const PREFIX: &str = ".leadsman-import-";

/// Take in an export on a machine that has no state yet
///
/// Everything is checked before anything is put in place: the event log's chain, the digest of
/// every artifact. The state folder must be missing or empty.
/// `leadsman up` then starts what served, and goes on with what was under way. End the Leadsman that
/// was exported first, or both go on, each for itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file that `leadsman state export` has written; `-` for standard input
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let from: Box<dyn Read> = if args.from == Path::new(STANDARD) {
        Box::new(io::stdin().lock())
    } else {
        let path = context.working_folder.join(&args.from);
        let file = File::open(&path).map_err(Error::at("open", &path))?;
        Box::new(file)
    };
    let state = follow(context.state.path());
    refuse_what_is_there(&state)?;
    let parent = state.parent().unwrap_or(Path::new("/"));
    let mut folders = DirBuilder::new();
    let made = folders.recursive(true).mode(0o700).create(parent);
    made.map_err(Error::at("make the folder", parent))?;
    // Beside its place, so that it comes there at once or not at all.
    let unpacked = temporary_in(parent)?;
    let mut told = Told::new(context.output, "importing");
    let from = BufReader::with_capacity(128 << 10, from);
    let manifest = export::read(from, unpacked.path(), &mut told)?;
    format::claim(&StateFolder::new(unpacked.path()), context.output)?;
    put_in_place(unpacked, &state)?;
    told.end();
    let report = json!({
        "path": state,
        "program": manifest.program,
        "at_ms": manifest.at_ms,
        "events": manifest.events,
        "head": manifest.head,
        "artifacts": manifest.artifacts(),
        "figures": manifest.figures,
        "secrets": manifest.secrets(),
    });
    context.output.either(&report, |_| {
        format!(
            "imported {} into `{}`\nthe head of its log is {}\n",
            holds(&manifest),
            state.display(),
            manifest.head
        )
    })?;
    context
        .output
        .talk("start it with `leadsman up`, once the Leadsman that it was exported from has ended");
    Ok(())
}

/// Returns where the state folder really is, if its name is a link.
fn follow(state: &Path) -> PathBuf {
    fs::canonicalize(state).unwrap_or_else(|_| state.to_owned())
}

/// Refuses a state folder with something in it, before the work and not only after it.
fn refuse_what_is_there(state: &Path) -> Result<(), Failure> {
    match fs::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(is_there(state)),
        Err(error) => Err(Error::at("read", state)(error).into()),
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(is_there(state)),
            None => Ok(()),
        },
    }
}

fn is_there(state: &Path) -> Failure {
    let what = format!(
        "`{}` is no empty folder: nothing was changed",
        state.display()
    );
    Failure::new(Code::StateThere, what)
        .hint("name a folder that is empty, or not there yet, with `--state`")
        .hint("a state folder that is no longer needed is yours to move away; export it first")
}

fn temporary_in(parent: &Path) -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|error| Failure::from(Error::at("make a folder in", parent)(error)))
}

/// Renames the folder to the state folder. The kernel lets nothing but an empty folder be replaced,
/// so whatever came there meanwhile stays.
fn put_in_place(unpacked: TempDir, state: &Path) -> Result<(), Failure> {
    match fs::rename(unpacked.path(), state) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(is_there(state));
        }
        Err(error) => {
            let what = format!(
                "failed to put the state folder `{}` in place",
                state.display()
            );
            return Err(Failure::new(Code::NotWritten, what).because(&error).hint(
                "a folder that a disk is mounted on cannot be replaced: name one below it with \
                 `--state`",
            ));
        }
    }
    // There is nothing left to remove.
    drop(unpacked.keep());
    let parent = state.parent().unwrap_or(Path::new("/"));
    let synced = File::open(parent).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Failure::from(Error::at("write", parent)(error)))
}
