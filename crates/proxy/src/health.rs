//! Watching over the health of one instance.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::snapshot::Instance;
use crate::socket::Socket;
use crate::table::{Address, HealthCheck, Protocol};

/// How many probes in a row have to fail before an instance counts as unhealthy. One good probe
/// makes it healthy again: to leave a good instance out hurts more than to try a bad one, because
/// a connection that fails is tried elsewhere anyway.
const FAILURES: u32 = 2;

/// Who asks.
const AGENT: &str = "leadsman-health";

/// Probes `instance` for ever. Without a check it is left alone until a connection to it failed;
/// then it is tried whether connections can be made again.
pub(crate) async fn watch(instance: Arc<Instance>, check: Option<HealthCheck>, config: Config) {
    let mut ticks = tokio::time::interval(config.probe_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, but whoever added the instance has just seen that it is ready.
    ticks.tick().await;
    let mut failures = 0;
    loop {
        ticks.tick().await;
        let check = match &check {
            Some(check) => check,
            None if instance.is_healthy() => continue,
            None => &HealthCheck::Tcp,
        };
        match probe(&instance, check, config.probe_timeout).await {
            Ok(()) => {
                failures = 0;
                if instance.set_healthy(true) {
                    tracing::info!(instance = instance.name, "instance is healthy again");
                }
            }
            Err(why) => {
                failures += 1;
                if failures >= FAILURES && instance.set_healthy(false) {
                    tracing::warn!(instance = instance.name, why, "instance is unhealthy");
                }
            }
        }
    }
}

async fn probe(instance: &Instance, check: &HealthCheck, limit: Duration) -> Result<(), String> {
    let Instance {
        address, protocol, ..
    } = instance;
    let probing = async {
        let stream = Socket::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        match check {
            HealthCheck::Tcp => Ok(()),
            HealthCheck::Http { path } => {
                let status = match protocol {
                    Protocol::Http1 => get(stream, address, path).await?,
                    Protocol::Http2 => get_by_http2(stream, address, path).await?,
                };
                let is_good = status.is_success() || status.is_redirection();
                if is_good {
                    Ok(())
                } else {
                    Err(format!("`{path}` answered {status}"))
                }
            }
        }
    };
    match tokio::time::timeout(limit, probing).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

async fn get(stream: Socket, address: &Address, path: &str) -> Result<StatusCode, String> {
    let request = Request::get(path)
        .header(HOST, address.host())
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request);
    tokio::pin!(connection, answer);
    let answered = tokio::select! {
        answered = &mut answer => answered,
        // The connection may end together with the answer, before the answer is looked at.
        _ = &mut connection => answer.await,
    };
    Ok(answered.map_err(|error| error.to_string())?.status())
}

async fn get_by_http2(stream: Socket, address: &Address, path: &str) -> Result<StatusCode, String> {
    let request = Request::get(format!("http://{}{path}", address.host()))
        .version(Version::HTTP_2)
        .header(USER_AGENT, AGENT)
        .body(())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = h2::client::handshake(stream)
        .await
        .map_err(|error| error.to_string())?;
    let (answer, _) = sender
        .send_request(request, true)
        .map_err(|error| error.to_string())?;
    tokio::pin!(connection, answer);
    let answered = tokio::select! {
        answered = &mut answer => answered,
        // The connection may end together with the answer, before the answer is looked at.
        _ = &mut connection => answer.await,
    };
    Ok(answered.map_err(|error| error.to_string())?.status())
}
