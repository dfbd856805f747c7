//! Requests over TLS by `h2load`: a program that is not ours, that speaks HTTP/1.1 and HTTP/2 there, and
//! that is lean.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::Error;
use crate::case::Protocol;
use crate::closed::{Answered, Asking, Closed};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Sends so many requests. Calls `meanwhile` with the time since the start, now and then.
///
/// # Errors
/// A request failed, or what was answered is not what the backends say.
pub(crate) fn run(
    asking: &Asking,
    closed: Closed,
    address: SocketAddr,
    requests: u64,
    mut meanwhile: impl FnMut(Duration) -> Result<(), Error>,
) -> Result<Answered, Error> {
    let folder = asking.folder.path();
    let (log, said) = (folder.join("h2load.log"), folder.join("h2load.said"));
    // It would add to what is there.
    drop(fs::remove_file(&log));
    let mut command = Command::new(&asking.h2load);
    if closed.protocol != Protocol::Http2 {
        command.arg("--h1");
    }
    let mut child = command
        // One cipher and one group for all, whatever the proxies would choose.
        .args(["--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519"])
        .arg(format!("--requests={requests}"))
        .arg(format!("--clients={}", closed.connections))
        .arg(format!("--max-concurrent-streams={}", closed.streams))
        .arg(format!("--log-file={}", log.display()))
        .arg(format!("https://{address}{}", closed.body.path()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&said)?)
        .stderr(Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if let Err(error) = meanwhile(begun.elapsed()) {
            drop(child.kill());
            drop(child.wait());
            return Err(error);
        }
        std::thread::sleep(LOOK);
    }
    let said = fs::read_to_string(&said)?;
    check(closed, &said, requests)?;
    Ok(Answered {
        per_second: number_before(&said, " req/s,")?,
        took: latencies(&fs::read_to_string(&log)?, requests)?,
    })
}

/// Checks that everything was answered in the way that was meant.
fn check(closed: Closed, said: &str, requests: u64) -> Result<(), Error> {
    let count = |what: &str| number_before::<u64>(said, what);
    let (succeeded, fine) = (count(" succeeded,")?, count(" 2xx,")?);
    if succeeded != requests || fine != requests {
        return Err(format!(
            "{succeeded} of {requests} requests succeeded, {fine} with a status from 200 to 299"
        )
        .into());
    }
    let bytes = requests * closed.body.bytes() as u64;
    if !said.contains(&format!("({bytes}) data")) {
        return Err(format!("the bodies are not {bytes} bytes together:\n{said}").into());
    }
    let agreed = match closed.protocol {
        Protocol::Http2 => "Application protocol: h2",
        Protocol::Tls | Protocol::Http1 => "Application protocol: http/1.1",
    };
    let wanted = ["TLS Protocol: TLSv1.3", agreed];
    match wanted.iter().find(|wanted| !said.contains(**wanted)) {
        Some(missing) => Err(format!("it is not `{missing}`:\n{said}").into()),
        None => Ok(()),
    }
}

/// Returns the number that stands right before `what`.
fn number_before<T: FromStr>(said: &str, what: &str) -> Result<T, Error> {
    let missing = || format!("h2load says nothing of{what}:\n{said}");
    let (before, _) = said.split_once(what).ok_or_else(missing)?;
    let number = before.split([' ', ',']).next_back().ok_or_else(missing)?;
    Ok(number.parse().map_err(|_| missing())?)
}

fn latencies(log: &str, requests: u64) -> Result<Vec<u32>, Error> {
    let mut took = Vec::new();
    for line in log.lines() {
        let mut columns = line.split('\t').skip(1);
        let status = columns.next().unwrap_or_default();
        if status != "200" {
            return Err(format!("a request was answered with status {status}").into());
        }
        took.push(columns.next().unwrap_or_default().parse()?);
    }
    if took.len() as u64 == requests {
        Ok(took)
    } else {
        Err(format!("h2load logged {} of {requests} requests", took.len()).into())
    }
}
