//! Known answers of this project's own, made by a second implementation.

use std::path::Path;

use data_encoding::HEXLOWER;
use rhizome_capability::container::{self, Framing, Limits};
use rhizome_capability::{
    CapabilityError, Context, Delegation, DidKeys, Invocation, Ipld, Policy, Proofs, Revocation,
    Revocations,
};
use serde_json::Value;

use crate::{dag_json, now};

fn known_answers() -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/capability.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn list<'a>(answers: &'a Value, name: &str) -> &'a [Value] {
    answers[name].as_array().unwrap()
}

/// The name of the kind of error, or null.
fn kind<T>(result: &Result<T, CapabilityError>) -> Value {
    match result {
        Ok(_) => Value::Null,
        Err(error) => error.kind().name().into(),
    }
}

#[test]
fn tokens() {
    let answers = known_answers();
    for case in list(&answers, "accepted") {
        let token = Delegation::decode(&hex(&case["token"])).unwrap();
        token.verify_signature(&DidKeys).unwrap();
        assert_eq!(token.cid().to_string(), case["cid"], "{}", case["name"]);
        assert_eq!(token.payload_cid().to_string(), case["payload"]);
    }
    for case in list(&answers, "refused") {
        let token = Delegation::decode(&hex(&case["token"]));
        let verified = token.and_then(|token| token.verify_signature(&DidKeys));
        assert_eq!(kind(&verified), case["error"], "{}", case["name"]);
    }
}

#[test]
fn chains() {
    for case in list(&known_answers(), "chains") {
        let proofs = list(case, "proofs")
            .iter()
            .map(|proof| Delegation::decode(&hex(proof)).unwrap());
        let proofs: Proofs = proofs.collect();
        let invocation = Invocation::decode(&hex(&case["invocation"])).unwrap();
        let context = Context::at(case["time"].as_u64().unwrap());
        let verdict = context.verify(&invocation, &proofs);
        assert_eq!(kind(&verdict), case["error"], "{}", case["name"]);
    }
}

#[test]
fn revocations() {
    let answers = &known_answers()["revocation"];
    let revocation = Invocation::decode(&hex(&answers["revocation"])).unwrap();
    let revocation = Revocation::verify(&revocation, &Proofs::new(), &now()).unwrap();
    let mut revocations = Revocations::default();
    revocations.insert(&revocation).unwrap();
    for (name, expected) in [("revoked", true), ("not", false)] {
        for token in list(answers, name) {
            let token = Delegation::decode(&hex(token)).unwrap();
            let issuer = token.issuer().did();
            assert_eq!(revocations.contains(&token, |did| did == issuer), expected);
        }
    }
}

#[test]
fn policies() {
    for case in list(&known_answers(), "policies") {
        let Ipld::List(statements) = dag_json(&case["policy"]) else {
            panic!("a policy is a list")
        };
        let policy = Policy::from_ipld(&statements);
        let verdict = policy
            .ok()
            .map(|policy| policy.matches(&dag_json(&case["args"])));
        assert_eq!(verdict, case["matches"].as_bool(), "{case}");
    }
}

#[test]
fn containers() {
    let answers = &known_answers()["container"];
    let tokens: Vec<Vec<u8>> = list(answers, "tokens").iter().map(hex).collect();
    for framing in Framing::ALL {
        let name = format!("{framing:?}");
        let bytes = hex(&answers["containers"][&name]);
        assert_eq!(
            container::read(&bytes, Limits::default()).unwrap(),
            tokens,
            "{name}"
        );
        if !name.starts_with("Gzip") {
            let written = container::write(framing, tokens.iter().map(Vec::as_slice));
            assert_eq!(written.unwrap(), bytes, "{name}");
        }
    }
}
