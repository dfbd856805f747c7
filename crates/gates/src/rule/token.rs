//! Text of a rule to words and signs.

use std::ops::Range;

use super::RuleProblem;

/// One word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Double(f64),
    Text(String),
    Sign(&'static str),
    End,
}

/// The signs, those first that begin with another one.
const SIGNS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ".", ",", "?", ":", "!", "+",
    "-", "*", "/", "%", "=",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, RuleProblem> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        if first.is_ascii_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = if first.is_ascii_digit() {
            number(rest, at)?
        } else if first == '"' || first == '\'' {
            quoted(rest, first, at)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let name = rest.get(..length).unwrap_or_default();
            (Token::Name(name.to_owned()), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let message = format!("`{}` means nothing in a rule", first.escape_debug());
            let hint = "text stands in quotes; names are letters, digits and `_`";
            return Err(RuleProblem::new(at..at + first.len_utf8(), message, hint));
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    tokens.push((Token::End, text.len()..text.len()));
    Ok(tokens)
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), RuleProblem> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        let tail = bytes.get(from..).unwrap_or_default();
        tail.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut length = digits(0);
    let mut is_whole = true;
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
        is_whole = false;
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let power = digits(length + 1 + sign);
        if power > 0 {
            length += 1 + sign + power;
            is_whole = false;
        }
    }
    let written = rest.get(..length).unwrap_or_default();
    let goes_on = bytes
        .get(length)
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let token = if is_whole {
        written.parse().ok().map(Token::Int)
    } else {
        let number: Option<f64> = written.parse().ok();
        number
            .filter(|number| number.is_finite())
            .map(Token::Double)
    };
    match token {
        Some(token) if !goes_on => Ok((token, length)),
        Some(_) | None => {
            let tail = bytes.get(length..).unwrap_or_default();
            let more = tail
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
            let length = length + more.count();
            let message = "this is not a number that a rule can have";
            let hint = "write it like `400`, `0.85` or `1e6`; a share is a number, too";
            Err(RuleProblem::new(at..at + length, message, hint))
        }
    }
}

fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, usize), RuleProblem> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Token::Text(text), index + 1)),
            '\\' => {
                let plain = match chars.next() {
                    Some((_, c @ ('\\' | '"' | '\'' | '?' | '`'))) => c,
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, 'r')) => '\r',
                    Some(_) | None => {
                        let message = "nothing is escaped like this in a rule";
                        let hint = "`\\\\`, `\\\"`, `\\'`, `\\n`, `\\r` and `\\t` are";
                        return Err(RuleProblem::new(at + index..at + index + 1, message, hint));
                    }
                };
                text.push(plain);
            }
            '\n' | '\r' => break,
            c => text.push(c),
        }
    }
    let message = "a quote is not closed";
    let hint = "close it with the same kind of quote, in the same line";
    Err(RuleProblem::new(at..at + 1, message, hint))
}
