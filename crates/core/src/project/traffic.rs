//! How requests of a service are treated, and what requests may be: the keys, and what they mean.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::{Schema, json_schema};

use super::codes::{BAD_WORD, MISSING_KEY, OUT_OF_RANGE};
use super::keys::keys;
use super::problem::{Span, quoted};
use super::read::{Merge as _, Reader, Setting};
use super::shape::{List, Short, ShortForm, short_form};
use super::texts::RequestPath;
use super::traffic_values::{
    AnswerText, Bytes, CookieName, Expected, HeaderName, MediaType, Method, PER_TIME_PATTERN, Part,
    PerTime, per_time,
};
use super::units;
use super::values::{Time, True, Whole, Word};
use super::yaml::Node;
use crate::id::ServiceName;
use crate::traffic::{self, Condition, Place, Role};
use crate::weight::Weight;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const TIB: u64 = 1024 * 1024 * MIB;

/// Methods that ask for nothing to be done: those that are mirrored where nothing is said.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
const MIRRORED_AT_ONCE: u32 = 100;
const FAILURES: u32 = 5;
const EJECTED: Duration = Duration::from_secs(10);
const EJECTED_MAX: Duration = Duration::from_secs(300);
const EJECTED_SHARE: Weight = Weight::percent(50);
const RETRIED: Weight = Weight::percent(20);
const RETRIED_PER_SECOND: u32 = 10;
const PENDING: u32 = 1000;
const PENDING_WAIT: Duration = Duration::from_secs(5);
/// The longest time that a burst may take until it is saved up: it has to be countable.
const SAVED_UP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
const IDLE: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(10);

/// Methods, each a word.
pub(super) type Methods = List<Word<Method>, 8>;

keys! {
    /// How requests are treated on their way to a service. `sticky`, `testers` and `mirror` count
    /// while the release that says them comes in; the others, as routes do, once it serves.
    struct Traffic("`traffic`") {
        /// Keeps users on one side while a new revision comes in. In short: `cookie` or `address`.
        sticky: Short<Sticky>,
        /// Who is led to a side by a header or a cookie, however small its weight, and counted apart: a
        /// tester says nothing about users. The first one that is meant counts.
        testers: List<Tester, 20>,
        /// Sends copies of users' requests to the new revision while it comes in, and throws its
        /// answers away. In short: the share of requests that are copied.
        mirror: Short<Mirror>,
        /// Lets requests wait instead of refusing them: while `leadsman hold` keeps them back, and
        /// while none of its instances can be reached. In short: for how long.
        hold: Short<Hold>,
        /// What is answered instead of the service once `leadsman maintenance` says so. In short:
        /// the text.
        maintenance: Short<Maintenance>,
        /// Leaves out an instance whose answers fail in a row; left out, none ever is. In short:
        /// after how many failures.
        eject: Short<Eject>,
        /// How many requests may be sent again to another instance; left out, all that can be. In
        /// short: the share of requests.
        retries: Short<Retries>,
        /// How many requests each instance gets at the same time; left out, all there are. In short:
        /// that number.
        capacity: Short<Capacity>,
        /// How long a new instance takes until it has its whole share of requests; left out, it has
        /// it at once.
        slow_start: Time<SECOND, HOUR>,
    }
}

keys! {
    /// How users stay with a side. One of `cookie`, `header` and `address`.
    struct Sticky("`sticky`") {
        /// The name of the cookie that remembers a user's side.
        cookie: CookieName,
        /// The header whose value tells users apart; equal values go to equal sides.
        header: HeaderName,
        /// `true`: addresses tell users apart.
        address: Word<True>,
        /// For which paths the cookie is sent.
        #[schemars(extend("default" = "/"))]
        path: RequestPath,
        /// How long the cookie is kept; left out, as long as the browser is open.
        r#for: Time<SECOND, { 400 * DAY }>,
    }
    one_of: cookie, header, address;
    check: check_sticky;
}

