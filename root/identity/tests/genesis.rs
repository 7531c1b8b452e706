//! Genesis, DID, enrolment, document.

use rhizome_identity::{
    Create, Device, Did, Enrol, Genesis, IdentityError, KemSecret, Log, Policy, RecoveryWords,
    Representation, Role, Secret, Service, document,
};
use rhizome_ipld::{MultiVerified, PublicKey, Signed, SigningKey, cid_sha256, codec};
use serde_json::json;

use crate::random;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

fn kem(seed: u8) -> KemSecret {
    KemSecret::from_seed(Secret::take(&mut [seed; 32]))
}

fn create(seeds: &[u8]) -> Create {
    let words = RecoveryWords::from_entropy(Secret::take(&mut [9; 32]));
    Create {
        devices: seeds
            .iter()
            .map(|&seed| Device {
                key: key(seed).public(),
                kem: kem(seed).public(),
                role: Role::Admin,
            })
            .collect(),
        policies: vec![words.policy()],
        services: vec![Service {
            id: "pod".into(),
            kind: "RhizomePod".into(),
            endpoint: "https://pod.example.com/".into(),
        }],
        nonce: [3; 16],
    }
}

pub fn genesis(seeds: &[u8]) -> Genesis {
    let keys: Vec<SigningKey> = seeds.iter().map(|&s| key(s)).collect();
    Genesis::create(create(seeds), &keys.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_did_is_the_cid_of_the_payload() {
    let genesis = genesis(&[1]);
    let cid = cid_sha256(genesis.payload_bytes());
    assert_eq!(genesis.did().to_string(), format!("did:rhizome:{cid}"));
    assert_eq!(genesis.did(), genesis.did().to_string().parse().unwrap());
}

#[test]
fn blocks_and_car_round_trip() {
    for seeds in [&[1][..], &[1, 2], &[5, 4, 3, 2, 1]] {
        let genesis = genesis(seeds);
        let signatures = genesis.signature_block().unwrap();
        let again = Genesis::verify(genesis.payload_bytes(), &signatures).unwrap();
        assert_eq!(again, genesis);
        let car = genesis.to_car().unwrap();
        assert_eq!(Genesis::from_car(&car).unwrap(), genesis);
    }
}

#[test]
fn the_order_of_signing_does_not_show() {
    let (a, b) = (key(1), key(2));
    let one = Genesis::create(create(&[1, 2]), &[&a, &b]).unwrap();
    let two = Genesis::create(create(&[1, 2]), &[&b, &a]).unwrap();
    assert_eq!(one.did(), two.did());
    assert_eq!(
        one.signature_block().unwrap(),
        two.signature_block().unwrap()
    );
}

#[test]
fn every_device_signs_and_nobody_else() {
    let (a, b, c) = (key(1), key(2), key(3));
    for keys in [&[&a][..], &[&b], &[], &[&a, &b, &c], &[&a, &c]] {
        assert!(matches!(
            Genesis::create(create(&[1, 2]), keys),
            Err(IdentityError::Signature(_))
        ));
    }
}

#[test]
fn swapped_signatures_are_refused() {
    let genesis = genesis(&[1, 2]);
    let other = self::genesis(&[1, 3]);
    assert!(Genesis::verify(genesis.payload_bytes(), &other.signature_block().unwrap()).is_err());
    let mut block = genesis.signature_block().unwrap();
    let last = block.len() - 1;
    block[last] ^= 1;
    assert!(Genesis::verify(genesis.payload_bytes(), &block).is_err());
}

#[test]
fn every_flipped_bit_of_the_payload_is_refused() {
    let genesis = genesis(&[1]);
    let block = genesis.signature_block().unwrap();
    for i in 0..genesis.payload_bytes().len() {
        let mut bad = genesis.payload_bytes().to_vec();
        bad[i] ^= 0x10;
        assert!(Genesis::verify(&bad, &block).is_err(), "byte {i}");
    }
}

#[test]
fn rules_of_the_fields() {
    type Break = fn(&mut Create);
    let cases: &[(&str, Break)] = &[
        ("no device", |c| c.devices.clear()),
        ("no admin", |c| c.devices[0].role = Role::Member),
        ("device twice", |c| c.devices.push(c.devices[0].clone())),
        ("33 devices", |c| {
            c.devices = (0..33)
                .map(|i| Device {
                    key: PublicKey::Ed25519([i; 32]),
                    ..c.devices[0].clone()
                })
                .collect();
        }),
        ("9 policies", |c| {
            c.policies = vec![c.policies[0].clone(); 9];
        }),
        ("k of 0", |c| c.policies[0].k = 0),
        ("2 of 1", |c| c.policies[0].k = 2),
        ("empty policy", |c| c.policies[0].keys.clear()),
        ("unsorted policy", |c| {
            let Policy { k, keys } = &mut c.policies[0];
            *k = 1;
            keys.push(serde_bytes::ByteArray::new([0; 32]));
        }),
        ("key twice in policy", |c| {
            let keys = &mut c.policies[0].keys;
            keys.push(keys[0]);
        }),
        ("17 services", |c| {
            c.services = vec![c.services[0].clone(); 17];
        }),
        ("service twice", |c| {
            c.services = vec![c.services[0].clone(); 2];
        }),
        ("service without name", |c| c.services[0].id.clear()),
        ("fragment in name", |c| c.services[0].id = "a#b".into()),
        ("space in endpoint", |c| {
            c.services[0].endpoint = "a b".into();
        }),
        ("endless endpoint", |c| {
            c.services[0].endpoint = "x".repeat(1025);
        }),
    ];
    for (name, break_it) in cases {
        let mut create = create(&[1]);
        break_it(&mut create);
        let result = Genesis::create(create, &[&key(1)]);
        assert!(
            matches!(result, Err(IdentityError::Genesis(_))),
            "{name}: {result:?}"
        );
    }
}

/// The rules hold for what others send, too, not only for what is made here.
#[test]
fn a_signed_genesis_that_breaks_a_rule_is_refused() {
    use rhizome_ipld::{HashKind, MultiPayload};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Lax {
        #[serde(rename = "rhizome/did@1")]
        action: Action,
    }
    #[derive(Serialize, Deserialize)]
    struct Action {
        create: Create,
    }
    impl MultiPayload for Lax {
        const DOMAIN: &'static str = "rhizome/did@1";
        const MAX_LEN: usize = 1 << 20;
        const MAX_SIGNATURES: usize = 8;
        const HASH: HashKind = HashKind::Sha256;
        fn accepts_signers(&self, _: &[PublicKey]) -> bool {
            true
        }
    }
    let sign = |create: Create| {
        let action = Action { create };
        let signed = MultiVerified::sign(Lax { action }, &[&key(1)]).unwrap();
        Genesis::verify(signed.payload_bytes(), &signed.signature_block().unwrap())
    };
    assert_eq!(
        sign(create(&[1])).unwrap(),
        genesis(&[1]),
        "the model is right"
    );
    let mut bad = create(&[1]);
    bad.policies[0].k = 7;
    assert!(matches!(sign(bad), Err(IdentityError::Genesis(_))));
}

#[test]
fn another_operation_is_a_clear_error() {
    let future = codec::encode(&json!({"rhizome/did@1": {"device.add": {}}})).unwrap();
    let genesis = genesis(&[1]);
    let error = Genesis::verify(&future, &genesis.signature_block().unwrap());
    assert!(error.is_err());
}

#[test]
fn did_text_is_canonical() {
    let did = genesis(&[1]).did().to_string();
    let bad = [
        String::new(),
        "did:rhizome:".into(),
        "did:web:example.com".into(),
        did.to_uppercase(),
        did.replace("did:rhizome:b", "did:rhizome:B"),
        // One capital in the middle: found by the fuzz target `enrolment`.
        format!("{}{}", &did[..40], did[40..].to_uppercase()),
        did.replacen("did:rhizome:b", "did:rhizome:c", 1),
        did[..did.len() - 1].into(),
        format!("{did}a"),
        format!("{did}#x"),
        format!(" {did}"),
        // The last character carries unused bits; they must be zero.
        format!("{}7", &did[..did.len() - 1]),
        // sha2-512, raw codec, CIDv0.
        "did:rhizome:bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".into(),
        "did:rhizome:QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnLLLL".into(),
        "did:key:".into(),
        "did:key:z".into(),
        "did:key:z6Mk".into(),
    ];
    for text in bad {
        assert!(text.parse::<Did>().is_err(), "{text}");
    }
    let key = Did::from_key(key(1).public());
    assert_eq!(key.to_string().parse::<Did>().unwrap(), key);
    assert!(key.to_string().len() <= Did::MAX_LEN);
}

#[test]
fn enrolment() {
    let genesis = genesis(&[1, 2]);
    let process = key(20).public();
    let enrol = |device: u8, process| {
        Enrol::sign(genesis.did(), &key(device), None, process, &mut random(1))
    };
    let good = enrol(1, process).unwrap();
    genesis.admit(&good).unwrap();
    let bytes = good.to_bytes();
    let again = Signed::<Enrol>::from_bytes(&bytes)
        .unwrap()
        .verify()
        .unwrap();
    genesis.admit(&again).unwrap();

    assert!(enrol(1, key(1).public()).is_err(), "own key");
    for name in ["", "a\nb", &"x".repeat(65)] {
        let mut named = Enrol::clone(&good);
        named.name = Some(name.into());
        assert!(named.check().is_err());
    }
    let other_device = enrol(1, key(2).public()).unwrap();
    assert!(matches!(
        genesis.admit(&other_device),
        Err(IdentityError::Enrolment(_))
    ));
    let stranger = enrol(3, process).unwrap();
    assert!(matches!(
        genesis.admit(&stranger),
        Err(IdentityError::NotADevice { .. })
    ));
    let elsewhere = self::genesis(&[1]);
    assert!(matches!(
        elsewhere.admit(&good),
        Err(IdentityError::OtherDid { .. })
    ));
}

#[test]
fn document_of_two_devices() {
    let mut fields = create(&[1, 2]);
    fields.devices[1].role = Role::Member;
    let genesis = Genesis::create(fields, &[&key(1), &key(2)]).unwrap();
    let resolution = Log::new(genesis.clone()).unwrap().resolve();
    let document = document(&resolution, Representation::DidLdJson);
    let did = genesis.did().to_string();
    let (one, two) = (key(1).public(), key(2).public());
    assert_eq!(document["id"], did);
    assert_eq!(
        document["authentication"],
        json!([format!("{did}#{one}"), format!("{did}#{two}")])
    );
    assert_eq!(
        document["capabilityDelegation"],
        json!([format!("{did}#{one}")])
    );
    assert_eq!(document["service"][0]["id"], format!("{did}#pod"));
    assert_eq!(
        document["service"][0]["serviceEndpoint"],
        "https://pod.example.com/"
    );
    let methods = document["verificationMethod"].as_array().unwrap();
    assert_eq!(methods.len(), 4);
    for method in methods {
        assert_eq!(method["type"], "Multikey");
        assert_eq!(method["controller"], did);
    }
    for relation in [
        "authentication",
        "assertionMethod",
        "capabilityInvocation",
        "capabilityDelegation",
        "keyAgreement",
    ] {
        for reference in document[relation].as_array().unwrap() {
            assert!(methods.iter().any(|m| m["id"] == *reference), "{relation}");
        }
    }
}
