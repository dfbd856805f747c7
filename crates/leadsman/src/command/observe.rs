//! What is to be seen of the data plane's requests, as options of `leadsman up`.

use std::net::SocketAddr;

use leadsman_proxy::{AccessLog, Config, Traces};

use crate::folder::StateFolder;

/// How many earlier files of the access log are kept.
const KEPT: u32 = 3;

/// What is to be seen of requests.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "What is seen of requests")]
pub(crate) struct Observe {
    /// Write a line of JSON for requests into `access/access.log` in the state folder: for this share
    /// of them, and for all that failed
    #[arg(
        long,
        value_name = "SHARE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100%"
    )]
    access_log: Option<Share>,
    /// Write down queries too; they may hold secrets
    #[arg(long, requires = "access_log")]
    access_log_query: bool,
    /// How much room the access log may take, in MiB; the oldest lines go first
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(4..=1_048_576))]
    access_log_room: u32,
    /// Show the data plane's metrics to Prometheus at this address, by http at `/metrics`; whoever can
    /// connect may read them
    #[arg(long, value_name = "ADDRESS", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,
    /// Tell an OpenTelemetry collector of requests, as spans: by OTLP over http, at `/v1/traces` below
    /// this URL
    #[arg(long, value_name = "URL", value_parser = collector)]
    traces: Option<String>,
    /// The share of requests that is told, where it is not said by who is trusted
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "100%",
        requires = "traces"
    )]
    traces_share: Share,
    /// Give requests no names (`x-request-id`), and pass on those that they come with
    #[arg(long)]
    no_request_ids: bool,
}

/// A share of requests, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share(f64);

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
        percent
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(Self)
            .ok_or_else(|| "a share is a percentage, such as `5%`".to_owned())
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Share {
    /// Returns it as a number from 0 to 1.
    fn of_one(self) -> f64 {
        self.0 / 100.0
    }
}

/// Reads an address with a port that can be found again.
fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    let address: Option<SocketAddr> = text.parse().ok();
    address
        .filter(|address| address.port() != 0)
        .ok_or_else(|| "an address has a number and a port, such as `127.0.0.1:9100`".to_owned())
}

/// Reads the URL of a collector.
fn collector(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#@\"".contains(&byte);
    let is_url = !authority.is_empty() && text.bytes().all(is_plain);
    let what = "the URL of a collector begins with `http://`, such as `http://127.0.0.1:4318`";
    is_url
        .then(|| text.to_owned())
        .ok_or_else(|| what.to_owned())
}

impl Observe {
    /// Returns the arguments that say the same to another process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self {
            access_log,
            access_log_query,
            access_log_room,
            metrics,
            traces,
            traces_share,
            no_request_ids,
        } = self;
        let mut arguments = Vec::new();
        if let Some(share) = access_log {
            arguments.push(format!("--access-log={share}"));
            arguments.push(format!("--access-log-room={access_log_room}"));
        }
        arguments.extend(metrics.map(|address| format!("--metrics={address}")));
        if let Some(collector) = traces {
            arguments.push(format!("--traces={collector}"));
            arguments.push(format!("--traces-share={traces_share}"));
        }
        let flags = [
            (*access_log_query, "--access-log-query"),
            (*no_request_ids, "--no-request-ids"),
        ];
        let given = flags.into_iter().filter(|(is_given, _)| *is_given);
        arguments.extend(given.map(|(_, flag)| flag.to_owned()));
        arguments
    }

    /// Sets the data plane up accordingly.
    pub(crate) fn set_up(&self, config: &mut Config, state: &StateFolder) {
        config.request_ids = !self.no_request_ids;
        config.metrics = self.metrics;
        config.traces = self.traces.as_ref().map(|collector| Traces {
            share: self.traces_share.of_one(),
            ..Traces::to(collector)
        });
        config.access_log = self.access_log.map(|share| AccessLog {
            share: share.of_one(),
            query: self.access_log_query,
            bytes_max: u64::from(self.access_log_room) * 1024 * 1024 / u64::from(KEPT + 1),
            kept: KEPT as usize,
            ..AccessLog::at(state.access_log())
        });
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn read(arguments: &[&str]) -> Result<Observe, clap::Error> {
        let command = Observe::augment_args(clap::Command::new("up").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        Observe::from_arg_matches(&matches)
    }

    #[test]
    fn a_process_is_told_what_the_other_one_was() {
        for (given, told) in [
            (&[][..], &[][..]),
            (
                &["--access-log"],
                &["--access-log=100%", "--access-log-room=256"],
            ),
            (
                &[
                    "--access-log=0.5%",
                    "--access-log-query",
                    "--access-log-room=8",
                ],
                &[
                    "--access-log=0.5%",
                    "--access-log-room=8",
                    "--access-log-query",
                ],
            ),
            (
                &["--traces", "http://127.0.0.1:4318", "--traces-share=5%"],
                &["--traces=http://127.0.0.1:4318", "--traces-share=5%"],
            ),
            (
                &["--no-request-ids", "--metrics", "[::1]:9100"],
                &["--metrics=[::1]:9100", "--no-request-ids"],
            ),
        ] {
            let observe = read(given).unwrap();
            assert_eq!(observe.arguments(), told);
            assert_eq!(read(told).unwrap().arguments(), told);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for given in [
            "--access-log=101%",
            "--access-log=5",
            "--access-log=-1%",
            "--access-log=NaN%",
            "--access-log-query",
            "--access-log-room=0",
            "--metrics=localhost:9100",
            "--metrics=127.0.0.1:0",
            "--traces=https://collector.example",
            "--traces=http://",
            "--traces=http://user@collector.example",
            "--traces-share=5%",
        ] {
            assert!(read(&[given]).is_err(), "{given}");
        }
    }

    #[test]
    fn the_access_log_lies_in_the_state_folder_and_has_its_room() {
        let state = StateFolder::new("/var/lib/leadsman");
        let mut config = Config::new(state.proxy(), state.proxy_socket());
        read(&[]).unwrap().set_up(&mut config, &state);
        assert_eq!(
            (config.access_log.as_ref(), config.request_ids),
            (None, true)
        );
        let observe = read(&["--access-log=5%", "--no-request-ids"]).unwrap();
        observe.set_up(&mut config, &state);
        let log = config.access_log.unwrap();
        assert_eq!(log.path, state.path().join("access").join("access.log"));
        assert_eq!(log.bytes_max * 4, 256 * 1024 * 1024);
        assert!((log.share - 0.05).abs() < 1e-9 && !config.request_ids);
    }
}
