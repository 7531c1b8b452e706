//! What the suites of the W3C want to see of did:rhizome (docs/did.md).
//!
//! `cargo run -p rhizome-identity --example did_suites -- DIR` makes three identities (one in use, one that has ended, one that nobody
//! knows), writes what they resolve to into `DIR`, in the forms that the suites read, and answers over HTTP on loopback until its
//! standard input ends. The server is as small as the suites allow; in earnest the pod serves.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::{env, fs, io, thread};

use rhizome_identity::{
    Answer, Create, Device, Did, Endpoint, Genesis, KemSecret, Log, Proposal, RecoveryWords,
    Representation, Resolved, Role, Secret, document, document_metadata, resolve,
};
use rhizome_ipld::SigningKey;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let directory = env::args().nth(1).ok_or("say where to write to")?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory)?;
    let (used, ended, unknown) = (identity(1)?, end(identity(2)?)?, identity(3)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}/1.0/identifiers", listener.local_addr()?);
    let write = |name: &str, value: &Value| -> Outcome<()> {
        fs::write(directory.join(name), serde_json::to_vec_pretty(value)?)?;
        Ok(())
    };
    write("did-rhizome.json", &method(&used))?;
    write("resolver-rhizome.json", &resolver(&used, &ended, &unknown))?;
    let (used_did, ended_did, unknown_did) = (
        used.did().to_string(),
        ended.did().to_string(),
        unknown.did().to_string(),
    );
    write(
        "implementation.json",
        &json!({
            "id": "rhizome", "endpoint": endpoint, "tags": ["did-resolution"],
            "supportedDids": {
                "valid": [
                    { "did": used_did, "resolutionOptions": {} },
                    { "did": used_did, "resolutionOptions": { "versionId": used.resolve().version.to_string() } },
                ],
                "notFound": unknown_did, "deactivated": ended_did,
            },
        }),
    )?;
    println!("{endpoint}");
    let logs = [used, ended];
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One request per connection; what goes wrong with one is its own affair.
            let _ = serve(stream, &logs);
        }
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn sign(proposal: Proposal, keys: &[&SigningKey], log: &mut Log) -> Outcome<()> {
    let mut proposal = proposal;
    for key in keys {
        proposal.sign(key)?;
    }
    log.insert(proposal.complete()?)?;
    Ok(())
}

fn words(seed: u8) -> RecoveryWords {
    RecoveryWords::from_entropy(Secret::take(&mut [seed; 32]))
}

/// A laptop, a phone, a pod and another name. The keys are no secret.
fn identity(seed: u8) -> Outcome<Log> {
    let (laptop, phone) = (
        SigningKey::from_seed([seed; 32]),
        SigningKey::from_seed([seed + 100; 32]),
    );
    let kem = |seed| KemSecret::from_seed(Secret::take(&mut [seed; 32])).public();
    let create = Create::one_device(
        laptop.public(),
        kem(seed),
        vec![words(seed).policy()],
        Vec::new(),
        &mut |bytes| bytes.fill(seed),
    );
    let mut log = Log::new(Genesis::create(create, &[&laptop])?)?;
    let by = laptop.public();
    let device = Device {
        key: phone.public(),
        kem: kem(seed + 100),
        role: Role::Member,
    };
    let pod = Endpoint {
        kind: "RhizomePod".into(),
        endpoint: "https://pod.example.com/".into(),
    };
    let proposal = log.add_device(&by, device)?;
    sign(proposal, &[&laptop, &phone], &mut log)?;
    let proposal = log.set_service(&by, "pod", Some(pod))?;
    sign(proposal, &[&laptop], &mut log)?;
    let proposal = log.set_aka(&by, vec!["https://alice.example.com/".into()])?;
    sign(proposal, &[&laptop], &mut log)?;
    Ok(log)
}

fn end(mut log: Log) -> Outcome<Log> {
    let words = words(2);
    let proposal = log.deactivate(vec![words.reveal()])?;
    sign(proposal, &[&words.key()], &mut log)?;
    Ok(log)
}

