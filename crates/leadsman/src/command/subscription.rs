//! `leadsman subscription`: has others told of what happens.

use std::path::PathBuf;

use leadsman_api::{CreatedSubscription, NewSubscription, SubscriptionsQuery};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::remote;
use crate::render::subscriptions;
use crate::render::words::{Clock, clean};

/// Have others told of what happens, by signed requests to addresses that you name
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Add a subscription and print its secret, this once
    Add(Add),
    /// List the subscriptions, without their secrets
    List {
        /// Show whole URLs, whose paths may be secrets, and not only their hosts
        #[arg(long)]
        urls: bool,
    },
    /// Send a notice that tells of nothing, and say what came back
    Test {
        /// What it is called
        name: String,
    },
    /// Show the last deliveries, and when it is tried next
    Deliveries {
        /// What it is called
        name: String,
    },
    /// Make another secret and print it, this once; the one before signs, too, for a day
    Secret {
        /// What it is called
        name: String,
    },
    /// Remove a subscription: it is told nothing more
    Remove {
        /// What it is called
        name: String,
    },
}

/// The subscription that is wanted.
#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called, such as `chat`
    name: String,
    /// Where notices are sent to, such as `https://hooks.example.org/leadsman`
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "url_file",
        required_unless_present = "url_file"
    )]
    url: Option<String>,
    /// A file with the URL, which nobody else may read: for a URL that is a secret
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// In which words: `leadsman` or `cdevents`
    #[arg(long, value_name = "FORMAT", default_value = "leadsman")]
    format: String,
    /// Only events of these kinds, such as `deployment_promoted,rollback_started`
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Only what is about this application, such as `shop`, or environment, such as
    /// `shop/production`
    #[arg(long = "for", value_name = "REACH")]
    about: Option<String>,
    /// Let the address be of the machine of Leadsman, or of a private network
    #[arg(long)]
    private_address: bool,
    /// Let the URL begin with `http`, although it leads to another machine: whoever is on the way
    /// can read what is told
    #[arg(long)]
    plain_http: bool,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let (client, output) = (context.client(), context.output);
    match &args.subcommand {
        Subcommand::Add(add) => {
            let made = client.add_subscription(&wanted(context, add)?).await?;
            let (name, host) = (&made.subscription.name, &made.subscription.host);
            let (name, host) = (clean(name), clean(host));
            output.talk(&format!(
                "`{host}` is told of what happens from now on; see whether that works with \
                 `leadsman subscription test {name}`"
            ));
            created(context, &made)
        }
        Subcommand::List { urls } => {
            let query = SubscriptionsQuery {
                urls: urls.then_some(true),
            };
            let answer = client.subscriptions(&query).await?;
            output.either(&answer, |answer| subscriptions::list(answer, &Clock::now()))
        }
        Subcommand::Test { name } => {
            let tested = client.test_subscription(name).await?;
            output.either(&tested, subscriptions::tested)?;
            match &tested.delivery.problem {
                None => Ok(()),
                Some(problem) => {
                    let message = format!("`{}` was not told: {}", clean(name), clean(problem));
                    let hint = "see `leadsman explain L151`; what happens is tried again by itself";
                    Err(Failure::new(Code::NotTold, message).hint(hint))
                }
            }
        }
        Subcommand::Deliveries { name } => {
            let answer = client.deliveries(name).await?;
            output.either(&answer, |answer| {
                subscriptions::deliveries(answer, &Clock::now())
            })
        }
        Subcommand::Secret { name } => {
            let made = client.renew_subscription_secret(name).await?;
            if let Some(until) = made.previous_until {
                let until = Clock::now().long(until);
                output.talk(&format!("the secret before signs, too, until {until}"));
            }
            created(context, &made)
        }
        Subcommand::Remove { name } => {
            let changed = client.remove_subscription(name).await?;
            output.either(&changed, |changed| {
                format!("{}\n", clean(&changed.sentence))
            })
        }
    }
}

fn created(context: &Context, made: &CreatedSubscription) -> Result<(), Failure> {
    context
        .output
        .talk("notices are signed by this secret, which is not shown again:");
    context
        .output
        .either(made, |made| format!("{}\n", clean(&made.secret.0)))
}

fn wanted(context: &Context, add: &Add) -> Result<NewSubscription, Failure> {
    let url = match (&add.url, &add.url_file) {
        (_, Some(file)) => remote::read(&context.working_folder.join(file), "URL")?.0,
        (url, None) => url.clone().unwrap_or_default(),
    };
    Ok(NewSubscription {
        name: add.name.clone(),
        url,
        format: Some(add.format.clone()),
        only: add.only.clone(),
        about: add.about.clone(),
        private_address: add.private_address,
        plain_http: add.plain_http,
    })
}
