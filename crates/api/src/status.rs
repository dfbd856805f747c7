//! How things stand: environments, their services, and what a deployment waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::GateStatus;

use crate::{Checklist, Closed};

/// A moment: whole milliseconds since 1970-01-01 00:00:00 UTC, by the clock of control.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// Returns how many milliseconds `earlier` lies before it; 0 where it does not.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Which status is wanted, and whether to wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// Answer only when there is a version after this one, or when `wait_ms` are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How long to wait for it, in milliseconds; at most 60 000, and 0 where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// Grows with every change of anything but the figures, which change all the time.
    pub version: u64,
    /// When the answer was made.
    pub at: Moment,
    /// Every environment, by application and name.
    pub environments: Vec<EnvironmentStatus>,
}

/// How one environment stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentStatus {
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// The version of its state: the number of facts recorded about it.
    pub version: u64,
    /// When the answer was made.
    pub at: Moment,
    /// Where requests are accepted, such as `http://127.0.0.1:8080`.
    pub url: Option<String>,
    /// Why no requests are accepted there, such as a port that is taken.
    pub url_problem: Option<String>,
    /// The release that serves; `None` before the first one.
    pub serves: Option<u64>,
    /// The schema of its database; not there where no release said anything about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// The newest deployment, also when it is over.
    pub deployment: Option<Deployment>,
    /// What starts as soon as that deployment has gone back.
    pub queued: Option<Queued>,
    /// The releases that wait to enter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// The times in which nothing enters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// The maintenance window of the week that is on, in words; not there where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
    /// The windows of the week; not there where releases may always enter, and nothing is worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// The checklists that are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checklists: Vec<Checklist>,
    /// Its services, by name.
    pub services: Vec<ServiceStatus>,
    /// What the deployment waits for; empty only where nothing is on its way.
    pub reasons: Vec<Reason>,
    /// The certificates that are shown to those who connect; the first of them also to clients that
    /// ask for a host that none of them is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
}

/// Which schema a database is at, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Schema {
    /// What it is, or was before a migration that has yet to end well.
    pub at: u64,
    /// Where a migration is to bring it that has yet to end well: it may be there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub towards: Option<u64>,
    /// The release whose migration that is.
    pub release: u64,
}

/// A certificate that is shown to those who connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// The hosts that it is for; empty where it cannot be read.
    pub hosts: Vec<String>,
    /// The full path of the file that it is in.
    pub chain: String,
    /// When it expires; `None` where it cannot be read.
    pub expires_at: Option<Moment>,
    /// What is wrong with it, or soon will be, and what to do about it: one sentence. It concerns
    /// only its own hosts.
    pub problem: Option<String>,
}

/// One release on its way into one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Its number, counted from 1 in its environment.
    pub number: u64,
    /// The release that it brings in.
    pub release: u64,
    /// The release that served when it began; `None` for the first one.
    pub from: Option<u64>,
    /// What asked for it.
    pub origin: Origin,
    /// Where it is.
    pub phase: Phase,
    /// Since when it is there.
    pub since: Moment,
    /// When it began.
    pub started_at: Moment,
    /// Who asked for it.
    pub actor: String,
    /// What that person wanted to remember.
    pub note: Option<String>,
    /// Why it goes or went back, is frozen or was superseded: one sentence with the figures that
    /// decided.
    pub cause: Option<String>,
}

/// A deployment that has yet to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Queued {
    /// The release that it will bring in.
    pub release: u64,
    /// What asked for it.
    pub origin: Origin,
    /// Who asked for it.
    pub actor: String,
}

/// A release that waits to enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The release.
    pub release: u64,
    /// The digest of what it is here: what consent is bound to.
    pub digest: String,
    /// The commit that it was built from.
    pub commit: Option<String>,
    /// The branch or the tag that was built, in words.
    pub built_from: Option<String>,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// Who asked for it.
    pub actor: String,
    /// Why it cannot wait, if it takes the expedited way.
    pub expedited: Option<String>,
    /// Since when it waits.
    pub since: Moment,
    /// When it is given up.
    pub until: Moment,
    /// The consent that it has.
    pub approvals: Vec<Approval>,
    /// What the gates say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateStatus>,
    /// What it lacks, each in a few words.
    pub missing: Vec<String>,
}

/// A named person's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Who.
    pub actor: String,
    /// When.
    pub at: Moment,
    /// What they said about it.
    pub note: Option<String>,
}

/// A time in which nothing enters, but what is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// Its number.
    pub number: u64,
    /// When it begins.
    pub from: Moment,
    /// When it ends; `None` when somebody says so.
    pub until: Option<Moment>,
    /// Whether it is a maintenance window: what is on its way goes no further either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maintenance: bool,
    /// Why.
    pub why: String,
    /// Who said so.
    pub actor: String,
    /// The releases that may enter all the same.
    pub except: Vec<u64>,
}

