//! An instance that trusts nobody: it reads byte by byte, and keeps what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::world::Backend;

/// A request that arrived as a whole.
#[derive(Clone, Debug)]
pub(super) struct Witnessed {
    pub(super) method: String,
    pub(super) target: String,
    /// The lines between the first one and the empty one.
    pub(super) lines: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// What arrived at an instance, of all connections together.
#[derive(Clone, Default)]
pub(super) struct Witness {
    whole: Arc<Mutex<Vec<Witnessed>>>,
    /// What nobody should ever be sent, and why.
    flaws: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    /// Starts the instance. It answers each request with its method, its target and the length of
    /// its body, so that a client knows whose answer it got.
    pub(super) fn new() -> (Backend, Self) {
        let witness = Self::default();
        let seen = witness.clone();
        let backend = Backend::raw(move |reader, stream| match request(reader) {
            Ok(Some(request)) => {
                let answer = answer_to(&request);
                seen.whole.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).is_ok()
            }
            Ok(None) => false,
            Err(flaw) => {
                seen.flaws.lock().unwrap().push(flaw);
                false
            }
        });
        (backend, witness)
    }

    /// Returns the requests whose target contains `mark`.
    pub(super) fn of(&self, mark: &str) -> Vec<Witnessed> {
        let whole = self.whole.lock().unwrap();
        let of_it = whole.iter().filter(|request| request.target.contains(mark));
        of_it.cloned().collect()
    }

    pub(super) fn flaws(&self) -> Vec<String> {
        self.flaws.lock().unwrap().clone()
    }
}

/// What is answered to a request, without its head.
pub(super) fn said_of(method: &str, target: &str, length: usize) -> String {
    format!("{method} {target} {length}")
}

fn answer_to(request: &Witnessed) -> String {
    let said = said_of(&request.method, &request.target, request.body.len());
    let length = said.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{said}")
}

/// Reads a request; `None` if the connection ends before it does.
///
/// # Errors
/// It could be understood in two ways.
fn request(reader: &mut BufReader<TcpStream>) -> Result<Option<Witnessed>, String> {
    let mut lines = Vec::new();
    loop {
        match line(reader)? {
            None => return Ok(None),
            Some(line) if line.is_empty() => break,
            Some(line) => lines.push(line),
        }
    }
    let flaw = |what: &str| Err(format!("{what}: {lines:?}"));
    let Some(first) = lines.first() else {
        return flaw("an empty line where a request should begin");
    };
    let words: Vec<&str> = first.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = &words[..] else {
        return flaw("no first line");
    };
    if !target.starts_with('/') && target != "*" {
        return flaw("no path");
    }
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let is_of_name =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match line
            .split_once(": ")
            .or_else(|| line.strip_suffix(':').map(|name| (name, "")))
        {
            Some((name, value)) if !name.is_empty() && name.bytes().all(is_of_name) => {
                headers.push((name.to_ascii_lowercase(), value));
            }
            _ => return flaw("a line that is no header"),
        }
    }
    let all = |wanted: &str| -> Vec<&str> {
        let of_name = headers.iter().filter(|(name, _)| name == wanted);
        of_name.map(|(_, value)| *value).collect()
    };
    if all("host").len() != 1 {
        return flaw("not one host");
    }
    let body = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Some(Vec::new()),
        ([], ["chunked"]) => chunks(reader)?,
        (&[length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let Ok(length) = length.parse::<usize>() else {
                return flaw("a length that is none");
            };
            let mut body = Vec::new();
            // Not allocated before it has come.
            let read = reader.take(length as u64).read_to_end(&mut body);
            (read.is_ok() && body.len() == length).then_some(body)
        }
        _ => return flaw("a body that ends in two ways"),
    };
    Ok(body.map(|body| Witnessed {
        method: method.to_owned(),
        target: target.to_owned(),
        lines: lines[1..].to_vec(),
        body,
    }))
}

/// Reads a line without its end; `None` if the connection ends before.
fn line(reader: &mut BufReader<TcpStream>) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).is_err() || !line.ends_with(b"\n") {
        return Ok(None);
    }
    let text = line.strip_suffix(b"\r\n").map(<[u8]>::to_vec);
    let is_plain = |text: &Vec<u8>| !text.iter().any(|byte| b"\r\0\x0b\x0c".contains(byte));
    match text.filter(is_plain) {
        Some(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        None => Err(format!("a line with more than a line in it: {line:?}")),
    }
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(size) = line(reader)? else {
            return Ok(None);
        };
        let is_size = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(size) = is_size
            .then(|| u64::from_str_radix(&size, 16).ok())
            .flatten()
        else {
            return Err(format!("a chunk of `{size}` bytes"));
        };
        if size == 0 {
            break;
        }
        let had = body.len() as u64;
        let read = reader.take(size).read_to_end(&mut body);
        if read.is_err() || body.len() as u64 != had + size {
            return Ok(None);
        }
        match line(reader)? {
            None => return Ok(None),
            Some(end) if end.is_empty() => {}
            Some(more) => return Err(format!("a chunk is longer than it says: `{more}`")),
        }
    }
    loop {
        match line(reader)? {
            None => return Ok(None),
            Some(end) if end.is_empty() => return Ok(Some(body)),
            Some(trailer) if trailer.starts_with("x-") => {}
            Some(trailer) => return Err(format!("a trailer that none may be: `{trailer}`")),
        }
    }
}
