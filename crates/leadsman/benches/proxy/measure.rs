//! How a case is measured in one proxy.
//!
//! Every run has a proxy of its own, which first answers some requests that do not count. Cost is
//! processor time, as the system accounts it to the proxy's processes, and not the time that went
//! by: that says more about what else the machine does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::Error;
use crate::backends::{Backends, SHARES};
use crate::case::{Body, Case, Load, Metric, Protocol};
use crate::certificate::Certificate;
use crate::clients::Client;
use crate::closed::{Asking, Closed};
use crate::machine::{self, Cores};
use crate::processor::worked;
use crate::running::Running;
use crate::subject::{Site, Subject};
use crate::tool::tool;
use crate::{closed, open};

/// How many requests come before those that count.
const WARM_UP: u64 = 5_000;

/// How long the memory of connections that idle settles: ours rest after a second, and then what
/// they needed is given back.
const SETTLE: Duration = Duration::from_secs(3);

/// How often memory is looked at under load; the largest value counts.
const LOOK: Duration = Duration::from_millis(250);

/// How far the share of a group may be off.
const TOLERANCE: f64 = 0.005;

/// Open files that a program needs beside connections.
const SPARE_FILES: usize = 200;

/// What all measurements share.
pub(crate) struct Bench {
    backends: Backends,
    site: Site,
    asking: Asking,
    seconds: f64,
    files_max: usize,
}

/// What the runs of a case share.
pub(crate) struct Scene {
    /// Requests a second, where they come at a fixed rate.
    rate: f64,
    /// How many connections idle.
    idle: usize,
}

/// The figures of a run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) figures: BTreeMap<Metric, f64>,
    /// How many cores other programs kept busy meanwhile; `None` where no time was measured.
    pub(crate) others: Option<f64>,
}

/// What came of a case.
pub(crate) struct Measured {
    pub(crate) case: &'static Case,
    /// The good runs, or why there was one that was not.
    pub(crate) runs: BTreeMap<Subject, Result<Vec<Run>, String>>,
}

impl Measured {
    pub(crate) fn new(case: &'static Case) -> Self {
        let runs = BTreeMap::new();
        Self { case, runs }
    }

    pub(crate) fn add(&mut self, subject: Subject, run: Result<Run, String>) {
        let runs = self.runs.entry(subject).or_insert_with(|| Ok(Vec::new()));
        match (runs, run) {
            (Ok(runs), Ok(run)) => runs.push(run),
            (Err(_), _) => {}
            // One bad run takes the others along: their median would be that of the lucky ones.
            (runs, Err(why)) => *runs = Err(why),
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.runs.values().all(Result::is_ok)
    }

    /// Returns the median of a figure.
    pub(crate) fn median(&self, subject: Subject, metric: Metric) -> Option<f64> {
        let runs = self.runs.get(&subject)?.as_ref().ok()?;
        let of_each = runs.iter().map(|run| run.figures.get(&metric).copied());
        median(of_each.collect::<Option<Vec<f64>>>()?)
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values.get(middle).copied(),
        _ => Some(f64::midpoint(
            *values.get(middle.checked_sub(1)?)?,
            values[middle],
        )),
    }
}

/// What is counted from the beginning to the end of a run.
struct Stretch<'a> {
    bench: &'a Bench,
    proxy: &'a Running,
    begun: Instant,
    worked: crate::running::Worked,
    answered: [u64; 2],
    busy: Duration,
    own: Duration,
}

impl Bench {
    pub(crate) fn new(workers: usize, seconds: f64) -> Result<Self, Error> {
        let cores = Cores::divide(workers)?;
        cores.leave_proxy_alone()?;
        let files_max = machine::raise_open_files_limit()?;
        let backends = Backends::start()?;
        let folder = tempfile::tempdir()?;
        let site = Site {
            groups: backends.groups.clone(),
            certificate: Certificate::new(folder.path())?,
            workers,
            cores,
        };
        Ok(Self {
            backends,
            site,
            asking: Asking {
                h2load: tool("h2load")?,
                folder,
            },
            seconds,
            files_max,
        })
    }

    /// Says on what it is measured, in words.
    pub(crate) fn machine(&self) -> String {
        let load = machine::load_average().unwrap_or_default();
        format!("{}, load average {load}", self.site.cores.words)
    }

