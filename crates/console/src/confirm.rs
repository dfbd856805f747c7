//! The page before something is done to an environment: what exactly, in numbers.

use leadsman_api::words::{is_grave, label, means};
use leadsman_api::{Choice, Command, EnvironmentStatus};

use crate::ask::Ask;
use crate::deeds::path_of;
use crate::page::Visitor;
use crate::path;
use crate::words::said;

/// Returns the page on which somebody confirms a choice that was made at the version `seen`.
pub fn confirm(
    visitor: &Visitor,
    status: &EnvironmentStatus,
    choice: &Choice,
    seen: u64,
) -> String {
    let name = format!("{}/{}", status.application, status.environment);
    let follows = choice.follows.as_deref().unwrap_or_default();
    let ask = Ask {
        label: label(choice),
        sentence: said(&format!("{name}: {follows}.")),
        points: means(status, choice).iter().map(|it| said(it)).collect(),
        action: path_of(status, choice),
        above: &[(name, path::of_environment(path::ENVIRONMENT, status))],
        hidden: vec![("seen", seen.to_string())],
        reason: choice.reason,
        reason_label: matches!(choice.command, Command::Confirm { .. })
            .then_some("What you looked at, or why it is so"),
        grave: is_grave(choice),
    };
    ask.page(visitor)
}
