//! The known answers of docs/spec/vectors/ipld.json, which a second implementation made.

use ipld_core::ipld::Ipld;
use rhizome_ipld::{
    HashKind, MultiPayload, MultiSigned, MultiVerified, Payload, PublicKey, Signed, SigningKey,
    Verified, car, cid_blake3, cid_raw_blake3, cid_sha256, codec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{hex, known_answers};

fn seed(value: &Value) -> SigningKey {
    SigningKey::from_seed(hex(value).try_into().unwrap())
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn canonical_bytes_are_accepted() {
    let answers = known_answers();
    for case in list(&answers["accepted"]) {
        let (name, bytes) = (&case["name"], hex(&case["cbor"]));
        assert_eq!(codec::check(&bytes), Ok(()), "{name}");
        let value: Ipld = codec::decode_exact(&bytes, bytes.len()).unwrap();
        assert_eq!(codec::encode(&value).unwrap(), bytes, "{name}");
        assert_eq!(cid_sha256(&bytes).to_string(), case["cid_sha256"], "{name}");
        assert_eq!(cid_blake3(&bytes).to_string(), case["cid_blake3"], "{name}");
    }
}

#[test]
fn other_bytes_are_refused_for_the_right_reason() {
    let answers = known_answers();
    for case in list(&answers["refused"]) {
        let (name, bytes) = (&case["name"], hex(&case["cbor"]));
        let error = codec::check(&bytes).expect_err(&name.to_string());
        let kind = format!("{error:?}");
        let kind = kind.split(' ').next().unwrap();
        assert_eq!(kind, case["error"], "{name}: {error}");
        assert_eq!(codec::decode::<Ipld>(&bytes, 1 << 20), Err(error), "{name}");
    }
}

#[test]
fn raw_blocks() {
    let answers = known_answers();
    for case in list(&answers["raw"]) {
        let hash = *blake3::hash(&hex(&case["bytes"])).as_bytes();
        assert_eq!(cid_raw_blake3(hash).to_string(), case["cid"]);
    }
}

#[test]
fn keys() {
    let answers = known_answers();
    for case in list(&answers["keys"]) {
        let key = PublicKey::from_bytes(&hex(&case["multikey"])).unwrap();
        assert_eq!(key.to_bytes(), hex(&case["multikey"]));
        assert_eq!(key.to_multibase(), case["text"]);
        assert_eq!(key.to_did_key(), case["did"]);
        assert_eq!(
            PublicKey::from_did_key(case["did"].as_str().unwrap()),
            Ok(key)
        );
        if !case["seed"].is_null() {
            assert_eq!(seed(&case["seed"]).public(), key);
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Text {
    author: PublicKey,
    text: String,
}

macro_rules! text_payload {
    ($name:ident, $domain:literal, $hash:expr) => {
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(Text);

        impl Payload for $name {
            const DOMAIN: &'static str = $domain;
            const MAX_LEN: usize = 1024;
            const HASH: HashKind = $hash;

            fn signer(&self) -> PublicKey {
                self.0.author
            }
        }

        impl From<Text> for $name {
            fn from(text: Text) -> Self {
                Self(text)
            }
        }
    };
}
text_payload!(Note, "vector/note@1", HashKind::Sha256);
text_payload!(Order, "vector/order@1", HashKind::Blake3);

fn envelope<T: Payload + From<Text>>(case: &Value, id: &str) {
    let bytes = hex(&case["envelope"]);
    let read = Signed::<T>::from_bytes(&bytes).unwrap().verify().unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.payload_bytes(), hex(&case["payload"]));
    assert_eq!(read.id().to_string(), case[id]);
    let key = seed(&case["seed"]);
    let text = Text {
        author: key.public(),
        text: case["text"].as_str().unwrap().into(),
    };
    let made = Verified::sign(T::from(text), &key).unwrap();
    assert_eq!(made.to_bytes(), bytes);
    assert_eq!(made.signature().1.as_slice(), hex(&case["signature"]));
}

#[test]
fn envelopes() {
    let answers = known_answers();
    for case in list(&answers["envelopes"]) {
        match case["domain"].as_str() {
            Some("vector/note@1") => {
                envelope::<Note>(case, "id_sha256");
                let other = Signed::<Order>::from_bytes(&hex(&case["envelope"])).unwrap();
                assert!(other.verify().is_err());
            }
            Some("vector/order@1") => envelope::<Order>(case, "id_blake3"),
            domain => panic!("{domain:?}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Agreement {
    parties: Vec<PublicKey>,
    text: String,
}

impl MultiPayload for Agreement {
    const DOMAIN: &'static str = "vector/agreement@1";
    const MAX_LEN: usize = 1024;
    const MAX_SIGNATURES: usize = 8;
    const HASH: HashKind = HashKind::Sha256;

    fn accepts_signers(&self, signers: &[PublicKey]) -> bool {
        self.parties.len() == signers.len() && self.parties.iter().all(|p| signers.contains(p))
    }
}

#[test]
fn several_signatures() {
    let case = &known_answers()["multi"];
    let (payload, signatures) = (hex(&case["payload"]), hex(&case["signatures"]));
    let read = MultiSigned::<Agreement>::from_blocks(&payload, &signatures).unwrap();
    let read = read.verify().unwrap();
    assert_eq!(read.id().to_string(), case["id"]);
    assert_eq!(read.signature_block().unwrap(), signatures);
    let keys: Vec<SigningKey> = list(&case["seeds"]).iter().map(seed).collect();
    let agreement = Agreement {
        parties: keys.iter().map(SigningKey::public).collect(),
        text: "we agree".into(),
    };
    let made = MultiVerified::sign(agreement, &keys.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(made.payload_bytes(), payload);
    assert_eq!(made.signature_block().unwrap(), signatures);
}

#[test]
fn archives() {
    let case = &known_answers()["car"];
    let bytes = hex(&case["car"]);
    let mut reader = car::Reader::new(bytes.as_slice(), car::Limits::default()).unwrap();
    let roots = reader.roots().to_vec();
    let names: Vec<String> = roots.iter().map(ToString::to_string).collect();
    assert_eq!(serde_json::json!(names), case["roots"]);
    let mut writer = car::Writer::new(Vec::new(), &roots).unwrap();
    for expected in list(&case["blocks"]) {
        let (cid, block) = reader.next().unwrap().unwrap();
        assert_eq!(cid.to_string(), expected["cid"]);
        assert_eq!(block, hex(&expected["block"]));
        writer.write(&cid, &block).unwrap();
    }
    assert!(reader.next().is_none());
    assert_eq!(writer.finish().unwrap(), bytes);
}
