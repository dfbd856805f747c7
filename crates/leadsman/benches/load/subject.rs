//! Who measures: this program, oha with its correction of latencies, and wrk2 where it is.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::Error;
use crate::case::Case;
use crate::nginx::Nginx;
use crate::processor::worked;
use crate::tool::tool;

/// How long nginx stands still.
const STALL: Duration = Duration::from_secs(1);

/// wrk2 finds out about the server for so long before it measures, in seconds, and for so much
/// longer with each connection, in milliseconds.
const CALIBRATION: u64 = 10;
const CALIBRATION_OF_CONNECTION: u32 = 5;

/// A load generator.
pub(crate) enum Subject {
    Leadsman,
    Oha(PathBuf),
    Wrk2(PathBuf),
}

/// What one of them measured; latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    /// Requests a second that were answered as they should be.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    /// How late the generator was, where it tells.
    pub(crate) late_p99: f64,
    /// Processor time of the generator for one request, in microseconds.
    pub(crate) cpu: f64,
    /// Whether the generator says that it kept the rate, where it does.
    pub(crate) valid: bool,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            p50,
            p90,
            p99,
            late_p99,
            cpu,
            valid,
        } = self;
        write!(
            f,
            "{rate:.1}/s, p50 {p50:.3} ms, p90 {p90:.3} ms, p99 {p99:.3} ms, late {late_p99:.3} ms, \
             {cpu:.1} µs{}",
            if *valid { "" } else { ", not valid" }
        )
    }
}

impl Measured {
    /// Returns the median of each figure.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| {
            let mut values: Vec<f64> = all.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: of(|it| it.rate),
            p50: of(|it| it.p50),
            p90: of(|it| it.p90),
            p99: of(|it| it.p99),
            late_p99: of(|it| it.late_p99),
            cpu: of(|it| it.cpu),
            valid: all.iter().all(|it| it.valid),
        }
    }
}

impl Subject {
    /// Returns all that are here, this program first.
    pub(crate) fn all() -> Result<Vec<Self>, Error> {
        let mut all = vec![Self::Leadsman, Self::Oha(tool("oha", "./dev bench load")?)];
        match tool("wrk2", "nothing") {
            Ok(wrk2) => all.push(Self::Wrk2(wrk2)),
            Err(_) => eprintln!("without wrk2: it takes part if `LEADSMAN_WRK2` names it"),
        }
        Ok(all)
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Leadsman => "Leadsman",
            Self::Oha(_) => "oha",
            Self::Wrk2(_) => "wrk2",
        }
    }

    /// How long it takes before it measures, in seconds.
    fn lead_in(&self, connections: u32) -> u64 {
        match self {
            Self::Leadsman => 1,
            Self::Oha(_) => 0,
            Self::Wrk2(_) => {
                let of_connections = u64::from(connections * CALIBRATION_OF_CONNECTION);
                CALIBRATION + of_connections.div_ceil(1000)
            }
        }
    }

    /// Has it measure a case at a rate.
    pub(crate) fn measure(
        &self,
        case: &Case,
        nginx: &Nginx,
        rate: u64,
        seconds: u64,
    ) -> Result<Measured, Error> {
        let mut command = self.command(&nginx.url(case.path), case.connections, rate, seconds);
        let before = worked_by_children()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("failed to start {}: {error}", self.name()))?;
        if case.stalls {
            // Neither at the beginning nor at the end of what is measured.
            let wait = Duration::from_secs(self.lead_in(case.connections))
                + Duration::from_secs(seconds) / 3;
            std::thread::sleep(wait);
            nginx.stall(STALL)?;
        }
        let output = child.wait_with_output()?;
        let worked = worked_by_children()? - before;
        let said = String::from_utf8(output.stdout)?;
        let read = match self {
            Self::Leadsman => leadsman(&said),
            Self::Oha(_) => oha(&said),
            Self::Wrk2(_) => wrk2(&said),
        };
        let mut measured = read.ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{} said: {said} {error}", self.name())
        })?;
        measured.cpu = worked * 1e6 / (rate * (seconds + self.lead_in(case.connections))) as f64;
        Ok(measured)
    }

    fn command(&self, url: &str, connections: u32, rate: u64, seconds: u64) -> Command {
        let lead_in = self.lead_in(connections);
        let all = format!("{}s", seconds + lead_in);
        let (rate, connections) = (rate.to_string(), connections.to_string());
        match self {
            Self::Leadsman => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_leadsman"));
                command.args(["load", url, "--rate", &rate, "--connections", &connections]);
                command.args(["--for", &format!("{seconds}s"), "--warm-up"]);
                command.args([&format!("{lead_in}s"), "--json"]);
                command
            }
            Self::Oha(program) => {
                let mut command = Command::new(program);
                command.args(["-z", &all, "-q", &rate, "-c", &connections]);
                command.args([
                    "--latency-correction",
                    "--no-tui",
                    "--output-format",
                    "json",
                    url,
                ]);
                command
            }
            Self::Wrk2(program) => {
                let mut command = Command::new(program);
                command.args(["-t", "1", "-c", &connections, "-d", &all, "-R", &rate]);
                command.args(["--latency", url]);
                command
            }
        }
    }
}

fn leadsman(said: &str) -> Option<Measured> {
    let report: Value = serde_json::from_str(said).ok()?;
    let latency = |name: &str| report["latency_ms"][name].as_f64();
    Some(Measured {
        rate: report["rate"]["good"].as_f64()?,
        p50: latency("p50")?,
        p90: latency("p90")?,
        p99: latency("p99")?,
        late_p99: report["late_ms"]["p99"].as_f64()?,
        cpu: 0.0,
        valid: report["valid"].as_bool()?,
    })
}

fn oha(said: &str) -> Option<Measured> {
    let report: Value = serde_json::from_str(said).ok()?;
    let latency = |name: &str| Some(report["latencyPercentiles"][name].as_f64()? * 1000.0);
    Some(Measured {
        rate: report["summary"]["requestsPerSec"].as_f64()?,
        p50: latency("p50")?,
        p90: latency("p90")?,
        p99: latency("p99")?,
        late_p99: 0.0,
        cpu: 0.0,
        valid: report["summary"]["successRate"].as_f64()? >= 0.999,
    })
}

fn wrk2(said: &str) -> Option<Measured> {
    let latency = |percentile: &str| {
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(percentile))?;
        let value = line.trim();
        let (number, factor) = match value {
            _ if value.ends_with("us") => (value.strip_suffix("us")?, 0.001),
            _ if value.ends_with("ms") => (value.strip_suffix("ms")?, 1.0),
            _ => (value.strip_suffix('s')?, 1000.0),
        };
        Some(number.parse::<f64>().ok()? * factor)
    };
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))?;
    Some(Measured {
        rate: rate.trim().parse().ok()?,
        p50: latency("50.000%")?,
        p90: latency("90.000%")?,
        p99: latency("99.000%")?,
        late_p99: 0.0,
        cpu: 0.0,
        valid: !said.contains("Socket errors"),
    })
}

/// Returns the processor time of all that was started and has ended, in seconds.
fn worked_by_children() -> Result<f64, Error> {
    let [_, _, user, kernel] = worked("self")?;
    Ok((user + kernel).as_secs_f64())
}
