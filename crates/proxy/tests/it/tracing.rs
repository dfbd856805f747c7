//! Traces: what instances are told of them, and what a collector gets.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use leadsman_proxy::Traces;
use serde_json::Value;

use crate::world::{Backend, Received, Visitor, World, eventually, nobody, side, table};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A collector, and the batches of spans that it took.
struct Collector {
    backend: Backend,
    batches: Arc<Mutex<Vec<Vec<Value>>>>,
}

impl Collector {
    /// Answers as `answer` says, by the number of the request; takes what it answers with 200.
    fn new(answer: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Self {
        let batches = Arc::<Mutex<Vec<Vec<Value>>>>::default();
        let taken = Arc::clone(&batches);
        let asked = AtomicUsize::new(0);
        let backend = Backend::with(move |request, stream| {
            let spans = spans_of(&request);
            let answer = answer(asked.fetch_add(1, Ordering::SeqCst));
            if answer.contains(" 200 ") {
                taken.lock().unwrap().push(spans);
            }
            stream.write_all(answer.as_bytes()).is_ok()
        });
        Self { backend, batches }
    }

    fn url(&self) -> String {
        format!("http://{}", self.backend.address)
    }

    /// Returns the spans that were taken, once there are so many.
    fn spans(&self, count: usize) -> Vec<Value> {
        eventually("spans", || {
            let spans = self.batches.lock().unwrap().concat();
            (spans.len() >= count).then_some(spans)
        })
    }
}

fn spans_of(request: &Received) -> Vec<Value> {
    assert!(
        request.head.starts_with("POST /v1/traces HTTP/1.1\r\n"),
        "{request:?}"
    );
    assert_eq!(request.header("content-type"), ["application/json"]);
    let read: Value = serde_json::from_slice(&request.body).unwrap();
    let service = read.pointer("/resourceSpans/0/resource/attributes/0/value/stringValue");
    assert_eq!(service.unwrap(), "gate");
    let spans = read.pointer("/resourceSpans/0/scopeSpans/0/spans").unwrap();
    spans.as_array().unwrap().clone()
}

const TAKEN: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
const WRONG: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// A service that tells of the trace headers that it got.
fn telling() -> (Backend, mpsc::Receiver<[Vec<String>; 2]>) {
    let (told, heard) = mpsc::channel();
    let told = Mutex::new(told);
    let backend = Backend::with(move |request, stream| {
        let headers = ["traceparent", "tracestate"].map(|name| {
            let values = request.header(name).into_iter();
            values.map(str::to_owned).collect()
        });
        told.lock().unwrap().send(headers).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).is_ok()
    });
    (backend, heard)
}

fn tracing(collector: &str, adjust: impl FnOnce(&mut Traces)) -> World {
    World::with(|config| {
        let mut traces = Traces::to(collector);
        traces.service = "gate".to_owned();
        adjust(&mut traces);
        config.traces = Some(traces);
    })
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    let value = found.map(|attribute| &attribute["value"]);
    value
        .and_then(|value| value.as_object()?.values().next())
        .unwrap_or(&Value::Null)
}

