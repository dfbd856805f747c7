//! A backend whose answers take a known time each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Error;

/// The quickest answer takes so long, and the slowest so much more.
const QUICKEST_MICROS: u64 = 20_000;
const SPREAD_MICROS: u64 = 100_000;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nslow\n";

/// Starts it, for as long as this program runs, and returns where it is.
pub(crate) fn start() -> Result<SocketAddr, Error> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || runtime.block_on(serve(listener)));
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let number: Arc<AtomicU64> = Arc::default();
    while let Ok((stream, _)) = listener.accept().await {
        let number = Arc::clone(&number);
        // nginx may go away at any time.
        tokio::spawn(async move { drop(answer(stream, &number).await) });
    }
}

async fn answer(mut stream: TcpStream, number: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let number = number.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(takes(number)).await;
            stream.write_all(ANSWER).await?;
        }
    }
}

/// Returns how long an answer takes: over a thousand answers every length comes as often, in an
/// order that shows no pattern.
fn takes(number: u64) -> Duration {
    let place = number.wrapping_mul(617) % 1000;
    Duration::from_micros(QUICKEST_MICROS + place * SPREAD_MICROS / 1000)
}
