//! A crash costs a few answers, whether or not control is there.

use super::client::get;
use super::machine::{LONG, Machine, text};

/// How many requests a worker of the data plane gives to a canary with 25 % that begins to fail in
/// the middle of a step: at most 19 in 1,000 simulated rollouts, and a little more where workers
/// share the probability of being wrong.
const COST: usize = 21;

#[test]
fn a_canary_that_fails_while_control_is_gone_is_cut_off_and_taken_back_afterwards() {
    let mut machine = Machine::with_first_release();
    machine.project("two frail", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    machine.wait_until("it has its share", || {
        get(machine.address, "/").unwrap().body == "two"
    });
    machine.kill_control();
    machine.place.write("sick", "");
    let mut failed = 0;
    let mut good = 0;
    // A quarter of the answers failed while it was not cut off: so many good ones in a row do not
    // come by chance.
    while good < 200 {
        match get(machine.address, "/").unwrap().status {
            200 => good += 1,
            _ => (failed, good) = (failed + 1, 0),
        }
        let workers = std::thread::available_parallelism().unwrap().get();
        assert!(failed <= COST * workers, "{failed} answers failed");
    }
    assert!(failed > 0, "it was never sick");
    machine.up();
    machine.wait_for_phase("rolled_back");
    let cause = text(&machine.environment(), "/deployment/cause");
    assert!(cause.starts_with("`web` at 25 %: "), "{cause}");
    assert!(cause.ends_with("cut off by the data plane"), "{cause}");
    machine.wait_for_version("one");
}