#[test]
fn the_instance_is_told_of_the_span_that_is_exported() {
    let (backend, heard) = telling();
    let collector = Collector::new(|_| TAKEN);
    let world = tracing(&collector.url(), |_| ());
    let address = world.apply(&table(1, [side("web@r1", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    let carried = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    let lines = [
        carried.as_str(),
        "tracestate: a=1",
        "tracestate: b=2",
        "user-agent: browser/1",
    ];
    let answered = visitor.ask("GET", "/cart?token=secret", &lines);
    let [parent, state] = heard.recv().unwrap();
    let [parent] = &parent[..] else {
        panic!("one traceparent: {parent:?}");
    };
    assert_eq!(state, ["a=1", "b=2"]);
    let span = collector.spans(1).remove(0);
    assert_eq!(span["traceId"], TRACE);
    assert_eq!(span["parentSpanId"], SPAN);
    let id = span["spanId"].as_str().unwrap();
    assert_ne!(id, SPAN);
    assert_eq!(*parent, format!("00-{TRACE}-{id}-01"));
    assert_eq!(span["kind"], 2);
    assert_eq!(span["name"], "GET");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/cart"),
        ("url.query", ""),
        ("server.address", "site.example"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "browser/1"),
        ("leadsman.side", "web@r1"),
        ("leadsman.request_id", answered.header("x-request-id")[0]),
    ] {
        let is = attribute(&span, key).as_str().unwrap_or_default();
        assert_eq!(is, value, "{key}");
    }
    let [start, end] = ["startTimeUnixNano", "endTimeUnixNano"].map(|key| {
        let nanos: u64 = span[key].as_str().unwrap().parse().unwrap();
        nanos
    });
    assert!(
        start <= end && end - start < 20_000_000_000,
        "{start} {end}"
    );
}

#[test]
fn a_trace_begins_here_where_none_came_or_none_that_is_valid() {
    let (backend, heard) = telling();
    let collector = Collector::new(|_| TAKEN);
    let world = tracing(&collector.url(), |_| ());
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    let zero = format!("traceparent: 00-{}-{SPAN}-01", "0".repeat(32));
    let valid = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    for lines in [
        &[][..],
        &["tracestate: a=1"],
        &[&zero, "tracestate: a=1"],
        &[&valid, &valid, "tracestate: a=1"],
    ] {
        visitor.ask("GET", "/", lines);
        let [parent, state] = heard.recv().unwrap();
        assert_eq!((parent.len(), state.len()), (1, 0), "{lines:?}");
        assert!(!parent[0].contains(TRACE), "{parent:?}");
    }
    // What others have noted in nonsense is not passed on, their trace is.
    visitor.ask("GET", "/", &[&valid, "tracestate: NONSENSE"]);
    let [parent, state] = heard.recv().unwrap();
    assert!(
        parent[0].contains(TRACE) && state.is_empty(),
        "{parent:?} {state:?}"
    );
    let spans = collector.spans(5);
    let roots = spans
        .iter()
        .filter(|span| span.get("parentSpanId").is_none());
    assert_eq!(roots.count(), 4);
}

#[test]
fn who_is_trusted_decides_what_is_sampled_and_chance_for_all_others() {
    let (backend, heard) = telling();
    let collector = Collector::new(|_| TAKEN);
    let world = tracing(&collector.url(), |traces| traces.share = 0.0);
    let mut some = table(1, [side("web", 10_000, &[backend.address])]);
    let mut visitor = Visitor::new(world.apply(&some));
    let mut ask = |flags: &str| {
        let carried = format!("traceparent: 00-{TRACE}-{SPAN}-{flags}");
        visitor.ask("GET", &format!("/{flags}"), &[&carried]);
        let [parent, _] = heard.recv().unwrap();
        assert!(parent[0].starts_with(&format!("00-{TRACE}-")), "{parent:?}");
        assert!(!parent[0].contains(SPAN), "{parent:?}");
        parent[0][53..].to_owned()
    };
    assert_eq!(ask("00"), "00");
    assert_eq!(ask("01"), "01");
    // Nobody from outside fills the collector.
    some.generation = 2;
    some.listeners[0].trusted = Vec::new();
    world.apply(&some);
    assert_eq!(ask("01"), "00");
    drop(world);
    let spans = collector.spans(1);
    assert_eq!(spans.len(), 1);
    assert_eq!(attribute(&spans[0], "url.path"), "/01");
}

#[test]
fn without_tracing_its_headers_are_passed_on_untouched() {
    let (backend, heard) = telling();
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.ask(
        "GET",
        "/",
        &["traceparent: whatever", "tracestate: NONSENSE"],
    );
    let [parent, state] = heard.recv().unwrap();
    assert_eq!(
        (parent, state),
        (vec!["whatever".to_owned()], vec!["NONSENSE".to_owned()])
    );
}

#[test]
fn spans_are_sent_many_at_a_time_and_again_where_that_makes_sense() {
    let backend = Backend::named("ok");
    let collector = Collector::new(|number| if number == 0 { BUSY } else { TAKEN });
    let mut world = tracing(&collector.url(), |_| ());
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for _ in 0..600 {
        visitor.get("/");
    }
    let told = eventually("600 spans", || {
        let told = world.status().told;
        (told.spans == 600).then_some(told)
    });
    assert_eq!(told.spans_dropped, 0);
    let batches = collector
        .batches
        .lock()
        .unwrap()
        .iter()
        .map(Vec::len)
        .collect::<Vec<_>>();
    assert_eq!(batches.iter().sum::<usize>(), 600);
    assert!(batches.iter().all(|length| *length <= 512), "{batches:?}");
    assert!(batches.len() < 60, "{batches:?}");
    let metrics = world.block_on(world.client().metrics()).unwrap();
    assert!(
        metrics.contains("\nleadsman_proxy_spans_total 600\n"),
        "{metrics}"
    );
    world.stop();
}

#[test]
fn what_a_collector_refuses_is_dropped_and_counted() {
    let backend = Backend::named("ok");
    let collector = Collector::new(|_| WRONG);
    let world = tracing(&collector.url(), |_| ());
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    Visitor::new(address).get("/");
    eventually("a span that is dropped", || {
        let told = world.status().told;
        ((told.spans, told.spans_dropped) == (0, 1)).then_some(())
    });
}

#[test]
fn a_collector_that_is_gone_costs_spans_and_nothing_else() {
    let backend = Backend::named("ok");
    let mut world = tracing(&format!("http://{}", nobody()), |traces| {
        traces.queue_max = 20;
    });
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    let dropped = eventually("spans that are dropped", || {
        for _ in 0..100 {
            assert_eq!(visitor.get("/").status, 200);
        }
        let told = world.status().told;
        assert_eq!(told.spans, 0);
        (told.spans_dropped > 300).then_some(told.spans_dropped)
    });
    let metrics = world.block_on(world.client().metrics()).unwrap();
    assert!(
        metrics.contains("leadsman_proxy_spans_dropped_total"),
        "{dropped}"
    );
    // Nor does it hold up the end.
    drop(visitor);
    let begun = std::time::Instant::now();
    world.stop();
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