    /// Finds out what all runs of a case have in common.
    pub(crate) fn prepare(&self, case: &Case) -> Result<Scene, Error> {
        let mut rate = 0.0_f64;
        if let Load::Half { connections } = case.load {
            let closed = Closed {
                protocol: case.protocol,
                connections,
                streams: 1,
                body: Body::Small,
            };
            for rival in Subject::ALL.into_iter().filter(|it| it.is_rival()) {
                let proxy = rival.start(&self.site)?;
                rate = rate.max(self.full_speed(&proxy, closed)?.per_second / 2.0);
            }
            rate = (rate / 100.0).round() * 100.0;
            eprintln!("{}: {rate} requests a second", case.name);
        }
        // A proxy has two for each connection that is busy, and one for each that is not.
        let busy = match case.load {
            Load::Closed { connections, .. } => 2 * connections,
            Load::Half { .. } | Load::None => 0,
        };
        let idle = case
            .idle
            .min(self.files_max.saturating_sub(busy + SPARE_FILES));
        if idle < case.idle {
            eprintln!(
                "{}: {idle} idle connections: more files cannot be open",
                case.name
            );
        }
        Ok(Scene { rate, idle })
    }

    /// Measures a case in a proxy that is started for it.
    ///
    /// # Errors
    /// A request failed, or went where it should not have.
    pub(crate) fn measure(
        &self,
        subject: Subject,
        case: &Case,
        scene: &Scene,
    ) -> Result<Run, Error> {
        let proxy = subject.start(&self.site)?;
        let mut idle = Vec::new();
        let mut figures = BTreeMap::new();
        if scene.idle > 0 {
            let (clients, kib) = self.fill(&proxy, scene.idle)?;
            idle = clients;
            figures.insert(Metric::PerIdle, kib);
        }
        let others = match case.load {
            Load::Closed {
                connections,
                streams,
                body,
            } => {
                let closed = Closed {
                    protocol: case.protocol,
                    connections,
                    streams,
                    body,
                };
                Some(self.closed(&proxy, closed, &mut figures)?)
            }
            Load::Half { connections } => {
                Some(self.half_load(&proxy, connections, scene.rate, &mut figures)?)
            }
            Load::None => {
                figures.insert(Metric::Resident, proxy.resident_kib()? / 1024.0);
                None
            }
        };
        // Those that idled are still there.
        for client in &mut idle {
            client.exchange()?;
        }
        Ok(Run { figures, others })
    }

    /// Sends requests as fast as they are answered until that has a steady rate, and then for as
    /// long as a run should take.
    fn closed(
        &self,
        proxy: &Running,
        closed: Closed,
        figures: &mut BTreeMap<Metric, f64>,
    ) -> Result<f64, Error> {
        let warm_up = self.full_speed(proxy, closed)?;
        let requests = (warm_up.per_second * self.seconds) as u64;
        let requests = requests.max(closed.connections as u64 * 10);

        let most_kib = Cell::new(0.0_f64);
        let mut looked = Duration::ZERO;
        let stretch = Stretch::begin(self, proxy)?;
        let mut answered =
            self.asking
                .run(closed, proxy.address(closed.protocol), requests, |now| {
                    if now >= looked + LOOK {
                        looked = now;
                        most_kib.set(most_kib.get().max(proxy.resident_kib()?));
                    }
                    Ok(())
                })?;
        let others = stretch.end(requests, figures)?;
        figures.insert(Metric::PerSecond, answered.per_second);
        figures.insert(Metric::Resident, most_kib.get() / 1024.0);
        latencies(&mut answered.took, figures);
        Ok(others)
    }

    /// Sends a good many requests at full speed.
    fn full_speed(&self, proxy: &Running, closed: Closed) -> Result<closed::Answered, Error> {
        let requests = match closed.body {
            Body::Small => WARM_UP * 4,
            Body::Large => WARM_UP,
        };
        let address = proxy.address(closed.protocol);
        self.asking.run(closed, address, requests, |_| Ok(()))
    }

    /// Sends requests at a fixed rate, first to a backend itself and then to the proxy.
    fn half_load(
        &self,
        proxy: &Running,
        connections: usize,
        rate: f64,
        figures: &mut BTreeMap<Metric, f64>,
    ) -> Result<f64, Error> {
        let length = Duration::from_secs_f64(self.seconds);
        let backend = self.site.groups[0].first().ok_or("there is no backend")?;
        let mut direct = open::run(*backend, connections, rate, length)?;
        let without = percentile(&mut direct, 0.99);

        open::run(proxy.plain, connections, rate, length / 4)?;
        let stretch = Stretch::begin(self, proxy)?;
        let mut took = open::run(proxy.plain, connections, rate, length)?;
        let others = stretch.end(took.len() as u64, figures)?;
        latencies(&mut took, figures);
        figures.insert(Metric::P99Added, percentile(&mut took, 0.99) - without);
        figures.insert(Metric::Resident, proxy.resident_kib()? / 1024.0);
        Ok(others)
    }

