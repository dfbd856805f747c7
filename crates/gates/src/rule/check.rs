//! Finds what is wrong with a rule before it is ever needed: unknown names, wrong types, a result
//! that is no truth.

use super::RuleProblem;
use super::parse::{Expr, Kind, Operator};
use super::types::{Object, Type};

/// The words for walks through a list, with what comes of each.
pub(super) const WALKS: [&str; 5] = ["exists", "all", "exists_one", "filter", "map"];

const METHODS: [&str; 9] = [
    "contains",
    "startsWith",
    "endsWith",
    "size",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
];

const FUNCTIONS: [&str; 5] = ["has", "size", "int", "double", "string"];

/// Returns what is wrong, in the order of the text.
pub(super) fn check(root: &Expr) -> Vec<RuleProblem> {
    let mut checker = Checker::default();
    let of = checker.of(root);
    if !matches!(of, Type::Bool | Type::Any) {
        let message = format!("the rule is {of}, and has to be true or false");
        let hint = "compare it with something, such as `<= 250`";
        checker.note(root, message, hint);
    }
    checker.problems.sort_by_key(|problem| problem.at.start);
    checker.problems
}

#[derive(Default)]
struct Checker {
    problems: Vec<RuleProblem>,
    /// The variable of the walk that is being looked at.
    variable: Option<(String, Type)>,
}

impl Checker {
    fn note(&mut self, at: &Expr, message: impl Into<String>, hint: impl Into<String>) {
        self.problems
            .push(RuleProblem::new(at.at.clone(), message, hint));
    }

    fn note_unknown(&mut self, at: &Expr, what: &str, name: &str, known: Vec<String>) -> Type {
        let message = format!("{what} `{name}` is not known");
        self.problems.push(RuleProblem {
            unknown: Some((name.to_owned(), known)),
            ..RuleProblem::new(at.at.clone(), message, "")
        });
        Type::Any
    }

    fn expect(&mut self, part: &Expr, wanted: &Type, by: &str) {
        let of = self.of(part);
        if !of.fits(wanted) {
            let message = format!("{by} needs {wanted}, and this is {of}");
            self.note(part, message, "compare, or choose another name");
        }
    }

    fn of(&mut self, part: &Expr) -> Type {
        match &part.kind {
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Double(_) => Type::Double,
            Kind::Text(_) => Type::Text,
            Kind::List(parts) => self.list(parts),
            Kind::Name(name) => self.name(part, name),
            Kind::Field(of, name) => self.field(part, of, name),
            Kind::Index(of, by) => self.index(part, of, by),
            Kind::Call(name, parts) => self.call(part, name, parts),
            Kind::Method(of, name, parts) => self.method(part, of, name, parts),
            Kind::Not(of) => {
                self.expect(of, &Type::Bool, "`!`");
                Type::Bool
            }
            Kind::Minus(of) => {
                let inner = self.of(of);
                if !inner.is_number() {
                    self.note(of, format!("`-` needs a number, and this is {inner}"), "");
                }
                inner
            }
            Kind::Binary(operator, left, right) => self.binary(part, *operator, left, right),
            Kind::Choice(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                self.expect(condition, &Type::Bool, "what stands before `?`");
                let (one, other) = (self.of(then), self.of(otherwise));
                if !one.fits(&other) {
                    let message = format!("before `:` there is {one}, and behind it {other}");
                    self.note(part, message, "both have to be of one kind");
                    return Type::Any;
                }
                joined(&one, &other)
            }
        }
    }

    fn list(&mut self, parts: &[Expr]) -> Type {
        let mut of = Type::Any;
        for part in parts {
            let next = self.of(part);
            if !of.fits(&next) {
                let message = format!("this is {next}, and what stands before it is {of}");
                self.note(part, message, "all of a list are of one kind");
            }
            of = joined(&of, &next);
        }
        Type::List(Box::new(of))
    }

    fn name(&mut self, part: &Expr, name: &str) -> Type {
        if let Some((variable, of)) = &self.variable
            && variable == name
        {
            return of.clone();
        }
        if let Some(of) = Object::Everything.field(name) {
            return of;
        }
        let fields = Object::Everything.fields().into_iter();
        let mut known: Vec<String> = fields.map(|(name, ..)| name.to_owned()).collect();
        known.extend(self.variable.as_ref().map(|(name, _)| name.clone()));
        self.note_unknown(part, "the name", name, known)
    }

