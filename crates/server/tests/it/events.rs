//! What happens, as it happens, and from where it was left.

use std::net::SocketAddr;

use leadsman_api::{Command, EventsQuery};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

/// A browser or script that listens.
struct Listening {
    stream: TcpStream,
    heard: String,
}

impl Listening {
    async fn at(address: SocketAddr, path: &str, token: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n{header}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it reads");
        Self {
            stream,
            heard: String::new(),
        }
    }

    /// Returns all that was heard once it has `what` in it.
    async fn until(&mut self, what: &str) -> &str {
        let mut buffer = [0; 4096];
        while !self.heard.contains(what) {
            let count = self.stream.read(&mut buffer).await.expect("it goes on");
            assert!(count > 0, "it ended: {}", self.heard);
            let text = String::from_utf8_lossy(&buffer[..count]);
            self.heard.push_str(&text);
        }
        &self.heard
    }
}

fn ids(heard: &str) -> Vec<u64> {
    let ids = heard.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.parse().expect("it is a position"))
        .collect()
}

#[tokio::test]
async fn events_are_told_as_they_happen_and_go_on_where_they_were_left() {
    let served = Served::start().await;
    let token = served.token_of("mia", "admin", None).await;
    let mut first = Listening::at(served.address, "/v1/events", &token, "").await;
    first.until("text/event-stream").await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    let heard = first.until("event: deployment_started").await;
    let seen = ids(heard);
    assert!(seen.windows(2).all(|two| two[0] < two[1]), "{heard}");
    let last = *seen.last().expect("there are some");
    drop(first);

    served.client.ship(&shipment(2)).await.expect("it differs");
    let header = format!("Last-Event-ID: {last}\r\n");
    let mut again = Listening::at(served.address, "/v1/events?after=0", &token, &header).await;
    let heard = again.until("release 2").await;
    assert_eq!(ids(heard).first(), Some(&(last + 1)), "{heard}");

    // From the beginning, and only of what is asked about.
    let about = "/v1/events?after=0&about=shop/production";
    let mut of_production = Listening::at(served.address, about, &token, "").await;
    let heard = of_production.until("release 2").await;
    assert!(!heard.contains("\"stream\":\"people\""), "{heard}");
    assert!(heard.contains("\"stream\":\"shop/production\""), "{heard}");
}

#[tokio::test]
async fn nobody_is_told_what_they_may_not_see_or_no_more() {
    let served = Served::start().await;
    let viewer = served.token_of("ina", "viewer", Some("shop")).await;
    let elsewhere = served.token_of("leo", "viewer", Some("blog")).await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    let mut seen = Listening::at(served.address, "/v1/events?after=0", &viewer, "").await;
    let heard = seen.until("event: deployment_started").await;
    assert!(!heard.contains("\"stream\":\"people\""), "{heard}");
    let mut unseen = Listening::at(served.address, "/v1/events?after=0", &elsewhere, "").await;
    unseen.until("text/event-stream").await;

    let remove = leadsman_api::PeopleCommand::Remove {
        person: "ina".to_owned(),
    };
    served.client.about_people(&remove).await.expect("known");
    let pause = Command::Pause {};
    drop(served.client.command("shop", "production", &pause).await);
    let mut rest = String::new();
    seen.stream
        .read_to_string(&mut rest)
        .await
        .expect("it ends");
    assert!(!rest.contains("deployment_paused"), "{rest}");
    assert!(!unseen.heard.contains("event: "), "{}", unseen.heard);
}

#[tokio::test]
async fn a_place_that_the_log_does_not_have_is_refused() {
    let served = Served::start().await;
    let token = served.token_of("mia", "admin", None).await;
    for (path, header) in [
        ("/v1/events?after=999999", None),
        ("/v1/events", Some("Last-Event-ID: x")),
        ("/v1/events?about=%2F", None),
    ] {
        let headers: Vec<&str> = header.into_iter().collect();
        let what = Ask {
            path,
            token: Some(&token),
            headers: &headers,
            ..Ask::default()
        };
        let answer = ask(served.address, what).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "L080"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_client_reads_them_as_values() {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    let query = EventsQuery {
        after: Some(0),
        about: None,
    };
    let mut events = served.client.events(&query).await.expect("it is the owner");
    let mut positions = Vec::new();
    loop {
        let event = events.next().await.expect("it goes on");
        let event = event.expect("it has no end");
        positions.push(event.position);
        if event.kind == "deployment_started" {
            assert_eq!(event.stream, "shop/production");
            break;
        }
    }
    let from_one: Vec<u64> = (1..=positions.len() as u64).collect();
    assert_eq!(positions, from_one);
}
