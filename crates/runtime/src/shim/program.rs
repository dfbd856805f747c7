//! Finding the program of a command, so that what is wrong with it can be said in words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Spec;

/// The program that the shim itself is. It is the very file that the shim was started from, also once
/// another one lies in its place, or none: what a shim supervises is of one version for as long as the
/// shim lives, whatever is installed meanwhile. And it needs no path that another user could enter.
pub(crate) const SAME: &str = "/proc/self/exe";

/// Returns the program that `spec` asks for, or says in words why there is none.
pub(super) fn find(spec: &Spec) -> Result<PathBuf, String> {
    let Some(program) = spec.command.first().filter(|program| !program.is_empty()) else {
        return Err("there is no command to run".to_owned());
    };
    if !spec.folder.is_dir() {
        return Err(format!(
            "the working folder `{}` does not exist",
            spec.folder.display()
        ));
    }
    if program.contains('/') {
        // Kept as it is: the child is in its working folder when it looks for it.
        return check(&spec.folder.join(program), program).map(|()| PathBuf::from(program));
    }
    let path = spec
        .env
        .get("PATH")
        .map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let mut unusable = None;
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        let candidate = Path::new(folder).join(program);
        match check(&candidate, program) {
            Ok(()) => return Ok(candidate),
            Err(problem) if candidate.exists() => unusable = Some(problem),
            Err(_) => {}
        }
    }
    Err(unusable.unwrap_or_else(|| format!("command `{program}` was not found in PATH")))
}

fn check(path: &Path, program: &str) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if program.starts_with('/') => {
            format!("`{program}` does not exist")
        }
        std::io::ErrorKind::NotFound => {
            format!("`{program}` does not exist in its working folder")
        }
        _ => format!("`{program}` cannot be looked at: {error}"),
    })?;
    if !metadata.is_file() {
        return Err(format!("`{program}` is not a file"));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(format!("`{program}` is not executable"));
    }
    Ok(())
}

/// Says in words why the kernel did not start a program that is there.
pub(super) fn why_not(program: &str, error: &std::io::Error) -> String {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => {
            format!("`{program}` is there, but the interpreter or loader that it names is not")
        }
        Some(Errno::NOEXEC) => {
            format!("`{program}` is no program for this machine, and has no `#!` line")
        }
        Some(Errno::ACCESS) => {
            format!("`{program}` may not be executed by the user it should run as")
        }
        Some(Errno::PERM) => format!(
            "not allowed to switch to the user that `{program}` should run as, or to raise its \
             limits"
        ),
        _ => format!("`{program}` could not be started: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::{OutputSpec, Pauses};
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_program() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data"), "x").unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for (program, problem) in [
            ("", "there is no command to run"),
            (
                "no-such-thing",
                "command `no-such-thing` was not found in PATH",
            ),
            (
                "./server",
                "`./server` does not exist in its working folder",
            ),
            ("/no/such/thing", "`/no/such/thing` does not exist"),
            ("./data", "`./data` is not executable"),
            ("./sub", "`./sub` is not a file"),
        ] {
            let spec = spec(program, folder.path());
            assert_eq!(find(&spec).unwrap_err(), problem);
        }
        let found = find(&spec("sh", folder.path())).unwrap();
        assert!(found.is_absolute());
    }

    fn spec(program: &str, folder: &Path) -> Spec {
        Spec {
            command: vec![program.to_owned()],
            env: BTreeMap::new(),
            folder: folder.to_owned(),
            user: None,
            memory: None,
            files: None,
            stop_signal: "TERM".to_owned(),
            grace: Duration::from_secs(1),
            pauses: Pauses::default(),
            output: OutputSpec::in_folder(folder.to_owned()),
            sockets: false,
        }
    }
}
