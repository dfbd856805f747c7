//! Words and signs to a tree.

use std::ops::Range;

use super::RuleProblem;
use super::token::{Token, tokens};

/// How many bytes a rule may have.
const BYTES_MOST: usize = 2000;

/// How deep a rule may be nested, chains of operators included.
const DEPTH_MOST: usize = 64;

/// A part of a rule, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
    height: usize,
}

/// What a part can be.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Expr>),
    Name(String),
    Field(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Method(Box<Expr>, String, Vec<Expr>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Choice(Box<[Expr; 3]>),
}

/// What stands between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    In,
    Plus,
    Minus,
    Times,
    Over,
    Rest,
}

impl Operator {
    const ALL: [(Self, &'static str, u8); 14] = [
        (Self::Or, "||", 1),
        (Self::And, "&&", 2),
        (Self::Less, "<", 3),
        (Self::LessOrEqual, "<=", 3),
        (Self::Greater, ">", 3),
        (Self::GreaterOrEqual, ">=", 3),
        (Self::Equal, "==", 3),
        (Self::NotEqual, "!=", 3),
        (Self::In, "in", 3),
        (Self::Plus, "+", 4),
        (Self::Minus, "-", 4),
        (Self::Times, "*", 5),
        (Self::Over, "/", 5),
        (Self::Rest, "%", 5),
    ];

    pub(super) fn as_str(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(known, ..)| *known == self)
            .map_or("", |(_, sign, _)| sign)
    }
}

