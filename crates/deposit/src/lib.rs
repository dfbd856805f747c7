//! The line between a shim and the process that it supervises. By it the process deposits its
//! listening sockets with the shim, and the next process fetches them: whoever connects meanwhile
//! waits in the queue of a socket that never closes.
//!
//! Both ends are here, so that the one language that two programs of different versions speak has
//! one definition. Words are only ever added; one that is not known is passed over.
//! It does not say when a process is succeeded: that is the shim's to decide.
//!
//! Read first: [`Line`], [`Said`], [`Told`].

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many sockets go with one message; the kernel would take 253.
pub const BATCH: usize = 64;

/// How many sockets a shim keeps: a dozen addresses on a machine of some dozens of cores. It is the
/// usual limit of open files, which holds for what is on its way between processes, too.
pub const DEPOSITS_MAX: usize = 1024;

/// How long the name of a socket may be, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The largest message: a batch of the longest names, with room for quotes and escapes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What the process says to its shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It asks for all that was deposited. The answer is a number of [`Told::Deposits`] and one
    /// [`Told::Complete`].
    Fetch,
    /// The one socket that comes with it is to be kept under this name. One that has the name
    /// already is replaced.
    Deposit(String),
    /// What is kept under these names is to be closed. The answer is [`Told::Withdrawn`].
    Withdraw(Vec<String>),
    /// It accepts connections. The answer is [`Told::Yours`].
    Serving,
    /// Somebody asked it to end; it goes on until it is succeeded. The answer is [`Told::Retire`]
    /// or [`Told::Alone`].
    Leaving,
    /// The process that it has succeeded does not answer, and must not go on.
    Kill,
}

/// What the shim tells the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The names of as many sockets, which come with it.
    Deposits(Vec<String>),
    /// That was all.
    Complete {
        /// Whether another process serves, which this one is to succeed.
        predecessor: bool,
    },
    /// What was withdrawn is closed.
    Withdrawn,
    /// It is the one that serves from now on.
    Yours,
    /// Another process serves from now on: it is to end what it is at, and itself.
    Retire,
    /// It will not be succeeded.
    Alone,
}

/// One end of the line. It keeps the borders of messages and never waits.
#[derive(Debug)]
pub struct Line(OwnedFd);

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Line {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Line {
    /// Makes a line. Returns this end, and the other one for a process to be given.
    ///
    /// # Errors
    /// The system is out of files.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // All that is kept may have to wait in it until the other end has begun to read.
        rustix::net::sockopt::set_socket_send_buffer_size(&ours, 1 << 20)?;
        Ok((Self(ours), theirs))
    }

    /// Returns the end that this process was given.
    ///
    /// # Errors
    /// It is no line.
    pub fn given(end: OwnedFd) -> io::Result<Self> {
        if rustix::net::sockopt::socket_type(&end)? != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::io::ioctl_fionbio(&end, true)?;
        Ok(Self(end))
    }

    /// Sends a message, with up to [`BATCH`] sockets.
    ///
    /// # Errors
    /// The other end is gone, or does not read.
    pub fn send(&self, message: &impl Serialize, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let parts = [IoSlice::new(&text)];
        rustix::net::sendmsg(&self.0, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Returns the next message, with the sockets that came with it; `None` once the other end is
    /// gone.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none yet; else the line is broken.
    pub fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut text = vec![0; MESSAGE_BYTES_MAX];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut text)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, flags)?;
            if received.bytes == 0 {
                return Ok(None);
            }
            let mut sockets = Vec::new();
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    sockets.extend(rights);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                // More than may be open here.
                return Err(rustix::io::Errno::MFILE.into());
            }
            // What is not understood comes from a newer version, which knows that it may be.
            if let Ok(message) = serde_json::from_slice(&text[..received.bytes]) {
                return Ok(Some((message, sockets)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn line() -> (Line, Line) {
        let (shim, process) = Line::pair().unwrap();
        (shim, Line::given(process).unwrap())
    }

    #[test]
    fn a_socket_that_was_passed_on_accepts_what_was_in_its_queue() {
        let (shim, process) = line();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let deposit = Said::Deposit("door".to_owned());
        process.send(&deposit, &[listener.as_fd()]).unwrap();
        drop(listener);
        let (said, mut sockets) = shim.receive::<Said>().unwrap().unwrap();
        assert_eq!((said, sockets.len()), (deposit, 1));
        let listener = TcpListener::from(sockets.remove(0));
        client.write_all(b"?").unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"?");
    }

    #[test]
    fn all_that_may_be_kept_fits_into_the_line_at_once() {
        let (shim, process) = line();
        let names = vec!["n".repeat(NAME_BYTES_MAX); BATCH];
        let told = Told::Deposits(names);
        let sockets = [shim.as_fd(); BATCH];
        for _ in 0..DEPOSITS_MAX / BATCH {
            shim.send(&told, &sockets).unwrap();
        }
        for _ in 0..DEPOSITS_MAX / BATCH {
            let (again, sockets) = process.receive::<Told>().unwrap().unwrap();
            assert_eq!((&again, sockets.len()), (&told, BATCH));
        }
    }

    #[test]
    fn what_a_newer_version_says_is_passed_over() {
        let (shim, process) = line();
        shim.send(
            &serde_json::json!({"sing": {"loud": true}}),
            &[shim.as_fd()],
        )
        .unwrap();
        shim.send(&Told::Yours, &[]).unwrap();
        let (told, sockets) = process.receive::<Told>().unwrap().unwrap();
        assert_eq!((told, sockets.len()), (Told::Yours, 0));
    }

    #[test]
    fn silence_and_an_end_are_told_apart() {
        let (shim, process) = line();
        let silence = process.receive::<Told>().unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::WouldBlock);
        drop(shim);
        assert!(process.receive::<Told>().unwrap().is_none());
        assert!(process.send(&Said::Serving, &[]).is_err());
    }

    #[test]
    fn only_a_line_is_taken_for_one() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Line::given(file.into()).is_err());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(Line::given(listener.into()).is_err());
    }
}
