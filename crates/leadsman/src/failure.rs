//! How a subcommand says that something did not work, and the status the program ends with.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use leadsman_api as api;
use serde::Serialize;

use crate::codes::Code;
use crate::render::paint;
use crate::render::words::clean;

/// The status the program ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// It was refused, or failed.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// Control could not be reached, or was lost on the way.
    NoControl = 3,
    /// The release that was shipped went back.
    RolledBack = 4,
    /// A person pressed Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Something that did not work, told to a person: what, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// What `leadsman explain` knows more about.
    pub(crate) code: String,
    /// What did not work: one sentence in lower case.
    pub(crate) message: String,
    /// Why, the nearest cause first.
    pub(crate) causes: Vec<String>,
    /// What to do, the most likely first.
    pub(crate) hints: Vec<String>,
    /// The status to end with.
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Failure {
    /// Makes a failure of the program's own.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            exit: Exit::Failed,
        }
    }

    /// Makes a failure of an error and everything behind it.
    pub(crate) fn of(code: Code, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(code, error.to_string());
        failure.add_causes(error.source());
        failure
    }

    /// Ends the program without a word: nobody is there to be told, or everything is said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self {
            code: String::new(),
            message: String::new(),
            causes: Vec::new(),
            hints: Vec::new(),
            exit,
        }
    }

    /// Whether there is nothing to be said.
    pub(crate) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Adds a cause and everything behind it.
    #[must_use]
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.add_causes(Some(error));
        self
    }

    /// Adds a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Ends the program with another status than 1.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Returns it as people read it.
    pub(crate) fn to_text(&self) -> String {
        let head = paint::bad(&format!("error[{}]", self.code));
        let mut text = format!("{head}: {}\n", clean(&self.message));
        for cause in &self.causes {
            writeln!(text, "  caused by: {}", clean(cause))
                .expect("writing to a string cannot fail");
        }
        for hint in &self.hints {
            writeln!(text, "{}: {}", paint::strong("hint"), clean(hint))
                .expect("writing to a string cannot fail");
        }
        text
    }

    fn add_causes(&mut self, mut cause: Option<&(dyn Error + 'static)>) {
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their source in their own text.
            if !self
                .causes
                .last()
                .is_some_and(|before| before.ends_with(&text))
            {
                self.causes.push(text);
            }
            cause = error.source();
        }
    }
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        let code = match &error {
            api::Error::NotRunning { .. } => Code::NotRunning,
            api::Error::NotPermitted { .. } => Code::NotPermitted,
            api::Error::Connect { .. } => Code::Connect,
            api::Error::OtherVersion { .. } => Code::OtherVersion,
            api::Error::Lost { .. } => Code::Lost,
            api::Error::NoAnswer { .. } => Code::NoAnswer,
            api::Error::NotUnderstood { .. } => Code::NotUnderstood,
            api::Error::Refused(problem) => return Self::from(problem.as_ref().clone()),
            _ => Code::Connect,
        };
        let failure = Self::of(code, &error).exit(Exit::NoControl);
        match &error {
            api::Error::NotRunning { .. } => failure.hint(
                "start it with `leadsman up`, or name the folder of the one that runs with `--state`",
            ),
            api::Error::NotPermitted { .. } => {
                failure.hint(
                    "run this as the user that started it, or over the socket of a group of yours: \
                     `--server unix:PATH`",
                )
            }
            api::Error::Connect { source, .. }
                if source.kind() == std::io::ErrorKind::InvalidInput =>
            {
                failure.hint("the path of a socket has at most 107 bytes: choose another `--state`")
            }
            api::Error::OtherVersion { theirs: Some(theirs), .. } => failure.hint(format!(
                "it speaks version {theirs}: use the `leadsman` that it was started with, or \
                 start it again with this one",
            )),
            _ if error.maybe_done() => failure.hint(
                "it may have been carried out all the same: look with `leadsman status` before \
                 trying again",
            ),
            api::Error::Lost { .. } | api::Error::NoAnswer { .. } => {
                failure.hint("the request changes nothing: try again")
            }
            _ => failure,
        }
    }
}

impl From<api::Problem> for Failure {
    fn from(problem: api::Problem) -> Self {
        let api::Problem {
            kind: _,
            status,
            code,
            message,
            hint,
            request_id,
        } = problem;
        let mut hints: Vec<String> = hint.into_iter().collect();
        if status >= 500 {
            hints.push(format!("control logged it as request {request_id}"));
        }
        Self {
            code,
            message,
            causes: Vec::new(),
            hints,
            exit: Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn text(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.to_text()).to_string()
    }

    #[test]
    fn a_failure_reads_as_message_causes_and_hints() {
        let error = api::Error::Lost {
            request: "promote",
            maybe_done: true,
            source: std::io::Error::from(std::io::ErrorKind::BrokenPipe).into(),
        };
        expect![[r"
            error[L005]: the connection was lost during `promote`
              caused by: broken pipe
            hint: it may have been carried out all the same: look with `leadsman status` before trying again
        "]]
        .assert_eq(&text(&error.into()));
    }

    #[test]
    fn a_refusal_keeps_its_code_and_a_failure_of_control_says_where_to_look() {
        let problem = |status, hint: Option<&str>| api::Problem {
            kind: api::Problem::kind_of("R006"),
            status,
            code: "R006".to_owned(),
            message: "it is not paused".to_owned(),
            hint: hint.map(str::to_owned),
            request_id: "17".to_owned(),
        };
        expect![[r"
            error[R006]: it is not paused
            hint: see what it waits for with `leadsman why`
        "]]
        .assert_eq(&text(
            &problem(409, Some("see what it waits for with `leadsman why`")).into(),
        ));
        expect![[r"
            error[R006]: it is not paused
            hint: control logged it as request 17
        "]]
        .assert_eq(&text(&problem(500, None).into()));
    }

    #[test]
    fn every_way_of_not_reaching_control_ends_with_the_same_status() {
        let at = "/x".to_owned();
        for error in [
            api::Error::NotRunning { at: at.clone() },
            api::Error::NotPermitted { at: at.clone() },
            api::Error::OtherVersion { at, theirs: None },
        ] {
            assert_eq!(Failure::from(error).exit, Exit::NoControl);
        }
    }
}
