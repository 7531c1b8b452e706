//! The known answers of docs/spec/vectors/tuple.json.

use rhizome_ipld::{Cid, PublicKey, Signed, SigningKey, cid_from_bytes, codec};
use rhizome_tuple::{
    Attribute, Commit, CommitId, EntityId, EpochSecret, Head, Hlc, Leaf, LeafAddress, LeafId,
    ListOp, MerkleProof, Op, OpId, Quote, SealedLeaf, Value, leaf_hash, merkle_root,
};
use serde_json::Value as Json;

fn answers() -> Json {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/spec/vectors/tuple.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(j: &Json) -> &Vec<Json> {
    j.as_array().unwrap()
}

fn hex(j: &Json) -> Vec<u8> {
    let text = j.as_str().unwrap().as_bytes();
    data_encoding::HEXLOWER.decode(text).unwrap()
}

fn array<const N: usize>(j: &Json) -> [u8; N] {
    hex(j).try_into().unwrap()
}

fn entity(j: &Json) -> EntityId {
    EntityId::from_bytes(array(j))
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(j: &Json) -> T {
    j.as_str().unwrap().parse().unwrap()
}

fn index(j: &Json) -> u32 {
    j.as_u64().unwrap() as u32
}

fn value(j: &Json) -> Value {
    let (kind, x) = j.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "boolean" => Value::Boolean(x.as_bool().unwrap()),
        "integer" => Value::Integer(number(x)),
        "float" => Value::float(x.as_f64().unwrap()).unwrap(),
        "time" => Value::Time(number(x)),
        "text" => Value::Text(x.as_str().unwrap().into()),
        "bytes" => Value::Bytes(hex(x)),
        "ref" => Value::Ref(entity(x)),
        "blob" => Value::Blob(cid_from_bytes(&hex(x)).unwrap()),
        other => panic!("{other}"),
    }
}

fn op(j: &Json) -> Op {
    let attribute = || Attribute::new(j["attribute"].as_str().unwrap()).unwrap();
    let supersedes = || {
        let id = |i: &Json| OpId(CommitId(array(&i[0])), index(&i[1]), index(&i[2]));
        list(&j["supersedes"]).iter().map(id).collect()
    };
    match j["op"].as_str().unwrap() {
        "assert" => Op::Assert {
            attribute: attribute(),
            value: value(&j["value"]),
            supersedes: supersedes(),
        },
        "retract" => Op::Retract {
            attribute: attribute(),
            supersedes: supersedes(),
        },
        "add" => Op::Add {
            attribute: attribute(),
            n: number(&j["n"]),
        },
        "text" => Op::Text {
            attribute: attribute(),
            payload: hex(&j["payload"]),
        },
        "list" => Op::List(ListOp {
            attribute: attribute(),
            position: hex(&j["position"]),
            value: value(&j["value"]),
            supersedes: supersedes(),
        }),
        "insert" => Op::Insert {
            attribute: attribute(),
            value: value(&j["value"]),
        },
        "erase" => {
            let id = |i: &Json| LeafId(CommitId(array(&i[0])), index(&i[1]));
            Op::Erase {
                leaves: list(&j["leaves"]).iter().map(id).collect(),
            }
        }
        "create" => Op::Create {
            nonce: hex(&j["nonce"]),
        },
        "note" => Op::Note {
            payload: hex(&j["payload"]),
        },
        "withdraw" => {
            let id = |i: &Json| LeafId(CommitId(array(&i[0])), index(&i[1]));
            Op::Withdraw {
                leaves: list(&j["leaves"]).iter().map(id).collect(),
            }
        }
        "quote" => Op::Quote(Quote {
            leaf: LeafId(CommitId(array(&j["leaf"][0])), index(&j["leaf"][1])),
            author: j["author"]
                .is_string()
                .then(|| PublicKey::from_bytes(&hex(&j["author"])).unwrap()),
            hlc: Hlc(number(&j["hlc"])),
            ops: list(&j["ops"])
                .iter()
                .map(|one| (index(&one[0]), op(&one[1])))
                .collect(),
        }),
        other => panic!("{other}"),
    }
}

#[test]
fn entity_ids() {
    for case in list(&answers()["entity_ids"]) {
        let id = EntityId::derive(case["creator"].as_str().unwrap(), &hex(&case["nonce"]));
        assert_eq!(id.as_bytes()[..], hex(&case["id"]));
        assert_eq!(id.to_string(), case["text"]);
        assert_eq!(id.to_string().parse::<EntityId>().unwrap(), id);
    }
}

#[test]
fn attributes() {
    let answers = answers();
    let new = |j: &Json| Attribute::new(j.as_str().unwrap());
    for name in list(&answers["attributes"]["accepted"]) {
        assert_eq!(new(name).unwrap().as_str(), name, "{name}");
    }
    for name in list(&answers["attributes"]["refused"]) {
        assert!(new(name).is_err(), "{name}");
    }
}

#[test]
fn values() {
    let answers = answers();
    for case in list(&answers["values"]) {
        let (want, bytes) = (value(&case["value"]), hex(&case["cbor"]));
        assert_eq!(codec::encode(&want).unwrap(), bytes, "{}", case["name"]);
        let read: Value = codec::decode_exact(&bytes, bytes.len()).unwrap();
        assert_eq!(read, want, "{}", case["name"]);
    }
    for case in list(&answers["values_refused"]) {
        let bytes = hex(&case["cbor"]);
        let read = codec::decode::<Value>(&bytes, bytes.len());
        assert!(read.is_err(), "{}: {read:?}", case["name"]);
    }
}

#[test]
fn operations() {
    for case in list(&answers()["operations"]) {
        let (want, bytes) = (op(&case["json"]), hex(&case["cbor"]));
        assert_eq!(codec::encode(&want).unwrap(), bytes, "{}", case["name"]);
        let leaf = Leaf::encode(std::slice::from_ref(&want)).unwrap();
        assert_eq!(leaf, [&[0x81], &bytes[..]].concat());
        assert_eq!(Leaf::decode(&leaf).unwrap(), [want], "{}", case["name"]);
    }
}

#[test]
fn leaves_that_are_void() {
    for case in list(&answers()["leaves_refused"]) {
        let read = Leaf::decode(&hex(&case["plaintext"]));
        assert!(read.is_err(), "{}: {read:?}", case["name"]);
    }
}

#[test]
fn epochs() {
    for case in list(&answers()["epochs"]) {
        let epoch = EpochSecret::new(&array(&case["secret"]));
        assert_eq!(epoch.id().0[..], hex(&case["id"]));
        let key = epoch.entity_key(&entity(&case["entity"]));
        assert_eq!(key.expose()[..], hex(&case["entity_key"]));
    }
}

/// Seals and opens the leaf of a case, and returns its bytes.
fn sealed(case: &Json, secret: &Json, address: &LeafAddress) -> Vec<u8> {
    let epoch = EpochSecret::new(&array(secret));
    let (entity, plaintext) = (entity(&case["entity"]), hex(&case["plaintext"]));
    let leaf = epoch.seal(&entity, address, &plaintext).unwrap();
    assert_eq!(leaf.epoch.0[..], hex(&case["epoch"]));
    assert_eq!(leaf.locator[..], hex(&case["locator"]));
    assert_eq!(leaf.nonce[..], hex(&case["nonce"]));
    assert_eq!(leaf.ciphertext, hex(&case["ciphertext"]));
    let bytes = leaf.to_bytes().unwrap();
    assert_eq!(bytes, hex(&case["sealed"]));
    assert_eq!(leaf_hash(&bytes)[..], hex(&case["hash"]));
    let read = SealedLeaf::from_bytes(&bytes).unwrap();
    assert_eq!(
        epoch.open(&read, address).unwrap(),
        (entity, plaintext.clone())
    );
    let key = epoch.entity_key(&entity);
    assert_eq!(key.expose()[..], hex(&case["entity_key"]));
    assert_eq!(key.open(&entity, address, &read).unwrap(), plaintext);
    bytes
}

#[test]
fn leaves() {
    for case in list(&answers()["leaves"]) {
        let address = LeafAddress {
            pod: *blake3::hash(case["pod"].as_str().unwrap().as_bytes()).as_bytes(),
            commit_nonce: array(&case["commit_nonce"]),
            index: index(&case["index"]),
        };
        sealed(case, &case["secret"], &address);
    }
}

#[test]
fn merkle_trees() {
    for case in list(&answers()["merkle"]) {
        let n = case["leaves"].as_u64().unwrap() as u32;
        let hashes: Vec<_> = (0..n).map(|i| leaf_hash(&[i as u8])).collect();
        let root = merkle_root(&hashes).unwrap();
        assert_eq!(root[..], hex(&case["root"]));
        for (i, path) in (0..).zip(list(&case["paths"])) {
            let proof = MerkleProof::new(&hashes, i).unwrap();
            let path: Vec<[u8; 32]> = list(path).iter().map(array).collect();
            assert_eq!(proof.path, path);
            assert_eq!(proof.root(hashes[i as usize]), Some(root));
        }
    }
}

#[test]
fn commits() {
    for case in list(&answers()["commits"]) {
        let key = SigningKey::from_seed(array(&case["seed"]));
        let head = |j: &Json| {
            let device = PublicKey::from_bytes(&hex(&j[0])).unwrap();
            Head(device, number(&j[1]), CommitId(array(&j[2])))
        };
        let header = Commit {
            v: 1,
            pod: case["pod"].as_str().unwrap().into(),
            device: key.public(),
            seq: number(&case["seq"]),
            prev: (!case["prev"].is_null()).then(|| CommitId(array(&case["prev"]))),
            frontier: list(&case["frontier"]).iter().map(head).collect(),
            hlc: Hlc(number(&case["hlc"])),
            cap: case["cap"].as_str().map(|c| c.parse::<Cid>().unwrap()),
            nonce: array(&case["nonce"]),
            root: [0; 32],
            leaves: 0,
        };
        let leaf = |j: &Json| Leaf {
            entity: entity(&j["entity"]),
            ops: list(&j["ops"]).iter().map(op).collect(),
        };
        let leaves: Vec<Leaf> = list(&case["leaves"]).iter().map(leaf).collect();
        let epoch = EpochSecret::new(&array(&case["epoch_secret"]));
        let (commit, bytes) = Commit::build(header, &leaves, &epoch, &key).unwrap();
        for (i, j) in (0..).zip(list(&case["leaves"])) {
            let plaintext = Leaf::encode(&leaves[i as usize].ops).unwrap();
            assert_eq!(plaintext, hex(&j["plaintext"]));
            let want = sealed(j, &case["epoch_secret"], &commit.address(i));
            assert_eq!(bytes[i as usize], want);
        }
        assert_eq!(commit.root[..], hex(&case["root"]));
        assert_eq!(
            commit.payload_bytes(),
            hex(&case["payload"]),
            "{}",
            case["name"]
        );
        assert_eq!(commit.id().to_string(), case["cid"]);
        let id = CommitId::from_cid(&commit.id()).unwrap();
        assert_eq!(
            (id.0[..].to_vec(), id.cid()),
            (hex(&case["id"]), commit.id())
        );
        assert_eq!(
            commit.to_bytes(),
            hex(&case["envelope"]),
            "{}",
            case["name"]
        );
        let read = Signed::<Commit>::from_bytes(&hex(&case["envelope"])).unwrap();
        let read = read.verify().unwrap();
        assert_eq!(*read, *commit);
        read.check().unwrap();
        read.check_leaves(&bytes).unwrap();
    }
}
