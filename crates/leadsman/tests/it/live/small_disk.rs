//! A small disk for one test, which it can fill.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Set for the run of a test inside its own mount namespace.
const INSIDE: &str = "IN_A_NAMESPACE";

/// The ways to a mount namespace: as root, and as anybody where namespaces of users are allowed.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];

/// Where a test runs.
pub(super) enum Ran {
    /// In a namespace: what is mounted is seen by it alone, and ends with it.
    Inside,
    /// Outside, and the same test has run inside meanwhile; whether it passed.
    Outside { passed: bool },
    /// Outside, because no namespace is to be had here; why.
    Nowhere(String),
}

/// Runs the test `name`, which this is, once more in a mount namespace, unless it is in one.
/// `variables` are added to what that run finds in its environment.
pub(super) fn in_a_namespace(name: &str, variables: &[(&str, String)]) -> Ran {
    if std::env::var_os(INSIDE).is_some() {
        return Ran::Inside;
    }
    let mut why = String::new();
    for way in WAYS {
        let tried = Command::new("unshare").args(way).arg("true").output();
        match tried {
            Ok(output) if output.status.success() => {
                let inner = Command::new("unshare")
                    .args(way)
                    .arg(std::env::current_exe().unwrap())
                    .args(["--exact", name, "--nocapture"])
                    .env(INSIDE, "yes")
                    .envs(variables.iter().cloned())
                    .status();
                let passed = inner.unwrap().success();
                return Ran::Outside { passed };
            }
            Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    Ran::Nowhere(format!("no mount namespace is to be had here: {why}"))
}

/// Mounts a disk of `mebibytes` at `folder`, which is made.
pub(super) fn mount(folder: &Path, mebibytes: u32) -> Result<(), String> {
    std::fs::create_dir(folder).map_err(|error| error.to_string())?;
    let options = format!("size={mebibytes}m,mode=700");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]);
    match mount.arg(folder).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes a disk away; its content is gone.
pub(super) fn unmount(folder: &Path) {
    let done = Command::new("umount").arg("--lazy").arg(folder).status();
    assert!(done.unwrap().success(), "{}", folder.display());
}

/// Writes until there is no room for a single byte.
pub(super) fn fill(path: &Path) {
    let mut file = File::options();
    let file = file.create(true).append(true).open(path);
    // A file without content takes no room, but its name may.
    let Ok(mut file) = file else { return };
    let mut piece = vec![0; 64 << 10];
    while !piece.is_empty() {
        if file.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
}
