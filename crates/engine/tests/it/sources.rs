//! Metrics read over real sockets, from servers that behave and from servers that do not.

#![expect(clippy::unwrap_used, reason = "what cannot be had here fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leadsman_core::id::{DeploymentNumber, InstanceId, ReleaseNumber, RevisionId};
use leadsman_core::metric::{
    Fold, MetricSource, PrometheusServer, Queried, Query, Selector, Shown,
};
use leadsman_core::time::Timestamp;
use leadsman_engine::{
    Asked, AskedInstance, AskedSide, HttpSources, MetricReader, MetricSources as _, Reading,
};
use leadsman_testkit::World;

/// A server that gives the same answer to everybody, byte by byte as a test says.
struct Server {
    address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    /// What it was asked.
    asked: Receiver<String>,
}

impl Server {
    fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer.into()));
        let (tell, asked) = channel();
        let answers = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, tell) = (Arc::clone(&answers), tell.clone());
                std::thread::spawn(move || answer_one(stream, &answers, &tell));
            }
        });
        Self {
            address,
            answer,
            asked,
        }
    }

    /// Starts a server that shows a page.
    fn showing(page: &str) -> Self {
        Self::start(ok(page))
    }

    fn show(&self, page: &str) {
        *self.answer.lock().unwrap() = ok(page);
    }
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn answer_one(mut stream: TcpStream, answer: &Mutex<Vec<u8>>, tell: &Sender<String>) {
    let mut asked = Vec::new();
    let mut some = [0; 4096];
    while !is_whole(&asked) {
        match stream.read(&mut some) {
            Ok(count) if count > 0 => asked.extend_from_slice(&some[..count]),
            _ => return,
        }
    }
    // Nobody may be interested, and who asked may be gone.
    drop(tell.send(String::from_utf8_lossy(&asked).into_owned()));
    let answer = answer.lock().unwrap().clone();
    drop(stream.write_all(&answer));
    if answer.is_empty() {
        // It never answers: wait until the other side has lost its patience.
        drop(stream.read(&mut some));
    }
}

/// Whether a request has come in whole, its form included.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, form)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    form.len() >= length
}

fn shown(selector: &str) -> Shown {
    Shown {
        selector: Selector::parse(selector).unwrap(),
        path: "/metrics".to_owned(),
        counter: false,
        series: None,
        instances: Fold::Max,
        every: Duration::from_secs(5),
    }
}

fn open(shown: Shown) -> Box<dyn MetricReader> {
    HttpSources.open(&MetricSource::Shown(shown)).unwrap()
}

/// A side of release `release` with these servers as its instances.
fn side(release: u64, servers: &[&Server]) -> AskedSide {
    let instance = |(index, server): (usize, &&Server)| AskedInstance {
        id: InstanceId::from_text(format!("web.r{release}.{index}")),
        address: server.address,
        started_at: Timestamp::from_millis(0),
    };
    AskedSide {
        revision: RevisionId {
            service: "web".parse().unwrap(),
            release: ReleaseNumber(release),
            deployment: DeploymentNumber(release),
        },
        instances: servers.iter().enumerate().map(instance).collect(),
    }
}

fn asked(seconds: u64, canary: AskedSide, baseline: Option<AskedSide>) -> Asked {
    Asked {
        environment: World::environment(),
        now: Timestamp::from_millis(seconds * 1000),
        since: Timestamp::from_millis(0),
        canary,
        baseline,
    }
}

#[tokio::test]
async fn pages_of_both_sides_become_one_value_each() {
    let servers = [
        Server::showing("jobs 3\n"),
        Server::showing("jobs 5\nother 9\n"),
        Server::showing("other 9\n"),
        Server::showing("jobs 2\n"),
    ];
    let [one, two, three, stable] = servers.each_ref();
    for (fold, value) in [
        (Fold::Max, 5.0),
        (Fold::Min, 3.0),
        (Fold::Sum, 8.0),
        (Fold::Mean, 4.0),
    ] {
        let shown = Shown {
            instances: fold,
            ..shown("jobs")
        };
        let (canary, baseline) = (side(2, &[one, two, three]), side(1, &[stable]));
        let read = open(shown).read(&asked(10, canary, Some(baseline))).await;
        let reading = Reading {
            seconds: 5.0,
            canary: Some(value),
            baseline: Some(2.0),
        };
        assert_eq!(read, Ok(vec![reading]));
    }
    let said = one.asked.recv().unwrap();
    assert!(said.starts_with("GET /metrics HTTP/1.1\r\n"), "{said}");
    let host = format!("host: {}\r\n", one.address);
    assert!(said.contains(&host), "{said}");
}

#[tokio::test]
async fn without_an_instance_or_the_metric_there_is_no_value() {
    let server = Server::showing("other 1\njobs NaN\n");
    for canary in [side(2, &[]), side(2, &[&server])] {
        let read = open(shown("jobs")).read(&asked(10, canary, None)).await;
        let readings = read.unwrap();
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].canary, None);
    }
}

#[tokio::test]
async fn counters_are_read_as_growth_per_second() {
    let server = Server::showing("sent{to=\"a\"} 100\nsent{to=\"b\"} 7\n");
    let mut reader = open(Shown {
        counter: true,
        series: Some(Fold::Sum),
        ..shown("sent")
    });
    for (second, page, value) in [
        (10, "sent{to=\"a\"} 100\nsent{to=\"b\"} 7\n", None),
        (14, "sent{to=\"a\"} 108\nsent{to=\"b\"} 11\n", Some(3.0)),
        (16, "sent{to=\"a\"} 4\nsent{to=\"b\"} 11\n", Some(2.0)),
    ] {
        server.show(page);
        let asked = asked(second, side(2, &[&server]), None);
        let readings = reader.read(&asked).await.unwrap();
        assert_eq!(readings[0].canary, value, "{second}");
    }
}