impl ShortForm for Sticky {
    fn read_short(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write `cookie`, `address`, or `{ header: x-user }`";
        match reader.text(node, "a way to stay", FORM)? {
            "cookie" => Some(Self {
                cookie: Setting::Given(CookieName(None)),
                ..Self::default()
            }),
            "address" => Some(Self {
                address: Setting::Given(Word(True)),
                ..Self::default()
            }),
            text => {
                let message = format!("{} means nothing here", quoted(text));
                reader.note(&BAD_WORD, node.at, message, FORM);
                None
            }
        }
    }

    fn short_schema() -> Schema {
        json_schema!({ "enum": ["cookie", "address"] })
    }
}

keys! {
    /// Who is a tester. One of `header` and `cookie`.
    struct Tester("a tester") {
        /// The header that a tester sends.
        header: HeaderName,
        /// The cookie that a tester has.
        cookie: CookieName,
        /// Its value; left out, any. Whoever knows it is a tester.
        value: Expected<true>,
        /// Where a tester is led to: `canary`, the revision that comes in, or `stable`, the one that
        /// served before.
        #[schemars(extend("default" = "canary"))]
        to: Word<Role>,
    }
    one_of: header, cookie;
    check: check_tester;
}

keys! {
    /// What is copied. Copies carry the header `x-leadsman-mirrored`.
    #[schemars(extend("required" = ["share"]))]
    struct Mirror("`mirror`") {
        /// The share of the requests to the old revision that are copied.
        share: Part<1>,
        /// Requests with which methods are copied. The service acts on a copy as on a request.
        #[schemars(extend("default" = SAFE))]
        methods: Methods,
        /// The longest body that is copied; it is kept in memory until it is complete.
        #[schemars(extend("default" = "0B"))]
        body: Bytes<0, { 16 * MIB }>,
        /// How many copies may be under way at a time; no more are made meanwhile.
        #[schemars(extend("default" = MIRRORED_AT_ONCE))]
        at_once: Whole<1, 100_000>,
    }
    check: check_mirror;
}

short_form!(Mirror { share }, share_schema());

keys! {
    /// Which requests wait.
    #[schemars(extend("required" = ["wait"]))]
    struct Hold("`hold`") {
        /// For how long at most.
        wait: Time<1, { 5 * MINUTE }>,
        /// How many at most; more are refused at once.
        #[schemars(extend("default" = traffic::Hold::default().requests))]
        requests: Whole<1, 1_000_000>,
    }
    check: check_hold;
}

short_form!(
    Hold { wait },
    json_schema!({ "title": "duration", "type": "string", "pattern": units::DURATION_PATTERN })
);

keys! {
    /// What is answered instead of a service.
    struct Maintenance("`maintenance`") {
        /// The status.
        #[schemars(extend("default" = closed().status))]
        status: Whole<200, 599>,
        /// The body; left out, that it is closed for maintenance.
        body: AnswerText,
        /// What the body is.
        #[schemars(extend("default" = closed().content_type))]
        r#type: MediaType,
        /// After which time clients are told to ask again.
        retry_after: Time<SECOND, { 30 * DAY }>,
    }
}

short_form!(
    Maintenance { body },
    json_schema!({ "title": "text", "type": ["string", "number", "boolean"] })
);

keys! {
    /// When an instance is left out: its answers have status 500 to 599, take too long, or it cannot
    /// be reached. After some time one request finds out whether it is back.
    struct Eject("`eject`") {
        /// After how many failures in a row.
        #[schemars(extend("default" = FAILURES))]
        failures: Whole<1, 1000>,
        /// For how long, and twice as long each time that it is not back.
        #[schemars(extend("default" = units::duration(EJECTED)))]
        r#for: Time<SECOND, DAY>,
        /// For how long at most.
        #[schemars(extend("default" = units::duration(EJECTED_MAX)))]
        at_most: Time<SECOND, DAY>,
        /// The share of a revision's instances that may be left out at a time; one may always, and
        /// never all.
        #[schemars(extend("default" = units::weight(EJECTED_SHARE)))]
        share: Part<0>,
    }
}

