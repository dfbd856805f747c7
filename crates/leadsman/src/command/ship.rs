//! `leadsman ship`: a new release, into one environment.

use leadsman_api::Shipped;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::follow::{self, Followed};
use crate::render::words::clean;
use crate::shipment;
use crate::target::Target;

/// Ship what the project file describes, and watch it until it has all traffic or went back
///
/// Ends with status 0 once the release has all traffic, with 4 if it went back, and with 1 if a
/// newer one took its place, a person has to decide, or it waits to enter. Ctrl-C ends the
/// watching, not the rollout.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Return as soon as the release is recorded
    #[arg(long, short)]
    detach: bool,
    /// What to remember about the release
    #[arg(long, short = 'm', value_name = "TEXT")]
    note: Option<String>,
    /// Why it cannot wait: it takes the expedited way, if the environment has one
    #[arg(long, value_name = "REASON")]
    expedite: Option<String>,
    /// Why it comes in although its migration leaves what serves without a way back
    #[arg(long, value_name = "REASON")]
    one_way: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let output = context.output;
    let client = context.client();
    // Without control there is no use in packing anything.
    client.system().await?;
    let prepared = shipment::prepare(context, args.note.clone())?;
    let mut shipment = prepared.upload(&client, output).await?;
    shipment.expedite.clone_from(&args.expedite);
    shipment.one_way.clone_from(&args.one_way);
    let shipped = client.ship(&shipment).await?;
    if args.detach {
        return output.either(&shipped, |shipped| format!("{}\n", headline(shipped)));
    }
    output.talk(&headline(&shipped));
    if shipped.waits {
        output.talk("see what it lacks with `leadsman requests`; it enters by itself");
        if output.is_json() {
            output.json(&json!({ "shipped": shipped }), false)?;
        }
        return Err(Failure::silent(Exit::Failed));
    }
    let target = Target {
        application: shipped.application.clone(),
        environment: shipped.environment.clone(),
    };
    let release = shipped.release;
    let followed = Followed {
        target,
        version: shipped.version,
        release,
        deployment: shipped.deployment,
    };
    let deployment = tokio::select! {
        deployment = follow::follow(context, &client, &followed) => {
            deployment.map_err(|failure| unwatched(failure, release))?
        }
        _ = tokio::signal::ctrl_c() => {
            output.talk(&format!(
                "release {release} goes on without being watched: `leadsman status --watch` \
                 shows it, `leadsman abort` takes it back"
            ));
            return Err(Failure::silent(Exit::Interrupted));
        }
    };
    if output.is_json() {
        output.json(
            &json!({ "shipped": shipped, "deployment": deployment }),
            false,
        )?;
    }
    follow::verdict(&deployment)?;
    if !output.is_json() {
        output.data(&format!("release {release} has all traffic\n"))?;
    }
    Ok(())
}

/// Says of a failure to watch what it does not mean: the release is recorded all the same.
fn unwatched(failure: Failure, release: u64) -> Failure {
    if failure.exit != Exit::NoControl {
        return failure;
    }
    let hint = format!(
        "release {release} is recorded and goes on as soon as control runs: `leadsman status \
         --watch` shows it"
    );
    Failure {
        hints: vec![hint],
        ..failure
    }
}

fn headline(shipped: &Shipped) -> String {
    let Shipped {
        application,
        environment,
        sentence,
        ..
    } = shipped;
    format!("{application}/{environment}: {}", clean(sentence))
}
