//! What somebody could do to an environment now: every usual command, decided without being told.

use axum::extract::State;
use axum::response::Response;
use leadsman_api::{Choice, Choices, Command as Wish, Refused, Scope, Wanted};
use leadsman_core::checklist::{Asks, ItemState, underway};
use leadsman_core::decide;
use leadsman_engine::View;

use super::commands::{Asking, act, command, sentence};
use super::{AskedEnvironment, Shared, view};
use crate::access::Caller;
use crate::extract::Path;
use crate::problem::Failure;
use crate::serve::Server;
use crate::tag::tagged;

/// What stands for a reason that is not known yet: that there is one is what is decided on.
const TO_BE_SAID: &str = "(your reason)";

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
    Path(asked): AskedEnvironment,
) -> Result<Response, Failure> {
    let view = view(&server, &asked)?;
    let choices = choices(&server, &caller, &view);
    Ok(tagged(choices.version, choices))
}

/// Returns what `caller` could do.
pub(crate) fn choices(server: &Server, caller: &Caller, view: &View) -> Choices {
    let usual = [
        ("promote", Wish::Promote { all: false }),
        ("promote-all", Wish::Promote { all: true }),
        ("pause", Wish::Pause {}),
        ("resume", Wish::Resume {}),
        ("abort", Wish::Abort {}),
        (
            "rollback",
            Wish::Rollback {
                to: None,
                scope: Scope::All,
                migrate_back: false,
            },
        ),
        ("retry", Wish::Retry {}),
    ];
    let usual = usual.map(|(name, wish)| (name.to_owned(), wish, Wanted::No));
    let waiting = view.environment.requests.iter();
    let waiting = waiting.flat_map(|(release, request)| {
        let release = release.0;
        let approve = Wish::Approve {
            release,
            digest: Some(request.identity.digest.to_string()),
            note: None,
        };
        let why = TO_BE_SAID.to_owned();
        let reject = Wish::Reject { release, why };
        [
            (format!("approve-{release}"), approve, Wanted::Maybe),
            (format!("reject-{release}"), reject, Wanted::Yes),
        ]
    });
    let choices = usual.into_iter().chain(waiting).chain(open(view));
    Choices {
        version: view.environment.version,
        choices: choices
            .map(|(name, wish, reason)| choice(server, caller, view, name, wish, reason))
            .collect(),
    }
}

/// Returns what could be confirmed of the checklists that are open.
fn open(view: &View) -> Vec<(String, Wish, Wanted)> {
    let mut open: Vec<(String, Wish, Wanted)> = Vec::new();
    for list in underway(&view.environment) {
        let (when, release) = (list.when.to_string(), list.release.0);
        for item in list.items(&view.observed, view.at) {
            let waits = item.state != ItemState::Done;
            if !waits || !matches!(item.item.asks, Asks::Confirm { .. }) {
                continue;
            }
            let name = format!("confirm-{release}-{}-{}", when.replace('_', "-"), item.name);
            let confirm = Wish::Confirm {
                item: item.name.to_string(),
                when: Some(when.clone()),
                release: Some(release),
                digest: list.digest.map(ToString::to_string),
                said: TO_BE_SAID.to_owned(),
            };
            // Two lists may ask for different things under one name: both are confirmed at once.
            if open.iter().all(|(known, ..)| *known != name) {
                open.push((name, confirm, Wanted::Yes));
            }
        }
    }
    open
}

fn choice(
    server: &Server,
    caller: &Caller,
    view: &View,
    name: String,
    wish: Wish,
    reason: Wanted,
) -> Choice {
    let (follows, refused) = match follows(server, caller, view, &wish) {
        Ok(follows) => (Some(follows), None),
        Err(refused) => (None, Some(refused)),
    };
    Choice {
        name,
        command: wish,
        reason,
        follows,
        refused,
    }
}

/// Returns what would follow, in words, or why nothing does.
fn follows(server: &Server, caller: &Caller, view: &View, wish: &Wish) -> Result<String, Refused> {
    let id = &view.environment.id;
    let permit = caller.may_in(act(wish), id).map_err(Failure::refused)?;
    if matches!(wish, Wish::Confirm { .. }) && caller.has_token() {
        return Err(Failure::token_confirms_nothing().refused());
    }
    let asking = Asking::of(server, caller, id);
    let command = command(wish.clone(), asking).map_err(Failure::refused)?;
    let decided = decide(&view.environment, &command, &permit.by().name);
    let events = decided.map_err(|refusal| Refused {
        code: refusal.code().to_owned(),
        message: refusal.to_string(),
    })?;
    Ok(sentence(&events))
}
