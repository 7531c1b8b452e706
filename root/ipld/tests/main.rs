//! Tests of rhizome-ipld, one binary.

mod canonical;
mod car;
mod cids;
mod did_key;
mod envelope;
mod multi;
mod signatures;
mod vectors;

use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

/// Known answers of this project's own formats.
fn known_answers() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/ipld.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Vectors of others, which lie beside the repository where tests of this project are run in full. Elsewhere the test is skipped.
fn vectors_of_others(path: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/crypto")
        .join(path);
    if let Ok(bytes) = std::fs::read(&path) {
        Some(serde_json::from_slice(&bytes).unwrap())
    } else {
        println!("skipped: no {}", path.display());
        None
    }
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
}
