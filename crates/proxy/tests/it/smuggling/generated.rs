//! Heads and bodies that nobody thought of: everything above, thrown together.

use super::Verdict::Any;
use super::{SMUGGLED, Scene};
use crate::random::Random;

/// How many requests are made up.
const TURNS: usize = 400;

impl Random {
    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn line(random: &mut Random, length: usize) -> String {
    let name = match random.below(3) {
        0 => "transfer-encoding",
        1 => "content-length",
        _ => random.of(&[
            "x",
            "connection",
            "Transfer-Encoding",
            "CONTENT-LENGTH",
            "te",
            "trailer",
        ]),
    };
    let value = match name.to_ascii_lowercase().as_str() {
        "content-length" => {
            let length = length.saturating_add_signed(-(random.below(2) as isize));
            match random.below(4) {
                0 => "0".to_owned(),
                1 => random
                    .of(&["5", "+5", "5,5", "", "5 ", "05", "1e1"])
                    .to_owned(),
                _ => length.to_string(),
            }
        }
        "connection" => random
            .of(&[
                "close",
                "content-length",
                "upgrade",
                "transfer-encoding",
                "keep-alive",
            ])
            .to_owned(),
        _ => random
            .of(&[
                "chunked",
                "chunked",
                "Chunked",
                "identity",
                "gzip, chunked",
                "xchunked",
                "chunked, ",
                "\tchunked",
            ])
            .to_owned(),
    };
    let colon = if random.happens(85) {
        ": "
    } else {
        random.of(&[":", " : ", ":\t", ":\u{b}", "\0:", ":\r\n "])
    };
    let end = if random.happens(90) {
        "\r\n"
    } else {
        random.of(&["\n", "\r", "\r\n ", "\0\r\n", "\u{c}\r\n", "\r\r\n"])
    };
    format!("{name}{colon}{value}{end}")
}

fn chunk(random: &mut Random, data: &str) -> String {
    let size = match random.below(12) {
        0 => format!("{:X}", data.len()),
        1 => format!("0{:x}", data.len()),
        2 => format!("{:x};a=b", data.len()),
        3 => format!("0x{:x}", data.len()),
        4 => format!("{:x} ", data.len() + 1),
        _ => format!("{:x}", data.len()),
    };
    let ends = &[
        "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", ";\n",
    ];
    format!("{size}{}{data}{}", random.of(ends), random.of(ends))
}

#[test]
fn whatever_is_thrown_together_is_understood_in_one_way() {
    // Another one each time would find more, and nobody could tell what.
    let mut random = Random(0x1ead_5a11);
    let mut scene = Scene::new();
    // Who reads only a part of it as a body finds nothing behind that could be meant.
    let hidden = format!("{}{SMUGGLED}", "\0".repeat(16));
    for _ in 0..TURNS {
        let mut body = String::new();
        for _ in 0..random.below(3) {
            let data = random.of(&[&hidden[..], "hello", "0\r\n\r\n"]);
            body.push_str(&chunk(&mut random, data));
        }
        if random.happens(80) {
            body.push_str("0\r\n\r\n");
        }
        let mut lines = String::new();
        for _ in 0..random.below(4) {
            lines.push_str(&line(&mut random, body.len()));
        }
        let method = random.of(&["GET", "POST", "PUT", "DELETE"]);
        let version = if random.happens(90) { "1.1" } else { "1.0" };
        let bytes = format!(
            "{method} /case-@@@@ HTTP/{version}\r\nhost: site.example\r\n{lines}\r\n{body}"
        );
        scene.play(&bytes, bytes.as_bytes(), &Any);
    }
    scene.end();
}
