//! What happened: facts, recorded once and never changed.
//!
//! The JSON of these types is what the log stores. A golden file holds one example of each kind;
//! a kind may get new optional fields, but what was written once must be readable for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leadsman_analysis::Verdict;
use leadsman_gates::{GateResult, Says};
use serde::{Deserialize, Serialize};

use crate::checklist::{Answer, Asks, When};
use crate::closing::Closed;
use crate::deployment::{Cause, End, Origin};
use crate::entry::{Approval, Identity, Source};
use crate::id::{DeploymentNumber, Digest, ItemName, ReleaseNumber, ServiceName};
use crate::migration::Course;
use crate::release::ReleaseContent;
use crate::spec::Strategy;
use crate::time::Timestamp;
use crate::weight::Weight;

/// A fact about one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A deployment will start as soon as the present one has gone back.
    DeploymentQueued {
        /// What it brings.
        release: ReleaseNumber,
        /// What that release is.
        content: Arc<ReleaseContent>,
        /// What asked for it.
        origin: Origin,
        /// Who asked for it.
        by: String,
        /// What exactly the release is, and where it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
        /// How long its steps are held at most, if it could not wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        soak_at_most: Option<Duration>,
        /// Why it comes in although its migration leaves no way back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        one_way: Option<String>,
    },
    /// A release is on its way in.
    DeploymentStarted {
        /// The deployment.
        number: DeploymentNumber,
        /// What it brings.
        release: ReleaseNumber,
        /// What that release is.
        content: Arc<ReleaseContent>,
        /// What asked for it.
        origin: Origin,
        /// The services that change, and the way each takes.
        rollouts: BTreeMap<ServiceName, Strategy>,
        /// Who asked for it.
        by: String,
        /// What exactly the release is, and where it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
        /// Why it comes in although its migration leaves no way back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        one_way: Option<String>,
    },
    /// The schema of the database is brought to another one, before anything of the release runs.
    MigrationStarted {
        /// What is run.
        course: Course,
    },
    /// The migration has ended, and nothing of it runs any more.
    MigrationEnded {
        /// In words, why it did not end well; `None` if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
        /// The last lines that it wrote, without secrets.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last: Vec<String>,
        /// How long it took.
        took: Duration,
    },
    /// What serves was watched on the new schema, and works.
    OldWatched {
        /// The release that serves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<ReleaseNumber>,
        /// The schema.
        schema: u64,
    },
    /// Everything that a service waited for is promoted: its first instances are prepared.
    RolloutStarted {
        /// The service.
        service: ServiceName,
    },
    /// The copy of the previous revision could not be had: what comes in is compared with that
    /// revision itself. It does not speak against the release.
    BaselineGivenUp {
        /// The service.
        service: ServiceName,
        /// Why.
        why: String,
    },
    /// Enough instances are ready: the data plane shall give the new revision this weight.
    WeightShifted {
        /// The service.
        service: ServiceName,
        /// The step, counted from 0.
        step: usize,
        /// The new revision's share.
        weight: Weight,
    },
    /// The data plane has acknowledged the weight: the step is held and judged from now on.
    SoakStarted {
        /// The service.
        service: ServiceName,
        /// The step, counted from 0.
        step: usize,
    },
    /// The judge's outcome changed.
    VerdictReached {
        /// The service.
        service: ServiceName,
        /// The verdict with its numbers.
        verdict: Verdict,
    },
    /// A step is over and the next one is prepared.
    StepPassed {
        /// The service.
        service: ServiceName,
        /// The step, counted from 0.
        step: usize,
        /// What let it pass.
        passed: Passed,
    },
    /// The steps up to the last one are left out because a person said so.
    StepsSkipped {
        /// The service.
        service: ServiceName,
        /// Who.
        by: String,
    },
    /// A service has all its traffic on the new revision.
    ServicePromoted {
        /// The service.
        service: ServiceName,
        /// What let the last step pass.
        passed: Passed,
    },
    /// Every service of the deployment is promoted; the previous revisions are kept warm.
    DeploymentPromoted {},
    /// A person, or a maintenance window, holds the deployment.
    DeploymentPaused {
        /// The maintenance window, in words, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        works: Option<String>,
        /// Who.
        by: String,
    },
    /// A person lets the deployment go on.
    DeploymentResumed {
        /// Who.
        by: String,
    },
    /// Traffic goes back to the previous revisions.
    RollbackStarted {
        /// The services that go back.
        services: BTreeSet<ServiceName>,
        /// Why.
        cause: Cause,
    },
    /// The previous revision of a service has all traffic again.
    ServiceReturned {
        /// The service.
        service: ServiceName,
    },
    /// The way back is blocked: what serves is left serving until a person decides.
    DeploymentFrozen {
        /// What blocks it.
        why: String,
    },
    /// The deployment is finished.
    DeploymentEnded {
        /// How.
        end: End,
    },
    /// A person keeps users' requests from services.
    ServicesClosed {
        /// The services.
        services: BTreeSet<ServiceName>,
        /// What becomes of the requests.
        how: Closed,
        /// Who.
        by: String,
    },
    /// A person lets users' requests in again.
    ServicesOpened {
        /// The services.
        services: BTreeSet<ServiceName>,
        /// Who.
        by: String,
    },
    /// A release was shipped, and waits until it may enter.
    EntryRequested {
        /// The release.
        release: ReleaseNumber,
        /// What it is here.
        content: Arc<ReleaseContent>,
        /// What exactly that is, and where it comes from.
        identity: Identity,
        /// What asked for it.
        origin: Origin,
        /// Why it cannot wait, if it takes the expedited way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expedited: Option<String>,
        /// Why it comes in although its migration leaves no way back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        one_way: Option<String>,
        /// Who asked for it.
        by: String,
    },
    /// A person consents.
    EntryApproved {
        /// The release that waits.
        release: ReleaseNumber,
        /// What exactly they consent to.
        digest: Digest,
        /// What they said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Whether they own the state folder, and so may approve without being a person.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        owner: bool,
        /// Who.
        by: String,
    },
    /// Gates say something else of a release that waits than they did.
    EntryJudged {
        /// The release.
        release: ReleaseNumber,
        /// What exactly they were asked about.
        digest: Digest,
        /// What they say now.
        gates: Vec<GateResult>,
    },
    /// A gate that was open closed: what people had consented to is not what they saw.
    ApprovalsRevoked {
        /// The release.
        release: ReleaseNumber,
        /// Which gate, and what it says.
        why: String,
    },
    /// A person refuses a release that waits.
    EntryRejected {
        /// The release.
        release: ReleaseNumber,
        /// Why.
        why: String,
        /// Who.
        by: String,
    },
    /// A release has waited for as long as it may.
    EntryExpired {
        /// The release.
        release: ReleaseNumber,
    },
    /// A newer release entered before one that waited.
    EntryOvertaken {
        /// The release that waited.
        release: ReleaseNumber,
        /// The one that entered.
        by: ReleaseNumber,
    },
    /// Nothing stands between a release and the environment any more.
    EntryAdmitted {
        /// The release.
        release: ReleaseNumber,
        /// The digest of what enters.
        digest: Digest,
        /// The consent that counted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<Approval>,
        /// What the gates said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gates: Vec<GateResult>,
        /// What was found out, or said, of its checklist.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<Answer>,
        /// Why it did not wait, if it took the expedited way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expedited: Option<String>,
    },
    /// The machine has found something else about an item of a checklist than before, or a person has
    /// confirmed it.
    ItemAnswered {
        /// The release that the list is about.
        release: ReleaseNumber,
        /// What exactly that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// Which list.
        when: When,
        /// The item.
        item: ItemName,
        /// What it asks.
        asks: Asks,
        /// Whether it holds.
        passed: bool,
        /// What was found, or said, in words.
        said: String,
        /// Who: a person, or the engine.
        by: String,
    },
    /// An item of a list for afterwards was not done in time.
    ItemMissed {
        /// The release that the list is about.
        release: ReleaseNumber,
        /// Which list.
        when: When,
        /// The item.
        item: ItemName,
        /// What it asks.
        asks: Asks,
        /// What it lacks, in words.
        said: String,
    },
    /// A person says that nothing enters for a time.
    FreezeBegun {
        /// Its number.
        number: u64,
        /// From when on; at once, if it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Until when; until somebody ends it, if it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether what is on its way goes no further either: a maintenance window.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        maintenance: bool,
        /// Why.
        why: String,
        /// Who.
        by: String,
    },
    /// A person lets one release in all the same.
    FreezeExcepted {
        /// The number of the freeze.
        number: u64,
        /// The release.
        release: ReleaseNumber,
        /// Why.
        why: String,
        /// Who.
        by: String,
    },
    /// A person ends a freeze.
    FreezeEnded {
        /// Its number.
        number: u64,
        /// Who.
        by: String,
    },
}

