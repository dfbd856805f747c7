//! The page of a release.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leadsman_console::{Against, Visitor};

use super::html;
use crate::access::Caller;
use crate::extract::Path;
use crate::handlers::Shared;
use crate::handlers::diff::from_what_runs;
use crate::handlers::releases::{AskedRelease, release, seen};
use crate::problem::Failure;

pub(crate) async fn one(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path(asked): AskedRelease,
) -> Result<Response, Failure> {
    let found = release(&server, &caller, &asked).await?;
    let views = match asked.0.parse() {
        Ok(application) => seen(&server, &caller, &application),
        Err(_) => Vec::new(),
    };
    let of_one = views.iter().filter_map(|view| {
        let environment = &view.environment;
        // What serves differs from what runs only while something moves, which is not its doing.
        if environment.serving() == Some(found.record.number) {
            return None;
        }
        let diff = from_what_runs(&server, environment, &found.record)?;
        let environment = environment.id.environment.to_string();
        Some(Against { environment, diff })
    });
    let against: Vec<Against> = of_one.collect();
    let page = leadsman_console::release(&visitor, &found.status, &against);
    Ok(html(StatusCode::OK, page))
}
