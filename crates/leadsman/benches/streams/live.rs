//! The machine and the service of the tests, which pass shorter streams.
#![expect(
    dead_code,
    unused_imports,
    reason = "the tests do more with them than is done here"
)]

#[path = "../../tests/it/live/client.rs"]
mod client;
#[path = "../../tests/it/live/machine.rs"]
mod machine;
#[path = "../../tests/it/live/processes.rs"]
mod processes;
#[path = "../../tests/it/live/service.rs"]
mod service;
#[path = "../../tests/it/live/streaming.rs"]
mod streaming;

use machine::Machine;
use streaming::{Direction, Spoken, pass};

/// How much the data plane may grow on the way of a stream of any length, in bytes.
const GROWTH_MAX: u64 = 32 << 20;

/// Is the service from here on, if that is what this process was started for.
pub(crate) fn serve_if_told() {
    service::serve_if_told();
}

/// Passes streams of `length` bytes, prints what they cost, and says whether memory was constant.
pub(crate) fn play(length: u64) -> bool {
    let mut machine = Machine::with_first_release();
    let mut is_good = true;
    println!(
        "| a stream of {} MiB | MiB/s | resident before | at most | growth |",
        length >> 20
    );
    println!("|---|---:|---:|---:|---:|");
    for (spoken, name) in [(Spoken::Http1, "HTTP/1.1"), (Spoken::Http2, "HTTP/2")] {
        for (direction, way) in [(Direction::Up, "up"), (Direction::Down, "down")] {
            let passed = pass(&machine, spoken, direction, length);
            is_good &= passed.growth() < GROWTH_MAX;
            println!(
                "| {name}, {way} | {:.0} | {:.1} MiB | {:.1} MiB | {:.1} MiB |",
                mib(length) / passed.took.as_secs_f64(),
                mib(passed.before),
                mib(passed.most),
                mib(passed.growth())
            );
        }
    }
    machine.down();
    is_good
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a byte more or less makes no difference"
)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
