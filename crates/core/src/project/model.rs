//! What a project file can say: every key, once.
//!
//! The comments of this module are what people read about a key, in their editor (through the JSON
//! Schema) and in the reference. `default` names what holds where the key is left out.

use leadsman_analysis::{GaugeLimit, Worse};
use schemars::{Schema, json_schema};

use super::bundle::Serve;
use super::checklists::ChecklistKeys;
use super::codes::{MISSING_KEY, OUT_OF_RANGE, RESERVED_NAME, STEPS_DO_NOT_RISE};
use super::entrance::Tls;
use super::entrance_values::{HeaderKey, HeaderText, NetworkText};
use super::entry::Entry;
use super::gates::Gates;
use super::keys::keys;
use super::metric_values::{Amount, MetricKey, QueryText, SelectorText, URL_PATTERN, Url};
use super::metrics::PATH;
use super::migration::MigrationKeys;
use super::pipeline::Pipeline;
use super::problem::Span;
use super::read::{Located, Read, Reader, Setting};
use super::shape::{List, Map, Short, ShortForm, short_form};
use super::strategy::StrategyForm;
use super::texts::{
    ArtifactPath, Command, FolderPath, Host, MachineFile, ProbePath, RequestPath, User,
};
use super::traffic::{Methods, RequestLimits, Traffic};
use super::traffic_values::{Expected, TokenKey};
use super::units;
use super::values::{
    Listen, Memory, Name, NameKey, Share, Signal, StepWeight, Time, True, VariableKey,
    VariableText, Whole, Word,
};
use super::yaml::{Node, Value};
use crate::entrance::TRUSTED;
use crate::metric::{Fold, Measured};
use crate::spec::{BaselineKind, OnInconclusive, Protocol};

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// The names of the strategies that are always there.
pub(super) const BUILT_IN: [&str; 3] = ["canary", "blue-green", "rolling"];

/// Environment variables, by name.
pub(super) type Variables = Map<VariableKey, VariableText, 1000>;

keys! {
    /// A project file: one application, its services, and the environments they run in.
    #[schemars(extend("required" = ["application", "services"]))]
    struct File("a project file") {
        /// The name of the application: 1 to 40 of a-z, 0-9 and -, beginning with a letter.
        application: Name,
        /// The services, by name.
        services: Map<NameKey, Service, 100>,
        /// The environments, by name, each with what it changes. Where none is given there is one,
        /// `production`.
        environments: Map<NameKey, Environment, 20>,
        /// Which requests go to which service; the most specific one counts, in whatever order
        /// they stand. Left out, all requests go to the only service, or to the only one whose
        /// readiness is not found out by a command.
        routes: List<Route, 500>,
        /// Strategies by name, for `strategy` to refer to.
        strategies: Map<NameKey, Strategy, 50>,
        /// The strategy of every service that names none itself.
        #[schemars(extend("default" = "canary"))]
        strategy: StrategyForm,
        /// The limits of every service; a service can change single ones.
        limits: Limits,
        /// How requests of every service are treated; a service can change single keys.
        traffic: Traffic,
        /// What requests of every route may be, and how many; a route can change single keys.
        request_limits: RequestLimits,
        /// Environment variables of every service.
        env: Variables,
        /// The Prometheus that metrics are asked of. In short: its address.
        prometheus: Short<Prometheus>,
        /// What a release must keep before it may enter any environment.
        gates: Gates,
        /// What a release needs of the schema of the database.
        migration: MigrationKeys,
        /// What a commit goes through before it is a release.
        pipeline: Pipeline,
    }
    check: check_file;
}

