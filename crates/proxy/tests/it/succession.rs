//! One proxy succeeds another, and nobody notices.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use leadsman_proxy::control::{ClientError, Kinds};
use leadsman_proxy::table::{HealthCheck, Side, Table};
use leadsman_proxy::{Config, Proxy, SideFigures, Window};

use crate::shim::Shim;
use crate::world::{
    Backend, Visitor, World, any_port, checked_side, eventually, get, nobody, side, table,
};

/// A proxy under a shim, with others that may come after it.
struct Line {
    world: World,
    shim: Shim,
    /// Those that were succeeded.
    before: Vec<Proxy>,
}

impl Line {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let shim = Shim::default();
        let world = World::with(|config| {
            config.line = Some(shim.line());
            adjust(config);
        });
        Self {
            world,
            shim,
            before: Vec::new(),
        }
    }

    /// Has another proxy take over, set up as `adjust` says.
    fn succeed(&mut self, adjust: impl FnOnce(&mut Config)) {
        let mut config = self.world.config.clone();
        config.line = Some(self.shim.line());
        adjust(&mut config);
        let next = Proxy::start(config).unwrap();
        self.before.extend(self.world.exchange(next));
    }

    /// Waits until all that were succeeded have ended.
    fn wait(&mut self) {
        for proxy in self.before.drain(..) {
            proxy.wait().unwrap();
        }
    }
}

fn web(generation: u64, address: SocketAddr) -> Table {
    table(generation, [side("web", 10_000, &[address])])
}

/// Asks on one connection until it is asked to close it, again and again. Returns how often.
fn browse(address: SocketAddr, ends: &AtomicBool) -> u64 {
    let mut count = 0;
    while !ends.load(Ordering::SeqCst) {
        let mut visitor = Visitor::new(address);
        while !ends.load(Ordering::SeqCst) {
            let answered = visitor.get("/");
            assert_eq!((answered.status, answered.text()), (200, "ok"));
            count += 1;
            if answered.header("connection") == ["close"] {
                break;
            }
        }
    }
    count
}

/// Reads windows on and on, as control does.
#[derive(Default)]
struct Reader {
    windows: Vec<Window>,
    series: Option<u64>,
}

impl Reader {
    fn read(&mut self, world: &World) {
        let series = world.status().series;
        assert_eq!(
            *self.series.get_or_insert(series),
            series,
            "the numbers go on"
        );
        let after = self.windows.last().map_or(0, |window| window.sequence);
        let new = world.block_on(world.client().windows(after)).unwrap();
        self.windows.extend(new);
    }

    fn requests(&self, side: &str) -> u64 {
        let of_side = self
            .windows
            .iter()
            .filter_map(|window| window.sides.get(side));
        of_side
            .map(|SideFigures { figures, .. }| figures.requests)
            .sum()
    }
}

#[test]
fn nobody_fails_and_every_request_is_counted_once() {
    let backend = Backend::named("ok");
    let mut line = Line::new();
    let address = line.world.apply(&web(1, backend.address));
    let ends = AtomicBool::new(false);
    let mut reader = Reader::default();
    let sent: u64 = std::thread::scope(|scope| {
        let browsing: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| browse(address, &ends)))
            .collect();
        // Fewer workers, more workers, and as many as there were.
        for cores in [1, 3, 2] {
            line.succeed(|config| config.cores = Some(cores));
            reader.read(&line.world);
        }
        line.wait();
        ends.store(true, Ordering::SeqCst);
        browsing.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert!(sent > 100, "{sent}");
    eventually("all are counted", || {
        reader.read(&line.world);
        (reader.requests("web") >= sent).then_some(())
    });
    assert_eq!(reader.requests("web"), sent);
    let numbers = reader.windows.iter().map(|window| window.sequence);
    let first = reader.windows[0].sequence;
    assert!(
        numbers.eq(first..first + reader.windows.len() as u64),
        "no gap"
    );
    let arrivals = line.world.status().arrivals;
    assert!(arrivals[&any_port()].connections >= 6, "{arrivals:?}");
    // As many sockets as there ever were workers: nobody's queue is left alone.
    let doors = line
        .shim
        .names()
        .into_iter()
        .filter(|name| name.starts_with("door "));
    assert_eq!(doors.count(), 3);
    line.world.stop();
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "the port is free"
    );
}

