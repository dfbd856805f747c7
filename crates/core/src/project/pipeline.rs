//! What can be said of the pipeline: every key, once.

use schemars::json_schema;

use super::codes::{CONTRADICTION, MISSING_KEY};
use super::entry_values::{ReferenceText, ZoneText};
use super::keys::keys;
use super::load::LoadKeys;
use super::model::Ready;
use super::pipeline_values::{
    CommandLines, CronText, InputPattern, MatrixText, NumberKey, Paths, ReportPath, Script,
    SecretKey, ToolKey, ToolText, VariableName,
};
use super::problem::Span;
use super::read::Reader;
use super::shape::{List, Map, Short, short_form};
use super::texts::{Command, FolderPath, MachineFile};
use super::values::{Memory, Name, NameKey, Time, VariableKey, VariableText, Whole};

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

keys! {
    /// What a commit goes through before it is a release: jobs, each in a clean checkout of its own.
    #[schemars(extend("required" = ["jobs"]))]
    struct Pipeline("`pipeline`") {
        /// What starts a run by itself; left out, only a person does.
        start: Start,
        /// How long a run should take at most. What takes longer is said, and goes on.
        budget: Time<SECOND, { 30 * DAY }>,
        /// The jobs, by name. Those that need nothing of one another run side by side.
        jobs: Map<NameKey, Job, 200>,
    }
    check: check_pipeline;
}

keys! {
    /// What starts a run by itself.
    struct Start("`start`") {
        /// Branches whose new commits start a run, such as `main` or `release/*`.
        push: List<ReferenceText, 50>,
        /// Tags that start a run, such as `v*`.
        tag: List<ReferenceText, 50>,
        /// When a run starts by the clock. In short: five fields as cron has them, in UTC.
        schedule: Short<Schedule>,
    }
}

keys! {
    /// When a run starts by the clock.
    #[schemars(extend("required" = ["cron"]))]
    struct Schedule("`schedule`") {
        /// Minute, hour, day of the month, month and day of the week, such as `0 3 * * *`.
        cron: CronText,
        /// The time zone, such as `Europe/Berlin`.
        #[schemars(extend("default" = "UTC"))]
        time_zone: ZoneText,
        /// The branch whose newest commit is taken.
        #[schemars(extend("default" = "main"))]
        branch: ReferenceText,
    }
}

short_form!(
    Schedule { cron },
    json_schema!({ "title": "five fields of cron", "type": "string" })
);

keys! {
    /// One job: commands in a clean checkout of the commit, or a load. It has one of `run`, `script`
    /// and `load`.
    struct Job("a job") {
        /// A command line, split into words as a shell would, or a list of them, one after the
        /// other. No shell is involved; `$NAME` and `${NAME}` are environment variables.
        run: CommandLines,
        /// A text for `/bin/sh -eu`.
        script: Script,
        /// Requests that are made to see how they are answered. A path alone is asked for where the
        /// environment of `after` listens. What is measured is a report of the job.
        load: LoadKeys,
        /// The jobs that must have passed before. What they made for services lies in the checkout,
        /// at its path.
        needs: List<Name, 200>,
        /// An environment: the job begins once the release has taken all traffic there, and finds
        /// its address in `$LEADSMAN_URL`. Environments that come `after` the same one wait for it.
        after: Name,
        /// How long one attempt may take.
        #[schemars(extend("default" = "30m"))]
        timeout: Time<SECOND, { 7 * DAY }>,
        /// How long the job should take at most. What takes longer is said, and goes on.
        budget: Time<SECOND, { 7 * DAY }>,
        /// How it is tried again if it fails. In short: how often.
        retry: Short<Retry>,
        /// Environment variables.
        env: Map<VariableKey, VariableText, 1000>,
        /// Environment variables whose values nobody may see. In short: the file that holds one.
        secrets: Map<SecretKey, Short<Secret>, 100>,
        /// The folder it runs in, relative to the project file.
        #[schemars(extend("default" = "."))]
        folder: FolderPath,
        /// Patterns of the files of the commit that it depends on, such as `src/**`, relative to the
        /// project file. A job whose inputs are as they were when it passed is reused, and does not
        /// run. Left out, it always runs.
        inputs: List<InputPattern, 200>,
        /// Tools, each with the version that it has to name when it is asked `--version`.
        tools: Map<ToolKey, ToolText, 50>,
        /// What it reports, by kind: files relative to its folder.
        reports: Reports,
        /// What it makes for services: by the name of the service a file or a folder, relative to the
        /// project file.
        artifacts: Map<NameKey, FolderPath, 100>,
        /// Programs that run beside it, such as a database, by name. Where one called `db` listens is
        /// in `$DB_HOST` and `$DB_PORT`.
        services: Map<NameKey, Beside, 20>,
        /// One job for each combination of these values, which are environment variables in it.
        matrix: Map<VariableKey, List<MatrixText, 50>, 5>,
        /// Folders that are kept from one run for the next.
        cache: List<Short<Cache>, 20>,
        /// How much its checkout and all it writes there may take.
        #[schemars(extend("default" = "20GiB"))]
        disk: Memory,
        /// How many processes it may have at once.
        #[schemars(extend("default" = 2000))]
        processes: Whole<1, 100_000>,
    }
    one_of: run, script, load;
}

