//! The Leadsman of the demo: `leadsman up` as a process of its own, which can really be killed.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use leadsman_api::Client;
use tokio::time::sleep;

use super::processes::{self, Process};
use super::scratch::Scratch;

/// How often it is looked whether something has happened.
const EVERY: Duration = Duration::from_millis(5);

/// How long control may take to answer after its start.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// How long everything may take to end once it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How many lines of the log are shown when something goes wrong.
const TAIL: usize = 20;

/// Control, and through it everything that it starts. All of it ends with the value, unless it is
/// to stay.
pub(super) struct Control {
    program: PathBuf,
    folder: PathBuf,
    state: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    stays: bool,
}

impl Control {
    /// Prepares to run `program` in the scratch folder. Nothing is started.
    pub(super) fn new(program: PathBuf, scratch: &Scratch) -> Self {
        Self {
            program,
            folder: scratch.path().to_owned(),
            state: scratch.state(),
            log: scratch.control_log(),
            child: None,
            stays: false,
        }
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("failed to open `{}`", self.log.display()))?;
        let errors = log.try_clone().context("failed to open the log twice")?;
        let child = Command::new(&self.program)
            .arg("--state")
            .arg(&self.state)
            .arg("up")
            // Whatever comes from it can be told by this, wherever it ends up.
            .env("LEADSMAN_DEMO", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is the demo's to hear: it decides in which order things end.
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start `{}`", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it answers.
    pub(super) async fn answers(&mut self, client: &Client) -> anyhow::Result<()> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            let Err(error) = client.system().await else {
                return Ok(());
            };
            let child = self.child.as_mut().context("control was not started")?;
            if let Some(status) = child.try_wait().context("failed to look after control")? {
                bail!("`leadsman up` ended by itself: {status}");
            }
            if Instant::now() >= deadline {
                return Err(error).context("`leadsman up` does not answer");
            }
            sleep(EVERY).await;
        }
    }

    /// Kills it, and only it, as `kill -9` does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("control was not started")?;
        child.kill().context("failed to kill control")?;
        child.wait().context("failed to wait for control")?;
        Ok(())
    }

    /// Returns everything that runs because of it.
    pub(super) fn processes(&self) -> Vec<Process> {
        processes::find(&self.folder, &self.program)
    }

    /// Asks it to end everything, and waits for it. Returns how many processes there were, and
    /// those that are still there.
    pub(super) async fn down(&mut self, client: &Client) -> anyhow::Result<(usize, Vec<Process>)> {
        let before = self.processes();
        client.down().await?;
        let deadline = Instant::now() + ENDS_WITHIN;
        let child = self.child.as_mut().context("control was not started")?;
        while child
            .try_wait()
            .context("failed to look after control")?
            .is_none()
        {
            if Instant::now() >= deadline {
                bail!("control has not ended within {} s", ENDS_WITHIN.as_secs());
            }
            sleep(EVERY).await;
        }
        let mut left = processes::gone(&before, deadline).await;
        // One that was started on the way would be left behind, too.
        left.extend(self.processes());
        left.dedup();
        Ok((before.len(), left))
    }

    /// Leaves everything running when the value goes.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    /// Returns the last lines that it wrote.
    pub(super) fn last_words(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is as well.
            drop(child.kill());
            drop(child.wait());
        }
        processes::kill_all(&self.folder, &self.program);
    }
}

fn last_lines(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_last_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(last_lines(&path), "");
        let lines: Vec<String> = (1..=30).map(|number| format!("line {number}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let last = last_lines(&path);
        assert!(
            last.starts_with("line 11\n") && last.ends_with("\nline 30"),
            "{last}"
        );
    }
}
