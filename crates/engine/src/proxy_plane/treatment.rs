//! How requests are treated, in the words of the data plane.

use leadsman_core::Closed;
use leadsman_core::route::Treatment;
use leadsman_core::spec::RouteRule;
use leadsman_core::traffic::{
    Capacity, Condition, Ejection, Hold, Maintenance, Mirror, Pace, Place, Rate, RequestLimits,
    Retries, Role, Sticky, Tester, Traffic,
};
use leadsman_proxy::table::{self, Rule, Service, StickyCookie};

use super::names::side_name;

/// Returns the rule of the environment whose services begin with `prefix`.
pub(super) fn wire_rule(prefix: &str, rule: &RouteRule) -> Rule {
    Rule {
        host: rule.host.clone(),
        path: rule.path.clone(),
        methods: rule.methods.clone(),
        when: rule.when.iter().map(wire_condition).collect(),
        service: format!("{prefix}{}", rule.service),
        limits: rule.limits.as_ref().map(wire_limits),
    }
}

/// Has requests of `service` treated as asked for.
pub(super) fn treat(service: &mut Service, prefix: &str, treatment: &Treatment) {
    let Treatment {
        traffic,
        canary,
        stable,
        serving,
        closed,
    } = treatment;
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
    // A side that is not there cannot be named.
    let side = |role| {
        let revision = match role {
            Role::Canary => canary.as_ref(),
            Role::Stable => stable.as_ref(),
        };
        revision.map(|revision| side_name(prefix, revision))
    };
    // Who looks after a service that is closed has to see it.
    let tested = |role| side(role).or_else(|| Some(side_name(prefix, serving.as_ref()?)));
    service.sticky = sticky.as_ref().map(wire_sticky);
    service.overrides = testers
        .iter()
        .filter_map(|Tester { when, to }| {
            Some(table::Override {
                when: wire_condition(when),
                side: tested(*to)?,
            })
        })
        .collect();
    service.mirror = mirror.as_ref().and_then(|mirror| {
        let Mirror {
            share,
            methods,
            body,
            at_once,
        } = mirror;
        Some(table::Mirror {
            side: side(Role::Canary)?,
            share: u32::from(share.hundredths()),
            methods: methods.clone(),
            body_max: *body,
            in_flight_max: *at_once,
        })
    });
    service.hold = hold.as_ref().map(wire_hold);
    match closed {
        None => {}
        Some(Closed::Held) => {
            service.paused = true;
            service.hold = Some(wire_hold(&hold.clone().unwrap_or_default()));
        }
        Some(Closed::Maintenance) => {
            let answer = maintenance.clone().unwrap_or_default();
            service.maintenance = Some(wire_maintenance(answer));
        }
    }
    service.ejection = eject.as_ref().map(wire_ejection);
    service.retries = retries.as_ref().map(|retries| {
        let Retries { share, per_second } = retries;
        table::RetryBudget {
            share: u32::from(share.hundredths()),
            per_second: *per_second,
        }
    });
    service.capacity = capacity.as_ref().map(|capacity| {
        let Capacity {
            requests,
            pending,
            wait,
        } = capacity;
        table::Capacity {
            in_flight_max: *requests,
            pending_max: *pending,
            pending_wait: *wait,
        }
    });
    service.slow_start = *slow_start;
}

fn wire_sticky(sticky: &Sticky) -> table::Sticky {
    match sticky {
        Sticky::Cookie {
            name,
            path,
            max_age,
        } => table::Sticky::Cookie(StickyCookie {
            name: name.clone(),
            path: path.clone(),
            max_age: *max_age,
        }),
        Sticky::Header(name) => table::Sticky::Header(name.clone()),
        Sticky::Address => table::Sticky::Address,
    }
}

fn wire_condition(condition: &Condition) -> table::Condition {
    let Condition { place, name, value } = condition.clone();
    let named = table::Named { name, value };
    match place {
        Place::Header => table::Condition::Header(named),
        Place::Cookie => table::Condition::Cookie(named),
    }
}

fn wire_ejection(ejection: &Ejection) -> table::Ejection {
    let Ejection {
        failures,
        time,
        time_max,
        share,
    } = *ejection;
    table::Ejection {
        failures,
        time,
        time_max,
        share_max: u32::from(share.hundredths()),
    }
}

