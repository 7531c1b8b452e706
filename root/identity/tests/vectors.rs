//! The known answers of docs/spec/vectors/identity.json, which a second implementation made.

use std::fs;
use std::path::Path;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rhizome_identity::{
    Create, Device, Enrol, Genesis, IdentityError, Incarnation, Inserted, KemSecret, KeyStore, Log,
    Operation, RecoveryWords, Role, SealedHead, Secret, Service, Standing,
};
use rhizome_ipld::{Signed, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn known_answers() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/identity.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text(value).as_bytes()).unwrap()
}

fn bytes32(value: &Value) -> [u8; 32] {
    hex(value).try_into().unwrap()
}

fn secret(value: &Value) -> Secret {
    Secret::take(&mut bytes32(value))
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Randomness that is known: these bytes, once.
fn once(bytes: Vec<u8>) -> impl FnMut(&mut [u8]) {
    let mut bytes = Some(bytes);
    move |out| out.copy_from_slice(&bytes.take().unwrap())
}

#[test]
fn words() {
    for case in known_answers()["words"].as_array().unwrap() {
        let words = RecoveryWords::parse(text(&case["words"])).unwrap();
        assert_eq!(words.entropy().expose(), &bytes32(&case["entropy"]));
        assert_eq!(words.phrase().as_str(), case["words"]);
        assert_eq!(words.key().public().to_multibase(), case["key"]);
        assert_eq!(words.salt(), bytes32(&case["salt"]));
        assert_eq!(words.policy().keys[0].as_slice(), hex(&case["hidden"]));
        assert_eq!(sha256(&words.kem().public().to_bytes()), case["kem_sha256"]);
    }
}

#[test]
fn x_wing() {
    for case in known_answers()["x_wing"].as_array().unwrap() {
        let key = KemSecret::from_seed(secret(&case["seed"])).public();
        assert_eq!(sha256(&key.to_bytes()), case["sha256"]);
    }
}

#[test]
fn geneses() {
    for case in known_answers()["genesis"].as_array().unwrap() {
        let read = Genesis::from_car(&hex(&case["car"])).unwrap();
        assert_eq!(read.did().to_string(), case["did"]);
        assert_eq!(sha256(read.payload_bytes()), case["payload_sha256"]);
        assert_eq!(read.signature_block().unwrap(), hex(&case["signatures"]));
        assert_eq!(read.to_car().unwrap(), hex(&case["car"]));

        let seeds = case["seeds"].as_array().unwrap();
        let keys: Vec<SigningKey> = seeds
            .iter()
            .map(|seed| SigningKey::from_seed(bytes32(seed)))
            .collect();
        let devices = keys
            .iter()
            .zip(seeds)
            .zip(case["roles"].as_array().unwrap());
        let words = RecoveryWords::from_entropy(secret(&case["entropy"]));
        let create = Create {
            devices: devices
                .map(|((key, seed), role)| Device {
                    key: key.public(),
                    kem: KemSecret::from_seed(secret(seed)).public(),
                    role: if role == "admin" {
                        Role::Admin
                    } else {
                        Role::Member
                    },
                })
                .collect(),
            policies: vec![words.policy()],
            services: vec![Service {
                id: "pod".into(),
                kind: "RhizomePod".into(),
                endpoint: "https://pod.example.com/".into(),
            }],
            nonce: hex(&case["nonce"]).try_into().unwrap(),
        };
        let made = Genesis::create(create, &keys.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(made, read);
    }
}

#[test]
fn enrolment() {
    let answers = known_answers();
    let case = &answers["enrolment"];
    let bytes = hex(&case["envelope"]);
    let read = Signed::<Enrol>::from_bytes(&bytes)
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(read.id().to_string(), case["id"]);
    let genesis = Genesis::from_car(&hex(&answers["genesis"][0]["car"])).unwrap();
    genesis.admit(&read).unwrap();
    let made = Enrol::sign(
        text(&case["pod"]).parse().unwrap(),
        &SigningKey::from_seed(bytes32(&case["device_seed"])),
        None,
        SigningKey::from_seed(bytes32(&case["process_seed"])).public(),
        &mut once(hex(&case["nonce"])),
    );
    assert_eq!(made.unwrap().to_bytes(), bytes);

    // one of before names were left out
    let case = &answers["enrolment_with_name"];
    let bytes = hex(&case["envelope"]);
    let old = Signed::<Enrol>::from_bytes(&bytes)
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(old.name.as_deref(), case["name"].as_str());
    assert_eq!(old.id().to_string(), case["id"]);
    assert_eq!(old.to_bytes(), bytes);
    genesis.admit(&old).unwrap();
}

/// Key store files written by others open here; so a store of today opens in ten years.
#[test]
fn key_stores() {
    let answers = known_answers();
    let case = &answers["key_store"];
    for file in case["files"].as_array().unwrap() {
        let home = tempfile::TempDir::new().unwrap();
        let keys = home.path().join("keys");
        KeyStore::create(&keys, "", &mut crate::random(1)).unwrap();
        fs::write(keys.join("keystore"), hex(&file["file"])).unwrap();
        let store = KeyStore::open(&keys, text(&file["passphrase"])).unwrap();
        let device = SigningKey::from_seed(bytes32(&case["device_seed"])).public();
        assert_eq!(store.device().public(), device);
        assert_eq!(
            store.did().unwrap().to_string(),
            answers["genesis"][0]["did"]
        );
        let (name, epoch) = store.epochs().next().unwrap();
        assert_eq!(name.as_slice(), hex(&case["epoch"]["name"]));
        assert_eq!(epoch.expose(), &bytes32(&case["epoch"]["secret"]));
        let process = store.process(text(&case["process"])).unwrap();
        assert_eq!(
            process.enrol.to_bytes(),
            hex(&answers["enrolment_with_name"]["envelope"])
        );
        let words = store.unconfirmed_words().unwrap();
        assert_eq!(words.entropy().expose(), &bytes32(&case["entropy"]));
        if !text(&file["passphrase"]).is_empty() {
            assert!(matches!(
                KeyStore::open(&keys, "wrong"),
                Err(IdentityError::WrongPassphrase)
            ));
        }
    }
}

/// One operation of each kind, and what the identity is in between.
#[test]
fn device_log() {
    let answers = known_answers();
    let case = &answers["log"];
    let mut states = case["states"].as_array().unwrap().iter().peekable();
    let mut log: Option<Log> = None;
    for row in case["operations"].as_array().unwrap() {
        let operation = Operation::verify(&hex(&row["payload"]), &hex(&row["signatures"])).unwrap();
        assert_eq!(operation.id().to_string(), row["id"]);
        assert_eq!(
            operation.signature_block().unwrap(),
            hex(&row["signatures"])
        );
        match &mut log {
            None => log = Some(Log::new(Genesis::of(operation).unwrap()).unwrap()),
            Some(log) => assert!(matches!(log.insert(operation).unwrap(), Inserted::Added(_))),
        }
        if let (Some(log), Some(state)) = (&log, states.next_if(|s| s["after"] == row["name"])) {
            check_state(log, state);
        }
    }
    assert!(states.next().is_none());
    let log = log.unwrap();
    assert_eq!(log.did().to_string(), case["did"]);
    assert_eq!(log.to_car().unwrap(), hex(&case["car"]));
    let read = Log::from_car(&hex(&case["car"])).unwrap();
    assert_eq!(read.resolve(), log.resolve());

    let enrol = Signed::<Enrol>::from_bytes(&hex(&case["enrolment"]))
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(log.resolve().admit(&enrol).unwrap(), Standing::Whole);

    // The key store of a device that joined: version 2 of the file.
    let home = tempfile::TempDir::new().unwrap();
    let keys = home.path().join("keys");
    KeyStore::create(&keys, "", &mut crate::random(1)).unwrap();
    fs::write(keys.join("keystore"), hex(&case["key_store"])).unwrap();
    let store = KeyStore::open(&keys, "").unwrap();
    assert_eq!(store.incarnation(), enrol.incarnation());
    assert_eq!(store.did(), Some(log.did()));
    assert_eq!(store.process("cli").unwrap().enrol, enrol);
}

fn check_state(log: &Log, expected: &Value) {
    let now = log.resolve();
    let after = &expected["after"];
    let devices: Vec<Value> = now
        .devices
        .iter()
        .map(|a| {
            json!({
                "key": a.device.key.to_multibase(),
                "add": a.incarnation.add.to_string(),
                "role": if a.device.role == Role::Admin { "admin" } else { "member" },
                "kem": a.device.kem.to_multibase(),
            })
        })
        .collect();
    assert_eq!(&Value::from(devices), &expected["devices"], "{after}");
    let services: Vec<Value> = now
        .services
        .iter()
        .map(|s| json!({"id": s.id, "type": s.kind, "endpoint": s.endpoint}))
        .collect();
    assert_eq!(&Value::from(services), &expected["services"], "{after}");
    assert_eq!(json!(now.also_known_as), expected["aka"], "{after}");
    let policies: Vec<Value> = now
        .policies
        .iter()
        .map(|p| {
            let keys = p.keys.iter().map(|k| HEXLOWER.encode(k.as_slice()));
            json!({"k": p.k, "keys": keys.collect::<Vec<_>>()})
        })
        .collect();
    assert_eq!(&Value::from(policies), &expected["policies"], "{after}");
    assert_eq!(now.epoch, expected["epoch"], "{after}");
    assert_eq!(now.deactivated, expected["deactivated"] == true, "{after}");
    assert!(!now.contested);
    if let Some(version) = expected["version"].as_str() {
        assert_eq!(now.version.to_string(), version, "{after}");
    }
    let mut cut = 0;
    let find = |name: &Value| {
        let is = |i: &&Incarnation| {
            i.key.to_multibase() == name["key"] && i.add.to_string() == name["add"]
        };
        let (incarnation, _) = now.standings().find(|(i, _)| is(i)).unwrap();
        now.standing(incarnation).unwrap()
    };
    for name in expected["within"].as_array().unwrap() {
        let Standing::Within(seals) = find(name) else {
            panic!("{after}: {name} is not cut off");
        };
        let row =
            |h: &SealedHead| json!([h.process.to_multibase(), h.seq, HEXLOWER.encode(&h.commit)]);
        let seals: Vec<Vec<Value>> = seals.iter().map(|s| s.iter().map(row).collect()).collect();
        assert_eq!(json!(seals), name["seals"], "{after}");
        cut += 1;
    }
    for name in expected["never"].as_array().unwrap() {
        assert_eq!(find(name), &Standing::Never, "{after}");
        cut += 1;
    }
    let others = now.standings().filter(|(_, s)| **s != Standing::Whole);
    assert_eq!(others.count(), cut, "{after}");
}

/// The word list and its checksum are BIP-39's: the vectors of its authors, which lie beside the repository where the tests of
/// this project are run in full.
#[test]
fn words_of_others() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/crypto/bip39/vectors.json");
    let Ok(bytes) = fs::read(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let vectors: Value = serde_json::from_slice(&bytes).unwrap();
    let mut read = 0;
    for case in vectors["english"].as_array().unwrap() {
        let parsed = RecoveryWords::parse(text(&case[1]));
        if hex(&case[0]).len() == 32 {
            assert_eq!(parsed.unwrap().entropy().expose().as_slice(), hex(&case[0]));
            read += 1;
        } else {
            assert!(
                matches!(parsed, Err(IdentityError::Words(_))),
                "not 24 words"
            );
        }
    }
    assert!(read >= 5);
}
