//! Certificates that are obtained from a real ACME server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use leadsman_proxy::control::Certificate;
use leadsman_proxy::table::{Acme, Challenge, Listener, Table, Tls};

use crate::pebble::{ELSEWHERE, Pebble};
use crate::secure::{Authority, Secure, put};
use crate::world::{Backend, Visitor, World, eventually, side, table};

const HOST: &str = "site.example";
const DAY: u64 = 24 * 3600;

/// A proxy that encrypts on one address and leads there from another one.
struct Site {
    world: World,
    table: Table,
    pebble: Pebble,
    _backend: Backend,
}

impl Site {
    /// Prepares a site for which certificates are to be had by `challenge`; `None` without Pebble.
    fn new(challenge: Challenge) -> Option<Self> {
        let pebble = Pebble::prepare()?;
        let backend = Backend::named("ok");
        let world = World::with(|config| {
            config.certificates_interval = Duration::from_millis(20);
            config.acme_retry = Duration::from_millis(50);
        });
        let mut table = table(1, [side("web", 10_000, &[backend.address])]);
        // Names lead to 127.0.0.1, and each address stands once in a table.
        let plain = Listener {
            to_https: Some(443),
            ..Listener::at(SocketAddr::from((
                match challenge {
                    Challenge::Http01 => [127, 0, 0, 1],
                    Challenge::TlsAlpn01 => [127, 0, 0, 2],
                },
                0,
            )))
        };
        table.listeners[0].address.set_ip(match challenge {
            Challenge::Http01 => [127, 0, 0, 2].into(),
            Challenge::TlsAlpn01 => [127, 0, 0, 1].into(),
        });
        table.listeners.push(plain);
        let acme = Acme {
            directory: pebble.directory(),
            hosts: vec![HOST.to_owned()],
            contact: vec!["keeper@site.example".to_owned()],
            challenge,
            roots: Some(pebble.roots()),
        };
        table.listeners[0].tls = Some(Tls {
            acme: Some(acme),
            ..Tls::default()
        });
        Some(Self {
            world,
            table,
            pebble,
            _backend: backend,
        })
    }

    /// Applies the table, whatever there is to say about it.
    fn apply(&mut self) {
        let client = self.world.client();
        self.world.block_on(client.apply(&self.table)).unwrap();
        self.table.generation += 1;
    }

    fn acme(&mut self) -> &mut Acme {
        let tls = self.table.listeners[0].tls.as_mut().unwrap();
        tls.acme.as_mut().unwrap()
    }

    /// Returns where it encrypts, and where it does not.
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let bound = self.world.status().bound;
        let [tls, plain] = [0, 1].map(|at| bound[&self.table.listeners[at].address]);
        (tls, plain)
    }

    /// Starts the server and applies the table. Nothing is asked for before the server is up: it
    /// would be asked for again later and later, the longer that takes.
    fn open(&mut self) {
        let tls = self.table.listeners[0].tls.take();
        self.apply();
        self.start_pebble();
        self.table.listeners[0].tls = tls;
        self.apply();
    }

    fn start_pebble(&mut self) {
        let (tls, plain) = self.addresses();
        self.pebble.start(plain, tls);
    }

    fn file(&self, host: &str) -> PathBuf {
        self.world
            .config
            .state
            .join(format!("certificates/{host}.pem"))
    }

    fn certificate(&self, host: &str) -> Certificate {
        let all = self.world.status().certificates;
        let found = all.into_iter().find(|one| one.chain == self.file(host));
        found.expect("the certificate is in the status")
    }

    /// Waits until a certificate was obtained.
    fn obtained(&self, host: &str) -> Certificate {
        eventually("a certificate", || {
            let certificate = self.certificate(host);
            (certificate.problem.is_none()).then_some(certificate)
        })
    }
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn a_certificate_is_obtained_and_kept() {
    for challenge in [Challenge::TlsAlpn01, Challenge::Http01] {
        let Some(mut site) = Site::new(challenge) else {
            return;
        };
        site.open();
        let certificate = site.obtained(HOST);
        assert_eq!(certificate.names, [HOST]);
        assert!(certificate.expires_at_ms.unwrap() / 1000 > seconds_now());
        let (tls, plain) = site.addresses();
        let client = site.pebble.client();
        let mut visitor = Secure::new(tls, HOST, &client);
        assert_eq!(visitor.get(), "ok");

        // Nobody else can read the key, nor the account.
        let folder = site.world.config.state.join("certificates");
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");

        // What was answered to the server is answered no more.
        let mut passer_by = Visitor::new(plain);
        passer_by.send("GET /.well-known/acme-challenge/x HTTP/1.1\r\nhost: site.example\r\n\r\n");
        assert_eq!(passer_by.answer().unwrap().status, 308);
        let mut asking = (*client).clone();
        asking.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        let asking = Arc::new(asking);
        // The certificate may be shown before the answer is taken back: it is also found on disk.
        eventually("what was answered is answered no more", || {
            Secure::try_new(tls, HOST, &asking).is_err().then_some(())
        });

        // A second host is no reason to ask for the first one again, nor is a restart.
        let before = fs::read(site.file(HOST)).unwrap();
        site.acme().hosts.push("second.example".to_owned());
        site.apply();
        site.obtained("second.example");
        assert_eq!(Secure::new(tls, "second.example", &client).get(), "ok");
        assert_eq!(Secure::new(tls, HOST, &client).get(), "ok");
        site.world.restart();
        let (tls, _) = site.addresses();
        assert_eq!(Secure::new(tls, "second.example", &client).get(), "ok");
        assert_eq!(fs::read(site.file(HOST)).unwrap(), before);
        assert_eq!(visitor.shown(), [HOST]);
    }
}

