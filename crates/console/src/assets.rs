//! What pages refer to, which is in the program itself.

/// Something that pages refer to.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where it is found. The name changes with each version of the program, so that a browser may
    /// keep it for ever.
    pub path: &'static str,
    /// What it is.
    pub media_type: &'static str,
    /// What is in it.
    pub content: &'static str,
}

/// How pages look.
pub(crate) const STYLE: Asset = Asset {
    path: concat!("/assets/", env!("CARGO_PKG_VERSION"), "/console.css"),
    media_type: "text/css; charset=utf-8",
    content: include_str!("../assets/console.css"),
};

/// What keeps pages as they are now.
pub(crate) const SCRIPT: Asset = Asset {
    path: concat!("/assets/", env!("CARGO_PKG_VERSION"), "/console.js"),
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("../assets/console.js"),
};

/// Everything that pages refer to.
pub const ASSETS: &[Asset] = &[STYLE, SCRIPT];