    /// Makes connections that idle after one request each. Returns them, and by how many KiB of
    /// memory each makes the proxy grow.
    fn fill(&self, proxy: &Running, idle: usize) -> Result<(Vec<Client>, f64), Error> {
        let closed = Closed {
            protocol: Protocol::Http1,
            connections: 64,
            streams: 1,
            body: Body::Small,
        };
        self.full_speed(proxy, closed)?;
        std::thread::sleep(SETTLE);
        let before = proxy.resident_kib()?;
        let mut clients = Vec::new();
        for _ in 0..idle {
            let mut client = Client::connect(proxy.plain, Body::Small)?;
            client.exchange()?;
            clients.push(client);
        }
        std::thread::sleep(SETTLE);
        let grown = proxy.resident_kib()? - before;
        Ok((clients, grown / idle as f64))
    }
}

impl<'a> Stretch<'a> {
    fn begin(bench: &'a Bench, proxy: &'a Running) -> Result<Self, Error> {
        Ok(Self {
            bench,
            proxy,
            begun: Instant::now(),
            worked: proxy.worked()?,
            answered: bench.backends.answered(),
            busy: machine::busy()?,
            own: own()?,
        })
    }

    /// Checks where the requests went and says what they cost the proxy. Returns how many cores
    /// other programs kept busy.
    fn end(self, requests: u64, figures: &mut BTreeMap<Metric, f64>) -> Result<f64, Error> {
        let worked = self.proxy.worked()?.since(self.worked);
        let length = self.begun.elapsed().as_secs_f64();
        let busy = machine::busy()?.saturating_sub(self.busy);
        let known = worked.all() + own()?.saturating_sub(self.own);
        let answered = self.bench.backends.answered();
        check_split(
            requests,
            [
                answered[0] - self.answered[0],
                answered[1] - self.answered[1],
            ],
        )?;
        let per_request = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        figures.insert(Metric::Cpu, per_request(worked.all()));
        figures.insert(Metric::Kernel, per_request(worked.kernel));
        let cores = self.bench.site.workers as f64;
        let of_its_cores = 100.0 * worked.all().as_secs_f64() / length / cores;
        figures.insert(Metric::OfItsCores, of_its_cores);
        Ok(busy.saturating_sub(known).as_secs_f64() / length)
    }
}

/// Returns the processor time of this program and of those that it started and that ended.
fn own() -> Result<Duration, Error> {
    Ok(worked("self")?.iter().sum())
}

/// Checks that all requests were answered by backends, once each, and by those who should.
fn check_split(requests: u64, answered: [u64; 2]) -> Result<(), Error> {
    let all: u64 = answered.iter().sum();
    if all != requests {
        return Err(format!("{requests} requests came, and backends answered {all}").into());
    }
    for (answered, share) in answered.into_iter().zip(SHARES) {
        let wanted = f64::from(share) / 100.0;
        let found = answered as f64 / requests as f64;
        if (found - wanted).abs() > TOLERANCE {
            let percent = found * 100.0;
            return Err(
                format!("{percent:.2} % of the requests went where {share} % should").into(),
            );
        }
    }
    Ok(())
}

fn latencies(took: &mut [u32], figures: &mut BTreeMap<Metric, f64>) {
    figures.insert(Metric::P50, percentile(took, 0.5));
    figures.insert(Metric::P99, percentile(took, 0.99));
}

/// Returns a percentile in milliseconds: the smallest value that so many are not above.
fn percentile(took: &mut [u32], share: f64) -> f64 {
    took.sort_unstable();
    let rank = (took.len() as f64 * share).ceil() as usize;
    let micros = took.get(rank.saturating_sub(1)).copied();
    f64::from(micros.unwrap_or_default()) / 1000.0
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (metric, value) in &self.figures {
            write!(f, "{} {value:.*}; ", metric.title(), metric.digits())?;
        }
        match self.others {
            Some(others) => write!(f, "others {others:.2} cores"),
            None => Ok(()),
        }
    }
}
