//! From the description of an instance to what its shim is told.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use leadsman_core::bundle::Bundle;
use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::spec::{Probe, ReleasedService};
use leadsman_core::workload::Instance;

use super::expand::expand;
use super::passwd::{self, Account};
use super::record::Record;
use super::{Shared, probe::Prober};
use crate::shim::{OutputSpec, Pauses, SAME, Spec, signal_by_name};
use crate::words;

/// What control's own environment is passed on of: services find programs and speak the machine's
/// language and time, but learn nothing else of how Leadsman was started.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// Returns what the shim of an instance is told, or says in words why it cannot be started. Blocks
/// while an artifact is unpacked.
pub(super) fn spec(
    shared: &Shared,
    id: &InstanceId,
    environment: &EnvironmentId,
    instance: &Instance,
    port: u16,
) -> Result<Spec, String> {
    let spec = &instance.service.spec;
    if signal_by_name(&spec.stop.signal).is_none() {
        return Err(format!(
            "`{}` is not a signal that can stop a service",
            spec.stop.signal
        ));
    }
    let Ground { folder, account } = ground(shared, id, &instance.service)?;
    let env = variables(id, environment, instance, port, account.as_ref());
    let command = match &spec.serve {
        Some(bundle) => serving(bundle, port)?,
        None => expand(&spec.run, &env).map_err(|error| error.to_string())?,
    };
    Ok(Spec {
        command,
        env,
        folder,
        user: account.map(|account| account.user),
        memory: spec.memory,
        files: spec.files,
        stop_signal: spec.stop.signal.clone(),
        grace: spec.stop.grace,
        pauses: Pauses::default(),
        output: OutputSpec {
            folder: shared.logs.folder_of(id),
            rotate_bytes: shared.config.log_rotate_bytes,
            keep: shared.config.log_keep,
        },
        sockets: false,
    })
}

/// Where the commands of a service run, and as whom.
pub(super) struct Ground {
    pub(super) folder: PathBuf,
    /// Whom they run as; `None` is the user of Leadsman itself.
    pub(super) account: Option<Account>,
}

/// Prepares the folder in which `id` runs, or says in words why that is not possible. Blocks while an
/// artifact is unpacked.
pub(super) fn ground(
    shared: &Shared,
    id: &InstanceId,
    service: &ReleasedService,
) -> Result<Ground, String> {
    let ReleasedService {
        spec,
        artifact,
        origin,
    } = service;
    let account = spec.user.as_deref().map(passwd::find).transpose()?;
    let root = match artifact {
        Some(digest) => {
            if account.is_some() {
                shared
                    .releases
                    .let_others_enter()
                    .map_err(|error| words(&error))?;
            }
            shared
                .releases
                .unpacked(id, digest)
                .map_err(|error| format!("the artifact could not be unpacked: {}", words(&error)))?
        }
        None => PathBuf::from(origin),
    };
    let folder = below(&root, &spec.folder, artifact.is_some())?;
    Ok(Ground { folder, account })
}

/// Returns the command that serves the files of the folder it runs in. It is resolved now and not when
/// the release is recorded: a release outlives the place where Leadsman lies.
fn serving(bundle: &Bundle, port: u16) -> Result<Vec<String>, String> {
    let told = serde_json::to_string(bundle)
        .map_err(|error| format!("how files are served cannot be told: {error}"))?;
    let port = port.to_string();
    let words = [SAME, "serve", "--port", &port, "--bundle", &told];
    Ok(words.map(str::to_owned).into())
}

/// Returns how to ask the instance whether it is ready.
pub(super) fn prober(record: &Record, spec: &Spec, mark: String) -> Prober {
    let question = match &record.readiness.probe {
        // What cannot be expanded is asked as it is: the answer then says that it is wrong.
        Probe::Command(command) => {
            Probe::Command(expand(command, &spec.env).unwrap_or_else(|_| command.clone()))
        }
        other => other.clone(),
    };
    Prober {
        question,
        address: record.address(),
        protocol: record.protocol,
        timeout: record.readiness.timeout,
        folder: spec.folder.clone(),
        env: spec.env.clone(),
        user: spec.user.clone(),
        mark,
    }
}

/// Returns `folder` below `root`. An artifact's own folder must not lead out of it.
fn below(root: &Path, folder: &str, confined: bool) -> Result<PathBuf, String> {
    let inside = Path::new(folder)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if confined && !inside {
        return Err(format!(
            "the working folder `{folder}` leads out of the artifact"
        ));
    }
    Ok(root.join(folder))
}

/// Returns the variables that every command of a service has.
pub(super) fn shared_variables(
    environment: &EnvironmentId,
    service: &ReleasedService,
    account: Option<&Account>,
) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    if let Some(account) = account {
        variables.insert("HOME".to_owned(), account.home.clone());
    }
    variables.extend(service.spec.env.clone());
    // These say what is, so a release cannot say otherwise.
    variables.extend(
        [
            ("LEADSMAN_APPLICATION", environment.application.to_string()),
            ("LEADSMAN_ENVIRONMENT", environment.environment.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    variables
}

fn variables(
    id: &InstanceId,
    environment: &EnvironmentId,
    instance: &Instance,
    port: u16,
    account: Option<&Account>,
) -> BTreeMap<String, String> {
    let mut variables = shared_variables(environment, &instance.service, account);
    let host = variables.entry("HOST".to_owned());
    host.or_insert_with(|| "127.0.0.1".to_owned());
    // These say what is, so a release cannot say otherwise.
    let revision = &instance.revision;
    variables.extend(
        [
            ("PORT", port.to_string()),
            ("LEADSMAN_INSTANCE", id.to_string()),
            ("LEADSMAN_SERVICE", revision.service.to_string()),
            ("LEADSMAN_RELEASE", revision.release.0.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_served_by_the_program_that_the_shim_is() {
        let bundle: Bundle = serde_json::from_str(r#"{"fallback":"index.html"}"#).unwrap();
        let command = serving(&bundle, 20_001).unwrap();
        let (words, told) = command.split_at(5);
        assert_eq!(
            words,
            ["/proc/self/exe", "serve", "--port", "20001", "--bundle"]
        );
        let [told] = told else { panic!("{told:?}") };
        assert_eq!(serde_json::from_str::<Bundle>(told).unwrap(), bundle);
    }
}
