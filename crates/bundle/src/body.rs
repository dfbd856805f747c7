//! The body of an answer: bytes that are kept, or a part of a file that is read while it is sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much is read at once, in bytes. The next piece is read when this one is on its way.
const PIECE: u64 = 128 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Kept(Bytes),
    Read(Reading),
}

/// A part of a file that is read while it is sent.
#[derive(Debug)]
pub(crate) struct Reading {
    file: Arc<File>,
    at: u64,
    left: u64,
    piece: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Kept(Bytes::new())
    }

    /// Opens a file of which the bytes from `first` up to before `end` are sent.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) async fn of_file(path: Arc<Path>, first: u64, end: u64) -> io::Result<Self> {
        let file = spawn_blocking(move || File::open(path)).await??;
        Ok(Self::Read(Reading {
            file: Arc::new(file),
            at: first,
            left: end.saturating_sub(first),
            piece: None,
        }))
    }

    fn left(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::Read(reading) => reading.left,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        match &mut *self {
            Self::Kept(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Read(reading) => reading.poll(context).map(Some),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Reading {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Frame<Bytes>>> {
        let (at, count) = (self.at, self.left.min(PIECE));
        let file = &self.file;
        let piece = self.piece.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
                // A file that is shorter by now is an error: what was announced cannot be sent.
                file.read_exact_at(&mut piece, at)?;
                Ok(piece)
            })
        });
        let read = ready!(Pin::new(piece).poll(context));
        self.piece = None;
        let piece = read.map_err(io::Error::from)??;
        self.at += piece.len() as u64;
        self.left -= piece.len() as u64;
        Poll::Ready(Ok(Frame::data(piece.into())))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_part_of_a_file_is_read_to_its_end_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path: Arc<Path> = folder.path().join("a").into();
        let content: Vec<u8> = (0..400_000_u32)
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        std::fs::write(&path, &content).unwrap();
        for (first, end) in [
            (0, 400_000),
            (0, 1),
            (131_071, 131_073),
            (399_999, 400_000),
            (7, 7),
        ] {
            let body = Body::of_file(Arc::clone(&path), first, end).await.unwrap();
            let read = body.collect().await.unwrap().to_bytes();
            let expected = &content[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
            assert!(read == expected, "{first}..{end}");
        }
        let beyond = Body::of_file(path, 399_999, 400_001).await.unwrap();
        assert!(
            beyond.collect().await.is_err(),
            "a body that breaks off is no whole one"
        );
    }
}
