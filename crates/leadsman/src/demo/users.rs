//! The virtual users: each keeps one connection, asks, reads the answer, thinks, and asks again.
//!
//! They live on a thread of their own, so that the story's own work never makes them late, and all
//! on that one thread, so that counting takes no lock. They know nothing of Leadsman but the two
//! headers that tell who answered.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::{sleep, timeout};

use super::tally::{Outcome, Tally};

/// How long a user thinks between an answer and the next request, on average.
const THINK: Duration = Duration::from_millis(100);

/// How long a user waits for an answer before giving up: far longer than any release takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the first user looks whether anybody serves yet.
const SCOUT_EVERY: Duration = Duration::from_millis(5);

/// By which a service tells the number of its release.
const RELEASE: &str = "x-release";

/// By which the data plane says that it speaks itself, and why.
const REASON: &str = "x-leadsman-reason";

/// The users, as long as they are held.
pub(super) struct Users {
    /// `None` once they are to stop.
    asks: Option<mpsc::UnboundedSender<Ask>>,
    /// When the first answer of a release was there.
    first_served: Option<oneshot::Receiver<Instant>>,
    thread: Option<JoinHandle<()>>,
}

/// What the story wants to know.
enum Ask {
    /// What was counted since the last [`Ask::Take`].
    Look(oneshot::Sender<Tally>),
    /// The same, and counting begins anew.
    Take(oneshot::Sender<Tally>),
}

impl Users {
    /// Lets `count` users come to `address`. One of them looks again and again until a release
    /// answers; what happens before that is not counted. Then all others come, too.
    pub(super) fn start(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to prepare the virtual users")?;
        let (asks, asked) = mpsc::unbounded_channel();
        let (first, first_served) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("users".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, crowd(address, count, asked, first));
            })
            .context("failed to start the virtual users")?;
        Ok(Self {
            asks: Some(asks),
            first_served: Some(first_served),
            thread: Some(thread),
        })
    }

    /// Waits for the first answer of a release and says when it was there. To be called once.
    pub(super) async fn first_served(&mut self) -> anyhow::Result<Instant> {
        let first = self.first_served.take().context(GONE)?;
        first.await.context(GONE)
    }

    /// Returns what was counted since it was last taken.
    pub(super) async fn look(&self) -> anyhow::Result<Tally> {
        self.ask(Ask::Look).await
    }

    /// Returns what was counted since it was last taken, and begins anew.
    pub(super) async fn take(&self) -> anyhow::Result<Tally> {
        self.ask(Ask::Take).await
    }

    async fn ask(&self, ask: impl FnOnce(oneshot::Sender<Tally>) -> Ask) -> anyhow::Result<Tally> {
        let (answer, answered) = oneshot::channel();
        let asks = self.asks.as_ref().context(GONE)?;
        asks.send(ask(answer)).ok().context(GONE)?;
        answered.await.context(GONE)
    }
}

const GONE: &str = "the virtual users are gone";

impl Drop for Users {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it anything any more; requests under way end with it.
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say: what it counted was asked for before.
            drop(thread.join());
        }
    }
}

async fn crowd(
    address: SocketAddr,
    count: usize,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    first: oneshot::Sender<Instant>,
) {
    let tally = Rc::new(RefCell::new(Tally::default()));
    let counted = Rc::clone(&tally);
    tokio::task::spawn_local(async move {
        let scout = scout(address).await;
        // Nobody waits for it when the story has ended early.
        let _story_ended = first.send(Instant::now());
        let newcomers = (1..count).map(|_| Visitor::new(address));
        for (index, visitor) in std::iter::once(scout).chain(newcomers).enumerate() {
            tokio::task::spawn_local(visit_for_ever(index, visitor, Rc::clone(&counted)));
        }
    });
    while let Some(ask) = asked.recv().await {
        // The answer is dropped if nobody waits for it any more.
        match ask {
            Ask::Look(answer) => drop(answer.send(tally.borrow().clone())),
            Ask::Take(answer) => drop(answer.send(tally.take())),
        }
    }
}

/// Looks until a release answers, and returns the visitor whom it answered.
async fn scout(address: SocketAddr) -> Visitor {
    let mut visitor = Visitor::new(address);
    while !matches!(
        visitor.visit().await,
        Outcome::Answered { error: false, .. }
    ) {
        sleep(SCOUT_EVERY).await;
    }
    visitor
}

async fn visit_for_ever(index: usize, mut visitor: Visitor, tally: Rc<RefCell<Tally>>) {
    for count in 0.. {
        sleep(think(index, count)).await;
        let asked_at = Instant::now();
        let outcome = visitor.visit().await;
        let now = Instant::now();
        tally.borrow_mut().count(outcome, now - asked_at, now);
    }
}

/// Returns how long user `index` thinks before request `count`: from half to one and a half times
/// the average, spread evenly and the same in every run.
fn think(index: usize, count: u32) -> Duration {
    // Multiples of the golden ratio fill the unit interval evenly, in no visible order.
    let place = (index as f64 * 7.0 + f64::from(count)) * 0.618_033_988_749_895;
    THINK.mul_f64(0.5 + place.fract())
}

