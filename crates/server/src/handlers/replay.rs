//! A past rollout, judged again.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use leadsman_analysis::{Limits, Told};
use leadsman_api::{Replay, ReplayLine, ReplayedRollout};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::project;
use leadsman_core::time::Timestamp;
use leadsman_engine::{Engine, Error, ToldRow};
use leadsman_store::StreamName;
use tokio::sync::mpsc;

use super::plan::limits;
use super::{AskedEnvironment, Shared, view};
use crate::again::Again;
use crate::extract::{Path, Sent};
use crate::problem::Failure;
use crate::recorded::{self, Deployment, Rollout};
use crate::serve::Server;
use crate::wire;

pub(crate) async fn post(
    State(server): Shared,
    Path(asked): AskedEnvironment,
    Sent(replay): Sent<Replay>,
) -> Result<Response, Failure> {
    let view = view(&server, &asked)?;
    let environment = view.environment.id.clone();
    let last = view.environment.last_deployment;
    let number = replay.deployment.map_or(last, DeploymentNumber);
    let mut deployment = recorded_deployment(&server, &environment, number)
        .await?
        .ok_or_else(|| Failure::no_deployment(&environment, number, last))?;
    if let Some(service) = &replay.service {
        deployment
            .rollouts
            .retain(|name, _| name.as_str() == service);
        if deployment.rollouts.is_empty() {
            let message = format!("deployment {} did not change `{service}`", number.0);
            return Err(Failure::not_found(message));
        }
    }
    let limits = replay.limits.as_deref().map(other_limits).transpose()?;
    let mut kept = Vec::new();
    for (service, rollout) in deployment.rollouts {
        let first = server
            .engine
            .told(&environment, number, &service, None)
            .await?;
        if !first.is_empty() || rollout.needs_no_judge() {
            kept.push((service, rollout, first));
        }
    }
    if kept.is_empty() {
        return Err(Failure::nothing_kept(number));
    }
    let (sender, receiver) = mpsc::channel(256);
    let mut work = Work {
        engine: server.engine.clone(),
        environment,
        number,
        limits,
        windows: replay.windows,
        sender,
    };
    let head = ReplayLine::Deployment(deployment.wire);
    tokio::spawn(async move { work.run(head, kept).await });
    let lines = stream::unfold(receiver, |mut receiver| async move {
        let line: Result<Bytes, Error> = receiver.recv().await?;
        Some((line, receiver))
    });
    Response::builder()
        .header(CONTENT_TYPE, "application/x-ndjson")
        .body(Body::from_stream(lines))
        .map_err(|error| Failure::internal("failed to answer with lines", error))
}

pub(crate) async fn recorded_deployment(
    server: &Server,
    environment: &EnvironmentId,
    number: DeploymentNumber,
) -> Result<Option<Deployment>, Failure> {
    let stream = StreamName::from(environment);
    let read = server.engine.log().read_stream(&stream, 0).await;
    let mut events = Vec::new();
    for recorded in read.map_err(Error::NotRead)? {
        let event = serde_json::from_str(&recorded.body)
            .map_err(|error| Failure::internal("an event of the past is not readable", error))?;
        events.push((recorded.at, event));
    }
    Ok(recorded::deployment(environment, events, number))
}

fn other_limits(text: &str) -> Result<Limits, Failure> {
    project::limits(text, "limits").map_err(|problems| Failure::limits(problems.to_string()))
}

/// What judges again while the answer is being sent.
struct Work {
    engine: Engine,
    environment: EnvironmentId,
    number: DeploymentNumber,
    limits: Option<Limits>,
    windows: bool,
    sender: mpsc::Sender<Result<Bytes, Error>>,
}

/// Nobody listens any more.
struct Gone;

impl Work {
    async fn run(&mut self, head: ReplayLine, rollouts: Vec<(ServiceName, Rollout, Vec<ToldRow>)>) {
        if self.send([head]).await.is_err() {
            return;
        }
        for (service, rollout, first) in rollouts {
            match self.rollout(service, &rollout, first).await {
                Ok(Ok(())) => {}
                Ok(Err(Gone)) => return,
                // An answer that breaks off is not taken for a whole one.
                Err(error) => {
                    tracing::error!(environment = %self.environment, %error, "replay broke off");
                    drop(self.sender.send(Err(error)).await);
                    return;
                }
            }
        }
    }

    async fn rollout(
        &mut self,
        service: ServiceName,
        rollout: &Rollout,
        first: Vec<ToldRow>,
    ) -> Result<Result<(), Gone>, Error> {
        let held_to = self.limits.as_ref().unwrap_or(&rollout.limits);
        let head = ReplayLine::Rollout(ReplayedRollout {
            service: service.to_string(),
            limits: limits(held_to),
            same_limits: self.limits.is_none(),
            history_ms: wire::in_ms(history(&first)),
        });
        if self.send([head]).await.is_err() {
            return Ok(Err(Gone));
        }
        let mut again = Again::new(service.clone(), rollout, self.limits.clone(), self.windows);
        let mut rows = first;
        while let Some(last) = rows.last().map(|row| row.at) {
            for ToldRow { at, told } in &rows {
                if self.send(again.tell(*at, told)).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            rows = self.next(&service, last).await?;
        }
        Ok(self.send(again.end()).await)
    }

    async fn next(&self, service: &ServiceName, after: Timestamp) -> Result<Vec<ToldRow>, Error> {
        let (environment, number) = (&self.environment, self.number);
        let told = self.engine.told(environment, number, service, Some(after));
        told.await
    }

    async fn send(&mut self, lines: impl IntoIterator<Item = ReplayLine>) -> Result<(), Gone> {
        for line in lines {
            let mut json = serde_json::to_vec(&line).expect("the wire types have only text keys");
            json.push(b'\n');
            self.sender.send(Ok(json.into())).await.map_err(|_| Gone)?;
        }
        Ok(())
    }
}

/// Returns how long the baseline was watched before the first step. It is kept in the first rows.
fn history(rows: &[ToldRow]) -> f64 {
    let told = rows.iter().flat_map(|row| &row.told);
    let seconds = told.filter_map(|told| match told {
        Told::History(history) => Some(history.seconds),
        Told::Step(_) | Told::Window(_) | Told::Sample(_) | Told::Failed(_) => None,
    });
    seconds.sum()
}
