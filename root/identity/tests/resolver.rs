//! DID Resolution over HTTP, as far as it is a function; and the shapes that the suites of the W3C ask for.

use std::fs;
use std::path::Path;

use rhizome_identity::{Did, Endpoint, Log, Representation, ResolveError, document, resolve};
use serde_json::{Value, json};

use crate::proposals::{done, done_by, log_of, public};
use crate::twin::{device, shown};

fn log() -> Log {
    let mut log = log_of(&[1]);
    let add = log.add_device(&public(1), device(2));
    done(&mut log, add, &[1, 2]);
    let pod = Endpoint {
        kind: "RhizomePod".into(),
        endpoint: "https://pod.example.com/".into(),
    };
    let service = log.set_service(&public(1), "pod", Some(pod));
    done(&mut log, service, &[1]);
    let aka = log.set_aka(&public(1), vec!["https://alice.example.com/".into()]);
    done(&mut log, aka, &[1]);
    log
}

fn ended() -> Log {
    let mut log = log();
    let (reveals, keys) = shown(100);
    let end = log.deactivate(reveals);
    done_by(&mut log, end, &keys.iter().collect::<Vec<_>>());
    log
}

fn get(
    log: &Log,
    did: &str,
    accept: Option<&str>,
    options: &[(&str, &str)],
) -> (u16, String, Value) {
    let answer = resolve(did, accept, options, |did: &Did| {
        (*did == log.did()).then_some(log)
    })
    .answer();
    let body = serde_json::from_str(&answer.body).unwrap();
    (answer.status, answer.content_type.into(), body)
}

#[test]
fn a_result_and_its_representations() {
    let log = log();
    let did = log.did().to_string();
    let now = log.resolve();
    for accept in [
        None,
        Some("*/*"),
        Some("application/did-resolution"),
        Some("text/html, */*;q=0.1"),
    ] {
        let (status, content_type, body) = get(&log, &did, accept, &[]);
        assert_eq!(
            (status, content_type.as_str()),
            (200, "application/did-resolution")
        );
        assert_eq!(body["didDocument"], document(&now, Representation::Did));
        assert_eq!(
            body["didResolutionMetadata"],
            json!({"contentType": "application/did"})
        );
        assert_eq!(
            body["didDocumentMetadata"],
            json!({"versionId": now.version.to_string()})
        );
    }
    for form in Representation::ALL {
        let (status, content_type, body) = get(&log, &did, Some(form.media_type()), &[]);
        assert_eq!((status, content_type.as_str()), (200, form.media_type()));
        assert_eq!(body, document(&now, form));
        assert_eq!(
            body.get("@context").is_some(),
            form != Representation::DidJson
        );
    }
    let (_, content_type, _) = get(
        &log,
        &did,
        Some("application/did+ld+json;q=0.5, Application/DID+json, application/did;q=0"),
        &[],
    );
    assert_eq!(content_type, "application/did+json");
}

/// DID, `Accept`, options, status, error.
type Case<'a> = (
    &'a str,
    Option<&'a str>,
    &'a [(&'a str, &'a str)],
    u16,
    &'a str,
);

