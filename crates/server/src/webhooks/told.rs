//! What a delivery tells.

use leadsman_core::pipeline::CommitId;
use serde::Deserialize;

use super::signed::Sender;

/// The longest name of a branch or a tag, in bytes.
const REFERENCE_BYTES_MAX: usize = 255;

/// What a delivery tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A branch or a tag is at this commit now.
    Pushed(Pushed),
    /// Nothing that could begin a run.
    Nothing(String),
}

/// A branch or a tag is at this commit now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// What the sender calls the repository.
    pub(crate) repository: String,
    /// Such as `refs/heads/main`.
    pub(crate) reference: String,
    /// The commit, or a tag that names it.
    pub(crate) commit: CommitId,
}

/// What both senders say of a push, as far as it is read.
#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    repository: Option<GitHubRepository>,
    project: Option<GitLabProject>,
}

#[derive(Deserialize)]
struct GitHubRepository {
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct GitLabProject {
    path_with_namespace: String,
}

/// Reads what a delivery of this `kind` tells. Its signature has been verified.
///
/// # Errors
///
/// It is not what this kind of delivery looks like; says why.
pub(crate) fn read(sender: Sender, kind: &str, body: &[u8]) -> Result<Told, String> {
    match (sender, kind) {
        (Sender::GitHub, "push") | (Sender::GitLab, "Push Hook" | "Tag Push Hook") => {}
        (Sender::GitHub, "ping") => {
            return Ok(Told::Nothing("it is heard: send `push` events".to_owned()));
        }
        (_, other) => {
            let other: String = other.chars().take(40).collect();
            let sentence = format!("nothing begins: what begins runs are pushes, not `{other}`");
            return Ok(Told::Nothing(sentence));
        }
    }
    let push: Push = serde_json::from_slice(body)
        .map_err(|error| format!("its body is not what `{kind}` looks like: {error}"))?;
    let repository = match sender {
        Sender::GitHub => push.repository.and_then(|it| it.full_name),
        Sender::GitLab => push.project.map(|it| it.path_with_namespace),
    };
    let repository = repository.ok_or("it does not say of which repository it tells")?;
    if !is_reference(&push.reference) {
        return Err("what it names is neither a branch nor a tag".to_owned());
    }
    if !push.after.is_empty() && push.after.bytes().all(|digit| digit == b'0') {
        let sentence = format!("nothing begins: `{}` was removed", push.reference);
        return Ok(Told::Nothing(sentence));
    }
    let commit = push.after.parse();
    Ok(Told::Pushed(Pushed {
        repository,
        reference: push.reference,
        commit: commit.map_err(|_| "it names no commit by its digits".to_owned())?,
    }))
}

/// Whether `name` is the full name of a branch or a tag that Git would take.
fn is_reference(name: &str) -> bool {
    let short = name.strip_prefix("refs/heads/");
    let Some(short) = short.or_else(|| name.strip_prefix("refs/tags/")) else {
        return false;
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let part_fits =
        |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock");
    name.len() <= REFERENCE_BYTES_MAX
        && !name.contains(odd)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && short.split('/').all(part_fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    fn github(reference: &str, after: &str) -> String {
        format!(
            r#"{{"ref":"{reference}","after":"{after}","repository":{{"full_name":"acme/shop"}},"pusher":{{}}}}"#
        )
    }

    fn gitlab(reference: &str, after: &str) -> String {
        format!(
            r#"{{"object_kind":"push","ref":"{reference}","after":"{after}","checkout_sha":null,"repository":{{"name":"shop"}},"project":{{"path_with_namespace":"acme/shop"}}}}"#
        )
    }

    #[test]
    fn a_push_names_repository_branch_and_commit() {
        let pushed = |reference: &str| {
            Ok(Told::Pushed(Pushed {
                repository: "acme/shop".to_owned(),
                reference: reference.to_owned(),
                commit: COMMIT.parse().unwrap(),
            }))
        };
        for (sender, kind, body, reference) in [
            (
                Sender::GitHub,
                "push",
                github("refs/heads/main", COMMIT),
                "refs/heads/main",
            ),
            (
                Sender::GitHub,
                "push",
                github("refs/tags/v1", COMMIT),
                "refs/tags/v1",
            ),
            (
                Sender::GitLab,
                "Push Hook",
                gitlab("refs/heads/a/b", COMMIT),
                "refs/heads/a/b",
            ),
            (
                Sender::GitLab,
                "Tag Push Hook",
                gitlab("refs/tags/v1", COMMIT),
                "refs/tags/v1",
            ),
        ] {
            assert_eq!(
                read(sender, kind, body.as_bytes()),
                pushed(reference),
                "{body}"
            );
        }
    }

    #[test]
    fn what_begins_nothing_says_why() {
        let zeros = "0".repeat(40);
        for (sender, kind, body, part) in [
            (Sender::GitHub, "ping", "{}".to_owned(), "it is heard"),
            (
                Sender::GitHub,
                "issues",
                "not even JSON".to_owned(),
                "`issues`",
            ),
            (
                Sender::GitHub,
                "Push Hook",
                github("refs/heads/main", COMMIT),
                "`Push Hook`",
            ),
            (
                Sender::GitLab,
                "push",
                gitlab("refs/heads/main", COMMIT),
                "`push`",
            ),
            (
                Sender::GitLab,
                "Merge Request Hook",
                "{}".to_owned(),
                "`Merge Request Hook`",
            ),
            (
                Sender::GitHub,
                "push",
                github("refs/heads/old", &zeros),
                "was removed",
            ),
        ] {
            match read(sender, kind, body.as_bytes()) {
                Ok(Told::Nothing(sentence)) => assert!(sentence.contains(part), "{sentence}"),
                other => panic!("{kind} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_push_is_refused() {
        let deep = "[".repeat(100_000);
        let long = format!("refs/heads/{}", "a".repeat(REFERENCE_BYTES_MAX));
        for body in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            deep,
            github("refs/heads/main", COMMIT).replace("full_name", "name"),
            gitlab("refs/heads/main", COMMIT),
            github("refs/heads/main", "HEAD"),
            github("refs/heads/main", "main"),
            github("refs/heads/main", ""),
            github("refs/heads/main", "--output=x"),
            github("main", COMMIT),
            github("refs/notes/x", COMMIT),
            github("refs/heads/", COMMIT),
            github("refs/heads/a..b", COMMIT),
            github("refs/heads/*", COMMIT),
            github("refs/heads/a:b", COMMIT),
            github("refs/heads/a b", COMMIT),
            github("refs/heads/-a", COMMIT),
            github("refs/heads/a//b", COMMIT),
            github("refs/heads/.a", COMMIT),
            github("refs/heads/a.lock", COMMIT),
            github("refs/heads/a\\u0000", COMMIT),
            github(&long, COMMIT),
        ] {
            let found = read(Sender::GitHub, "push", body.as_bytes());
            let shown: String = body.chars().take(100).collect();
            assert!(found.is_err(), "{shown}: {found:?}");
        }
    }
}