keys! {
    /// One service: a program that runs in one or more instances. It has
    /// either `run` or `serve`.
    struct Service("a service") {
        /// What is packed and unpacked for it: a file or a folder, relative to the project file.
        /// Left out where the command is already there.
        artifact: ArtifactPath,
        /// The command that starts an instance: one line, split into words as a shell would, or a
        /// list of words. No shell is involved. `$PORT` is the port to listen on; `$NAME` and
        /// `${NAME}` are environment variables.
        run: Command,
        /// A folder whose files Leadsman serves by itself, instead of a command. In short: its path,
        /// relative to the project file.
        serve: Short<Serve>,
        /// How many instances run when it serves alone.
        #[schemars(extend("default" = 1))]
        instances: Whole<1, 1000>,
        /// The folder it runs in, relative to its artifact; to the project file where it has none.
        #[schemars(extend("default" = "."))]
        folder: FolderPath,
        /// Environment variables; values count as they are written.
        env: Variables,
        /// The user it runs as, by name or number; left out, the user of Leadsman itself.
        user: User,
        /// How much memory an instance may use; left out, there is no bound.
        memory: Memory,
        /// How many files and connections an instance may have open; left out, what the machine
        /// allows.
        files: Whole<16, 10_000_000>,
        /// What its instances speak: `http1`, `http2` in the clear from the first byte on, or `grpc`,
        /// which is the same. Clients may speak either with Leadsman.
        #[schemars(extend("default" = "http1"))]
        protocol: Word<Protocol>,
        /// When an instance counts as ready. In short: `tcp`, or a path such as `/health`. A service
        /// without a route has to say it.
        #[schemars(extend("default" = "tcp"))]
        ready: Short<Ready>,
        /// How an instance is stopped. In short: its `grace`, such as `10s`.
        stop: Short<Stop>,
        /// The services that must have moved to a new release before this one does.
        after: List<Name, 100>,
        /// How a new revision comes in: the name of a strategy (`canary`, `blue-green`, `rolling`
        /// or one of `strategies`), or a strategy in place.
        #[schemars(extend("default" = "canary"))]
        strategy: StrategyForm,
        /// What a new revision may not exceed while it comes in.
        limits: Limits,
        /// How requests are treated on their way to it.
        traffic: Traffic,
    }
}

keys! {
    /// When an instance is ready for requests. One of `http`, `tcp` and `command`.
    struct Ready("`ready`") {
        /// A path; `GET` of it must answer with a status from 200 to 399.
        http: ProbePath,
        /// `true`: the instance's port accepts a connection.
        tcp: Word<True>,
        /// A command that must end with status 0; it has the instance's environment, `PORT`
        /// included.
        command: Command,
        /// How often to ask.
        #[schemars(extend("default" = "500ms"))]
        every: Time<10, HOUR>,
        /// How long one answer may take.
        #[schemars(extend("default" = "1s"))]
        timeout: Time<1, HOUR>,
        /// How long after its start an instance may take to become ready.
        #[schemars(extend("default" = "60s"))]
        within: Time<1, DAY>,
        /// How long it must stay ready without a break before it gets requests.
        #[schemars(extend("default" = "0s"))]
        steady: Time<0, DAY>,
    }
    one_of: http, tcp, command;
}

impl ShortForm for Ready {
    fn read_short(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write a path such as `/health`, `tcp`, or `{ command: ... }`";
        let text = reader.scalar(node, "a way to tell readiness", FORM)?;
        if text == "tcp" {
            return Some(Self {
                tcp: Setting::Given(Word(True)),
                ..Self::default()
            });
        }
        if !text.starts_with('/') {
            reader.wrong_type(node, "a way to tell readiness", FORM);
            return None;
        }
        let http = Setting::Given(ProbePath::read(node, reader)?);
        Some(Self {
            http,
            ..Self::default()
        })
    }

    fn short_schema() -> Schema {
        json_schema!({ "title": "`tcp` or path", "type": "string", "pattern": r"^(tcp|/[^#\s]*)$" })
    }
}

keys! {
    /// How an instance is stopped: it gets no new requests, is sent a signal once those under way
    /// are answered, and is killed if that does not end it.
    struct Stop("`stop`") {
        /// The signal that asks it to end.
        #[schemars(extend("default" = "TERM"))]
        signal: Word<Signal>,
        /// How long requests under way may take after it gets no new ones.
        #[schemars(extend("default" = "30s"))]
        drain: Time<0, DAY>,
        /// How long it may take to end after the signal before it is killed.
        #[schemars(extend("default" = "10s"))]
        grace: Time<0, HOUR>,
    }
}

