//! A real ACME server: Pebble, with which Let's Encrypt tests clients.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::secure::{Authority, Secure, believing_in};
use crate::world::{any_port, eventually};

/// Where the program is, if somebody says so.
const PROGRAM: &str = "LEADSMAN_PEBBLE";

/// Why there is none, if somebody says so.
const NONE: &str = "LEADSMAN_WITHOUT_PEBBLE";

/// A name that leads to an address at which nobody listens; all others lead here.
pub(crate) const ELSEWHERE: &str = "elsewhere.example";

/// The server, which looks names up in a DNS of its own. It ends when this is dropped.
pub(crate) struct Pebble {
    authority: Authority,
    address: SocketAddr,
    management: SocketAddr,
    names: Names,
    running: Option<Child>,
}

impl Pebble {
    /// Prepares a server that does not run yet; `None` where `./dev test` said why it cannot be
    /// had.
    pub(crate) fn prepare() -> Option<Self> {
        if let Some(why) = std::env::var_os(NONE) {
            println!("skipped, there is no Pebble: {}", why.display());
            return None;
        }
        let free = [(); 2].map(|()| TcpListener::bind(any_port()).unwrap());
        let [address, management] = free.map(|free| free.local_addr().unwrap());
        let authority = Authority::new();
        authority.pair("pebble", &["127.0.0.1"]);
        Some(Self {
            authority,
            address,
            management,
            names: Names::serve(),
            running: None,
        })
    }

    /// Returns the URL of the directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// Returns the file with the certificate that vouches for the server.
    pub(crate) fn roots(&self) -> PathBuf {
        self.authority.own_file()
    }

    /// Starts the server, which looks for hosts at these ports.
    pub(crate) fn start(&mut self, http: SocketAddr, tls: SocketAddr) {
        let config = json!({ "pebble": {
            "listenAddress": self.address,
            "managementListenAddress": self.management,
            "certificate": self.authority.files("pebble").chain,
            "privateKey": self.authority.files("pebble").key,
            "httpPort": http.port(),
            "tlsPort": tls.port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let file = self.authority.path("pebble.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let said = File::create(self.authority.path("said.log")).unwrap();
        let child = Command::new(program())
            .arg("-config")
            .arg(file)
            .arg("-dnsserver")
            .arg(self.names.0.local_addr().unwrap().to_string())
            .env_clear()
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.running = Some(child);
        eventually("Pebble answers", || {
            TcpStream::connect(self.management).ok()
        });
    }

    /// Returns how a client is set up that believes in what the server vouches for.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let client = Arc::new(self.authority.client(&[&TLS13, &TLS12]));
        let mut management = Secure::new(self.management, "127.0.0.1", &client);
        management.send(b"GET /roots/0 HTTP/1.1\r\nhost: pebble\r\n\r\n");
        let (_, root) = management.answer();
        let root = CertificateDer::from_pem_slice(&root).unwrap();
        Arc::new(believing_in(root, &[&TLS13, &TLS12]))
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // One that has ended already is as good.
            drop(running.kill());
            drop(running.wait());
        }
    }
}

/// Returns the program: the one that is named, the machine's own, or the one that `./dev test`
/// brought.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(PROGRAM) {
        return PathBuf::from(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("pebble"));
    let test = std::env::current_exe().unwrap();
    let brought = test
        .ancestors()
        .map(|folder| folder.join("tools/pebble/run"));
    installed
        .chain(brought)
        .find(|program| program.is_file())
        .expect("Pebble is not here: `./dev test` brings it, or name it in LEADSMAN_PEBBLE")
}

/// A DNS that knows one answer, or two.
struct Names(UdpSocket);

impl Names {
    fn serve() -> Self {
        let socket = UdpSocket::bind(any_port()).unwrap();
        let serving = socket.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = serving.recv_from(&mut question) {
                // Whoever sends nothing wants it to end.
                let Some(answer) = answer(&question[..length]) else {
                    return;
                };
                drop(serving.send_to(&answer, from));
            }
        });
        Self(socket)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        drop(self.0.send_to(&[], self.0.local_addr().unwrap()));
    }
}

/// Answers a question (RFC 1035, 4.1) with an address, or with nothing if it asks for anything
/// else.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = question.split_at_checked(12)?;
    // A name is a row of labels with their lengths, up to an empty one; type and class follow.
    let mut name = Vec::new();
    let mut at = 0;
    while rest[at] != 0 {
        let end = at + 1 + usize::from(rest[at]);
        name.push(String::from_utf8_lossy(&rest[at + 1..end]).to_lowercase());
        at = end;
    }
    let asked = &rest[..at + 5];
    let is_address = asked[at + 1..at + 3] == [0, 1];
    let mut answer = header[..2].to_vec();
    // An answer without error, to one question; everything else is not repeated.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(asked);
    if is_address {
        let address = if name.join(".") == ELSEWHERE {
            Ipv4Addr::new(127, 99, 99, 99)
        } else {
            Ipv4Addr::LOCALHOST
        };
        // The name as in the question, an address of the internet, for a second, of four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
