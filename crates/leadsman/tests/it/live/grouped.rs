//! A socket that a group of the machine's users may open.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::machine::Machine;
use crate::program::{PROGRAM, Ran};

/// The user, and the group, that every machine has and that own nothing.
const NOBODY: &str = "65534";

/// A group that nobody is in by themselves.
const GROUP: &str = "4711";

/// Returns a folder that everybody may enter, and nobody else write to. Where others are tested it
/// may lie in a folder of one's own.
fn folder() -> TempDir {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Returns why nothing can be done as another user here.
fn no_others() -> Option<&'static str> {
    let is_root = rustix::process::geteuid().is_root();
    let has_program = Command::new("setpriv").arg("--version").output().is_ok();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let has_nobody = users
        .lines()
        .any(|line| line.starts_with(&format!("nobody:x:{NOBODY}:")));
    match (is_root, has_program, has_nobody) {
        (false, _, _) => Some("only root can become another user"),
        (true, false, _) => Some("there is no `setpriv`"),
        (true, true, false) => Some("there is no user `nobody`"),
        (true, true, true) => None,
    }
}

/// Runs a command over the socket as the user `nobody`, in these groups besides.
fn as_nobody(machine: &Machine, place: &Path, groups: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
        .arg(match groups {
            "" => "--clear-groups".to_owned(),
            groups => format!("--groups={groups}"),
        })
        .arg(place.join("leadsman"))
        .arg("--server")
        .arg(format!("unix:{}", place.join("control.sock").display()))
        .args(arguments)
        .current_dir(place)
        .env_clear()
        .env("TZ", "UTC");
    machine.place.told(command.output().unwrap())
}

/// Starts control with a socket for a group, and returns the socket.
fn up(machine: &mut Machine, place: &Path, group: &str) -> PathBuf {
    let socket = place.join("control.sock");
    let path = socket.to_str().unwrap();
    machine.up_with(&["--socket", path, "--socket-group", group]);
    socket
}

#[test]
fn the_socket_is_the_groups_and_is_gone_with_control() {
    let own = rustix::process::getegid().as_raw().to_string();
    let mut machine = Machine::new();
    let place = folder();
    let socket = up(&mut machine, place.path(), &own);
    let metadata = fs::symlink_metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o7777, 0o660);
    assert_eq!(metadata.gid().to_string(), own);
    let said = machine.said();
    let line = format!(
        "the API is served on {}, to users of the group `{own}`",
        socket.canonicalize().unwrap().display()
    );
    assert!(said.contains(&line), "{said}");
    // That of the owner is as it was.
    let control = fs::metadata(machine.state().join("control.sock")).unwrap();
    assert_eq!(control.mode() & 0o7777, 0o600);
    let server = format!("unix:{}", socket.display());
    machine.run(&["--server", &server, "status"]).succeeds();
    let people = ["--server", &server, "people", "list"];
    machine.run(&people).succeeds();
    let export = ["--server", &server, "audit", "export", "out"];
    machine
        .run(&export)
        .fails(1, &["error[L105]", "not over a socket"]);

    // What a killed control leaves is not in the way of the next one.
    machine.kill_control();
    assert!(socket.exists());
    up(&mut machine, place.path(), &own);
    machine.run(&["--server", &server, "status"]).succeeds();
    machine.run(&["--server", &server, "down"]).succeeds();
    assert!(machine.control_ends().success());
    assert!(!socket.exists());
}

#[test]
fn who_is_in_the_group_may_what_is_granted_to_them_and_nothing_else() {
    if let Some(why) = no_others() {
        println!("skipped, {why}");
        return;
    }
    let mut machine = Machine::new();
    let place = folder();
    let program = place.path().join("leadsman");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    up(&mut machine, place.path(), GROUP);
    let nobody =
        |groups: &str, arguments: &[&str]| as_nobody(&machine, place.path(), groups, arguments);
    nobody("", &["status"]).fails(3, &["error[L002]", "--server unix:PATH"]);
    nobody(GROUP, &["status"]).fails(1, &["error[L100]", "`nobody` is not known here"]);
    let add = ["people", "add", "ben", "--as", "user:nobody"];
    machine
        .run(&[&add[..], &["--role", "viewer"]].concat())
        .succeeds();
    nobody(GROUP, &["status"]).succeeds();
    nobody(GROUP, &["down"]).fails(1, &["error[L102]", "`ben`"]);
    nobody(GROUP, &["people", "list"]).fails(1, &["error[L102]", "`ben`"]);
    // What is granted to them does not open the socket.
    nobody("", &["status"]).fails(3, &["error[L002]"]);

    let audit = machine.run(&["audit", "list", "--kind", "denied", "--json"]);
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let entries = audit["entries"].as_array().unwrap();
    let denied: Vec<_> = entries
        .iter()
        .map(|entry| (entry["actor"].as_str().unwrap(), entry["from"].as_str()))
        .collect();
    assert!(
        denied.contains(&("ben", Some("unix, user nobody"))),
        "{audit}"
    );
    machine.down();
}

#[test]
fn a_socket_that_would_not_do_is_refused_before_anything_is_begun() {
    let machine = Machine::new();
    let own = rustix::process::getegid().as_raw().to_string();
    let place = folder();
    let file = place.path().join("file");
    fs::write(&file, "letters").unwrap();
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let open = place.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let path = |folder: &Path| folder.join("s").display().to_string();
    let long = place.path().join("x".repeat(120)).display().to_string();
    for (socket, group, words) in [
        (
            path(place.path()),
            "no-such-group",
            ["there is no group", "groupadd"],
        ),
        (
            path(&place.path().join("missing")),
            &own,
            ["No such file", "install -d"],
        ),
        (path(&closed), &own, ["may not enter", "chmod g+x"]),
        (path(&open), &own, ["could exchange", "of your own"]),
        (
            file.display().to_string(),
            &own,
            ["is no socket", "--socket"],
        ),
        (long, &own, ["failed to listen on", "107 bytes"]),
    ] {
        let arguments = ["up", "--socket", &socket, "--socket-group", group];
        let ran = machine.run(&arguments).fails(1, &["error[L107]"]);
        let ran = ran.fails(1, &words);
        assert!(!ran.stderr.contains("is ready"), "{}", ran.whole());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "letters");
    // One without the other is wrong usage.
    machine
        .run(&["up", "--socket", "s"])
        .fails(2, &["--socket-group"]);
    machine
        .run(&["up", "--socket-group", &own])
        .fails(2, &["--socket <PATH>"]);
}
