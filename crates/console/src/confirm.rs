//! The page before something is done to an environment: what exactly, in numbers.

use leadsman_api::words::{percent, rate};
use leadsman_api::{Choice, Command, EnvironmentStatus, Side};

use crate::ask::Ask;
use crate::deeds::{is_grave, label, path_of};
use crate::page::Visitor;
use crate::path;
use crate::words::{Said, said};

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
        points: numbers(status, choice),
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

/// Says in numbers what a choice means for users' requests, and of an item what it asks.
fn numbers(status: &EnvironmentStatus, choice: &Choice) -> Vec<Said> {
    if let Command::Confirm {
        item,
        when,
        release,
        ..
    } = &choice.command
    {
        let lists = status.checklists.iter();
        let lists = lists.filter(|list| Some(&list.when) == when.as_ref());
        let lists = lists.filter(|list| Some(list.release) == *release);
        let asked = lists.flat_map(|list| &list.items);
        let asked = asked.filter(|asked| asked.name == *item);
        return asked
            .map(|asked| said(&format!("it asks: {}", asked.asks)))
            .collect();
    }
    let services = status.services.iter();
    let said = services.filter_map(|service| {
        let name = &service.name;
        let line = match &*choice.name {
            "abort" => {
                let (canary, stable) = (service.canary.as_ref()?, service.stable.as_ref());
                format!("{} go {}", taken(canary), to(stable))
            }
            "rollback" => {
                let from = service.canary.as_ref().or(service.stable.as_ref())?;
                let back = match &service.canary {
                    Some(_) => service.stable.as_ref(),
                    None => service.warm.as_ref(),
                };
                format!("{} go {}", taken(from), to(back))
            }
            "promote" | "promote-all" => {
                let canary = service.canary.as_ref()?;
                format!("release {} has {} so far", canary.release, share(canary))
            }
            _ => return None,
        };
        Some(said(&format!("`{name}`: {line}")))
    });
    said.collect()
}

/// Says which requests go elsewhere.
fn taken(side: &Side) -> String {
    format!("the {} that release {} has", share(side), side.release)
}

/// Says how many of all requests a side has.
fn share(side: &Side) -> String {
    let percent = percent(side.weight_percent);
    match &side.figures {
        Some(figures) => {
            let rate = rate(figures.requests_per_second);
            format!("{percent} of requests ({rate})")
        }
        None => format!("{percent} of requests"),
    }
}

/// Says where requests go, and who is there to take them.
fn to(side: Option<&Side>) -> String {
    match side {
        Some(side) => {
            let (release, ready, wanted) = (side.release, side.ready(), side.wanted);
            format!("to release {release}, which has {ready} of {wanted} instances ready")
        }
        None => "to an earlier release, whose instances are started first".to_owned(),
    }
}
