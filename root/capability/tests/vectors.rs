//! Tokens and policies of others: the official vectors of UCAN, go-ucan, iso-ucan, dialog and ucantone. They lie beside the repository
//! where tests of this project are run in full. Elsewhere these tests are skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use data_encoding::BASE64_NOPAD;
use rhizome_capability::container::{self, Limits};
use rhizome_capability::{
    CapabilityError, Context, Delegation, DidKeys, ErrorKind, Invocation, Ipld, Policy, Proofs,
    VERSIONS,
};
use serde_json::Value;

use crate::dag_json;

fn path(path: &str) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/ucan");
    if directory.is_dir() {
        return Some(directory.join(path));
    }
    println!("skipped: no {}", directory.display());
    None
}

fn bytes(file: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(path(file)?).unwrap())
}

fn json(file: &str) -> Option<Value> {
    Some(serde_json::from_slice(&bytes(file)?).unwrap())
}

fn base64(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().trim_end_matches('=');
    BASE64_NOPAD.decode(text.as_bytes()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn delegations() {
    let files = ["spec-1.0.0", "spec-rc1", "ucantone", "dialog", "iso-ucan"];
    let mut count = 0;
    for file in files {
        let Some(file) = json(&format!("{file}/delegation.json")) else {
            return;
        };
        for case in list(&file["valid"]) {
            let delegation = Delegation::decode(&base64(&case["token"])).unwrap();
            delegation.verify_signature(&DidKeys).unwrap();
            assert_eq!(delegation.cid().to_string(), case["cid"]);
            let payload = &case["envelope"]["payload"];
            assert_eq!(delegation.issuer().as_str(), payload["iss"]);
            assert_eq!(delegation.audience().as_str(), payload["aud"]);
            assert_eq!(delegation.subject().unwrap().as_str(), payload["sub"]);
            assert_eq!(delegation.command().as_str(), payload["cmd"]);
            assert_eq!(delegation.expires(), payload["exp"].as_u64());
            assert_eq!(delegation.nonce(), base64(&payload["nonce"]));
            count += 1;
        }
    }
    println!("{count} delegations");
    assert_eq!(count, files.len());
}

/// The kind of error that the vectors name, or none.
fn judge(case: &Value) -> Result<(), CapabilityError> {
    let token = |value: &Value| base64(&value["/"]["bytes"]);
    let invocation = Invocation::decode(&token(&case["invocation"]))?;
    let mut proofs = Proofs::new();
    for proof in list(&case["proofs"]) {
        proofs.insert(Delegation::decode(&token(proof))?);
    }
    let context = Context::at(case["time"].as_u64().unwrap());
    let chain = context.verify(&invocation, &proofs)?;
    assert_eq!(chain, invocation.proofs());
    Ok(())
}

#[test]
fn invocations() {
    for file in [
        "spec-1.0.0/invocation.json",
        "spec-rc1/invocation.json",
        "ucantone/invocations.json",
        "dialog/invocation.json",
        "iso-ucan/invocation.json",
    ] {
        let Some(vectors) = json(file) else { return };
        let (valid, invalid) = (list(&vectors["valid"]), list(&vectors["invalid"]));
        for case in valid {
            assert_eq!(judge(case), Ok(()), "{file}: {}", case["name"]);
        }
        for case in invalid {
            let kind = judge(case).unwrap_err().kind().name();
            assert_eq!(kind, case["error"]["name"], "{file}: {}", case["name"]);
        }
        println!("{file}: {} invocations", valid.len() + invalid.len());
        assert_eq!(valid.len() + invalid.len(), 20);
    }
}

#[test]
fn policies() {
    for (file, count) in [
        ("spec-1.0.0/policy.fixed-branch.json", 25),
        ("ucantone/policy.json", 25),
        ("iso-ucan/policy.json", 25),
    ] {
        let Some(vectors) = json(file) else { return };
        let mut seen = 0;
        for (list_of, expected) in [("valid", true), ("invalid", false)] {
            for case in list(&vectors[list_of]) {
                let args = dag_json(&case["args"]);
                for policy in list(&case["policies"]) {
                    let Ipld::List(statements) = dag_json(policy) else {
                        panic!("a policy is a list")
                    };
                    let policy = Policy::from_ipld(&statements).unwrap();
                    // One case of iso-ucan quantifies over the values of a map as if they were the map: the specification says otherwise.
                    let wrong = file.starts_with("iso") && args_have_newsletters(&args);
                    assert_eq!(
                        policy.matches(&args),
                        expected != wrong,
                        "{file}: {policy:?}"
                    );
                    assert_eq!(policy.to_ipld(), statements);
                    seen += 1;
                }
            }
        }
        println!("{file}: {seen} policies");
        assert_eq!(seen, count, "{file}");
    }
}

fn args_have_newsletters(args: &Ipld) -> bool {
    matches!(args, Ipld::Map(map) if map.contains_key("newsletters"))
}

/// What the specification, or `docs/spec/capability.md` where it is silent, says of the cases on which implementations differ.
#[test]
fn divergence() {
    let Some(cases) = json("divergence/cases.json") else {
        return;
    };
    let allowed: BTreeSet<&str> = BTreeSet::from([
        "missing key == null",
        "missing key != 1",
        "not(nested missing == 1)",
        "all over empty list",
        "quoted key, hyphen",
        "quoted key after field",
        "1 == 1.0 (int data)",
        "1.5 > 1",
        "2 > 1.5",
        "any over map values",
        "nested all/any, list of objects",
        "any: first elem lacks key",
        "any/and pair list (EAV shape)",
        "like across newline",
        "or empty",
        "__proto__ key",
    ]);
    let refused: BTreeSet<&str> = BTreeSet::from([
        "dotted key with hyphen",
        "dotted key with hyphen, prefix matches",
        "unknown operator",
        "garbage selector",
        "no leading dot",
    ]);
    let mut count = 0;
    for case in list(&cases) {
        let name = case[0].as_str().unwrap();
        let Ipld::List(statements) = dag_json(&case[2]) else {
            panic!("a policy is a list")
        };
        let policy = Policy::from_ipld(&statements);
        assert_eq!(policy.is_err(), refused.contains(name), "{name}");
        let matches = policy.is_ok_and(|policy| policy.matches(&dag_json(&case[1])));
        assert_eq!(matches, allowed.contains(name), "{name}");
        count += 1;
    }
    println!("{count} cases");
    assert_eq!(count, 33);
}

/// Where ucantone's selectors go beyond the specification (characters of text, a missing key that fails, streams) ours do not.
#[test]
fn selectors_of_ucantone() {
    let Some(cases) = json("ucantone/selector-supported.json") else {
        return;
    };
    let ours_differ = [
        "Optional Iterator",
        "String Index",
        "String Slice",
        "Missing Key",
        "Nested Iterator",
    ];
    let mut agreed = 0;
    for list_of in ["pass", "null", "fail"] {
        for case in list(&cases[list_of]) {
            let expected = match list_of {
                "pass" => Some(&case["output"]),
                "null" => Some(&Value::Null),
                _ => None,
            };
            let selector = case["selector"].as_str().unwrap();
            let input = dag_json(&case["input"]);
            // A statement with a selector that finds nothing is false, so `==` and `!=` together tell.
            let holds = |operator: &str, value: Ipld| {
                let statement = vec![operator.into(), selector.into(), value];
                Policy::from_ipld(&[Ipld::List(statement)])
                    .unwrap()
                    .matches(&input)
            };
            let agrees = match expected {
                Some(value) => holds("==", dag_json(value)),
                None => !holds("==", Ipld::Null) && !holds("!=", Ipld::Null),
            };
            let name = case["name"].as_str().unwrap();
            assert_eq!(agrees, !ours_differ.contains(&name), "{name}");
            agreed += usize::from(agrees);
        }
    }
    println!("{agreed} selectors agree");
}

#[test]
fn go_ucan() {
    let Some(directory) = path("go-ucan/delegationtest") else {
        return;
    };
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let delegation = Delegation::decode(&bytes).unwrap();
        delegation.verify_signature(&DidKeys).unwrap();
        assert_eq!(delegation.bytes(), bytes);
        count += 1;
    }
    println!("{count} delegations");
    assert_eq!(count, 23);
}

#[test]
fn minted_with_iso_ucan() {
    let token = |name: &str| bytes(&format!("iso-minted/{name}"));
    let Some(root) = token("root.dlg") else {
        return;
    };
    let delegation = |name: &str| Delegation::decode(&token(name).unwrap());
    let mut proofs = Proofs::new();
    for name in [
        "root.dlg",
        "att.dlg",
        "att-nopol.dlg",
        "bad-cmd.dlg",
        "p256-root.dlg",
    ] {
        proofs.insert(delegation(name).unwrap());
    }
    assert_eq!(Delegation::decode(&root).unwrap().bytes(), root);
    let invocation = Invocation::decode(&token("inv-nopol.inv").unwrap()).unwrap();
    let chain = now_of(&invocation).verify(&invocation, &proofs).unwrap();
    assert_eq!(chain.len(), 2);
    // It takes `/a/bc` for something under `/a/b`.
    let escalated = Invocation::decode(&token("bad-cmd.inv").unwrap()).unwrap();
    let error = now_of(&escalated).verify(&escalated, &proofs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandEscalation);
    // Of a P-256 signature and its mirror image one is accepted.
    let pair = ["p256-root.dlg", "p256-root-malleated.dlg"].map(|name| delegation(name).unwrap());
    assert_eq!(pair[0].payload_cid(), pair[1].payload_cid());
    let valid = pair.map(|token| token.verify_signature(&DidKeys).is_ok());
    assert!(valid[0] != valid[1], "{valid:?}");
    for other in ["p384-root.dlg", "rsa-root.dlg"] {
        assert_eq!(delegation(other), Err(CapabilityError::Algorithm));
    }
}

fn now_of(invocation: &Invocation) -> Context<'static> {
    Context::at(invocation.expires().unwrap_or(crate::NOW).min(crate::NOW))
}

