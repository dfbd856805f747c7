//! What the shim waits for: signals, clients, words and output of its processes, and moments.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clients::Wishes;
use super::supervisor::{Phase, Shim};

/// Where something may come from.
#[derive(Clone, Copy)]
enum Place {
    ChildEnded,
    StopAsked,
    Newcomer,
    /// An end of output of the process with the number.
    Output(u32, usize),
    Line(u32),
    Client(usize),
}

impl Shim {
    /// Waits until something comes, or is due, and takes in what came.
    pub(super) fn wait_for_something(&mut self) {
        let due = match self.phase {
            Phase::Pausing { until } => Some(until),
            Phase::Clearing { look_at, .. } => Some(look_at),
            Phase::Ending { kill_at } => Some(kill_at),
            Phase::Running { .. } | Phase::Done => None,
        };
        let due = due.into_iter().chain(self.succession_due());
        let due = due.chain([self.measure_at]).min();
        let now = Instant::now();
        let pause = due.unwrap_or(now).saturating_duration_since(now);
        let timeout = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        let ready = self.ready_within(&timeout);

        // Clients and ends of output are told by where they stand: from the last to the first, since
        // those who left are removed, and nothing is done for them before all were heard.
        let mut wishes = Wishes::default();
        for place in ready.iter().rev() {
            match *place {
                Place::Output(number, index) => self.take_output(number, index),
                Place::Client(index) => {
                    let wished = self.clients.serve(index, &self.status);
                    wishes.stop |= wished.stop;
                    wishes.succeed |= wished.succeed;
                }
                Place::ChildEnded | Place::StopAsked | Place::Newcomer | Place::Line(_) => {}
            }
        }
        for place in ready {
            match place {
                Place::Line(number) => self.hear(number),
                Place::ChildEnded => empty(&mut self.child_ended),
                Place::StopAsked => {
                    empty(&mut self.stop_asked);
                    wishes.stop = true;
                }
                Place::Newcomer => self.clients.accept(),
                Place::Output(..) | Place::Client(_) => {}
            }
        }
        if wishes.stop {
            self.stop();
        }
        if wishes.succeed {
            self.succeed();
        }
    }

    fn ready_within(&self, timeout: &Timespec) -> Vec<Place> {
        let mut watched = vec![
            (Place::ChildEnded, self.child_ended.as_fd()),
            (Place::StopAsked, self.stop_asked.as_fd()),
            (Place::Newcomer, self.clients.listener.as_fd()),
        ];
        for process in self.processes() {
            let sources = process.sources.iter().enumerate();
            watched.extend(
                sources.map(|(at, source)| (Place::Output(process.number, at), source.as_fd())),
            );
            let line = process.line.iter();
            watched.extend(line.map(|line| (Place::Line(process.number), line.as_fd())));
        }
        let clients = self.clients.all.iter().enumerate();
        watched.extend(clients.map(|(at, client)| (Place::Client(at), client.as_fd())));
        let mut polled: Vec<PollFd<'_>> = watched
            .iter()
            .map(|(_, descriptor)| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
            .collect();
        // Interrupted by a signal: its pipe tells of it in the next round.
        let _interrupted = poll(&mut polled, Some(timeout));
        let ready = watched.iter().zip(&polled);
        let ready = ready.filter(|(_, polled)| !polled.revents().is_empty());
        ready.map(|((place, _), _)| *place).collect()
    }

    fn take_output(&mut self, number: u32, index: usize) {
        // Its output is written while it is looked at, so not by way of `process`.
        let successor = self.successor.iter_mut().map(|one| &mut one.process);
        let retiring = self.retiring.iter_mut().map(|one| &mut one.process);
        let mut all = std::iter::once(&mut self.main)
            .chain(successor)
            .chain(retiring);
        let Some(process) = all.find(|process| process.number == number) else {
            return;
        };
        if let Some(source) = process.sources.get_mut(index)
            && !self.output.take(source)
        {
            process.sources.remove(index);
        }
    }
}

pub(crate) fn empty(pipe: &mut UnixStream) {
    let mut buffer = [0; 64];
    while matches!(pipe.read(&mut buffer), Ok(count) if count > 0) {}
}
