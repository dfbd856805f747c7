//! The terminal while it is taken over, and how it is given back: at the end, after an error, and
//! when the program breaks off.

use std::io::{self, Stdout, Write as _};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use super::draw;
use super::lost;
use super::model::Model;
use crate::failure::Failure;
use crate::output::output_failure;

/// Whether a terminal is taken over now. It is given back once, by whoever comes first.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal that was taken over. Dropping it gives it back.
pub(super) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
    is_coloured: bool,
    _taken: Taken,
}

/// Gives the terminal back when it is dropped.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn take(is_coloured: bool) -> Result<Self, Failure> {
        // What a panic says is said on a terminal that shows it.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        // It looks at `NO_COLOR` by itself, and would not hear of `--color always`.
        crossterm::style::force_color_output(is_coloured);
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Taken;
        enable_raw_mode().map_err(|error| lost(&error))?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Hide
        )
        .map_err(|error| lost(&error))?;
        let inner = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()));
        Ok(Self {
            inner: inner.map_err(|error| lost(&error))?,
            is_coloured,
            _taken: taken,
        })
    }

    /// Draws what the model says, and returns how far down it can be scrolled.
    pub(super) fn draw(&mut self, model: &Model) -> Result<usize, Failure> {
        let is_coloured = self.is_coloured;
        let mut deepest = 0;
        let drawn = self.inner.draw(|frame| {
            let area = frame.area();
            deepest = draw::whole(model, is_coloured, area, frame.buffer_mut());
        });
        drawn.map_err(output_failure)?;
        Ok(deepest)
    }

    /// Has everything drawn anew: something else may have written to the terminal.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        // `clear` would ask the terminal where its cursor is, and wait for the answer.
        let size = self.inner.size().map_err(output_failure)?;
        let whole = Rect::new(0, 0, size.width, size.height);
        self.inner.resize(whole).map_err(output_failure)
    }
}

/// Makes the terminal what it was before it was taken over. A terminal that has gone away needs
/// nothing of it.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut stdout = io::stdout();
    let back = queue!(stdout, DisableBracketedPaste, LeaveAlternateScreen, Show);
    drop(back.and_then(|()| stdout.flush()));
    drop(disable_raw_mode());
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    /// In the environment of the program that takes a terminal: how it ends.
    const ENDS: &str = "LEADSMAN_TEST_ENDS";

    /// This test, which is also that program.
    const NAME: &str = "watch::terminal::tests::a_terminal_is_given_back_however_it_ends";

    #[test]
    fn a_terminal_is_given_back_however_it_ends() {
        if let Ok(how) = std::env::var(ENDS) {
            let terminal = Terminal::take(true).unwrap();
            assert!(how != "panic", "the end of it");
            drop(terminal);
            return;
        }
        for how in ["panic", "end"] {
            let hands = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&hands).unwrap();
            unlockpt(&hands).unwrap();
            let name = ptsname(&hands, Vec::new()).unwrap();
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let device = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
            let of_device = || Stdio::from(device.try_clone().unwrap());
            let before = tcgetattr(&device).unwrap().local_modes;
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", NAME, "--nocapture"])
                .env(ENDS, how)
                .env("TERM", "xterm")
                // Nobody reads before its end, and a device takes only so much.
                .env("RUST_BACKTRACE", "0")
                .stdin(of_device())
                .stdout(of_device())
                .stderr(of_device());
            let mut child = command.spawn().unwrap();
            drop(command);
            let status = child.wait().unwrap();
            assert_eq!(status.success(), how == "end", "{how}");
            let after = tcgetattr(&device).unwrap().local_modes;
            assert_eq!(after, before, "{how}");
            assert!(after.contains(LocalModes::ICANON | LocalModes::ECHO));
            // Without the device, reading comes to an end.
            drop(device);
            let (mut hands, mut bytes) = (File::from(hands), Vec::new());
            drop(hands.read_to_end(&mut bytes));
            let said = String::from_utf8_lossy(&bytes);
            let at = |what: &str| {
                said.find(what)
                    .unwrap_or_else(|| panic!("{what:?}: {said}"))
            };
            assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{how}: {said}");
            assert!(at("\x1b[?25l") < at("\x1b[?25h"), "{how}: {said}");
            if how == "panic" {
                assert!(at("\x1b[?1049l") < at("the end of it"), "{said}");
            }
        }
    }
}
