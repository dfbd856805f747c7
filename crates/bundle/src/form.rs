//! The forms in which a file can be sent: as it is, and coded. Each is made when it is first wanted,
//! once, and stays.

use std::fs::File as OnDisk;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::coding::Coding;

/// The smallest file that is compressed, in bytes: a smaller one fits into one packet anyhow.
const COMPRESSED_MIN: u64 = 1 << 10;

/// The largest file that is compressed, in bytes: it is held in memory meanwhile. Larger text is for
/// the build to compress.
const COMPRESSED_MAX: u64 = 8 << 20;

/// The largest file that is kept in memory as it is, in bytes. What is larger is read while it is
/// sent, which then costs little beside sending it.
const KEPT_MAX: u64 = 256 << 10;

/// How much is read at once, in bytes.
const READ: usize = 128 << 10;

/// As well as it compresses in reasonable time (brotli knows up to 11): it is done once, and sent
/// often.
const BROTLI_QUALITY: u32 = 9;

/// How far back repetitions are found: 4 MiB, as a power of two.
const BROTLI_WINDOW: u32 = 22;

/// How much memory is left for what is kept, in bytes. What finds no room is sent from the disk, and
/// as it is.
#[derive(Debug)]
pub(crate) struct Room(AtomicU64);

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes room for so many bytes, for good. Returns whether there was any.
    fn take(&self, bytes: u64) -> bool {
        let taken = |left: u64| left.checked_sub(bytes);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, fetch, taken).is_ok()
    }
}

/// One form of a file.
#[derive(Debug)]
pub(crate) struct Form {
    /// The digest of its bytes, as a strong entity tag.
    pub(crate) tag: HeaderValue,
    /// How many bytes it has.
    pub(crate) length: u64,
    pub(crate) content: Content,
}

/// Where the bytes of a form are.
#[derive(Debug)]
pub(crate) enum Content {
    Kept(Bytes),
    OnDisk(Arc<Path>),
}

/// A file in all its forms.
#[derive(Debug)]
pub(crate) struct Forms {
    path: Arc<Path>,
    length: u64,
    shrinks: bool,
    /// Files beside it that hold it coded, in the order of [`Coding::ALL`].
    beside: [Option<Arc<Path>>; 3],
    plain: OnceCell<Form>,
    /// In the order of [`Coding::ALL`]; `None` where there is no such form.
    coded: [OnceCell<Option<Form>>; 3],
}

impl Forms {
    pub(crate) fn new(path: PathBuf, length: u64, shrinks: bool) -> Self {
        Self {
            path: path.into(),
            length,
            shrinks: shrinks && (COMPRESSED_MIN..=COMPRESSED_MAX).contains(&length),
            beside: Default::default(),
            plain: OnceCell::new(),
            coded: Default::default(),
        }
    }

    /// Says that `path` holds it coded.
    pub(crate) fn lies_beside(&mut self, coding: Coding, path: Arc<Path>) {
        self.beside[coding as usize] = Some(path);
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it may be sent in other forms than as it is.
    pub(crate) fn varies(&self) -> bool {
        self.shrinks || self.beside.iter().any(Option::is_some)
    }

    /// Returns it as it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn plain(&self, room: &Arc<Room>) -> io::Result<&Form> {
        let read = || blocking(&self.path, room, read);
        self.plain.get_or_try_init(read).await
    }

    /// Returns it coded, if it is to be had: it lies beside it, or gets smaller and finds room.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn coded(
        &self,
        coding: Coding,
        room: &Arc<Room>,
    ) -> io::Result<Option<&Form>> {
        let make = || async {
            if let Some(beside) = &self.beside[coding as usize] {
                return blocking(beside, room, read).await.map(Some);
            }
            if !self.shrinks || coding == Coding::Zstd {
                return Ok(None);
            }
            let compress = move |path: &Arc<Path>, room: &Room| compressed(path, coding, room);
            blocking(&self.path, room, compress).await
        };
        let made = self.coded[coding as usize].get_or_try_init(make).await?;
        Ok(made.as_ref())
    }
}

/// Does what reads a file where it holds up nothing else.
async fn blocking<T: Send + 'static>(
    path: &Arc<Path>,
    room: &Arc<Room>,
    work: impl FnOnce(&Arc<Path>, &Room) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (path, room) = (Arc::clone(path), Arc::clone(room));
    spawn_blocking(move || work(&path, &room)).await?
}

fn read(path: &Arc<Path>, room: &Room) -> io::Result<Form> {
    let mut file = OnDisk::open(path)?;
    let announced = file.metadata()?.len();
    if announced <= KEPT_MAX && room.take(announced) {
        let mut bytes = Vec::new();
        file.take(announced).read_to_end(&mut bytes)?;
        return Ok(Form {
            tag: tag(Sha256::new_with_prefix(&bytes)),
            length: bytes.len() as u64,
            content: Content::Kept(bytes.into()),
        });
    }
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; READ];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
    Ok(Form {
        tag: tag(hasher),
        length,
        content: Content::OnDisk(Arc::clone(path)),
    })
}

