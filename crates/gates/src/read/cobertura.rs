//! Coverage, as Cobertura XML: what the root says of all, or else the lines of the classes.

use super::error::{ReadError, Wrong};
use super::lcov::plausible;
use super::limits::Limits;
use super::xml::{Element, Part, Parts};
use crate::facts::{Count, Coverage, Says};

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let mut parts = Parts::of(text, limits);
    let mut said = Coverage::default();
    let mut counted = Coverage::default();
    let mut open: Vec<String> = Vec::new();
    while let Some(part) = parts.next()? {
        match part {
            Part::Open(element) => {
                if open.is_empty() {
                    said = root(&element).map_err(|wrong| parts.error(wrong))?;
                }
                // The lines of a method are among those of its class, too.
                let of_method = open.iter().any(|name| name == "method");
                if element.name == "line" && !of_method {
                    count(&element, &mut counted);
                }
                open.push(element.name);
            }
            Part::Close => {
                open.pop();
            }
            Part::Text(_) => {}
        }
    }
    plausible(if said.lines.total > 0 { said } else { counted })
}

fn root(element: &Element<'_>) -> Result<Coverage, Wrong> {
    let is_ours = element.name == "coverage"
        && ["line-rate", "lines-valid", "branch-rate"]
            .iter()
            .any(|name| element.attribute(name).is_some());
    if !is_ours {
        let what = match element.name.as_str() {
            "coverage" => "`<coverage>` without `line-rate`, as Clover writes it".to_owned(),
            name => format!("`<{name}>` as its outermost element"),
        };
        return Err(Wrong::OtherKind(what));
    }
    let count = |covered, total| {
        Some(Count {
            covered: element.count(covered)?,
            total: element.count(total)?,
        })
    };
    Ok(Coverage {
        lines: count("lines-covered", "lines-valid").unwrap_or_default(),
        branches: count("branches-covered", "branches-valid"),
    })
}

fn count(line: &Element<'_>, counted: &mut Coverage) {
    let hits = line.attribute("hits").unwrap_or_default();
    counted.lines.total += 1;
    counted.lines.covered += u64::from(hits.trim().parse::<f64>().is_ok_and(|hits| hits > 0.0));
    // Such as `50% (1/2)`.
    let conditions = line.attribute("condition-coverage");
    let of = conditions.as_deref().and_then(|text| {
        let (_, inside) = text.split_once('(')?;
        let (covered, total) = inside.trim_end_matches(')').split_once('/')?;
        Some(Count {
            covered: covered.trim().parse().ok()?,
            total: total.trim().parse().ok()?,
        })
    });
    if let Some(of) = of {
        let branches = counted.branches.unwrap_or_default();
        counted.branches = Some(branches.and(of));
    }
}
