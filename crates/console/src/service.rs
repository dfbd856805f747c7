//! The page of one service: its sides, how they have been doing, its instances, and what they write.

use askama::Template;
use leadsman_api::words::{count, plain, size};
use leadsman_api::{
    Certificate, Closed, EnvironmentStatus, Instance, InstanceState, Moment, ServiceSeries,
    ServiceStatus, Side,
};

use crate::chart::all_charts;
use crate::environment::service as sides;
use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::words::{Said, Shown, Tone, said, shown};

/// What instances of a service wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The only instance that is wanted; `None` is every one that runs.
    pub chosen: Option<String>,
    /// Those whose output is kept.
    pub kept: Vec<String>,
    /// The last lines of each that is shown, the oldest line first.
    pub last: Vec<(String, Vec<String>)>,
    /// How many lines of each are shown at most.
    pub lines: usize,
}

#[derive(Template)]
#[template(path = "service_head.html")]
struct Head {
    name: String,
    notices: Vec<Said>,
}

#[derive(Template)]
#[template(path = "instances.html")]
struct Instances {
    rows: Vec<Row>,
}

struct Row {
    side: &'static str,
    class: &'static str,
    id: String,
    tone: Tone,
    state: &'static str,
    since: Shown,
    restarts: u32,
    memory: String,
    address: String,
    details: Vec<Said>,
}

#[derive(Template)]
#[template(path = "certificates.html")]
struct Certificates {
    rows: Vec<Shows>,
}

struct Shows {
    hosts: String,
    chain: String,
    expires: Option<Shown>,
    problem: Option<Said>,
}