#[test]
fn errors_have_their_names_and_statuses() {
    let log = log();
    let did = log.did().to_string();
    let other = log_of(&[5]).did().to_string();
    let cut = &did[..did.len() - 1];
    let cases: &[Case] = &[
        ("", None, &[], 400, "INVALID_DID"),
        ("not-a-did", None, &[], 400, "INVALID_DID"),
        ("did:example", None, &[], 400, "INVALID_DID"),
        ("did:Example:1", None, &[], 400, "INVALID_DID"),
        ("did:example:", None, &[], 400, "INVALID_DID"),
        ("did:example:a%2", None, &[], 400, "INVALID_DID"),
        ("did:rhizome_x", None, &[], 400, "INVALID_DID"),
        (cut, None, &[], 400, "INVALID_DID"),
        (
            "did:unsupported:123%3a:x",
            None,
            &[],
            501,
            "METHOD_NOT_SUPPORTED",
        ),
        (&other, None, &[], 404, "NOT_FOUND"),
        (
            &did,
            Some("image/png"),
            &[],
            406,
            "REPRESENTATION_NOT_SUPPORTED",
        ),
        (
            &did,
            None,
            &[("versionTime", "2026-01-01T00:00:00Z")],
            501,
            "FEATURE_NOT_SUPPORTED",
        ),
        (&did, None, &[("versionId", "")], 400, "INVALID_OPTIONS"),
        (
            &did,
            None,
            &[("noCache", "perhaps")],
            400,
            "INVALID_OPTIONS",
        ),
        (&did, None, &[("versionId", &other[12..])], 404, "NOT_FOUND"),
    ];
    for (did, accept, options, status, name) in cases {
        let (found, content_type, body) = get(&log, did, *accept, options);
        assert_eq!(found, *status, "{did}");
        assert_eq!(content_type, "application/did-resolution");
        let error = &body["didResolutionMetadata"]["error"];
        assert_eq!(
            error["type"],
            format!("https://www.w3.org/ns/did#{name}"),
            "{did}"
        );
        assert_eq!(body["didDocument"], Value::Null);
        assert_eq!(body["didDocumentMetadata"], json!({}));
    }
    assert_eq!(ResolveError::InvalidDid.keyword(), "invalidDid");
}

#[test]
fn old_versions_and_the_end() {
    let mut log = log();
    let did = log.did().to_string();
    let then = log.resolve();
    let aka = log.set_aka(&public(1), vec![]);
    done(&mut log, aka, &[1]);
    let version = then.version.to_string();
    let (_, _, body) = get(&log, &did, None, &[("versionId", &version)]);
    assert_eq!(body["didDocument"], document(&then, Representation::Did));
    assert_eq!(body["didDocumentMetadata"]["versionId"], version);
    let now = log.resolve().version.to_string();
    let (_, _, body) = get(
        &log,
        &did,
        None,
        &[("versionId", &now), ("noCache", "true")],
    );
    assert_eq!(body["didDocument"].get("alsoKnownAs"), None);

    let log = ended();
    for accept in [None, Some("application/did+json")] {
        let (status, content_type, body) = get(&log, &did, accept, &[]);
        assert_eq!(
            (status, content_type.as_str()),
            (410, "application/did-resolution")
        );
        assert_eq!(body["didDocument"], Value::Null);
        assert_eq!(body["didDocumentMetadata"]["deactivated"], true);
        assert!(body["didResolutionMetadata"].get("error").is_none());
    }
}

/// Beside the repository, where this project is tested in full, lie inputs that the did-test-suite accepts: same keys, same kinds.
#[test]
fn documents_have_the_shape_of_the_suite() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/did");
    let Ok(bytes) = fs::read(path.join("did-rhizome.json")) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let shape: Value = serde_json::from_slice(&bytes).unwrap();
    let example = &shape[shape["dids"][0].as_str().unwrap()];
    let example = &example["didDocumentDataModel"]["properties"];
    let ours = document(&log().resolve(), Representation::DidJson);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&ours), keys(example));
    assert_eq!(ours["service"][0].as_object().unwrap().len(), 3);
    for (name, value) in example.as_object().unwrap() {
        assert_eq!(ours[name].is_array(), value.is_array(), "{name}");
    }
    for method in ours["verificationMethod"].as_array().unwrap() {
        assert_eq!(keys(method), keys(&example["verificationMethod"][0]));
        assert_eq!(method["type"], example["verificationMethod"][0]["type"]);
    }
    // The end, as the resolver's file has it.
    let bytes = fs::read(path.join("resolver-rhizome.json")).unwrap();
    let shape: Value = serde_json::from_slice(&bytes).unwrap();
    let example = &shape["executions"][3]["output"]["didDocument"];
    let ours = document(&ended().resolve(), Representation::DidJson);
    assert_eq!(keys(&ours), keys(example));
}
