//! Requests that two who read them could understand in two ways.
//!
//! Whatever a client writes, either nothing of it is a whole request for an instance, or the
//! instance reads exactly one, whose end is where the proxy saw it. And what the client asks next on
//! the same connection gets its own answer, or the connection is gone.

mod generated;
mod heads;
mod http1;
mod http2;
mod witness;

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use crate::world::{Backend, Visitor, World, side, table};
use witness::{Witness, said_of};

/// What may become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is refused, no instance gets it, and the connection ends.
    Refused,
    /// An instance gets it once, with this body, and the connection goes on.
    Taken(Vec<u8>),
    /// An instance gets it once, with this body, and the connection ends.
    Last(Vec<u8>),
    /// Both are right, as long as nothing is understood in two ways.
    Any,
}

fn taken(body: &str) -> Verdict {
    Verdict::Taken(body.into())
}

/// A proxy with an instance behind it that trusts nobody.
struct Scene {
    world: World,
    address: SocketAddr,
    witness: Witness,
    _backend: Backend,
    /// How many requests were refused so far.
    refused: u64,
    /// How many connections ended without that anything was said about it.
    cut: u64,
    turns: usize,
}

/// Stands in a case for its number, so that none is mistaken for another.
const TURN: &str = "@@@@";

impl Scene {
    fn new() -> Self {
        let (backend, witness) = Witness::new();
        let world = World::new();
        let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
        Self {
            world,
            address,
            witness,
            _backend: backend,
            refused: 0,
            cut: 0,
            turns: 0,
        }
    }

    /// Writes `bytes`, in which the request is for `/case-@@@@` and whatever must never become one
    /// is for `/smuggled-@@@@`, and asks for something harmless on the same connection. Returns
    /// what became of it after checking what must never be.
    fn play(&mut self, what: &str, bytes: &[u8], expected: &Verdict) -> Verdict {
        self.turns += 1;
        let turn = format!("{:04}", self.turns);
        let said = replaced(bytes, &turn);
        let mut visitor = Visitor::new(self.address);
        let harmless = format!("/harmless-{turn}");
        let next = format!("GET {harmless} HTTP/1.1\r\nhost: site.example\r\n\r\n");
        // It may already be refused.
        let all = [said, next.into_bytes()].concat();
        drop(visitor.stream.write_all(&all));
        // A case that must be taken is whole; of the others some could wait for more forever.
        if matches!(expected, Verdict::Any) {
            let patience = Some(Duration::from_millis(40));
            visitor.stream.set_read_timeout(patience).unwrap();
            let seen = visitor.stream.peek(&mut [0]);
            if seen.is_err() {
                drop(visitor.stream.shutdown(Shutdown::Write));
            }
            let patience = Some(crate::world::DEADLINE);
            visitor.stream.set_read_timeout(patience).unwrap();
        }
        let mut answers = Vec::new();
        while let Some(answered) = visitor.answer() {
            let is_next = answered.text().contains(&harmless);
            answers.push(answered);
            if is_next {
                break;
            }
        }
        let smuggled = self.witness.of(&format!("/smuggled-{turn}"));
        assert_eq!(smuggled.len(), 0, "{what}: {answers:?}");
        let of_case = self.witness.of(&format!("/case-{turn}"));
        assert!(of_case.len() <= 1, "{what}: twice: {of_case:?}");
        let next = said_of("GET", &harmless, 0);
        let goes_on = answers
            .last()
            .is_some_and(|answer| answer.status == 200 && answer.text() == next);
        assert!(
            goes_on || visitor.is_cut_off(),
            "{what}: it waits: {answers:?}"
        );
        let (of_instances, refusals): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert!(
            refusals
                .iter()
                .all(|answer| (400..=505).contains(&answer.status))
                && refusals.len() <= 1,
            "{what}: {refusals:?}"
        );
        self.refused += refusals.len() as u64;
        self.cut += u64::from(!goes_on && refusals.is_empty());
        let verdict = match of_case.first() {
            None => {
                assert_eq!(of_instances.len(), 0, "{what}: refused, and goes on");
                Verdict::Refused
            }
            Some(case) => {
                let own = said_of(&case.method, &case.target, case.body.len());
                assert_eq!(answers[0].text(), own, "{what}: somebody else's answer");
                assert_eq!(
                    of_instances.len(),
                    if goes_on { 2 } else { 1 },
                    "{what}: {answers:?}"
                );
                match goes_on {
                    true => Verdict::Taken(case.body.clone()),
                    false => Verdict::Last(case.body.clone()),
                }
            }
        };
        if *expected != Verdict::Any {
            assert_eq!(&verdict, expected, "{what}: {answers:?}");
        }
        verdict
    }

    /// Returns the number of the next turn.
    fn next(&self) -> String {
        format!("{:04}", self.turns + 1)
    }

    /// Checks what must be true of all that was played, and how often something was refused.
    fn end(self) {
        assert_eq!(self.witness.flaws(), Vec::<String>::new());
        crate::world::eventually("every refusal is counted", || {
            let windows = self.world.block_on(self.world.client().windows(0)).unwrap();
            let counted = windows.iter().flat_map(|window| window.refused.values());
            let counted: u64 = counted.sum();
            (self.refused..=self.refused + self.cut)
                .contains(&counted)
                .then_some(())
        });
    }
}

/// Puts the number of a turn where it belongs.
fn replaced(bytes: &[u8], turn: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + TURN.len() <= bytes.len() {
        if bytes[at..].starts_with(TURN.as_bytes()) {
            bytes[at..at + TURN.len()].copy_from_slice(turn.as_bytes());
        }
        at += 1;
    }
    bytes
}

/// A request that must never become one.
const SMUGGLED: &str = "GET /smuggled-@@@@ HTTP/1.1\r\nhost: site.example\r\n\r\n";

/// A request with these lines in its head and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    let ended = if lines.is_empty() { "" } else { "\r\n" };
    format!("POST /case-@@@@ HTTP/1.1\r\nhost: site.example\r\n{lines}{ended}\r\n{body}")
        .into_bytes()
}
