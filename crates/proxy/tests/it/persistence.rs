//! Restarts, kills, and a last table that is not what it was.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc;

use leadsman_proxy::Config;
use leadsman_proxy::control::{Client, ClientError};

use crate::world::{Backend, Visitor, World, eventually, get, side, table};

#[test]
fn a_restarted_proxy_serves_the_last_table_before_anybody_asks() {
    let backend = Backend::named("ok");
    let mut world = World::new();
    let mut table = table(5, [side("web", 10_000, &[backend.address])]);
    let address = world.apply(&table);
    // A port that stays the same.
    table.listeners[0].address = address;
    table.generation = 6;
    world.block_on(world.client().apply(&table)).unwrap();
    world.restart();
    assert_eq!(get(address, "/").text(), "ok");
    assert_eq!(world.status().table, table);
}

#[test]
fn numbers_of_windows_go_on_over_a_restart() {
    let mut world = World::new();
    let newest = |world: &World| {
        eventually("a window", || {
            world
                .block_on(world.client().windows(0))
                .unwrap()
                .last()
                .map(|w| w.sequence)
        })
    };
    let before = newest(&world);
    world.restart();
    assert!(newest(&world) > before);
}

#[test]
fn a_damaged_table_is_set_aside_and_the_proxy_starts() {
    let backend = Backend::named("ok");
    let mut world = World::new();
    world.apply(&table(5, [side("web", 10_000, &[backend.address])]));
    world.stop();
    let file = world.config.state.join("table.json");
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    world.start();
    assert_eq!(world.status().generation, 0);
    let kept = std::fs::read(world.config.state.join("table.json.damaged")).unwrap();
    assert_eq!(kept, &text[..text.len() / 2]);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    assert_eq!(get(address, "/").text(), "ok");
}

#[test]
fn one_bad_entry_costs_only_itself() {
    let backend = Backend::named("ok");
    let mut world = World::new();
    let mut both = table(5, [side("web", 10_000, &[backend.address])]);
    let bad = table(5, [side("bad", 10_000, &[backend.address])])
        .listeners
        .remove(0);
    let bad = bad.services["web"].clone();
    both.listeners[0].services.insert("bad".to_owned(), bad);
    world.apply(&both);
    world.stop();
    let file = world.config.state.join("table.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let broken = text.replacen("\"weight\":10000", "\"weight\":77", 1);
    assert_ne!(text, broken);
    std::fs::write(&file, broken).unwrap();
    world.start();
    assert_eq!(world.status().generation, 5);
    assert_eq!(get(world.address(), "/").text(), "ok");
}

#[test]
fn a_table_that_cannot_be_saved_is_in_force_but_not_acknowledged() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&table(1, [side("old", 10_000, &[old.address])]));
    // A folder in the way of the file that is written first.
    let obstacle = world.config.state.join("table.json.new");
    std::fs::create_dir(&obstacle).unwrap();
    let newer = table(2, [side("new", 10_000, &[new.address])]);
    let refused = world.block_on(world.client().apply(&newer)).unwrap_err();
    assert!(matches!(refused, ClientError::Unsaved { .. }), "{refused}");
    assert!(world.status().unsaved.is_some());
    assert_eq!(get(address, "/").text(), "new");
    std::fs::remove_dir(&obstacle).unwrap();
    world.apply(&newer);
    assert_eq!(world.status().unsaved, None);
}

#[test]
fn a_state_folder_that_cannot_be_used_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let config = Config::new(file.join("state"), folder.path().join("socket"));
    let failed = leadsman_proxy::Proxy::start(config)
        .unwrap_err()
        .to_string();
    assert!(
        failed.contains("failed to use the state folder `"),
        "{failed}"
    );
}

#[test]
fn a_stop_lets_requests_in_flight_end() {
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let slow = Backend::with(move |_, stream| {
        going.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")
            .is_ok()
    });
    let mut world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[slow.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request has arrived", || {
        (slow.connections.load(std::sync::atomic::Ordering::SeqCst) == 1).then_some(())
    });
    std::thread::scope(|scope| {
        scope.spawn(|| world.stop());
        eventually("nobody is let in any more", || {
            std::net::TcpListener::bind(address).ok()
        });
        go.send(()).unwrap();
        let answered = visitor.answer().unwrap();
        assert_eq!(answered.text(), "slow");
        assert_eq!(answered.header("connection"), ["close"]);
    });
}

#[test]
fn a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path().join("state"), folder.path().join("socket"));
    let client = Client::new(&config.socket);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let running = std::thread::spawn(move || leadsman_proxy::run(config));
    let pid = eventually("it answers", || runtime.block_on(client.status()).ok()).pid;
    assert_eq!(pid, std::process::id());
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
        .unwrap();
    running.join().unwrap().unwrap();
    assert!(runtime.block_on(client.status()).is_err());
}