/// What let a step pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// The judge, at the end of the soak.
    Judged {
        /// Its verdict.
        verdict: Verdict,
    },
    /// Nothing but time: the judge was not sure, nothing spoke against it, and the strategy lets
    /// such a step go on once its patience has ended.
    Unproven {
        /// The verdict that proved nothing.
        verdict: Verdict,
    },
    /// Readiness alone: the step has no soak.
    Ready,
    /// A person.
    ByHand {
        /// Who.
        by: String,
    },
}

/// A fact about an application as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ApplicationEvent {
    /// A release was recorded. It never changes afterwards.
    ReleaseCreated {
        /// Its number.
        number: ReleaseNumber,
        /// The project file as it was, word for word.
        project: String,
        /// The folder that the project file lay in.
        origin: String,
        /// The digests of its services' artifacts.
        artifacts: BTreeMap<ServiceName, Digest>,
        /// What the person who shipped it said about it.
        note: Option<String>,
        /// Where it comes from.
        #[serde(default, skip_serializing_if = "Source::is_unknown")]
        source: Source,
    },
    /// A report on a release came in.
    ReportReceived {
        /// The release.
        release: ReleaseNumber,
        /// Where the report came from.
        source: leadsman_gates::Source,
        /// What it says.
        says: Box<Says>,
    },
}

