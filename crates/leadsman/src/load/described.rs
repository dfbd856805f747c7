//! A load as the command line describes it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use http::{HeaderName, Method};
use leadsman_core::load::ERRORS;
use leadsman_load::{
    Data, Latency, Model, Profile, Request, Scenario, Target, Template, Threshold, Version, usual,
};

use crate::codes::Code;
use crate::command::load::{Args, RequestArgs, ThresholdArgs};
use crate::failure::{Exit, Failure};

/// A file of data, a body or certificates has no more bytes than this.
const FILE_MAX: u64 = 256 << 20;

/// Returns the load that the arguments describe.
pub(crate) fn scenario(args: &Args) -> Result<Scenario, Failure> {
    if let Some(path) = &args.scenario {
        return super::file::scenario(path, args.url.as_deref());
    }
    let url = args.url.as_deref().unwrap_or_default();
    let (target, path) = target(url)?;
    let ramp = args.ramp.unwrap_or_default();
    let warm_up = args.warm_up.unwrap_or_default();
    let length = args.length.unwrap_or(usual::LENGTH);
    let profile = |value| Profile::ramped(value, ramp, warm_up.saturating_add(length));
    let model = match (args.rate, args.users) {
        (Some(rate), _) => Model::Rate(profile(rate)),
        (None, users) => Model::Users {
            users: profile(f64::from(users.unwrap_or(1))),
            think: args.think.unwrap_or(usual::THINK),
        },
    };
    let request = request(&args.request, path)?;
    let connection = &args.connection;
    let mut scenario = Scenario::of(target, request, model);
    scenario.warm_up = ramp.saturating_add(warm_up);
    scenario.timeout = connection.timeout.unwrap_or(usual::TIMEOUT);
    scenario.reuse = !connection.no_reuse;
    if connection.http.as_deref() == Some("2") {
        scenario.version = Version::Http2;
    }
    if let Some(connections) = connection.connections {
        scenario.connections = usize::try_from(connections).unwrap_or(usize::MAX);
    }
    scenario.workers = connection.threads.map(usize::from);
    scenario.thresholds = thresholds(&args.thresholds);
    if let Some(path) = &args.request.data {
        scenario.data = Some(data(path)?);
    }
    if let Some(path) = &connection.trust {
        scenario.trusted = Some(read(path, "certificates", Code::LoadWrong)?.into());
    }
    let problems = scenario.problems();
    if problems.is_empty() {
        Ok(scenario)
    } else {
        Err(wrong(&problems))
    }
}

/// Says what is wrong with a load.
pub(crate) fn wrong(problems: &[String]) -> Failure {
    let mut failure = Failure::new(
        Code::LoadWrong,
        "the load cannot be made as it is described",
    );
    failure.causes = problems.to_vec();
    failure.exit(Exit::Usage)
}

pub(super) fn one_wrong(what: &str, why: impl Into<String>) -> Failure {
    wrong(&[format!("{what}: {}", why.into())])
}

/// Reads a URL, in which `${name}` may stand.
fn target(url: &str) -> Result<(Target, Template), Failure> {
    let wrong = |why: String| one_wrong(&format!("`{url}`"), why);
    // Braces have no place in a URL: what stands before the path is read without it.
    let begins = url.find("://").map_or(0, |at| at + 3);
    let path_at = url
        .get(begins..)
        .and_then(|rest| rest.find(['/', '?']))
        .map_or(url.len(), |at| begins + at);
    let (server, path) = url.split_at(path_at);
    let (target, _) = Target::parse(server).map_err(wrong)?;
    let path = match path {
        "" => "/".to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    Ok((target, path.parse().map_err(wrong)?))
}

fn request(args: &RequestArgs, path: Template) -> Result<Request, Failure> {
    let mut request = Request::get(path);
    if let Some(body) = &args.body {
        let text = match body.strip_prefix('@') {
            Some(path) => text(Path::new(path), "the body")?,
            None => body.clone(),
        };
        request.body = text
            .parse()
            .map_err(|why: String| one_wrong("`--body`", why))?;
        request.method = Method::POST;
    }
    if let Some(method) = &args.method {
        request.method = Method::from_bytes(method.as_bytes())
            .map_err(|_| one_wrong("`--method`", format!("`{method}` is no method")))?;
    }
    request.name = format!("{} {}", request.method, request.path);
    for header in &args.header {
        match header.strip_prefix('@') {
            Some(path) => {
                let lines = text(Path::new(path), "headers")?;
                for (line, number) in lines.lines().zip(1..) {
                    if !line.trim().is_empty() {
                        let what = format!("line {number} of `{path}`");
                        request.headers.push(header_line(line, &what)?);
                    }
                }
            }
            None => request.headers.push(header_line(header, "`--header`")?),
        }
    }
    if !args.expect.is_empty() {
        request.status.clone_from(&args.expect);
    }
    request.contains = args.contains.clone().map(Into::into);
    Ok(request)
}

/// Reads `name: value`. What is wrong is said without the value: it may be a secret.
fn header_line(text: &str, what: &str) -> Result<(HeaderName, Template), Failure> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(one_wrong(what, "write it like `accept: text/html`"));
    };
    header(name, value, what)
}

pub(super) fn header(
    name: &str,
    value: &str,
    what: &str,
) -> Result<(HeaderName, Template), Failure> {
    let named = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| one_wrong(what, format!("`{}` is no name of a header", name.trim())))?;
    let value = value.trim().parse();
    let value = value.map_err(|why: String| one_wrong(&format!("{what} `{named}`"), why))?;
    Ok((named, value))
}

fn thresholds(args: &ThresholdArgs) -> Vec<Threshold> {
    let latencies = [
        (Latency::P50, args.p50),
        (Latency::P90, args.p90),
        (Latency::P95, args.p95),
        (Latency::P99, args.p99),
        (Latency::P999, args.p999),
        (Latency::Max, args.max),
    ];
    let latencies = latencies.into_iter();
    let mut all: Vec<Threshold> = latencies
        .filter_map(|(latency, most)| Some(Threshold::Latency(latency, most?)))
        .collect();
    all.push(Threshold::Errors(args.errors.unwrap_or(ERRORS)));
    all.extend(args.rate_at_least.map(Threshold::Rate));
    all
}

pub(super) fn data(path: &Path) -> Result<Data, Failure> {
    let bytes = read(path, "data", Code::DataWrong)?;
    Data::read(&bytes).map_err(|wrong| {
        let message = format!("the data of `{}` cannot be used", path.display());
        Failure::new(Code::DataWrong, message)
            .because(&wrong)
            .exit(Exit::Usage)
    })
}

fn text(path: &Path, what: &str) -> Result<String, Failure> {
    let bytes = read(path, what, Code::LoadWrong)?;
    String::from_utf8(bytes)
        .map_err(|_| one_wrong(&format!("`{}`", path.display()), "it is no UTF-8 text"))
}

pub(crate) fn read(path: &Path, what: &str, code: Code) -> Result<Vec<u8>, Failure> {
    let failed = |error: &std::io::Error| {
        let message = format!("failed to read {what} from `{}`", path.display());
        Failure::new(code, message).because(error).exit(Exit::Usage)
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(failed(&std::io::Error::other("it has more than 256 MiB")));
    }
    Ok(bytes)
}
