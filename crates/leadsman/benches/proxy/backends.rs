//! What stands behind the proxies: two groups of two instances each, which answer at once.
//!
//! All of them are one thread of this process with one `read` and one `write` for each request,
//! which is less than any web server needs: on two cores they share one with the load generator,
//! and what they take there bounds the rate at which a proxy can be asked. It also counts exactly
//! what each group answered, at no price.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::case::Body;
use crate::polling::Polling;

/// How many instances a group has.
const INSTANCES: usize = 2;

/// Of each hundred requests, so many are for the first group and for the second.
pub(crate) const SHARES: [u32; 2] = [90, 10];

/// The backends, for as long as the program runs.
pub(crate) struct Backends {
    /// The instances of each group.
    pub(crate) groups: [Vec<SocketAddr>; 2],
    /// Answers begun, of each group.
    answered: Arc<[AtomicU64; 2]>,
}

impl Backends {
    /// Starts them on the cores of this thread.
    pub(crate) fn start() -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut groups = [Vec::new(), Vec::new()];
        for (group, addresses) in groups.iter_mut().enumerate() {
            for _ in 0..INSTANCES {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                rustix::net::listen(&listener, 4096)?;
                listener.set_nonblocking(true)?;
                addresses.push(listener.local_addr()?);
                listeners.push((group, listener));
            }
        }
        let answered = Arc::<[AtomicU64; 2]>::default();
        let counts = Arc::clone(&answered);
        std::thread::spawn(move || {
            let serving = Serving::new(listeners, counts);
            if let Err(error) = serving.and_then(|mut serving| serving.run()) {
                // Whoever waits for an answer now finds that there is none.
                eprintln!("error: the backends ended: {error}");
            }
        });
        Ok(Self { groups, answered })
    }

    /// Returns how many requests each group has begun to answer so far.
    pub(crate) fn answered(&self) -> [u64; 2] {
        let answered = self.answered.each_ref();
        answered.map(|count| count.load(Ordering::Relaxed))
    }
}

struct Serving {
    polling: Polling,
    listeners: Vec<(usize, TcpListener)>,
    /// By number, which begins after those of the listeners.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// The small one and the large one.
    answers: [Vec<u8>; 2],
    answered: Arc<[AtomicU64; 2]>,
}

struct Connection {
    stream: TcpStream,
    group: usize,
    /// What came of a request so far.
    head: Vec<u8>,
    /// Which answer is under way, and how much of it was written.
    writing: Option<(usize, usize)>,
}

impl Serving {
    fn new(
        listeners: Vec<(usize, TcpListener)>,
        answered: Arc<[AtomicU64; 2]>,
    ) -> io::Result<Self> {
        Ok(Self {
            polling: Polling::new()?,
            listeners,
            connections: Vec::new(),
            free: Vec::new(),
            answers: [answer(Body::Small), answer(Body::Large)],
            answered,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        for (number, (_, listener)) in self.listeners.iter().enumerate() {
            self.polling.add(listener, number)?;
        }
        let mut ready = Vec::new();
        loop {
            self.polling.wait(&mut ready)?;
            for number in &ready {
                match number.checked_sub(self.listeners.len()) {
                    None => self.accept(*number)?,
                    Some(index) => self.serve(*number, index)?,
                }
            }
        }
    }

    fn accept(&mut self, number: usize) -> io::Result<()> {
        let (group, listener) = &self.listeners[number];
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.polling.add(&stream, self.listeners.len() + index)?;
        self.connections[index] = Some(Connection {
            stream,
            group: *group,
            head: Vec::new(),
            writing: None,
        });
        Ok(())
    }

    fn serve(&mut self, number: usize, index: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else {
            return Ok(());
        };
        let wrote = connection.writing.is_some();
        if !connection.go_on(&self.answers, &self.answered) {
            self.connections[index] = None;
            self.free.push(index);
            return Ok(());
        }
        let writes = connection.writing.is_some();
        if wrote != writes {
            self.polling
                .wait_to_write(&connection.stream, number, writes)?;
        }
        Ok(())
    }
}

impl Connection {
    /// Reads or writes once, whatever it is at. Returns false at the end of the connection.
    fn go_on(&mut self, answers: &[Vec<u8>; 2], answered: &[AtomicU64; 2]) -> bool {
        if self.writing.is_none() {
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => self.head.extend(&buffer[..read]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
            // A proxy sends the next request when this one is answered, and none has a body.
            if !self.head.ends_with(b"\r\n\r\n") {
                return true;
            }
            let is_large = self.head.starts_with(b"GET /large ");
            self.head.clear();
            self.writing = Some((usize::from(is_large), 0));
            // Before it is written: who has the last answer looks at the count at once.
            answered[self.group].fetch_add(1, Ordering::Relaxed);
        }
        while let Some((which, written)) = self.writing {
            match self.stream.write(&answers[which][written..]) {
                Ok(more) if written + more == answers[which].len() => self.writing = None,
                Ok(more) => self.writing = Some((which, written + more)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// Returns an answer with what a service commonly says about it.
fn answer(body: Body) -> Vec<u8> {
    let length = body.bytes();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         date: Sat, 01 Jan 2028 00:00:00 GMT\r\ncache-control: no-store\r\n\r\n"
    );
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}