fn compressed(path: &Path, coding: Coding, room: &Room) -> io::Result<Option<Form>> {
    let mut plain = Vec::new();
    OnDisk::open(path)?
        .take(COMPRESSED_MAX)
        .read_to_end(&mut plain)?;
    let coded = match coding {
        Coding::Brotli => {
            let coded = Vec::with_capacity(plain.len() / 3);
            let (quality, window) = (BROTLI_QUALITY, BROTLI_WINDOW);
            let mut writer = brotli::CompressorWriter::new(coded, READ, quality, window);
            writer.write_all(&plain)?;
            writer.into_inner()
        }
        Coding::Gzip => {
            let coded = Vec::with_capacity(plain.len() / 3);
            // The head has no time in it: equal files are coded alike.
            let mut writer = flate2::write::GzEncoder::new(coded, flate2::Compression::best());
            writer.write_all(&plain)?;
            writer.finish()?
        }
        Coding::Zstd => return Ok(None),
    };
    // Less than a tenth is not worth that somebody has to unpack it.
    if coded.len() > plain.len() / 10 * 9 || !room.take(coded.len() as u64) {
        return Ok(None);
    }
    Ok(Some(Form {
        tag: tag(Sha256::new_with_prefix(&coded)),
        length: coded.len() as u64,
        content: Content::Kept(coded.into_boxed_slice().into()),
    }))
}

/// Returns the tag of what was hashed: half of the digest, by which nobody meets two alike.
fn tag(hasher: Sha256) -> HeaderValue {
    let digest = hasher.finalize();
    let digits: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    HeaderValue::try_from(format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(folder: &Path, name: &str, content: &[u8]) -> Forms {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        Forms::new(path, content.len() as u64, true)
    }

    fn kept(form: &Form) -> &[u8] {
        match &form.content {
            Content::Kept(bytes) => bytes,
            Content::OnDisk(path) => panic!("{path:?} is not kept"),
        }
    }

    #[tokio::test]
    async fn a_form_is_made_once_and_unpacks_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(1 << 20));
        let text = "the tide comes in, the tide goes out. ".repeat(200);
        let forms = forms(folder.path(), "a.txt", text.as_bytes());
        let plain = forms.plain(&room).await.unwrap();
        let brotli = forms.coded(Coding::Brotli, &room).await.unwrap().unwrap();
        let gzip = forms.coded(Coding::Gzip, &room).await.unwrap().unwrap();
        assert!(forms.coded(Coding::Zstd, &room).await.unwrap().is_none());
        assert_eq!(kept(plain), text.as_bytes());
        let mut unpacked = String::new();
        brotli::Decompressor::new(kept(brotli), 4096)
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, text);
        unpacked.clear();
        flate2::read::GzDecoder::new(kept(gzip))
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, text);
        let tags = [plain, brotli, gzip].map(|form| form.tag.clone());
        assert!(
            tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2],
            "{tags:?}"
        );

        // The file is not looked at a second time.
        std::fs::remove_file(folder.path().join("a.txt")).unwrap();
        assert_eq!(forms.plain(&room).await.unwrap().tag, tags[0]);
        assert!(forms.coded(Coding::Gzip, &room).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_finds_no_room_is_sent_from_the_disk_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let text = "ebb and flow ".repeat(1000);
        let (none, much) = (Arc::new(Room::new(10)), Arc::new(Room::new(1 << 20)));
        let one = forms(folder.path(), "a.txt", text.as_bytes());
        let plain = one.plain(&none).await.unwrap();
        assert!(matches!(plain.content, Content::OnDisk(_)));
        assert!(one.coded(Coding::Brotli, &none).await.unwrap().is_none());
        let two = forms(folder.path(), "a.txt", text.as_bytes());
        assert_eq!(
            two.plain(&much).await.unwrap().tag,
            plain.tag,
            "wherever it is kept"
        );
    }

    #[tokio::test]
    async fn what_is_small_or_does_not_shrink_is_not_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(1 << 20));
        let small = forms(folder.path(), "a.txt", &[b'a'; 1000]);
        assert!(!small.varies());
        assert!(small.coded(Coding::Gzip, &room).await.unwrap().is_none());
        // Every byte follows from the one before by a generator of 64 bits: nothing repeats.
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(4096)
        .collect();
        let noise = forms(folder.path(), "b.txt", &noise);
        assert!(noise.varies());
        assert!(noise.coded(Coding::Gzip, &room).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let room = Arc::new(Room::new(1 << 20));
        let path = folder.path().join("a.txt");
        let gone = Forms::new(path.clone(), 2000, true);
        assert!(gone.plain(&room).await.is_err());
        std::fs::write(path, "there").unwrap();
        assert_eq!(gone.plain(&room).await.unwrap().length, 5);
    }
}
