//! What follows from what comes in: a change of the model, and wishes.

use crossterm::event::KeyEvent;
use leadsman_api::words::{label, means};
use leadsman_api::{Accepted, Command, Moment, Overview, Wanted};

use super::keys::{self, Edit, Press};
use super::model::{Confirm, Dialog, Known, Look, Model, Notice};
use crate::failure::{Exit, Failure};
use crate::target::Target;

/// How old what is drawn of the past may be, in milliseconds. It is read from the disk.
const SERIES_MS: u64 = 2000;

/// How many lines a page key moves.
const PAGE: usize = 10;

/// The longest reason that control takes, in bytes.
const REASON_BYTES_MAX: usize = 2000;

/// What comes in.
pub(super) enum Input {
    Key(KeyEvent),
    /// Text that was pasted.
    Pasted(String),
    /// Time has passed, or there is another number of columns.
    Tick,
    /// How everything stands, or why that is not told.
    Status(Box<Result<Overview, Failure>>),
    /// What else is to be known of one environment.
    Looked(Box<Look>),
    /// What came of a decision.
    Given(Result<Accepted, Failure>),
    /// The program is to end.
    Ended,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// To be told how everything stands once that is not as at a version, after a pause if `later`.
    Status { after: Option<u64>, later: bool },
    /// To be told what can be done, with `whole` what happened, and with `series` the past.
    Look {
        target: Target,
        whole: bool,
        series: bool,
    },
    /// To give a command that was decided on at the version `seen`.
    Give {
        target: Target,
        command: Command,
        seen: u64,
        reason: Option<String>,
    },
    /// To draw everything anew.
    Redraw,
    /// To end.
    End(Exit),
}

impl Model {
    /// Takes in what came at the moment `now`, and returns what is to be done.
    pub(super) fn update(&mut self, now: Moment, input: Input) -> Vec<Wish> {
        self.now = now;
        match input {
            Input::Key(key) => match self.dialog {
                Some(Dialog::Confirm(_)) => keys::edit(key)
                    .map(|edit| self.edit(edit))
                    .unwrap_or_default(),
                Some(Dialog::Help | Dialog::Refused { .. }) => self.close(key),
                None => keys::press(key)
                    .map(|press| self.press(press))
                    .unwrap_or_default(),
            },
            Input::Pasted(text) => {
                if let Some(Dialog::Confirm(confirm)) = &mut self.dialog {
                    confirm.write(&text);
                }
                Vec::new()
            }
            Input::Tick => Vec::new(),
            Input::Status(told) => self.status_told(*told),
            Input::Looked(look) => self.looked(*look),
            Input::Given(told) => self.given(told),
            Input::Ended => vec![Wish::End(Exit::Interrupted)],
        }
    }

    /// Returns the wish to know more about what is selected, unless that is being asked already.
    pub(super) fn look(&mut self) -> Option<Wish> {
        if self.asked.is_some() {
            return None;
        }
        let target = self.target()?;
        self.asked = Some(target.clone());
        let asked_at = self.known().and_then(|known| known.series_at);
        let is_old = asked_at.is_none_or(|at| self.now.millis_since(at) >= SERIES_MS);
        Some(Wish::Look {
            target,
            whole: self.is_open,
            series: self.is_open && is_old,
        })
    }

    fn status_told(&mut self, told: Result<Overview, Failure>) -> Vec<Wish> {
        match told {
            Ok(overview) => {
                self.tell(overview);
                let after = Some(self.overview.version);
                let later = false;
                let mut wishes = vec![Wish::Status { after, later }];
                wishes.extend(self.look());
                wishes
            }
            Err(failure) => {
                self.failure = Some(failure);
                // A control that was started anew counts anew: it is asked for what is now.
                vec![Wish::Status {
                    after: None,
                    later: true,
                }]
            }
        }
    }

