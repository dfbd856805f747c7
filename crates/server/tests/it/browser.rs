//! Pages as a browser asks for them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::raw::{Answer, Ask, ask};
use crate::served::Served;

pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
pub(crate) const PAGE: &str = "/environments/shop/production";

/// Somebody with a browser.
pub(crate) struct Browser<'a> {
    pub(crate) served: &'a Served,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    pub(crate) async fn signed_in(served: &'a Served, person: &str, role: &str) -> Self {
        let token = served.token_of(person, role, None).await;
        Self::entered(served, &token).await
    }

    /// Signs in with a token.
    pub(crate) async fn entered(served: &'a Served, token: &str) -> Self {
        let nobody = Browser {
            served,
            cookie: String::new(),
        };
        let body = format!("to=%2Fenvironments%2Fshop%2Fproduction&token={token}");
        let answer = nobody.post("/sign-in", &body).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert!(answer.head.contains(&format!("location: {PAGE}")));
        let cookie = header(&answer, "set-cookie");
        assert!(
            cookie.ends_with("; HttpOnly; SameSite=Lax"),
            "{cookie}: without TLS, to this machine alone"
        );
        let cookie = cookie.split(';').next().expect("a cookie has a value");
        assert!(!cookie.contains(token), "a session has a token of its own");
        Self {
            served,
            cookie: format!("Cookie: {cookie}"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let asked = Ask {
            path,
            headers: &[&self.cookie],
            ..Ask::default()
        };
        ask(self.served.address, asked).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let headers: Vec<&str> = [FORM, &self.cookie]
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect();
        let asked = Ask {
            method: "POST",
            path,
            body,
            headers: &headers,
            ..Ask::default()
        };
        ask(self.served.address, asked).await
    }

    /// Listens to what changes of a page.
    pub(crate) async fn listen(&self, path: &str) -> Listening {
        let stream = TcpStream::connect(self.served.address).await;
        let mut stream = stream.expect("it listens");
        let head = format!(
            "GET {path} HTTP/1.1\r\nConnection: close\r\nHost: {}\r\n{}\r\n\r\n",
            self.served.address, self.cookie
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        Listening {
            stream,
            heard: String::new(),
        }
    }

    /// Opens the page that asks whether to do something, and returns what its form carries.
    pub(crate) async fn form(&self, choice: &str) -> (String, String) {
        let page = self.get(&format!("{PAGE}/do/{choice}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        (value(&page.body, "seal"), value(&page.body, "seen"))
    }
}

/// Somebody who looks at a page.
pub(crate) struct Listening {
    stream: TcpStream,
    heard: String,
}

impl Listening {
    /// Returns once they have been told something.
    pub(crate) async fn until(&mut self, what: &str) {
        let mut buffer = [0; 4096];
        while !self.heard.contains(what) {
            let count = self.stream.read(&mut buffer).await.expect("it goes on");
            assert!(count > 0, "it ended: {}", self.heard);
            self.heard
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Returns once they are told nothing more.
    pub(crate) async fn until_it_ends(&mut self) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest).await;
        read.expect("it ends");
    }
}

pub(crate) fn header(answer: &Answer, name: &str) -> String {
    let mut lines = answer.head.lines();
    let found = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_default().to_owned()
}

/// Returns the value of a hidden field.
pub(crate) fn value(page: &str, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&before).expect("the field is there");
    rest.split('"').next().expect("it ends").to_owned()
}
