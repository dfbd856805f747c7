//! With which provider people sign in to the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use leadsman_core::people::{Grant, Reach};
use leadsman_server::Provider;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::remote;

/// With which provider people sign in to the API.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Signing in")]
pub(crate) struct SignIn {
    /// The provider of OpenID Connect that people sign in with, as it names itself in its tokens,
    /// such as `https://accounts.example.org`
    #[arg(
        long = "sign-in",
        value_name = "URL",
        requires = "client",
        requires = "address"
    )]
    issuer: Option<String>,
    /// What the provider calls this Leadsman: its client id
    #[arg(long = "sign-in-client", value_name = "ID", requires = "issuer")]
    client: Option<String>,
    /// The file that holds the client secret, which nobody else may read; without one the provider has to
    /// take this Leadsman as a public client
    #[arg(long = "sign-in-secret-file", value_name = "FILE", requires = "issuer")]
    secret_file: Option<PathBuf>,
    /// What people may do beside what they are granted, who the provider says are in this group, such
    /// as `releasers=operator:shop/production`; may be repeated
    #[arg(
        long = "sign-in-group",
        value_name = "GROUP=ROLE[:REACH]",
        requires = "issuer"
    )]
    groups: Vec<String>,
}

impl SignIn {
    /// Returns the provider, if there is one.
    pub(crate) fn provider(&self, context: &Context) -> Result<Option<Provider>, Failure> {
        let (Some(issuer), Some(client)) = (&self.issuer, &self.client) else {
            return Ok(None);
        };
        let secret = self.secret_file.as_deref();
        let secret = secret
            .map(|file| remote::read(&context.working_folder.join(file), "client secret"))
            .transpose()?;
        let mut groups: BTreeMap<String, BTreeSet<Grant>> = BTreeMap::new();
        for text in &self.groups {
            let (group, grant) = granted(text)?;
            groups.entry(group).or_default().insert(grant);
        }
        let provider = Provider {
            issuer: issuer.clone(),
            client: client.clone(),
            secret,
            groups,
        };
        if !provider.is_safe() {
            let what = format!("`{issuer}` cannot be signed in with: it has no TLS");
            return Err(Failure::new(Code::SignInWrong, what)
                .exit(Exit::Usage)
                .hint("name it by a URL that begins with https, as its tokens do"));
        }
        Ok(Some(provider))
    }
}

/// Reads what a group allows.
fn granted(text: &str) -> Result<(String, Grant), Failure> {
    let wrong = |why: &str| {
        let what = format!("`--sign-in-group {text}` is not understood: {why}");
        Failure::new(Code::SignInWrong, what).exit(Exit::Usage)
    };
    // Names of groups have all kinds of signs in them; roles and reaches do not.
    let (group, grant) = text
        .rsplit_once('=')
        .filter(|(group, _)| !group.is_empty())
        .ok_or_else(|| wrong("`GROUP=ROLE` or `GROUP=ROLE:REACH` is expected"))?;
    let (role, reach) = match grant.split_once(':') {
        Some((role, reach)) => (role, Some(reach)),
        None => (grant, None),
    };
    let role = role
        .parse()
        .map_err(|error: leadsman_core::people::InvalidRole| wrong(&error.to_string()))?;
    let reach = reach.map(str::parse).transpose();
    let reach = reach
        .map_err(|error: leadsman_core::people::InvalidReach| wrong(&error.to_string()))?
        .unwrap_or(Reach::Everything);
    Ok((group.to_owned(), Grant { role, reach }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_allows_is_written_in_one_way() {
        for (text, expected) in [
            ("dev=developer", Some(("dev", "developer", "everything"))),
            ("a=b=viewer:shop", Some(("a=b", "viewer", "shop"))),
            (
                "cn=ops,dc=x=operator:shop/production",
                Some(("cn=ops,dc=x", "operator", "shop/production")),
            ),
            ("dev", None),
            ("=viewer", None),
            ("dev=", None),
            ("dev=owner", None),
            ("dev=viewer:", None),
            ("dev=viewer:a/b/c", None),
        ] {
            let found = granted(text).ok();
            let found = found
                .map(|(group, grant)| (group, grant.role.to_string(), grant.reach.to_string()));
            let found = found
                .as_ref()
                .map(|(group, role, reach)| (group.as_str(), role.as_str(), reach.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
