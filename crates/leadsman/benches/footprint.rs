//! What Leadsman itself takes of a machine while nothing happens, and how long it is until the
//! first request is answered.
//!
//! One service with one instance that is ready at once: this program, started once more.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

/// The environment variable that makes this program the service.
const SERVICE: &str = "FOOTPRINT_SERVICE";

/// How long it is left alone before it counts as idle.
const SETTLE: Duration = Duration::from_secs(5);

/// How long the processor's time is counted.
const IDLE: Duration = Duration::from_secs(20);

/// How often each time is measured; the median counts.
const ROUNDS: usize = 5;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Error> {
    if std::env::var_os(SERVICE).is_some() {
        return serve();
    }
    let mut first_ships = Vec::new();
    let mut ups = Vec::new();
    for _ in 0..ROUNDS {
        let mut quay = Quay::new()?;
        quay.up()?;
        quay.wait_for("control", |quay| Ok(quay.run("status").is_ok()))?;
        let begun = Instant::now();
        quay.run("ship --detach")?;
        quay.wait_for("the first answer", Quay::answers)?;
        first_ships.push(begun.elapsed());
        quay.down()?;

        let begun = Instant::now();
        quay.up()?;
        quay.wait_for("the first answer", Quay::answers)?;
        ups.push(begun.elapsed());
        quay.down()?;
    }
    let mut quay = Quay::new()?;
    quay.up()?;
    quay.wait_for("control", |quay| Ok(quay.run("status").is_ok()))?;
    quay.run("ship")?;
    std::thread::sleep(SETTLE);
    let parts = quay.parts()?;
    let before = parts.iter().map(Part::worked);
    let before = before.collect::<Result<Vec<_>, _>>()?;
    std::thread::sleep(IDLE);

    println!(
        "{:<34} {:>12} {:>12} {:>12}",
        "idle, one service", "resident", "of it own", "of one core"
    );
    let (mut resident, mut own, mut share) = (0.0, 0.0, 0.0);
    for (part, before) in parts.iter().zip(before) {
        let memory = [part.memory("Rss:")?, part.memory("Pss:")?];
        let worked = part.worked()?.saturating_sub(before).as_secs_f64();
        let of_core = 100.0 * worked / IDLE.as_secs_f64();
        row(part.name, memory, of_core);
        if !part.name.starts_with("shim") {
            resident += memory[0];
            own += memory[1];
            share += of_core;
        }
    }
    row("control and data plane together", [resident, own], share);
    quay.down()?;

    println!();
    println!(
        "{:<34} {:>12} {:>12} {:>12}",
        "to the first answer", "median", "fastest", "slowest"
    );
    for (name, mut times) in [
        ("`leadsman up`, shipped before", ups),
        ("first `leadsman ship`", first_ships),
    ] {
        times.sort();
        let [fastest, .., slowest] = times.as_slice() else {
            return Err("nothing was measured".into());
        };
        let median = times.get(ROUNDS / 2).ok_or("nothing was measured")?;
        let millis = |time: &Duration| format!("{} ms", time.as_millis());
        println!(
            "{name:<34} {:>12} {:>12} {:>12}",
            millis(median),
            millis(fastest),
            millis(slowest)
        );
    }
    Ok(())
}

fn row(name: &str, [resident, own]: [f64; 2], of_core: f64) {
    println!("{name:<34} {resident:>8.1} MiB {own:>8.1} MiB {of_core:>10.2} %");
}

/// Answers every request with 204, for ever.
fn serve() -> Result<(), Error> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    loop {
        let (mut stream, _) = listener.accept()?;
        std::thread::spawn(move || {
            let mut request = [0; 4096];
            while stream.read(&mut request).is_ok_and(|read| read > 0) {
                if stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .is_err()
                {
                    return;
                }
            }
        });
    }
}

/// One process of Leadsman.
struct Part {
    name: &'static str,
    pid: u32,
}

impl Part {
    /// Returns a line of what the kernel says about its memory, in MiB: `Rss` is all that is
    /// resident, `Pss` counts what is shared with other processes by halves, thirds and so on.
    fn memory(&self, line: &str) -> Result<f64, Error> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let kib = text.lines().find_map(|found| found.strip_prefix(line));
        let kib = kib.and_then(|rest| rest.split_whitespace().next());
        let kib: f64 = kib.ok_or("an unknown form of smaps_rollup")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Returns how long its threads have had a core so far.
    fn worked(&self) -> Result<Duration, Error> {
        let mut worked = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanos = text
                .split(' ')
                .next()
                .ok_or("an unknown form of schedstat")?;
            worked += Duration::from_nanos(nanos.parse()?);
        }
        Ok(worked)
    }
}

/// Leadsman in a folder of its own.
struct Quay {
    folder: tempfile::TempDir,
    address: SocketAddr,
    control: Option<Child>,
}

impl Quay {
    fn new() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let program = std::env::current_exe()?;
        let project = format!(
            "application: quay\nenvironments: {{ production: {{ listen: \"{address}\" }} }}\n\
             services:\n  web:\n    run: [{program:?}]\n    env: {{ {SERVICE}: \"yes\" }}\n"
        );
        fs::write(folder.path().join("leadsman.yaml"), project)?;
        Ok(Self {
            folder,
            address,
            control: None,
        })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leadsman"));
        command
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn run(&self, arguments: &str) -> Result<(), Error> {
        let status = self.command(arguments).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("`leadsman {arguments}`: {status}").into()),
        }
    }

    fn up(&mut self) -> Result<(), Error> {
        self.control = Some(self.command("up").spawn()?);
        Ok(())
    }

    fn down(&mut self) -> Result<(), Error> {
        self.wait_for("control", |quay| Ok(quay.run("status").is_ok()))?;
        self.run("down")?;
        if let Some(mut control) = self.control.take() {
            control.wait()?;
        }
        Ok(())
    }

    fn wait_for(
        &self,
        what: &str,
        holds: impl Fn(&Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        while !holds(self)? {
            if begun.elapsed() > DEADLINE {
                return Err(format!("{what} does not come").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether a request is answered by the service.
    fn answers(&self) -> Result<bool, Error> {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return Ok(false);
        };
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: quay\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 204"))
    }

    /// Returns Leadsman's own processes.
    fn parts(&self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        if let Some(control) = &self.control {
            parts.push(Part {
                name: "control",
                pid: control.id(),
            });
        }
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // What has ended meanwhile is none of ours.
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if let Some(name) = self.name_of(&command) {
                parts.push(Part { name, pid });
            }
        }
        Ok(parts)
    }

    /// Returns what the process of a command line is here; `None` for all others.
    fn name_of(&self, command: &str) -> Option<&'static str> {
        let folder: &Path = self.folder.path();
        if !command.contains(folder.to_str()?) {
            return None;
        }
        let is = |word: &str| command.split('\0').any(|other| other == word);
        match (is("--deposit"), is("shim"), command.contains("/instances/")) {
            (true, _, _) => Some("data plane"),
            (_, true, false) => Some("shim of the data plane"),
            (_, true, true) => Some("shim of the instance"),
            _ => None,
        }
    }
}

impl Drop for Quay {
    fn drop(&mut self) {
        if let Some(mut control) = self.control.take() {
            // After a failure: nothing more can be done about one that does not end.
            if self.run("down").is_err() {
                drop(control.kill());
            }
            drop(control.wait());
        }
    }
}
