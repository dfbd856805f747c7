//! Runs the program in a folder of its own, with nothing of the environment it is tested in.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_leadsman");

/// A folder to run the program in.
pub(crate) struct Place {
    folder: TempDir,
}

/// What came of running the program.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Returns the program with `arguments`, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(PROGRAM.as_ref(), arguments)
    }

    /// Returns another program with `arguments`, not started yet.
    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("TMPDIR", self.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program with `arguments` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.told(self.command(arguments).output().unwrap())
    }

    /// Starts the program with `arguments`, and captures what it says.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Returns what came of running the program, with the folder's name replaced by `[FOLDER]`.
    pub(crate) fn told(&self, output: Output) -> Ran {
        let folder = self.path().to_str().unwrap();
        let text = |bytes| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(folder, "[FOLDER]")
        };
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// Returns everything that can be seen of it in one text.
    pub(crate) fn whole(&self) -> String {
        let mut text = format!("status {}\n", self.status);
        for (name, content) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !content.is_empty() {
                text.push_str(&format!("--- {name}\n{content}"));
            }
        }
        text
    }
}
