//! A terminal as a person has one: a pair of devices, and a screen that obeys what is written.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A terminal. What is written to it is on its screen.
pub(super) struct Terminal {
    /// The side of the person.
    hands: File,
    /// The side of the program.
    device: OwnedFd,
    screen: Arc<Mutex<Screen>>,
}

/// What is to be seen. It knows as much of a terminal's language as is spoken here.
#[derive(Default)]
pub(super) struct Screen {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Whether a program has taken the whole screen for itself.
    pub(super) is_taken: bool,
    /// Whether there is no cursor to be seen.
    pub(super) is_cursor_hidden: bool,
    /// What of a sequence has come so far.
    sequence: Option<String>,
    /// Bytes of a character that is not whole yet.
    bytes: Vec<u8>,
}

impl Terminal {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let hands = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&hands).unwrap();
        unlockpt(&hands).unwrap();
        let name = ptsname(&hands, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let device = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let terminal = Self {
            hands: File::from(hands),
            device,
            screen: Arc::default(),
        };
        terminal.resize(columns, rows);
        let mut written = terminal.hands.try_clone().unwrap();
        let screen = Arc::clone(&terminal.screen);
        // It ends once no program and no test has the device any more.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = written.read(&mut bytes) {
                let mut screen = screen.lock().unwrap();
                bytes[..length].iter().for_each(|byte| screen.take(*byte));
            }
        });
        terminal
    }

    /// Makes it another size. A program without a controlling terminal gets no signal of it.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let mut screen = self.screen.lock().unwrap();
        tcsetwinsize(&self.hands, size).unwrap();
        screen.cells = vec![vec![' '; usize::from(columns)]; usize::from(rows)];
    }

    /// Returns the device for a program to read from or to write to.
    pub(super) fn device(&self) -> Stdio {
        self.device.try_clone().unwrap().into()
    }

    /// Presses keys.
    pub(super) fn press(&self, keys: &str) {
        (&self.hands).write_all(keys.as_bytes()).unwrap();
    }

    pub(super) fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap()
    }

    /// Whether it gives lines to programs and shows what is typed, as a shell expects it to.
    pub(super) fn is_as_usual(&self) -> bool {
        let modes = tcgetattr(&self.device).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

impl Screen {
    /// Returns what is to be seen.
    pub(super) fn text(&self) -> String {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_owned();
        let lines: Vec<String> = self.cells.iter().map(line).collect();
        lines.join("\n")
    }

    fn take(&mut self, byte: u8) {
        self.bytes.push(byte);
        let Ok(text) = std::str::from_utf8(&self.bytes) else {
            return;
        };
        let letter = text.chars().next().unwrap();
        self.bytes.clear();
        match &mut self.sequence {
            Some(sequence) => {
                sequence.push(letter);
                if letter.is_ascii_alphabetic() {
                    let sequence = self.sequence.take().unwrap();
                    self.obey(sequence.trim_start_matches('['));
                }
            }
            None => match letter {
                '\x1b' => self.sequence = Some(String::new()),
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                letter => self.write(letter),
            },
        }
    }

    fn write(&mut self, letter: char) {
        let row = self.cells.get_mut(self.row);
        if let Some(cell) = row.and_then(|row| row.get_mut(self.column)) {
            *cell = letter;
        }
        self.column += 1;
    }

    fn obey(&mut self, sequence: &str) {
        let (words, command) = sequence.split_at(sequence.len() - 1);
        let mut numbers = words.split(';').map(|number| number.parse().unwrap_or(1));
        match (words, command) {
            (_, "H") => {
                self.row = numbers.next().unwrap_or(1) - 1;
                self.column = numbers.next().unwrap_or(1) - 1;
            }
            ("2", "J") => self.clear(),
            ("?1049", "h" | "l") => {
                self.is_taken = command == "h";
                self.clear();
            }
            ("?25", "h" | "l") => self.is_cursor_hidden = command == "l",
            ("?2004", "h" | "l") | (_, "m") => {}
            other => panic!("the screen does not know {other:?}"),
        }
    }

    fn clear(&mut self) {
        for row in &mut self.cells {
            row.fill(' ');
        }
    }
}
