//! The pages of the console.

use leadsman_console::path;
use leadsman_core::people::Act;

use super::Needs::{Known, Named, Nobody, Somewhere};
use super::{COMMANDS, Endpoint, get, post};
use crate::console::{self, deed, live, runs, sign_in};

/// Returns all of them.
pub(super) fn all() -> Vec<Endpoint> {
    let see = Named(&[Act::See]);
    let anywhere = Somewhere(&[Act::See]);
    vec![
        get(path::OVERVIEW, anywhere, console::overview),
        get(path::OVERVIEW_LIVE, anywhere, live::overview),
        get(path::SIGN_IN, Nobody, sign_in::get),
        post(path::SIGN_IN, Nobody, sign_in::post),
        post(path::SIGN_OUT, Known, sign_in::out),
        get(path::ASSET, Nobody, console::asset),
        get(path::ENVIRONMENT, see, console::environment),
        get(path::ENVIRONMENT_LIVE, see, live::environment),
        get(path::HISTORY, see, console::history),
        get(path::RUNS, anywhere, runs::list),
        get(path::RUN, see, runs::one),
        get(path::RUN_LIVE, see, live::run),
        get(path::RUN_LOG, see, runs::log),
        get(path::AUDIT, Somewhere(&[Act::Audit]), console::audit),
        get(path::DO, see, deed::ask),
        post(path::DO, Named(COMMANDS), deed::done),
    ]
}