/// The windows of the week, by the rules of the release that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Windows {
    /// By whose clock, as the time zone database calls it.
    pub time_zone: String,
    /// When releases may enter, such as `Mon-Fri 09:00-16:00`; always, where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<String>,
    /// When the environment is worked on, likewise; never, where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<String>,
    /// Whether the time to enter is right.
    pub open: bool,
    /// Until when that is so; `None` where it does not change.
    pub until: Option<Moment>,
}

/// What asked for a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A release was shipped.
    Ship,
    /// A release that had failed was tried once more.
    Retry,
    /// An earlier release was brought back by hand.
    Rollback,
}

/// Where a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It moves by itself: it prepares instances, shifts weight or soaks.
    Moving,
    /// A person paused it.
    Paused,
    /// It goes back to what served before.
    Returning,
    /// The way back is blocked too. What still serves is left serving, and a person must decide.
    Frozen,
    /// It has all traffic, and what served before is kept warm for the way back.
    Settling,
    /// It has all traffic, and nothing of what served before is left.
    Settled,
    /// It went back: what served before has all traffic.
    RolledBack,
    /// A newer release took its place.
    Superseded,
    /// A person gave it up while it was frozen: what serves was left as it was.
    Abandoned,
}

impl Phase {
    /// Every phase, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::Moving,
        Self::Paused,
        Self::Returning,
        Self::Frozen,
        Self::Settling,
        Self::Settled,
        Self::RolledBack,
        Self::Superseded,
        Self::Abandoned,
    ];

    /// Returns it as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Paused => "paused",
            Self::Returning => "returning",
            Self::Frozen => "frozen",
            Self::Settling => "settling",
            Self::Settled => "settled",
            Self::RolledBack => "rolled_back",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether the release has all traffic by it.
    pub const fn is_promoted(self) -> bool {
        matches!(self, Self::Settling | Self::Settled)
    }

    /// Whether the deployment is finished: nothing more happens by it.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Moving | Self::Paused | Self::Returning | Self::Frozen | Self::Settling => false,
            Self::Settled | Self::RolledBack | Self::Superseded | Self::Abandoned => true,
        }
    }
}

/// How one service stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The revision that serves; `None` before the first one.
    pub stable: Option<Side>,
    /// The revision that comes in, where one does.
    pub canary: Option<Side>,
    /// A fresh copy of the revision that serves, while the one that comes in is compared with it.
    #[serde(default)]
    pub baseline: Option<Side>,
    /// The revision that served before, while it is kept ready for the way back.
    pub warm: Option<Side>,
    /// The traffic part of the deployment, while there is one.
    pub rollout: Option<Rollout>,
    /// That a person keeps users' requests from it; not there where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
}

/// That a service is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closing {
    /// What becomes of its requests.
    pub how: Closed,
    /// Since when.
    pub since: Moment,
    /// Who closed it.
    pub actor: String,
}

/// One revision of a service: what runs of it and what it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The release it belongs to.
    pub release: u64,
    /// The deployment that brought it in.
    pub deployment: u64,
    /// Its share of requests that the data plane acknowledged, in percent.
    pub weight_percent: f64,
    /// How many instances of it should run now.
    pub wanted: u16,
    /// Its instances, by name.
    pub instances: Vec<Instance>,
    /// What was counted of it lately; `None` where no window is closed yet.
    pub figures: Option<Figures>,
    /// Why the data plane has cut it off by itself, in one sentence with the numbers; not there
    /// where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<String>,
}

impl Side {
    /// Returns how many of its instances are ready.
    pub fn ready(&self) -> usize {
        self.instances
            .iter()
            .filter(|instance| instance.ready)
            .count()
    }
}

/// What was counted of one revision in the newest closed windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// How long those windows were together, in milliseconds.
    pub window_ms: u64,
    /// Requests per second.
    pub requests_per_second: f64,
    /// The share of failed ones, 0 to 1; `None` without requests.
    pub error_ratio: Option<f64>,
    /// The 95th percentile of latency, in milliseconds; `None` without requests.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of latency, in milliseconds; `None` without requests.
    pub p99_ms: Option<f64>,
}

