//! Runs of the pipeline.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use leadsman_api::{
    RunAccepted, RunCommand as Wish, RunList, RunQuery, RunRequest, RunStatus, RunsQuery,
};
use leadsman_core::id::{ApplicationName, RunNumber};
use leadsman_core::people::{Act, Reach};
use leadsman_core::run::{RunCommand, RunId, Trigger};
use leadsman_engine::{NewRun, RunError};

use super::Shared;
use crate::access::Caller;
use crate::extract::{Path, Query, Sent};
use crate::problem::Failure;
use crate::run_status::status;
use crate::serve::Server;

/// How long a question may wait for a change at the most.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How many runs are listed where nothing else is asked for.
const LIMIT: u32 = 20;

fn sees(caller: &Caller, run: &RunId) -> bool {
    caller.can(Act::See, &Reach::Application(run.application.clone()))
}

/// The path of a run, as it was asked for.
pub(crate) type AskedRun = Path<(String, u64)>;

/// Returns the run that was asked for.
pub(crate) fn run_id((application, number): (String, u64)) -> Result<RunId, Failure> {
    Ok(RunId {
        application: application_name(&application)?,
        number: RunNumber(number),
    })
}

fn application_name(text: &str) -> Result<ApplicationName, Failure> {
    text.parse()
        .map_err(|error: leadsman_core::id::InvalidName| Failure::not_found(error.to_string()))
}

pub(crate) async fn begin(
    State(server): Shared,
    caller: Caller,
    Sent(request): Sent<RunRequest>,
) -> Result<Json<RunAccepted>, Failure> {
    let permit = caller.may_for_oneself(Act::Run)?;
    let by = permit.by().name;
    // Control can read more than who asks from elsewhere may see.
    let any = caller.can(Act::People, &Reach::Everything);
    let known = server.runs.applications_of(&request.repository).await;
    let is_known = |name: &ApplicationName| any || known.contains(name);
    let runs = |name: &ApplicationName| caller.can(Act::Run, &Reach::Application(name.clone()));
    if !any && !known.iter().any(runs) {
        return Err(Failure::repository_not_known(&request.repository));
    }
    let trigger = match (request.pushed, request.reference.starts_with("refs/tags/")) {
        (false, _) => Trigger::Person { by },
        (true, false) => Trigger::Push { by },
        (true, true) => Trigger::Tag { by },
    };
    let new = NewRun {
        repository: request.repository,
        commit: request.commit,
        reference: request.reference,
        project_file: request.project_file,
        trigger,
        only: request.jobs,
        delivery: None,
    };
    // Only the project file in the commit says which application it is.
    let may = |name: &ApplicationName| is_known(name) && runs(name);
    let known = match server.runs.begin_if(&new, &permit.by(), may).await {
        Ok(known) => known,
        Err(RunError::NotAllowed(application)) => {
            caller.may(Act::Run, &Reach::Application(application))?;
            return Err(Failure::repository_not_known(&new.repository));
        }
        Err(RunError::NotStarted(why)) => {
            return Ok(Json(RunAccepted {
                run: None,
                sentence: why,
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let status = status(&known, *server.runs.version().borrow(), server.runs.now());
    Ok(Json(RunAccepted {
        sentence: format!("{} begins", known.run.id),
        run: Some(status),
    }))
}

pub(crate) async fn list(
    State(server): Shared,
    caller: Caller,
    Query(query): Query<RunsQuery>,
) -> Result<Json<RunList>, Failure> {
    let application = query
        .application
        .as_deref()
        .map(application_name)
        .transpose()?;
    let version = *server.runs.version().borrow();
    let now = server.runs.now();
    let runs = server.runs.list(application.as_ref()).await;
    let limit = usize::try_from(query.limit.unwrap_or(LIMIT)).unwrap_or(usize::MAX);
    let name = |id: &RunId| format!("{}/{}", id.application, id.number.0);
    let mut seen = runs.iter().filter(|known| sees(&caller, &known.run.id));
    if let Some(before) = &query.before
        && !seen.any(|known| name(&known.run.id) == *before)
    {
        return Err(Failure::not_found(format!("there is no run `{before}`")));
    }
    let mut seen = seen.peekable();
    let page: Vec<_> = seen.by_ref().take(limit).collect();
    let last = page.last().map(|known| name(&known.run.id));
    Ok(Json(RunList {
        at: crate::wire::moment(now),
        next: last.filter(|_| seen.peek().is_some()),
        runs: page
            .into_iter()
            .map(|known| status(known, version, now))
            .collect(),
    }))
}

/// Returns how a run stands now.
pub(crate) async fn now(server: &Server, id: &RunId) -> Result<RunStatus, Failure> {
    let version = *server.runs.version().borrow();
    let known = server.runs.get(id).await?;
    Ok(status(&known, version, server.runs.now()))
}

pub(crate) async fn get(
    State(server): Shared,
    Path(asked): AskedRun,
    Query(query): Query<RunQuery>,
) -> Result<Json<RunStatus>, Failure> {
    let id = run_id(asked)?;
    let mut versions = server.runs.version();
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0)).min(WAIT_MAX);
    if let Some(after) = query.after {
        let changed = versions.wait_for(|version| *version > after);
        // Out of time is an answer, too; what is so is told then.
        drop(tokio::time::timeout(wait, changed).await);
    }
    Ok(Json(now(&server, &id).await?))
}

pub(crate) async fn command(
    State(server): Shared,
    caller: Caller,
    Path(asked): AskedRun,
    Sent(wish): Sent<Wish>,
) -> Result<Json<RunAccepted>, Failure> {
    let id = run_id(asked)?;
    let (command, said) = match wish {
        Wish::Cancel => (RunCommand::Cancel, "is being ended"),
        Wish::Resume => (RunCommand::Resume, "goes on where it stopped"),
    };
    let permit = caller.may(Act::Run, &Reach::Application(id.application.clone()))?;
    let known = server.runs.command(&id, command, &permit.by()).await?;
    let status = status(&known, *server.runs.version().borrow(), server.runs.now());
    Ok(Json(RunAccepted {
        run: Some(status),
        sentence: format!("{id} {said}"),
    }))
}