#[tokio::test]
async fn a_page_that_tells_nothing_is_an_error_that_names_the_instance() {
    let long = format!("{}\r\n", "# x\n".repeat(3 << 20));
    for (answer, why) in [
        (
            ok("jobs{queue=\"mail\"} 1\njobs{queue=\"print\"} 2\n"),
            "2 series where one is wanted: {queue=\"mail\"}, {queue=\"print\"}",
        ),
        (
            ok("<!doctype html>"),
            "line 1 is not in the text format of Prometheus: `<!doctype html>`",
        ),
        (ok(&long), "the answer is longer than 8 MiB"),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "it answers with 404 Not Found",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                .to_vec(),
            "it answers with 302 Found",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec(),
            "its page is not text",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\njobs 1\n".to_vec(),
            "the answer broke off",
        ),
        (b"\0\0\0\0\r\n\r\n".to_vec(), "the answer broke off"),
    ] {
        let server = Server::start(answer);
        let asked = asked(10, side(2, &[&server]), None);
        let error = open(shown("jobs")).read(&asked).await.unwrap_err();
        let begin = format!("`/metrics` of web.r2.0: {why}");
        assert!(error.starts_with(&begin), "{error}");
    }
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_an_error() {
    let server = Server::showing("");
    let mut asked = asked(10, side(2, &[&server]), None);
    // Nothing listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    asked.canary.instances[0].address = free.local_addr().unwrap();
    drop(free);
    let error = open(shown("jobs")).read(&asked).await.unwrap_err();
    assert!(error.contains("Connection refused"), "{error}");
}

// The test's own time stands still while something happens, and jumps to the end of the patience
// when nothing does any more.
#[tokio::test(start_paused = true)]
async fn who_never_answers_is_not_waited_for_longer_than_a_few_seconds() {
    let server = Server::start("");
    let asked = asked(10, side(2, &[&server]), None);
    let error = open(shown("jobs")).read(&asked).await.unwrap_err();
    assert!(error.ends_with("no answer within 5 s"), "{error}");
}

fn queried(server: &Server, query: &str, token_file: Option<String>) -> Box<dyn MetricReader> {
    let queried = Queried {
        server: PrometheusServer {
            url: format!("http://{}/base", server.address),
            token_file,
        },
        query: Query::parse(query).unwrap(),
        every: Duration::from_secs(10),
    };
    HttpSources.open(&MetricSource::Queried(queried)).unwrap()
}

#[tokio::test]
async fn prometheus_is_asked_for_closed_windows_of_each_side() {
    let page = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[20,"1.5"],[30,"2.5"],[1e300,"9"]]}]}}"#;
    let server = Server::showing(page);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let token = token.display().to_string();
    let mut reader = queried(&server, "x{i=~\"$INSTANCES\",r=\"$RELEASE\"}", Some(token));
    let question = asked(45, side(2, &[&server]), Some(side(1, &[&server])));
    let readings = reader.read(&question).await.unwrap();
    let reading = |value| Reading {
        seconds: 10.0,
        canary: value,
        baseline: value,
    };
    // What ended at 10 s had no value; what ends at 40 s is not closed yet.
    assert_eq!(readings, [None, Some(1.5), Some(2.5)].map(reading));
    for release in [2, 1] {
        let said = server.asked.recv().unwrap();
        let port = server.address.port();
        let form = format!(
            "query=x%7Bi%3D~%22127%5B.%5D0%5B.%5D0%5B.%5D1%3A{port}%22%2Cr%3D%22{release}%22%7D\
             &start=10.000&end=30.000&step=10.000&timeout=5s"
        );
        assert!(said.ends_with(&form), "{said}");
        let head = "POST /base/api/v1/query_range HTTP/1.1\r\n";
        assert!(said.starts_with(head), "{said}");
        assert!(said.contains("authorization: Bearer s3cret\r\n"), "{said}");
    }
    // Nothing new has closed since.
    assert_eq!(reader.read(&question).await, Ok(vec![]));
    // Side by side with nothing, an empty pattern would match what is not meant.
    let question = asked(55, side(2, &[]), None);
    let readings = reader.read(&question).await.unwrap();
    assert_eq!(readings.len(), 1);
    assert_eq!(readings[0].canary, None);
    assert!(server.asked.try_recv().is_err(), "nobody was asked");
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_an_error_without_the_token() {
    let server = Server::showing("");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let question = asked(45, side(2, &[&server]), None);
    for (content, why) in [
        (None, "read its token from"),
        (Some(" \n"), "holds no token"),
        (Some("two\nlines"), "holds no token"),
        (Some("s\u{1}cret"), "holds no token"),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let mut reader = queried(&server, "up", Some(path.display().to_string()));
        let error = reader.read(&question).await.unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("cret") && !error.contains("two"), "{error}");
    }
}

#[tokio::test]
async fn windows_that_could_not_be_had_are_asked_for_again() {
    let said = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    let refusal = String::from_utf8(ok(said)).unwrap();
    let server = Server::start(refusal.replace("200 OK", "400 Bad Request"));
    let mut reader = queried(&server, "sum(", None);
    let error = reader.read(&asked(30, side(2, &[]), None)).await;
    let error = error.unwrap_err();
    assert!(
        error.contains("refuses the query: bad_data: parse error"),
        "{error}"
    );
    server.show(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#);
    let readings = reader.read(&asked(50, side(2, &[]), None)).await.unwrap();
    assert_eq!(readings.len(), 4, "{readings:?}");
}