    fn field(&mut self, part: &Expr, of: &Expr, name: &str) -> Type {
        match self.of(of) {
            Type::Any => Type::Any,
            Type::Map(inner) => *inner,
            Type::Object(object) => object.field(name).unwrap_or_else(|| {
                let fields = object.fields().into_iter();
                let known = fields.map(|(name, ..)| name.to_owned()).collect();
                let at = part.at.end.saturating_sub(name.len())..part.at.end;
                let unknown = self.note_unknown(part, "the field", name, known);
                if let Some(problem) = self.problems.last_mut() {
                    problem.at = at;
                }
                unknown
            }),
            other => {
                let message = format!("this is {other}, which has no field `{name}`");
                self.note(of, message, "");
                Type::Any
            }
        }
    }

    fn index(&mut self, part: &Expr, of: &Expr, by: &Expr) -> Type {
        match self.of(of) {
            Type::Any => {
                self.of(by);
                Type::Any
            }
            Type::Map(inner) => {
                self.expect(by, &Type::Text, "the name in brackets");
                *inner
            }
            Type::List(inner) => {
                let of = self.of(by);
                if !matches!(of, Type::Int | Type::Any) {
                    let message =
                        format!("the place in a list is a whole number, and this is {of}");
                    self.note(by, message, "");
                }
                *inner
            }
            other => {
                let message = format!("this is {other}, of which nothing is taken by `[`");
                self.note(part, message, "take a field by its name, behind a dot");
                Type::Any
            }
        }
    }

    fn arguments(&mut self, part: &Expr, name: &str, parts: &[Expr], wanted: usize) -> bool {
        if parts.len() == wanted {
            return true;
        }
        let message = format!("`{name}` takes {wanted}, and there are {}", parts.len());
        self.note(part, message, "");
        false
    }

    fn call(&mut self, part: &Expr, name: &str, parts: &[Expr]) -> Type {
        if !FUNCTIONS.contains(&name) {
            let known = FUNCTIONS.map(str::to_owned).to_vec();
            return self.note_unknown(part, "the function", name, known);
        }
        let [argument] = parts else {
            self.arguments(part, name, parts, 1);
            return Type::Any;
        };
        match name {
            "has" => {
                if !matches!(argument.kind, Kind::Field(..)) {
                    let hint = "write it like `has(promoted.numbers.bundle_kb)`";
                    self.note(argument, "`has` asks for a field", hint);
                }
                self.of(argument);
                Type::Bool
            }
            "size" => self.size(argument),
            "int" | "double" => {
                let of = self.of(argument);
                if !of.is_number() && of != Type::Text {
                    let message = format!("`{name}` needs a number or text, and this is {of}");
                    self.note(argument, message, "");
                }
                if name == "int" {
                    Type::Int
                } else {
                    Type::Double
                }
            }
            _ => {
                let of = self.of(argument);
                if !of.is_number() && !matches!(of, Type::Text | Type::Bool) {
                    let message = format!("`{name}` needs one value, and this is {of}");
                    self.note(argument, message, "");
                }
                Type::Text
            }
        }
    }

    fn size(&mut self, of: &Expr) -> Type {
        let found = self.of(of);
        if !matches!(found, Type::Text | Type::List(_) | Type::Map(_) | Type::Any) {
            let message =
                format!("`size` needs text, a list or values by name, and this is {found}");
            self.note(of, message, "");
        }
        Type::Int
    }

    fn method(&mut self, part: &Expr, of: &Expr, name: &str, parts: &[Expr]) -> Type {
        if WALKS.contains(&name) {
            return self.walk(part, of, name, parts);
        }
        match name {
            "size" => {
                self.arguments(part, name, parts, 0);
                self.size(of)
            }
            "contains" | "startsWith" | "endsWith" => {
                self.expect(of, &Type::Text, &format!("`{name}`"));
                if self.arguments(part, name, parts, 1) {
                    for argument in parts {
                        self.expect(argument, &Type::Text, &format!("`{name}`"));
                    }
                }
                Type::Bool
            }
            "matches" => {
                let hint = "`contains`, `startsWith` and `endsWith` compare as it is written";
                self.note(part, "there are no patterns in rules", hint);
                Type::Any
            }
            _ => {
                let known = METHODS.map(str::to_owned).to_vec();
                self.note_unknown(part, "the function", name, known)
            }
        }
    }

