//! Many clients that ask at the same time, and some whose answers do not come.

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex};

use crate::world::{Backend, Received, Visitor, World, eventually, side, table};

/// More than are let under way before others wait for their turn.
const HELD: usize = 100;

/// What holds answers back until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }
}

/// Answers with the path that it is asked for; at `/held` when the gate is open.
fn echo(gate: &Arc<Gate>) -> Backend {
    let gate = Arc::clone(gate);
    Backend::with(move |Received { head, .. }, stream| {
        let path = head.split(' ').nth(1).unwrap();
        if path == "/held" {
            gate.pass();
        }
        let length = path.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{path}"
        )
        .is_ok()
    })
}

fn ask(visitor: &mut Visitor, path: &str) {
    visitor.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
}

#[test]
fn nobody_waits_for_the_answers_of_others() {
    let gate = Arc::default();
    let backend = echo(&gate);
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let visitors = |many: usize| Vec::from_iter((0..many).map(|_| Visitor::new(address)));

    let mut held = visitors(HELD);
    for visitor in &mut held {
        ask(visitor, "/held");
    }
    eventually("all that is asked for is under way", || {
        (backend.requests() == HELD).then_some(())
    });

    // All of them ask before one is answered, again and again on the same connections.
    let mut others = visitors(3 * HELD);
    for round in 0..3 {
        for (index, visitor) in others.iter_mut().enumerate() {
            ask(visitor, &format!("/{round}/{index}"));
        }
        for (index, visitor) in others.iter_mut().enumerate() {
            let answer = visitor.answer().unwrap();
            assert_eq!(answer.text(), format!("/{round}/{index}"));
        }
    }

    gate.open();
    for visitor in &mut held {
        assert_eq!(visitor.answer().unwrap().text(), "/held");
    }
}
