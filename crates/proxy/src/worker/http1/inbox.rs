//! What was read of a connection.

use std::io;
use std::task::{Poll, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;

/// How much is read at once where nobody knows how much there is, in bytes; at least, and at most.
const ROOM: usize = 8 * 1024;
const ROOM_MIN: usize = 1024;
const ROOM_MAX: usize = 64 * 1024;

/// What was read of a connection and not used yet.
#[derive(Debug)]
pub(in crate::worker) struct Inbox {
    pub(in crate::worker) bytes: BytesMut,
    /// How much is read at once while nobody knows how much there is, in bytes.
    room: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            bytes: BytesMut::new(),
            room: ROOM,
        }
    }
}

impl Inbox {
    /// Makes room for what is read next, of which `left` is to come at least, as far as that is
    /// known.
    pub(in crate::worker) fn make_room(&mut self, left: Option<u64>) -> &mut BytesMut {
        let left = left.filter(|left| *left > 0);
        let room = left.map_or(self.room, |left| usize::try_from(left).unwrap_or(ROOM_MAX));
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare < room.min(ROOM_MIN) {
            self.bytes.reserve(room.clamp(ROOM_MIN, ROOM_MAX));
        }
        &mut self.bytes
    }

    /// Something was read into it: what fills the room is followed by more, mostly.
    pub(in crate::worker) fn filled(&mut self) {
        if self.bytes.len() == self.bytes.capacity() {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
    }

    /// Reads what is no body by way of a `room` that is there, so that what comes first takes no more
    /// memory than it needs. Returns how much came.
    pub(in crate::worker) fn poll_by_way_of(
        &mut self,
        room: &mut [u8],
        poll_read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(poll_read(&mut room))?;
        self.bytes.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    }

    /// Lets go of what is not needed between requests. An empty view, too, holds what was read
    /// into it.
    pub(in crate::worker) fn rest(&mut self) {
        if self.bytes.is_empty() {
            *self = Self::default();
        }
    }
}
