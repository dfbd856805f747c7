//! Starting the command.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use leadsman_deposit::Line;
use rustix::process::{
    Gid, Pid, Resource, Rlimit, Signal, Uid, getpid, getppid, getrlimit,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::program::{find, why_not};
use super::{MARK, Spec};
use crate::machine::ProcessId;

/// A command that was started.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its process, which leads a process group of the same number.
    pub(crate) id: ProcessId,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// By which it deposits sockets, where it may.
    pub(super) line: Option<Line>,
}

/// Starts the command, or says in words why that is not possible.
pub(crate) fn start(spec: &Spec, mark: &str) -> Result<Child, String> {
    let program = find(spec)?;
    let (line, stdin) = match spec.sockets {
        false => (None, Stdio::null()),
        true => {
            let no_line = |error| format!("the line to it could not be made: {error}");
            let (line, given) = Line::pair().map_err(no_line)?;
            (Some(line), Stdio::from(given))
        }
    };
    let name = &spec.command[0];
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(&spec.command[1..])
        .env_clear()
        .envs(&spec.env)
        .env(MARK, mark)
        .current_dir(&spec.folder)
        .process_group(0)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let last_steps = LastSteps::new(spec)?;
    #[expect(
        unsafe_code,
        reason = "limits, user and the parent-death signal belong to the child"
    )]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The closure makes
    // bare system calls, on values that were made before the fork; it neither allocates nor locks.
    unsafe {
        command.pre_exec(move || last_steps.take());
    }
    let mut child = command.spawn().map_err(|error| why_not(name, &error))?;
    let pid = i32::try_from(child.id()).expect("process numbers fit");
    // It cannot be gone: it is a zombie at worst until it is waited for.
    let id = ProcessId::of(pid).ok_or_else(|| format!("`{name}` vanished while it started"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(format!("the output of `{name}` could not be captured"));
    };
    Ok(Child {
        id,
        stdout: stdout.into(),
        stderr: stderr.into(),
        line,
    })
}

/// What the child does between being forked and becoming the program.
struct LastSteps {
    shim: Pid,
    files: Option<Rlimit>,
    groups: Vec<Gid>,
    user: Option<(Uid, Gid)>,
}

impl LastSteps {
    fn new(spec: &Spec) -> Result<Self, String> {
        let root = rustix::process::geteuid().is_root();
        let files = spec.files.map(|files| Rlimit {
            current: Some(files),
            maximum: Some(files),
        });
        if let Some(files) = spec.files
            && let Some(most) = getrlimit(Resource::Nofile).maximum
            && files > most
            && !root
        {
            return Err(format!(
                "it may not have {files} files open: this user's limit is {most}"
            ));
        }
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let user = spec
            .user
            .as_ref()
            .filter(|user| (user.uid, user.gid) != own);
        if user.is_some() && !root {
            return Err("not allowed to switch user: only root may".to_owned());
        }
        Ok(Self {
            shim: getpid(),
            files,
            groups: user.map_or_else(Vec::new, |user| {
                user.groups
                    .iter()
                    .map(|group| Gid::from_raw(*group))
                    .collect()
            }),
            user: user.map(|user| (Uid::from_raw(user.uid), Gid::from_raw(user.gid))),
        })
    }

    fn take(&self) -> io::Result<()> {
        if let Some(files) = &self.files {
            setrlimit(Resource::Nofile, *files)?;
        }
        if let Some((uid, gid)) = self.user {
            set_thread_groups(&self.groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
        }
        // After the user: switching it takes the parent-death signal back.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The shim may have died before the signal was asked for.
        if getppid() == Some(self.shim) {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    }
}
