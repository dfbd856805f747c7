//! What others of the worker have of a connection: the body of its request, and the whole of it
//! once another protocol is spoken.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::line::{Error, Line};

/// The body of a request, as its client sends it.
pub(in crate::worker) struct Body(Rc<Line>);

/// A connection whose client asks for another protocol.
pub(in crate::worker) struct Upgrade(Rc<Line>);

/// A connection over which another protocol is spoken.
pub(in crate::worker) struct Upgraded(Rc<Line>);

impl Body {
    pub(super) fn new(line: &Rc<Line>) -> Self {
        Self(Rc::clone(line))
    }

    pub(in crate::worker) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_body(context)
    }

    pub(in crate::worker) fn is_end_stream(&self) -> bool {
        self.0.left() == Some(0)
    }

    pub(in crate::worker) fn size_hint(&self) -> SizeHint {
        let left = self.0.left();
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.let_go_of_body();
    }
}

impl Upgrade {
    pub(super) fn new(line: &Rc<Line>) -> Self {
        Self(Rc::clone(line))
    }

    /// Waits until the client has been told that its protocol is spoken from now on; `None` if that
    /// never happens.
    pub(in crate::worker) async fn wait(self) -> Option<Upgraded> {
        let is_there = std::future::poll_fn(|context| self.0.poll_handed_over(context));
        is_there.await.then_some(Upgraded(self.0))
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(context, room)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_shutdown(context)
    }
}