/// For the did-test-suite: the method.
fn method(log: &Log) -> Value {
    let now = log.resolve();
    let did = now.did.to_string();
    let plain = document(&now, Representation::DidJson);
    let form = |representation: Representation| {
        let whole = document(&now, representation);
        let context = whole.get("@context");
        json!({
            "didDocumentDataModel": {
                "representationSpecificEntries": context.map_or(json!({}), |c| json!({ "@context": c })),
            },
            "representation": whole.to_string(),
            "didDocumentMetadata": document_metadata(&now),
            "didResolutionMetadata": { "contentType": representation.media_type() },
        })
    };
    let mut of_did = json!({ "didDocumentDataModel": { "properties": plain } });
    let forms = [Representation::DidJson, Representation::DidLdJson];
    for representation in forms {
        of_did[representation.media_type()] = form(representation);
    }
    json!({
        "didMethod": "did:rhizome", "implementation": "Rhizome", "implementer": "Rhizome",
        "supportedContentTypes": forms.map(Representation::media_type),
        "dids": [did],
        "didParameters": { "versionId": format!("{did}?versionId={}", now.version) },
        (did): of_did,
    })
}

/// For the did-test-suite: the resolver. That suite is of DID Core 1.0: errors are keywords, and what has ended has a document.
fn resolver(used: &Log, ended: &Log, unknown: &Log) -> Value {
    let find = |did: &Did| [used, ended].into_iter().find(|log| log.did() == *did);
    let execution = |did: &str, accept: Option<&str>| {
        let resolved = resolve(did, accept, &[], find);
        let mut metadata = json!({});
        let mut options = json!({});
        let (mut model, mut stream) = (Value::Null, String::new());
        match &resolved.document {
            Err(error) => metadata["error"] = error.keyword().into(),
            Ok(_) if accept.is_some() => {
                metadata["contentType"] = resolved.representation.media_type().into();
                stream = resolved.answer().body;
            }
            Ok(Value::Null) => model = document(&ended.resolve(), Representation::DidJson),
            Ok(document) => {
                model = document.clone();
                model
                    .as_object_mut()
                    .and_then(|m| m.shift_remove("@context"));
            }
        }
        let mut output =
            json!({ "didResolutionMetadata": metadata, "didDocumentMetadata": resolved.metadata });
        let function = if let Some(accept) = accept {
            options["accept"] = accept.into();
            output["didDocumentStream"] = stream.into();
            "resolveRepresentation"
        } else {
            output["didDocument"] = model;
            "resolve"
        };
        json!({ "function": function, "input": { "did": did, "resolutionOptions": options }, "output": output })
    };
    let used = used.did().to_string();
    json!({
        "implementation": "Rhizome", "implementer": "Rhizome", "didMethod": "did:rhizome",
        "expectedOutcomes": {
            "defaultOutcome": [0, 4, 5], "invalidDidErrorOutcome": [1], "notFoundErrorOutcome": [2],
            "deactivatedOutcome": [3], "representationNotSupportedErrorOutcome": [],
        },
        "executions": [
            execution(&used, None),
            execution("did:rhizome_x", None),
            execution(&unknown.did().to_string(), None),
            execution(&ended.did().to_string(), None),
            execution(&used, Some("application/did+json")),
            execution(&used, Some("application/did+ld+json")),
        ],
    })
}

fn serve(mut stream: TcpStream, logs: &[Log]) -> io::Result<()> {
    let mut lines = BufReader::new((&stream).take(64 << 10)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut accept = None;
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("accept") => {
                accept = Some(value.trim().to_owned());
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let target = request.split(' ').nth(1).unwrap_or_default();
    let Answer {
        status,
        content_type,
        body,
    } = answer(target, accept.as_deref(), logs).answer();
    write!(
        stream,
        "HTTP/1.1 {status} \r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn answer(target: &str, accept: Option<&str>, logs: &[Log]) -> Resolved {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let did = unescaped(path.strip_prefix("/1.0/identifiers/").unwrap_or_default());
    let options: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (unescaped(name), unescaped(value)))
        .collect();
    let options: Vec<(&str, &str)> = options.iter().map(|(n, v)| (&**n, &**v)).collect();
    resolve(&did, accept, &options, |did: &Did| {
        logs.iter().find(|log| log.did() == *did)
    })
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = tail.split_at_checked(2).and_then(|(hex, tail)| {
            let byte = u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
            Some((byte, tail))
        });
        match escaped {
            Some((byte, tail)) if *first == b'%' => {
                out.push(byte);
                rest = tail;
            }
            _ => out.push(*first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
