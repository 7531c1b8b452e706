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
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Answer {
            status: 0,
            head: String::new(),
            body: answer,
        };
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: answer[end + 4..].to_vec(),
    }
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