/// One user's browser: it keeps its connection, and makes a new one when that is closed.
struct Visitor {
    address: SocketAddr,
    request: Request<Empty<Bytes>>,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Visitor {
    fn new(address: SocketAddr) -> Self {
        let request = Request::get("/")
            .header("host", address.to_string())
            .body(Empty::new())
            .expect("an address is a valid header");
        Self {
            address,
            request,
            connection: None,
        }
    }

    /// Sends one request and waits for its whole answer.
    async fn visit(&mut self) -> Outcome {
        let outcome = match timeout(PATIENCE, self.ask()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(seen)) => Outcome::Failed(seen),
            Err(_) => Outcome::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if matches!(outcome, Outcome::Failed(_)) {
            self.connection = None;
        }
        outcome
    }

    async fn ask(&mut self) -> Result<Outcome, String> {
        let response = self.send().await?;
        let (head, body) = response.into_parts();
        let whole = body.collect().await;
        whole.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(outcome(head.status, &head.headers))
    }

    /// Sends the request on the connection that is there, if it is still open, else on a new one.
    async fn send(&mut self) -> Result<Response<Incoming>, String> {
        if let Some(connection) = &mut self.connection
            && connection.sender.ready().await.is_ok()
        {
            match connection
                .sender
                .try_send_request(self.request.clone())
                .await
            {
                Ok(response) => return Ok(response),
                Err(mut error) => {
                    // The message comes back where nothing of it was sent: the connection was
                    // closed at just that moment, which is as good as closed before.
                    if error.take_message().is_none() {
                        return Err(format!("no answer: {}", error.error()));
                    }
                }
            }
        }
        let connection = self.connection.insert(connect(self.address).await?);
        let sent = connection.sender.send_request(self.request.clone()).await;
        sent.map_err(|error| format!("no answer: {error}"))
    }
}

async fn connect(address: SocketAddr) -> Result<Connection, String> {
    let failed = |error: std::io::Error| format!("no connection: {error}");
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    // Small requests must not wait for the acknowledgement of earlier ones.
    stream.set_nodelay(true).map_err(failed)?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| format!("no connection: {error}"))?;
    // Whoever waits for an answer is told of its errors.
    let driver = tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Connection {
        sender,
        driver: driver.abort_handle(),
    })
}

/// Says who answered, and how.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(reason) = text(REASON) {
        return Outcome::Failed(format!("the data plane answered {status}: {reason}"));
    }
    match text(RELEASE).and_then(|release| release.parse().ok()) {
        Some(release) => Outcome::Answered {
            release,
            error: status.is_server_error(),
        },
        None => Outcome::Failed(format!("{status} from somebody who is no release")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http::Response;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn who_answered_is_told_by_the_headers() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            });
            pairs.collect::<HeaderMap>()
        };
        let answered = |release, error| Outcome::Answered { release, error };
        for (status, pairs, expected) in [
            (200, &[(RELEASE, "7")][..], answered(7, false)),
            (404, &[(RELEASE, "7")], answered(7, false)),
            (500, &[(RELEASE, "7")], answered(7, true)),
            (
                502,
                &[(REASON, "unreachable")],
                Outcome::Failed("the data plane answered 502 Bad Gateway: unreachable".to_owned()),
            ),
            (
                200,
                &[],
                Outcome::Failed("200 OK from somebody who is no release".to_owned()),
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome(status, &headers(pairs)), expected);
        }
    }

    #[test]
    fn thinking_takes_as_long_as_it_should_and_is_spread() {
        let times: Vec<Duration> = (0..150)
            .flat_map(|index| (0..20).map(move |count| think(index, count)))
            .collect();
        let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap();
        assert!((95..=105).contains(&mean.as_millis()), "{mean:?}");
        let short = times
            .iter()
            .filter(|time| **time < THINK.mul_f64(0.6))
            .count();
        assert!((200..=400).contains(&short), "{short} of {}", times.len());
    }

    /// Serves on one connection: two answers, the second one the last.
    async fn serve_twice(stream: TcpStream) {
        let count = Cell::new(0);
        let respond = service_fn(|_| {
            count.set(count.get() + 1);
            let mut response = Response::new(Empty::<Bytes>::new());
            let headers = response.headers_mut();
            headers.insert(RELEASE, http::HeaderValue::from_static("3"));
            if count.get() == 2 {
                headers.insert("connection", http::HeaderValue::from_static("close"));
            }
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        });
        drop(
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), respond)
                .await,
        );
    }

    #[test]
    fn a_visitor_keeps_the_connection_and_makes_a_new_one_when_it_is_closed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connections = Rc::new(Cell::new(0));
            let accepted = Rc::clone(&connections);
            let server = tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    accepted.set(accepted.get() + 1);
                    tokio::task::spawn_local(serve_twice(stream));
                }
            });
            let mut visitor = Visitor::new(address);
            for count in 1..=6 {
                let expected = Outcome::Answered {
                    release: 3,
                    error: false,
                };
                assert_eq!(visitor.visit().await, expected, "request {count}");
            }
            assert_eq!(connections.get(), 3);
            server.abort();
            drop(server.await);
            // Nobody listens any more, and the connection was closed: a failure of the platform.
            let outcome = visitor.visit().await;
            let refused = |seen: &String| seen.starts_with("no connection");
            assert!(
                matches!(&outcome, Outcome::Failed(seen) if refused(seen)),
                "{outcome:?}"
            );
        });
    }

    #[test]
    fn users_come_once_somebody_serves_and_count_what_they_see() {
        // Connections wait until somebody accepts them.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut users = Users::start(listener.local_addr().unwrap(), 5).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            assert_eq!(users.look().await.unwrap().requests(), 0);
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve_twice(stream));
                }
            });
            users.first_served().await.unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            let seen = loop {
                let seen = users.look().await.unwrap();
                if seen.answers_of(3) >= 20 {
                    break seen;
                }
                assert!(Instant::now() < deadline, "{seen:?}");
                sleep(Duration::from_millis(5)).await;
            };
            assert_eq!(seen.failures, Default::default());
            assert!(users.take().await.unwrap().requests() >= seen.requests());
            assert!(users.look().await.unwrap().requests() < seen.requests());
        });
    }
}
