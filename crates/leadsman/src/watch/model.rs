//! What is known of everything that is watched, and what is shown of it.

use jiff::tz::TimeZone;
use leadsman_api::{Choice, Choices, EnvironmentStatus, Event, Moment, Overview, Series};

use super::update::Wish;
use crate::failure::Failure;
use crate::render::words::Clock;
use crate::target::{self, Target};

/// How long nothing may be heard of control before that is said, in milliseconds: it answers once
/// a second, and a machine may be busy.
const SILENCE_MS: u64 = 5000;

/// What was said on the command line, and where moments are seen from.
pub(super) struct Shown {
    /// The environments that were named.
    pub(super) named: Option<String>,
    /// The address of a control elsewhere.
    pub(super) server: Option<String>,
    /// What is proposed as the reason of a decision.
    pub(super) reason: String,
    /// The time zone of who looks.
    pub(super) zone: TimeZone,
}

/// All that is known and shown.
pub(super) struct Model {
    pub(super) shown: Shown,
    /// The present moment of this machine, which may not be that of control.
    pub(super) now: Moment,
    /// How everything stood when that was told last.
    pub(super) overview: Overview,
    /// When that was, by the clock of this machine.
    pub(super) told_at: Moment,
    /// Why it could not be told since.
    pub(super) failure: Option<Failure>,
    /// The place of the environment that is selected.
    pub(super) selected: usize,
    /// Whether it is open: its page is shown instead of the overview.
    pub(super) is_open: bool,
    /// How many lines of its page are above what is shown.
    pub(super) scroll: usize,
    /// How many there can be.
    pub(super) deepest: usize,
    /// What else is known of the one that is selected.
    pub(super) known: Option<Known>,
    /// Of which it is being asked.
    pub(super) asked: Option<Target>,
    /// What lies over the page.
    pub(super) dialog: Option<Dialog>,
    /// What came of what was pressed last.
    pub(super) notice: Option<Notice>,
}

/// What is known of one environment beside its status.
pub(super) struct Known {
    pub(super) target: Target,
    /// What can be done, or why that is not told.
    pub(super) choices: Option<Result<Choices, Failure>>,
    /// What happened to the newest deployment, the oldest first.
    pub(super) events: Option<Result<Vec<Event>, Failure>>,
    /// How its sides have been doing.
    pub(super) series: Option<Series>,
    /// When that was asked last.
    pub(super) series_at: Option<Moment>,
}

/// What control answered about one environment; `None` is what it was not asked.
pub(super) struct Look {
    pub(super) target: Target,
    pub(super) choices: Result<Choices, Failure>,
    pub(super) events: Option<Result<Vec<Event>, Failure>>,
    pub(super) series: Option<Result<Series, Failure>>,
}

/// What lies over the page until it is answered.
pub(super) enum Dialog {
    /// The keys.
    Help,
    /// What follows from a choice, before it is made.
    Confirm(Box<Confirm>),
    /// What did not come of a choice.
    Refused {
        /// The choice, as it stands on its key.
        label: String,
        failure: Failure,
    },
}

/// A choice that a person is about to make. It stays as it was looked at.
pub(super) struct Confirm {
    pub(super) target: Target,
    pub(super) choice: Choice,
    /// What it means, in numbers.
    pub(super) means: Vec<String>,
    /// The version that was looked at.
    pub(super) seen: u64,
    /// The reason, so far.
    pub(super) text: String,
    /// Whether the reason is missing.
    pub(super) lacks_reason: bool,
    /// Whether control has been told.
    pub(super) is_given: bool,
}

/// A line about what came of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether what was asked for is done.
    pub(super) is_done: bool,
    pub(super) text: String,
}

impl Model {
    /// Makes the model of what was just told, and returns what is to be asked next.
    pub(super) fn new(shown: Shown, now: Moment, overview: Overview) -> (Self, Vec<Wish>) {
        let mut model = Self {
            shown,
            now,
            overview,
            told_at: now,
            failure: None,
            selected: 0,
            is_open: false,
            scroll: 0,
            deepest: 0,
            known: None,
            asked: None,
            dialog: None,
            notice: None,
        };
        let after = Some(model.overview.version);
        let mut wishes = vec![Wish::Status {
            after,
            later: false,
        }];
        wishes.extend(model.look());
        (model, wishes)
    }

    /// Takes over how everything stands. The environment that was selected stays so, wherever it
    /// is now.
    pub(super) fn tell(&mut self, overview: Overview) {
        let selected = self.target();
        let named = self.shown.named.as_deref();
        let environments: Vec<_> = target::matching(&overview, named).cloned().collect();
        self.overview = Overview {
            environments,
            ..overview
        };
        let all = &self.overview.environments;
        let found = selected.and_then(|it| all.iter().position(|status| it.is(status)));
        if found.is_none() {
            self.is_open = false;
        }
        self.selected = found
            .unwrap_or(self.selected)
            .min(all.len().saturating_sub(1));
        self.told_at = self.now;
        self.failure = None;
    }

    /// Returns the environment that is selected.
    pub(super) fn status(&self) -> Option<&EnvironmentStatus> {
        self.overview.environments.get(self.selected)
    }

    /// Returns which one that is.
    pub(super) fn target(&self) -> Option<Target> {
        self.status().map(|status| Target {
            application: status.application.clone(),
            environment: status.environment.clone(),
        })
    }

    /// Returns what else is known of it.
    pub(super) fn known(&self) -> Option<&Known> {
        let status = self.status()?;
        self.known.as_ref().filter(|known| known.target.is(status))
    }

    /// Returns what can be done to it, where that is known.
    pub(super) fn choices(&self) -> Option<&Choices> {
        self.known()?.choices.as_ref()?.as_ref().ok()
    }

    /// Returns when control was heard of last, if it is not reached any more.
    pub(super) fn lost_since(&self) -> Option<Moment> {
        let is_silent = self.now.millis_since(self.told_at) >= SILENCE_MS;
        (self.failure.is_some() || is_silent).then_some(self.told_at)
    }

    /// Sees moments of control's from where it answered.
    pub(super) fn clock(&self) -> Clock {
        Clock {
            now: self.overview.at,
            zone: self.shown.zone.clone(),
        }
    }

    /// Sees moments of this machine from now.
    pub(super) fn own_clock(&self) -> Clock {
        Clock {
            now: self.now,
            zone: self.shown.zone.clone(),
        }
    }

    /// Learns how far down what was drawn can be scrolled.
    pub(super) fn drawn(&mut self, deepest: usize) {
        self.deepest = deepest;
        self.scroll = self.scroll.min(deepest);
    }
}
