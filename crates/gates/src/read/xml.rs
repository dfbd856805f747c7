//! XML as reports need it: elements, their attributes and their text.
//!
//! Only the five entities that XML itself has and characters by number are known. A document type
//! may be named, as Cobertura does, but nothing is fetched, and one that declares something is
//! refused: there is nothing to expand.

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};

use super::error::{ReadError, Wrong};
use super::limits::Limits;

/// How many attributes one element may have.
const ATTRIBUTES_MOST: usize = 200;

/// What comes next.
pub(super) enum Part<'t> {
    /// An element begins.
    Open(Element<'t>),
    /// The element that was opened last ends.
    Close,
    /// Text in it.
    Text(String),
}

/// An element as it begins.
pub(super) struct Element<'t> {
    pub(super) name: String,
    tag: BytesStart<'t>,
}

impl Element<'_> {
    /// Returns an attribute; `None` if it has none of this name, or one that cannot be read.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        // Not checked for doubles, which would take the square of their number.
        let mut attributes = self.tag.attributes();
        let found = attributes
            .with_checks(false)
            .take(ATTRIBUTES_MOST)
            .find_map(|attribute| {
                attribute
                    .ok()
                    .filter(|attribute| attribute.key.as_ref() == name)
            })?;
        Some(unescaped(&found.value))
    }

    /// Returns an attribute that is a whole number, which some tools write as `3.0` or `1,234`.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let text = self.attribute(name)?;
        let text = text.trim().replace(',', "");
        text.strip_suffix(".0").unwrap_or(&text).parse().ok()
    }
}