short_form!(
    Eject { failures },
    json_schema!({ "title": "number", "type": "integer", "minimum": 1, "maximum": 1000 })
);

keys! {
    /// How many requests may be sent again, of those that may be at all: nothing was sent, or the
    /// method does no harm twice.
    struct Retries("`retries`") {
        /// The share of requests.
        #[schemars(extend("default" = units::weight(RETRIED)))]
        share: Part<0>,
        /// How many more each second, however few requests there are.
        #[schemars(extend("default" = RETRIED_PER_SECOND))]
        per_second: Whole<0, 100_000>,
    }
}

short_form!(Retries { share }, share_schema());

keys! {
    /// How many requests instances get at the same time.
    #[schemars(extend("required" = ["requests"]))]
    struct Capacity("`capacity`") {
        /// How many each instance; each takes a connection.
        requests: Whole<1, 1_000_000>,
        /// How many wait for an instance that has room; more are refused at once.
        #[schemars(extend("default" = PENDING))]
        pending: Whole<0, 1_000_000>,
        /// For how long they wait at most.
        #[schemars(extend("default" = units::duration(PENDING_WAIT)))]
        wait: Time<0, { 5 * MINUTE }>,
    }
    check: check_capacity;
}

short_form!(
    Capacity { requests },
    json_schema!({ "title": "number", "type": "integer", "minimum": 1 })
);

keys! {
    /// What requests may be, and how many. What is said for a route counts before what is said for
    /// the environment, and that before the top level. Rates are counted for each route by itself.
    struct RequestLimits("`request_limits`") {
        /// The longest path with query; longer ones get status 414.
        uri: Bytes<16, { 64 * KIB }>,
        /// The longest body; longer ones get status 413.
        body: Bytes<0, TIB>,
        /// How long a client may send nothing in the middle of a body before it gets status 408.
        #[schemars(extend("default" = units::duration(IDLE)))]
        idle: Time<SECOND, HOUR>,
        /// The least bytes of a body that have to come in each second on average; slower clients get
        /// status 408. Left out, any number.
        pace: Bytes<1, TIB>,
        /// How much longer than `pace` says a body may take.
        #[schemars(extend("default" = units::duration(GRACE)))]
        grace: Time<0, HOUR>,
        /// How many requests one client address may make; more get status 429. Of IPv6 the network
        /// counts, the first 64 bits. In short: the rate.
        per_client: Short<Rate>,
        /// How many requests of the route all clients together may make; more get status 429. In
        /// short: the rate.
        in_all: Short<Rate>,
    }
}

keys! {
    /// So many requests in a time, evenly spread but for a burst.
    #[schemars(extend("required" = ["rate"]))]
    struct Rate("a rate") {
        /// So many a second, a minute or an hour, such as `10/s`.
        rate: PerTime,
        /// How many may come at once after a pause; left out, as many as the rate says.
        burst: Whole<1, 10_000_000>,
    }
    check: check_rate;
}

short_form!(
    Rate { rate },
    json_schema!({ "title": "rate", "type": "string", "pattern": PER_TIME_PATTERN })
);

fn share_schema() -> Schema {
    json_schema!({ "title": "share", "type": "string", "pattern": units::SHARE_PATTERN })
}

fn closed() -> traffic::Maintenance {
    traffic::Maintenance::default()
}

fn require<T>(
    key: &Setting<T>,
    name: &str,
    of: &str,
    at: Span,
    example: &str,
    reader: &mut Reader,
) {
    if key.is_missing() {
        let hint = format!("add it, such as `{example}`");
        reader.note(&MISSING_KEY, at, format!("{of} has no `{name}`"), hint);
    }
}

fn check_sticky(sticky: &Sticky, at: Span, reader: &mut Reader) {
    if sticky.cookie.is_missing() && sticky.header.is_missing() && sticky.address.is_missing() {
        let hint = "add it, such as `cookie: shop-side`, `header: x-user` or `address: true`";
        reader.note(&MISSING_KEY, at, "nothing says by what users stay", hint);
    }
}

