//! How serving ends: who is being answered gets the answer, whoever is idle is let go.

use leadsman_core::bundle::Bundle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Answer, Served};

#[tokio::test]
async fn a_connection_answers_many_requests_and_the_last_one_to_its_end() {
    // More than the buffers of two sockets take, so that the answer is under way when it ends.
    let large = vec![b'a'; 32 << 20];
    let served = Served::with(&[("a.txt", b"one"), ("b.bin", &large)], Bundle::default()).await;
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut buffer = vec![0; 4096];
    for stream in [&mut busy, &mut idle] {
        for _ in 0..3 {
            stream
                .write_all(b"GET /a.txt HTTP/1.1\r\nhost: a\r\n\r\n")
                .await
                .unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"one") {
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "it stays open");
                answer.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(Answer::read(&answer).status, 200);
        }
    }
    busy.write_all(b"GET /b.bin HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 1000];
    busy.read_exact(&mut answer).await.unwrap();

    served.end.send(()).unwrap();
    assert_eq!(
        idle.read(&mut buffer).await.unwrap(),
        0,
        "an idle one is closed at once"
    );
    busy.read_to_end(&mut answer).await.unwrap();
    let answer = Answer::read(&answer);
    assert!(answer.body == large, "{} bytes", answer.body.len());
    served.serving.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn what_is_no_request_ends_its_own_connection_alone() {
    let served = Served::with(&[("a.txt", b"one")], Bundle::default()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        &[b'a'; 600_000],
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        drop(stream.write_all(garbage).await);
        drop(stream.shutdown().await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{garbage:?}");
    }
    assert_eq!(served.get("/a.txt").await.text(), "one");
}