#[test]
fn a_client_that_lingers_is_served_by_the_newest_table_and_asked_to_go() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let mut line = Line::new();
    let address = line.world.apply(&web(1, old.address));
    let mut visitor = Visitor::new(address);
    let mut idle = Visitor::new(address);
    for visitor in [&mut visitor, &mut idle] {
        let answered = visitor.get("/");
        assert_eq!(
            (answered.text(), answered.header("connection")),
            ("old", vec![])
        );
    }
    line.succeed(|_| ());
    line.world.apply(&web(2, new.address));
    let answered = visitor.get("/");
    assert_eq!(
        (answered.text(), answered.header("connection")),
        ("new", vec!["close"])
    );
    assert!(visitor.is_cut_off());
    // One that says nothing is closed when its time is up.
    assert!(idle.is_cut_off());
    line.wait();
}

#[test]
fn what_the_one_before_still_answers_is_seen_and_cut_short_in_its_time() {
    let (go, going) = mpsc::channel::<()>();
    let going = std::sync::Mutex::new(going);
    let old = Backend::with(move |_, stream| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head).unwrap();
        going.lock().unwrap().recv().unwrap();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").is_ok()
    });
    let endless = Backend::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
            .unwrap();
        drop(stream.read(&mut [0; 64]));
        false
    });
    let new = Backend::named("new");
    let mut line = Line::with(|config| config.cores = Some(1));
    let drained = |name: &str, weight, address| Side {
        drain: Some(Duration::from_millis(500)),
        ..side(name, weight, &[address])
    };
    let unlimited = side("web", 5000, &[old.address]);
    let both = [unlimited, drained("endless", 5000, endless.address)];
    let address = line.world.apply(&table(1, both));
    let mut visitors: Vec<Visitor> = (0..2).map(|_| Visitor::new(address)).collect();
    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(visitor.answer_head().unwrap().status, 200);
    }
    line.succeed(|_| ());
    assert_eq!(
        line.world.status().draining,
        BTreeMap::new(),
        "both are in the table"
    );
    line.world.apply(&web(2, new.address));
    let bodies = Kinds {
        bodies: 1,
        ..Kinds::default()
    };
    assert_eq!(line.world.status().draining["web-0"].kinds, bodies);
    let endless = eventually("its time is up", || {
        let endless = line.world.status().draining["endless-0"];
        (endless.cut_short.sum() > 0).then_some(endless)
    });
    assert_eq!((endless.cut_short, endless.in_flight), (bodies, 0));
    go.send(()).unwrap();
    eventually("the other one ends by itself", || {
        (line.world.status().draining["web-0"].in_flight == 0).then_some(())
    });
    assert_eq!(
        line.world.status().draining["web-0"].cut_short,
        Kinds::default()
    );
    line.wait();
}

#[test]
fn beliefs_and_cuts_pass_on() {
    let (good, bad) = (
        Backend::named("good"),
        Backend::saying("HTTP/1.1 500 Bad\r\ncontent-length: 0\r\n\r\n"),
    );
    let mut line = Line::new();
    let mut asked = table(
        1,
        [
            side("stable", 9000, &[good.address, nobody()]),
            side("canary", 1000, &[bad.address]),
        ],
    );
    let service = asked.listeners[0].services.get_mut("web").unwrap();
    service.tripwire = Some(leadsman_proxy::table::Tripwire {
        canary: "canary".to_owned(),
        baseline: "stable".to_owned(),
        limit: 0.05,
        alpha: 0.001,
        round: 0,
    });
    let address = line.world.apply(&asked);
    let tripped = eventually("the canary is cut off", || {
        get(address, "/");
        Some(line.world.status().tripped).filter(|tripped| !tripped.is_empty())
    });
    line.succeed(|config| config.probe_interval = Duration::from_secs(3600));
    let status = line.world.status();
    assert_eq!(status.tripped, tripped);
    assert!(
        status.unhealthy.contains("stable-1"),
        "{:?}",
        status.unhealthy
    );
    for _ in 0..20 {
        assert_eq!(get(address, "/").text(), "good");
    }
    line.wait();
}

