//! The API over its real socket, on an engine among fakes.

mod answers;
mod browser;
mod console;
mod console_confirm;
mod console_release;
mod console_search;
mod console_service;
mod console_settings;
mod console_sign_in;
mod events;
#[cfg(test)]
#[path = "../../../proxy/tests/it/exposition.rs"]
mod exposition;
mod keys;
#[cfg(test)]
mod metrics;
mod network;
mod openapi;
mod people;
mod provider;
mod raw;
mod replay;
mod rights;
mod served;
mod shelf;
mod sign_in;
mod subscriptions;
mod webhooks;
