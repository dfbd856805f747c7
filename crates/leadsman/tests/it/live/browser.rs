//! A real browser, told what to do over WebDriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::machine::DEADLINE;
use crate::tool::{missing, tool};

/// How long after one look at a page the next one is made.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What Chromium is started with: nothing of it leaves the machine, and nothing of it is kept.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--lang=en-GB",
];

/// The name by which WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) name: &'static str,
    width: u32,
    height: u32,
    scheme: &'static str,
}

/// On a desk and in the hand, by day and by night.
pub(super) const LOOKS: [Look; 4] = [
    look("desktop-light", 1280, 800, "light"),
    look("desktop-dark", 1280, 800, "dark"),
    look("phone-light", 390, 844, "light"),
    look("phone-dark", 390, 844, "dark"),
];

const fn look(name: &'static str, width: u32, height: u32, scheme: &'static str) -> Look {
    Look {
        name,
        width,
        height,
        scheme,
    }
}

/// A browser with one window. It ends when this is dropped.
pub(super) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// Where control serves its pages.
    url: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        drop(request(self.address, "DELETE", &path, &Value::Null));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

impl Browser {
    /// Starts one for the pages at `url`; none where `./dev test` has said why there is none.
    pub(super) fn start(url: &str) -> Option<Self> {
        if let Some(why) = missing("chromedriver") {
            println!("skipped, there is no browser: {why}");
            return None;
        }
        let program = tool("chromedriver", "./dev test").unwrap_or_else(|error| panic!("{error}"));
        let mut driver = Command::new(program)
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(driver.stdout.take().unwrap());
        let address = listens_at(said);
        let args: Vec<&str> = FLAGS.to_vec();
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": args },
        } } });
        let begun = request(address, "POST", "/session", &options);
        let begun = begun.unwrap_or_else(|error| panic!("{error}"));
        let session = begun["sessionId"].as_str();
        Some(Self {
            driver,
            address,
            session: session.unwrap_or_else(|| panic!("{begun}")).to_owned(),
            url: url.to_owned(),
        })
    }

    fn ask(&self, method: &str, what: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/session/{}{what}", self.session);
        request(self.address, method, &path, body)
    }

    fn tell(&self, what: &str, body: &Value) -> Value {
        let told = self.ask("POST", what, body);
        told.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Opens a page of control.
    pub(super) fn open(&self, path: &str) {
        self.tell("/url", &json!({ "url": format!("{}{path}", self.url) }));
    }

    /// Returns the path of the page that is open.
    pub(super) fn path(&self) -> String {
        let at = self.run("return location.pathname");
        at.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page.
    pub(super) fn run(&self, script: &str) -> Value {
        self.tell("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script whose end is told to its last argument.
    pub(super) fn run_until_told(&self, script: &str) -> Value {
        self.tell("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Returns what somebody reads on the page.
    pub(super) fn text(&self) -> String {
        let text = self.run("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until somebody reads all `words` on the page, without loading it again.
    pub(super) fn reads(&self, words: &[&str]) {
        let until = Instant::now() + DEADLINE;
        loop {
            let text = self.text().to_lowercase();
            let missing = words.iter().find(|it| !text.contains(&it.to_lowercase()));
            let Some(missing) = missing else { return };
            assert!(
                Instant::now() < until,
                "{missing:?} is not read on {}:\n{text}",
                self.path()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Returns an element that is there, or will be.
    fn find(&self, selector: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let query = json!({ "using": "css selector", "value": selector });
            if let Ok(found) = self.ask("POST", "/element", &query) {
                return found[ELEMENT].as_str().unwrap_or_default().to_owned();
            }
            assert!(
                Instant::now() < until,
                "no {selector} on {}:\n{}",
                self.path(),
                self.text()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Presses a button or follows a link, and waits for the page that it leads to.
    pub(super) fn press(&self, selector: &str) {
        let until = Instant::now() + DEADLINE;
        self.run("window.before = true");
        loop {
            // What is live may be made anew between finding and pressing it.
            let element = self.find(selector);
            let pressed = self.ask("POST", &format!("/element/{element}/click"), &json!({}));
            if pressed.is_ok() {
                break;
            }
            assert!(
                Instant::now() < until,
                "{selector} cannot be pressed: {pressed:?}"
            );
            std::thread::sleep(LOOK_AGAIN);
        }
        let is_other = "return window.before !== true && document.readyState === 'complete'";
        while self.run(is_other) != json!(true) {
            assert!(
                Instant::now() < until,
                "{selector} leads nowhere:\n{}",
                self.text()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Writes into a field.
    pub(super) fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.tell(
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Looks at pages in this way from now on.
    pub(super) fn look(&self, look: Look) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({
                "width": look.width,
                "height": look.height,
                "deviceScaleFactor": 1,
                "mobile": look.width < 600,
            }),
        );
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": look.scheme }] }),
        );
    }

    /// Writes what is to be seen of the whole page as a picture.
    pub(super) fn picture(&self, file: &Path) {
        let shot = self.devtools(
            "Page.captureScreenshot",
            &json!({ "format": "png", "captureBeyondViewport": true }),
        );
        let data = shot["data"].as_str().unwrap_or_default();
        let png = STANDARD.decode(data).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "it is no picture");
        std::fs::write(file, png).unwrap();
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.tell(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }
}

/// Waits until the driver says where it listens.
fn listens_at(said: impl std::io::BufRead + Send + 'static) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // All that it says is read, so that it never waits for a reader.
        for line in said.lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                drop(sender.send(port.trim_end_matches('.').parse::<u16>()));
            }
        }
    });
    let port = receiver.recv_timeout(DEADLINE).expect("the driver starts");
    SocketAddr::from(([127, 0, 0, 1], port.expect("it says a port")))
}

/// Asks the driver for something; returns its value.
fn request(address: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream
        .set_read_timeout(Some(DEADLINE * 2))
        .map_err(failed)?;
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(failed)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer).map_err(failed)?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    let value = answer["value"].clone();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"])),
        None => Ok(value),
    }
}