#[test]
fn a_successor_that_is_gone_before_it_serves_changes_nothing() {
    let backend = Backend::named("ok");
    let mut line = Line::new();
    let address = line.world.apply(&web(1, backend.address));
    let mut reader = Reader::default();
    let windows_before = eventually("a window", || {
        reader.read(&line.world);
        reader.windows.last().map(|window| window.sequence)
    });
    // It has been told all; from then on no table is taken and no window closed.
    let mut successor = std::os::unix::net::UnixStream::connect(&line.world.config.socket).unwrap();
    successor
        .write_all(b"POST /handover HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let mut begun = [0; 15];
    successor.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    let second = {
        let mut config = line.world.config.clone();
        config.line = Some(line.shim.line());
        Proxy::start(config).unwrap_err().to_string()
    };
    assert_eq!(second, "failed to take over from the process that serves");
    assert_eq!(get(address, "/").text(), "ok");
    drop(successor);
    line.world.apply(&web(2, backend.address));
    assert_eq!(get(address, "/").text(), "ok");
    eventually("windows go on", || {
        reader.read(&line.world);
        let last = reader.windows.last()?.sequence;
        (last > windows_before && reader.requests("web") == 2).then_some(())
    });
    line.succeed(|_| ());
    assert_eq!(line.world.status().generation, 2);
    line.wait();
}

#[test]
fn tables_that_come_in_the_middle_are_taken_by_whoever_serves() {
    let backend = Backend::named("ok");
    let mut line = Line::new();
    let address = line.world.apply(&web(1, backend.address));
    let client = line.world.client();
    let ends = Arc::new(AtomicBool::new(false));
    let generations = Arc::new(AtomicUsize::new(1));
    let applying = {
        let (ends, generations) = (Arc::clone(&ends), Arc::clone(&generations));
        let instance = backend.address;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.unwrap();
            while !ends.load(Ordering::SeqCst) {
                let next = generations.load(Ordering::SeqCst) + 1;
                let applied = runtime.block_on(client.apply(&web(next as u64, instance)));
                match applied {
                    Ok(applied) => assert_eq!(applied.generation, next as u64),
                    // Asked in the very moment in which the other one ended.
                    Err(error) => assert!(matches!(error, ClientError::Exchange { .. }), "{error}"),
                }
                generations.store(next, Ordering::SeqCst);
            }
        })
    };
    for _ in 0..4 {
        let before = generations.load(Ordering::SeqCst);
        line.succeed(|config| config.linger = Duration::ZERO);
        eventually("tables are taken", || {
            (generations.load(Ordering::SeqCst) > before + 1).then_some(())
        });
    }
    ends.store(true, Ordering::SeqCst);
    applying.join().unwrap();
    assert_eq!(
        line.world.status().generation,
        generations.load(Ordering::SeqCst) as u64
    );
    assert_eq!(get(address, "/").text(), "ok");
    line.wait();
}

#[test]
fn a_listener_that_leaves_the_table_is_closed_although_it_is_kept() {
    let backend = Backend::named("ok");
    let line = Line::new();
    let address = line.world.apply(&web(1, backend.address));
    assert_eq!(get(address, "/").text(), "ok");
    let empty = Table {
        generation: 2,
        ..Table::default()
    };
    line.world
        .block_on(line.world.client().apply(&empty))
        .unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(line.shim.names(), ["control", "lock"]);
    let health = Some(HealthCheck::Tcp);
    line.world.apply(&table(
        3,
        [checked_side("web", 10_000, &[backend.address], health)],
    ));
}
