//! `leadsman login`: signs in by the provider that a Leadsman elsewhere was set up with.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use leadsman_api::{BeginSignIn, FinishSignIn, Secret, path};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::codes::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::remote;
use crate::render::words::{Clock, clean};

/// How long somebody may take to sign in: as long as control remembers that they began.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a browser may take to say what it wants, and how much it may say.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Sign in at a Leadsman on another machine
///
/// Prints an address to open in a browser on this machine, and waits until you have signed in
/// there. The token that comes of it is kept for that server, lives for 8 hours, and may what you may.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What the provider leads back with.
#[derive(Debug, PartialEq, Eq)]
enum Back {
    Code { code: String, state: String },
    Denied(String),
}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<(), Failure> {
    let url = context.server().ok_or_else(|| {
        Failure::new(Code::NoSuchServer, "one signs in at another machine")
            .hint("name it with `--server`; on this machine who owns the socket needs no token")
    })?;
    let kept = remote::kept(url).ok_or_else(|| {
        let what = "there is no place to keep a token: neither HOME nor XDG_CONFIG_HOME is set";
        Failure::new(Code::TokenUnusable, what)
    })?;
    let failed = |error: &std::io::Error| {
        Failure::new(Code::SignInWrong, "failed to wait for the way back").because(error)
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(|error| failed(&error))?;
    let port = listener
        .local_addr()
        .map_err(|error| failed(&error))?
        .port();
    let client = context.client();
    let begun = client.begin_sign_in(&BeginSignIn { port }).await?;
    context
        .output
        .talk("open this in a browser on this machine:");
    context.output.talk(&clean(&begun.url));
    let back = tokio::time::timeout(PATIENCE, back(&listener, &begun.state)).await;
    let back = back.map_err(|_| {
        Failure::new(Code::SignInWrong, "nobody signed in within 10 minutes")
            .hint("begin again with `leadsman login`")
    })?;
    let code = match back.map_err(|error| failed(&error))? {
        Back::Code { code, .. } => code,
        Back::Denied(why) => {
            let what = format!("the provider let nobody in: {}", clean(&why));
            return Err(Failure::new(Code::SignInWrong, what));
        }
    };
    let made = client
        .finish_sign_in(&FinishSignIn {
            state: begun.state,
            claim: begun.claim,
            code: Secret(code),
        })
        .await?;
    keep(&kept, &made.token).map_err(|error| {
        let what = format!("failed to keep the token in `{}`", kept.display());
        Failure::new(Code::NotWritten, what).because(&error)
    })?;
    let until = Clock::now().long(made.expires_at);
    let person = clean(&made.person);
    context
        .output
        .talk(&format!("you are {person} there until {until}"));
    Ok(())
}

/// Waits until the browser comes back with what belongs to `state`. Whatever else comes is answered and
/// passed over: any page can have the browser ask for something here.
async fn back(listener: &TcpListener, state: &str) -> std::io::Result<Back> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let line = tokio::time::timeout(REQUEST_PATIENCE, request_line(&mut stream)).await;
        let back = line.ok().and_then(|line| read(&line?, state));
        let (status, said) = match &back {
            Some(Back::Code { .. }) => ("200 OK", "You may close this window."),
            Some(Back::Denied(_)) => ("200 OK", "Nobody was signed in. You may close this window."),
            None => ("404 Not Found", "There is nothing here."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: \
             {}\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: \
             close\r\n\r\n{said}",
            said.len()
        );
        // Who hangs up has said what there was to say.
        drop(stream.write_all(answer.as_bytes()).await);
        drop(stream.shutdown().await);
        if let Some(back) = back {
            return Ok(back);
        }
    }
}

/// Returns the first line of a request, once all of its head is there.
async fn request_line(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut part).await.ok()?;
        if count == 0 || head.len() + count > REQUEST_BYTES_MAX {
            return None;
        }
        head.extend_from_slice(&part[..count]);
    }
    let line = head.split(|byte| *byte == b'\r').next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

/// Reads what a request line says of the sign-in of `state`.
fn read(line: &str, state: &str) -> Option<Back> {
    let target = line.strip_prefix("GET /?")?.split(' ').next()?;
    let mut fields = std::collections::BTreeMap::new();
    for field in target.split('&') {
        let (name, value) = field.split_once('=')?;
        // What is said twice is said by somebody else than the provider.
        if fields
            .insert(name, path::decode(&value.replace('+', " "))?)
            .is_some()
        {
            return None;
        }
    }
    if fields.get("state").map(String::as_str) != Some(state) {
        return None;
    }
    match (fields.remove("code"), fields.remove("error")) {
        (Some(code), None) => Some(Back::Code {
            code,
            state: state.to_owned(),
        }),
        (None, Some(error)) => {
            let why = fields.remove("error_description").unwrap_or(error);
            Some(Back::Denied(why.chars().take(200).collect()))
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Keeps a token in a file that nobody else may read.
fn keep(path: &Path, token: &Secret) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let new = path.with_extension("new");
    // What a crash has left may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(format!("{}\n", token.0).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_what_belongs_to_this_sign_in_ends_it() {
        let code = |code: &str| {
            Some(Back::Code {
                code: code.to_owned(),
                state: "s1".to_owned(),
            })
        };
        let denied = |why: &str| Some(Back::Denied(why.to_owned()));
        for (line, expected) in [
            ("GET /?code=abc&state=s1 HTTP/1.1", code("abc")),
            (
                "GET /?state=s1&code=a%2Fb%2B+c&iss=x HTTP/1.1",
                code("a/b+ c"),
            ),
            (
                "GET /?error=access_denied&state=s1 HTTP/1.1",
                denied("access_denied"),
            ),
            (
                "GET /?error=x&error_description=not+you&state=s1 HTTP/1.1",
                denied("not you"),
            ),
            ("GET /?code=abc&state=s2 HTTP/1.1", None),
            ("GET /?code=abc HTTP/1.1", None),
            ("GET /?code=abc&state=s1&code=evil HTTP/1.1", None),
            ("GET /?code=abc&error=x&state=s1 HTTP/1.1", None),
            ("GET /?state=s1 HTTP/1.1", None),
            ("GET /favicon.ico HTTP/1.1", None),
            ("POST /?code=abc&state=s1 HTTP/1.1", None),
            ("GET /?code=%zz&state=s1 HTTP/1.1", None),
            ("", None),
        ] {
            assert_eq!(read(line, "s1"), expected, "{line}");
        }
    }

    #[test]
    fn a_token_is_kept_for_its_owner_alone_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leadsman/tokens/https___a.example");
        for token in ["lmt_a", "lmt_b"] {
            keep(&path, &Secret(token.to_owned())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{token}\n"));
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
