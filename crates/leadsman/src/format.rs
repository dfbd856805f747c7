//! Which programs can use a state folder.
//!
//! Much lies in it that several versions of Leadsman write and read: the log, figures, what is
//! remembered of instances and shims, the last table. Fields that an older program may pass over
//! are only ever added. For all else there is one number for the whole folder, in `format.json`:
//! it is raised whenever a program would leave something there that an older one would take for
//! something else, and `leadsman up` looks at it before anything else is read or done.
//!
//! The log has a number of its own beside it, for its tables, and the last table one for its
//! file: both are read by processes that do not know the rest of the folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::output::Output;

/// The newest format that this program knows, and the one that it writes.
///
/// 2: the log has streams of people and of the audit.
pub(crate) const FORMAT: u64 = 2;

/// The format of folders that say nothing of it.
const FIRST: u64 = 1;

/// The version of this program.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What is known of a state folder. Each version reads it: fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    format: u64,
    /// The version of the program that used the folder last.
    #[serde(default)]
    program: String,
}

/// Refuses a folder that this program would misread. One without `format.json` is new, or of the
/// first format.
pub(crate) fn check(state: &StateFolder) -> Result<(), Failure> {
    match read(&path(state)) {
        Ok(Some(stamp)) if stamp.format > FORMAT => {
            let what = format!(
                "the state folder `{}` was written by Leadsman {} in format {}; this is Leadsman \
                 {PROGRAM}, which knows formats up to {FORMAT}",
                state.path().display(),
                stamp.program,
                stamp.format
            );
            Err(Failure::new(Code::NewerState, what).hint(needed(&stamp.program)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let what = format!("failed to read `{}`", path(state).display());
            Err(Failure::new(Code::NewerState, what)
                .because(&error)
                .hint("use the version of Leadsman that has written it"))
        }
    }
}

/// Says which program is needed for what this one does not understand in the folder.
pub(crate) fn who_knows(state: &StateFolder) -> String {
    match read(&path(state)) {
        Ok(Some(stamp)) if stamp.program != PROGRAM => needed(&stamp.program),
        _ => needed(""),
    }
}

fn needed(program: &str) -> String {
    if program.is_empty() {
        "use the version of Leadsman that has written it, or a newer one".to_owned()
    } else {
        format!("use Leadsman {program} or a newer one")
    }
}

/// Writes down that this program uses the folder. From then on older ones keep away if they must.
pub(crate) fn claim(state: &StateFolder, output: Output) -> Result<(), Failure> {
    let path = path(state);
    let stamp = Stamp {
        format: FORMAT,
        program: PROGRAM.to_owned(),
    };
    let there = read(&path).unwrap_or_default();
    if there.as_ref() == Some(&stamp) {
        return Ok(());
    }
    let same = there.map_or(FIRST, |there| there.format) == FORMAT;
    match write(&path, &stamp) {
        Ok(()) => Ok(()),
        // Nobody has to keep away who did not have to before: a full disk holds up no restart.
        Err(error) if same => {
            let path = path.display();
            output.talk(&format!(
                "warning: cannot write down who uses the state folder in `{path}`: {error}"
            ));
            Ok(())
        }
        Err(error) => {
            let what = format!("failed to write `{}`", path.display());
            Err(Failure::new(Code::NotWritten, what).because(&error))
        }
    }
}

fn path(state: &StateFolder) -> PathBuf {
    state.path().join("format.json")
}

fn read(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, stamp: &Stamp) -> io::Result<()> {
    let scratch = path.with_extension("new");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = file.open(&scratch)?;
    file.write_all(&serde_json::to_vec(stamp)?)?;
    file.sync_all()?;
    fs::rename(&scratch, path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Color;

    #[test]
    fn a_newer_format_is_refused_with_the_program_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        let file = folder.path().join("format.json");
        check(&state).unwrap();
        for (text, said) in [
            (r#"{"format":1}"#, None),
            (r#"{"format":1,"program":"0.0.1","more":[]}"#, None),
            (
                r#"{"format":3,"program":"7.1.0"}"#,
                Some("written by Leadsman 7.1.0 in format 3"),
            ),
            (r#"{"form"#, Some("failed to read")),
            ("[]", Some("failed to read")),
        ] {
            fs::write(&file, text).unwrap();
            match (check(&state), said) {
                (Ok(()), None) => {}
                (Err(failure), Some(said)) => {
                    assert_eq!(failure.code, Code::NewerState.as_str());
                    assert!(failure.message.contains(said), "{failure:?}");
                }
                other => panic!("{text}: {other:?}"),
            }
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_that_is_claimed_can_be_used_and_says_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        let file = folder.path().join("format.json");
        fs::write(&file, r#"{"format":1,"program":"9.9.9"}"#).unwrap();
        assert_eq!(who_knows(&state), "use Leadsman 9.9.9 or a newer one");
        claim(&state, Output::new(Color::Never, false, false)).unwrap();
        check(&state).unwrap();
        let stamp = read(&file).unwrap().unwrap();
        assert_eq!((stamp.format, stamp.program.as_str()), (FORMAT, PROGRAM));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
