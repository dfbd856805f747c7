//! Routes, and how requests are treated, as a project file says them.

use std::time::Duration;

use super::effective::{Lines, list, or_null, scalar};
use super::metric_values::word;
use super::traffic_values::per_time;
use super::units;
use crate::spec::RouteRule;
use crate::traffic::{
    Capacity, Condition, Ejection, Hold, Maintenance, Mirror, Pace, Place, Rate, RequestLimits,
    Retries, Sticky, Tester, Traffic,
};

/// Returns a route in one line.
pub(super) fn route(rule: &RouteRule) -> String {
    let RouteRule {
        host,
        path,
        methods,
        when,
        service,
        limits,
    } = rule;
    let mut keys = Vec::new();
    keys.extend(host.as_ref().map(|host| key("host", scalar(host))));
    keys.push(key("path", scalar(path)));
    if !methods.is_empty() {
        keys.push(key("methods", list(methods)));
    }
    for (name, place) in [("headers", Place::Header), ("cookies", Place::Cookie)] {
        let said: Vec<String> = when
            .iter()
            .filter(|condition| condition.place == place)
            .map(|Condition { name, value, .. }| key(&scalar(name), expected(value.as_deref())))
            .collect();
        if !said.is_empty() {
            keys.push(key(name, flow(&said)));
        }
    }
    keys.push(key("service", service));
    let limits = limits.as_ref().map(request_limits);
    keys.extend(limits.map(|limits| key("request_limits", limits)));
    flow(&keys)
}

fn request_limits(limits: &RequestLimits) -> String {
    let RequestLimits {
        uri,
        body,
        pace,
        per_client,
        in_all,
    } = limits;
    let mut keys = Vec::new();
    keys.extend(uri.map(|size| key("uri", units::size(size.into()))));
    keys.extend(body.map(|size| key("body", units::size(size))));
    if let Some(Pace {
        idle,
        bytes_per_second,
        grace,
    }) = pace
    {
        keys.push(key("idle", units::duration(*idle)));
        if *bytes_per_second > 0 {
            keys.push(key("pace", units::size(*bytes_per_second)));
        }
        keys.push(key("grace", units::duration(*grace)));
    }
    for (name, rate) in [("per_client", per_client), ("in_all", in_all)] {
        let rate = rate.as_ref().map(|rate| {
            let Rate {
                requests,
                per,
                burst,
            } = rate;
            let said = [key("rate", per_time(*requests, *per)), key("burst", burst)];
            flow(&said)
        });
        keys.extend(rate.map(|rate| key(name, rate)));
    }
    flow(&keys)
}

pub(super) fn put_traffic(file: &mut Lines, traffic: &Traffic) {
    let Traffic {
        sticky,
        testers,
        mirror,
        hold,
        maintenance,
        eject,
        retries,
        capacity,
        slow_start,
    } = traffic;
    file.open(2, "traffic");
    file.put(3, "sticky", or_null(sticky.as_ref().map(said_of_sticky)));
    let testers: Vec<String> = testers.iter().map(said_of_tester).collect();
    file.put(3, "testers", format!("[{}]", testers.join(", ")));
    file.put(3, "mirror", or_null(mirror.as_ref().map(said_of_mirror)));
    let hold = hold.as_ref().map(|Hold { wait, requests }| {
        flow(&[
            key("wait", units::duration(*wait)),
            key("requests", requests),
        ])
    });
    file.put(3, "hold", or_null(hold));
    let maintenance = maintenance.as_ref().map(said_of_maintenance);
    file.put(3, "maintenance", or_null(maintenance));
    file.put(3, "eject", or_null(eject.as_ref().map(said_of_ejection)));
    let retries = retries.as_ref().map(|Retries { share, per_second }| {
        flow(&[
            key("share", units::weight(*share)),
            key("per_second", per_second),
        ])
    });
    file.put(3, "retries", or_null(retries));
    let capacity = capacity.as_ref().map(|capacity| {
        let Capacity {
            requests,
            pending,
            wait,
        } = capacity;
        flow(&[
            key("requests", requests),
            key("pending", pending),
            key("wait", units::duration(*wait)),
        ])
    });
    file.put(3, "capacity", or_null(capacity));
    let slow_start = slow_start.map(units::duration);
    file.put(3, "slow_start", or_null(slow_start));
}

fn said_of_sticky(sticky: &Sticky) -> String {
    match sticky {
        Sticky::Cookie {
            name,
            path,
            max_age,
        } => flow(&[
            key("cookie", scalar(name)),
            key("path", scalar(path)),
            key("for", time(*max_age)),
        ]),
        Sticky::Header(name) => flow(&[key("header", scalar(name))]),
        Sticky::Address => flow(&[key("address", true)]),
    }
}

fn said_of_tester(Tester { when, to }: &Tester) -> String {
    let place = match when.place {
        Place::Header => "header",
        Place::Cookie => "cookie",
    };
    flow(&[
        key(place, scalar(&when.name)),
        key("value", expected(when.value.as_deref())),
        key("to", word(*to)),
    ])
}

fn said_of_mirror(mirror: &Mirror) -> String {
    let Mirror {
        share,
        methods,
        body,
        at_once,
    } = mirror;
    flow(&[
        key("share", units::weight(*share)),
        key("methods", list(methods)),
        key("body", units::size(*body)),
        key("at_once", at_once),
    ])
}

fn said_of_maintenance(maintenance: &Maintenance) -> String {
    let Maintenance {
        status,
        body,
        content_type,
        retry_after,
    } = maintenance;
    flow(&[
        key("status", status),
        key("body", scalar(body)),
        key("type", scalar(content_type)),
        key("retry_after", time(*retry_after)),
    ])
}

fn said_of_ejection(ejection: &Ejection) -> String {
    let Ejection {
        failures,
        time,
        time_max,
        share,
    } = ejection;
    flow(&[
        key("failures", failures),
        key("for", units::duration(*time)),
        key("at_most", units::duration(*time_max)),
        key("share", units::weight(*share)),
    ])
}

fn key(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}: {value}")
}

fn time(time: Option<Duration>) -> String {
    or_null(time.map(units::duration))
}

fn expected(value: Option<&str>) -> String {
    scalar(value.unwrap_or("*"))
}

fn flow(keys: &[String]) -> String {
    format!("{{ {} }}", keys.join(", "))
}
