//! Many clients that ask at the same time, and some whose answers do not come.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::{Backend, Received, Visitor, World, eventually, side, table};

/// More than are let under way before others wait for their turn.
const HELD: usize = 100;

/// Answers with the path that it is asked for; at `/held` once it may go on.
fn echo(goes_on: &Arc<AtomicBool>) -> Backend {
    let may = Arc::clone(goes_on);
    Backend::with(move |Received { head, .. }, stream| {
        let path = head.split(' ').nth(1).unwrap();
        if path == "/held" {
            eventually("it may go on", || may.load(Ordering::SeqCst).then_some(()));
        }
        let length = path.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{path}"
        )
        .is_ok()
    })
}

#[test]
fn nobody_waits_for_the_answers_of_others() {
    let goes_on = Arc::default();
    let backend = echo(&goes_on);
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let visitors = |many: usize| Vec::from_iter((0..many).map(|_| Visitor::new(address)));

    let mut held = visitors(HELD);
    for visitor in &mut held {
        visitor.ask_for("/held");
    }
    eventually("all that is asked for is under way", || {
        (backend.requests() == HELD).then_some(())
    });

    // All of them ask before one is answered, again and again on the same connections.
    let mut others = visitors(3 * HELD);
    for round in 0..3 {
        for (index, visitor) in others.iter_mut().enumerate() {
            visitor.ask_for(&format!("/{round}/{index}"));
        }
        for (index, visitor) in others.iter_mut().enumerate() {
            let answer = visitor.answer().unwrap();
            assert_eq!(answer.text(), format!("/{round}/{index}"));
        }
    }

    goes_on.store(true, Ordering::SeqCst);
    for visitor in &mut held {
        assert_eq!(visitor.answer().unwrap().text(), "/held");
    }
}
