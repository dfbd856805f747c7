//! TLS: which certificate is shown to whom, how it is exchanged, and what a bad one costs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use leadsman_proxy::control::{Arrivals, Certificate};
use leadsman_proxy::table::{Table, TlsVersion};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};

use crate::secure::{Authority, Secure, encrypted, put};
use crate::world::{Backend, DEADLINE, World, eventually, side, table};

/// A proxy in front of a service that says `ok`, and an authority that its clients believe in.
struct Site {
    backend: Backend,
    authority: Authority,
    world: World,
}

impl Site {
    fn new() -> Self {
        Self {
            backend: Backend::named("ok"),
            authority: Authority::new(),
            world: World::with(|config| config.certificates_interval = Duration::from_millis(20)),
        }
    }

    fn table(&self, generation: u64) -> Table {
        table(generation, [side("web", 10_000, &[self.backend.address])])
    }

    fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.authority.client(&[&TLS13, &TLS12]))
    }

    /// Returns what the status says of the certificate in the file called after `name`.
    fn certificate(&self, name: &str) -> Certificate {
        let chain = self.authority.files(name).chain;
        let all = self.world.status().certificates;
        let found = all
            .into_iter()
            .find(|certificate| certificate.chain == chain);
        found.expect("the certificate is in the status")
    }

    fn arrivals(&self) -> Arrivals {
        *self.world.status().arrivals.values().next().unwrap()
    }

    fn eventually_counted(&self, what: &str, count: impl Fn(&Arrivals) -> u64, expected: u64) {
        eventually(what, || (count(&self.arrivals()) == expected).then_some(()));
    }
}

#[test]
fn each_host_is_shown_its_own_certificate() {
    let site = Site::new();
    let pairs = [
        ("first", &["first.example"][..]),
        ("exact", &["a.wild.example", "other.example"]),
        ("wild", &["*.wild.example", "wild.example"]),
        ("early", &["first.example"]),
    ];
    let pairs = pairs.map(|(name, hosts)| {
        site.authority.pair_with(name, hosts, |params| {
            if name == "early" {
                params.not_after = rcgen::date_time_ymd(2030, 1, 1);
            }
        })
    });
    let address = site.world.apply(&encrypted(site.table(1), pairs));
    let client = site.client();
    for (asked, shown) in [
        ("first.example", "first.example"),
        ("FIRST.Example", "first.example"),
        ("a.wild.example", "a.wild.example"),
        ("other.example", "a.wild.example"),
        ("b.wild.example", "*.wild.example"),
        ("wild.example", "*.wild.example"),
    ] {
        let mut visitor = Secure::new(address, asked, &client);
        assert!(visitor.shown().contains(&shown.to_owned()), "{asked}");
        assert_eq!(visitor.get(), "ok", "{asked}");
    }
    // Clients that ask for nobody, or for somebody else, see the first one, and do not like it.
    for asked in ["127.0.0.1", "stranger.example", "c.b.wild.example"] {
        let refused = Secure::try_new(address, asked, &client).err().expect(asked);
        assert!(
            refused.to_string().contains("first.example"),
            "{asked}: {refused}"
        );
    }
    let first = Secure::new(address, "first.example", &client).certificate();
    let longest = std::fs::read(site.authority.files("first").chain).unwrap();
    let longest = rustls::pki_types::pem::PemObject::from_pem_slice(&longest).unwrap();
    assert_eq!(
        first, longest,
        "of two for one host the one that is valid longer"
    );
}

#[test]
fn instances_are_told_that_the_client_encrypts() {
    let (tell, told) = std::sync::mpsc::channel();
    let backend = Backend::with(move |received, stream| {
        tell.send(received.head).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
    });
    let site = Site {
        backend,
        ..Site::new()
    };
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    let mut visitor = Secure::new(address, "a.example", &site.client());
    visitor.send(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    visitor.answer();
    let told = told.recv_timeout(DEADLINE).unwrap();
    assert!(told.contains("x-forwarded-proto: https\r\n"), "{told}");
}

#[test]
fn versions_older_than_the_oldest_allowed_are_refused() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    for (generation, min, versions, spoken) in [
        (
            1,
            TlsVersion::V1_2,
            &[&TLS13, &TLS12][..],
            Some(ProtocolVersion::TLSv1_3),
        ),
        (
            2,
            TlsVersion::V1_2,
            &[&TLS12],
            Some(ProtocolVersion::TLSv1_2),
        ),
        (
            3,
            TlsVersion::V1_3,
            &[&TLS13, &TLS12],
            Some(ProtocolVersion::TLSv1_3),
        ),
        (4, TlsVersion::V1_3, &[&TLS12], None),
    ] {
        let mut table = encrypted(site.table(generation), [pair.clone()]);
        table.listeners[0].tls.as_mut().unwrap().min = min;
        let address = site.world.apply(&table);
        let client = Arc::new(site.authority.client(versions));
        let visitor = Secure::try_new(address, "a.example", &client).ok();
        assert_eq!(
            visitor.map(|visitor| visitor.version()),
            spoken,
            "{generation}"
        );
    }
    site.eventually_counted("the refusal", |arrivals| arrivals.handshakes_failed, 1);
}

