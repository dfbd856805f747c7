//! One control per state folder.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use rustix::fs::FlockOperation;

use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;

/// Held for as long as control lives; the kernel lets go of it however control ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the state folder for this process.
pub(super) fn take(state: &StateFolder) -> Result<Lock, Failure> {
    let path = state.path().join("lock");
    let failed = |error: std::io::Error| {
        let what = format!(
            "failed to lock the state folder `{}`",
            state.path().display()
        );
        Failure::new(Code::NotStarted, what).because(&error)
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(failed)?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        // A holder that has only just taken it may not have signed yet.
        drop(file.read_to_string(&mut holder));
        return Err(in_use(state, holder.trim()));
    }
    let since = jiff::Zoned::now().strftime("%F %T %Z");
    let sign = format!("process {}, since {since}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(sign.as_bytes()))
        .map_err(failed)?;
    Ok(Lock { _file: file })
}

fn in_use(state: &StateFolder, holder: &str) -> Failure {
    let holder = if holder.is_empty() {
        "a process that has just begun"
    } else {
        holder
    };
    let what = format!(
        "another Leadsman uses `{}`: {holder}",
        state.path().display()
    );
    Failure::new(Code::StateInUse, what)
        .hint("talk to that one: every command finds it by the state folder")
        .hint("end it with `leadsman down`, or use another folder with `--state`")
}
