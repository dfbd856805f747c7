//! A load as a file describes it: what may stand under `load:` of a job.

use std::path::{Path, PathBuf};

use http::Method;
use leadsman_core::load::{Load, LoadModel, LoadRequest, LoadThreshold};
use leadsman_core::project;
use leadsman_core::spec::Protocol;
use leadsman_load::{
    Latency, Model, Profile, Request, Scenario, Stage, Statuses, Target, Threshold, Version, usual,
};

use super::described::{data, header, one_wrong, read, wrong};
use crate::codes::Code;
use crate::failure::{Exit, Failure};
use crate::project::{located, read_text};

/// Returns the load that a file describes. `url` is the server where the file names none; other
/// files are found from the file's own folder.
pub(crate) fn scenario(path: &Path, url: Option<&str>) -> Result<Scenario, Failure> {
    let text = read_text(path, "scenario", Code::LoadWrong).map_err(|f| f.exit(Exit::Usage))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let load = project::load(&text, &name)
        .map_err(|problems| located(&problems, path, Code::LoadWrong).exit(Exit::Usage))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    of(&load, url, folder)
}

/// Returns what a described load is to the load generator.
pub(crate) fn of(load: &Load, url: Option<&str>, folder: &Path) -> Result<Scenario, Failure> {
    let Some(server) = url.or(load.server.as_deref()) else {
        let problem = "it names no server: write a URL before `--scenario`, or in `url`";
        return Err(wrong(&[problem.to_owned()]));
    };
    let (target, path) =
        Target::parse(server).map_err(|why| one_wrong(&format!("`{server}`"), why))?;
    if path != "/" {
        let why = "the paths are in the scenario: name the server alone";
        return Err(one_wrong(&format!("`{server}`"), why));
    }
    let mut requests = Vec::new();
    for described in &load.requests {
        let request = request(described)?;
        for _ in 0..described.times {
            requests.push(request.clone());
        }
    }
    let stages = load.stages.iter().map(|stage| Stage {
        to: stage.to,
        over: stage.over,
    });
    let profile = Profile {
        start: load.start,
        stages: stages.collect(),
    };
    let model = match load.model {
        LoadModel::Rate => Model::Rate(profile),
        LoadModel::Users { think } => Model::Users {
            users: profile,
            think: think.unwrap_or(usual::THINK),
        },
    };
    let below = |name: &String| -> PathBuf { folder.join(name) };
    let scenario = Scenario {
        target,
        requests,
        model,
        warm_up: load.warm_up,
        timeout: load.timeout.unwrap_or(usual::TIMEOUT),
        answer_max: usual::ANSWER_MAX,
        version: match load.protocol {
            Protocol::Http1 => Version::Http1,
            Protocol::Http2 => Version::Http2,
        },
        reuse: true,
        connections: load.connections.map_or(usual::CONNECTIONS, |it| {
            usize::try_from(it).unwrap_or(usize::MAX)
        }),
        workers: None,
        data: load
            .data
            .as_ref()
            .map(|name| data(&below(name)))
            .transpose()?,
        thresholds: load.thresholds.iter().map(|it| threshold(*it)).collect(),
        trusted: match &load.trust {
            Some(name) => Some(read(&below(name), "certificates", Code::LoadWrong)?.into()),
            None => None,
        },
    };
    let problems = scenario.problems();
    if problems.is_empty() {
        Ok(scenario)
    } else {
        Err(wrong(&problems))
    }
}

fn request(described: &LoadRequest) -> Result<Request, Failure> {
    let LoadRequest { method, path, .. } = described;
    let name = described
        .name
        .clone()
        .unwrap_or_else(|| format!("{method} {path}"));
    let in_it = |what: &str| format!("{what} of `{name}`");
    let template = |text: &str, what: &str| {
        text.parse()
            .map_err(|why: String| one_wrong(&in_it(what), why))
    };
    let mut request = Request::get(template(path, "the path")?);
    request.method = Method::from_bytes(method.as_bytes())
        .map_err(|_| one_wrong(&in_it("the method"), format!("`{method}` is no method")))?;
    for (name, value) in &described.headers {
        request
            .headers
            .push(header(name, value, &in_it("a header"))?);
    }
    request.body = template(&described.body, "the body")?;
    if !described.expect.is_empty() {
        let statuses = described.expect.iter();
        request.status = statuses
            .map(|(from, to)| Statuses {
                from: *from,
                to: *to,
            })
            .collect();
    }
    request.contains = described.contains.clone().map(Into::into);
    request.name = name;
    Ok(request)
}

fn threshold(described: LoadThreshold) -> Threshold {
    match described {
        LoadThreshold::Mean(most) => Threshold::Latency(Latency::Mean, most),
        LoadThreshold::P50(most) => Threshold::Latency(Latency::P50, most),
        LoadThreshold::P90(most) => Threshold::Latency(Latency::P90, most),
        LoadThreshold::P95(most) => Threshold::Latency(Latency::P95, most),
        LoadThreshold::P99(most) => Threshold::Latency(Latency::P99, most),
        LoadThreshold::P999(most) => Threshold::Latency(Latency::P999, most),
        LoadThreshold::Max(most) => Threshold::Latency(Latency::Max, most),
        LoadThreshold::Errors(most) => Threshold::Errors(most),
        LoadThreshold::RateAtLeast(least) => Threshold::Rate(least),
    }
}
