//! The names of the environments' parts of the table.

use leadsman_core::id::{DeploymentNumber, EnvironmentId, ReleaseNumber, RevisionId};

/// Returns the name of `revision` as a side of the environment whose names begin with `prefix`.
pub(super) fn side_name(prefix: &str, revision: &RevisionId) -> String {
    let RevisionId {
        service,
        release,
        deployment,
    } = revision;
    format!("{prefix}{service}@r{}.d{}", release.0, deployment.0)
}

/// Reads the name that [`side_name`] gave.
pub(super) fn revision(name: &str) -> Option<(EnvironmentId, RevisionId)> {
    let (path, version) = name.split_once('@')?;
    let (application, rest) = path.split_once('/')?;
    let (environment, service) = rest.split_once('/')?;
    let (release, deployment) = version.strip_prefix('r')?.split_once(".d")?;
    let environment = EnvironmentId {
        application: application.parse().ok()?,
        environment: environment.parse().ok()?,
    };
    let revision = RevisionId {
        service: service.parse().ok()?,
        release: ReleaseNumber(release.parse().ok()?),
        deployment: DeploymentNumber(deployment.parse().ok()?),
    };
    Some((environment, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_found_again_by_its_name() {
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let web = RevisionId {
            service: "web-2".parse().unwrap(),
            release: ReleaseNumber(256),
            deployment: DeploymentNumber(300),
        };
        let name = side_name("shop/production/", &web);
        assert_eq!(name, "shop/production/web-2@r256.d300");
        assert_eq!(revision(&name), Some((environment, web)));
        assert_eq!(revision("shop/production/web-2"), None);
    }
}