short_form!(
    Stop { grace },
    json_schema!({ "title": "duration", "type": "string", "pattern": units::DURATION_PATTERN })
);

keys! {
    /// How a new revision takes over from the one that serves. One of `canary`, `blue_green` and
    /// `rolling`; where none of them is given, a canary.
    struct Strategy("a strategy") {
        /// The new revision gets growing shares of the requests; it is as large as its share asks
        /// for, and the old one stays whole.
        canary: Canary,
        /// The new revision is started whole beside the old one, then gets all requests at once,
        /// or by steps.
        blue_green: BlueGreen,
        /// One instance is started and one is stopped, in turn.
        rolling: Rolling,
        /// How long the previous revision stays ready after the new one has taken over, so that
        /// the way back is one switch. For `rolling` the default is `0s`.
        #[schemars(extend("default" = "10m"))]
        keep_warm: Time<0, { 30 * DAY }>,
        /// How long a step may stay inconclusive after its soak before `on_inconclusive` applies.
        #[schemars(extend("default" = "1h"))]
        patience: Time<0, { 30 * DAY }>,
        /// What happens then: `hold` waits for a person, `rollback` takes the new revision back,
        /// `advance` goes on although nothing was proven, if nothing speaks against it and there
        /// were requests to judge; it is recorded as not proven.
        #[schemars(extend("default" = "hold"))]
        on_inconclusive: Word<OnInconclusive>,
    }
    one_of: canary, blue_green, rolling;
    empty: Left;
}

keys! {
    /// A canary. All requests at the end need not be listed. The last step that is held leaves some
    /// requests to the old revision, because with nothing beside the new one nothing can be
    /// compared: where `100%` is listed it is held too, but judged by absolute limits alone.
    struct Canary("`canary`") {
        /// The steps in rising order, such as `[5%, 25%, 50%, 90%]`.
        #[schemars(extend("default" = ["5%", "25%", "50%", "90%"]))]
        steps: List<Short<Step>, 100>,
        /// How long each step is held and judged that says nothing else.
        #[schemars(extend("default" = "10m"))]
        soak: Time<1, { 30 * DAY }>,
        /// What the new revision is compared with. `stable`: the old one as it runs. `fresh`: a copy
        /// of it that is started together with the new one, has as many instances and as many
        /// requests, and is gone afterwards; so that cold caches are compared with cold caches. It
        /// takes as many instances more as the new revision has at each step.
        #[schemars(extend("default" = "stable"))]
        baseline: Word<BaselineKind>,
    }
    empty: Left;
    check: check_canary;
}

keys! {
    /// Blue/green. Without `steps` all requests move at once; with them they are judged on the way.
    struct BlueGreen("`blue_green`") {
        /// The steps in rising order, such as `[10%, 50%]`. All requests at the end need not be
        /// listed. Left out, all requests move in one step.
        steps: List<Short<Step>, 100>,
        /// How long each step is held and judged that says nothing else. Without `steps` there is
        /// no soak by default; with them it is `10m`.
        soak: Time<1, { 30 * DAY }>,
    }
    empty: Left;
    check: check_blue_green;
}

keys! {
    /// Rolling: as many steps as there are instances.
    struct Rolling("`rolling`") {
        /// How long each step but the last is held and judged; left out, the next instance follows
        /// as soon as one is ready.
        soak: Time<1, { 30 * DAY }>,
    }
    empty: Left;
}

keys! {
    /// One step of a rollout. In short: its weight, such as `5%`.
    #[schemars(extend("required" = ["weight"]))]
    struct Step("a step") {
        /// The new revision's share of the requests, in hundredths of a percent.
        weight: StepWeight,
        /// How long it is held and judged; `null` goes on as soon as the weight is in force.
        soak: Time<1, { 30 * DAY }>,
    }
    check: check_step;
}

