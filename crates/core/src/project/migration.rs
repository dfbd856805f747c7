//! What a release needs of the schema of the database.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{CONTRADICTION, MISSING_KEY, OUT_OF_RANGE};
use super::jobs::secrets;
use super::keys::keys;
use super::pipeline::Secret;
use super::pipeline_values::SecretKey;
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader, Setting};
use super::resolve::{Services, refuse_unknown_service};
use super::shape::{Map, Short};
use super::texts::Command;
use super::values::{Name, Time, Whole, schema};
use super::yaml::Node;
use crate::id::ServiceName;
use crate::migration::{Migration, SchemaRange};

const SECOND: u64 = 1000;
const DAY: u64 = 24 * 3600 * SECOND;

/// The largest schema: what every reader of YAML and JSON takes for a number.
const SCHEMA_MAX: u64 = 9_007_199_254_740_991;

/// How long a migration may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(600);

keys! {
    /// What a release needs of the schema of the application's database. Its `run` is run once in an
    /// environment, before anything of the release is started there; what serves goes on meanwhile,
    /// so it has to work on the new schema, too.
    struct MigrationKeys("`migration`") {
        /// The service whose artifact the commands are run from, with its environment, user, folder
        /// and limits. Left out, the only service.
        service: Name,
        /// The command that brings the schema to `schema`, from whatever it is. It is told
        /// `LEADSMAN_SCHEMA_FROM`, where that is known, and `LEADSMAN_SCHEMA_TO`. It has to do no
        /// harm when it is run again.
        run: Command,
        /// The command that brings the schema back to `LEADSMAN_SCHEMA_TO`. It is run from the
        /// newest release that migrated, and only where a person asks for it. Left out, there is no
        /// such way.
        back: Command,
        /// The number of the schema that the release brings about.
        schema: Whole<0, SCHEMA_MAX>,
        /// The schemas that its program works with, such as `11..12`. Left out, only `schema`.
        works_with: RangeText,
        /// How long each of the commands may take before it is ended, with all that it started.
        #[schemars(extend("default" = "10m"))]
        timeout: Time<SECOND, DAY>,
        /// Environment variables that hold secrets: whatever of them the commands write is hidden.
        secrets: Map<SecretKey, Short<Secret>, 100>,
        /// How long what serves is watched on the new schema before anything of the release is
        /// started: its instances have to stay ready, and its own `smoke` has to end well.
        #[schemars(extend("default" = "0s"))]
        watch_old: Time<0, DAY>,
        /// The command by which this release is asked whether it works, once it serves and a later one
        /// has migrated; it is told `LEADSMAN_LISTEN`, the address where requests are accepted.
        smoke: Command,
    }
}

/// Schemas from one to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeText(pub(super) SchemaRange);

impl Read for RangeText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `11..12`, or `12` for one alone";
        let text = reader.scalar(node, "the schemas from one to another", FORM)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            let number = digits.then(|| text.parse::<u64>().ok()).flatten();
            number.filter(|number| *number <= SCHEMA_MAX)
        };
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (Some(from), Some(to)) = (number(from.trim()), number(to.trim())) else {
            reader.wrong_type(node, "the schemas from one to another", FORM);
            return None;
        };
        if from > to {
            let message = format!("{} ends before it begins", quoted(text));
            reader.note(&OUT_OF_RANGE, node.at, message, FORM);
            return None;
        }
        Some(Self(SchemaRange { from, to }))
    }
}

impl Merge for RangeText {}

schema!(
    RangeText,
    json_schema!({ "title": "schemas", "type": ["string", "integer"], "pattern": r"^[0-9]+( *\.\. *[0-9]+)?$" })
);

/// Returns what a release needs of the schema, or notes what stands in the way.
pub(super) fn resolve(
    keys: &Setting<MigrationKeys>,
    at: Span,
    services: &Services,
    reader: &mut Reader,
) -> Option<Option<Migration>> {
    let keys = match keys {
        Setting::Given(keys) => keys,
        Setting::Absent | Setting::Removed => return Some(None),
        Setting::Broken => return None,
    };
    let service = service(keys, at, services, reader);
    for (key, is_missing, example) in [
        ("run", keys.run.is_missing(), "run: ./migrate up"),
        ("schema", keys.schema.is_missing(), "schema: 1"),
    ] {
        if is_missing {
            let message = format!("`migration` has no `{key}`");
            reader.note(
                &MISSING_KEY,
                at,
                message,
                format!("add it, such as `{example}`"),
            );
        }
    }
    let schema = keys.schema.get()?.0;
    let range = match &keys.works_with {
        Setting::Given(range) => range.0,
        Setting::Absent | Setting::Removed => SchemaRange::only(schema),
        Setting::Broken => return None,
    };
    if !range.contains(schema) {
        let message = format!(
            "the migration brings the schema to {schema}, and the release works with {range}"
        );
        let hint = "a release works with what it brings about: mend `schema` or `works_with`";
        reader.note(&CONTRADICTION, at, message, hint);
        return None;
    }
    let words = |command: &Setting<Command>| command.get().map(|command| command.0.clone());
    Some(Some(Migration {
        service: service?,
        run: words(&keys.run)?,
        back: words(&keys.back),
        schema,
        works_with: range,
        timeout: keys.timeout.get().map_or(TIMEOUT, |time| time.0),
        secrets: secrets(&keys.secrets),
        watch_old: keys.watch_old.get().map(|time| time.0).unwrap_or_default(),
        smoke: words(&keys.smoke),
    }))
}

/// Returns the service that it is run from.
fn service(
    keys: &MigrationKeys,
    at: Span,
    services: &Services,
    reader: &mut Reader,
) -> Option<ServiceName> {
    if let Some(Name(name)) = keys.service.get() {
        let found = services.keys().find(|known| known.as_str() == name.value);
        if found.is_none() {
            let known = services.keys().map(ServiceName::as_str);
            refuse_unknown_service(name, known, reader);
        }
        return found.cloned();
    }
    let mut all = services.keys();
    let only = all.next().filter(|_| all.next().is_none());
    if only.is_none() {
        let message = "`migration` has no `service`, and there are several";
        let hint = "name the one whose artifact it is run from, such as `service: web`";
        reader.note(&MISSING_KEY, at, message, hint);
    }
    only.cloned()
}