#[test]
fn a_certificate_is_renewed_and_the_old_one_goes_on_until_then() {
    let Some(mut site) = Site::new(Challenge::TlsAlpn01) else {
        return;
    };
    // Ten of ninety days are left.
    let old = Authority::new();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let (chain, key) = old.signed(&[HOST], |params| {
        params.not_before = epoch + Duration::from_secs(seconds_now() - 80 * DAY);
        params.not_after = epoch + Duration::from_secs(seconds_now() + 10 * DAY);
    });
    fs::create_dir(site.world.config.state.join("certificates")).unwrap();
    put(&site.file(HOST), &format!("{key}{chain}"));
    site.apply();

    // The server is down: it is tried again and again, and said.
    let said = eventually("several failures", || {
        let certificate = site.certificate(HOST);
        let problem = certificate.problem?;
        let is_late = problem.contains("tried 3 times, again in ");
        is_late.then_some((problem, certificate.expires_at_ms.unwrap() / 1000))
    });
    let (problem, expires_at) = said;
    let start = format!(
        "cannot obtain a certificate for `site.example` from `{}`: ",
        site.pebble.directory()
    );
    assert!(problem.starts_with(&start), "{problem}");
    assert!(problem.contains("Connection refused"), "{problem}");
    assert!(
        problem.contains("see whether this machine reaches the server"),
        "{problem}"
    );
    assert!(expires_at.abs_diff(seconds_now() + 10 * DAY) < 100);
    let (tls, _) = site.addresses();
    // Each a client of its own: one that has been here would not look at the certificate again.
    let believer = || Arc::new(old.client(&[&rustls::version::TLS13]));
    let mut early = Secure::new(tls, HOST, &believer());
    assert_eq!(early.get(), "ok");

    site.start_pebble();
    site.obtained(HOST);
    let mut late = Secure::new(tls, HOST, &site.pebble.client());
    assert_eq!(late.get(), "ok");
    assert!(Secure::try_new(tls, HOST, &believer()).is_err());
    assert_eq!(early.get(), "ok", "a connection that was there goes on");
}

#[test]
fn a_host_that_is_elsewhere_costs_only_itself() {
    for (challenge, remedy) in [
        (
            Challenge::TlsAlpn01,
            "and its port 443 to a listener that encrypts",
        ),
        (Challenge::Http01, "and its port 80 to a listener"),
    ] {
        let Some(mut site) = Site::new(challenge) else {
            return;
        };
        site.acme().hosts.insert(0, ELSEWHERE.to_owned());
        site.open();
        site.obtained(HOST);
        let (tls, _) = site.addresses();
        assert_eq!(Secure::new(tls, HOST, &site.pebble.client()).get(), "ok");
        let problem = eventually("the server's objection", || {
            let problem = site.certificate(ELSEWHERE).problem?;
            let is_objection = problem.contains("the server was not convinced: ");
            is_objection.then_some(problem)
        });
        assert!(problem.contains(remedy), "{problem}");
        // Taken out of the table it is forgotten.
        site.acme().hosts.remove(0);
        site.apply();
        assert_eq!(site.world.status().certificates.len(), 1);
    }
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let Some(mut site) = Site::new(Challenge::TlsAlpn01) else {
        return;
    };
    let stranger = Authority::new();
    site.acme().roots = Some(stranger.own_file());
    site.open();
    eventually("it is said", || {
        let problem = site.certificate(HOST).problem?;
        problem.contains("invalid peer certificate").then_some(())
    });
    // Put right, it is tried at once.
    let roots = site.pebble.roots();
    site.acme().roots = Some(roots);
    site.apply();
    site.obtained(HOST);
}
