//! Tests of rhizome-capability, one binary.

mod attacks;
mod chain;
mod container;
mod known_answers;
mod oracle;
mod policy;
mod tokens;
mod vectors;

use std::collections::BTreeMap;

use rhizome_capability::{
    Cid, Context, Delegation, Invocation, Ipld, Principal, Signer, SigningKey,
};

/// The time of all tests.
const NOW: u64 = 1_800_000_000;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

fn did(n: u8) -> Principal {
    key(n).issuer()
}

/// A delegation from one to the other of what belongs to `subject`.
fn grant(from: u8, to: u8, subject: u8, command: &str) -> Delegation {
    Delegation::to(did(to), command.parse().unwrap())
        .subject(did(subject))
        .sign(&key(from), &[from, to, subject])
        .unwrap()
}

fn invoke(by: u8, subject: u8, command: &str, proofs: &[&Delegation]) -> Invocation {
    Invocation::on(did(subject), command.parse().unwrap())
        .proofs(proofs.iter().map(|proof| *proof.cid()))
        .expires(NOW + 60)
        .sign(&key(by), &[by])
        .unwrap()
}

fn names<'a>(proofs: impl IntoIterator<Item = &'a Delegation>) -> Vec<Cid> {
    proofs.into_iter().map(|proof| *proof.cid()).collect()
}

fn now() -> Context<'static> {
    Context::at(NOW)
}

/// Reads DAG-JSON.
fn dag_json(value: &serde_json::Value) -> Ipld {
    use serde_json::Value;
    match value {
        Value::Null => Ipld::Null,
        Value::Bool(value) => Ipld::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Ipld::from(integer),
            None => Ipld::from(number.as_f64().unwrap()),
        },
        Value::String(text) => Ipld::String(text.clone()),
        Value::Array(list) => Ipld::List(list.iter().map(dag_json).collect()),
        Value::Object(map) => match map.get("/") {
            Some(Value::Object(bytes)) => {
                let text = bytes["bytes"].as_str().unwrap().trim_end_matches('=');
                let bytes = data_encoding::BASE64_NOPAD.decode(text.as_bytes());
                Ipld::Bytes(bytes.unwrap())
            }
            Some(Value::String(cid)) => Ipld::Link(cid.parse().unwrap()),
            _ => {
                let entry = |(key, value): (&String, _)| (key.clone(), dag_json(value));
                Ipld::Map(map.iter().map(entry).collect::<BTreeMap<_, _>>())
            }
        },
    }
}
