//! Running a command to its end: with a time that it may take, and nothing left of it afterwards.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// Runs `command` in `folder`, as the user that this process runs as. Of the environment it has the
/// search path alone, and what it writes goes nowhere: neither may hold what others should not see.
///
/// # Errors
///
/// It did not end with status 0 in time: why, in words that go on after its name.
pub async fn run(command: &[String], folder: &Path, timeout: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("is empty".to_owned());
    };
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .current_dir(folder);
    let ended = ended(command);
    match tokio::time::timeout(timeout, ended).await {
        Ok(ended) => ended,
        Err(_) => Err(format!("did not end within {} s", timeout.as_secs_f32())),
    }
}

/// Waits until a command has ended; when it is dropped, nothing of its process group is left.
///
/// # Errors
///
/// It did not end with status 0: why, in words that go on after its name.
pub(crate) async fn ended(mut command: Command) -> Result<(), String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "was not found".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be executed".to_owned(),
        _ => format!("could not be started: {error}"),
    })?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let group = Group(pid.and_then(Pid::from_raw));
    let status = child.wait().await.map_err(|error| error.to_string())?;
    drop(group);
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(format!("exited with status {code}")),
        None => Err("was killed".to_owned()),
    }
}

/// Kills what a command started when time is up, or it ended without it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Mostly nothing of it is left.
            let _none_left = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_command_ends_with_a_status_or_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("here"), "").unwrap();
        for (script, expected) in [
            ("test -f here", Ok(())),
            ("test -z \"$HOME$SECRET\"", Ok(())),
            ("exit 3", Err("exited with status 3")),
            ("kill -9 $$", Err("was killed")),
            ("sleep 600 & wait", Err("did not end within 0.3 s")),
            ("yes", Err("did not end within 0.3 s")),
        ] {
            let command = ["sh", "-c", script].map(str::to_owned);
            let ran = run(&command, folder.path(), Duration::from_millis(300)).await;
            assert_eq!(ran, expected.map_err(str::to_owned), "{script}");
        }
        let missing = ["no-such-thing".to_owned()];
        let ran = run(&missing, folder.path(), Duration::from_secs(5)).await;
        assert_eq!(ran, Err("was not found".to_owned()));
        assert_eq!(
            run(&[], folder.path(), Duration::from_secs(5)).await,
            Err("is empty".to_owned())
        );
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_command_that_left_something_behind() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 600 & echo $! > pid";
        let command = ["sh", "-c", script].map(str::to_owned);
        let ran = run(&command, folder.path(), Duration::from_secs(30)).await;
        assert_eq!(ran, Ok(()));
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let begun = Instant::now();
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_alive() && begun.elapsed() < Duration::from_secs(10) {
            tokio::task::yield_now().await;
        }
        assert!(!is_alive(), "{pid}");
    }
}