short_form!(
    Step { weight },
    json_schema!({ "title": "share", "type": "string", "pattern": units::SHARE_PATTERN })
);

keys! {
    /// What a new revision may not exceed while it comes in. `null` takes a limit out.
    struct Limits("`limits`") {
        /// The largest share of failed requests.
        #[schemars(extend("default" = share(held_to().errors)))]
        errors: Share<100>,
        /// The smallest share of requests that succeed: `95%` is the same as `errors: 5%`.
        success: Share<100>,
        /// The longest 95th percentile of latency; left out, only `against_stable` holds.
        p95: Time<1, HOUR>,
        /// The longest 99th percentile of latency; left out, only `against_stable` holds.
        p99: Time<1, HOUR>,
        /// The largest share of its `memory` that an instance may use.
        #[schemars(extend("default" = share(held_to().memory)))]
        memory: Share<100>,
        /// The largest share of one core that an instance may use for half a minute.
        cpu: Share<100_000>,
        /// How many restarts of instances are tolerated in one rollout.
        #[schemars(extend("default" = held_to().restarts))]
        restarts: Whole<0, 10_000>,
        /// How many requests the new revision must have answered before a step can pass.
        #[schemars(extend("default" = held_to().requests))]
        requests: Whole<1, 1_000_000_000>,
        /// For how long after its first request it may still be slower and fail more often, less and
        /// less: for caches and compilers that have to warm up.
        #[schemars(extend("default" = "0s"))]
        warm_up: Time<0, DAY>,
        /// How often a release that keeps its limits may be taken back all the same, at most: of
        /// every hundred rollouts so many.
        #[schemars(extend("default" = "1%"))]
        risk: Share<20>,
        /// Limits relative to the revision that serves. `null` takes all of them out.
        against_stable: AgainstStable,
        /// Limits of metrics of the service's own, by names of your choice.
        metrics: Map<MetricKey, Metric, 50>,
    }
    one_of: errors, success;
    empty: Taken;
}

keys! {
    /// One metric and its limits. Where it comes from is said by one of `metric`, `prometheus` and
    /// `instance`.
    struct Metric("a metric") {
        /// A metric that each instance shows by itself, in the text format of Prometheus:
        /// `jobs_waiting`, or with labels `jobs_waiting{queue="mail",state!="dead"}`.
        metric: SelectorText,
        /// A query to Prometheus. It must give one series. `$INSTANCES` is a pattern of the
        /// addresses of one revision's instances; `$RELEASE`, `$REVISION`, `$SERVICE`,
        /// `$ENVIRONMENT` and `$APPLICATION` are names and numbers.
        prometheus: QueryText,
        /// What is measured of each instance: `memory` in bytes, `cpu` in cores. The largest
        /// instance counts.
        instance: Word<Measured>,
        /// The path where instances show `metric`.
        #[schemars(extend("default" = PATH))]
        path: ProbePath,
        /// `true`: `metric` only grows, so its growth per second is what counts.
        counter: Word<True>,
        /// What becomes of several series of one instance. Left out, there may be only one.
        series: Word<Fold>,
        /// What becomes of several instances. Left out, the worst one counts: `max`, or `min` where
        /// less is worse.
        instances: Word<Fold>,
        /// How often `metric` is read, `5s` by default; for `prometheus` how long a window is,
        /// `15s` by default, and no shorter than the time between its scrapes.
        every: Time<SECOND, HOUR>,
        /// The largest value.
        at_most: Amount,
        /// The smallest value.
        at_least: Amount,
        /// How much worse than the value of the revision that serves it may be. Medians over the
        /// time `for` are compared.
        against_stable: Share<10_000>,
        /// Which values are worse in a comparison: `more`, or `less`. Left out, `less` where
        /// `at_least` is given and `at_most` is not.
        worse: Word<Worse>,
        /// For how long a limit must be exceeded without a break, in at least three values; `0s`
        /// is at once.
        #[schemars(extend("default" = units::duration(GaugeLimit::HOLD)))]
        r#for: Time<0, HOUR>,
        /// For how long its source may fail before that is said to be an error.
        #[schemars(extend("default" = units::duration(GaugeLimit::OUTAGE)))]
        outage: Time<0, DAY>,
    }
    one_of: metric, prometheus, instance;
}

