//! A proxy that runs: its processes, their processor time and their memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Error;
use crate::case::Protocol;
use crate::machine::Cores;
use crate::processor::worked;

/// How long a proxy may take to start, and to end.
const DEADLINE: Duration = Duration::from_secs(10);

/// A proxy that runs. It is told to end when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// What it says is here, among its other files.
    pub(crate) folder: TempDir,
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
}

/// Processor time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Worked {
    pub(crate) user: Duration,
    pub(crate) kernel: Duration,
}

impl Worked {
    pub(crate) fn all(self) -> Duration {
        self.user + self.kernel
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            kernel: self.kernel.saturating_sub(before.kernel),
        }
    }
}

impl Running {
    /// Starts a proxy with its files in `folder` and says where it will accept connections.
    pub(crate) fn start(
        mut command: Command,
        folder: TempDir,
        cores: &Cores,
        [plain, secure]: [SocketAddr; 2],
    ) -> Result<Self, Error> {
        let log = fs::File::create(log(&folder))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = cores.on_those_of_proxy(|| command.spawn())?;
        let child = child.map_err(|error| {
            let program = command.get_program().display();
            format!("failed to start `{program}`: {error}")
        })?;
        Ok(Self {
            child,
            folder,
            plain,
            secure,
        })
    }

    pub(crate) fn address(&self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Http1 => self.plain,
            Protocol::Tls | Protocol::Http2 => self.secure,
        }
    }

    /// Waits until `holds`, as long as the proxy runs.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > DEADLINE {
                let said = fs::read_to_string(log(&self.folder)).unwrap_or_default();
                return Err(format!("{what} does not come; it said: {}", said.trim()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until a request is answered through it.
    pub(crate) fn wait_for_answer(&mut self) -> Result<(), Error> {
        self.wait_until("the first answer", |running| {
            answers(running.plain).unwrap_or(false)
        })
    }

    /// Returns the processor time that its processes used so far.
    pub(crate) fn worked(&self) -> Result<Worked, Error> {
        let mut sum = Worked::default();
        for pid in self.processes()? {
            let worked = worked(&pid.to_string())?;
            sum.user += worked[0];
            sum.kernel += worked[1];
        }
        Ok(sum)
    }

    /// Returns the proportional set size of its processes in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64, Error> {
        let mut sum = 0.0;
        for pid in self.processes()? {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let kib = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = kib.and_then(|rest| rest.split_whitespace().next());
            sum += kib
                .ok_or("an unknown form of smaps_rollup")?
                .parse::<f64>()?;
        }
        Ok(sum)
    }

    /// Returns its process and all below it.
    fn processes(&self) -> Result<Vec<u32>, Error> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let children = fs::read_to_string(thread?.path().join("children"))?;
                for child in children.split_whitespace() {
                    found.push(child.parse()?);
                }
            }
            next += 1;
        }
        Ok(found)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx's workers end only if their master is asked to; so nobody is killed at once.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let begun = Instant::now();
        while asked && begun.elapsed() < DEADLINE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("said")
}

/// Returns addresses that were free a moment ago.
pub(crate) fn free_addresses() -> Result<[SocketAddr; 2], Error> {
    let held = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    Ok([held[0].local_addr()?, held[1].local_addr()?])
}

fn answers(address: SocketAddr) -> Result<bool, Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(b"GET /small HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