    fn walk(&mut self, part: &Expr, of: &Expr, name: &str, parts: &[Expr]) -> Type {
        let found = self.of(of);
        let item = match found {
            Type::List(item) => *item,
            Type::Any => Type::Any,
            other => {
                let message = format!("`{name}` walks through a list, and this is {other}");
                self.note(of, message, "");
                Type::Any
            }
        };
        let [variable, body] = parts else {
            self.arguments(part, name, parts, 2);
            return Type::Any;
        };
        let Kind::Name(variable) = &variable.kind else {
            let hint = "write it like `findings.list.exists(f, f.severity == \"high\")`";
            self.note(
                variable,
                format!("`{name}` begins with a name of your choice"),
                hint,
            );
            return Type::Any;
        };
        if self.variable.is_some() {
            let hint = "write two rules, or compare what stands outside";
            self.note(part, "a walk through a list cannot hold another", hint);
            return Type::Any;
        }
        if Object::Everything.field(variable).is_some() {
            let message = format!("`{variable}` means something else already");
            self.note(part, message, "choose another name");
        }
        self.variable = Some((variable.clone(), item.clone()));
        let result = match name {
            "map" => Type::List(Box::new(self.of(body))),
            _ => {
                self.expect(body, &Type::Bool, &format!("`{name}`"));
                match name {
                    "filter" => Type::List(Box::new(item)),
                    _ => Type::Bool,
                }
            }
        };
        self.variable = None;
        result
    }

    fn binary(&mut self, part: &Expr, operator: Operator, left: &Expr, right: &Expr) -> Type {
        let sign = operator.as_str();
        if matches!(operator, Operator::Or | Operator::And) {
            self.expect(left, &Type::Bool, &format!("`{sign}`"));
            self.expect(right, &Type::Bool, &format!("`{sign}`"));
            return Type::Bool;
        }
        let (one, other) = (self.of(left), self.of(right));
        let are = |kind: fn(&Type) -> bool| kind(&one) && kind(&other);
        let text = |of: &Type| matches!(of, Type::Text | Type::Any);
        let (fits, result) = match operator {
            Operator::Or | Operator::And => (true, Type::Bool),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => (are(Type::is_number) || are(text), Type::Bool),
            Operator::Equal | Operator::NotEqual => {
                let single =
                    |of: &Type| of.is_number() || matches!(of, Type::Text | Type::Bool | Type::Any);
                (are(single) && one.fits(&other), Type::Bool)
            }
            Operator::In => {
                let within = match &other {
                    Type::List(item) => one.fits(item),
                    Type::Map(_) => one.fits(&Type::Text),
                    Type::Any => true,
                    Type::Bool | Type::Int | Type::Double | Type::Text | Type::Object(_) => false,
                };
                (within, Type::Bool)
            }
            Operator::Plus if are(text) => (true, joined(&one, &other)),
            Operator::Rest => {
                let whole = |of: &Type| matches!(of, Type::Int | Type::Any);
                (are(whole), Type::Int)
            }
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Over => {
                (are(Type::is_number), joined(&one, &other))
            }
        };
        if !fits {
            let message = format!("`{sign}` does not fit between {one} and {other}");
            let hint = match (&one, &other) {
                (Type::Object(_) | Type::List(_), _) | (_, Type::Object(_) | Type::List(_)) => {
                    "take a single value of it, such as `tests.passed` or `numbers.bundle_kb`"
                }
                _ => "both sides have to be of one kind",
            };
            self.note(part, message, hint);
        }
        result
    }
}

/// Returns the type of what is of the one type or of the other.
fn joined(one: &Type, other: &Type) -> Type {
    match (one, other) {
        (Type::Any, other) | (other, Type::Any) => other.clone(),
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => Type::Double,
        (one, _) => one.clone(),
    }
}
