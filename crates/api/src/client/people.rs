//! What is asked about people, tokens, webhooks and the audit.

use http::Method;

use super::{Client, Error};
use crate::path::{self, fill, with_query};
use crate::{
    Audit, AuditQuery, BeginSignIn, BegunSignIn, Changed, CreatedToken, CreatedWebhook,
    FinishSignIn, NewToken, NewWebhook, People, PeopleCommand, Tokens, Webhooks,
};

impl Client {
    /// Says who there is.
    pub async fn people(&self) -> Result<People, Error> {
        self.get("people", path::PEOPLE.to_owned()).await
    }

    /// Gives an order about people. When this returns `Ok`, it is recorded and holds.
    pub async fn about_people(&self, command: &PeopleCommand) -> Result<Changed, Error> {
        let request = self.post("people", path::PEOPLE.to_owned(), command);
        self.act(request).await
    }

    /// Returns the tokens of everybody or, where that is not allowed, one's own.
    pub async fn tokens(&self) -> Result<Tokens, Error> {
        self.get("token list", path::TOKENS.to_owned()).await
    }

    /// Makes a token. It is never shown again.
    pub async fn create_token(&self, new: &NewToken) -> Result<CreatedToken, Error> {
        let request = self.post("token create", path::TOKENS.to_owned(), new);
        self.act(request).await
    }

    /// Ends a token.
    pub async fn revoke_token(&self, number: u64) -> Result<Changed, Error> {
        let path = fill(path::TOKEN, &[&number.to_string()]);
        let request = self.request("token revoke", Method::DELETE, path);
        self.act(request).await
    }

    /// Begins to sign in.
    pub async fn begin_sign_in(&self, wish: &BeginSignIn) -> Result<BegunSignIn, Error> {
        let request = self.post("login", path::SIGN_IN.to_owned(), wish);
        self.json(request).await
    }

    /// Ends signing in with what the provider led back with; returns a token that lives for a
    /// while.
    pub async fn finish_sign_in(&self, wish: &FinishSignIn) -> Result<CreatedToken, Error> {
        let mut request = self.post("login", path::SIGN_IN_END.to_owned(), wish);
        request.changes = true;
        self.json(request).await
    }

    /// Returns every webhook.
    pub async fn webhooks(&self) -> Result<Webhooks, Error> {
        self.get("webhook list", path::WEBHOOKS.to_owned()).await
    }

    /// Adds a webhook. Its secret is never shown again.
    pub async fn add_webhook(&self, new: &NewWebhook) -> Result<CreatedWebhook, Error> {
        let request = self.post("webhook add", path::WEBHOOKS.to_owned(), new);
        self.act(request).await
    }

    /// Removes a webhook: what is sent to it is refused from then on.
    pub async fn remove_webhook(&self, name: &str) -> Result<Changed, Error> {
        let path = fill(path::WEBHOOK, &[name]);
        let request = self.request("webhook remove", Method::DELETE, path);
        self.act(request).await
    }

    /// Searches the audit.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Audit, Error> {
        let pairs = [
            ("actor", query.actor.clone()),
            ("since", query.since.map(|since| since.to_string())),
            ("until", query.until.map(|until| until.to_string())),
            ("kind", query.kind.clone()),
            ("about", query.about.clone()),
            ("people", query.people.map(|people| people.to_string())),
            ("before", query.before.map(|before| before.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
        ];
        self.get("audit list", with_query(path::AUDIT, &pairs))
            .await
    }
}
