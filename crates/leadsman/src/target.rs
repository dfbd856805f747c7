//! Which environment a command is about.

use leadsman_api::{Client, EnvironmentStatus, Overview, StatusQuery};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;

/// One environment of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) application: String,
    pub(crate) environment: String,
}

impl Target {
    /// Whether `status` is about it.
    pub(crate) fn is(&self, status: &EnvironmentStatus) -> bool {
        status.application == self.application && status.environment == self.environment
    }
}

/// Returns the environment that was named with `--environment`, or the only one that can be meant.
pub(crate) async fn find(context: &Context, client: &Client) -> Result<Target, Failure> {
    find_named(context, client, context.environment.as_deref()).await
}

/// Returns the environment that was `named`, or the only one that can be meant.
pub(crate) async fn find_named(
    context: &Context,
    client: &Client,
    named: Option<&str>,
) -> Result<Target, Failure> {
    let overview = client.status(&StatusQuery::default()).await?;
    // A project file narrows the choice, but what runs can be acted on also while it is broken.
    let application = context
        .project()
        .and_then(|file| file.parse())
        .ok()
        .map(|project| project.application().to_string());
    choose(&overview, named, application.as_deref())
}

/// Returns the statuses of `overview` that `named` can mean: all of them where it is `None`.
pub(crate) fn matching<'o>(
    overview: &'o Overview,
    named: Option<&str>,
) -> impl Iterator<Item = &'o EnvironmentStatus> {
    let named = named.map(|named| match named.split_once('/') {
        Some((application, environment)) => (Some(application.to_owned()), environment.to_owned()),
        None => (None, named.to_owned()),
    });
    overview
        .environments
        .iter()
        .filter(move |status| match &named {
            None => true,
            Some((application, environment)) => {
                application
                    .as_ref()
                    .is_none_or(|name| *name == status.application)
                    && *environment == status.environment
            }
        })
}

/// Says that no environment is called so.
pub(crate) fn unknown(overview: &Overview, named: &str) -> Failure {
    Failure::new(
        Code::NoSuchEnvironment,
        format!("there is no environment `{named}` here"),
    )
    .hint(format!("there is {}", names(overview.environments.iter())))
}

fn choose(
    overview: &Overview,
    named: Option<&str>,
    application: Option<&str>,
) -> Result<Target, Failure> {
    if overview.environments.is_empty() {
        return Err(
            Failure::new(Code::NothingShipped, "nothing has been shipped yet")
                .hint("ship the first release with `leadsman ship`"),
        );
    }
    let mut candidates: Vec<_> = matching(overview, named).collect();
    if candidates
        .iter()
        .any(|status| Some(status.application.as_str()) == application)
    {
        candidates.retain(|status| Some(status.application.as_str()) == application);
    }
    match (candidates.as_slice(), named) {
        ([only], _) => Ok(Target {
            application: only.application.clone(),
            environment: only.environment.clone(),
        }),
        ([], Some(named)) => Err(unknown(overview, named)),
        (several, _) => Err(Failure::new(
            Code::WhichEnvironment,
            "there are several environments, and none was named",
        )
        .hint(format!(
            "name one with `--environment`: {}",
            names(several.iter().copied())
        ))),
    }
}

fn names<'s>(statuses: impl Iterator<Item = &'s EnvironmentStatus>) -> String {
    let names = statuses.map(|status| format!("{}/{}", status.application, status.environment));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use leadsman_api::Moment;

    use super::*;

    fn overview(names: &[&str]) -> Overview {
        let status = |name: &&str| {
            let (application, environment) = name.split_once('/').unwrap();
            EnvironmentStatus {
                certificates: Vec::new(),
                application: application.to_owned(),
                environment: environment.to_owned(),
                version: 1,
                at: Moment(0),
                url: None,
                url_problem: None,
                serves: None,
                schema: None,
                deployment: None,
                queued: None,
                requests: Vec::new(),
                freezes: Vec::new(),
                maintenance: None,
                windows: None,
                checklists: Vec::new(),
                services: Vec::new(),
                reasons: Vec::new(),
            }
        };
        Overview {
            version: 1,
            at: Moment(0),
            environments: names.iter().map(status).collect(),
        }
    }

    #[test]
    fn what_can_be_meant_is_found_and_what_cannot_is_said() {
        let two = ["shop/production", "shop/staging"];
        let apps = ["blog/production", "shop/production"];
        for (there, named, application, expected) in [
            (&["shop/production"][..], None, None, Ok("shop/production")),
            (&two, Some("staging"), None, Ok("shop/staging")),
            (&two, None, None, Err("L020")),
            (&two, Some("test"), None, Err("L021")),
            (&apps, None, Some("blog"), Ok("blog/production")),
            (&apps, Some("production"), None, Err("L020")),
            (&apps, Some("shop/production"), None, Ok("shop/production")),
            // A project file of something that was never shipped says nothing.
            (
                &["shop/production"],
                None,
                Some("blog"),
                Ok("shop/production"),
            ),
            (&[], None, None, Err("L022")),
        ] {
            let found = choose(&overview(there), named, application);
            let found =
                found.map(|target| format!("{}/{}", target.application, target.environment));
            let found = found.as_deref().map_err(|failure| failure.code.as_str());
            assert_eq!(found, expected, "{there:?} {named:?} {application:?}");
        }
    }
}