/// The traffic part of a deployment, for one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rollout {
    /// Where it is.
    pub stage: RolloutStage,
    /// The step it is in, counted from 1; 0 before the first one.
    pub step: u16,
    /// How many steps there are.
    pub steps: u16,
    /// The share of requests that this step gives to the new revision, in percent.
    pub weight_percent: f64,
    /// What every step gives to it, the first one first; empty from a control that does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights_percent: Vec<f64>,
    /// How long this step is held; `None` rests on readiness alone.
    pub soak_ms: Option<u64>,
    /// How much of that time has counted so far.
    pub soaked_ms: u64,
    /// The judge's conclusion about this step so far.
    pub verdict: Option<Verdict>,
}

/// Where the rollout of one service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RolloutStage {
    /// It waits for other services, or for its turn.
    Waiting,
    /// Its instances are started and become ready.
    Preparing,
    /// The data plane has not acknowledged the weight of the step yet.
    Shifting,
    /// The step is held and judged.
    Soaking,
    /// The new revision has all traffic.
    Promoted,
    /// The traffic goes back to the revision that served before.
    Returning,
    /// The revision that served before has all traffic again.
    Returned,
}

/// What the judge concluded about one step so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What came of it.
    pub outcome: Outcome,
    /// How many of the new revision's requests it rests on.
    pub requests: u64,
    /// One sentence with the numbers that decided.
    pub sentence: String,
    /// Every limit by itself.
    pub findings: Vec<Finding>,
    /// How strongly the figures speak; `None` of a verdict that was recorded before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// How strongly the figures speak: natural logarithms of e-values. 4.6 is 100 to 1 that a bet
/// against the release being good would have won by now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// That the new revision is worse than is tolerated.
    pub log_e: f64,
    /// That it is worse than what it is compared with at all.
    pub log_e_strict: f64,
    /// That it exceeds an absolute limit, while nothing runs beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_e_alone: Option<f64>,
    /// It was shown to be worse at some time, if not by more than is tolerated.
    pub warn: bool,
    /// After how many more milliseconds it would fail if things went on like this; `None` is never.
    pub fails_in_ms: Option<u64>,
    /// After how many more milliseconds it would pass if things went on like this; `None` is never.
    pub passes_in_ms: Option<u64>,
}

/// One limit, held against the figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What was measured, in snake case, such as `errors` or `p95`.
    pub metric: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Between which two shares the canary's share of errors less stable's lies, with 99 %
    /// probability; `None` for what is not compared with stable's errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<[f64; 2]>,
    /// The finding as a person would say it, such as `errors 5.1 % (limit 5 %)`.
    pub sentence: String,
}

/// What came of judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every limit is shown to be kept.
    Pass,
    /// A limit is shown to be exceeded.
    Fail,
    /// Neither is shown yet.
    Inconclusive,
    /// Not one request was counted.
    NoData,
    /// The figures could not be had, or made no sense.
    SourceError,
}

/// One running copy of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Its name, unique on the machine.
    pub id: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Whether it may get requests.
    pub ready: bool,
    /// When the process that runs now was started.
    pub started_at: Moment,
    /// How often it was started again after it ended by itself.
    pub restarts: u32,
    /// Resident memory of its processes in bytes, where it was measured.
    pub memory_bytes: Option<u64>,
    /// Where it accepts requests, such as `127.0.0.1:41873`.
    pub address: Option<String>,
    /// In words, what stands between it and being ready.
    pub detail: Option<String>,
    /// Whether the data plane believes that it does not answer, and asks others instead.
    #[serde(default)]
    pub unhealthy: bool,
    /// How often it was left out in the last seconds because its answers failed, by any worker of
    /// the data plane.
    #[serde(default)]
    pub ejected: u64,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Its artifact is being unpacked, or its process started.
    Starting,
    /// Its process runs.
    Running,
    /// It ended by itself and will be started again after a pause.
    Restarting,
    /// It cannot be started at all.
    Broken,
    /// It gets no new requests, but still answers older ones.
    Draining,
    /// It was asked to end.
    Stopping,
}

/// One thing that a deployment waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What kind of thing it is, in snake case, such as `soak` or `ready`. The list may grow.
    pub kind: String,
    /// The service that it concerns; `None` for the whole deployment.
    pub service: Option<String>,
    /// What is waited for: one sentence without full stop, such as
    /// ``step 2 of 4 of `web` holds 25 % for 5 min 48 s more``.
    pub sentence: String,
    /// Since when.
    pub since: Moment,
    /// When it ends by itself at the latest, where that is known.
    pub until: Option<Moment>,
    /// Who can move it.
    pub who: Who,
    /// The commands that would move it, such as `leadsman promote`; empty where there is none.
    pub commands: Vec<String>,
}

/// Who can move what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Leadsman goes on by itself.
    Leadsman,
    /// Nothing moves before a person does something.
    Person,
    /// Leadsman goes on by itself, and a person can make it sooner or otherwise.
    Either,
}