impl ApplicationEvent {
    /// Returns the name of the kind of event, as the log stores it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReleaseCreated { .. } => "release_created",
            Self::ReportReceived { .. } => "report_received",
        }
    }
}

impl Event {
    /// Returns the name of the kind of event, as the log stores it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DeploymentQueued { .. } => "deployment_queued",
            Self::DeploymentStarted { .. } => "deployment_started",
            Self::MigrationStarted { .. } => "migration_started",
            Self::MigrationEnded { .. } => "migration_ended",
            Self::OldWatched { .. } => "old_watched",
            Self::RolloutStarted { .. } => "rollout_started",
            Self::BaselineGivenUp { .. } => "baseline_given_up",
            Self::WeightShifted { .. } => "weight_shifted",
            Self::SoakStarted { .. } => "soak_started",
            Self::VerdictReached { .. } => "verdict_reached",
            Self::StepPassed { .. } => "step_passed",
            Self::StepsSkipped { .. } => "steps_skipped",
            Self::ServicePromoted { .. } => "service_promoted",
            Self::DeploymentPromoted {} => "deployment_promoted",
            Self::DeploymentPaused { .. } => "deployment_paused",
            Self::DeploymentResumed { .. } => "deployment_resumed",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::ServiceReturned { .. } => "service_returned",
            Self::DeploymentFrozen { .. } => "deployment_frozen",
            Self::DeploymentEnded { .. } => "deployment_ended",
            Self::ServicesClosed { .. } => "services_closed",
            Self::ServicesOpened { .. } => "services_opened",
            Self::EntryRequested { .. } => "entry_requested",
            Self::EntryApproved { .. } => "entry_approved",
            Self::EntryJudged { .. } => "entry_judged",
            Self::ApprovalsRevoked { .. } => "approvals_revoked",
            Self::EntryRejected { .. } => "entry_rejected",
            Self::EntryExpired { .. } => "entry_expired",
            Self::EntryOvertaken { .. } => "entry_overtaken",
            Self::EntryAdmitted { .. } => "entry_admitted",
            Self::ItemAnswered { .. } => "item_answered",
            Self::ItemMissed { .. } => "item_missed",
            Self::FreezeBegun { .. } => "freeze_begun",
            Self::FreezeExcepted { .. } => "freeze_excepted",
            Self::FreezeEnded { .. } => "freeze_ended",
        }
    }
}