keys! {
    /// Where Prometheus is. Credentials never stand in a project file.
    struct Prometheus("`prometheus`") {
        /// Its address.
        url: Url,
        /// A file on the machine that holds the token that Prometheus wants; it is read anew for
        /// every question.
        token_file: MachineFile<false>,
    }
}

short_form!(
    Prometheus { url },
    json_schema!({ "title": "http address", "type": "string", "pattern": URL_PATTERN })
);

keys! {
    /// Limits relative to the revision that serves at the same time.
    struct AgainstStable("`against_stable`") {
        /// How many points larger the share of failed requests may be.
        #[schemars(extend("default" = share(held_to().against_stable.errors)))]
        errors: Share<100>,
        /// How much longer the 95th percentile of latency may be.
        #[schemars(extend("default" = share(held_to().against_stable.p95)))]
        p95: Share<10_000>,
        /// How much longer the 99th percentile of latency may be.
        #[schemars(extend("default" = share(held_to().against_stable.p99)))]
        p99: Share<10_000>,
    }
    empty: Taken;
}

keys! {
    /// One environment: where it accepts requests, and what is different in it. A value given for
    /// a service in an environment counts before one for the environment, that before the
    /// service's own, and that before the top level's. Mappings are merged key by key, everything
    /// else is replaced, and `null` takes a value out.
    struct Environment("an environment") {
        /// The address where requests are accepted.
        #[schemars(extend("default" = "127.0.0.1:8080"))]
        listen: Listen,
        /// What is asked of a release before it enters; left out, nothing.
        entry: Entry,
        /// What has to be looked at before, during and after a release; left out, nothing.
        checklists: ChecklistKeys,
        /// How connections are encrypted; left out, they are not.
        tls: Tls,
        /// Headers that every answer gets which does not have them, such as
        /// `content-security-policy`.
        headers: Map<HeaderKey, HeaderText, 50>,
        /// The networks of those who are believed when they say in forwarded headers for whom they
        /// ask. What others say there is replaced by what is known of them.
        #[schemars(extend("default" = TRUSTED))]
        trusted: List<NetworkText, 100>,
        /// The networks of load balancers, whose connections begin with the PROXY protocol.
        #[schemars(extend("default" = []))]
        proxy_protocol: List<NetworkText, 100>,
        /// Environment variables of every service here.
        env: Variables,
        /// The strategy of every service here.
        strategy: StrategyForm,
        /// Limits of every service here.
        limits: Limits,
        /// How requests of every service are treated here.
        traffic: Traffic,
        /// What requests of every route may be here, and how many.
        request_limits: RequestLimits,
        /// The Prometheus that metrics are asked of here.
        prometheus: Short<Prometheus>,
        /// What a release must keep before it may enter this one, besides what the top level asks.
        gates: Gates,
        /// What is different here about the migration of the database; `null` leaves it out.
        migration: MigrationKeys,
        /// Routes of this environment, instead of those at the top level.
        routes: List<Route, 500>,
        /// What is different about single services; `null` leaves a service out.
        services: Map<NameKey, Service, 100>,
    }
    empty: Left;
}

keys! {
    /// Which requests go to which service. Of the routes that are for a request the most specific
    /// one counts: one with a host before one without; then the longer path; then one with methods;
    /// then the one with more headers and cookies; then the one with more values of them.
    #[schemars(extend("required" = ["service"]))]
    struct Route("a route") {
        /// Only requests for this host; left out, for every host.
        host: Host,
        /// Only requests whose path is this or lies below it.
        #[schemars(extend("default" = "/"))]
        path: RequestPath,
        /// Only requests with one of these methods; left out, with every method.
        methods: Methods,
        /// Only requests that have all of these headers with these values, such as
        /// `{ x-track: beta }`; `"*"` is any value.
        headers: Map<TokenKey, Expected<false>, 10>,
        /// Only requests that have all of these cookies with these values; `"*"` is any value.
        cookies: Map<TokenKey, Expected<true>, 10>,
        /// The service that answers.
        service: Name,
        /// What its requests may be, and how many of them.
        request_limits: RequestLimits,
    }
    check: check_route;
}

