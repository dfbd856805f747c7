//! What was seen of the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leadsman_analysis::Verdict;

use crate::checklist::{Check, Checked};
use crate::entry::KnownFacts;
use crate::errand::{ErrandId, ObservedErrand};
use crate::id::{EnvironmentName, InstanceId, ReleaseNumber, ServiceName};
use crate::people::People;
use crate::route::AcknowledgedRoutes;
use crate::workload::ObservedInstance;

/// What was seen of the world, of one environment's part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Every instance that runs or is on its way to or from running.
    pub instances: BTreeMap<InstanceId, ObservedInstance>,
    /// What was seen of the commands that are run once.
    pub errands: BTreeMap<ErrandId, ObservedErrand>,
    /// What the data plane acknowledged; `None` while it does not answer.
    pub routes: Option<AcknowledgedRoutes>,
    /// What the judge says of each rollout's present step, from closed windows alone.
    pub verdicts: BTreeMap<ServiceName, Verdict>,
    /// The releases that took all traffic in other environments of the application and stand.
    pub elsewhere: BTreeMap<EnvironmentName, BTreeSet<ReleaseNumber>>,
    /// What reports say of the releases that wait to enter, and of the one that serves.
    pub facts: BTreeMap<ReleaseNumber, Arc<KnownFacts>>,
    /// What the machine has found out for checklists.
    pub checks: BTreeMap<Check, Checked>,
    /// Who there is, and what they may do.
    pub people: Arc<People>,
}
