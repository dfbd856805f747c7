//! `leadsman explain`: what a code means and what to do about it.

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::pages::{self, PAGES};

/// Explain a code such as `L001`, or list all of them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code
    code: Option<String>,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let Some(code) = &args.code else {
        let all: Vec<_> = PAGES
            .iter()
            .map(|(code, page)| serde_json::json!({ "code": code, "title": pages::title(page) }))
            .collect();
        return context.output.either(&all, |_| {
            PAGES
                .iter()
                .map(|(code, page)| format!("{code}  {}\n", pages::title(page)))
                .collect()
        });
    };
    let (code, page) = pages::find(code).ok_or_else(|| {
        Failure::new(Code::Unexplained, format!("there is no code `{code}`"))
            .hint("list all of them with `leadsman explain`")
    })?;
    let object = serde_json::json!({ "code": code, "page": page });
    context.output.either(&object, |_| page.to_owned())
}
