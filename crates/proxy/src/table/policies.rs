//! What can be wrong with what a service asks for beside its sides.

use super::{Capacity, Ejection, Hold, Maintenance, RetryBudget, Service, Sticky};

/// Returns all that is wrong.
pub(super) fn faults(service: &Service) -> Vec<String> {
    let overrides = service.overrides.iter().filter_map(|o| o.fault(service));
    let single = [
        ("sticky", service.sticky.as_ref().and_then(Sticky::fault)),
        (
            "mirror",
            service.mirror.as_ref().and_then(|m| m.fault(service)),
        ),
        (
            "ejection",
            service.ejection.as_ref().and_then(Ejection::fault),
        ),
        (
            "retries",
            service.retries.as_ref().and_then(RetryBudget::fault),
        ),
        (
            "capacity",
            service.capacity.as_ref().and_then(Capacity::fault),
        ),
        ("hold", service.hold.as_ref().and_then(Hold::fault)),
        (
            "maintenance",
            service.maintenance.as_ref().and_then(Maintenance::fault),
        ),
    ];
    let single = single.into_iter();
    let single = single.filter_map(|(what, fault)| Some(format!("{what}: {}", fault?)));
    let overrides = overrides.map(|fault| format!("override: {fault}"));
    single.chain(overrides).collect()
}
