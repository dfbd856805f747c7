//! The page of a service, also as it changes.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use leadsman_api::{EnvironmentStatus, LogsQuery, Series, ServiceSeries, ServiceStatus};
use leadsman_console::{Part, Visitor, Written, service_parts};
use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_engine::View;
use serde::Deserialize;

use super::html;
use crate::extract::{Path, Query};
use crate::handlers::logs::wanted;
use crate::handlers::series::series;
use crate::handlers::status::status_of;
use crate::handlers::{Shared, view};
use crate::problem::Failure;
use crate::serve::Server;
use crate::shelf::Shelf;

/// How many lines of one instance are shown, and of each of several.
const OF_ONE: usize = 500;
const OF_SEVERAL: usize = 50;

/// Of how many instances output is shown at once.
const AT_ONCE: usize = 6;

/// How many instances can be chosen from: the newest.
const KEPT: usize = 40;

/// The path of a service, as it was asked for.
pub(crate) type AskedService = Path<(String, String, String)>;

/// Which instance is looked at.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct Chosen {
    instance: Option<String>,
}

/// What a page of a service is made of.
struct Made {
    environment: EnvironmentStatus,
    service: ServiceStatus,
    series: Option<ServiceSeries>,
    written: Written,
}

pub(crate) async fn one(
    State(server): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(asked): AskedService,
    Query(chosen): Query<Chosen>,
) -> Result<Response, Failure> {
    let view = there(&server, &asked)?;
    let series = counted(&server, &view).await?;
    let made = made(&server, &view, &asked.2, &chosen, series.as_ref()).await?;
    let page = leadsman_console::service(
        &visitor,
        &made.environment,
        &made.service,
        made.series.as_ref(),
        &made.written,
    );
    Ok(html(StatusCode::OK, page))
}

/// Returns the environment of a service that was asked for.
pub(crate) fn there(
    server: &Server,
    (application, environment, _): &(String, String, String),
) -> Result<std::sync::Arc<View>, Failure> {
    view(server, &(application.clone(), environment.clone()))
}

/// Returns the parts of the page; `series` is how the sides have been doing.
pub(crate) async fn parts(
    server: &Server,
    view: &View,
    service: &str,
    chosen: &Chosen,
    series: Option<&Series>,
) -> Result<Vec<Part>, Failure> {
    let made = made(server, view, service, chosen, series).await?;
    let (environment, service) = (&made.environment, &made.service);
    let series = made.series.as_ref();
    Ok(service_parts(environment, service, series, &made.written))
}

/// Returns how the sides of the newest deployment have been doing.
pub(crate) async fn counted(server: &Server, view: &View) -> Result<Option<Series>, Failure> {
    let environment = &view.environment;
    series(server, &environment.id, environment.last_deployment).await
}

async fn made(
    server: &Server,
    view: &View,
    name: &str,
    chosen: &Chosen,
    series: Option<&Series>,
) -> Result<Made, Failure> {
    let environment = status_of(server, view).await;
    let mut services = environment.services.iter();
    let service = services.find(|service| service.name == name).cloned();
    let id = &view.environment.id;
    let service =
        service.ok_or_else(|| Failure::not_found(format!("`{id}` has no service `{name}`")))?;
    let mut counted = series.into_iter().flat_map(|series| &series.services);
    let series = counted.find(|it| it.service == name).cloned();
    let written = written(&*server.shelf, id, &service, chosen).await?;
    Ok(Made {
        environment,
        service,
        series,
        written,
    })
}

/// Returns what the instances of a service wrote last.
async fn written(
    shelf: &dyn Shelf,
    environment: &EnvironmentId,
    service: &ServiceStatus,
    chosen: &Chosen,
) -> Result<Written, Failure> {
    let query = LogsQuery {
        service: Some(service.name.clone()),
        ..LogsQuery::default()
    };
    let kept = wanted(shelf, environment, &query).await?;
    let mut kept: Vec<InstanceId> = kept.into_iter().collect();
    kept.sort_by_key(|id| std::cmp::Reverse(age(id)));
    let sides = [
        &service.stable,
        &service.baseline,
        &service.canary,
        &service.warm,
    ];
    let instances = sides.into_iter().flatten().flat_map(|side| &side.instances);
    let runs: Vec<&str> = instances.map(|instance| &*instance.id).collect();
    let is_shown = |id: &InstanceId| match &chosen.instance {
        Some(chosen) => id.as_str() == chosen,
        None => runs.contains(&id.as_str()),
    };
    let lines = if chosen.instance.is_some() {
        OF_ONE
    } else {
        OF_SEVERAL
    };
    let mut last = Vec::new();
    for id in kept.iter().filter(|id| is_shown(id)).take(AT_ONCE) {
        let Ok(mut of_one) = shelf.lines(id, lines, false).await else {
            continue;
        };
        let mut texts = Vec::new();
        while let Some(line) = of_one.recv().await {
            texts.push(line.text);
        }
        last.push((id.to_string(), texts));
    }
    let kept = kept.iter().take(KEPT).map(ToString::to_string);
    Ok(Written {
        chosen: chosen.instance.clone(),
        kept: kept.collect(),
        last,
        lines,
    })
}

/// Returns by which deployment an instance was started, and which of its it is: the newest is the largest.
fn age(id: &InstanceId) -> (u64, u64) {
    let mut parts = id.as_str().rsplit('.');
    let mut number = |prefix: &str| {
        let part = parts.next().and_then(|part| part.strip_prefix(prefix));
        part.and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    };
    let ordinal = number("");
    (number("d"), ordinal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_told_apart_by_their_deployment_first() {
        let of = |id: &str| age(&InstanceId::from_text(id));
        assert_eq!(of("shop.production.web.r12.d10.2"), (10, 2));
        assert!(of("shop.production.web.r12.d10.1") > of("shop.production.web.r9.d9.10"));
        assert_eq!(of("no instance"), (0, 0));
    }
}