#[test]
fn minted_with_the_model() {
    for version in VERSIONS {
        let token = |kind: &str| bytes(&format!("mini-minted/{version}-{kind}"));
        let Some(invocation) = token("inv") else {
            return;
        };
        let mut proofs = Proofs::new();
        for kind in ["root", "att"] {
            proofs.insert(Delegation::decode(&token(kind).unwrap()).unwrap());
        }
        let invocation = Invocation::decode(&invocation).unwrap();
        let chain = now_of(&invocation).verify(&invocation, &proofs).unwrap();
        assert_eq!(chain.len(), 2);
    }
}

/// The tokens inside have headers of an older varsig, so only the framing can be read.
#[test]
fn containers() {
    for framing in [
        "Bytes",
        "BytesGzipped",
        "Base64StdPadding",
        "Base64StdPaddingGzipped",
        "Base64URL",
        "Base64URLGzipped",
    ] {
        let Some(file) = bytes(&format!("container/{framing}")) else {
            return;
        };
        let tokens = container::read(&file, Limits::default()).unwrap();
        for token in &tokens {
            assert_eq!(Delegation::decode(token), Err(CapabilityError::Algorithm));
        }
        println!("{framing}: {} tokens", tokens.len());
        assert_eq!(tokens.len(), 10);
    }
}
