//! Shipping as the command line does it: the same code reads, packs, uploads and ships.

use leadsman_api::{Client, Shipped};

use super::scratch::Scratch;
use crate::cli::Global;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Color, Output};
use crate::shipment::{self, Prepared};

/// Ships what lies in the scratch folder to the Leadsman that has its state there.
pub(super) struct Sender {
    context: Context,
    output: Output,
}

impl Sender {
    pub(super) fn new(scratch: &Scratch) -> anyhow::Result<Self> {
        // The story says what matters; what the command line would say about it would be too much.
        let (color, quiet, json) = (Color::Never, true, false);
        let output = Output::new(color, quiet, json);
        let global = Global {
            state: Some(scratch.state()),
            file: Some(scratch.project_file()),
            environment: None,
            server: None,
            token_file: None,
            reason: None,
            json,
            color,
            quiet,
        };
        let context = Context::new(&global, output).map_err(|failure| as_error(&failure))?;
        Ok(Self { context, output })
    }

    /// Returns the client of that Leadsman.
    pub(super) fn client(&self) -> Client {
        self.context.client()
    }

    /// Packs what the project file describes.
    pub(super) fn pack(&self, note: &str) -> anyhow::Result<Prepared> {
        let packed = shipment::prepare(&self.context, Some(note.to_owned()));
        packed.map_err(|failure| as_error(&failure))
    }

    /// Uploads and ships it.
    pub(super) async fn send(&self, prepared: Prepared) -> anyhow::Result<Shipped> {
        let client = self.client();
        let uploaded = prepared.upload(&client, self.output).await;
        let shipment = uploaded.map_err(|failure| as_error(&failure))?;
        Ok(client.ship(&shipment).await?)
    }
}

/// Turns a failure of the command line back into an error with the same causes.
fn as_error(failure: &Failure) -> anyhow::Error {
    let mut causes = failure.causes.iter().rev();
    let Some(deepest) = causes.next() else {
        return anyhow::Error::msg(failure.message.clone());
    };
    causes
        .fold(anyhow::Error::msg(deepest.clone()), |error, cause| {
            error.context(cause.clone())
        })
        .context(failure.message.clone())
}
