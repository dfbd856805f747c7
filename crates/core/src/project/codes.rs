//! The kinds of problem that a project file can have, each explained once.

use serde::Serialize;

/// How grave a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file means something, but perhaps not what is wanted.
    Warning,
}

impl Severity {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its code, such as `P003`. A code keeps its meaning for ever.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What happened, and why it is not let pass.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Returns the explanation of a code such as `P003`, in either case.
pub fn explain(code: &str) -> Option<&'static Code> {
    CODES
        .iter()
        .find(|known| known.code.eq_ignore_ascii_case(code))
        .copied()
}

macro_rules! codes {
    (@ ) => { Severity::Error };
    (@ warning) => { Severity::Warning };
    ($(
        $name:ident $code:literal $($severity:ident)? $title:literal because $cause:literal
        mend $remedy:literal
    )+) => {
        $(pub(super) static $name: Code = Code {
            code: $code,
            severity: codes!(@ $($severity)?),
            title: $title,
            cause: $cause,
            remedy: $remedy,
        };)+

        /// Every kind of problem, in the order of the codes.
        pub static CODES: &[&Code] = &[$(&$name),+];
    };
}

codes! {
    SYNTAX "P001" "not YAML"
        because "The text breaks a rule of YAML, so that nothing behind this place can be \
            understood. Mostly it is the indentation, a missing space after `:`, or a quote that \
            is not closed."
        mend "Look at the place and the line above it. Indent with spaces, two for each level; \
            put text in quotes that contains `: ` or ` #`, or that begins with one of `@%&*!|>{[`."
    TOO_LARGE "P002" "larger than a project file can be"
        because "A project file has at most 1 MiB, 20 000 values and 32 levels, and each list in \
            it has a bound of its own. More is taken for a mistake or an attack."
        mend "Keep data out of the project file; split what is unrelated into several \
            applications."
    UNKNOWN_KEY "P003" "unknown key"
        because "The key means nothing in this place. Passing over it would do something else \
            than what was written."
        mend "Correct the spelling or the indentation; the reference lists the keys of every \
            place. An editor that knows the JSON Schema (`leadsman schema`) offers them."
    DUPLICATE_KEY "P004" "key given twice"
        because "The same key stands twice in one place, and only one of the two could count."
        mend "Take one of them out, or merge what they hold."
    MISSING_KEY "P005" "something is missing"
        because "There is no value that could be assumed for this key."
        mend "Add it; the hint shows an example."
    WRONG_TYPE "P006" "wrong kind of value"
        because "One kind of value was expected, such as a list, and there is another one."
        mend "Write it in the form that the hint shows. Text that looks like a number needs \
            quotes; a number must have none."
    UNSUPPORTED "P007" "a feature of YAML that is not used here"
        because "Anchors, aliases, merge keys, tags, keys that are not text and several documents \
            in one file make a file hard to read, and small ones can unfold into huge ones."
        mend "Write the value out. What several environments share belongs to the service itself; \
            what several services share stands at the top level or in a named strategy."
    BAD_NAME "P008" "not usable as a name"
        because "Names become parts of host names, file names and command lines."
        mend "Use 1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending with -."
    UNKNOWN_NAME "P009" "nothing has this name"
        because "A service or strategy is named that the file does not describe."
        mend "Correct the spelling, or describe it."
    RESERVED_NAME "P010" "a name that is taken"
        because "The name already means something else: a built-in strategy, or a variable that \
            Leadsman itself sets for every instance."
        mend "Choose another name."
    BAD_DURATION "P011" "not a duration"
        because "A duration is a number with a unit: d, h, m, s or ms. Larger units come first."
        mend "Write it like `500ms`, `30s`, `5m`, `1h30m` or `7d`."
    BAD_SHARE "P012" "not a share"
        because "A share is a number of percent. Without the sign nobody could tell 0.05 from \
            5 %."
        mend "Write it like `5%` or `0.5%`."
    BAD_SIZE "P013" "not a size"
        because "A size is a number with a unit: B, kB, MB, GB, TB count in thousands; KiB, MiB, \
            GiB, TiB in 1024s. Units of one letter mean either, depending on the tool."
        mend "Write it like `512MiB` or `1.5GiB`."
    BAD_ADDRESS "P014" "not an address to listen on"
        because "An environment accepts requests on one IP address and one port from 1 to 65535."
        mend "Write it like `127.0.0.1:8080`, or `0.0.0.0:80` for every address of the machine; \
            IPv6 like `[::]:80`."
    OUT_OF_RANGE "P015" "out of range"
        because "The value is well written, but too small or too large to be meant."
        mend "Choose one between the bounds that the message names."
    BAD_WORD "P016" "not one of the words that are possible"
        because "Only certain words have a meaning here."
        mend "Choose one of those that the hint lists."
    BAD_PATH "P017" "not a usable path"
        because "Paths of files are relative to the project file and use `/`, so that the file \
            means the same on every machine; a folder stays inside its artifact. Paths of \
            requests begin with `/` and have no query."
        mend "Write files like `./dist` and requests like `/api`."
    BAD_HOST "P018" "not a host name"
        because "A route compares the name of the host alone: no scheme, port, path or wildcard. \
            A certificate can be obtained only for a name that the world knows."
        mend "Write it like `shop.example`, or leave `host` out for every host."
    BAD_COMMAND "P019" "not a command"
        because "A command is started directly, without a shell: its line is split into words as \
            a shell would, and nothing else of a shell is there. It needs a program, and every \
            quote needs its partner."
        mend "Write it like `./server --quiet`, or as a list of words. Where a shell is meant, \
            say so: `sh -c 'first && second'`."
    BAD_VARIABLE "P020" "not an environment variable"
        because "Names of environment variables are letters, digits and _, and do not begin with \
            a digit. Their values are text without NUL."
        mend "Rename it, or put its value in quotes."
    CONTRADICTION "P021" "keys that exclude each other"
        because "Two keys stand side by side of which only one can hold."
        mend "Keep the one that is meant."
    STEPS_DO_NOT_RISE "P022" "steps that do not rise"
        because "Each step of a rollout has more weight than the one before it. One that repeats \
            or falls is mostly a slip; going back is what a rollback is for."
        mend "Put the weights in rising order, each once."
    BAD_WEIGHT "P023" "not a weight for a step"
        because "A step gives the new revision more than nothing and at most all requests, in \
            hundredths of a percent."
        mend "Write a weight from `0.01%` to `100%`."
    CYCLE "P024" "waiting for each other"
        because "Each of these services, environments or jobs comes after the next one, and the last one \
            after the first: none could ever begin."
        mend "Take out one of these `after` or `needs`."
    SAME_ADDRESS "P025" "two environments on one address"
        because "Only one of them could accept requests there."
        mend "Give each environment a port of its own with `listen`."
    NO_ROUTES "P026" "no routes"
        because "There are several services, and nothing says which of them answers which \
            requests."
        mend "Add `routes`; `routes: []` if no service gets requests from outside."
    SAME_ROUTE "P027" "two routes for the same requests"
        because "Of the routes that are for a request the most specific one counts: one with a host \
            before one without; then the longer path; then one with methods; then the one with more \
            headers and cookies; then the one with more values of them. Two routes that are equal \
            in all of this could both be meant by one request."
        mend "Take one out, or tell them apart: by another host, path, method, or another value of \
            the same header or cookie."
    READINESS_UNKNOWN "P028" "no way to tell when a service is ready"
        because "A service without a route gets no requests, so it may not listen on a port at \
            all; then the check that is built in, whether its port accepts a connection, would \
            fail for ever."
        mend "Say `ready: tcp` if it listens on $PORT, or `ready: { command: ... }` with a \
            command that succeeds once it is ready."
    NOTHING_BESIDE "P029" warning "a step that is held with nothing beside it"
        because "A step with all requests leaves none to the revision that served before, and so \
            nothing to compare the new one with. There only absolute limits can be judged: a \
            release that is twice as slow as before, or fails twice as often, passes if it keeps \
            them."
        mend "Hold at `90%` instead: a tenth of the requests is enough to compare with, and shows \
            what full load does all the same. The step to all requests follows by itself, and \
            the judge watches it by absolute limits for as long as `keep_warm`, with the way back \
            one switch."
    BAD_NUMBER "P030" "not a number"
        because "A limit of a metric is a number in whatever unit the metric has."
        mend "Write it like `100`, `0.5` or `-3`; `80%` is 0.8, and `512MiB` counts bytes."
    BAD_METRIC "P031" "not a metric"
        because "A metric that a service shows is found by its name and by what its labels are or \
            are not. Functions and regular expressions are not part of that."
        mend "Write it like `jobs_waiting` or `jobs_waiting{queue=\"mail\",state!=\"dead\"}`. For \
            anything else ask Prometheus, with `prometheus` instead of `metric`."
    BAD_QUERY "P032" "not a query"
        because "A query is PromQL of at most 4096 bytes. In it, `$` and a word in capitals stand \
            for what is different for each revision, and only certain words mean something."
        mend "Use `$INSTANCES`, `$RELEASE`, `$REVISION`, `$SERVICE`, `$ENVIRONMENT` or \
            `$APPLICATION`, or write the name in small letters if it is no variable."
    BAD_URL "P033" "not an address of Prometheus"
        because "Prometheus is reached over http at a host, with a port and a path if need be. \
            Whoever can read the project file could use a password in it."
        mend "Write it like `http://127.0.0.1:9090`. Put a token into a file that only Leadsman \
            can read, and name it with `token_file`. Where Prometheus speaks https alone, have a \
            proxy on this machine speak it."
    SAME_ON_BOTH_SIDES "P034" "compared with itself"
        because "The query asks the same thing for the new revision and for the one that serves, \
            so that a comparison could never show a difference."
        mend "Have it ask about one revision: `{instance=~\"$INSTANCES\"}`, or a label that holds \
            the release, such as `{release=\"$RELEASE\"}`. Or use `at_most` and `at_least` alone."
    BAD_HEADER "P035" "not a header for answers"
        because "A header has a name and a value of one line. Those that say how an answer is \
            carried are the data plane's, and one that forbids to come back unencrypted means \
            nothing where nothing is encrypted."
        mend "Write it like `content-security-policy: default-src 'self'`; `tls` says how \
            connections are encrypted."
    BAD_NETWORK "P036" "not a range of addresses"
        because "A range is its first address and the number of bits that all in it have in \
            common. Where more bits are set nobody could tell one address from all."
        mend "Write it like `10.0.0.0/8` or `2001:db8::/32`, or as the one address that is meant."
    BAD_CONTACT "P037" "not a mail address"
        because "Whoever gives certificates writes to this address when there is trouble with \
            them."
        mend "Write it like `ops@shop.example`, without a name or `mailto:`."
    BAD_DIRECTORY "P038" "not the directory of an ACME server"
        because "Certificates are obtained over https alone: who could change what comes would \
            have a say in who you are."
        mend "Write the URL of the directory, such as \
            `https://acme-v02.api.letsencrypt.org/directory`."
    BAD_RATE "P039" "not a rate"
        because "A rate is a whole number of requests in a second, a minute or an hour. Without the \
            time nobody could tell a thousand a second from a thousand an hour."
        mend "Write it like `10/s`, `100/m` or `1000/h`; with `burst` more of them may come at once: \
            `{ rate: 10/s, burst: 50 }`."
    BAD_CONDITION "P040" "not something that a request can say"
        because "A request says something in a header or in a cookie. Their names have no blanks \
            and few special characters, and their values are compared as they are: no patterns."
        mend "Write it like `headers: { x-track: beta }` or `cookies: { track: beta }`, with \
            `\"*\"` for any value."
    SAME_COOKIE "P041" "two services that share a cookie"
        because "A cookie remembers the side of one service. Two services of one host that write \
            the same one would take their users from each other with every request."
        mend "Write `sticky: cookie`, by which each service has a cookie of its own, or give each \
            another name with `sticky: { cookie: shop-api }`."
    BAD_PATTERN "P042" "not a pattern for files"
        because "A pattern names files by their path in the served folder, in which `*` stands for \
            any characters of a name and `**` for any folders. Without a `/` it is the name of a \
            file, in whatever folder."
        mend "Write it like `*.woff2`, `/robots.txt` or `assets/**`."
    BAD_CACHE "P043" "not a word for caches"
        because "An answer may be kept for ever, for a while, until it was asked about, or not at \
            all."
        mend "Write `immutable`, a duration such as `1h`, `no-cache` or `no-store`."
    BAD_RULE "P044" "not a rule that can be evaluated"
        because "A rule of `gates` is checked before any release needs it: a name that nothing has, \
            or a comparison of a number with text, would close the gate for ever. It has to be true \
            or false, has at most 2000 bytes, and no walk through a list in it may hold another, so \
            that it ends."
        mend "Write it like `numbers.bundle_kb <= promoted.numbers.bundle_kb * 1.05`, in quotes. The \
            guide on gates lists every name and what can be done with it."
    BAD_DATE "P045" "not a day"
        because "An exception counts until the end of a day, in UTC. A day has a year, a month and a \
            day that this month has."
        mend "Write it like `2026-12-31`."
    BAD_WINDOW "P046" "not a window"
        because "A window is a part of some days of the week, by the clock of a place. One that ends \
            before it begins ends on the next day."
        mend "Write it like `Mon-Fri 09:00-16:00`, `Sat,Sun 22:00-02:00` or `Tue`."
    UNKNOWN_TIME_ZONE "P047" "unknown time zone"
        because "Windows open by the clock of a place, which knows summer time. The time zone database \
            calls it by a continent and a city."
        mend "Write it like `Europe/Berlin`, `America/Sao_Paulo` or `UTC`."
    BAD_REFERENCE "P048" "not the name of a branch or a tag"
        because "A branch or a tag is meant as people call it, in which `*` stands for any characters."
        mend "Write it like `main`, `release/*` or `v*`, without `refs/heads/` or `refs/tags/`."
    BAD_SCHEDULE "P049" "not a schedule"
        because "A schedule has five fields, as cron has them: minute, hour, day of the month, month \
            and day of the week."
        mend "Write it like `\"0 3 * * *\"` for every night at three, or \
            `{ cron: \"0 3 * * mon-fri\", zone: Europe/Berlin }`."
    BAD_CHECK "P050" "not what a checklist can ask"
        because "An item of a checklist asks the machine for something that it can find out by itself, \
            or a person for one sentence that they can say is so."
        mend "Write hosts with their port, such as `db.internal:5432`, addresses in full, and sentences \
            of at most 300 bytes."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_gap() {
        for (index, code) in CODES.iter().enumerate() {
            assert_eq!(code.code, format!("P{:03}", index + 1));
        }
    }

    #[test]
    fn a_code_is_found_in_either_case() {
        assert_eq!(explain("p003").map(|code| code.title), Some("unknown key"));
        assert_eq!(explain("P999"), None);
    }
}