fn check_tester(tester: &Tester, at: Span, reader: &mut Reader) {
    if tester.header.is_missing() && tester.cookie.is_missing() {
        let hint = "add it, such as `header: x-tester` or `cookie: tester`";
        reader.note(
            &MISSING_KEY,
            at,
            "nothing says by what a tester is known",
            hint,
        );
    }
}

fn check_mirror(mirror: &Mirror, at: Span, reader: &mut Reader) {
    require(&mirror.share, "share", "`mirror`", at, "share: 10%", reader);
}

fn check_hold(hold: &Hold, at: Span, reader: &mut Reader) {
    require(&hold.wait, "wait", "`hold`", at, "wait: 5s", reader);
}

fn check_capacity(capacity: &Capacity, at: Span, reader: &mut Reader) {
    require(
        &capacity.requests,
        "requests",
        "`capacity`",
        at,
        "requests: 100",
        reader,
    );
}

fn check_rate(rate: &Rate, at: Span, reader: &mut Reader) {
    require(&rate.rate, "rate", "the rate", at, "rate: 10/s", reader);
}

/// Returns how requests of a service are treated.
pub(super) fn resolve(setting: &Setting<Traffic>, service: &ServiceName) -> traffic::Traffic {
    let Some(keys) = setting.get() else {
        return traffic::Traffic::default();
    };
    let testers = keys.testers.get().into_iter().flat_map(|list| &list.items);
    traffic::Traffic {
        sticky: keys.sticky.get().map(|Short(keys)| sticky(keys, service)),
        testers: testers.filter_map(tester).collect(),
        mirror: keys.mirror.get().and_then(|Short(keys)| mirror(keys)),
        hold: keys.hold.get().and_then(|Short(keys)| {
            Some(traffic::Hold {
                wait: keys.wait.get()?.0,
                requests: number(&keys.requests, traffic::Hold::default().requests),
            })
        }),
        maintenance: keys.maintenance.get().map(|Short(keys)| maintenance(keys)),
        eject: keys.eject.get().map(|Short(keys)| eject(keys)),
        retries: keys.retries.get().map(|Short(keys)| traffic::Retries {
            share: keys.share.get().map_or(RETRIED, |part| part.0),
            per_second: number(&keys.per_second, RETRIED_PER_SECOND),
        }),
        capacity: keys.capacity.get().and_then(|Short(keys)| {
            Some(traffic::Capacity {
                requests: keys.requests.get().map(whole)?,
                pending: number(&keys.pending, PENDING),
                wait: keys.wait.get().map_or(PENDING_WAIT, |time| time.0),
            })
        }),
        slow_start: keys.slow_start.get().map(|time| time.0),
    }
}

fn sticky(keys: &Sticky, service: &ServiceName) -> traffic::Sticky {
    if let Some(HeaderName(name)) = keys.header.get() {
        return traffic::Sticky::Header(name.clone());
    }
    if keys.address.get().is_some() {
        return traffic::Sticky::Address;
    }
    let name = keys.cookie.get().and_then(|name| name.0.clone());
    let path = keys.path.get().map(|path| path.0.clone());
    traffic::Sticky::Cookie {
        // Services of one host must not share a cookie.
        name: name.unwrap_or_else(|| format!("leadsman-{service}")),
        path: path.unwrap_or_else(|| "/".to_owned()),
        max_age: keys.r#for.get().map(|time| time.0),
    }
}

fn tester(keys: &Tester) -> Option<traffic::Tester> {
    let header = keys
        .header
        .get()
        .map(|name| (Place::Header, name.0.clone()));
    let cookie = || Some((Place::Cookie, keys.cookie.get()?.0.clone()?));
    let (place, name) = header.or_else(cookie)?;
    let value = keys.value.get().and_then(|expected| expected.0.clone());
    Some(traffic::Tester {
        when: Condition { place, name, value },
        to: keys.to.get().map_or(Role::Canary, |word| word.0),
    })
}

