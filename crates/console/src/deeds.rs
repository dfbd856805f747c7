//! What somebody can do, and what they cannot, and why.

use askama::Template;
use leadsman_api::words::{is_grave, label};
use leadsman_api::{Choice, Choices, EnvironmentStatus};

use crate::page::Part;
use crate::path;
use crate::words::{Said, said};

#[derive(Template)]
#[template(path = "deeds.html")]
struct Deeds {
    can: Vec<Can>,
    cannot: Vec<Cannot>,
}

struct Can {
    label: String,
    address: String,
    grave: bool,
}

struct Cannot {
    label: String,
    why: Said,
    code: String,
}

/// Returns the part with the buttons.
pub(crate) fn deeds(status: &EnvironmentStatus, choices: &Choices) -> Part {
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for choice in &choices.choices {
        match &choice.refused {
            None => can.push(Can {
                label: label(choice),
                address: path_of(status, choice),
                grave: is_grave(choice),
            }),
            Some(refused) => cannot.push(Cannot {
                label: label(choice),
                why: said(&refused.message),
                code: refused.code.clone(),
            }),
        }
    }
    Part::of("deeds", &Deeds { can, cannot })
}

/// Returns where a choice is confirmed, and made.
pub(crate) fn path_of(status: &EnvironmentStatus, choice: &Choice) -> String {
    let (application, environment) = (&status.application, &status.environment);
    path::fill(path::DO, &[application, environment, &choice.name])
}
