//! A Git repository of this machine, asked by control: which commits there are, and what is in them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use leadsman_core::pipeline::CommitId;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to fetch what a branch has: the first time that is all of its history.
const FETCH_PATIENCE: Duration = Duration::from_secs(600);
/// How much one answer may have: the list of files of a commit is the longest.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// How large a project file may be.
const PROJECT_BYTES_MAX: u64 = 1 << 20;
/// How much is shown of what Git complains about.
const COMPLAINT_CHARS_MAX: usize = 300;

/// A Git repository, by the folder that Git keeps it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    folder: PathBuf,
}

/// A commit, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub commit: CommitId,
    /// Its author.
    pub author: String,
    /// Its first line.
    pub subject: String,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Its path, relative to the top of the repository.
    pub path: String,
    /// What kind of file, and by which object it is known: equal for equal content.
    pub object: String,
}

/// Git could not answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be asked.
    #[error("failed to ask `git`")]
    NotAsked(#[source] std::io::Error),
    /// It took too long, or said too much.
    #[error("`git` was asked, and {0}")]
    Unfit(&'static str),
    /// It says no.
    #[error("there is no {what} in `{}`: {said}", repository.display())]
    Refused {
        /// What it was asked for.
        what: String,
        /// Of which repository.
        repository: PathBuf,
        /// What it said.
        said: String,
    },
}

impl Repository {
    /// Names the repository that Git keeps in `folder`, such as `/srv/shop/.git`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Returns the folder that Git keeps it in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the commit that a name such as `main`, `v1` or a commit's digits stand for.
    ///
    /// # Errors
    /// There is no such commit, or Git cannot say.
    pub async fn commit(&self, name: &str) -> Result<Committed, GitError> {
        let what = format!("commit `{name}`");
        // A name that begins with `-` is none, and never an option.
        let object = format!("{name}^{{commit}}");
        let arguments = [
            "log",
            "--max-count=1",
            "--no-show-signature",
            "--format=%H%n%an <%ae>%n%s",
            "--end-of-options",
            &object,
        ];
        let text = self.ask(&what, &arguments, ANSWER_BYTES_MAX).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines();
        let commit = lines.next().unwrap_or_default().parse();
        let commit = commit.map_err(|_| self.refused(&what, "it names none"))?;
        let line = |line: Option<&str>| -> String {
            let line = line.unwrap_or_default();
            line.chars().filter(|c| !c.is_control()).take(200).collect()
        };
        Ok(Committed {
            commit,
            author: line(lines.next()),
            subject: line(lines.next()),
        })
    }

    /// Returns the project file of a commit.
    ///
    /// # Errors
    /// There is none, it is too large or no text, or Git cannot say.
    pub async fn project_file(&self, commit: &CommitId, path: &str) -> Result<String, GitError> {
        let what = format!("file `{path}` in commit {}", commit.short());
        let object = format!("{commit}:{path}");
        let arguments = ["cat-file", "blob", &object];
        let bytes = self.ask(&what, &arguments, PROJECT_BYTES_MAX).await?;
        String::from_utf8(bytes).map_err(|_| self.refused(&what, "it is not UTF-8"))
    }

    /// Returns every file of a commit, in order.
    ///
    /// # Errors
    /// Git cannot say.
    pub async fn files(&self, commit: &CommitId) -> Result<Vec<File>, GitError> {
        let what = format!("commit {}", commit.short());
        let arguments = ["ls-tree", "-r", "-z", "--full-tree", commit.as_str()];
        let bytes = self.ask(&what, &arguments, ANSWER_BYTES_MAX).await?;
        let mut files: Vec<File> = String::from_utf8_lossy(&bytes)
            .split('\0')
            .filter_map(|line| {
                let (object, path) = line.split_once('\t')?;
                Some(File {
                    path: path.to_owned(),
                    object: object.to_owned(),
                })
            })
            .collect();
        files.sort();
        Ok(files)
    }

    /// Brings what the branch or tag `reference` has in the repository at `url` into this one,
    /// which is made where there is none. Its own name then stands for the same commit here.
    ///
    /// # Errors
    /// There is no such branch or tag, or the repository there cannot be read.
    pub async fn fetch(&self, url: &str, reference: &str) -> Result<(), GitError> {
        if !self.folder.join("HEAD").exists() {
            let mut command = Command::new("git");
            command.args(["init", "--quiet", "--bare", "--template="]);
            command.arg("--").arg(&self.folder);
            self.run("place for it", command, ANSWER_BYTES_MAX, PATIENCE)
                .await?;
        }
        let what = format!("`{reference}` in `{url}`, so nothing was fetched");
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.folder);
        for setting in [
            // What a run is made of must stay, whatever becomes of the branch.
            "gc.auto=0",
            "maintenance.auto=false",
            // A URL names a repository, and never a command.
            "protocol.allow=never",
            "protocol.https.allow=always",
            "protocol.ssh.allow=always",
            "protocol.file.allow=always",
        ] {
            command.args(["-c", setting]);
        }
        command.args([
            "fetch",
            "--quiet",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--end-of-options",
        ]);
        command.arg(url).arg(format!("+{reference}:{reference}"));
        self.run(&what, command, ANSWER_BYTES_MAX, FETCH_PATIENCE)
            .await?;
        Ok(())
    }

    async fn ask(
        &self,
        what: &str,
        arguments: &[&str],
        bytes_max: u64,
    ) -> Result<Vec<u8>, GitError> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.folder).args(arguments);
        self.run(what, command, bytes_max, PATIENCE).await
    }

    async fn run(
        &self,
        what: &str,
        mut command: Command,
        bytes_max: u64,
        patience: Duration,
    ) -> Result<Vec<u8>, GitError> {
        // What a hook of Git is told about its own repository must not lead elsewhere.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        // Nobody is there who could answer a question.
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("SSH_ASKPASS", "false")
            .env("SSH_ASKPASS_REQUIRE", "force");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(GitError::NotAsked)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let answer = async {
            let (mut bytes, mut said) = (Vec::new(), Vec::new());
            let read = async {
                match stdout {
                    Some(stdout) => stdout.take(bytes_max + 1).read_to_end(&mut bytes).await,
                    None => Ok(0),
                }
            };
            let complain = async {
                match stderr {
                    Some(stderr) => stderr.take(64 << 10).read_to_end(&mut said).await,
                    None => Ok(0),
                }
            };
            let (read, complained) = tokio::join!(read, complain);
            read.and(complained).map_err(GitError::NotAsked)?;
            if bytes.len() as u64 > bytes_max {
                return Err(GitError::Unfit("the answer is too large"));
            }
            let status = child.wait().await.map_err(GitError::NotAsked)?;
            if status.success() {
                Ok(bytes)
            } else {
                Err(self.refused(what, &String::from_utf8_lossy(&said)))
            }
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(GitError::Unfit("did not answer in time")),
        }
    }

    fn refused(&self, what: &str, said: &str) -> GitError {
        let said = said.trim().lines().last().unwrap_or_default();
        let said = said.strip_prefix("fatal: ").unwrap_or(said);
        GitError::Refused {
            what: what.to_owned(),
            repository: self.folder.clone(),
            said: said
                .chars()
                .filter(|c| !c.is_control())
                .take(COMPLAINT_CHARS_MAX)
                .collect(),
        }
    }
}
