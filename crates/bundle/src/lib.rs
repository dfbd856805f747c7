//! The program that serves a bundle: the files of a folder, as they were when it began.
//!
//! What there is, is found out once, at the start. A request is looked up among what was found and
//! never becomes a path of the file system, so that nothing outside of the folder can be asked for.
//! Nobody may write to the folder meanwhile; unpacked artifacts are like that.
//!
//! It knows no releases and no weights, and it encrypts nothing: the data plane stands in front of
//! it. It gives no time of change either. Packed files have none, and by the time when they were
//! unpacked a release that comes back would look older than the one that it replaces. Their `ETag`,
//! which is the digest of what is sent, says all that a client can want to know.
//!
//! Read first: [`Site`] (what is served), `answer` (a request and what comes of it), `form` (the
//! forms in which a file can be sent).

mod answer;
mod body;
mod coding;
mod condition;
mod fingerprint;
mod form;
mod media;
mod path;
mod serve;
mod site;

pub use serve::{ServeError, serve};
pub use site::{Site, SiteError};
