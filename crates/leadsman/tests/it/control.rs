//! Stands in for control: answers each kind of request with what a test says, and keeps what it
//! was asked.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde::Serialize;

/// A request: its method and path, and its body.
pub(crate) type Request = (String, Vec<u8>);

/// What is answered: a status and a body.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    body: String,
    /// How many bytes of the body are announced but never sent.
    withheld: usize,
}

impl Answer {
    pub(crate) fn json(body: &impl Serialize) -> Self {
        Self {
            status: 200,
            body: serde_json::to_string(body).unwrap(),
            withheld: 0,
        }
    }

    /// Breaks off, as when control is killed while it answers.
    pub(crate) fn cut_off() -> Self {
        Self {
            status: 200,
            body: String::new(),
            withheld: 1,
        }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            withheld: 0,
        }
    }
}

/// A control that answers from a script. It ends with the test's process.
pub(crate) struct Control {
    requests: Receiver<Request>,
}

impl Control {
    /// Listens in the state folder below `folder`. `script` has the answers by the beginning of
    /// the request, such as `GET /v1/status`, in order; the last one is given again and again.
    pub(crate) fn start(folder: &Path, script: Vec<(&str, Vec<Answer>)>) -> Self {
        let state = folder.join(".leadsman");
        std::fs::create_dir_all(&state).unwrap();
        let listener = UnixListener::bind(state.join("control.sock")).unwrap();
        let script = script
            .into_iter()
            .map(|(asked, answers)| (asked.to_owned(), answers));
        let script: HashMap<String, Vec<Answer>> = script.collect();
        let (sender, requests) = channel();
        std::thread::spawn(move || serve(&listener, script, &sender));
        Self { requests }
    }

    /// Waits for a request that begins with `asked`, and returns it.
    pub(crate) fn asked(&self, asked: &str) -> Request {
        loop {
            let request = self.requests.recv_timeout(Duration::from_secs(30));
            let request = request.unwrap_or_else(|_| panic!("nothing asked for `{asked}`"));
            if request.0.starts_with(asked) {
                return request;
            }
        }
    }

    /// Returns every request so far that begins with `asked`.
    pub(crate) fn all(&self, asked: &str) -> Vec<Request> {
        self.requests
            .try_iter()
            .filter(|request| request.0.starts_with(asked))
            .collect()
    }
}

fn serve(
    listener: &UnixListener,
    mut script: HashMap<String, Vec<Answer>>,
    requests: &Sender<Request>,
) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let Some(request) = read(&stream) else {
            continue;
        };
        let known = script.keys().filter(|asked| request.0.starts_with(*asked));
        let answer = match known.max_by_key(|asked| asked.len()).cloned() {
            Some(asked) => {
                let answers = script.get_mut(&asked).unwrap();
                if answers.len() > 1 {
                    answers.remove(0)
                } else {
                    answers[0].clone()
                }
            }
            None => Answer::text(404, ""),
        };
        let no_body = request.0.starts_with("HEAD");
        // The test may have ended.
        drop(requests.send(request));
        let Answer {
            status,
            body,
            withheld,
        } = answer;
        let length = body.len() + withheld;
        let head = format!(
            "HTTP/1.1 {status} x\r\nleadsman-api: 1\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        );
        let body = if no_body { "" } else { &body };
        // The program may have been stopped meanwhile.
        drop(stream.write_all(format!("{head}{body}").as_bytes()));
    }
}

fn read(stream: &UnixStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let asked = line.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((asked, body))
}
