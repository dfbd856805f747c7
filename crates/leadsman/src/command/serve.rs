//! `leadsman serve`: the files of a folder, as an instance of a service that serves files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use leadsman_core::bundle::Bundle;

use crate::codes::Code;
use crate::context::Context;
use crate::control;
use crate::failure::Failure;

/// Serve the files of a folder; the runtime does that
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The port to listen on, for this machine alone
    #[arg(long)]
    port: u16,
    /// How they are served, as the release says it
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = bundle)]
    bundle: Bundle,
}

fn bundle(text: &str) -> Result<Bundle, serde_json::Error> {
    serde_json::from_str(text)
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    control::listen_to_tracing(context);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    leadsman_bundle::serve(&args.folder, args.bundle.clone(), address)
        .map_err(|error| Failure::of(Code::NotStarted, &error))
}
