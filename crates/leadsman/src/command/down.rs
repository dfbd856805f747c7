//! `leadsman down`: ends control, the data plane and every instance.

use std::time::{Duration, Instant};

use leadsman_api::Error;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// How long everything together may take to end. Instances drain and get their grace first.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long after one look at the socket the next one is made.
const PAUSE: Duration = Duration::from_millis(50);

/// End Leadsman and everything that it runs, in order
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, Args {}: &Args) -> Result<(), Failure> {
    let client = context.client();
    let system = client.down().await?;
    context.output.talk(&format!(
        "Leadsman (process {}) ends everything it runs",
        system.pid
    ));
    let begun = Instant::now();
    loop {
        match client.system().await {
            Err(Error::NotRunning { .. }) => break,
            // Another one was started meanwhile: the one that was meant is gone.
            Ok(other) if other.pid != system.pid => break,
            Ok(_) | Err(_) if begun.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            Ok(_) | Err(_) => {
                let message = format!("process {} still runs after 10 minutes", system.pid);
                return Err(Failure::new(Code::NoAnswer, message).exit(Exit::NoControl));
            }
        }
    }
    context
        .output
        .either(&system, |_| "everything has ended\n".to_owned())
}