#[test]
fn what_is_spoken_inside_is_agreed_upon() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    for (offered, agreed) in [
        (&[][..], Ok(None)),
        (&["http/1.1"], Ok(Some("http/1.1"))),
        (&["gopher", "http/1.1"], Ok(Some("http/1.1"))),
        (&["gopher"], Err(())),
    ] {
        let mut client = site.authority.client(&[&TLS13]);
        client.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let visitor = Secure::try_new(address, "a.example", &Arc::new(client));
        let spoken = visitor.as_ref().map(|visitor| {
            let name = visitor.protocol();
            name.map(|name| std::str::from_utf8(name).unwrap())
        });
        assert_eq!(spoken.map_err(|_| ()), agreed, "{offered:?}");
    }
}

#[test]
fn an_earlier_session_is_gone_on_with_on_every_worker_and_after_a_reload() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    for (round, version) in [&TLS13, &TLS12].into_iter().enumerate() {
        let client = Arc::new(site.authority.client(&[version]));
        let mut visitor = Secure::new(address, "a.example", &client);
        assert_eq!(visitor.get(), "ok");
        assert!(!visitor.is_resumed());
        let before = site.arrivals();
        // Two workers accept in turn as the system likes: all twenty on one is one in a million.
        for _ in 0..20 {
            let mut visitor = Secure::new(address, "a.example", &client);
            assert_eq!(visitor.get(), "ok");
            assert!(visitor.is_resumed(), "{version:?}");
        }
        let shown = Secure::new(address, "a.example", &site.client()).certificate();
        site.authority.pair("a", &["a.example"]);
        eventually("the new certificate", || {
            (Secure::new(address, "a.example", &site.client()).certificate() != shown).then_some(())
        });
        assert!(Secure::new(address, "a.example", &client).is_resumed());
        site.eventually_counted(
            "resumed sessions",
            |arrivals| arrivals.resumed,
            before.resumed + 21,
        );
        assert_eq!(site.arrivals().resumed, 21 * (round as u64 + 1));
    }
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_and_ends_no_old_one() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair.clone()]));
    let client = site.client();
    let mut early = Secure::new(address, "a.example", &client);
    assert_eq!(early.get(), "ok");

    // A certificate without its key is no pair yet.
    let (chain, key) = site
        .authority
        .signed(&["a.example", "b.example"], |params| {
            params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        });
    put(&pair.chain, &chain);
    let problem = eventually("a problem", || site.certificate("a").problem);
    assert!(
        problem.contains("does not belong to the first certificate"),
        "{problem}"
    );
    assert!(
        problem.contains("what was read before stays in use"),
        "{problem}"
    );
    assert_eq!(
        Secure::new(address, "a.example", &client).shown(),
        ["a.example"]
    );

    put(&pair.key, &key);
    eventually("the pair", || {
        site.certificate("a").problem.is_none().then_some(())
    });
    let now = site.certificate("a");
    assert_eq!(now.names, ["a.example", "b.example"]);
    assert_eq!(now.expires_at_ms, Some(2_208_988_800_000));
    let mut late = Secure::new(address, "b.example", &client);
    assert_eq!(late.get(), "ok");
    assert_eq!(early.get(), "ok");

    // Also when the files are gone: what is in use needs none.
    std::fs::remove_file(&pair.chain).unwrap();
    let problem = eventually("a problem", || site.certificate("a").problem);
    assert!(problem.contains("cannot read"), "{problem}");
    assert_eq!(Secure::new(address, "b.example", &client).get(), "ok");
}

