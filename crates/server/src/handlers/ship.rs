//! Shipping a release.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use leadsman_api::{Shipment, Shipped};
use leadsman_core::Refusal;
use leadsman_core::entry::Source;
use leadsman_core::id::{Digest, EnvironmentName, ServiceName};
use leadsman_core::people::Act;
use leadsman_engine::{Error, NewRelease, Ways};

use super::{Shared, commands};
use crate::access::Caller;
use crate::extract::Sent;
use crate::problem::Failure;
use crate::serve::Server;

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(shipment): Sent<Shipment>,
) -> Result<Json<Shipped>, Failure> {
    let expedited = shipment.expedite.as_deref().map(commands::said);
    let ways = Ways {
        expedited: expedited.transpose()?,
        one_way: shipment
            .one_way
            .as_deref()
            .map(commands::said)
            .transpose()?,
    };
    let (new, environment) = read(shipment)?;
    // Before anything is recorded: what cannot be started shall not be a release.
    let (state, _, _) = server.engine.preview(&new, environment.clone())?;
    let permit = caller.may_in(Act::Ship, &state.id)?;
    if ways.expedited.is_some() {
        caller.may_in(Act::Expedite, &state.id)?;
    }
    have_artifacts(&server, &new).await?;
    let (application, number) = server.engine.release(&new, permit.by()).await?;
    let shipped = server
        .engine
        .ship(&application, number, environment, ways, permit.by())
        .await;
    let id = &state.id;
    let answer = |version, deployment, (started, waits), sentence| Shipped {
        version,
        application: application.to_string(),
        environment: id.environment.to_string(),
        release: number.0,
        deployment,
        started,
        waits,
        sentence,
    };
    match shipped {
        Ok((_, recorded)) => {
            let accepted = commands::accepted(&recorded);
            let waits = recorded.iter().any(|it| it.kind == "entry_requested");
            Ok(Json(answer(
                accepted.version,
                accepted.deployment,
                (!waits, waits),
                accepted.sentence,
            )))
        }
        // Asked for twice, done once: a script may repeat itself.
        Err(Error::Refused(
            refusal @ (Refusal::AlreadyServes(_)
            | Refusal::AlreadyOnItsWay(_)
            | Refusal::AlreadyRequested(_)),
        )) => {
            let deployment = state.deployment.map(|deployment| deployment.number.0);
            Ok(Json(answer(
                state.version,
                deployment,
                (false, matches!(refusal, Refusal::AlreadyRequested(_))),
                refusal.to_string(),
            )))
        }
        Err(error) => {
            let failure = Failure::from(error);
            Err(failure.about(Act::Ship.as_str(), Some(id.to_string())))
        }
    }
}

/// Returns what is shipped, in the domain's types.
pub(crate) fn read(shipment: Shipment) -> Result<(NewRelease, Option<EnvironmentName>), Failure> {
    let bad = |error: &dyn std::error::Error| Failure::bad_request(error.to_string());
    let mut artifacts: BTreeMap<ServiceName, Digest> = BTreeMap::new();
    for (service, digest) in shipment.artifacts {
        let service = service
            .parse()
            .map_err(|e: leadsman_core::id::InvalidName| bad(&e))?;
        let digest = digest
            .parse()
            .map_err(|e: leadsman_core::id::InvalidDigest| bad(&e))?;
        artifacts.insert(service, digest);
    }
    let environment = shipment.environment.map(|name| name.parse()).transpose();
    let environment = environment.map_err(|e: leadsman_core::id::InvalidName| bad(&e))?;
    if !shipment.origin.starts_with('/') {
        let origin = shipment.origin;
        return Err(Failure::bad_request(format!(
            "`{origin}` is not an absolute path"
        )));
    }
    let new = NewRelease {
        project: shipment.project,
        file_name: shipment.file,
        origin: shipment.origin,
        artifacts,
        note: shipment.note,
        source: Source::default(),
    };
    Ok((new, environment))
}

async fn have_artifacts(server: &Server, new: &NewRelease) -> Result<(), Failure> {
    for (service, digest) in &new.artifacts {
        if server.shelf.artifact(digest).await?.is_none() {
            return Err(Error::ArtifactMissing(service.clone()).into());
        }
    }
    Ok(())
}
