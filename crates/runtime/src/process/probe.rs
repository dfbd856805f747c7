//! Asking an instance whether it is ready.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use leadsman_core::spec::{Probe, Protocol};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::command::ended;
use crate::shim::{MARK, User};

/// Says what an answer means.
fn judged(status: StatusCode) -> Result<(), String> {
    match status.as_u16() {
        200..=399 => Ok(()),
        status => Err(format!("answered {status}")),
    }
}

/// How to ask one instance.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    pub(super) question: Probe,
    pub(super) address: SocketAddr,
    /// What is spoken with it.
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
    /// Where and as whom a command runs.
    pub(super) folder: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) user: Option<User>,
    /// Marks a command as started for its shim: should control be killed meanwhile, it ends with
    /// the instance.
    pub(super) mark: String,
}

impl Prober {
    /// Asks once. What comes back says in words why it is not ready.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let what = self.what();
        let answer = async {
            match &self.question {
                Probe::Http(path) => match self.protocol {
                    Protocol::Http1 => self.get(path).await,
                    Protocol::Http2 => self.get_by_http2(path).await,
                },
                Probe::Tcp => self.connect().await.map(drop),
                Probe::Command(command) => self.run(command).await,
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|problem| format!("{what}: {problem}")),
            Err(_) => Err(format!(
                "{what}: no answer within {} s",
                self.timeout.as_secs_f32()
            )),
        }
    }

    fn what(&self) -> String {
        match &self.question {
            Probe::Http(path) => format!("GET {path} on {}", self.address),
            Probe::Tcp => format!("connecting to {}", self.address),
            Probe::Command(command) => {
                format!(
                    "the command `{}`",
                    command.first().map_or("", String::as_str)
                )
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        TcpStream::connect(self.address)
            .await
            .map_err(|error| refusal(&error))
    }

    async fn get(&self, path: &str) -> Result<(), String> {
        let request = Request::get(path)
            .header(HOST, self.address.to_string())
            .header(USER_AGENT, "leadsman")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|_| "this is not a path".to_owned())?;
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Both ends are driven here, so that nothing is left behind when time is up. When the
        // connection ends first, its last act was to pass on the response, or that there is none.
        let response = sender.send_request(request);
        tokio::pin!(response);
        let response = tokio::select! {
            response = &mut response => response,
            _ended = connection => response.await,
        };
        let response = response.map_err(|error| {
            if error.is_parse() {
                "the answer is not HTTP".to_owned()
            } else {
                "the connection was closed without an answer".to_owned()
            }
        })?;
        judged(response.status())
    }

    async fn get_by_http2(&self, path: &str) -> Result<(), String> {
        const OTHERWISE: &str = "the answer is not HTTP/2";
        let request = Request::get(format!("http://{}{path}", self.address))
            .version(Version::HTTP_2)
            .header(USER_AGENT, "leadsman")
            .body(())
            .map_err(|_| "this is not a path".to_owned())?;
        let stream = self.connect().await?;
        let (mut sender, connection) = h2::client::handshake(stream)
            .await
            .map_err(|error| error.to_string())?;
        let sent = sender.send_request(request, true);
        let (response, _) = sent.map_err(|error| error.to_string())?;
        tokio::pin!(response);
        // As above: both ends are driven here.
        let response = tokio::select! {
            response = &mut response => response,
            _ended = connection => response.await,
        };
        judged(response.map_err(|_| OTHERWISE.to_owned())?.status())
    }

    async fn run(&self, command: &[String]) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else {
            return Err("there is no command".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.env)
            .env(MARK, &self.mark)
            .current_dir(&self.folder);
        if let Some(user) = &self.user
            && user.uid != rustix::process::geteuid().as_raw()
        {
            command.uid(user.uid).gid(user.gid);
        }
        ended(command).await.map_err(|why| match &*why {
            "was not found" | "may not be executed" => format!("it {why}"),
            _ => why,
        })
    }
}

fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn prober(question: Probe, address: SocketAddr) -> Prober {
        Prober {
            question,
            address,
            protocol: Protocol::Http1,
            timeout: Duration::from_millis(300),
            folder: "/".into(),
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            user: None,
            mark: String::new(),
        }
    }

    /// Answers each connection with `answer`, after the request; nothing at all where it is `None`.
    async fn serve(answer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(answer) = answer else {
                    silent.push(stream);
                    continue;
                };
                let _request = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn asks_in_the_protocol_that_is_spoken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for status in [200, 503] {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (request, mut respond) = connection.accept().await.unwrap().unwrap();
                assert_eq!(request.uri().path(), "/health");
                let answer = hyper::Response::builder().status(status).body(()).unwrap();
                respond.send_response(answer, true).unwrap();
                while connection.accept().await.is_some() {}
            }
        });
        let by_http2 = |address| Prober {
            protocol: Protocol::Http2,
            ..prober(Probe::Http("/health".to_owned()), address)
        };
        assert_eq!(by_http2(address).ask().await, Ok(()));
        let found = by_http2(address).ask().await.unwrap_err();
        assert!(found.ends_with("answered 503"), "{found}");
        let other = serve(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
        let found = by_http2(other).ask().await.unwrap_err();
        assert!(found.ends_with("the answer is not HTTP/2"), "{found}");
    }

    #[tokio::test]
    async fn tells_in_words_why_an_instance_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = free.local_addr().unwrap();
        drop(free);
        for (answer, expected) in [
            (Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None),
            (Some("HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\n"), None),
            (Some("HTTP/1.1 503 Busy\r\n\r\n"), Some("answered 503")),
            (Some("SSH-2.0-x\r\n\r\n"), Some("the answer is not HTTP")),
            (
                Some(""),
                Some("the connection was closed without an answer"),
            ),
            (None, Some("no answer within 0.3 s")),
        ] {
            let address = serve(answer).await;
            let found = prober(Probe::Http("/health".to_owned()), address)
                .ask()
                .await;
            let expected = expected.map(|text| format!("GET /health on {address}: {text}"));
            assert_eq!(found.err(), expected, "{answer:?}");
        }
        let found = prober(Probe::Http("/health".to_owned()), refused)
            .ask()
            .await;
        assert_eq!(
            found,
            Err(format!("GET /health on {refused}: connection refused"))
        );
        let found = prober(Probe::Tcp, refused).ask().await;
        assert_eq!(
            found,
            Err(format!("connecting to {refused}: connection refused"))
        );
        assert_eq!(prober(Probe::Tcp, serve(None).await).ask().await, Ok(()));
    }

    #[tokio::test]
    async fn a_command_is_asked_and_killed_when_time_is_up() {
        let address = "127.0.0.1:1".parse().unwrap();
        for (script, expected) in [
            ("exit 0", Ok(())),
            (
                "exit 3",
                Err("the command `sh`: exited with status 3".to_owned()),
            ),
            (
                "sleep 600 & wait",
                Err("the command `sh`: no answer within 0.3 s".to_owned()),
            ),
        ] {
            let command = ["sh", "-c", script].map(str::to_owned).to_vec();
            assert_eq!(
                prober(Probe::Command(command), address).ask().await,
                expected
            );
        }
        let missing = prober(Probe::Command(vec!["no-such-thing".to_owned()]), address)
            .ask()
            .await;
        assert_eq!(
            missing,
            Err("the command `no-such-thing`: it was not found".to_owned())
        );
    }
}
