//! Webhooks: added, listed and removed.

use axum::Json;
use axum::extract::State;
use leadsman_api as api;
use leadsman_core::id::is_name;
use leadsman_core::people::{Act, Reach};

use super::Shared;
use super::people::bad;
use crate::access::Caller;
use crate::extract::{Path, Sent};
use crate::problem::Failure;
use crate::serve::Server;
use crate::webhooks::kept::Origin;
use crate::webhooks::signed::Secret;
use crate::webhooks::{Kept, Sender};
use crate::wire;

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
) -> Result<Json<api::Webhooks>, Failure> {
    caller.may(Act::People, &Reach::Everything)?;
    let webhooks = server.webhooks.all()?;
    Ok(Json(api::Webhooks {
        webhooks: webhooks.iter().map(|kept| shown(&server, kept)).collect(),
    }))
}

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(wish): Sent<api::NewWebhook>,
) -> Result<Json<api::CreatedWebhook>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let made = wish.secret.is_none();
    let by = permit.by();
    let kept = wanted(&server, wish, &by.name)?;
    server.webhooks.add(&kept)?;
    let acted = format!("webhook `{}` added", kept.name);
    let on = Some(kept.application.to_string());
    server.engine.acted(by, &acted, on).await;
    Ok(Json(api::CreatedWebhook {
        webhook: shown(&server, &kept),
        secret: made.then(|| api::Secret(kept.secret.reveal().to_owned())),
    }))
}

pub(crate) async fn delete(
    State(server): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<api::Changed>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let removed = server.webhooks.remove(&name)?;
    let acted = format!("webhook `{name}` removed");
    let on = Some(removed.application.to_string());
    server.engine.acted(permit.by(), &acted, on).await;
    Ok(Json(api::Changed {
        sentence: format!("webhook `{name}` was removed"),
    }))
}

fn wanted(server: &Server, wish: api::NewWebhook, by: &str) -> Result<Kept, Failure> {
    let unusable = |why: &str| Failure::webhook_unusable(why.to_owned());
    if !is_name(&wish.name) {
        return Err(unusable(
            "its name is 1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending with -",
        ));
    }
    let sender: Sender = wish.sender.parse().map_err(Failure::webhook_unusable)?;
    let repository = match (wish.repository, wish.url) {
        (Some(path), None) => Origin::folder(&path),
        (None, Some(url)) => Origin::url(&url),
        (None, None) | (Some(_), Some(_)) => {
            return Err(unusable(
                "either a repository of this machine or a URL is expected",
            ));
        }
    };
    let repository = repository.map_err(Failure::webhook_unusable)?;
    let called = wish.called.or_else(|| repository.called());
    let called = called.filter(|called| {
        !called.is_empty() && called.len() <= 300 && !called.contains(char::is_control)
    });
    let secret = match wish.secret {
        Some(given) => Secret::given(&given.0).map_err(unusable)?,
        None => Secret::make(sender)
            .map_err(|error| Failure::internal("the machine gave no random bits", error))?,
    };
    Ok(Kept {
        name: wish.name,
        sender,
        application: wish
            .application
            .parse()
            .map_err(|error: leadsman_core::id::InvalidName| bad(&error))?,
        repository,
        called: called.ok_or_else(|| {
            unusable("it is not said what the sender calls the repository, such as `acme/shop`")
        })?,
        project_file: wish.project_file,
        secret,
        added_at: server.engine.now(),
        added_by: by.to_owned(),
    })
}

fn shown(server: &Server, kept: &Kept) -> api::Webhook {
    let path = api::path::DELIVERIES.replace("{webhook}", &kept.name);
    let (repository, url) = match &kept.repository {
        Origin::Folder(path) => (Some(path.clone()), None),
        Origin::Url(url) => (None, Some(url.clone())),
    };
    api::Webhook {
        name: kept.name.clone(),
        sender: kept.sender.as_str().to_owned(),
        application: kept.application.to_string(),
        repository,
        url,
        called: kept.called.clone(),
        project_file: kept.project_file.clone(),
        address: format!("{}{path}", server.api.as_deref().unwrap_or_default()),
        added_at: wire::moment(kept.added_at),
        added_by: kept.added_by.clone(),
    }
}
