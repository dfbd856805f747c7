//! Packing, storing, unpacking, and running what was unpacked.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use leadsman_core::id::Digest;
use leadsman_core::spec::Probe;
use leadsman_core::workload::InstanceState::Broken;
use leadsman_runtime::artifact::{ArtifactError, Limits, Store, pack};
use leadsman_runtime::words;
use tar::{Builder, EntryType, Header};

use crate::world::{World, is, output_with, running, two_are_ready};

#[test]
fn equal_content_packs_to_equal_bytes() {
    let temporary = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| temporary.path().join(name));
    // The same content, made in another order, at another time, with other permissions.
    for (folder, names) in [(&one, ["b", "a/c", "a/d"]), (&two, ["a/d", "b", "a/c"])] {
        fs::create_dir_all(folder.join("a")).unwrap();
        for name in names {
            fs::write(folder.join(name), name).unwrap();
        }
        symlink("a/c", folder.join("link")).unwrap();
        fs::write(folder.join("x".repeat(200)), "long").unwrap();
    }
    fs::set_permissions(two.join("b"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(two.join(".git")).unwrap();
    fs::write(two.join(".git/HEAD"), "ref").unwrap();
    let old = fs::File::open(one.join("b")).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let packed = [&one, &two].map(|folder| {
        let mut bytes = Vec::new();
        let digest = pack(folder, &mut bytes).unwrap();
        (digest, bytes)
    });
    assert_eq!(packed[0], packed[1]);
    fs::set_permissions(two.join("b"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_ne!(
        pack(&two, std::io::sink()).unwrap(),
        packed[0].0,
        "what may be executed counts"
    );
}

#[test]
fn what_cannot_be_packed_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let refusal = |path: &Path| words(&pack(path, std::io::sink()).unwrap_err());
    let missing = folder.join("missing");
    assert_eq!(
        refusal(&missing),
        format!("`{}` does not exist", missing.display())
    );

    let link = folder.join("link");
    symlink("../outside", &link).unwrap();
    let problem = "is a link to `../outside`, which may lead out of the artifact";
    assert_eq!(refusal(folder), format!("`{}` {problem}", link.display()));
    fs::remove_file(&link).unwrap();

    let socket = folder.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let problem = "is a socket, which cannot be part of an artifact";
    assert_eq!(refusal(folder), format!("`{}` {problem}", socket.display()));
    fs::remove_file(&socket).unwrap();

    // Not even root can read this file, which is why it stands for all that cannot be read.
    let unreadable = Path::new("/proc/self/mem");
    assert!(refusal(unreadable).starts_with("failed to read `/proc/self/mem`: "));

    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    let error = words(&pack(folder, full).unwrap_err());
    assert!(
        error.starts_with("failed to write the packed artifact: No space left"),
        "{error}"
    );
}

#[test]
fn what_was_packed_is_unpacked_the_same() {
    let temporary = tempfile::tempdir().unwrap();
    let source = temporary.path().join("source");
    let deep = format!("bin/{}/{}", "d".repeat(90), "e".repeat(90));
    fs::create_dir_all(source.join(&deep)).unwrap();
    fs::write(source.join(&deep).join("file"), "deep").unwrap();
    fs::write(source.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(source.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(format!("{deep}/file"), source.join("far")).unwrap();
    symlink("../far", source.join("bin/near")).unwrap();
    let store = Store::open(temporary.path(), Limits::default()).unwrap();
    let digest = put(&store, &source);
    let target = temporary.path().join("target");
    store.unpack(&digest, &target).unwrap();
    assert_eq!(fs::read_to_string(target.join("bin/near")).unwrap(), "deep");
    let mode = |name: &str| {
        fs::metadata(target.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("bin/run"), mode("far"), mode("bin")),
        (0o555, 0o444, 0o755)
    );
    assert_eq!(pack(&target, std::io::sink()).unwrap(), digest);
}

#[test]
fn only_what_was_announced_is_taken_in() {
    let temporary = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes_max: 100,
        ..Limits::default()
    };
    let store = Store::open(temporary.path(), limits).unwrap();
    let announced = Digest::from_bytes([7; 32]);
    let error = store
        .put(&mut &b"something else"[..], &announced)
        .unwrap_err();
    assert!(matches!(error, ArtifactError::WrongDigest { .. }));
    let error = store
        .put(&mut std::io::repeat(0).take(101), &announced)
        .unwrap_err();
    assert_eq!(
        words(&error),
        "the artifact is too large: at most 100 bytes are allowed"
    );
    assert!(!store.contains(&announced));
    assert_eq!(
        fs::read_dir(temporary.path().join("artifacts"))
            .unwrap()
            .count(),
        0
    );
    // What a crash left of an upload is removed.
    fs::write(temporary.path().join("artifacts/.incoming-abc"), "x").unwrap();
    let store = Store::open(temporary.path(), limits).unwrap();
    assert_eq!(
        fs::read_dir(temporary.path().join("artifacts"))
            .unwrap()
            .count(),
        0
    );
    let error = store
        .unpack(&announced, &temporary.path().join("target"))
        .unwrap_err();
    assert!(matches!(error, ArtifactError::Missing(_)));
}

#[test]
fn hostile_archives_are_refused_and_leave_nothing() {
    type Entry<'a> = (&'a str, EntryType, &'a str);
    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;
    const FOLDER: EntryType = EntryType::Directory;
    let cases: [(&[Entry<'_>], &str); 13] = [
        (
            &[("/etc/cron.d/x", FILE, "")],
            "`/etc/cron.d/x` is an absolute path",
        ),
        (&[("../x", FILE, "")], "`../x` goes up with `..`"),
        (
            &[("a", FOLDER, ""), ("a/../../x", FILE, "")],
            "`a/../../x` goes up with `..`",
        ),
        (
            &[("a", LINK, "/etc")],
            "`a` is a link that may lead out of the artifact",
        ),
        (
            &[("a", LINK, "../x")],
            "`a` is a link that may lead out of the artifact",
        ),
        (
            &[
                ("d", FOLDER, ""),
                ("d/e", FOLDER, ""),
                ("d/e/x", LINK, "../.."),
                ("y", LINK, "d/e/x/.."),
            ],
            "`y` is a link that may lead out of the artifact",
        ),
        (
            &[("a", LINK, "."), ("a/x", FILE, "")],
            "`a/x` lies in a folder that is not part of the artifact",
        ),
        (
            &[("a", FILE, ""), ("a/x", FILE, "")],
            "`a/x` lies in a folder that is not part of the artifact",
        ),
        (
            &[("a", LINK, "b"), ("./a", FILE, "")],
            "`./a` is there twice",
        ),
        (
            &[("a", EntryType::Link, "/etc/shadow")],
            "`a` is a hard link",
        ),
        (&[("a", EntryType::Char, "")], "`a` is a device"),
        (&[("a", EntryType::Fifo, "")], "`a` is a named pipe"),
        (
            &[("a", EntryType::GNUSparse, "")],
            "`a` is of a kind that no artifact has",
        ),
    ];
    let temporary = tempfile::tempdir().unwrap();
    let store = Store::open(temporary.path(), Limits::default()).unwrap();
    let releases = temporary.path().join("releases");
    fs::create_dir(&releases).unwrap();
    for (entries, problem) in cases {
        let mut archive = Builder::new(Vec::new());
        for (name, kind, target) in entries {
            archive
                .append(&raw_header(name, *kind, target, 0), std::io::empty())
                .unwrap();
        }
        let error = unpack(&store, &archive.into_inner().unwrap(), &releases).unwrap_err();
        assert_eq!(words(&error), format!("the artifact is refused: {problem}"));
        assert_eq!(fs::read_dir(&releases).unwrap().count(), 0);
    }
    // Names that ask for gigabytes of memory, sizes that are not there, and plain noise.
    let header = raw_header("a", EntryType::GNULongName, "", 1 << 40);
    let error = unpack(&store, header.as_bytes(), &releases).unwrap_err();
    assert_eq!(
        words(&error),
        "the artifact is too large: at most 4096 bytes of a name are allowed"
    );
    let header = raw_header("a", FILE, "", 1 << 40);
    assert!(unpack(&store, header.as_bytes(), &releases).is_err());
    assert!(unpack(&store, &[0x55; 4096], &releases).is_err());
    let few = Limits {
        entries_max: 2,
        ..Limits::default()
    };
    let store = Store::open(temporary.path(), few).unwrap();
    let mut archive = Builder::new(Vec::new());
    for name in ["a", "b", "c"] {
        archive
            .append(&raw_header(name, FILE, "", 0), std::io::empty())
            .unwrap();
    }
    let error = unpack(&store, &archive.into_inner().unwrap(), &releases).unwrap_err();
    assert_eq!(
        words(&error),
        "the artifact is too large: at most 2 entries are allowed"
    );
    assert_eq!(fs::read_dir(&releases).unwrap().count(), 0);
}

#[test]
fn a_damaged_artifact_is_not_unpacked() {
    let temporary = tempfile::tempdir().unwrap();
    let source = temporary.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let store = Store::open(temporary.path(), Limits::default()).unwrap();
    let digest = put(&store, &source);
    let path = temporary
        .path()
        .join("artifacts")
        .join(format!("{}.tar", digest.hex()));
    let mut bytes = fs::read(&path).unwrap();
    bytes[512] ^= 1;
    fs::write(&path, bytes).unwrap();
    let target = temporary.path().join("target");
    let error = store.unpack(&digest, &target).unwrap_err();
    assert!(
        matches!(error, ArtifactError::WrongDigest { .. }),
        "{error}"
    );
    assert!(!target.exists());
}

#[tokio::test]
async fn a_file_is_unpacked_and_run_and_goes_with_its_last_instance() {
    let world = World::new().await;
    let program = world.folder.path().join("server");
    fs::write(&program, "#!/bin/sh\npwd; exec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut web = running(vec!["./server".to_owned()]);
    web.spec.ready.probe = Probe::Command(vec!["true".to_owned()]);
    web.artifact = Some(put(&world.runtime().artifacts(), &program));
    world.want(2, &web).await;
    world.until_all("two ready", two_are_ready).await;
    let folder = output_with(&world, "\n").await.trim().to_owned();
    assert!(Path::new(&folder).starts_with(fs::canonicalize(world.state()).unwrap()));
    assert!(Path::new(&folder).join("server").is_file());
    world.want(1, &web).await;
    world.until_all("one left", |all| all.len() == 1).await;
    assert!(Path::new(&folder).is_dir());
    world.want(0, &web).await;
    world.until_all("nothing", |all| all.is_empty()).await;
    assert!(!Path::new(&folder).exists());
    world.end().await;
}

#[tokio::test]
async fn an_instance_whose_artifact_is_missing_says_so() {
    let world = World::new().await;
    let mut web = running(vec!["./server".to_owned()]);
    let digest = Digest::from_bytes([7; 32]);
    web.artifact = Some(digest.clone());
    world.want(1, &web).await;
    let seen = world.until("broken", is(Broken)).await;
    let problem =
        format!("the artifact could not be unpacked: the artifact `{digest}` is not in the store");
    assert_eq!(seen.detail, Some(problem));
    world.end().await;
}

fn put(store: &Store, path: &Path) -> Digest {
    let mut bytes = Vec::new();
    let digest = pack(path, &mut bytes).unwrap();
    store.put(&mut &bytes[..], &digest).unwrap();
    assert!(store.contains(&digest));
    digest
}

fn unpack(store: &Store, bytes: &[u8], releases: &Path) -> Result<(), ArtifactError> {
    use sha2::Digest as _;
    let digest = Digest::from_bytes(sha2::Sha256::digest(bytes).into());
    store.put(&mut &bytes[..], &digest).unwrap();
    store.unpack(&digest, &releases.join("target"))
}

/// Returns a header with a name that a well-behaved library would refuse to write.
fn raw_header(name: &str, kind: EntryType, target: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o777);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name.as_bytes());
    gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header
}