/// What a service is held to where nothing is said.
fn held_to() -> leadsman_analysis::Limits {
    leadsman_analysis::Limits::default()
}

/// Returns a share as it is written in a project file.
fn share(share: Option<f64>) -> Option<String> {
    share.map(units::share)
}

fn missing(key: &str, of: &str, at: Span, example: &str, reader: &mut Reader) {
    let message = format!("{of} has no `{key}`");
    reader.note(
        &MISSING_KEY,
        at,
        message,
        format!("add it, such as `{example}`"),
    );
}

fn check_file(file: &File, at: Span, reader: &mut Reader) {
    let at = Span {
        end: at.start,
        ..at
    };
    if file.application.is_missing() {
        missing(
            "application",
            "the project file",
            at,
            "application: shop",
            reader,
        );
    }
    let without = file.services.get().is_some_and(Map::is_empty);
    if file.services.is_missing() || without {
        let example = "services: { web: { run: ./server } }";
        missing("services", "the project file", at, example, reader);
    }
    for (name, _) in file
        .strategies
        .get()
        .into_iter()
        .flat_map(|map| &map.entries)
    {
        if BUILT_IN.contains(&name.value.as_str()) {
            let message = format!(
                "`{}` is the name of a strategy that is built in",
                name.value
            );
            reader.note(&RESERVED_NAME, name.at, message, "choose another name");
        }
    }
}

fn check_step(step: &Step, at: Span, reader: &mut Reader) {
    if step.weight.is_missing() {
        missing("weight", "the step", at, "weight: 5%", reader);
    }
}

fn check_route(route: &Route, at: Span, reader: &mut Reader) {
    if route.service.is_missing() {
        missing("service", "the route", at, "service: web", reader);
    }
}

fn check_canary(canary: &Canary, _: Span, reader: &mut Reader) {
    check_steps(&canary.steps, reader);
}

fn check_blue_green(blue_green: &BlueGreen, _: Span, reader: &mut Reader) {
    check_steps(&blue_green.steps, reader);
}

fn check_steps(steps: &Setting<List<Short<Step>, 100>>, reader: &mut Reader) {
    let Some(steps) = steps.get() else { return };
    if steps.items.is_empty() {
        let hint = "name at least one, such as `[5%, 25%, 50%, 90%]`, or take `steps` out";
        reader.note(&OUT_OF_RANGE, steps.at, "there are no steps", hint);
    }
    let weights: Vec<_> = steps
        .items
        .iter()
        .filter_map(|Short(step)| step.weight.get().map(|w| &w.0))
        .collect();
    for pair in weights.windows(2) {
        let [earlier, later] = pair else { continue };
        if later.value <= earlier.value {
            let [before, after] = [earlier.value, later.value].map(units::weight);
            let message = format!("the step to {after} comes after the one to {before}");
            let hint = "put the weights in rising order, each once";
            reader.note(&STEPS_DO_NOT_RISE, later.at, message, hint);
        }
    }
}

/// A strategy in the place where it is used: named, or written out.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// By name, and where the name stands.
    Named(Located<String>),
    /// In place.
    Inline(Box<Strategy>),
}

impl Read for Choice {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if matches!(node.value, Value::Map(_)) {
            return Strategy::read(node, reader).map(|strategy| Self::Inline(Box::new(strategy)));
        }
        let form = "write the name of one, such as `canary`, or its keys below";
        let name = reader.text(node, "a strategy", form)?;
        // The key is spelled with `_`; who writes the name the same way is understood.
        let name = if name == "blue_green" {
            "blue-green"
        } else {
            name
        };
        Some(Self::Named(Located {
            value: name.to_owned(),
            at: node.at,
        }))
    }
}
