//! The machine and the service of the tests, and those who look.
#![expect(
    dead_code,
    unused_imports,
    reason = "the tests do more with them than is done here"
)]

#[path = "../../tests/it/live/client.rs"]
mod client;
#[path = "../../tests/it/live/machine.rs"]
mod machine;
#[path = "../../tests/it/live/people.rs"]
mod people;
#[path = "../../tests/it/live/processes.rs"]
mod processes;
#[path = "../common/processor.rs"]
mod processor;
#[path = "../../tests/it/live/service.rs"]
mod service;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Traffic;
use machine::{LONG, Machine};
use processor::worked;

/// What is promised: the share of a core that so many viewers cost.
const OF_A_CORE: f64 = 0.10;

/// The stack of a thread that only reads.
const STACK: usize = 64 * 1024;

/// Is the service from here on, if that is what this process was started for.
pub(crate) fn serve_if_told() {
    service::serve_if_told();
}

/// Measures, prints, and says whether it is what is promised.
pub(crate) fn play(viewers: u32, seconds: u64) -> bool {
    let mut machine = Machine::new();
    machine.up_with(&["--api", "127.0.0.1:0"]);
    machine.project("one", LONG);
    machine.ship().succeeds();
    machine.project("two", LONG);
    let users = Traffic::start(machine.address);
    machine.ship_detached();
    machine.wait_for_soak();
    machine
        .run(&["people", "add", "mia", "--role", "viewer"])
        .succeeds();
    let made = machine.run(&["token", "create", "browser", "--person", "mia"]);
    let token = made.succeeds().stdout.trim().to_owned();
    let url = people::url(&machine);
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();

    let before = of_a_core(&machine, seconds);
    let heard = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    for _ in 0..viewers {
        look(address, &token, &heard);
    }
    eprintln!("{viewers} pages open after {:.1?}", begun.elapsed());
    // What a page is told at first is not what it costs to keep it.
    std::thread::sleep(Duration::from_secs(3));
    let told_before = heard.load(Ordering::Relaxed);
    let with = of_a_core(&machine, seconds);
    let told = heard.load(Ordering::Relaxed) - told_before;
    drop(users.end());
    machine.down();

    let each = told as f64 / f64::from(viewers) / seconds as f64;
    println!("| control, of one core | nobody looks | {viewers} look | they cost | told each |");
    println!("|---|---:|---:|---:|---:|");
    println!(
        "| one deployment, live | {:.1} % | {:.1} % | {:.1} % | {:.1} KiB/s |",
        before * 100.0,
        with * 100.0,
        (with - before) * 100.0,
        each / 1024.0
    );
    assert!(told > 0, "the pages were told nothing");
    with - before < OF_A_CORE
}

/// Opens a page, and reads what it is told for as long as this process lives.
fn look(address: SocketAddr, token: &str, heard: &Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET /environments/quay/production/live HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let heard = Arc::clone(heard);
    let reads = move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            heard.fetch_add(count as u64, Ordering::Relaxed);
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(reads).unwrap();
}

/// Returns what share of a core control takes.
fn of_a_core(machine: &Machine, seconds: u64) -> f64 {
    let spent = || {
        let [user, kernel, ..] = worked(&machine.control().to_string()).unwrap();
        user + kernel
    };
    let before = spent();
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    (spent() - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}