    fn looked(&mut self, look: Look) -> Vec<Wish> {
        let Look {
            target,
            choices,
            events,
            series,
        } = look;
        self.asked = None;
        if self.target().as_ref() != Some(&target) {
            return self.look().into_iter().collect();
        }
        let known = self.known.take().filter(|known| known.target == target);
        let mut known = known.unwrap_or(Known {
            target,
            choices: None,
            events: None,
            series: None,
            series_at: None,
        });
        let is_whole = events.is_some();
        // What was known stays to be seen while control is away, marked as old.
        let is_absent = |failure: &Failure| failure.exit == Exit::NoControl;
        if !choices.as_ref().is_err_and(is_absent) {
            known.choices = Some(choices);
        }
        if let Some(events) = events.filter(|events| !events.as_ref().is_err_and(is_absent)) {
            known.events = Some(events);
        }
        if let Some(series) = series {
            known.series_at = Some(self.now);
            // There is none before the first deployment, which is no failure to be told.
            if let Ok(series) = series {
                known.series = Some(series);
            }
        }
        self.known = Some(known);
        // It was opened while less was asked for.
        if self.is_open && !is_whole {
            return self.look().into_iter().collect();
        }
        Vec::new()
    }

    fn given(&mut self, told: Result<Accepted, Failure>) -> Vec<Wish> {
        let Some(Dialog::Confirm(confirm)) = self.dialog.take() else {
            return Vec::new();
        };
        match told {
            Ok(accepted) => {
                let Target {
                    application,
                    environment,
                } = &confirm.target;
                let sentence = &accepted.sentence;
                self.notice = Some(Notice {
                    is_done: true,
                    text: format!("{application}/{environment}: {sentence}"),
                });
            }
            Err(failure) => {
                let label = label(&confirm.choice);
                self.dialog = Some(Dialog::Refused { label, failure });
            }
        }
        self.look().into_iter().collect()
    }

    /// Does what a key means while a page is shown.
    fn press(&mut self, press: Press) -> Vec<Wish> {
        self.notice = None;
        match press {
            Press::Up => self.move_by(|at| at.saturating_sub(1)),
            Press::Down => self.move_by(|at| at + 1),
            Press::PageUp => self.move_by(|at| at.saturating_sub(PAGE)),
            Press::PageDown => self.move_by(|at| at + PAGE),
            Press::First => self.move_by(|_| 0),
            Press::Last => self.move_by(|_| usize::MAX),
            Press::Open => {
                if !self.is_open && self.status().is_some() {
                    self.is_open = true;
                    self.scroll = 0;
                }
                self.look().into_iter().collect()
            }
            Press::Back => {
                self.is_open = false;
                Vec::new()
            }
            Press::Help => {
                self.dialog = Some(Dialog::Help);
                Vec::new()
            }
            Press::Redraw => vec![Wish::Redraw],
            Press::End => vec![Wish::End(Exit::Done)],
            Press::Interrupt => vec![Wish::End(Exit::Interrupted)],
            Press::Choose(letter) => {
                self.choose(letter);
                Vec::new()
            }
        }
    }

    fn move_by(&mut self, to: impl Fn(usize) -> usize) -> Vec<Wish> {
        if self.is_open {
            self.scroll = to(self.scroll).min(self.deepest);
            return Vec::new();
        }
        let last = self.overview.environments.len().saturating_sub(1);
        self.selected = to(self.selected).min(last);
        self.look().into_iter().collect()
    }

