//! Instances of HTTP/2 that say goodbye, refuse, or are gone, frame by frame.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, Raw, SETTINGS, frame,
};
use crate::service::http2_side;
use crate::world::{Answered, Backend, Visitor, World, get, table};

/// Says hello as an instance, and reads up to the next request. Returns its number.
fn next_request(raw: &mut Raw) -> Option<u32> {
    loop {
        let said = raw.next()?;
        match (said.kind, said.flags) {
            (PING, 0) => drop(raw.send(&frame(PING, ACK, 0, &said.content))),
            (SETTINGS, 0) => drop(raw.send(&frame(SETTINGS, ACK, 0, &[]))),
            (HEADERS, _) => return Some(said.stream),
            _ => {}
        }
    }
}

/// An instance whose frames are written by hand. It gets the number of each request, and says
/// whether its connection goes on.
pub(crate) fn by_hand(answer: impl Fn(&mut Raw, u32) -> bool + Send + Sync + 'static) -> Backend {
    Backend::raw(move |_, stream| {
        let mut raw = Raw::hosting(stream.try_clone().unwrap());
        while let Some(number) = next_request(&mut raw) {
            if !answer(&mut raw, number) {
                break;
            }
        }
        drop(stream.shutdown(std::net::Shutdown::Both));
        false
    })
}

/// Says `200`, as one byte of HPACK, and `words`.
pub(crate) fn say_by_hand(raw: &mut Raw, number: u32, words: &[u8]) -> bool {
    raw.send(&frame(HEADERS, END_HEADERS, number, &[0x88]))
        && raw.send(&frame(DATA, END_STREAM, number, words))
}

pub(crate) fn goodbye(last: u32) -> Vec<u8> {
    frame(
        GOAWAY,
        0,
        0,
        &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat(),
    )
}

pub(crate) fn post(address: SocketAddr, body: &str) -> Answered {
    let mut visitor = Visitor::new(address);
    let length = body.len();
    visitor.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    visitor.answer().unwrap()
}

#[test]
fn what_an_instance_did_not_look_at_is_asked_for_again_with_its_body() {
    for refusal in [goodbye(1), frame(RST_STREAM, 0, 3, &7_u32.to_be_bytes())] {
        let is_goodbye = refusal[3] == GOAWAY;
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let asked = AtomicUsize::new(0);
        let instance = by_hand(move |raw, number| {
            let is_second = asked.fetch_add(1, Ordering::SeqCst) == 1;
            let body = raw.until(DATA).unwrap();
            tell.lock().unwrap().send(body.content).unwrap();
            if is_second {
                raw.send(&refusal)
            } else {
                say_by_hand(raw, number, b"ok")
            }
        });
        let world = World::with(|config| config.cores = Some(1));
        let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
        assert_eq!(post(address, "first").text(), "ok");
        assert_eq!(post(address, "hello").text(), "ok");
        for body in ["first", "hello", "hello"] {
            assert_eq!(told.recv().unwrap(), body.as_bytes());
        }
        let connections = instance.connections.load(Ordering::SeqCst);
        assert_eq!(connections, if is_goodbye { 2 } else { 1 });
        // An instance that says goodbye does nothing wrong; one that refuses does.
        let errors = u64::from(!is_goodbye);
        let counted = world.figures("web", |counted| counted.figures.requests > 1 + errors);
        assert_eq!(counted.figures.errors, errors);
    }
}

#[test]
fn an_instance_that_refuses_everything_is_not_asked_for_ever() {
    let refuse = frame(RST_STREAM, 0, 0, &7_u32.to_be_bytes());
    let goodbye = goodbye(0);
    for (refusal, status) in [(refuse, 503), (goodbye, 502)] {
        let asked = Arc::<AtomicUsize>::default();
        let so_often = Arc::clone(&asked);
        let instance = by_hand(move |raw, number| {
            so_often.fetch_add(1, Ordering::SeqCst);
            let mut refusal = refusal.clone();
            if refusal[3] == RST_STREAM {
                refusal[5..9].copy_from_slice(&number.to_be_bytes());
            }
            raw.send(&refusal)
        });
        let world = World::new();
        let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
        assert_eq!(post(address, "hello").status, status);
        assert!((3..=4).contains(&asked.load(Ordering::SeqCst)));
    }
}

#[test]
fn a_connection_that_is_closed_between_requests_costs_none() {
    let instance = by_hand(|raw, number| {
        say_by_hand(raw, number, b"ok");
        false
    });
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
    for _ in 0..50 {
        assert_eq!(post(address, "hello").text(), "ok");
    }
    let counted = world.figures("web", |counted| counted.figures.requests >= 50);
    assert_eq!(counted.figures.errors, 0);
}

#[test]
fn a_connection_that_breaks_costs_what_may_have_been_acted_on() {
    let asked = AtomicUsize::new(0);
    let instance = by_hand(move |raw, number| {
        // Every second one.
        asked.fetch_add(1, Ordering::SeqCst) % 2 == 1 && say_by_hand(raw, number, b"ok")
    });
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
    let answered = post(address, "hello");
    assert_eq!(answered.status, 502);
    assert_eq!(answered.header("x-leadsman-reason"), ["broke-off"]);
    assert_eq!(get(address, "/").text(), "ok");
    // This one breaks, too, and is asked for once more.
    assert_eq!(get(address, "/").text(), "ok");
}