#[test]
fn a_bad_certificate_costs_only_its_own_host() {
    let site = Site::new();
    let Site { authority, .. } = &site;
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ";
    let (chain, key) = authority.signed(&["bad.example"], |_| ());
    let (_, other_key) = authority.signed(&["bad.example"], |_| ());
    let garbage = format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n-----END PRIVATE KEY-----\n");
    let unusable = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    let sealed = format!(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{secret}\n-----END ENCRYPTED PRIVATE KEY-----\n"
    );
    let unended = format!("-----BEGIN CERTIFICATE-----\n{secret}\n");
    let damaged = format!("-----BEGIN CERTIFICATE-----\n{secret}\n-----END CERTIFICATE-----\n");
    let huge = "x".repeat(1024 * 1024 + 1);
    let mut files = vec![authority.pair("good", &["good.example"])];
    let mut expected = Vec::new();
    for (name, chain, key, problem) in [
        (
            "absent",
            None,
            Some(&key),
            "No such file or directory (os error 2); put it there",
        ),
        (
            "keyless",
            Some(&chain),
            None,
            "No such file or directory (os error 2); put it there",
        ),
        (
            "empty",
            Some(&String::new()),
            Some(&key),
            "there is no certificate in",
        ),
        (
            "nokey",
            Some(&chain),
            Some(&chain),
            "there is no private key in",
        ),
        (
            "mixed",
            Some(&chain),
            Some(&other_key),
            "does not belong to the first certificate",
        ),
        (
            "garbage",
            Some(&chain),
            Some(&garbage),
            "as PEM; write the file anew",
        ),
        (
            "unusable",
            Some(&chain),
            Some(&unusable),
            "cannot use the key in",
        ),
        (
            "sealed",
            Some(&chain),
            Some(&sealed),
            "is encrypted; write it without a passphrase",
        ),
        (
            "unended",
            Some(&unended),
            Some(&key),
            "as PEM; write the file anew",
        ),
        (
            "damaged",
            Some(&damaged),
            Some(&key),
            "is damaged; write the file anew",
        ),
        ("huge", Some(&huge), Some(&key), "it is larger than 1 MiB"),
    ] {
        let pair = authority.files(name);
        for (path, text) in [(&pair.chain, chain), (&pair.key, key)] {
            if let Some(text) = text {
                put(path, text);
            }
        }
        files.push(pair);
        expected.push((name, problem));
    }
    let folder = authority.files("folder");
    std::fs::create_dir(&folder.chain).unwrap();
    files.push(folder);
    expected.push(("folder", "it is not a file"));

    let address = site.world.apply(&encrypted(site.table(1), files));
    assert_eq!(
        Secure::new(address, "good.example", &site.client()).get(),
        "ok"
    );
    assert!(Secure::try_new(address, "bad.example", &site.client()).is_err());
    assert_eq!(site.certificate("good").problem, None);
    for (name, problem) in expected {
        let said = site.certificate(name).problem.expect(name);
        assert!(said.contains(problem), "{name}: {said}");
        assert!(said.contains(&format!("{name}.")), "{name}: {said}");
    }
    let status = serde_json::to_string(&site.world.status()).unwrap();
    assert!(!status.contains(secret), "{status}");

    // It is noticed when one is put right.
    site.authority.pair("mixed", &["bad.example"]);
    eventually("the host is back", || {
        Secure::try_new(address, "bad.example", &site.client()).ok()
    });
}

#[test]
fn a_file_that_may_not_be_read_is_named_with_what_to_do() {
    let site = Site::new();
    let good = site.authority.pair("good", &["good.example"]);
    let closed = site.authority.pair("closed", &["closed.example"]);
    std::fs::set_permissions(&closed.key, std::fs::Permissions::from_mode(0o000)).unwrap();
    let address = site
        .world
        .apply(&encrypted(site.table(1), [good, closed.clone()]));
    // The superuser may read everything.
    let readable = std::fs::File::open(&closed.key).is_ok();
    match site.certificate("closed").problem {
        Some(problem) => assert!(
            problem.contains("let the data plane's user read it"),
            "{problem}"
        ),
        None => assert!(readable),
    }
    assert_eq!(
        Secure::new(address, "good.example", &site.client()).get(),
        "ok"
    );
}

