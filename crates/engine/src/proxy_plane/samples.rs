//! An environment in the middle of a rollout, for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_core::entrance::Entrance;
use leadsman_core::id::{
    DeploymentNumber, EnvironmentId, InstanceId, ReleaseNumber, RevisionId, ServiceName,
};
use leadsman_core::route::{Routes, Watch};
use leadsman_core::spec::{Probe, Protocol};
use leadsman_core::weight::Weight;
use leadsman_proxy::table::Table;

use super::table::exchange;

pub(super) fn environment() -> EnvironmentId {
    EnvironmentId {
        application: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
    }
}

/// Revision `release` of `web`, as deployment 7 brought it in.
pub(super) fn web(release: u64) -> RevisionId {
    RevisionId {
        service: "web".parse().unwrap(),
        release: ReleaseNumber(release),
        deployment: DeploymentNumber(7),
    }
}

/// A canary beside stable, watched over.
pub(super) fn rollout() -> Routes {
    let side = |release, weight| leadsman_core::route::Side {
        revision: web(release),
        weight: Weight::percent(weight),
        instances: BTreeMap::from([(
            InstanceId::from_text(format!("web-{release}")),
            ([127, 0, 0, 1], 4000).into(),
        )]),
        protocol: Protocol::Http1,
        probe: Probe::Tcp,
        drain: Duration::from_secs(30),
    };
    let service: ServiceName = "web".parse().unwrap();
    let watch = Watch {
        over: [None, Some(Duration::from_secs(2))],
        late: Duration::from_secs(12),
        tripwire: Some(leadsman_core::route::Tripwire {
            canary: web(2),
            baseline: web(1),
            limit: 0.05,
            alpha: 0.001,
        }),
    };
    Routes {
        listen: ([127, 0, 0, 1], 8080).into(),
        entrance: Entrance::default(),
        rules: Vec::new(),
        services: BTreeMap::from([(service.clone(), vec![side(1, 95), side(2, 5)])]),
        watches: BTreeMap::from([(service, watch)]),
        treatments: BTreeMap::new(),
    }
}

/// Returns `table` with the part of `environment` exchanged.
pub(super) fn exchanged(table: Table, environment: &EnvironmentId, routes: &Routes) -> Table {
    exchange(table, environment, 1, routes).expect("nothing newer is in force")
}
