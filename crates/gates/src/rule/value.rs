//! Facts as rules see them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::types::{Object, Type};
use crate::facts::{Count, Coverage, Facts, Findings, Severity};
use crate::gate::About;

/// A value while a rule is evaluated. Copies of it share what is large.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Rc<str>),
    List(Rc<Vec<Self>>),
    /// A thing with fields, or values by name.
    Map(Rc<BTreeMap<String, Self>>),
    /// What could be known and is not, with the reason.
    Missing(Rc<str>),
}

impl Value {
    /// Returns everything that a rule can speak of.
    pub(crate) fn everything(facts: &Facts, promoted: Option<&Facts>, about: &About) -> Self {
        let mut fields = known(facts, "no report");
        let none = "no release was promoted here yet";
        let promoted = match promoted {
            Some(promoted) => map(known(promoted, "no report of the promoted release")),
            None => missing(none),
        };
        fields.insert("promoted".to_owned(), promoted);
        fields.insert("release".to_owned(), release(about));
        debug_assert!(
            agree(&fields, Object::Everything),
            "values are as they are checked"
        );
        map(fields)
    }
}

fn known(facts: &Facts, nobody: &str) -> BTreeMap<String, Value> {
    let or = |value: Option<Value>, of: &str| {
        value.unwrap_or_else(|| missing(&format!("{nobody} speaks of {of}")))
    };
    let tests = facts.tests().map(|tests| {
        map(fields([
            ("passed", int(tests.passed)),
            ("failed", int(tests.failed)),
            ("errors", int(tests.errors)),
            ("skipped", int(tests.skipped)),
            ("flaky", int(tests.flaky)),
            ("ran", int(tests.ran())),
        ]))
    });
    let coverage = facts.coverage().map(|all| {
        let groups = facts.groups().into_iter().filter_map(|name| {
            let group = facts.coverage_of(name)?;
            Some((name.to_owned(), map(covered(group))))
        });
        let groups = map(groups.collect());
        let mut fields = covered(all);
        fields.insert("groups".to_owned(), groups);
        map(fields)
    });
    let components = facts.components().map(|components| {
        let licences = components.licences.iter();
        let licences = licences.map(|(name, under)| (name.clone(), int(under.total)));
        map(fields([
            ("total", int(components.total)),
            ("licences", map(licences.collect())),
        ]))
    });
    let numbers = facts.numbers().into_iter();
    let numbers = numbers.map(|(name, number)| (name.to_owned(), Value::Double(number)));
    fields([
        ("tests", or(tests, "tests")),
        ("coverage", or(coverage, "coverage")),
        (
            "findings",
            or(facts.findings().map(|found| findings(&found)), "findings"),
        ),
        ("components", or(components, "components")),
        ("load", or(load(facts), "load")),
        ("numbers", map(numbers.collect())),
    ])
}

fn covered(coverage: Coverage) -> BTreeMap<String, Value> {
    let percent = |count: Option<Count>, of: &str| {
        let share = count.and_then(Count::share);
        match share {
            Some(share) => Value::Double(share * 100.0),
            None => missing(&format!("there are no {of}")),
        }
    };
    fields([
        ("percent", percent(Some(coverage.lines), "lines")),
        ("covered", int(coverage.lines.covered)),
        ("lines", int(coverage.lines.total)),
        ("branches_percent", percent(coverage.branches, "branches")),
    ])
}

fn findings(findings: &Findings) -> Value {
    if let Some(why) = &findings.incomplete {
        return missing(why);
    }
    let mut made = BTreeMap::new();
    for severity in Severity::ALL {
        let count = int(findings.count(severity));
        made.insert(severity.as_str().to_owned(), count);
    }
    made.insert("total".to_owned(), int(findings.total()));
    let list = findings.list.iter().map(|finding| {
        map(fields([
            ("id", text(&finding.id)),
            ("severity", text(finding.severity.as_str())),
            ("tool", text(&finding.tool)),
            ("place", text(&finding.place)),
            ("title", text(&finding.title)),
        ]))
    });
    made.insert("list".to_owned(), Value::List(Rc::new(list.collect())));
    map(made)
}

fn load(facts: &Facts) -> Option<Value> {
    let load = facts.load()?;
    if let Some(why) = &load.invalid {
        return Some(missing(&format!("the load test shows nothing: {why}")));
    }
    let number = |number: Option<f64>| match number {
        Some(number) => Value::Double(number),
        None => missing("the load test does not say it"),
    };
    Some(map(fields([
        ("requests", int(load.requests)),
        ("rate", number(load.rate)),
        (
            "errors_percent",
            number(load.errors.map(|share| share * 100.0)),
        ),
        ("mean_ms", number(load.mean_ms)),
        ("p50_ms", number(load.p50_ms)),
        ("p90_ms", number(load.p90_ms)),
        ("p95_ms", number(load.p95_ms)),
        ("p99_ms", number(load.p99_ms)),
        ("p999_ms", number(load.p999_ms)),
        ("max_ms", number(load.max_ms)),
    ])))
}

fn release(about: &About) -> Value {
    map(fields([
        ("number", int(about.number)),
        ("environment", text(&about.environment)),
        ("digest", text(&about.digest)),
        ("commit", text(&about.commit)),
        ("branch", text(&about.branch)),
        ("tag", text(&about.tag)),
    ]))
}

fn int(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn text(text: &str) -> Value {
    Value::Text(Rc::from(text))
}

fn missing(why: &str) -> Value {
    Value::Missing(Rc::from(why))
}

fn map(fields: BTreeMap<String, Value>) -> Value {
    Value::Map(Rc::new(fields))
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Says whether values are of the types that rules are checked against.
fn agree(fields: &BTreeMap<String, Value>, object: Object) -> bool {
    let known = object.fields();
    known.len() == fields.len()
        && known
            .iter()
            .all(|(name, of, _)| fields.get(*name).is_some_and(|value| is(value, of)))
}

fn is(value: &Value, of: &Type) -> bool {
    match (value, of) {
        (Value::Missing(_), _)
        | (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Double(_), Type::Double)
        | (Value::Text(_), Type::Text) => true,
        (Value::List(items), Type::List(of)) => items.iter().all(|item| is(item, of)),
        (Value::Map(values), Type::Map(of)) => values.values().all(|value| is(value, of)),
        (Value::Map(fields), Type::Object(object)) => agree(fields, *object),
        _ => false,
    }
}