#[derive(Template)]
#[template(path = "service_logs.html")]
struct Logs<'a> {
    here: String,
    chosen: Option<&'a str>,
    kept: Vec<(&'a str, String, bool)>,
    last: Vec<(&'a str, Vec<String>)>,
    lines: usize,
}

/// Returns the page of a service.
pub fn service(
    visitor: &Visitor,
    environment: &EnvironmentStatus,
    status: &ServiceStatus,
    series: Option<&ServiceSeries>,
    written: &Written,
) -> String {
    let name = format!("{}/{}", environment.application, environment.environment);
    let title = format!("{} in {name}", status.name);
    let above = [(name, path::of_environment(path::ENVIRONMENT, environment))];
    Page {
        title: &title,
        visitor: Some(visitor),
        live: Some(at(
            path::SERVICE_LIVE,
            environment,
            status,
            written.chosen.as_deref(),
        )),
        above: &above,
        parts: &service_parts(environment, status, series, written),
    }
    .whole()
}

/// Returns its parts.
pub fn service_parts(
    environment: &EnvironmentStatus,
    status: &ServiceStatus,
    series: Option<&ServiceSeries>,
    written: &Written,
) -> Vec<Part> {
    let charts = series.map(all_charts).unwrap_or_default();
    let mut parts = vec![
        head(environment, status),
        sides(environment, status, charts, true),
        instances(status, environment.at),
    ];
    if !environment.certificates.is_empty() {
        parts.push(certificates(environment));
    }
    parts.push(logs(environment, status, written));
    parts
}

/// Returns where a page about a service is found, for one instance of it.
fn at(
    template: &str,
    environment: &EnvironmentStatus,
    status: &ServiceStatus,
    instance: Option<&str>,
) -> String {
    let (application, environment) = (&environment.application, &environment.environment);
    let path = path::fill(template, &[application, environment, &status.name]);
    path::with_query(&path, &[("instance", instance.map(str::to_owned))])
}

fn head(environment: &EnvironmentStatus, status: &ServiceStatus) -> Part {
    let closed = status.closed.as_ref().map(|closing| {
        let how = match closing.how {
            Closed::Held => "requests wait until it is opened again",
            Closed::Maintenance => "requests are answered as the project file says for maintenance",
        };
        said(&format!("Closed by {}: {how}", closing.actor))
    });
    let problem = environment.url_problem.as_ref();
    let problem = problem.map(|it| said(&format!("No requests are accepted: {it}")));
    let head = Head {
        name: format!(
            "{} in {}/{}",
            status.name, environment.application, environment.environment
        ),
        notices: closed.into_iter().chain(problem).collect(),
    };
    Part::of("head", &head)
}

fn instances(status: &ServiceStatus, now: Moment) -> Part {
    let sides = [
        ("stable", "stable", &status.stable),
        ("baseline", "baseline", &status.baseline),
        ("canary", "canary", &status.canary),
        ("kept warm", "warm", &status.warm),
    ];
    let sides = sides
        .into_iter()
        .filter_map(|(role, class, side)| Some((role, class, side.as_ref()?)));
    let rows = sides.flat_map(|(role, class, side): (_, _, &Side)| {
        let instances = side.instances.iter();
        instances.map(move |instance| row(role, class, instance, now))
    });
    let rows = rows.collect();
    Part::of("instances", &Instances { rows })
}

fn row(side: &'static str, class: &'static str, instance: &Instance, now: Moment) -> Row {
    let (tone, state) = match (instance.state, instance.ready) {
        (InstanceState::Running, true) => (Tone::Good, "ready"),
        (InstanceState::Running, false) => (Tone::Care, "runs, is not ready"),
        (InstanceState::Starting, _) => (Tone::Busy, "starts"),
        (InstanceState::Restarting, _) => (Tone::Bad, "ended, is started again"),
        (InstanceState::Broken, _) => (Tone::Bad, "cannot be started"),
        (InstanceState::Draining, _) => (Tone::Plain, "drains"),
        (InstanceState::Stopping, _) => (Tone::Plain, "is being ended"),
    };
    let mut details: Vec<Said> = instance.detail.iter().map(|it| said(it)).collect();
    if instance.unhealthy {
        details.push(said("the data plane believes that it does not answer"));
    }
    if instance.ejected > 0 {
        let times = count(instance.ejected, "time");
        details.push(said(&format!(
            "left out {times} lately, because its answers failed"
        )));
    }
    Row {
        side,
        class,
        id: instance.id.clone(),
        tone,
        state,
        since: shown(instance.started_at, now),
        restarts: instance.restarts,
        memory: instance.memory_bytes.map_or_else(|| "–".to_owned(), size),
        address: instance.address.clone().unwrap_or_else(|| "–".to_owned()),
        details,
    }
}

fn certificates(environment: &EnvironmentStatus) -> Part {
    let row = |certificate: &Certificate| Shows {
        hosts: plain(&certificate.hosts.join(", ")),
        chain: plain(&certificate.chain),
        expires: certificate.expires_at.map(|at| shown(at, environment.at)),
        problem: certificate.problem.as_deref().map(said),
    };
    let rows = environment.certificates.iter().map(row).collect();
    Part::of("certificates", &Certificates { rows })
}

fn logs(environment: &EnvironmentStatus, status: &ServiceStatus, written: &Written) -> Part {
    let chosen = written.chosen.as_deref();
    let of = |id: &str| at(path::SERVICE, environment, status, Some(id));
    let kept = written.kept.iter();
    let last = written.last.iter();
    let logs = Logs {
        here: at(path::SERVICE, environment, status, None),
        chosen,
        kept: kept
            .map(|id| (id.as_str(), of(id), chosen == Some(id)))
            .collect(),
        last: last
            .map(|(id, lines)| {
                let lines = lines.iter().map(|line| plain(line)).collect();
                (id.as_str(), lines)
            })
            .collect(),
        lines: written.lines,
    };
    Part::of("logs", &logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(state: InstanceState, ready: bool) -> Instance {
        Instance {
            id: "shop.production.web.r4.d4.1".to_owned(),
            state,
            ready,
            started_at: Moment(1_790_000_000_000),
            restarts: 2,
            memory_bytes: Some(38 << 20),
            address: Some("127.0.0.1:41873".to_owned()),
            detail: Some("`/ready` answers 503 <!>".to_owned()),
            unhealthy: true,
            ejected: 3,
        }
    }

    #[test]
    fn an_instance_is_shown_with_all_that_is_known_of_it() {
        let of = row(
            "canary",
            "canary",
            &instance(InstanceState::Running, false),
            Moment(1_790_000_060_000),
        );
        assert_eq!(
            (of.state, of.restarts, &*of.memory),
            ("runs, is not ready", 2, "38 MiB")
        );
        let page = Part::of("instances", &Instances { rows: vec![of] }).html;
        for there in [
            "<code>/ready</code> answers 503 &#60;!&#62;",
            "does not answer",
            "left out 3 times lately",
            "127.0.0.1:41873",
        ] {
            assert!(page.contains(there), "{there}: {page}");
        }
        for (state, words) in [
            (InstanceState::Starting, "starts"),
            (InstanceState::Restarting, "ended, is started again"),
            (InstanceState::Broken, "cannot be started"),
            (InstanceState::Draining, "drains"),
            (InstanceState::Stopping, "is being ended"),
        ] {
            let of = row("stable", "stable", &instance(state, false), Moment(0));
            assert_eq!(of.state, words);
        }
    }
}
