//! Users who keep their connections, as browsers do: each asks, reads the answer, thinks, and asks
//! again.
//!
//! A browser that finds a connection closed which it has used before, before a byte of the answer
//! came, asks once more on a new one, for it cannot know whether the server closed it at just that
//! moment. So do these; how often that happened is counted by itself.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::certificate::HOST;

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a user thinks between an answer and the next request, on average.
const THINK: Duration = Duration::from_millis(50);

/// How many letters of each body are kept; what is longer is all the same letter.
const BODY_KEPT_MAX: usize = 256;

/// Users, as long as they are held.
pub(super) struct Users {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Visit>>>,
}

/// Where users go.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// How they encrypt, if they do.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Place {
    /// Asks once, on a connection of its own. Returns the body of a good answer.
    pub(super) fn ask(&self) -> Result<String, String> {
        match ask(None, self, &Wish::look()) {
            Ok((_, body)) => Ok(body),
            Err(Lost::Silent(why) | Lost::Broken(why)) => Err(why),
        }
    }
}

/// What a user asks for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) path: String,
    /// How many bytes are sent with it; with one or more it is a `POST`.
    pub(super) body: usize,
    /// What it is called in `x-request-id`.
    pub(super) name: Option<String>,
    /// Whether it goes out on a connection of its own: who sends what may not be done twice could
    /// not ask again on a connection that turns out to be closed.
    pub(super) alone: bool,
}

impl Wish {
    /// Returns the wish of nearly everybody: the front page.
    fn look() -> Self {
        Self {
            path: "/".to_owned(),
            body: 0,
            name: None,
            alone: false,
        }
    }

    fn request(&self, host: SocketAddr) -> String {
        let Self { path, body, .. } = self;
        let method = if *body > 0 { "POST" } else { "GET" };
        let named = |name: &String| format!("x-request-id: {name}\r\n");
        let name = self.name.as_ref().map(named).unwrap_or_default();
        let length = if *body > 0 {
            format!("content-length: {body}\r\n")
        } else {
            String::new()
        };
        let body = "x".repeat(*body);
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{name}{length}\r\n{body}")
    }
}

/// One request of a user.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// What it was called.
    pub(super) name: Option<String>,
    pub(super) asked_at: Instant,
    pub(super) over_at: Instant,
    /// When the connection that it went out on first turned out to be closed.
    pub(super) asked_again_at: Option<Instant>,
    /// What came of it: the body of a good answer, or what was wrong.
    pub(super) came: Result<String, String>,
}

/// What came of all visits.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) visits: Vec<Visit>,
}

impl Users {
    /// Lets `count` users come to `place`.
    pub(super) fn start(place: &Place, count: usize) -> Self {
        Self::asking(place, count, |_, _| Wish::look())
    }

    /// The same where each user, by number, says what is asked for in each visit, by number.
    pub(super) fn asking(place: &Place, count: usize, wish: fn(usize, usize) -> Wish) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let user = |index| {
            let (ends, place) = (Arc::clone(&ends), place.clone());
            std::thread::spawn(move || visit_until(&ends, &place, index, wish))
        };
        let threads = (0..count).map(user).collect();
        Self { ends, threads }
    }

    /// Sends all home, and returns what they have seen.
    pub(super) fn end(mut self) -> Outcome {
        self.ends.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut self.threads).into_iter();
        let visits = threads.flat_map(|thread| thread.join().unwrap());
        Outcome {
            visits: visits.collect(),
        }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

impl Outcome {
    /// Returns the visits that ended without a good answer.
    pub(super) fn failed(&self) -> Vec<&Visit> {
        let failed = |visit: &&Visit| visit.came.is_err();
        self.visits.iter().filter(failed).collect()
    }

    /// Returns how often a connection was closed when it was to be used again.
    pub(super) fn asked_again(&self) -> usize {
        let again = |visit: &&Visit| visit.asked_again_at.is_some();
        self.visits.iter().filter(again).count()
    }
}

fn visit_until(
    ends: &AtomicBool,
    place: &Place,
    index: usize,
    wish: fn(usize, usize) -> Wish,
) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    let mut connection = None;
    while !ends.load(Ordering::SeqCst) {
        let wish = wish(index, visits.len());
        let asked_at = Instant::now();
        let mut asked_again_at = None;
        let used = connection.take().filter(|_| !wish.alone);
        let was_used = used.is_some();
        let mut came = ask(used, place, &wish);
        if let Err(Lost::Silent(_)) = &came
            && was_used
        {
            asked_again_at = Some(Instant::now());
            came = ask(None, place, &wish);
        }
        let over_at = Instant::now();
        let came = match came {
            Ok((kept, body)) => {
                connection = kept;
                Ok(body)
            }
            Err(Lost::Silent(why) | Lost::Broken(why)) => Err(why),
        };
        visits.push(Visit {
            name: wish.name,
            asked_at,
            over_at,
            asked_again_at,
            came,
        });
        // Multiples of the golden ratio fill the unit interval evenly, in no visible order.
        let place = (index * 7 + visits.len()) as f64 * 0.618_033_988_749_895;
        std::thread::sleep(THINK.mul_f64(0.5 + place.fract()));
    }
    visits
}

/// Why there is no answer.
enum Lost {
    /// Not a byte of it came.
    Silent(String),
    /// A part of it came, or it was none.
    Broken(String),
}

/// A connection, encrypted or not.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

type Connection = BufReader<Box<dyn Stream>>;

/// Asks on a connection, or on a new one. Returns the connection if it can be used again.
fn ask(
    connection: Option<Connection>,
    place: &Place,
    wish: &Wish,
) -> Result<(Option<Connection>, String), Lost> {
    let silent = |error: io::Error| Lost::Silent(error.to_string());
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(place).map_err(silent)?,
    };
    let request = wish.request(place.address);
    let asked = connection.get_mut().write_all(request.as_bytes());
    asked.map_err(silent)?;
    let mut head = String::new();
    match connection.read_line(&mut head) {
        Ok(0) => return Err(Lost::Silent("closed without an answer".to_owned())),
        Ok(_) => {}
        Err(error) if head.is_empty() => return Err(silent(error)),
        Err(error) => return Err(Lost::Broken(error.to_string())),
    }
    rest(connection, head).map_err(|error| Lost::Broken(error.to_string()))
}

fn connect(place: &Place) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&place.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let Some(tls) = &place.tls else {
        return Ok(BufReader::new(Box::new(stream)));
    };
    let name = HOST.try_into().map_err(io::Error::other)?;
    let client = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(BufReader::new(Box::new(stream)))
}

/// Reads what follows the first line of an answer.
fn rest(mut connection: Connection, mut head: String) -> io::Result<(Option<Connection>, String)> {
    let (mut length, mut closes) = (0, false);
    let first = head.len();
    loop {
        let begin = head.len();
        if connection.read_line(&mut head)? == 0 {
            return Err(io::Error::other(format!("breaks off: {head:?}")));
        }
        let line = head[begin..].trim().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", text)) => length = text.parse().map_err(io::Error::other)?,
            Some(("connection", "close")) => closes = true,
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    let mut body = String::from_utf8(body).map_err(io::Error::other)?;
    // Long ones say nothing after a few letters, and there are many.
    body = body.chars().take(BODY_KEPT_MAX).collect();
    match &head[..first] {
        line if line.contains(" 200 ") => Ok(((!closes).then_some(connection), body)),
        _ => Err(io::Error::other(format!("{head}{body}"))),
    }
}
