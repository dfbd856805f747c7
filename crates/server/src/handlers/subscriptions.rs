//! Subscriptions: added, listed, tested and removed, and how telling them goes.

use axum::Json;
use axum::extract::State;
use leadsman_api as api;
use leadsman_core::id::is_name;
use leadsman_core::people::{Act, Reach};

use super::Shared;
use super::audit::last_position;
use super::people::reach;
use crate::access::Caller;
use crate::extract::{Path, Query, Sent};
use crate::problem::Failure;
use crate::serve::Server;
use crate::subscriptions::address::{Address, Allowed};
use crate::subscriptions::teller::delivery;
use crate::subscriptions::{Delivery, Format, Kept, kinds, notice, owner};
use crate::webhooks::signed::Secret;
use crate::wire;

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
    Query(query): Query<api::SubscriptionsQuery>,
) -> Result<Json<api::Subscriptions>, Failure> {
    caller.may(Act::People, &Reach::Everything)?;
    let all = server.subscriptions.all()?;
    let urls = query.urls == Some(true);
    let shown = all.iter().map(|kept| shown(&server, kept, urls));
    Ok(Json(api::Subscriptions {
        subscriptions: shown.collect::<Result<_, _>>()?,
    }))
}

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(wish): Sent<api::NewSubscription>,
) -> Result<Json<api::CreatedSubscription>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let by = permit.by();
    let kept = wanted(&server, wish, &by.name).await?;
    server.subscriptions.add(&kept)?;
    let host = kept.address.authority();
    let acted = format!("subscription `{}` to `{host}` added", kept.name);
    server.engine.acted(by, &acted, about(&kept)).await;
    created(&server, &kept).map(Json)
}

pub(crate) async fn delete(
    State(server): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<api::Changed>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let removed = server.subscriptions.remove(&name)?;
    let acted = format!("subscription `{name}` removed");
    let on = about(&removed);
    server.engine.acted(permit.by(), &acted, on).await;
    Ok(Json(api::Changed {
        sentence: format!("subscription `{name}` was removed"),
    }))
}

pub(crate) async fn secret(
    State(server): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<api::CreatedSubscription>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let secret = made()?;
    let now = server.engine.now();
    let kept = server.subscriptions.renew(&name, secret, now)?;
    let acted = format!("subscription `{name}` was given another secret");
    server.engine.acted(permit.by(), &acted, about(&kept)).await;
    created(&server, &kept).map(Json)
}

pub(crate) async fn test(
    State(server): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<api::Tested>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let kept = server.subscriptions.known(&name)?;
    let acted = format!("subscription `{name}` tested");
    server.engine.acted(permit.by(), &acted, about(&kept)).await;
    let source = owner::source(&*server.engine.log()).await;
    let source = source.map_err(leadsman_engine::Error::NotRead)?;
    let now = server.engine.now();
    let source = source.as_deref().unwrap_or("urn:leadsman:new");
    let trial = notice::trial(&name, kept.format, source, now);
    let sent = server.telling.send(&kept, &trial).await;
    let came = delivery(&trial, &sent, server.engine.now());
    Ok(Json(api::Tested {
        delivery: shown_delivery(&came),
        answer: sent.answer.ok().and_then(|answer| answer.text),
    }))
}

pub(crate) async fn deliveries(
    State(server): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<api::Deliveries>, Failure> {
    caller.may(Act::People, &Reach::Everything)?;
    let kept = server.subscriptions.known(&name)?;
    let progress = server.subscriptions.progress(&kept)?;
    let deliveries = progress.recent.iter().rev().map(shown_delivery);
    Ok(Json(api::Deliveries {
        name,
        position: progress.position,
        given_up: progress.given_up,
        failing_since: progress.failing_since.map(wire::moment),
        next_at: progress.next_at.map(wire::moment),
        ended_at: progress.ended_at.map(wire::moment),
        deliveries: deliveries.collect(),
    }))
}

async fn wanted(server: &Server, wish: api::NewSubscription, by: &str) -> Result<Kept, Failure> {
    let unusable = |why: &str| Failure::subscription_unusable(why);
    if !is_name(&wish.name) {
        return Err(unusable(
            "its name is 1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending with -",
        ));
    }
    let allowed = Allowed {
        private_address: wish.private_address,
        plain_http: wish.plain_http,
    };
    let address = Address::try_from(wish.url).map_err(Failure::subscription_unusable)?;
    if let Some(why) = address.refused(allowed) {
        return Err(unusable(why));
    }
    let format = wish.format.as_deref().unwrap_or(Format::Leadsman.as_str());
    let format: Format = format.parse().map_err(Failure::subscription_unusable)?;
    let mut only = wish.only;
    only.sort();
    only.dedup();
    for kind in &only {
        if !kinds::is_kind(kind) {
            let why = format!("`{kind}` is no kind of event that is told");
            return Err(Failure::subscription_unusable(why));
        }
        if format == Format::CdEvents && !kinds::has_cdevent(kind) {
            let why = format!("`{kind}` is nothing among CDEvents");
            return Err(Failure::subscription_unusable(why));
        }
    }
    let log = server.engine.log();
    let from = last_position(&*log).await;
    Ok(Kept {
        name: wish.name,
        address,
        allowed,
        format,
        only,
        about: reach(wish.about.as_deref())?,
        secret: made()?,
        previous: None,
        from: from.map_err(leadsman_engine::Error::NotRead)?,
        added_at: server.engine.now(),
        added_by: by.to_owned(),
    })
}

fn made() -> Result<Secret, Failure> {
    Secret::make_signing()
        .map_err(|error| Failure::internal("the machine gave no random bits", error))
}

/// Returns what a subscription is about, for the audit.
fn about(kept: &Kept) -> Option<String> {
    match &kept.about {
        Reach::Everything => None,
        Reach::Application(_) | Reach::Environment(_) => Some(kept.about.to_string()),
    }
}

/// Returns a subscription with a secret that was made a moment ago.
fn created(server: &Server, kept: &Kept) -> Result<api::CreatedSubscription, Failure> {
    Ok(api::CreatedSubscription {
        subscription: shown(server, kept, false)?,
        secret: api::Secret(kept.secret.reveal().to_owned()),
        previous_until: kept
            .previous
            .as_ref()
            .map(|(_, until)| wire::moment(*until)),
    })
}

fn shown(server: &Server, kept: &Kept, url: bool) -> Result<api::Subscription, Failure> {
    let progress = server.subscriptions.progress(kept)?;
    Ok(api::Subscription {
        name: kept.name.clone(),
        host: kept.address.authority().to_string(),
        url: url.then(|| kept.address.reveal().to_owned()),
        format: kept.format.as_str().to_owned(),
        only: kept.only.clone(),
        about: about(kept),
        private_address: kept.allowed.private_address,
        plain_http: kept.allowed.plain_http,
        added_at: wire::moment(kept.added_at),
        added_by: kept.added_by.clone(),
        failing_since: progress.failing_since.map(wire::moment),
        ended_at: progress.ended_at.map(wire::moment),
    })
}

fn shown_delivery(delivery: &Delivery) -> api::Delivery {
    let took = delivery.took.as_millis();
    api::Delivery {
        id: delivery.id.clone(),
        kind: delivery.kind.clone(),
        at: wire::moment(delivery.at),
        took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        status: delivery.status,
        problem: delivery.problem.clone(),
    }
}
