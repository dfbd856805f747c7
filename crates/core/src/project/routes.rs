//! Which service answers which requests.

use super::codes::{NO_ROUTES, SAME_ROUTE, UNKNOWN_NAME};
use super::model::{Environment, File, Ready, Route};
use super::problem::quoted;
use super::read::{Reader, Setting};
use super::resolve::{Services, refuse_unknown_service};
use super::shape::{List, Short};
use crate::id::ServiceName;
use crate::spec::RouteRule;

/// Returns the routes of an environment, the most specific first; `None` where they are broken.
pub(super) fn resolve(
    file: &File,
    keys: &Environment,
    services: &Services,
    reader: &mut Reader,
) -> Option<Vec<RouteRule>> {
    let (setting, own) = match (&keys.routes, &file.routes) {
        (Setting::Absent, of_all) => (of_all, false),
        (own, _) => (own, true),
    };
    match setting {
        Setting::Given(list) => listed(list, own, file, services, reader),
        Setting::Absent | Setting::Removed => assumed(services, reader),
        Setting::Broken => None,
    }
}

fn listed(
    list: &List<Route, 500>,
    own: bool,
    file: &File,
    services: &Services,
    reader: &mut Reader,
) -> Option<Vec<RouteRule>> {
    let mut rules: Vec<RouteRule> = Vec::new();
    let mut whole = true;
    for route in &list.items {
        let Some(name) = route.service.get().map(|name| &name.0) else {
            whole = false;
            continue;
        };
        let Some((service, _)) = services.iter().find(|(s, _)| s.as_str() == name.value) else {
            let known = file.services.get().into_iter().flat_map(|map| map.keys());
            if !known.clone().any(|known| known == name.value) {
                refuse_unknown_service(name, known, reader);
                whole = false;
            } else if own {
                let message = format!("service {} is left out here", quoted(&name.value));
                reader.note(
                    &UNKNOWN_NAME,
                    name.at,
                    message,
                    "take this route out as well",
                );
                whole = false;
            }
            // A route of all environments ends where its service is left out.
            continue;
        };
        if matches!(route.host, Setting::Broken) || matches!(route.path, Setting::Broken) {
            whole = false;
            continue;
        }
        let host = route.host.get().map(|host| host.0.clone());
        let path = route
            .path
            .get()
            .map_or_else(|| "/".to_owned(), |path| path.0.clone());
        if rules
            .iter()
            .any(|rule| rule.host == host && rule.path == path)
        {
            let message = match &host {
                Some(host) => format!("there is already a route for `{host}{path}`"),
                None => format!("there is already a route for `{path}` of every host"),
            };
            reader.note(&SAME_ROUTE, name.at, message, "take one of them out");
            whole = false;
            continue;
        }
        rules.push(RouteRule {
            host,
            path,
            service: service.clone(),
        });
    }
    rules.sort_by(|a, b| {
        let specific = |rule: &RouteRule| (rule.host.is_none(), usize::MAX - rule.path.len());
        specific(a)
            .cmp(&specific(b))
            .then_with(|| (&a.host, &a.path).cmp(&(&b.host, &b.path)))
    });
    whole.then_some(rules)
}

/// Returns the routes where none are given: everything goes to the only service that could be
/// meant.
fn assumed(services: &Services, reader: &mut Reader) -> Option<Vec<RouteRule>> {
    let to = |service: &ServiceName| {
        Some(vec![RouteRule {
            host: None,
            path: "/".to_owned(),
            service: service.clone(),
        }])
    };
    let mut all = services.iter();
    if let (Some((only, _)), None) = (all.next(), all.next()) {
        return to(only);
    }
    let has_command = |setting: &Setting<Short<Ready>>| {
        setting
            .get()
            .is_some_and(|ready| ready.0.command.get().is_some())
    };
    let mut listening = services.iter().filter(|(_, s)| !has_command(&s.keys.ready));
    match (listening.next(), listening.next()) {
        (Some((only, _)), None) => to(only),
        (None, _) => Some(Vec::new()),
        (Some((first, _)), Some((second, _))) => {
            let at = services.values().map(|s| s.at).min().unwrap_or_default();
            let message = format!(
                "there are several services, and nothing says which requests go to `{first}` and \
                 which to `{second}`"
            );
            let hint = format!("add `routes: [{{ path: /, service: {first} }}]`, or `routes: []`");
            reader.note(&NO_ROUTES, at, message, hint);
            None
        }
    }
}
