//! What kind of content a file is, by its name.

use http::HeaderValue;

/// The kind of a file's content.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    pub(crate) name: HeaderValue,
    /// Whether it gets smaller when it is compressed: text does, pictures are compressed already.
    pub(crate) shrinks: bool,
    pub(crate) is_page: bool,
}

/// What a front end is made of. Everything else is bytes that no browser tries to understand.
/// Text is in UTF-8, as all tools write it.
#[rustfmt::skip]
const KINDS: &[(&[&str], &str, bool)] = &[
    (&["html", "htm"], "text/html; charset=utf-8", true),
    (&["css"], "text/css; charset=utf-8", true),
    (&["js", "mjs", "cjs"], "text/javascript; charset=utf-8", true),
    (&["json", "map"], "application/json", true),
    (&["webmanifest"], "application/manifest+json", true),
    (&["jsonld"], "application/ld+json", true),
    (&["geojson"], "application/geo+json", true),
    (&["svg"], "image/svg+xml; charset=utf-8", true),
    (&["xml", "xsl"], "text/xml; charset=utf-8", true),
    (&["xhtml"], "application/xhtml+xml", true),
    (&["rss"], "application/rss+xml", true),
    (&["atom"], "application/atom+xml", true),
    (&["txt", "text", "log"], "text/plain; charset=utf-8", true),
    (&["md", "markdown"], "text/markdown; charset=utf-8", true),
    (&["csv"], "text/csv; charset=utf-8", true),
    (&["vtt"], "text/vtt; charset=utf-8", true),
    (&["ics"], "text/calendar; charset=utf-8", true),
    (&["yaml", "yml"], "application/yaml", true),
    (&["toml"], "application/toml", true),
    (&["wasm"], "application/wasm", true),
    (&["ttf"], "font/ttf", true),
    (&["otf"], "font/otf", true),
    (&["eot"], "application/vnd.ms-fontobject", true),
    (&["woff"], "font/woff", false),
    (&["woff2"], "font/woff2", false),
    (&["ico"], "image/x-icon", true),
    (&["bmp"], "image/bmp", true),
    (&["png"], "image/png", false),
    (&["apng"], "image/apng", false),
    (&["jpg", "jpeg"], "image/jpeg", false),
    (&["gif"], "image/gif", false),
    (&["webp"], "image/webp", false),
    (&["avif"], "image/avif", false),
    (&["heic"], "image/heic", false),
    (&["tif", "tiff"], "image/tiff", false),
    (&["mp3"], "audio/mpeg", false),
    (&["m4a"], "audio/mp4", false),
    (&["aac"], "audio/aac", false),
    (&["ogg", "oga", "opus"], "audio/ogg", false),
    (&["flac"], "audio/flac", false),
    (&["wav"], "audio/wav", false),
    (&["weba"], "audio/webm", false),
    (&["mp4", "m4v"], "video/mp4", false),
    (&["webm"], "video/webm", false),
    (&["ogv"], "video/ogg", false),
    (&["mov"], "video/quicktime", false),
    (&["pdf"], "application/pdf", false),
    (&["zip"], "application/zip", false),
    (&["gz"], "application/gzip", false),
    (&["glb"], "model/gltf-binary", true),
    (&["gltf"], "model/gltf+json", true),
];

/// Returns the kind of the file called `name`.
pub(crate) fn of(name: &str) -> Media {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension = extension.to_ascii_lowercase();
    let known = KINDS
        .iter()
        .find(|(known, ..)| known.contains(&&*extension));
    let (name, shrinks) = known
        .map_or(("application/octet-stream", false), |(_, name, shrinks)| {
            (*name, *shrinks)
        });
    Media {
        name: HeaderValue::from_static(name),
        shrinks,
        is_page: matches!(&*extension, "html" | "htm" | "xhtml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_is() {
        for (name, expected, shrinks) in [
            ("index.html", "text/html; charset=utf-8", true),
            ("APP.JS", "text/javascript; charset=utf-8", true),
            ("app.js.map", "application/json", true),
            ("a.wasm", "application/wasm", true),
            ("a.png", "image/png", false),
            ("a.unknown", "application/octet-stream", false),
            ("html", "application/octet-stream", false),
            ("", "application/octet-stream", false),
        ] {
            let media = of(name);
            assert_eq!(
                (media.name.to_str().unwrap(), media.shrinks),
                (expected, shrinks),
                "{name}"
            );
        }
    }

    #[test]
    fn no_extension_is_there_twice() {
        let mut all: Vec<&str> = KINDS
            .iter()
            .flat_map(|(known, ..)| known.iter().copied())
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
