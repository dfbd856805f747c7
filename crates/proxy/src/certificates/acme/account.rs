//! The account at an ACME server: made once, and kept.

use std::fs;
use std::io;
use std::path::PathBuf;

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use super::https::Https;
use super::{Error, on_disk, sync_folder_of, write};
use crate::certificates::Secrets;
use crate::table::Acme;

/// What the server says of an account that it does not know (any more).
const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The server that it is at.
    directory: String,
    contact: Vec<String>,
    /// As the library writes them.
    credentials: serde_json::Value,
}

/// Returns the account at the server of `acme`, which is made if there is none.
pub(super) async fn account(acme: &Acme, secrets: &Secrets) -> Result<Account, Error> {
    let https = Https::new(acme.roots.as_deref())
        .await
        .map_err(Error::Roots)?;
    let builder = || Account::builder_with_http(Box::new(https.clone()));
    let path = path(acme, secrets);
    let contact: Vec<String> = acme
        .contact
        .iter()
        .map(|address| format!("mailto:{address}"))
        .collect();
    let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
    if let Some(mut kept) = read(path.clone()).await.map_err(Error::Account)?
        && kept.directory == acme.directory
        && let Ok(credentials) = AccountCredentials::deserialize(&kept.credentials)
    {
        let account = builder().from_credentials(credentials).await?;
        if kept.contact != acme.contact {
            account.update_contacts(&contacts).await?;
            kept.contact.clone_from(&acme.contact);
            keep(path, &kept).await.map_err(Error::Account)?;
        }
        return Ok(account);
    }
    let new = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder().create(&new, acme.directory.clone(), None).await?;
    let kept = Kept {
        directory: acme.directory.clone(),
        contact: acme.contact.clone(),
        credentials: serde_json::to_value(credentials)
            .map_err(|error| Error::Account(error.into()))?,
    };
    keep(path, &kept).await.map_err(Error::Account)?;
    Ok(account)
}

/// Forgets the account at the server of `acme`, if `error` says that there is none.
pub(super) async fn forget_if_unknown(error: &Error, acme: &Acme, secrets: &Secrets) {
    let is_unknown = matches!(error, Error::Server(instant_acme::Error::Api(problem))
        if problem.r#type.as_deref() == Some(UNKNOWN));
    if is_unknown {
        let path = path(acme, secrets);
        // One that stays is found out about once more.
        drop(on_disk(move || fs::remove_file(path)).await);
    }
}

/// One file for each server.
fn path(acme: &Acme, secrets: &Secrets) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = acme.directory.chars().map(plain).take(100).collect();
    secrets.folder().join(format!("account-{name}.json"))
}

/// Reads what was kept; what cannot be understood is as good as nothing.
async fn read(path: PathBuf) -> io::Result<Option<Kept>> {
    on_disk(move || match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

async fn keep(path: PathBuf, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_vec(kept)?;
    on_disk(move || {
        let scratch = path.with_extension("new");
        write(&scratch, &text)?;
        fs::rename(&scratch, &path)?;
        sync_folder_of(&path)
    })
    .await
}
