//! The PROXY protocol: what a load balancer says at the beginning of a connection about the client
//! that it connects for (versions 1 and 2 of the specification by HAProxy).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const LINE_MAX: usize = 107;

/// The most that version 2 may say, in bytes: addresses take up to 216, the rest is passed over.
const CONTENT_MAX: usize = 4096;

/// Takes what is said before the first word of the client: its address, or `None` where the load
/// balancer speaks for itself.
///
/// # Errors
/// The connection breaks, or begins with something else.
pub(super) async fn announced(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut first = [0; SIGNATURE.len()];
    stream.read_exact(&mut first).await?;
    let said = if first == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if length > CONTENT_MAX {
            return Err(garbage());
        }
        let mut content = vec![0; length];
        stream.read_exact(&mut content).await?;
        in_binary(head[0], head[1], &content)
    } else if first.starts_with(b"PROXY ") {
        in_words(&line(stream, &first).await?)
    } else {
        None
    };
    said.ok_or_else(garbage)
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY protocol")
}

/// Reads a line of which `first` has come, and nothing of what follows it.
async fn line(stream: &mut TcpStream, first: &[u8]) -> io::Result<Vec<u8>> {
    let mut line = first.to_vec();
    while !line.ends_with(b"\r\n") {
        let mut ahead = [0; LINE_MAX];
        let seen = stream.peek(&mut ahead[line.len()..]).await?;
        // All of it is the line's, unless the line ends in it.
        let ahead = &ahead[line.len()..][..seen];
        let ours = ahead
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(seen, |end| end + 1);
        let had = line.len();
        line.resize(had + ours, 0);
        stream.read_exact(&mut line[had..]).await?;
        let is_over = line.ends_with(b"\n") && !line.ends_with(b"\r\n");
        if ours == 0 || is_over || (line.len() == LINE_MAX && !line.ends_with(b"\n")) {
            return Err(garbage());
        }
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

/// Reads `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443`; the inner `None` is an unknown client.
fn in_words(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let &[family, client, here, client_port, port] = &words[..] else {
        return None;
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse().ok().map(IpAddr::V4),
            "TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port_of = |text: &str| -> Option<u16> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let client = (address(client)?, port_of(client_port)?);
    // The other end is nothing new, but has to be there.
    address(here).zip(port_of(port))?;
    Some(Some(client.into()))
}

/// Reads what stands behind the signature of version 2; the inner `None` is an unknown client.
fn in_binary(version: u8, family: u8, content: &[u8]) -> Option<Option<SocketAddr>> {
    match version {
        // The load balancer asks for itself, mostly whether anybody is there.
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    match family {
        // TCP over IPv4, then over IPv6: two addresses, two ports.
        0x11 => {
            let &[a, b, c, d, _, _, _, _, high, low, _, _] = content.first_chunk::<12>()?;
            let address = Ipv4Addr::new(a, b, c, d);
            Some(Some((address, u16::from_be_bytes([high, low])).into()))
        }
        0x21 => {
            let addresses = content.first_chunk::<36>()?;
            let address: [u8; 16] = *addresses.first_chunk()?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Some(Some((Ipv6Addr::from(address), port).into()))
        }
        // Sockets of the same machine, and what the load balancer does not know.
        0x00 | 0x31 | 0x32 => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(address: &str) -> Option<Option<SocketAddr>> {
        Some(Some(address.parse().unwrap()))
    }

    #[test]
    fn words_are_read_to_the_letter() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443",
                known("192.0.2.1:4711"),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 4711 443",
                known("[2001:db8::1]:4711"),
            ),
            (
                "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0",
                known("255.255.255.255:65535"),
            ),
            ("PROXY UNKNOWN", Some(None)),
            ("PROXY UNKNOWN ffff::1 whatever 1 2", Some(None)),
            ("PROXY UNKNOWNS", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 1", None),
            ("PROXY TCP4  192.0.2.1 198.51.100.1 4711 443", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 ", None),
            ("PROXY TCP4 2001:db8::1 ::1 4711 443", None),
            ("PROXY TCP6 192.0.2.1 198.51.100.1 4711 443", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 65536 443", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 +1 443", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 1 x", None),
            ("PROXY UDP4 192.0.2.1 198.51.100.1 1 2", None),
            ("PROXY ", None),
            ("proxy UNKNOWN", None),
        ] {
            assert_eq!(in_words(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn bytes_are_read_by_their_length() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        six[32..].copy_from_slice(&[0x12, 0x67, 1, 187]);
        let more = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (version, family, content, expected) in [
            (0x21, 0x11, &four[..], known("192.0.2.1:4711")),
            (0x21, 0x11, &more, known("192.0.2.1:4711")),
            (0x21, 0x21, &six, known("[2001:db8::1]:4711")),
            (0x20, 0x11, &four, Some(None)),
            (0x20, 0x00, &[], Some(None)),
            (0x21, 0x00, &[], Some(None)),
            (0x21, 0x31, &[0; 216], Some(None)),
            (0x21, 0x11, &four[..11], None),
            (0x21, 0x21, &six[..35], None),
            (0x21, 0x12, &four, None),
            (0x21, 0x44, &four, None),
            (0x22, 0x11, &four, None),
            (0x11, 0x11, &four, None),
        ] {
            assert_eq!(
                in_binary(version, family, content),
                expected,
                "{version:x} {family:x}"
            );
        }
    }

    #[test]
    fn fuzzed_proxy_protocol() {
        crate::fuzz::fuzz("proxy-protocol", |input| {
            let line = input.strip_suffix(b"\r\n").unwrap_or(input);
            if let Some(Some(client)) = in_words(line) {
                let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
                let here = if client.is_ipv4() { "127.0.0.1" } else { "::1" };
                let (ip, port) = (client.ip(), client.port());
                let again = format!("PROXY {family} {ip} {here} {port} 80");
                assert_eq!(in_words(again.as_bytes()), Some(Some(client)));
            }
            let Some((&[version, family, _, _], content)) = input
                .strip_prefix(&SIGNATURE)
                .and_then(|rest| rest.split_first_chunk::<4>())
            else {
                return;
            };
            if let Some(Some(client)) = in_binary(version, family, content) {
                let octets = match client.ip() {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                };
                assert_eq!(version, 0x21);
                assert!(content.starts_with(&octets));
                // What comes behind the addresses changes nothing.
                let more = [content, &[0; 64]].concat();
                assert_eq!(in_binary(version, family, &more), Some(Some(client)));
            }
        });
    }
}