fn wire_hold(hold: &Hold) -> table::Hold {
    let Hold { wait, requests } = *hold;
    table::Hold {
        wait,
        requests_max: requests,
    }
}

fn wire_maintenance(maintenance: Maintenance) -> table::Maintenance {
    let Maintenance {
        status,
        body,
        content_type,
        retry_after,
    } = maintenance;
    table::Maintenance {
        status,
        body,
        content_type,
        retry_after,
    }
}

fn wire_limits(limits: &RequestLimits) -> table::Limits {
    let RequestLimits {
        uri,
        body,
        pace,
        per_client,
        in_all,
    } = limits;
    table::Limits {
        uri_max: *uri,
        body_max: *body,
        pace: pace.as_ref().map(|pace| {
            let Pace {
                idle,
                bytes_per_second,
                grace,
            } = *pace;
            table::Pace {
                idle,
                bytes_per_second,
                grace,
            }
        }),
        per_client: per_client.as_ref().map(wire_rate),
        in_all: in_all.as_ref().map(wire_rate),
    }
}

fn wire_rate(rate: &Rate) -> table::Rate {
    let Rate {
        requests,
        per,
        burst,
    } = *rate;
    table::Rate {
        requests,
        per,
        burst,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use leadsman_core::project::Project;
    use leadsman_core::route::Routes;
    use leadsman_proxy::table::Table;

    use super::super::samples::{environment, exchanged, rollout, web};
    use super::*;

    /// Everything that can be said, each with its bounds on one side or the other.
    const EVERYTHING: &str = r#"
application: shop
services:
  web:
    run: ./server
    traffic:
      sticky: { cookie: side, path: /shop, for: 7d }
      testers: [{ header: x-tester, value: ann }, { cookie: tester, to: stable }]
      mirror: { share: 100%, methods: [GET, POST], body: 16MiB }
      hold: 5m
      maintenance: { body: back at noon, retry_after: 30d }
      eject: { failures: 1, for: 1d, at_most: 1s, share: 0% }
      retries: 0%
      capacity: 1
      slow_start: 1h
routes:
  - { service: web }
  - { methods: [GET], service: web, request_limits: { uri: 64KiB, body: 0B, idle: 1s, grace: 0s, pace: 1TiB, per_client: { rate: 1/h, burst: 720 }, in_all: 9999999/s } }
  - { host: shop.example, headers: { x-track: "a, b" }, cookies: { track: "*" }, service: web }
"#;

    fn routes(text: &str) -> Routes {
        let project = Project::parse(text, "leadsman.yaml").unwrap();
        let spec = project.resolve(&environment().environment).unwrap();
        let service = "web".parse().unwrap();
        let treatment = Treatment {
            traffic: spec.services.get(&service).unwrap().traffic.clone(),
            canary: Some(web(2)),
            stable: Some(web(1)),
            serving: None,
            closed: None,
        };
        Routes {
            rules: spec.routes.clone(),
            treatments: [(service, treatment)].into(),
            ..rollout()
        }
    }

    /// Returns the service as the data plane is told of it, without what it always has.
    fn told(routes: &Routes) -> (Table, serde_json::Value) {
        let table = exchanged(Table::default(), &environment(), routes);
        assert_eq!(table.check(), Ok(()));
        let listener = table.listeners.first().unwrap();
        let service = listener.services.get("shop/production/web").unwrap();
        let mut told = serde_json::to_value(service).unwrap();
        let keys = told.as_object_mut().unwrap();
        keys.retain(|key, _| !["sides", "slow", "tripwire"].contains(&&**key));
        (table, told)
    }

    fn check(value: &impl serde::Serialize, expected: &Expect) {
        expected.assert_eq(&serde_json::to_string_pretty(value).unwrap());
    }

    #[test]
    fn whatever_a_project_file_can_say_the_data_plane_accepts() {
        let (table, told) = told(&routes(EVERYTHING));
        check(
            &told,
            &expect![[r#"
            {
              "capacity": {
                "in_flight_max": 1,
                "pending_max": 1000,
                "pending_wait": {
                  "nanos": 0,
                  "secs": 5
                }
              },
              "ejection": {
                "failures": 1,
                "share_max": 0,
                "time": {
                  "nanos": 0,
                  "secs": 86400
                },
                "time_max": {
                  "nanos": 0,
                  "secs": 86400
                }
              },
              "hold": {
                "requests_max": 1000,
                "wait": {
                  "nanos": 0,
                  "secs": 300
                }
              },
              "mirror": {
                "body_max": 16777216,
                "in_flight_max": 100,
                "methods": [
                  "GET",
                  "POST"
                ],
                "share": 10000,
                "side": "shop/production/web@r2.d7"
              },
              "overrides": [
                {
                  "side": "shop/production/web@r2.d7",
                  "when": {
                    "header": {
                      "name": "x-tester",
                      "value": "ann"
                    }
                  }
                },
                {
                  "side": "shop/production/web@r1.d7",
                  "when": {
                    "cookie": {
                      "name": "tester"
                    }
                  }
                }
              ],
              "retries": {
                "per_second": 10,
                "share": 0
              },
              "slow_start": {
                "nanos": 0,
                "secs": 3600
              },
              "sticky": {
                "cookie": {
                  "max_age": {
                    "nanos": 0,
                    "secs": 604800
                  },
                  "name": "side",
                  "path": "/shop"
                }
              }
            }"#]],
        );
        check(
            &table.listeners.first().unwrap().rules,
            &expect![[r#"
            [
              {
                "host": "shop.example",
                "path": "/",
                "when": [
                  {
                    "header": {
                      "name": "x-track",
                      "value": "a, b"
                    }
                  },
                  {
                    "cookie": {
                      "name": "track"
                    }
                  }
                ],
                "service": "shop/production/web"
              },
              {
                "host": null,
                "path": "/",
                "methods": [
                  "GET"
                ],
                "service": "shop/production/web",
                "limits": {
                  "uri_max": 65536,
                  "body_max": 0,
                  "pace": {
                    "idle": {
                      "secs": 1,
                      "nanos": 0
                    },
                    "bytes_per_second": 1099511627776,
                    "grace": {
                      "secs": 0,
                      "nanos": 0
                    }
                  },
                  "per_client": {
                    "requests": 1,
                    "per": {
                      "secs": 3600,
                      "nanos": 0
                    },
                    "burst": 720
                  },
                  "in_all": {
                    "requests": 9999999,
                    "per": {
                      "secs": 1,
                      "nanos": 0
                    },
                    "burst": 9999999
                  }
                }
              },
              {
                "host": null,
                "path": "/",
                "service": "shop/production/web"
              }
            ]"#]],
        );
    }

    #[test]
    fn while_nothing_comes_in_nobody_is_led_there() {
        let mut routes = routes(EVERYTHING);
        for treatment in routes.treatments.values_mut() {
            (treatment.canary, treatment.stable) = (None, None);
        }
        let (_, told) = told(&routes);
        assert_eq!(
            (told.get("overrides"), told.get("mirror")),
            (None, None),
            "{told}"
        );
        assert!(told.get("sticky").is_some(), "{told}");
    }

    #[test]
    fn closed_services_answer_as_the_project_file_says_or_as_is_usual() {
        let plain = "application: shop\nservices: { web: { run: x } }\n";
        for (text, how, key, expected) in [
            (EVERYTHING, Closed::Held, "/hold/wait/secs", "300"),
            (plain, Closed::Held, "/hold/wait/secs", "30"),
            (plain, Closed::Held, "/paused", "true"),
            (
                EVERYTHING,
                Closed::Maintenance,
                "/maintenance/body",
                "\"back at noon\"",
            ),
            (plain, Closed::Maintenance, "/maintenance/status", "503"),
        ] {
            let mut routes = routes(text);
            let open = told(&routes).1;
            for key in ["maintenance", "paused"] {
                assert_eq!(open.get(key), None, "{open}");
            }
            for treatment in routes.treatments.values_mut() {
                (treatment.canary, treatment.stable) = (None, None);
                treatment.serving = Some(web(1));
                treatment.closed = Some(how);
            }
            let closed = told(&routes).1;
            let tester = closed.pointer("/overrides/0/side").map(|it| it.as_str());
            let expected_tester = (text == EVERYTHING).then_some(Some("shop/production/web@r1.d7"));
            assert_eq!(tester, expected_tester, "testers see what serves: {closed}");
            let value = closed.pointer(key).map(ToString::to_string);
            assert_eq!(value.as_deref(), Some(expected), "{how} {key}: {closed}");
        }
    }
}
