//! Requests byte by byte, and the description of the API.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value as Json;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head
            .lines()
            .find(|line| line.to_lowercase().starts_with(&start))
            .map(|line| line[start.len()..].trim())
    }

    pub fn has(&self, name: &str, part: &str) -> bool {
        self.header(name).is_some_and(|value| value.contains(part))
    }
}

/// One request. HTTP 1.0, so that the answer is what comes until the end.
pub fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {path} HTTP/1.0\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        write!(head, "host: {address}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !body.is_empty() || method == "POST" {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // who refuses a body may not read all of it
    let _ = stream.write_all(body);
    heard(&mut stream)
}

/// How a body says how long it is.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// By its length.
    True,
    /// By another length than its own.
    Claimed(u64),
    /// Piece by piece.
    Chunked,
}

/// A POST with a body of so many blanks, which are sent as far as the other side takes them. HTTP 1.1.
pub fn send(
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    len: usize,
    length: Length,
) -> Answer {
    const PIECE: usize = 1 << 20;
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    match length {
        Length::True => write!(head, "content-length: {len}\r\n").unwrap(),
        Length::Claimed(claimed) => write!(head, "content-length: {claimed}\r\n").unwrap(),
        Length::Chunked => head += "transfer-encoding: chunked\r\n",
    }
    head += "\r\n";
    let blanks = vec![b' '; PIECE];
    // who has heard enough may say so before the end
    let sent = stream.write_all(head.as_bytes()).and_then(|()| {
        let mut left = len;
        while left > 0 {
            let now = left.min(PIECE);
            if matches!(length, Length::Chunked) {
                write!(stream, "{now:x}\r\n")?;
                stream.write_all(&blanks[..now])?;
                stream.write_all(b"\r\n")?;
            } else {
                stream.write_all(&blanks[..now])?;
            }
            left -= now;
        }
        if matches!(length, Length::Chunked) {
            stream.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    });
    let answer = heard(&mut stream);
    assert!(answer.status != 0, "{path}: no answer ({sent:?})");
    answer
}

/// What comes until the end, or as much as is said to come.
pub fn heard(stream: &mut TcpStream) -> Answer {
    let mut all = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let answer = read(&all);
        let wanted = answer
            .as_ref()
            .and_then(|answer| answer.header("content-length")?.parse().ok());
        if let (Some(answer), Some(wanted)) = (&answer, wanted)
            && answer.body.len() >= wanted
        {
            break;
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
            _ => break,
        }
    }
    read(&all).unwrap_or(Answer {
        status: 0,
        head: String::new(),
        body: all,
    })
}

fn read(all: &[u8]) -> Option<Answer> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head,
        body: all[end + 4..].to_vec(),
    })
}

/// The description as it is in the tree.
pub fn description() -> Json {
    serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap()
}

/// What is described.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub what: Json,
}

impl Operation {
    /// Whether the token of this run is needed.
    pub fn needs_token(&self) -> bool {
        self.what.get("security").is_none()
    }

    pub fn takes_json(&self) -> bool {
        self.what["requestBody"]["content"]["application/json"].is_object()
    }

    pub fn takes_body(&self) -> bool {
        self.what["requestBody"].is_object()
    }
}

pub fn operations() -> Vec<Operation> {
    let all = description();
    let mut out = Vec::new();
    for (path, methods) in all["paths"].as_object().unwrap() {
        for (method, what) in methods.as_object().unwrap() {
            out.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                what: what.clone(),
            });
        }
    }
    out
}