pub(super) fn parse(text: &str) -> Result<Expr, RuleProblem> {
    if text.len() > BYTES_MOST {
        let message = format!(
            "the rule has {} bytes; {BYTES_MOST} is the most",
            text.len()
        );
        let hint = "write several rules: all of them have to hold";
        return Err(RuleProblem::new(0..text.len(), message, hint));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let root = parser.expression()?;
    match parser.peek() {
        (Token::End, _) => Ok(root),
        (_, at) => {
            let message = "the rule should end before this";
            let hint = "join conditions by `&&` or `||`";
            Err(RuleProblem::new(at, message, hint))
        }
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> (Token, Range<usize>) {
        // The last one is the end, which is never passed.
        self.tokens
            .get(self.at)
            .cloned()
            .unwrap_or((Token::End, 0..0))
    }

    fn next(&mut self) -> (Token, Range<usize>) {
        let next = self.peek();
        if next.0 != Token::End {
            self.at += 1;
        }
        next
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let is_next = self.peek().0 == Token::Sign(sign);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    fn expect(&mut self, sign: &'static str) -> Result<Range<usize>, RuleProblem> {
        let (token, at) = self.next();
        if token == Token::Sign(sign) {
            return Ok(at);
        }
        let message = match token {
            Token::End => format!("the rule ends where `{sign}` should follow"),
            _ => format!("`{sign}` should stand here"),
        };
        Err(RuleProblem::new(
            at,
            message,
            "every bracket needs its partner",
        ))
    }

    fn made(&self, at: Range<usize>, kind: Kind) -> Result<Expr, RuleProblem> {
        let below = |parts: &[Expr]| parts.iter().map(|part| part.height).max().unwrap_or(0);
        let one = |part: &Expr| part.height;
        let height = match &kind {
            Kind::Bool(_) | Kind::Int(_) | Kind::Double(_) | Kind::Text(_) | Kind::Name(_) => 0,
            Kind::List(parts) | Kind::Call(_, parts) => below(parts),
            Kind::Field(of, _) | Kind::Not(of) | Kind::Minus(of) => one(of),
            Kind::Index(of, by) | Kind::Binary(_, of, by) => one(of).max(one(by)),
            Kind::Method(of, _, parts) => one(of).max(below(parts)),
            Kind::Choice(parts) => below(parts.as_slice()),
        };
        let height = height + 1;
        if height > DEPTH_MOST {
            return Err(too_deep(at));
        }
        Ok(Expr { at, kind, height })
    }

    fn expression(&mut self) -> Result<Expr, RuleProblem> {
        self.depth += 1;
        if self.depth > DEPTH_MOST {
            return Err(too_deep(self.peek().1));
        }
        let condition = self.binary(1)?;
        let made = if self.takes("?") {
            let then = self.binary(1)?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            let at = condition.at.start..otherwise.at.end;
            self.made(at, Kind::Choice(Box::new([condition, then, otherwise])))?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(made)
    }

    /// Reads parts that are joined by operators that bind at least as strongly as `least`.
    fn binary(&mut self, least: u8) -> Result<Expr, RuleProblem> {
        let mut left = self.unary()?;
        loop {
            let (token, at) = self.peek();
            if token == Token::Sign("=") {
                let hint = "write `==` to compare";
                return Err(RuleProblem::new(at, "`=` means nothing in a rule", hint));
            }
            let found = Operator::ALL.into_iter().find(|(_, sign, _)| match &token {
                Token::Sign(written) => written == sign,
                Token::Name(written) => written == sign,
                Token::Int(_) | Token::Double(_) | Token::Text(_) | Token::End => false,
            });
            let Some((operator, _, binds)) = found.filter(|(.., binds)| *binds >= least) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.binary(binds + 1)?;
            let at = left.at.start..right.at.end;
            left = self.made(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn unary(&mut self) -> Result<Expr, RuleProblem> {
        let (token, at) = self.peek();
        let make: fn(Box<Expr>) -> Kind = match token {
            Token::Sign("!") => Kind::Not,
            Token::Sign("-") => Kind::Minus,
            _ => return self.member(),
        };
        let Token::Sign(sign) = token else {
            return self.member();
        };
        let mut signs = Vec::new();
        while self.peek().0 == Token::Sign(sign) {
            signs.push(self.next().1);
        }
        let mut of = self.member()?;
        debug_assert!(!signs.is_empty(), "the sign at {at:?} is one of them");
        for sign in signs.into_iter().rev() {
            of = self.made(sign.start..of.at.end, make(Box::new(of)))?;
        }
        Ok(of)
    }

    fn member(&mut self) -> Result<Expr, RuleProblem> {
        let mut of = self.primary()?;
        loop {
            if self.takes(".") {
                let (token, at) = self.next();
                let Token::Name(name) = token else {
                    let message = "the name of a field should follow the dot";
                    let hint = "other names stand in brackets: `numbers[\"bundle-kb\"]`";
                    return Err(RuleProblem::new(at, message, hint));
                };
                if self.takes("(") {
                    let (parts, end) = self.parts(")")?;
                    let at = of.at.start..end;
                    of = self.made(at, Kind::Method(Box::new(of), name, parts))?;
                } else {
                    let at = of.at.start..at.end;
                    of = self.made(at, Kind::Field(Box::new(of), name))?;
                }
            } else if self.takes("[") {
                let by = self.expression()?;
                let end = self.expect("]")?.end;
                let at = of.at.start..end;
                of = self.made(at, Kind::Index(Box::new(of), Box::new(by)))?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, RuleProblem> {
        let (token, at) = self.next();
        let kind = match token {
            Token::Name(name) if name == "true" => Kind::Bool(true),
            Token::Name(name) if name == "false" => Kind::Bool(false),
            Token::Name(name) if name != "in" => {
                if self.takes("(") {
                    let (parts, end) = self.parts(")")?;
                    return self.made(at.start..end, Kind::Call(name, parts));
                }
                Kind::Name(name)
            }
            Token::Int(number) => Kind::Int(number),
            Token::Double(number) => Kind::Double(number),
            Token::Text(text) => Kind::Text(text),
            Token::Sign("(") => {
                let inner = self.expression()?;
                let end = self.expect(")")?.end;
                return Ok(Expr {
                    at: at.start..end,
                    ..inner
                });
            }
            Token::Sign("[") => {
                let (parts, end) = self.parts("]")?;
                return self.made(at.start..end, Kind::List(parts));
            }
            Token::End => {
                let message = "the rule ends where something should follow";
                let hint = "write a condition such as `numbers.bundle_kb <= 250`";
                return Err(RuleProblem::new(at, message, hint));
            }
            Token::Sign(_) | Token::Name(_) => {
                let message = "a value should stand here";
                let hint = "a value is a number, text in quotes, or a name such as `tests.passed`";
                return Err(RuleProblem::new(at, message, hint));
            }
        };
        self.made(at, kind)
    }

    /// Reads parts with commas between them, and returns where the closing sign ends.
    fn parts(&mut self, close: &'static str) -> Result<(Vec<Expr>, usize), RuleProblem> {
        let mut parts = Vec::new();
        while self.peek().0 != Token::Sign(close) {
            parts.push(self.expression()?);
            if !self.takes(",") {
                break;
            }
        }
        Ok((parts, self.expect(close)?.end))
    }
}

fn too_deep(at: Range<usize>) -> RuleProblem {
    let message = format!("the rule is nested more than {DEPTH_MOST} levels deep");
    let hint = "write several rules: all of them have to hold";
    RuleProblem::new(at, message, hint)
}
