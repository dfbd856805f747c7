//! `leadsman maintenance`: has something else answered instead of services, or plans a time in which
//! the environment is worked on.

use leadsman_api::Closed;

use super::closing::{Switch, switch};
use super::freeze::Time;
use super::give::give;
use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Answer requests of users with `maintenance` of the project file instead, or plan a maintenance
/// window
///
/// `on` and `off` are about users. `window` is about releases: while it is on nothing enters, what is
/// on its way goes no further, and the way back stays free. It ends by itself. Times are those of this
/// machine's clock, such as `2026-12-24 18:00`, or carry an offset.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `on` answers instead of the services; `off` lets requests in; `window` plans a maintenance
    /// window, which `leadsman thaw` takes back
    #[arg(value_enum, value_name = "on|off|window")]
    what: What,
    /// Only this service [default: every one that requests are routed to]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    time: Time,
    /// Why the environment is worked on
    #[arg(long, short = 'm', value_name = "TEXT")]
    because: Option<String>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Users get another answer from now on
    On,
    /// No longer
    Off,
    /// Nothing enters or goes further for a time
    Window,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let Args {
        what,
        service,
        time,
        because,
    } = args;
    let turn = match what {
        What::On => Switch::On,
        What::Off => Switch::Off,
        What::Window if service.is_some() => {
            return Err(usage("a maintenance window is for the whole environment"));
        }
        What::Window => {
            let why = because
                .clone()
                .ok_or_else(|| usage("a maintenance window needs a reason: add `--because`"))?;
            return give(context, time.freeze(true, why)).await;
        }
    };
    if !time.is_empty() || because.is_some() {
        let message =
            "`--from`, `--until`, `--for` and `--because` are for `leadsman maintenance window`";
        return Err(usage(message));
    }
    switch(context, Closed::Maintenance, turn, service.clone()).await
}

fn usage(message: &str) -> Failure {
    Failure::new(Code::LineWrong, message).exit(Exit::Usage)
}
