//! The proxies, each set up as somebody would who puts it in front of production: connections kept
//! on both sides, nothing logged for each request, instances watched over, the client's address
//! passed on, TLS 1.3, and limits that the load does not reach.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use leadsman_proxy::control::Client;
use leadsman_proxy::table::{
    CertificateFiles, HealthCheck, Instance, Listener, Rule, Service, Side, Table, Tls, TlsVersion,
};

use crate::Error;
use crate::backends::SHARES;
use crate::certificate::Certificate;
use crate::machine::Cores;
use crate::running::{Running, free_addresses};
use crate::tool::tool;

/// A proxy that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Nginx,
    HaProxy,
    Leadsman,
}

/// What a proxy is put in front of.
pub(crate) struct Site {
    /// The instances of each group.
    pub(crate) groups: [Vec<SocketAddr>; 2],
    pub(crate) certificate: Certificate,
    pub(crate) workers: usize,
    pub(crate) cores: Cores,
}

impl Subject {
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::HaProxy, Self::Leadsman];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
            Self::Leadsman => "Leadsman",
        }
    }

    /// Says whether Leadsman is compared with it.
    pub(crate) const fn is_rival(self) -> bool {
        !matches!(self, Self::Leadsman)
    }

    /// Starts it in front of `site`. It answers when this returns.
    pub(crate) fn start(self, site: &Site) -> Result<Running, Error> {
        let mut running = match self {
            Self::Nginx => nginx(site),
            Self::HaProxy => haproxy(site),
            Self::Leadsman => leadsman(site),
        }?;
        running.wait_for_answer()?;
        Ok(running)
    }
}

/// Returns every instance with the weight that gives its group its share.
fn weighted(site: &Site) -> impl Iterator<Item = (SocketAddr, u32)> {
    let groups = site.groups.iter().zip(SHARES);
    groups.flat_map(|(group, share)| group.iter().map(move |address| (*address, share / 10)))
}

/// nginx. Its default of 1,000 requests for each connection would close connections under the load
/// generator, and its default buffers are too small for a body of 64 KiB, which then waits for
/// the client with the instance or goes to disk.
fn nginx(site: &Site) -> Result<Running, Error> {
    let folder = tempfile::tempdir()?;
    let [plain, secure] = free_addresses()?;
    let servers: String = weighted(site)
        .map(|(address, weight)| format!("    server {address} weight={weight};\n"))
        .collect();
    let Certificate {
        certificate, key, ..
    } = &site.certificate;
    let configuration = format!(
        "daemon off;
pid nginx.pid;
worker_processes {workers};
worker_rlimit_nofile {files};
error_log stderr crit;
events {{
  worker_connections 16384;
}}
http {{
  access_log off;
  default_type application/octet-stream;
  keepalive_timeout 300s;
  keepalive_requests 100000000;
  client_body_temp_path body;
  proxy_temp_path proxied;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream site {{
{servers}    keepalive 1024;
    keepalive_requests 100000000;
  }}
  server {{
    listen {plain} backlog=4096 reuseport;
    listen {secure} backlog=4096 reuseport ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:tls:10m;
    location / {{
      proxy_pass http://site;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffer_size 16k;
      proxy_buffers 8 16k;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
",
        workers = site.workers,
        files = open_files(),
        certificate = quoted(certificate),
        key = quoted(key),
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new(tool("nginx")?);
    command.args(["-e", "stderr", "-p"]).arg(folder.path());
    command.arg("-c").arg(file);
    Running::start(command, folder, &site.cores, [plain, secure])
}

/// `HAProxy`. It wants two open files for each connection that it may have at all, although one
/// that idles has only one; where the limit is lower it says so and begins, without strict limits.
/// It also keeps no connections to instances once a quarter of the files is open, which means
/// something else on a machine where more than these few thousand can be.
fn haproxy(site: &Site) -> Result<Running, Error> {
    let folder = tempfile::tempdir()?;
    let [plain, secure] = free_addresses()?;
    let servers: String = weighted(site)
        .enumerate()
        .map(|(i, (address, weight))| format!("  server s{i} {address} weight {weight} check\n"))
        .collect();
    let configuration = format!(
        "global
  nbthread {workers}
  maxconn 16384
  no strict-limits
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  option http-keep-alive
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout http-request 30s
  timeout http-keep-alive 300s
frontend site
  bind {plain} backlog 4096
  bind {secure} backlog 4096 ssl crt {both} alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  default_backend site
backend site
  balance roundrobin
  http-reuse always
{servers}",
        workers = site.workers,
        both = quoted(&site.certificate.both),
    );
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, configuration)?;
    let mut command = Command::new(tool("haproxy")?);
    command.args(["-db", "-f"]).arg(file);
    Running::start(command, folder, &site.cores, [plain, secure])
}

/// Returns the program that is measured: as it is given out, where `./dev bench` has built that.
fn program() -> PathBuf {
    std::env::var_os("LEADSMAN_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_leadsman").into(), PathBuf::from)
}

/// Leadsman's data plane, as `leadsman up` starts it; it makes a worker for each core that it may
/// use.
fn leadsman(site: &Site) -> Result<Running, Error> {
    let folder = tempfile::tempdir()?;
    let addresses = free_addresses()?;
    let mut command = Command::new(program());
    command.arg("--state").arg(folder.path()).arg("proxy");
    let mut running = Running::start(command, folder, &site.cores, addresses)?;
    let client = Client::new(running.folder.path().join("proxy.sock"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    running.wait_until("its control socket", |_| {
        runtime.block_on(client.status()).is_ok()
    })?;
    let files = &site.certificate;
    let tls = Tls {
        certificates: vec![CertificateFiles {
            chain: files.certificate.clone(),
            key: files.key.clone(),
        }],
        min: TlsVersion::V1_3,
        ..Tls::default()
    };
    let listeners = vec![
        listener(running.plain, None, site),
        listener(running.secure, Some(tls), site),
    ];
    let table = Table {
        generation: 1,
        listeners,
        ..Table::default()
    };
    runtime.block_on(client.apply(&table))?;
    Ok(running)
}

/// Returns a listener for the whole site, the sides of which have names of their own in it.
fn listener(address: SocketAddr, tls: Option<Tls>, site: &Site) -> Listener {
    let names = match tls {
        None => ["stable", "canary"],
        Some(_) => ["stable-encrypted", "canary-encrypted"],
    };
    let sides = names.iter().zip(&site.groups).zip(SHARES);
    let service = Service {
        sides: sides
            .map(|((name, group), share)| side(name, group, share * 100))
            .collect(),
        ..Service::default()
    };
    Listener {
        rules: vec![Rule {
            host: None,
            path: "/".to_owned(),
            service: "site".to_owned(),
            ..Rule::default()
        }],
        services: BTreeMap::from([("site".to_owned(), service)]),
        tls,
        ..Listener::at(address)
    }
}

fn side(name: &str, group: &[SocketAddr], weight: u32) -> Side {
    let instances = group.iter().enumerate().map(|(i, address)| {
        let instance = Instance {
            address: (*address).into(),
            health: Some(HealthCheck::Tcp),
        };
        (format!("{name}-{i}"), instance)
    });
    Side {
        name: name.to_owned(),
        weight,
        instances: instances.collect(),
        ..Side::default()
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// Returns how many files a proxy may have open, which it got from this program.
fn open_files() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.unwrap_or(1 << 20)
}
