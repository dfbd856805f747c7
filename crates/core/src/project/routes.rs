//! Which service answers which requests.

use std::collections::BTreeMap;

use super::codes::{DUPLICATE_KEY, NO_ROUTES, SAME_COOKIE, SAME_ROUTE, UNKNOWN_NAME};
use super::model::{Environment, File, Ready, Route};
use super::problem::quoted;
use super::read::{Merge as _, Reader, Setting};
use super::resolve::{Services, refuse_unknown_service};
use super::shape::{List, Map, Short};
use super::traffic::{self, RequestLimits};
use super::traffic_values::{Expected, TokenKey};
use crate::id::ServiceName;
use crate::spec::{RouteRule, ServiceSpec};
use crate::traffic::{Condition, Place, Sticky};

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
    let limits = file
        .request_limits
        .clone()
        .under(keys.request_limits.clone());
    match setting {
        Setting::Given(list) => listed(list, own, file, &limits, services, reader),
        Setting::Absent | Setting::Removed => {
            let of_all = traffic::request_limits(&limits, &Setting::Absent, reader);
            let mut rules = assumed(services, reader)?;
            for rule in &mut rules {
                rule.limits.clone_from(&of_all);
            }
            Some(rules)
        }
        Setting::Broken => None,
    }
}

fn listed(
    list: &List<Route, 500>,
    own: bool,
    file: &File,
    limits: &Setting<RequestLimits>,
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
        let Some(rule) = rule(route, service, limits, reader) else {
            whole = false;
            continue;
        };
        if let Some(other) = rules.iter().find(|other| rule.conflicts_with(other)) {
            let (message, hint) = conflict(&rule, other);
            reader.note(&SAME_ROUTE, name.at, message, hint);
            whole = false;
            continue;
        }
        rules.push(rule);
    }
    rules.sort_by(RouteRule::order);
    whole.then_some(rules)
}

/// Returns what a route says; `None` where a part of it is broken.
fn rule(
    route: &Route,
    service: &ServiceName,
    limits: &Setting<RequestLimits>,
    reader: &mut Reader,
) -> Option<RouteRule> {
    let is_broken = matches!(route.host, Setting::Broken)
        || matches!(route.path, Setting::Broken)
        || matches!(route.methods, Setting::Broken)
        || matches!(route.headers, Setting::Broken)
        || matches!(route.cookies, Setting::Broken);
    let headers = conditions(Place::Header, &route.headers, reader)?;
    let cookies = conditions(Place::Cookie, &route.cookies, reader)?;
    if is_broken {
        return None;
    }
    let path = route.path.get().map(|path| path.0.clone());
    Some(RouteRule {
        host: route.host.get().map(|host| host.0.clone()),
        path: path.unwrap_or_else(|| "/".to_owned()),
        methods: route
            .methods
            .get()
            .map(traffic::methods)
            .unwrap_or_default(),
        when: headers.into_iter().chain(cookies).collect(),
        service: service.clone(),
        limits: traffic::request_limits(limits, &route.request_limits, reader),
    })
}

fn conditions<const COOKIE: bool>(
    place: Place,
    setting: &Setting<Map<TokenKey, Expected<COOKIE>, 10>>,
    reader: &mut Reader,
) -> Option<Vec<Condition>> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, expected) in setting.get().into_iter().flat_map(|map| &map.entries) {
        let expected = match expected {
            Setting::Given(expected) => expected.0.clone(),
            Setting::Broken => return None,
            Setting::Absent | Setting::Removed => continue,
        };
        let text = match place {
            Place::Header => name.value.to_ascii_lowercase(),
            Place::Cookie => name.value.clone(),
        };
        if conditions.iter().any(|known| known.name == text) {
            let message = format!("the header `{text}` is there twice");
            reader.note(&DUPLICATE_KEY, name.at, message, "take one of them out");
            return None;
        }
        conditions.push(Condition {
            place,
            name: text,
            value: expected,
        });
    }
    Some(conditions)
}

fn conflict(rule: &RouteRule, other: &RouteRule) -> (String, &'static str) {
    let place = match &rule.host {
        Some(host) => format!("`{host}{}`", rule.path),
        None => format!("`{}` of every host", rule.path),
    };
    if rule.methods == other.methods && rule.when == other.when {
        let message = format!("there is already a route for {place}");
        return (message, "take one of them out");
    }
    let message = format!(
        "a request for {place} could be meant by this route and by one to `{}`",
        other.service
    );
    let hint = "give one of them more headers or cookies, or other values of the same ones, or other \
        methods";
    (message, hint)
}

/// Notes services of one host that remember their users by the same cookie.
pub(super) fn refuse_shared_cookies(
    specs: &BTreeMap<ServiceName, ServiceSpec>,
    services: &Services,
    routes: &[RouteRule],
    reader: &mut Reader,
) {
    let hosts = |service: &ServiceName| {
        let routes = routes.iter().filter(|rule| rule.service == *service);
        routes.map(|rule| rule.host.clone()).collect::<Vec<_>>()
    };
    let mut seen: Vec<(&ServiceName, &str)> = Vec::new();
    for (service, spec) in specs {
        let Some(Sticky::Cookie { name, .. }) = &spec.traffic.sticky else {
            continue;
        };
        let mine = hosts(service);
        let meets = |other: &ServiceName| {
            let theirs = hosts(other);
            let meet = |host: &Option<String>| {
                let same = |theirs: &Option<String>| host == theirs || theirs.is_none();
                theirs.iter().any(|theirs| host.is_none() || same(theirs))
            };
            mine.iter().any(meet)
        };
        let other = seen
            .iter()
            .find(|(other, cookie)| cookie == name && meets(other));
        if let (Some((other, _)), Some(resolved)) = (other, services.get(service)) {
            let message = format!("`{other}` and `{service}` both remember users by `{name}`");
            let hint = "give each a cookie of its own: `traffic: { sticky: cookie }`";
            reader.note(&SAME_COOKIE, resolved.at, message, hint);
        }
        seen.push((service, name));
    }
}

/// Returns the routes where none are given: everything goes to the only service that could be
/// meant.
fn assumed(services: &Services, reader: &mut Reader) -> Option<Vec<RouteRule>> {
    let to = |service: &ServiceName| Some(vec![RouteRule::to(service.clone(), "/")]);
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