keys! {
    /// How a job is tried again that failed.
    struct Retry("`retry`") {
        /// How often.
        #[schemars(extend("default" = 1))]
        times: Whole<0, 20>,
        /// How long to wait before the first time; each further time it is twice as long, up to an
        /// hour.
        #[schemars(extend("default" = "5s"))]
        backoff: Time<0, HOUR>,
    }
}

short_form!(
    Retry { times },
    json_schema!({ "title": "number", "type": "integer", "minimum": 0, "maximum": 20 })
);

keys! {
    /// Where the value of a secret is. One of `file` and `variable`.
    struct Secret("a secret") {
        /// A file on the machine that runs the job, by its full path.
        file: MachineFile<false>,
        /// A variable of the environment that `leadsman up` was started with.
        variable: VariableName,
    }
    check: check_secret;
}

short_form!(
    Secret { file },
    json_schema!({ "title": "full path", "type": "string", "pattern": "^/" })
);

keys! {
    /// What a job reports, by kind.
    struct Reports("`reports`") {
        /// Results of tests, as JUnit writes them in XML.
        junit: Paths,
        /// Lines that tests reached, as lcov writes them.
        lcov: Paths,
        /// Lines that tests reached, as Cobertura writes them in XML.
        cobertura: Paths,
        /// Findings of an analysis, in SARIF.
        sarif: Paths,
        /// Findings of Trivy, in JSON.
        trivy: Paths,
        /// Findings of Grype, in JSON.
        grype: Paths,
        /// What something is made of, in CycloneDX JSON.
        cyclonedx: Paths,
        /// What a load test measured, as k6 sums it up in JSON.
        k6: Paths,
        /// What `leadsman load` measured, in JSON.
        load: Paths,
        /// Numbers, by names of your choice: where each stands in a JSON file.
        numbers: Map<NumberKey, NumberAt, 100>,
    }
}

keys! {
    /// Where a number stands.
    #[schemars(extend("required" = ["file", "at"]))]
    struct NumberAt("a number") {
        /// The JSON file, relative to the job's folder.
        file: ReportPath,
        /// The way to the number in it, such as `total.bytes` or `runs.0.score`.
        at: VariableText,
    }
    check: check_number;
}

keys! {
    /// A program that runs beside a job.
    #[schemars(extend("required" = ["run"]))]
    struct Beside("a service beside a job") {
        /// The command that starts it. `$PORT` is the port to listen on.
        run: Command,
        /// When the job may begin. In short: `tcp`, or a path such as `/health`.
        #[schemars(extend("default" = "tcp"))]
        ready: Short<Ready>,
        /// Environment variables.
        env: Map<VariableKey, VariableText, 1000>,
    }
    check: check_beside;
}

keys! {
    /// A folder that is kept from one run for the next.
    #[schemars(extend("required" = ["path"]))]
    struct Cache("a cache") {
        /// The folder, relative to the project file.
        path: FolderPath,
        /// Patterns of the files of the commit by whose content it is kept apart, such as
        /// `Cargo.lock`.
        key: List<InputPattern, 20>,
    }
    check: check_cache;
}

short_form!(
    Cache { path },
    json_schema!({ "title": "path", "type": "string" })
);

fn missing(key: &str, of: &str, at: Span, example: &str, reader: &mut Reader) {
    let message = format!("{of} has no `{key}`");
    let hint = format!("add it, such as `{example}`");
    reader.note(&MISSING_KEY, at, message, hint);
}

fn check_pipeline(pipeline: &Pipeline, at: Span, reader: &mut Reader) {
    let empty = pipeline.jobs.get().is_some_and(Map::is_empty);
    if pipeline.jobs.is_missing() || empty {
        let example = "jobs: { test: { run: make test } }";
        missing("jobs", "`pipeline`", at, example, reader);
    }
}

fn check_secret(secret: &Secret, at: Span, reader: &mut Reader) {
    if secret.file.is_present() && secret.variable.is_present() {
        let message = "a secret has `file` and `variable`, which exclude each other";
        reader.note(&CONTRADICTION, at, message, "keep the one that is meant");
    }
    if secret.file.is_missing() && secret.variable.is_missing() {
        missing("file", "the secret", at, "file: /etc/shop/token", reader);
    }
}

fn check_number(number: &NumberAt, at: Span, reader: &mut Reader) {
    if number.file.is_missing() {
        missing("file", "the number", at, "file: out/size.json", reader);
    }
    if number.at.is_missing() {
        missing("at", "the number", at, "at: total.bytes", reader);
    }
}

fn check_beside(beside: &Beside, at: Span, reader: &mut Reader) {
    if beside.run.is_missing() {
        missing(
            "run",
            "the service",
            at,
            "run: ./database --port $PORT",
            reader,
        );
    }
}

fn check_cache(cache: &Cache, at: Span, reader: &mut Reader) {
    if cache.path.is_missing() {
        missing("path", "the cache", at, "path: node_modules", reader);
    }
}
