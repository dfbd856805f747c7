//! A proxy, services behind it, and clients in front of it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use leadsman_proxy::control::{Client, ClientError, CutShort, Status};
use leadsman_proxy::table::{HealthCheck, Instance, Listener, Rule, Service, Side, Table};
use leadsman_proxy::{Config, Proxy, SideFigures, Window};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The listener of most tests; the system chooses the port.
pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits until `condition` returns something.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A proxy with a state folder of its own.
pub(crate) struct World {
    _folder: TempDir,
    pub(crate) config: Config,
    proxy: Option<Proxy>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// Starts a proxy whose configuration is adjusted by `adjust`.
    pub(crate) fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(folder.path().join("state"), folder.path().join("socket"));
        config.cores = Some(2);
        config.probe_interval = Duration::from_millis(50);
        // Whatever is tested is tested with connections that rest whenever they can.
        config.rest_after = Duration::from_millis(1);
        config.drain_timeout = Duration::from_secs(5);
        config.linger = Duration::from_secs(2);
        adjust(&mut config);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let proxy = Some(Proxy::start(config.clone()).unwrap());
        Self {
            _folder: folder,
            config,
            proxy,
            runtime,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config.socket)
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Applies `table` and returns where the listener accepts connections. Like any caller it asks
    /// again when the disk was slow: on a busy machine a write has been seen to stand for seconds.
    pub(crate) fn apply(&self, table: &Table) -> SocketAddr {
        let client = self.client();
        let mut answer = self.block_on(client.apply(table));
        if matches!(answer, Err(ClientError::TimedOut { .. })) {
            answer = self.block_on(client.apply(table));
        }
        let applied = answer.unwrap();
        assert_eq!(applied.generation, table.generation);
        assert_eq!(applied.problems, BTreeMap::new());
        self.address()
    }

    pub(crate) fn status(&self) -> Status {
        self.block_on(self.client().status()).unwrap()
    }

    /// Returns where the only listener accepts connections.
    pub(crate) fn address(&self) -> SocketAddr {
        *self
            .status()
            .bound
            .values()
            .next()
            .expect("a listener is bound")
    }

    /// Returns what was counted for `side` so far, once `enough` says so.
    pub(crate) fn figures(&self, side: &str, enough: impl Fn(&SideFigures) -> bool) -> SideFigures {
        self.figures_in(|window| window.sides.get(side), side, enough)
    }

    /// The same of what `of` finds in a window.
    pub(crate) fn figures_in(
        &self,
        of: impl Fn(&Window) -> Option<&SideFigures>,
        what: &str,
        enough: impl Fn(&SideFigures) -> bool,
    ) -> SideFigures {
        eventually(&format!("figures of `{what}`"), || {
            let mut sum = SideFigures::default();
            for window in self.block_on(self.client().windows(0)).unwrap() {
                if let Some(figures) = of(&window) {
                    sum.figures.add(&figures.figures);
                    for (sum, count) in sum.status.iter_mut().zip(figures.status) {
                        *sum += count;
                    }
                    if let Some(reference) = &figures.reference {
                        sum.reference.get_or_insert_default().add(reference);
                    }
                }
            }
            enough(&sum).then_some(sum)
        })
    }

    /// Waits until the proxy has answered itself so often for this reason.
    pub(crate) fn refused(&self, reason: &str, times: u64) {
        eventually(&format!("{times} refusals by `{reason}`"), || {
            let windows = self.block_on(self.client().windows(0)).unwrap();
            let of_window = windows
                .iter()
                .filter_map(|window| window.refused.get(reason));
            (of_window.sum::<u64>() == times).then_some(())
        });
    }

    /// Makes `next` the proxy of this world, and returns the one before.
    pub(crate) fn exchange(&mut self, next: Proxy) -> Option<Proxy> {
        self.proxy.replace(next)
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub(crate) fn start(&mut self) {
        self.proxy = Some(Proxy::start(self.config.clone()).unwrap());
    }

    pub(crate) fn stop(&mut self) -> CutShort {
        self.proxy.take().unwrap().shutdown().unwrap()
    }
}

/// Builds the table of most tests: one listener, one service, all paths.
pub(crate) fn table(generation: u64, sides: impl IntoIterator<Item = Side>) -> Table {
    let service = Service {
        sides: sides.into_iter().collect(),
        ..Service::default()
    };
    let rule = Rule {
        host: None,
        path: "/".to_owned(),
        service: "web".to_owned(),
        ..Rule::default()
    };
    let services = BTreeMap::from([("web".to_owned(), service)]);
    let listener = Listener {
        rules: vec![rule],
        services,
        ..Listener::at(any_port())
    };
    Table {
        generation,
        listeners: vec![listener],
        ..Table::default()
    }
}

/// A side whose instances are named after it and watched over in no way.
pub(crate) fn side(name: &str, weight: u32, instances: &[SocketAddr]) -> Side {
    checked_side(name, weight, instances, None)
}

pub(crate) fn checked_side(
    name: &str,
    weight: u32,
    instances: &[SocketAddr],
    health: Option<HealthCheck>,
) -> Side {
    let instances = instances.iter().enumerate().map(|(index, address)| {
        (
            format!("{name}-{index}"),
            Instance {
                address: (*address).into(),
                health: health.clone(),
            },
        )
    });
    Side {
        name: name.to_owned(),
        weight,
        instances: instances.collect(),
        ..Side::default()
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    // Bound but not listening: connections are refused, and nobody else gets the port.
    static HELD: std::sync::OnceLock<(socket2::Socket, SocketAddr)> = std::sync::OnceLock::new();
    HELD.get_or_init(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&any_port().into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    })
    .1
}

/// A request as a service sees it.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The request line and the headers, as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// Returns all values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }
}

fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// A service behind the proxy. It speaks as plain a HTTP as possible, so that what it sees and
/// says is exact.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Backend {
    /// Answers every request with status 200 and `name`.
    pub(crate) fn named(name: &str) -> Self {
        Self::named_on(TcpListener::bind(any_port()).unwrap(), name)
    }

    /// The same, at an address that was taken before.
    pub(crate) fn named_on(listener: TcpListener, name: &str) -> Self {
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
        Self::responding(listener, move |_, stream| {
            stream.write_all(answer.as_bytes()).is_ok()
        })
    }

    /// Writes `answer` for every request.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::with(move |_, stream| stream.write_all(&answer).is_ok())
    }

    /// Calls `respond` for every request; the connection is kept while that returns true.
    pub(crate) fn with(
        respond: impl Fn(Received, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::responding(TcpListener::bind(any_port()).unwrap(), respond)
    }

    /// Calls `serve` on every connection until it returns false.
    pub(crate) fn raw(
        serve: impl Fn(&mut BufReader<TcpStream>, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(any_port()).unwrap();
        Self::on(listener, move |reader, stream, _| serve(reader, stream))
    }

    fn responding(
        listener: TcpListener,
        respond: impl Fn(Received, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::on(listener, move |reader, stream, requests| {
            receive(reader).is_some_and(|received| {
                requests.fetch_add(1, Ordering::SeqCst);
                respond(received, stream)
            })
        })
    }

    fn on(
        listener: TcpListener,
        serve: impl Fn(&mut BufReader<TcpStream>, &mut TcpStream, &AtomicUsize) -> bool
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let service = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
            closed: Arc::default(),
        };
        let (connections, requests) = (
            Arc::clone(&service.connections),
            Arc::clone(&service.requests),
        );
        let closed = Arc::clone(&service.closed);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (serve, requests) = (Arc::clone(&serve), Arc::clone(&requests));
                std::thread::spawn(move || {
                    let Ok(mut stream) = stream else { return };
                    stream.set_nodelay(true).unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while serve(&mut reader, &mut stream, &requests) {}
                });
            }
        });
        service
    }

    /// Returns how many requests it has received. It counts one before it answers, so whoever has the
    /// answer finds it counted. Of a `raw` one only its test knows where a request ends: it counts none.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// Reads a head up to and including its empty line; `None` at the end of the connection.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head[start..].trim().is_empty() {
            return Some(head);
        }
    }
}

/// Reads a request with its body.
pub(crate) fn receive(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let head = read_head(reader)?;
    let mut body = Vec::new();
    if values(&head, "transfer-encoding") == ["chunked"] {
        body = read_chunks(reader)?;
    } else if let [length] = values(&head, "content-length")[..] {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).ok()?;
    }
    Some(Received { head, body })
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = read_chunk(reader) {
        if chunk.is_empty() {
            return Some(body);
        }
        body.extend(chunk);
    }
    None
}

/// Reads one chunk of a chunked body; the last one is empty.
pub(crate) fn read_chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut chunk = vec![0; usize::from_str_radix(line.trim(), 16).ok()? + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(chunk.len() - 2);
    Some(chunk)
}

/// An answer as a client sees it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A connection to the proxy.
pub(crate) struct Visitor {
    pub(crate) stream: TcpStream,
    pub(crate) reader: BufReader<TcpStream>,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self {
            reader: BufReader::new(stream.try_clone().unwrap()),
            stream,
        }
    }

    /// Sends a request without a body, with these lines in its head, and reads the answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, lines: &[&str]) -> Answered {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(&format!(
            "{method} {path} HTTP/1.1\r\nhost: site.example\r\n{lines}\r\n"
        ));
        self.answer().expect("an answer")
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Asks for `path`, and leaves the answer for later.
    pub(crate) fn ask_for(&mut self, path: &str) {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: site.example\r\n\r\n"
        ));
    }

    /// Gets `path` and keeps the connection.
    pub(crate) fn get(&mut self, path: &str) -> Answered {
        self.ask_for(path);
        self.answer().expect("an answer")
    }

    /// Reads an answer with its body, however it is delimited.
    pub(crate) fn answer(&mut self) -> Option<Answered> {
        let mut answered = self.answer_head()?;
        if values(&answered.head, "transfer-encoding") == ["chunked"] {
            answered.body = read_chunks(&mut self.reader)?;
        } else if let [length] = values(&answered.head, "content-length")[..] {
            answered.body.resize(length.parse().unwrap(), 0);
            self.reader.read_exact(&mut answered.body).ok()?;
        } else if ![204, 304].contains(&answered.status) {
            self.reader.read_to_end(&mut answered.body).ok()?;
        }
        Some(answered)
    }

    /// Says whether the proxy ends the connection, rather than just saying nothing.
    pub(crate) fn is_cut_off(&mut self) -> bool {
        match self.reader.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Reads only the head of an answer.
    pub(crate) fn answer_head(&mut self) -> Option<Answered> {
        let head = read_head(&mut self.reader)?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answered {
            status,
            head,
            body: Vec::new(),
        })
    }
}

/// Gets `path` on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answered {
    Visitor::new(address).get(path)
}
