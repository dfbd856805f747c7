//! The nginx that is asked.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Error;

/// How long it may take to start, and to end.
const DEADLINE: Duration = Duration::from_secs(10);

/// An nginx that runs until this is dropped.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one with one worker in front of `backend`. It accepts connections when this returns.
    pub(crate) fn start(program: &Path, backend: SocketAddr) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = format!(
            "daemon off;
pid nginx.pid;
worker_processes 1;
error_log stderr crit;
events {{
  worker_connections 16384;
}}
http {{
  access_log off;
  default_type text/plain;
  keepalive_timeout 300s;
  keepalive_requests 100000000;
  client_body_temp_path body;
  proxy_temp_path proxied;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream slow {{
    server {backend};
    keepalive 2000;
    keepalive_requests 100000000;
  }}
  server {{
    listen {address} backlog=4096;
    location /small {{
      return 200 \"small\\n\";
    }}
    location /slow {{
      proxy_pass http://slow;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
    }}
  }}
}}
"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration)?;
        let log = fs::File::create(folder.path().join("said"))?;
        let child = Command::new(program)
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let nginx = Self {
            child,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > DEADLINE {
                return Err("nginx does not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Has its worker stand still for so long.
    pub(crate) fn stall(&self, length: Duration) -> Result<(), Error> {
        let worker = self.worker()?;
        kill_process(worker, Signal::STOP)?;
        std::thread::sleep(length);
        Ok(kill_process(worker, Signal::CONT)?)
    }

    fn worker(&self) -> Result<Pid, Error> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let first = children
            .split_whitespace()
            .next()
            .ok_or("nginx has no worker")?;
        Pid::from_raw(first.parse()?).ok_or_else(|| "nginx has no worker".into())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends only if the master is asked to; so it is not killed at once.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let begun = Instant::now();
        while asked && begun.elapsed() < DEADLINE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