    /// Asks about the choice that has a key, or says why there is nothing to be asked.
    fn choose(&mut self, letter: char) {
        let refused = |text: String| {
            Some(Notice {
                is_done: false,
                text,
            })
        };
        let (Some(status), Some(target)) = (self.status(), self.target()) else {
            self.notice = refused("nothing has been shipped yet".to_owned());
            return;
        };
        if self.lost_since().is_some() {
            self.notice =
                refused("control is not reached: nothing can be decided on now".to_owned());
            return;
        }
        let choices = match self.known().and_then(|known| known.choices.as_ref()) {
            Some(Ok(choices)) => choices,
            Some(Err(Failure { code, message, .. })) => {
                self.notice = refused(format!("error[{code}]: {message}"));
                return;
            }
            None => {
                self.notice = refused("what can be done is being asked".to_owned());
                return;
            }
        };
        let keys = keys::of_choices(&choices.choices);
        let mut all = choices.choices.iter().zip(keys);
        let Some((choice, _)) = all.find(|(_, key)| *key == Some(letter)) else {
            self.notice = refused(format!(
                "nothing has the key `{letter}`; `?` shows the keys"
            ));
            return;
        };
        if let Some(no) = &choice.refused {
            let label = label(choice);
            self.notice = refused(format!("{label}: error[{}]: {}", no.code, no.message));
            return;
        }
        self.dialog = Some(Dialog::Confirm(Box::new(Confirm {
            target,
            means: means(status, choice),
            choice: choice.clone(),
            seen: choices.version,
            text: self.shown.reason.clone(),
            lacks_reason: false,
            is_given: false,
        })));
    }

    /// Does what a key means while a choice is asked about.
    fn edit(&mut self, edit: Edit) -> Vec<Wish> {
        let Some(Dialog::Confirm(confirm)) = &mut self.dialog else {
            return Vec::new();
        };
        match edit {
            Edit::Interrupt => return vec![Wish::End(Exit::Interrupted)],
            // Control has been told: what follows is its answer.
            _ if confirm.is_given => {}
            Edit::Type(letter) => confirm.write(letter.encode_utf8(&mut [0; 4])),
            Edit::Erase => drop(confirm.text.pop()),
            Edit::EraseAll => confirm.text.clear(),
            Edit::Leave => self.dialog = None,
            Edit::Do => return confirm.give().into_iter().collect(),
        }
        Vec::new()
    }

    /// Does what a key means while something is only to be read.
    fn close(&mut self, key: KeyEvent) -> Vec<Wish> {
        if keys::press(key) == Some(Press::Interrupt) {
            return vec![Wish::End(Exit::Interrupted)];
        }
        self.dialog = None;
        Vec::new()
    }
}

impl Confirm {
    /// Appends what was typed to the reason, as far as that may be.
    fn write(&mut self, text: &str) {
        if self.is_given {
            return;
        }
        for letter in leadsman_api::words::plain(text).chars() {
            if self.text.len() + letter.len_utf8() <= REASON_BYTES_MAX {
                self.text.push(letter);
            }
        }
        self.lacks_reason = false;
    }

    /// Returns the wish to give the command, unless a reason is missing.
    fn give(&mut self) -> Option<Wish> {
        let text = self.text.trim();
        let text = (!text.is_empty()).then(|| text.to_owned());
        if self.choice.reason == Wanted::Yes && text.is_none() {
            self.lacks_reason = true;
            return None;
        }
        self.is_given = true;
        let (command, reason) = with_reason(self.choice.command.clone(), text);
        Some(Wish::Give {
            target: self.target.clone(),
            command,
            seen: self.seen,
            reason,
        })
    }
}

/// Puts the reason where the command has a place for it, and otherwise returns it for the audit.
fn with_reason(mut command: Command, text: Option<String>) -> (Command, Option<String>) {
    let place = match &mut command {
        Command::Approve { note, .. } => {
            *note = text;
            return (command, None);
        }
        Command::Reject { why, .. }
        | Command::Freeze { why, .. }
        | Command::Except { why, .. }
        | Command::Confirm { said: why, .. } => why,
        Command::Pause {}
        | Command::Resume {}
        | Command::Promote { .. }
        | Command::Abort {}
        | Command::Retry {}
        | Command::Rollback { .. }
        | Command::Close { .. }
        | Command::Open { .. }
        | Command::Thaw { .. } => return (command, text),
    };
    if let Some(text) = text {
        *place = text;
    }
    (command, None)
}
