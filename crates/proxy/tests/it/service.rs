//! A service that speaks HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use leadsman_proxy::table::{Protocol, Side};
use tokio::sync::oneshot;

use crate::world::{any_port, side};

/// A service that speaks HTTP/2 in the clear.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// How many connections there have been.
    pub(crate) connections: Arc<AtomicUsize>,
    /// How many there are.
    pub(crate) open: Arc<AtomicUsize>,
    _stop: oneshot::Sender<()>,
}

impl Service {
    /// Answers every request by `answer`.
    pub(crate) fn with<F>(
        answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::set_up(|_| (), answer)
    }

    /// The same, with connections that `adjust` sets up.
    pub(crate) fn set_up<F>(
        adjust: impl Fn(&mut h2::server::Builder) + Clone + Send + 'static,
        answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(any_port()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let (made, is_open) = (Arc::clone(&connections), Arc::clone(&open));
        let serving = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                made.fetch_add(1, Ordering::SeqCst);
                is_open.fetch_add(1, Ordering::SeqCst);
                let (answer, adjust) = (answer.clone(), adjust.clone());
                let is_open = Arc::clone(&is_open);
                tokio::spawn(async move {
                    let mut builder = h2::server::Builder::new();
                    adjust(&mut builder);
                    if let Ok(mut connection) = builder.handshake(stream).await {
                        while let Some(Ok((request, respond))) = connection.accept().await {
                            tokio::spawn(answer(request, respond));
                        }
                    }
                    is_open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            connections,
            open,
            _stop: stop,
        }
    }

    /// A side of which it is the only instance.
    pub(crate) fn side(&self) -> Side {
        http2_side("web", 10_000, &[self.address])
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A side whose instances speak HTTP/2.
pub(crate) fn http2_side(name: &str, weight: u32, instances: &[SocketAddr]) -> Side {
    Side {
        protocol: Protocol::Http2,
        ..side(name, weight, instances)
    }
}

/// Says `200` and `words`.
pub(crate) fn say(mut respond: SendResponse<Bytes>, words: impl Into<Bytes>) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(words.into(), true).unwrap();
}

/// Reads a whole body, and the trailers behind it.
pub(crate) async fn read(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        whole.extend_from_slice(&data);
    }
    (whole, body.trailers().await.unwrap())
}

/// Sends `data` once the other end has room for all of it.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let Some(capacity) = capacity.transpose()? else {
            return Err(h2::Reason::CANCEL.into());
        };
        stream.send_data(data.split_to(capacity.min(data.len())), false)?;
    }
    Ok(())
}

/// Makes headers of a name and a value.
pub(crate) fn headers(name: &'static str, value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).unwrap();
    HeaderMap::from_iter([(http::HeaderName::from_static(name), value)])
}
