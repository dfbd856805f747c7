//! What is asked about subscriptions.

use http::Method;

use super::{Client, Error};
use crate::path::{self, fill, with_query};
use crate::{
    Changed, CreatedSubscription, Deliveries, NewSubscription, Subscriptions, SubscriptionsQuery,
    Tested,
};

impl Client {
    /// Returns every subscription.
    pub async fn subscriptions(&self, query: &SubscriptionsQuery) -> Result<Subscriptions, Error> {
        let pairs = [("urls", query.urls.map(|urls| urls.to_string()))];
        let path = with_query(path::SUBSCRIPTIONS, &pairs);
        self.get("subscription list", path).await
    }

    /// Adds a subscription, which is told of what happens from now on. Its secret is never shown
    /// again.
    pub async fn add_subscription(
        &self,
        new: &NewSubscription,
    ) -> Result<CreatedSubscription, Error> {
        let path = path::SUBSCRIPTIONS.to_owned();
        let mut request = self.post("subscription add", path, new);
        request.changes = true;
        self.json(request).await
    }

    /// Removes a subscription: it is told nothing more.
    pub async fn remove_subscription(&self, name: &str) -> Result<Changed, Error> {
        let path = fill(path::SUBSCRIPTION, &[name]);
        let mut request = self.request("subscription remove", Method::DELETE, path);
        request.changes = true;
        self.json(request).await
    }

    /// Makes another secret for a subscription; the one before signs, too, for a day.
    pub async fn renew_subscription_secret(
        &self,
        name: &str,
    ) -> Result<CreatedSubscription, Error> {
        let path = fill(path::SUBSCRIPTION_SECRET, &[name]);
        let mut request = self.request("subscription secret", Method::POST, path);
        request.changes = true;
        self.json(request).await
    }

    /// Sends a subscription a notice that tells of nothing, and says what came back.
    pub async fn test_subscription(&self, name: &str) -> Result<Tested, Error> {
        let path = fill(path::SUBSCRIPTION_TEST, &[name]);
        self.json(self.request("subscription test", Method::POST, path))
            .await
    }

    /// Says how telling a subscription goes.
    pub async fn deliveries(&self, name: &str) -> Result<Deliveries, Error> {
        let path = fill(path::SUBSCRIPTION_DELIVERIES, &[name]);
        self.get("subscription deliveries", path).await
    }
}
