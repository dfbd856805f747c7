//! `leadsman webhook`: has GitHub or GitLab tell Leadsman of what is pushed there.

use std::path::{Path, PathBuf};

use leadsman_api::NewWebhook;

use crate::context::Context;
use crate::failure::Failure;
use crate::render::people;
use crate::render::words::clean;
use crate::{git, remote};

/// Have GitHub or GitLab tell Leadsman of what is pushed there
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Add a webhook and print its secret, this once
    Add(Add),
    /// List the webhooks, without their secrets
    List,
    /// Remove a webhook: what is sent to it is refused from then on
    Remove {
        /// What it is called
        name: String,
    },
}

/// The webhook that is wanted.
#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called, such as `shop`: a part of the address that it is sent to
    name: String,
    /// Who sends it: `github` or `gitlab`
    #[arg(long, value_name = "SENDER")]
    from: String,
    /// The application whose runs it may begin
    #[arg(long = "for", value_name = "APPLICATION")]
    application: String,
    /// Where the commit is fetched from, such as `https://github.com/acme/shop.git`
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "repository",
        required_unless_present = "repository"
    )]
    url: Option<String>,
    /// A repository on the machine of Leadsman, which has the commit before it is told of
    #[arg(long, value_name = "FOLDER")]
    repository: Option<PathBuf>,
    /// What the sender calls the repository, such as `acme/shop` [default: what the URL says]
    #[arg(long, value_name = "NAME")]
    called: Option<String>,
    /// The project file, relative to the top of the repository
    #[arg(long, value_name = "FILE", default_value = "leadsman.yaml")]
    project_file: String,
    /// A file with the secret that the sender has already, which nobody else may read [default: one
    /// is made]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let client = context.client();
    match &args.subcommand {
        Subcommand::Add(add) => {
            let made = client.add_webhook(&wanted(context, add)?).await?;
            let webhook = &made.webhook;
            context.output.talk(&format!(
                "webhook `{}` begins runs of `{}`: have {} send pushes as `application/json` to {}",
                clean(&webhook.name),
                clean(&webhook.application),
                clean(&webhook.called),
                clean(&webhook.address),
            ));
            if made.secret.is_some() {
                context
                    .output
                    .talk("with this secret, which is not shown again:");
            }
            context.output.either(&made, |made| {
                let secret = made.secret.as_ref();
                secret.map_or_else(String::new, |secret| format!("{}\n", clean(&secret.0)))
            })
        }
        Subcommand::List => {
            let answer = client.webhooks().await?;
            context.output.either(&answer, people::webhooks)
        }
        Subcommand::Remove { name } => {
            let changed = client.remove_webhook(name).await?;
            context.output.either(&changed, |changed| {
                format!("{}\n", clean(&changed.sentence))
            })
        }
    }
}

fn wanted(context: &Context, add: &Add) -> Result<NewWebhook, Failure> {
    let secret = add.secret_file.as_deref();
    let secret = secret.map(|file| remote::read(&context.working_folder.join(file), "secret"));
    Ok(NewWebhook {
        name: add.name.clone(),
        sender: add.from.clone(),
        application: add.application.clone(),
        repository: match &add.repository {
            Some(folder) => Some(repository(context, folder)?),
            None => None,
        },
        url: add.url.clone(),
        called: add.called.clone(),
        project_file: add.project_file.clone(),
        secret: secret.transpose()?,
    })
}

/// Returns the folder that Git keeps a repository in; on another machine what was said is all that is
/// known.
fn repository(context: &Context, folder: &Path) -> Result<String, Failure> {
    if context.is_remote() {
        Ok(folder.display().to_string())
    } else {
        git::folder(&context.working_folder.join(folder))
    }
}
