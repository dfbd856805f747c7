//! Control: acknowledgements, status, draining, and what is refused.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use leadsman_proxy::control::{Client, ClientError};
use leadsman_proxy::table::Table;
use leadsman_proxy::{Config, Error, Proxy};

use crate::world::{
    Backend, DEADLINE, Visitor, World, any_port, eventually, get, nobody, side, table,
};

#[test]
fn an_older_table_is_ignored_and_the_same_is_fine() {
    let (new, old) = (Backend::named("new"), Backend::named("old"));
    let world = World::new();
    let newer = table(7, [side("new", 10_000, &[new.address])]);
    let address = world.apply(&newer);
    let older = table(6, [side("old", 10_000, &[old.address])]);
    let applied = world.block_on(world.client().apply(&older)).unwrap();
    assert_eq!(applied.generation, 7);
    assert_eq!(world.apply(&newer), address);
    assert_eq!(get(address, "/").text(), "new");

    let rival = table(7, [side("old", 10_000, &[old.address])]);
    let refused = world.block_on(world.client().apply(&rival)).unwrap_err();
    assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
    assert_eq!(world.status().table, newer);
}

#[test]
fn a_faulty_table_is_refused_whole() {
    let stable = Backend::named("stable");
    let world = World::new();
    let address = world.apply(&table(1, [side("stable", 10_000, &[stable.address])]));
    let faulty = table(2, [side("a", 9000, &[nobody()]), side("a", 999, &[])]);
    let refused = world
        .block_on(world.client().apply(&faulty))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("sum to 9999"), "{refused}");
    assert!(refused.contains("`a` is there twice"), "{refused}");
    assert_eq!(world.status().generation, 1);
    assert_eq!(get(address, "/").text(), "stable");
}

#[test]
fn a_removed_instance_is_listed_until_its_requests_have_ended() {
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let slow = Backend::with(move |_, stream| {
        going.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")
            .is_ok()
    });
    let quick = Backend::named("quick");
    let world = World::with(|config| config.drained_listed = Duration::from_millis(100));
    let address = world.apply(&table(1, [side("slow", 10_000, &[slow.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request has arrived", || {
        (slow.connections.load(std::sync::atomic::Ordering::SeqCst) == 1).then_some(())
    });
    world.apply(&table(2, [side("quick", 10_000, &[quick.address])]));
    assert_eq!(world.status().draining["slow-0"].in_flight, 1);
    assert_eq!(get(address, "/").text(), "quick");

    go.send(()).unwrap();
    assert_eq!(visitor.answer().unwrap().text(), "slow");
    eventually("it has drained and is forgotten", || {
        world.status().draining.is_empty().then_some(())
    });
    let counted = world.figures("slow", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 0);
}

#[test]
fn an_instance_that_returns_is_not_draining() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let world = World::new();
    let first = |generation| table(generation, [side("one", 10_000, &[one.address])]);
    world.apply(&first(1));
    world.apply(&table(2, [side("two", 10_000, &[two.address])]));
    assert!(world.status().draining.contains_key("one-0"));
    let address = world.apply(&first(3));
    let draining: Vec<String> = world.status().draining.into_keys().collect();
    assert_eq!(draining, ["two-0"]);
    assert_eq!(get(address, "/").text(), "one");
}

#[test]
fn idle_connections_to_a_removed_instance_are_closed() {
    let (ended, end) = mpsc::channel();
    let old = Backend::raw(move |reader, stream| {
        let more = crate::world::read_head(reader).is_some();
        if more {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        } else {
            ended.send(()).unwrap();
        }
        more
    });
    let world = World::with(|config| config.idle_timeout = DEADLINE * 10);
    let address = world.apply(&table(1, [side("old", 10_000, &[old.address])]));
    assert_eq!(get(address, "/").status, 200);
    let empty = Table {
        generation: 2,
        ..Table::default()
    };
    world.block_on(world.client().apply(&empty)).unwrap();
    end.recv_timeout(DEADLINE).unwrap();
}

#[test]
fn a_port_that_is_taken_costs_only_its_listener_and_heals() {
    let backend = Backend::named("ok");
    let other = Backend::named("other");
    let taken = TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let world = World::new();
    let mut both = table(1, [side("web", 10_000, &[backend.address])]);
    let mut second = table(1, [side("other", 10_000, &[other.address])])
        .listeners
        .remove(0);
    second.address = address;
    both.listeners.push(second);
    let applied = world.block_on(world.client().apply(&both)).unwrap();
    let problem = &applied.problems[&address];
    assert!(
        problem.contains(&format!("cannot listen on {address}")),
        "{problem}"
    );
    assert!(problem.contains("choose another one"), "{problem}");
    assert_eq!(applied.problems, world.status().problems);
    assert_eq!(get(world.status().bound[&any_port()], "/").text(), "ok");

    drop(taken);
    eventually("the port is taken over", || {
        world.status().problems.is_empty().then_some(())
    });
    assert_eq!(get(address, "/").text(), "other");
}

#[test]
fn a_listener_that_left_the_table_frees_its_port_at_once() {
    let backend = Backend::named("ok");
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.get("/").text(), "ok");
    let empty = Table {
        generation: 2,
        ..Table::default()
    };
    world.block_on(world.client().apply(&empty)).unwrap();
    TcpListener::bind(address).unwrap();
    assert!(visitor.is_cut_off(), "an idle connection is closed");
}

#[test]
fn two_proxies_never_share_a_port() {
    let backend = Backend::named("ok");
    let (first, second) = (World::new(), World::new());
    let address = first.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut same = table(1, [side("web", 10_000, &[backend.address])]);
    same.listeners[0].address = address;
    let applied = second.block_on(second.client().apply(&same)).unwrap();
    assert!(applied.problems.contains_key(&address));
}

#[test]
fn figures_come_in_windows_that_are_numbered_without_a_gap() {
    let world = World::new();
    let client = world.client();
    let first = eventually("a window", || {
        world
            .block_on(client.windows(0))
            .unwrap()
            .last()
            .map(|window| window.sequence)
    });
    let mut after = first;
    for _ in 0..2 {
        let windows = eventually("the next window", || {
            Some(world.block_on(client.windows(after)).unwrap()).filter(|new| !new.is_empty())
        });
        assert_eq!(windows[0].sequence, after + 1);
        assert!(windows[0].seconds > 0.0);
        after = windows.last().unwrap().sequence;
    }
}

#[test]
fn only_its_owner_may_open_the_socket() {
    let world = World::new();
    let mode = std::fs::metadata(&world.config.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    let mut config = Config::new(folder.path().join("state"), &socket);
    config.cores = Some(1);
    let proxy = Proxy::start(config.clone()).unwrap();

    let mut same_socket = config.clone();
    same_socket.state = folder.path().join("other state");
    assert!(matches!(Proxy::start(same_socket), Err(Error::Running(path)) if path == socket));
    let mut same_state = config.clone();
    same_state.socket = folder.path().join("other socket");
    assert!(matches!(Proxy::start(same_state), Err(Error::Running(path)) if path == config.state));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(proxy.client().status()).unwrap();
    proxy.shutdown().unwrap();
    assert!(!socket.exists());
    let failed = runtime.block_on(Client::new(&socket).status()).unwrap_err();
    assert!(matches!(failed, ClientError::Connect { .. }), "{failed}");
}

#[test]
fn a_file_in_the_place_of_the_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let failed = Proxy::start(Config::new(folder.path().join("state"), &path)).unwrap_err();
    assert!(matches!(failed, Error::Socket { .. }), "{failed}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}
