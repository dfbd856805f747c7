//! The pages of the console.

use leadsman_console::path;
use leadsman_core::people::Act;

use super::Needs::{Everything, Known, Named, Nobody, Somewhere};
use super::{COMMANDS, Endpoint, get, post};
use crate::console::{self, deed, freezes, live, releases, runs, services, settings, sign_in};

/// Returns all of them.
pub(super) fn all() -> Vec<Endpoint> {
    let see = Named(&[Act::See]);
    let anywhere = Somewhere(&[Act::See]);
    let own = Somewhere(&[Act::OwnTokens]);
    let people = Everything(Act::People);
    let thaw = Named(&[Act::Thaw]);
    vec![
        get(path::OVERVIEW, anywhere, console::overview),
        get(path::OVERVIEW_LIVE, anywhere, live::overview),
        get(path::SIGN_IN, Nobody, sign_in::get),
        post(path::SIGN_IN, Nobody, sign_in::post),
        get(path::SIGN_IN_PROVIDER, Nobody, sign_in::begin),
        get(path::SIGN_IN_BACK, Nobody, sign_in::back),
        post(path::SIGN_OUT, Known, sign_in::out),
        get(path::ASSET, Nobody, console::asset),
        get(path::ENVIRONMENT, see, console::environment),
        get(path::ENVIRONMENT_LIVE, see, live::environment),
        get(path::SERVICE, see, services::one),
        get(path::SERVICE_LIVE, see, live::service),
        get(path::HISTORY, see, console::history),
        get(path::RELEASE, anywhere, releases::one),
        get(path::RUNS, anywhere, runs::list),
        get(path::RUN, see, runs::one),
        get(path::RUN_LIVE, see, live::run),
        get(path::RUN_LOG, see, runs::log),
        get(path::AUDIT, Somewhere(&[Act::Audit]), console::audit),
        get(path::SETTINGS, own, settings::tokens),
        post(path::SETTINGS, own, settings::make_token),
        get(path::TOKEN_REVOKE, own, settings::ask_revoke),
        post(path::TOKEN_REVOKE, own, settings::revoke),
        get(path::PEOPLE, people, settings::people),
        post(path::PEOPLE, people, settings::add_person),
        get(path::PERSON, people, settings::person),
        get(path::PERSON_CHANGE, people, settings::ask_change),
        post(path::PERSON_CHANGE, people, settings::change),
        get(path::WEBHOOKS, people, settings::webhooks),
        get(path::FREEZES, anywhere, freezes::list),
        post(path::FREEZE, Named(&[Act::Freeze]), freezes::freeze),
        get(path::THAW, thaw, freezes::ask),
        post(path::THAW, thaw, freezes::thaw),
        get(path::DO, see, deed::ask),
        post(path::DO, Named(COMMANDS), deed::done),
    ]
}
