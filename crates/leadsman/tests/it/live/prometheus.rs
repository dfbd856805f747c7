//! A real Prometheus that scrapes the instances of a machine.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::client;
use super::machine::Machine;
use crate::tool::{missing, tool};

const CONFIG: &str = "\
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: quay
    file_sd_configs: [{ files: [targets.json], refresh_interval: 1s }]
";

/// Prometheus beside a machine, in its folder: it ends with the machine at the latest.
pub(super) struct Prometheus {
    pub(super) address: SocketAddr,
    running: Option<Child>,
}

impl Prometheus {
    /// Starts it; `None` where `./dev test` said why it cannot be had.
    pub(super) fn start(machine: &Machine) -> Option<Self> {
        Self::start_with(machine, CONFIG)
    }

    /// Starts it with another configuration.
    pub(super) fn start_with(machine: &Machine, config: &str) -> Option<Self> {
        if let Some(why) = missing("prometheus") {
            println!("skipped, there is no Prometheus: {why}");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut prometheus = Self {
            address: free.local_addr().unwrap(),
            running: None,
        };
        drop(free);
        machine.place.write("prometheus/prometheus.yml", config);
        prometheus.scrape(machine);
        prometheus.run(machine);
        Some(prometheus)
    }

    /// Starts the program, and waits until it answers.
    pub(super) fn run(&mut self, machine: &Machine) {
        let folder = machine.place.path().join("prometheus");
        let said = File::create(folder.join("said.log")).unwrap();
        let child = Command::new(tool("prometheus", "./dev test").unwrap())
            .arg(format!("--config.file={}/prometheus.yml", folder.display()))
            .arg(format!("--storage.tsdb.path={}/data", folder.display()))
            .arg(format!("--web.listen-address={}", self.address))
            .current_dir(&folder)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        self.running = Some(child);
        machine.wait_until("Prometheus answers", || {
            client::get(self.address, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Returns the value of a query that has one, if it has one by now.
    pub(super) fn value(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = client::get(self.address, &format!("/api/v1/query?query={encoded}")).ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let value = answer.pointer("/data/result/0/value/1")?;
        value.as_str()?.parse().ok()
    }

    /// Kills it, as an outage would.
    pub(super) fn kill(&mut self) {
        let mut running = self.running.take().unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
    }

    /// Has it scrape the instances that are there now.
    pub(super) fn scrape(&self, machine: &Machine) {
        let environment = machine.environment();
        let instances = ["stable", "canary", "warm"].into_iter().flat_map(|side| {
            let at = format!("/services/0/{side}/instances");
            let all = environment.pointer(&at).and_then(Value::as_array).cloned();
            all.unwrap_or_default()
        });
        let addresses: Vec<Value> = instances
            .filter_map(|instance| instance.get("address").cloned())
            .filter(Value::is_string)
            .collect();
        Self::scrape_at(machine, &addresses);
    }

    /// Has it scrape these addresses.
    pub(super) fn scrape_at(machine: &Machine, addresses: &[Value]) {
        let targets = json!([{ "targets": addresses }]).to_string();
        // It may read at any moment, so it finds the old list or the new one.
        machine.place.write("prometheus/targets.new", targets);
        let folder = machine.place.path().join("prometheus");
        std::fs::rename(folder.join("targets.new"), folder.join("targets.json")).unwrap();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // One that has ended already is as good.
            drop(running.kill());
            drop(running.wait());
        }
    }
}
