//! Streams that are longer than the memory of what they pass through.

use super::machine::Machine;
use super::streaming::{Direction, Spoken, pass};

/// How long they are, in bytes. `./dev bench streams` has longer ones.
const LENGTH: u64 = 256 << 20;

/// How much the data plane may grow meanwhile, in bytes.
const GROWTH_MAX: u64 = 16 << 20;

#[test]
fn a_body_passes_in_constant_memory_whatever_its_length() {
    let machine = Machine::with_first_release();
    for spoken in [Spoken::Http1, Spoken::Http2] {
        for direction in [Direction::Up, Direction::Down] {
            let passed = pass(&machine, spoken, direction, LENGTH);
            let (took, growth) = (passed.took, passed.growth());
            println!("{spoken:?} {direction:?}: {took:?}, grew by {growth} bytes");
            assert!(
                passed.growth() < GROWTH_MAX,
                "{spoken:?} {direction:?}: {passed:?}"
            );
        }
    }
}