fn mirror(keys: &Mirror) -> Option<traffic::Mirror> {
    let methods = keys.methods.get().map(methods);
    Some(traffic::Mirror {
        share: keys.share.get()?.0,
        methods: methods.unwrap_or_else(|| SAFE.map(str::to_owned).into()),
        body: keys.body.get().map_or(0, |size| size.0),
        at_once: number(&keys.at_once, MIRRORED_AT_ONCE),
    })
}

/// Returns each method once, in order.
pub(super) fn methods(list: &Methods) -> Vec<String> {
    let methods: BTreeSet<&str> = list.items.iter().map(|word| word.0.0).collect();
    methods.into_iter().map(str::to_owned).collect()
}

fn maintenance(keys: &Maintenance) -> traffic::Maintenance {
    let default = closed();
    let status = keys.status.get().and_then(|n| u16::try_from(n.0).ok());
    let body = keys.body.get().map(|text| text.0.clone());
    let content_type = keys.r#type.get().map(|text| text.0.clone());
    traffic::Maintenance {
        status: status.unwrap_or(default.status),
        body: body.unwrap_or(default.body),
        content_type: content_type.unwrap_or(default.content_type),
        retry_after: keys.retry_after.get().map(|time| time.0),
    }
}

fn eject(keys: &Eject) -> traffic::Ejection {
    let time = keys.r#for.get().map_or(EJECTED, |time| time.0);
    let time_max = keys.at_most.get().map_or(EJECTED_MAX, |time| time.0);
    traffic::Ejection {
        failures: number(&keys.failures, FAILURES),
        time,
        // Who says a longer one for the first time means it.
        time_max: time_max.max(time),
        share: keys.share.get().map_or(EJECTED_SHARE, |part| part.0),
    }
}

/// Returns the limits of the requests of a route: its own over those of all.
pub(super) fn request_limits(
    of_all: &Setting<RequestLimits>,
    own: &Setting<RequestLimits>,
    reader: &mut Reader,
) -> Option<traffic::RequestLimits> {
    let keys = of_all.clone().under(own.clone());
    let keys = keys.get()?;
    let is_paced = keys.idle.get().is_some() || keys.pace.get().is_some();
    let limits = traffic::RequestLimits {
        uri: keys.uri.get().and_then(|size| u32::try_from(size.0).ok()),
        body: keys.body.get().map(|size| size.0),
        pace: is_paced.then(|| traffic::Pace {
            idle: keys.idle.get().map_or(IDLE, |time| time.0),
            bytes_per_second: keys.pace.get().map_or(0, |size| size.0),
            grace: keys.grace.get().map_or(GRACE, |time| time.0),
        }),
        per_client: rate(&keys.per_client, reader),
        in_all: rate(&keys.in_all, reader),
    };
    (limits != traffic::RequestLimits::default()).then_some(limits)
}

fn rate(setting: &Setting<Short<Rate>>, reader: &mut Reader) -> Option<traffic::Rate> {
    let Short(keys) = setting.get()?;
    let PerTime { count, per, at } = *keys.rate.get()?;
    let burst = number(&keys.burst, count);
    if per.saturating_mul(burst) / count > SAVED_UP_MAX {
        let rate = per_time(count, per);
        let message =
            format!("at `{rate}` a burst of {burst} takes more than 30 days to be saved up");
        let hint = "choose a higher rate or a smaller `burst`";
        reader.note(&OUT_OF_RANGE, at, message, hint);
    }
    Some(traffic::Rate {
        requests: count,
        per,
        burst,
    })
}

fn number<const MIN: u64, const MAX: u64>(setting: &Setting<Whole<MIN, MAX>>, default: u32) -> u32 {
    setting.get().map_or(default, whole)
}

fn whole<const MIN: u64, const MAX: u64>(number: &Whole<MIN, MAX>) -> u32 {
    u32::try_from(number.0).unwrap_or(u32::MAX)
}
