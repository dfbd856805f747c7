//! Test support: a program that listens, deposits its socket with its shim, and can be succeeded.
//!
//! It answers whoever connects with its first argument and its process number. `dies` as the second
//! one makes it end, and `hangs` never serve, where it would succeed another one.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::ExitCode;

use leadsman_deposit::{Line, Said, Told};
use rustix::event::{PollFd, PollFlags, poll};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    match run(&name, &arguments.next().unwrap_or_default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(io::stderr(), "{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, manner: &str) -> io::Result<()> {
    let line = Line::given(rustix::io::dup(io::stdin())?)?;
    line.send(&Said::Fetch, &[])?;
    let mut listener = None;
    let succeeds = loop {
        wait_for(&[line.as_fd()])?;
        match line.receive::<Told>()? {
            Some((Told::Deposits(_), mut sockets)) => {
                listener = sockets.pop().map(TcpListener::from);
            }
            Some((Told::Complete { predecessor }, _)) => break predecessor,
            _ => {}
        }
    };
    match manner {
        "dies" if succeeds => return Err(io::Error::other("no wish to serve")),
        "hangs" if succeeds => loop {
            std::thread::park();
        },
        _ => {}
    }
    let listener = match listener {
        Some(listener) => listener,
        None => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            line.send(&Said::Deposit("door".to_owned()), &[listener.as_fd()])?;
            listener
        }
    };
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    listener.set_nonblocking(true)?;
    line.send(&Said::Serving, &[])?;
    loop {
        wait_for(&[line.as_fd(), listener.as_fd()])?;
        match line.receive::<Told>() {
            Ok(Some((Told::Retire, _)) | None) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Ok((mut client, _)) = listener.accept() {
            write!(client, "{name} {}", std::process::id())?;
        }
    }
}

fn wait_for(ends: &[BorrowedFd<'_>]) -> io::Result<()> {
    let ends = ends.iter();
    let mut ends: Vec<_> = ends
        .map(|end| PollFd::from_borrowed_fd(*end, PollFlags::IN))
        .collect();
    poll(&mut ends, None)?;
    Ok(())
}
