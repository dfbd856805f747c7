//! What is shipped: the example service in a version good or bad, and its project file.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::NoService;
use super::scratch::Scratch;

/// What the program of the example service is called.
const PROGRAM: &str = "tide";

/// How long each step is held. Three windows of a second: at 5 % of some 1000 requests a second
/// they hold about 150 of the canary's, enough to tell good from bad in most cases; a step whose
/// verdict is still open is held on by itself.
pub(super) const SOAK: Duration = Duration::from_secs(3);

/// How long a step is held in which something happens after a minute: longer than that minute.
pub(super) const LONG_SOAK: Duration = Duration::from_secs(75);

/// How long an instance may take to become ready. A good one takes milliseconds.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long the service works on a request, at the median; one in twenty takes 1.8 times as long.
/// Much longer than a process waits for its turn on a busy machine, or it would be the machine that
/// is judged.
const WORK: &str = "40ms";

/// How much longer than stable's the canary's 95th percentile may be: the default.
pub(super) const LONGER: f64 = 0.2;

/// How a version behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// As it should.
    Good,
    /// Every twentieth answer is an error.
    Errors,
    /// Everything takes twice as long.
    Slow,
    /// It never says that it is ready.
    NeverReady,
    /// It crashes a minute after its first request.
    Crash,
}

impl Version {
    /// Returns how it behaves otherwise than it should, in the service's words.
    fn fault(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Errors => "errors=5%",
            Self::Slow => "slow=2x",
            Self::NeverReady => "ready=never",
            Self::Crash => "crash_after=60s",
        }
    }

    fn soak(self) -> Duration {
        match self {
            Self::Good | Self::Errors | Self::Slow | Self::NeverReady => SOAK,
            Self::Crash => LONG_SOAK,
        }
    }
}

/// Returns the project file. A person would write two lines less: they make the demo fit into
/// minutes. What the releases are held to are the limits that every service has by default.
///
/// - `every`, `within`: a start is measured in fractions of a second, and one that fails costs
///   five seconds.
/// - `soak`: seconds instead of minutes, because users ask hundreds of times a second.
fn project(version: Version, listen: SocketAddr) -> String {
    let (soak, within) = (version.soak().as_secs(), READY_WITHIN.as_secs());
    format!(
        "application: demo
services:
  {PROGRAM}:
    artifact: service
    run: ./{PROGRAM}
    instances: 2
    ready: {{ http: /health, every: 100ms, within: {within}s }}
strategy: {{ canary: {{ soak: {soak}s }} }}
environments:
  production: {{ listen: {listen} }}
"
    )
}

/// Finds the program of the example service: `named`, or beside `leadsman`.
pub(super) fn find(named: Option<&Path>, leadsman: &Path) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(named) => named.to_owned(),
        None => leadsman.with_file_name(PROGRAM),
    };
    let is_program = fs::metadata(&path)
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    if !is_program {
        return Err(NoService(path).into());
    }
    Ok(path)
}

/// Puts the program of the service into the folder that is shipped.
pub(super) fn install(program: &Path, scratch: &Scratch) -> anyhow::Result<()> {
    let copy = scratch.service().join(PROGRAM);
    fs::copy(program, &copy).with_context(|| {
        format!(
            "failed to copy `{}` to `{}`",
            program.display(),
            copy.display()
        )
    })?;
    Ok(())
}

/// Writes the files that make `version` what it is, and the project file that ships it. What
/// `change` says makes it another version than any before.
pub(super) fn write(
    version: Version,
    change: &str,
    listen: SocketAddr,
    scratch: &Scratch,
) -> anyhow::Result<()> {
    let files = [
        (
            scratch.service().join("behaviour"),
            format!("work={WORK} {}\n", version.fault()),
        ),
        (scratch.service().join("CHANGES"), format!("{change}\n")),
        (scratch.project_file(), project(version, listen)),
    ];
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use leadsman_core::project::Project;

    use super::*;

    #[test]
    fn the_project_file_means_what_the_acts_rely_on() {
        let listen: SocketAddr = "127.0.0.1:4321".parse().unwrap();
        for (version, soak) in [(Version::Good, SOAK), (Version::Crash, LONG_SOAK)] {
            let text = project(version, listen);
            let project = Project::parse(&text, "leadsman.yaml").unwrap();
            let environment = project.environments().next().unwrap().clone();
            let spec = project.resolve(&environment).unwrap();
            assert_eq!(spec.listen, listen);
            let [service] = spec.services.values().collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            let soaks: Vec<_> = service
                .strategy
                .steps
                .iter()
                .map(|step| step.soak)
                .collect();
            // The last step takes all requests at once: nothing is left to compare it with.
            assert_eq!(
                soaks,
                [Some(soak), Some(soak), Some(soak), Some(soak), None]
            );
            assert_eq!(service.limits.against_stable.p95, Some(LONGER));
            assert_eq!(service.limits.restarts, Some(0));
            assert_eq!(service.ready.within, READY_WITHIN);
        }
        assert!(LONG_SOAK > Duration::from_secs(60));
    }

    #[test]
    fn what_is_no_program_is_refused_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let leadsman = folder.path().join("leadsman");
        let tide = folder.path().join("tide");
        let refused = |named| find(named, &leadsman).unwrap_err().to_string();
        assert!(refused(None).contains(&*tide.to_string_lossy()));
        fs::write(&tide, "").unwrap();
        assert!(refused(Some(&tide)).contains(&*tide.to_string_lossy()));
        fs::set_permissions(&tide, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(None, &leadsman).unwrap(), tide);
    }

    #[test]
    fn versions_differ_by_their_files() {
        let scratch = Scratch::new().unwrap();
        let listen = "127.0.0.1:4321".parse().unwrap();
        let read = |name: &str| fs::read_to_string(scratch.service().join(name)).unwrap();
        write(Version::Slow, "twice as slow", listen, &scratch).unwrap();
        assert_eq!(
            (read("behaviour"), read("CHANGES")),
            (
                "work=40ms slow=2x\n".to_owned(),
                "twice as slow\n".to_owned()
            )
        );
        write(Version::Good, "better", listen, &scratch).unwrap();
        assert_eq!(read("behaviour"), "work=40ms \n");
    }
}