/// Reads a document part by part.
pub(super) struct Parts<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    limits: Limits,
    open: Vec<String>,
    elements: usize,
    /// Whether an element stands for its own end, too, which is still to be told.
    closes: bool,
    done: bool,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t str, limits: &Limits) -> Self {
        Self {
            text,
            reader: Reader::from_str(text),
            limits: *limits,
            open: Vec::new(),
            elements: 0,
            closes: false,
            done: false,
        }
    }

    /// Returns the error at the place that was read last.
    pub(super) fn error(&self, wrong: Wrong) -> ReadError {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        ReadError::at(wrong, self.text.as_bytes(), at)
    }

    /// Returns the next part; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Part<'t>>, ReadError> {
        if self.closes {
            self.closes = false;
            self.open.pop();
            return Ok(Some(Part::Close));
        }
        loop {
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.broken(&error)),
            };
            match event {
                Event::Start(tag) => return self.element(tag, false).map(Some),
                Event::Empty(tag) => return self.element(tag, true).map(Some),
                Event::End(_) => {
                    self.open.pop();
                    return Ok(Some(Part::Close));
                }
                Event::Text(text) => {
                    if self.open.is_empty() && !text.trim().is_empty() {
                        let what = "text stands outside of all elements";
                        return Err(self.error(Wrong::Syntax(what.to_owned())));
                    }
                    return Ok(Some(Part::Text(text.into_inner().into_owned())));
                }
                Event::CData(text) => return Ok(Some(Part::Text(text.into_inner().into_owned()))),
                Event::GeneralRef(reference) => {
                    let name = reference.into_inner();
                    let Some(text) = entity(&name) else {
                        return Err(self.error(Wrong::Hostile("it uses an entity of its own")));
                    };
                    return Ok(Some(Part::Text(text)));
                }
                Event::DocType(declared) if declared.contains('[') => {
                    return Err(self.error(Wrong::Hostile("it declares a document type")));
                }
                Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => {
                    if let Some(name) = self.open.last() {
                        let inside = format!("inside of `<{name}>`");
                        return Err(self.error(Wrong::CutOff(inside)));
                    }
                    if !self.done {
                        let what = "there is no element in it".to_owned();
                        return Err(self.error(Wrong::Syntax(what)));
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn element(&mut self, tag: BytesStart<'t>, closes: bool) -> Result<Part<'t>, ReadError> {
        if self.open.is_empty() && self.done {
            let what = "a second document begins here".to_owned();
            return Err(self.error(Wrong::Syntax(what)));
        }
        self.done = true;
        self.elements += 1;
        if self.elements > self.limits.values {
            let (what, most) = ("elements", self.limits.values);
            return Err(self.error(Wrong::TooMany { what, most }));
        }
        if self.open.len() >= self.limits.depth {
            let most = self.limits.depth;
            return Err(self.error(Wrong::TooDeep { most }));
        }
        // The end of the list is a hundred bytes of text that nobody asks for.
        let name = tag
            .local_name()
            .as_ref()
            .chars()
            .take(100)
            .collect::<String>();
        self.open.push(name.clone());
        self.closes = closes;
        Ok(Part::Open(Element { name, tag }))
    }

    fn broken(&self, error: &Error) -> ReadError {
        let end = match error {
            Error::Syntax(
                SyntaxError::UnclosedTag
                | SyntaxError::UnclosedComment
                | SyntaxError::UnclosedCData
                | SyntaxError::UnclosedPI
                | SyntaxError::UnclosedXmlDecl
                | SyntaxError::UnclosedDoctype
                | SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue,
            ) => Some("in the middle of a tag".to_owned()),
            Error::IllFormed(IllFormedError::MissingEndTag(name)) => {
                let name: String = name.chars().take(100).collect();
                Some(format!("inside of `<{name}>`"))
            }
            _ => None,
        };
        let wrong = end.map_or_else(
            || Wrong::Syntax(format!("it is not XML: {error}")),
            Wrong::CutOff,
        );
        self.error(wrong)
    }
}

/// Returns what a reference stands for, without `&` and `;`.
fn entity(name: &str) -> Option<String> {
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            // Tools write numbers of characters that XML does not allow; these are seen later.
            code.ok()
                .map(|code| char::from_u32(code).unwrap_or('\u{fffd}'))?
        }
    };
    Some(character.to_string())
}

/// Returns the text of an attribute. A reference that means nothing stays as it is written.
fn unescaped(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        rest = behind;
        // No reference is longer than that of the last character.
        let end = behind.bytes().take(12).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((entity(behind.get(..end)?)?, behind.get(end + 1..)?)));
        match known {
            Some((text, behind)) => {
                plain.push_str(&text);
                rest = behind;
            }
            None => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<String, ReadError> {
        let mut parts = Parts::of(
            text,
            &Limits {
                depth: 3,
                values: 5,
                ..Limits::default()
            },
        );
        let mut seen = String::new();
        while let Some(part) = parts.next()? {
            match part {
                Part::Open(element) => {
                    seen.push_str(&format!("<{}", element.name));
                    for name in ["a", "b"] {
                        if let Some(value) = element.attribute(name) {
                            seen.push_str(&format!(" {name}={value}"));
                        }
                    }
                    seen.push('>');
                }
                Part::Close => seen.push_str("</>"),
                Part::Text(text) => seen.push_str(&text),
            }
        }
        Ok(seen)
    }

    #[test]
    fn documents_are_read() {
        for (text, seen) in [
            ("<x/>", "<x></>"),
            (
                "<?xml version='1.0'?>\n<!-- c --><x a='1' b=\"&lt;&#65;&#x42;\">t</x>\n",
                "<x a=1 b=<AB>t</>\n",
            ),
            ("<n:x n:a='1'>&amp;<![CDATA[<&]]></n:x>", "<x>&<&</>"),
            (
                "<!DOCTYPE coverage SYSTEM 'http://example/c.dtd'><x/>",
                "<x></>",
            ),
            ("<x a='&nope; &'/>", "<x a=&nope; &></>"),
            ("<x a='&#0;&#xd800;'/>", "<x a=\0\u{fffd}></>"),
        ] {
            assert_eq!(
                all(text).as_deref().map(str::trim),
                Ok(seen.trim()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, error) in [
            (
                "x",
                "text stands outside of all elements (line 1, column 2)",
            ),
            ("<!-- -->", "there is no element in it (line 1, column 9)"),
            (
                "<x>\n<y>",
                "it ends inside of `<y>`: it was cut off (line 2, column 4)",
            ),
            (
                "<x a='1",
                "it ends in the middle of a tag: it was cut off (line 1, column 8)",
            ),
            (
                "<x/><y/>",
                "a second document begins here (line 1, column 9)",
            ),
            (
                "<a><b><c><d/></c></b></a>",
                "it is nested more than 3 levels deep (line 1, column 14)",
            ),
            (
                "<a><b/><b/><b/><b/><b/></a>",
                "it has more than 5 elements (line 1, column 24)",
            ),
            (
                "<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>",
                "it declares a document type, which is refused: nothing that a tool reports needs it \
                 (line 1, column 32)",
            ),
            (
                "<x>&a;</x>",
                "it uses an entity of its own, which is refused: nothing that a tool reports needs \
                 it (line 1, column 7)",
            ),
        ] {
            let told = all(text).map_err(|error| error.to_string());
            assert_eq!(
                told,
                Err(format!("failed to read the report: {error}")),
                "{text}"
            );
        }
        let ended = all("<x></y>").unwrap_err().to_string();
        assert!(ended.contains("it is not XML"), "{ended}");
    }
}
