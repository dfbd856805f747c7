//! What runs beside a job, such as a database.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use leadsman_core::id::ServiceName;
use leadsman_core::pipeline::Beside;
use leadsman_core::run::FailureKind;
use leadsman_core::spec::Probe;

use super::runner::{Runner, Started, Stop};
use crate::shim::describe;

impl Runner {
    /// Starts what runs beside the job, one after the other, and waits until each is ready. The job
    /// finds in `env` where each listens.
    pub(super) fn start_beside(&mut self, env: &mut BTreeMap<String, String>) -> Result<(), Stop> {
        for (name, beside) in self.spec.job.services.clone() {
            let failed =
                |why: String| Stop::failed(FailureKind::Service, format!("service `{name}` {why}"));
            let port = free_port().map_err(|error| failed(format!("gets no port: {error}")))?;
            let mut own = env.clone();
            own.extend(beside.env.clone());
            own.insert("PORT".to_owned(), port.to_string());
            let data = self.scratch().join("services").join(name.as_str());
            std::fs::create_dir_all(&data)
                .map_err(|error| failed(format!("gets no folder: {error}")))?;
            own.insert("DATA".to_owned(), data.display().to_string());
            let command = self.expanded(&beside.run, &own)?;
            self.say(&format!("starts service `{name}` on port {port}"));
            let folder = self.job_folder();
            let started = self
                .start(name.as_str(), command, &folder, &own, &format!("{name} | "))
                .map_err(|why| failed(format!("could not be started: {why}")))?;
            self.await_ready(&name, &beside, &started, port, &own)?;
            let upper = name.as_str().to_ascii_uppercase().replace('-', "_");
            env.insert(format!("{upper}_HOST"), Ipv4Addr::LOCALHOST.to_string());
            env.insert(format!("{upper}_PORT"), port.to_string());
        }
        Ok(())
    }

    fn await_ready(
        &mut self,
        name: &ServiceName,
        beside: &Beside,
        started: &Started,
        port: u16,
        env: &BTreeMap<String, String>,
    ) -> Result<(), Stop> {
        let failed =
            |why: String| Stop::failed(FailureKind::Service, format!("service `{name}` {why}"));
        let ready = &beside.ready;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended(started) {
                self.turn(Duration::ZERO)?;
                let last = self.output.last_lines().pop();
                let last = last.map_or(String::new(), |line| format!(": {line}"));
                let how = describe(status);
                return Err(failed(format!("ended before it was ready: it {how}{last}")));
            }
            let why = match &ready.probe {
                Probe::Tcp => connect(port, ready.timeout).map(drop),
                Probe::Http(path) => get(port, path, ready.timeout),
                Probe::Command(command) => self.ask(command, env, ready.timeout)?,
            };
            let Err(why) = why else { return Ok(()) };
            if begun.elapsed() >= ready.within {
                let within = leadsman_core::project::units::duration(ready.within);
                return Err(failed(format!("was not ready within {within}: {why}")));
            }
            let next = Instant::now() + ready.every;
            while Instant::now() < next {
                self.turn(next.saturating_duration_since(Instant::now()))?;
            }
        }
    }

    /// Asks by a command.
    fn ask(
        &mut self,
        command: &[String],
        env: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Result<(), String>, Stop> {
        let words = self.expanded(command, env)?;
        let folder = self.job_folder();
        let name = command.first().cloned().unwrap_or_default();
        let started = match self.start(&name, words, &folder, env, "") {
            Ok(started) => started,
            Err(why) => return Ok(Err(why)),
        };
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended(&started) {
                return Ok(self.ended_well(&started, status));
            }
            if begun.elapsed() >= timeout {
                if let Some(process) = crate::machine::ProcessId::of(started.pid) {
                    process.signal(rustix::process::Signal::KILL);
                }
                return Ok(Err(format!("no answer of `{name}` in time")));
            }
            self.turn(Duration::from_millis(20))?;
        }
    }
}

/// Returns a port that nobody listens on. Somebody else could take it before the service does, which
/// is as unlikely as it is plain: the service says so, and the job fails.
fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn connect(port: u16, timeout: Duration) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, timeout)
        .map_err(|error| format!("connecting to {address}: {error}"))
}

fn get(port: u16, path: &str, timeout: Duration) -> Result<(), String> {
    let mut stream = connect(port, timeout)?;
    let ask = |stream: &mut TcpStream| -> std::io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: leadsman\r\nconnection: \
             close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        stream.take(64).read_to_end(&mut head)?;
        Ok(head)
    };
    let head = ask(&mut stream).map_err(|error| format!("GET {path}: {error}"))?;
    let text = String::from_utf8_lossy(&head);
    let status = text.split_ascii_whitespace().nth(1);
    match status.and_then(|status| status.parse::<u16>().ok()) {
        Some(200..=399) if text.starts_with("HTTP/1.") => Ok(()),
        Some(status) if text.starts_with("HTTP/1.") => Err(format!("GET {path} answered {status}")),
        _ => Err(format!("GET {path}: the answer is not HTTP")),
    }
}
