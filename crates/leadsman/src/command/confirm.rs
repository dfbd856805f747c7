//! `leadsman confirm`: says that an item of a checklist is so.

use leadsman_api::Command;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Confirm an item of a checklist, in your name
///
/// It needs the role that the item asks for, and a person: a token that was made by hand confirms
/// nothing, because nobody can tell whether a person or a program holds it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name of the item
    item: String,
    /// What you looked at, or why it is so
    #[arg(long, short = 'm', value_name = "TEXT")]
    because: String,
    /// The number of the release; needed where several lists have such an item
    #[arg(long, value_name = "RELEASE")]
    release: Option<u64>,
    /// The list: `before`, `during`, `after` or `after_rollback`; needed where several have it
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
    /// The digest of what you looked at; refused if the list is about something else
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let command = Command::Confirm {
        item: args.item.clone(),
        when: args.list.clone(),
        release: args.release,
        digest: args.digest.clone(),
        said: args.because.clone(),
    };
    give(context, command).await
}