#[test]
fn what_time_makes_of_a_certificate_is_said() {
    let site = Site::new();
    let old = site.authority.pair_with("old", &["old.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let young = site
        .authority
        .pair_with("young", &["young.example"], |params| {
            params.not_before = rcgen::date_time_ymd(2200, 1, 1);
            params.not_after = rcgen::date_time_ymd(2201, 1, 1);
        });
    site.world.apply(&encrypted(site.table(1), [old, young]));
    let said = |name| site.certificate(name).problem.unwrap();
    assert!(
        said("old").contains("has expired; renew it"),
        "{}",
        said("old")
    );
    assert!(
        said("young").contains("is not valid yet"),
        "{}",
        said("young")
    );
}

#[test]
fn a_listener_without_any_certificate_says_so_and_waits_for_one() {
    let site = Site::new();
    let files = site.authority.files("late");
    let table = encrypted(site.table(1), [files]);
    let applied = site
        .world
        .block_on(site.world.client().apply(&table))
        .unwrap();
    let problem = applied.problems.values().next().unwrap();
    assert!(
        problem.contains("no certificate can be used: cannot read"),
        "{problem}"
    );
    let address = site.world.address();
    assert!(Secure::try_new(address, "late.example", &site.client()).is_err());

    site.authority.pair("late", &["late.example"]);
    eventually("no problem any more", || {
        site.world.status().problems.is_empty().then_some(())
    });
    assert_eq!(
        Secure::new(address, "late.example", &site.client()).get(),
        "ok"
    );
}

#[test]
fn a_restarted_proxy_encrypts_again() {
    let mut site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let mut table = encrypted(site.table(1), [pair]);
    let address = site.world.apply(&table);
    table.listeners[0].address = address;
    table.generation = 2;
    site.world.apply(&table);
    site.world.restart();
    assert_eq!(
        Secure::new(address, "a.example", &site.client()).get(),
        "ok"
    );
}

#[test]
fn encryption_comes_and_goes_with_the_table() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&site.table(1));
    assert_eq!(crate::world::get(address, "/").text(), "ok");
    site.world.apply(&encrypted(site.table(2), [pair]));
    assert_eq!(
        Secure::new(address, "a.example", &site.client()).get(),
        "ok"
    );
    site.world.apply(&site.table(3));
    assert_eq!(crate::world::get(address, "/").text(), "ok");
}

#[test]
fn who_speaks_no_tls_is_turned_away_and_counted() {
    let site = Site::new();
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    for garbage in [
        &b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &[0x16; 70_000],
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // The proxy may hang up in the middle of it.
        drop(stream.write_all(garbage));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    site.eventually_counted("the garbage", |arrivals| arrivals.handshakes_failed, 4);
    assert_eq!(site.arrivals().handshakes, 0);
    assert_eq!(
        Secure::new(address, "a.example", &site.client()).get(),
        "ok"
    );
}

#[test]
fn who_dawdles_over_the_handshake_holds_up_nobody_for_long() {
    let site = Site {
        world: World::with(|config| {
            config.handshake_timeout = Duration::from_millis(200);
            config.handshakes_max = 1;
        }),
        ..Site::new()
    };
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    // Half of a greeting each; with one place on each of two workers, some have to wait.
    let dawdlers: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            stream
        })
        .collect();
    // And who says nothing at all takes no place.
    let silent = TcpStream::connect(address).unwrap();
    eventually("a place", || {
        Secure::try_new(address, "a.example", &site.client()).ok()
    });
    // Who had to wait for a place may have been late through no fault of its own.
    eventually("all five were late", || {
        (site.arrivals().handshakes_late >= 5).then_some(())
    });
    for mut stream in dawdlers.into_iter().chain([silent]) {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    }
}

#[test]
fn large_bodies_pass_both_ways() {
    let backend = Backend::with(|received, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            received.body.len()
        )
        .unwrap();
        stream.write_all(&received.body).is_ok()
    });
    let site = Site {
        backend,
        ..Site::new()
    };
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut visitor = Secure::new(address, "a.example", &site.client());
    for _ in 0..2 {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        visitor.send(head.as_bytes());
        visitor.send(&body);
        assert!(visitor.answer().1 == body);
    }
}

#[test]
fn an_upgrade_passes_through() {
    let backend = Backend::raw(|reader, stream| {
        let Some(head) = crate::world::read_head(reader) else {
            return false;
        };
        assert!(head.contains("upgrade: echo\r\n"), "{head}");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            )
            .unwrap();
        let mut word = [0; 5];
        while reader.read_exact(&mut word).is_ok() {
            stream.write_all(&word).unwrap();
        }
        false
    });
    let site = Site {
        backend,
        ..Site::new()
    };
    let pair = site.authority.pair("a", &["a.example"]);
    let address = site.world.apply(&encrypted(site.table(1), [pair]));
    let mut visitor = Secure::new(address, "a.example", &site.client());
    visitor.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert!(visitor.answer().0.starts_with("HTTP/1.1 101 "));
    for word in [b"hello", b"world"] {
        visitor.send(word);
        let mut echo = [0; 5];
        visitor.read(&mut echo);
        assert_eq!(&echo, word);
    }
}
