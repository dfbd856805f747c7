//! What this machine says.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use leadsman_core::checklist::Check;
use leadsman_core::project::units;
use leadsman_runtime::command;
use tokio::net::{TcpStream, lookup_host};

use super::Inspector;
use super::certificate;
use crate::data_plane::BoxFuture;

/// The most files of a folder that are looked at.
const FILES_MAX: usize = 100_000;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Asks the machine that it runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Inspector for Machine {
    fn inspect<'a>(&'a self, check: &'a Check) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let timeout = check.timeout();
            match check {
                Check::Disk { at, free } => {
                    let (at, free) = (at.clone(), *free);
                    blocking(timeout, move || disk(&at, free)).await
                }
                Check::Memory { available } => {
                    let available = *available;
                    blocking(timeout, move || memory(available)).await
                }
                Check::Newest { folder, age } => {
                    let (folder, age) = (folder.clone(), *age);
                    blocking(timeout, move || newest(&folder, age)).await
                }
                Check::Certificate { host, port, days } => {
                    within(timeout, certificate(host, *port, *days)).await
                }
                Check::Dns { name, address } => within(timeout, dns(name, *address)).await,
                Check::Connect { host, port } => {
                    within(timeout, connected(host, *port)).await?;
                    Ok(format!("{host}:{port} accepts connections"))
                }
                Check::Command {
                    run,
                    timeout,
                    folder,
                } => {
                    let ran = command::run(run, Path::new(folder), *timeout).await;
                    let name = run.first().map_or("", String::as_str);
                    match ran {
                        Ok(()) => Ok(format!("`{name}` ended with status 0")),
                        Err(why) => Err(format!("`{name}` {why}")),
                    }
                }
                // The domain knows what gates say.
                Check::Gate { name } => Err(format!("the machine knows no gate `{name}`")),
            }
        })
    }
}

async fn within(
    timeout: Duration,
    found: impl Future<Output = Result<String, String>>,
) -> Result<String, String> {
    let late = |_| Err(format!("no answer within {} s", timeout.as_secs()));
    tokio::time::timeout(timeout, found)
        .await
        .unwrap_or_else(late)
}

/// Asks what may hang, such as a disk of another machine, without holding up anything else.
async fn blocking(
    timeout: Duration,
    ask: impl FnOnce() -> Result<String, String> + Send + 'static,
) -> Result<String, String> {
    let asked = async {
        let joined = tokio::task::spawn_blocking(ask).await;
        joined.unwrap_or_else(|_| Err("it broke off".to_owned()))
    };
    within(timeout, asked).await
}

fn disk(at: &str, wanted: u64) -> Result<String, String> {
    let found = rustix::fs::statvfs(at)
        .map_err(|error| format!("`{at}` could not be looked at: {}", io::Error::from(error)))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let said = format!(
        "{} of {} free in `{at}`",
        rounded(free),
        units::size(wanted)
    );
    enough(free >= wanted, said)
}

fn memory(wanted: u64) -> Result<String, String> {
    let text = std::fs::read_to_string("/proc/meminfo")
        .map_err(|error| format!("`/proc/meminfo` could not be read: {error}"))?;
    let available = available(&text).ok_or("`/proc/meminfo` does not say what is available")?;
    let said = format!(
        "{} of {} of memory",
        rounded(available),
        units::size(wanted)
    );
    enough(available >= wanted, said)
}

/// Returns how many bytes are available, as `/proc/meminfo` says.
fn available(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes = line.trim().strip_suffix("kB")?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn newest(folder: &str, age: Duration) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("`{folder}` could not be read: {error}");
    let about = std::fs::metadata(folder).map_err(unreadable)?;
    let mut newest = None;
    if about.is_file() {
        newest = about.modified().ok();
    } else {
        for (count, entry) in std::fs::read_dir(folder).map_err(unreadable)?.enumerate() {
            if count >= FILES_MAX {
                return Err(format!("`{folder}` has more than {FILES_MAX} files"));
            }
            let about = entry.map_err(unreadable)?.metadata();
            let about = about.ok().filter(std::fs::Metadata::is_file);
            newest = newest.max(about.and_then(|about| about.modified().ok()));
        }
    }
    let Some(newest) = newest else {
        return Err(format!("there is no file in `{folder}`"));
    };
    // What is dated into the future is not old.
    let is = SystemTime::now().duration_since(newest).unwrap_or_default();
    let said = format!(
        "the newest file in `{folder}` is {} old, {} allowed",
        length(is),
        length(age)
    );
    enough(is <= age, said)
}

async fn dns(name: &str, wanted: Option<IpAddr>) -> Result<String, String> {
    let found = resolved(name, 0).await?;
    let mut found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    found.sort_unstable();
    found.dedup();
    let names: Vec<String> = found.iter().take(5).map(ToString::to_string).collect();
    let said = format!("`{name}` is {}", names.join(", "));
    match wanted {
        Some(wanted) if !found.contains(&wanted) => Err(format!("{said}, and not {wanted}")),
        Some(_) | None => Ok(said),
    }
}

async fn resolved(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = lookup_host((name, port)).await;
    let found: Vec<_> = found
        .map_err(|error| format!("`{name}` does not resolve: {error}"))?
        .collect();
    if found.is_empty() {
        return Err(format!("`{name}` has no address"));
    }
    Ok(found)
}

/// Connects to the first address that takes it.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let mut why = String::new();
    for address in resolved(host, port).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = format!("{host}:{port} does not accept connections: {error}"),
        }
    }
    Err(why)
}

async fn connected(host: &str, port: u16) -> Result<String, String> {
    connect(host, port).await.map(|_| String::new())
}

async fn certificate(host: &str, port: u16, days: u16) -> Result<String, String> {
    let stream = connect(host, port).await?;
    let valid = certificate::shown(stream, host).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    if now < valid.start {
        return Err(format!("the certificate of {host}:{port} is not valid yet"));
    }
    let Some(left) = valid.end.checked_sub(now).map(Duration::from_secs) else {
        return Err(format!("the certificate of {host}:{port} has expired"));
    };
    let said = format!(
        "the certificate of {host}:{port} is valid for {} days, {days} wanted",
        left.as_secs() / DAY.as_secs()
    );
    enough(left >= DAY * u32::from(days), said)
}

fn enough(is: bool, said: String) -> Result<String, String> {
    if is { Ok(said) } else { Err(said) }
}

/// Returns a size with one digit behind the point, as people say it.
fn rounded(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, shift)| {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

/// Returns a length of time in its largest unit.
fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, _, _) => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_the_system_says() {
        for (text, bytes) in [
            (
                "MemTotal: 100 kB\nMemAvailable:    2048 kB\n",
                Some(2 << 20),
            ),
            ("MemAvailable: 2048 MB\n", None),
            ("MemAvailable: -1 kB\n", None),
            ("MemAvailable: 18446744073709551615 kB\n", None),
            ("", None),
        ] {
            assert_eq!(available(text), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_and_times_are_said_as_people_say_them() {
        for (bytes, said) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (10 << 30, "10.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(rounded(bytes), said);
        }
        for (seconds, said) in [
            (5, "5 s"),
            (59 * 60, "59 min"),
            (7_200, "2 h"),
            (200_000, "2 d"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), said);
        }
    }
}
