//! What is shipped: the project file, and the artifacts it names, packed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, stream};
use leadsman_api::{Client, Shipment};
use leadsman_bundle::{Site, SiteError};
use leadsman_core::id::Digest;
use leadsman_runtime::artifact;
use tokio::io::AsyncReadExt as _;

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, Screen};
use crate::project;
use crate::render::words;

/// How many bytes of an artifact are sent at once.
const CHUNK: usize = 256 << 10;

/// How long the progress of an upload stays as it was drawn.
const FRAME: Duration = Duration::from_millis(100);

/// A shipment with its packed artifacts.
pub(crate) struct Prepared {
    /// What is sent.
    pub(crate) shipment: Shipment,
    /// The artifacts, by their path in the project file; empty where nothing is to be uploaded.
    artifacts: BTreeMap<String, Packed>,
}

/// One packed artifact.
struct Packed {
    digest: Digest,
    size: u64,
    /// Its bytes, in a file that has no name any more.
    file: File,
}

/// Reads the project file, and says what shipping it would send. Nothing is kept for an upload.
pub(crate) fn outline(context: &Context) -> Result<Shipment, Failure> {
    let mut digests = BTreeMap::new();
    describe(context, None, |path, at| {
        if let Some(digest) = digests.get(path) {
            return Ok(Digest::clone(digest));
        }
        let digest = artifact::pack(at, io::sink()).map_err(|error| not_packed(path, &error))?;
        digests.insert(path.to_owned(), digest.clone());
        Ok(digest)
    })
}

/// Reads the project file and packs the artifacts that it names for the environment that is meant.
pub(crate) fn prepare(context: &Context, note: Option<String>) -> Result<Prepared, Failure> {
    let mut artifacts: BTreeMap<String, Packed> = BTreeMap::new();
    let shipment = describe(context, note, |path, at| {
        if let Some(packed) = artifacts.get(path) {
            return Ok(packed.digest.clone());
        }
        let packed = pack(path, at)?;
        let digest = packed.digest.clone();
        artifacts.insert(path.to_owned(), packed);
        Ok(digest)
    })?;
    Ok(Prepared {
        shipment,
        artifacts,
    })
}

/// Describes what is shipped; `digest_of` is asked for the artifact of each path.
fn describe(
    context: &Context,
    note: Option<String>,
    mut digest_of: impl FnMut(&str, &std::path::Path) -> Result<Digest, Failure>,
) -> Result<Shipment, Failure> {
    let file = context.project()?;
    let project = file.parse()?;
    let spec = project::environment(&project, context.environment.as_deref())?;
    let origin = file.folder().to_str().ok_or_else(|| {
        let message = format!(
            "the name of folder `{}` is not UTF-8",
            file.folder().display()
        );
        Failure::new(Code::ProjectFileUnreadable, message)
    })?;
    let mut digests = BTreeMap::new();
    for (name, service) in &spec.services {
        if let Some(path) = &service.artifact {
            let at = file.folder().join(path);
            if let Some(bundle) = &service.serve {
                let folder = at.join(&service.folder);
                Site::open(&folder, bundle.clone()).map_err(|error| not_servable(path, &error))?;
            }
            let digest = digest_of(path, &at)?;
            digests.insert(name.to_string(), digest.to_string());
        }
    }
    Ok(Shipment {
        project: file.text.clone(),
        file: file.name(),
        origin: origin.to_owned(),
        environment: Some(spec.environment.to_string()),
        artifacts: digests,
        note,
        expedite: None,
        one_way: None,
    })
}

/// Packs what lies at `at` into a file without a name.
fn pack(path: &str, at: &std::path::Path) -> Result<Packed, Failure> {
    let unwritten = |error: io::Error| {
        let message = format!("failed to keep the packed artifact `{path}`");
        let folder = std::env::temp_dir();
        Failure::new(Code::NotPacked, message)
            .because(&error)
            .hint(format!(
                "there must be room for it in `{}` (TMPDIR)",
                folder.display()
            ))
    };
    let mut writer = BufWriter::new(tempfile::tempfile().map_err(unwritten)?);
    let digest = artifact::pack(at, &mut writer).map_err(|error| not_packed(path, &error))?;
    writer.flush().map_err(unwritten)?;
    let mut file = writer
        .into_inner()
        .map_err(|error| unwritten(error.into_error()))?;
    let size = file.stream_position().map_err(unwritten)?;
    file.rewind().map_err(unwritten)?;
    Ok(Packed { digest, size, file })
}

/// What an instance would say as well, only later.
fn not_servable(path: &str, error: &SiteError) -> Failure {
    Failure::new(
        Code::NotServable,
        format!("the folder `{path}` cannot be served"),
    )
    .because(error)
}

fn not_packed(path: &str, error: &artifact::PackError) -> Failure {
    Failure::new(
        Code::NotPacked,
        format!("failed to pack the artifact `{path}`"),
    )
    .because(error)
}

impl Prepared {
    /// Uploads the artifacts that control does not have yet.
    pub(crate) async fn upload(
        mut self,
        client: &Client,
        output: Output,
    ) -> Result<Shipment, Failure> {
        while let Some((path, packed)) = self.artifacts.pop_first() {
            let Packed { digest, size, file } = packed;
            if client.has_artifact(digest.as_str()).await? {
                continue;
            }
            output.talk(&format!("uploading `{path}`, {}", words::size(size)));
            let bytes = chunks(file, Progress::new(path, size, output));
            client.put_artifact(digest.as_str(), size, bytes).await?;
        }
        Ok(self.shipment)
    }
}

/// Returns the bytes of a file in pieces, and shows how far they are.
fn chunks(
    file: File,
    progress: Progress,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let start = (tokio::fs::File::from_std(file), progress);
    stream::try_unfold(start, |(mut file, mut progress)| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = (&mut file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .await?;
        progress.advance(read as u64);
        Ok((read > 0).then(|| (Bytes::from(chunk), (file, progress))))
    })
}

/// Shows how far an upload is, on a terminal.
struct Progress {
    path: String,
    size: u64,
    sent: u64,
    output: Output,
    drawn_at: Instant,
    lines: usize,
}

impl Progress {
    fn new(path: String, size: u64, output: Output) -> Self {
        Self {
            path,
            size,
            sent: 0,
            output,
            drawn_at: Instant::now(),
            lines: 0,
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.sent += bytes;
        if !self.output.can_redraw(Screen::Talk) {
            return;
        }
        if bytes == 0 {
            // The line has served its purpose.
            self.lines = self.output.redraw(Screen::Talk, self.lines, "");
        } else if self.drawn_at.elapsed() >= FRAME {
            let Self {
                path, size, sent, ..
            } = self;
            let bar = words::bar(*sent, *size, 12);
            let line = format!(
                "  {path}  {bar}  {} of {}",
                words::size(*sent),
                words::size(*size)
            );
            self.lines = self.output.redraw(Screen::Talk, self.lines, &line);
            self.drawn_at = Instant::now();
        }
    }
}
