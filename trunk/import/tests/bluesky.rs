//! Repositories of Bluesky, made here by the rules of the protocol, and the real ones where the machine has them.

use crate::pods::{Place, entity, now, of_type, open, pod, recognised, text, value};
use ipld_core::ipld::Ipld;
use k256::ecdsa::signature::Signer as _;
use proptest::prelude::*;
use rhizome_import::{
    Bluesky, ImportError, Importer, Limits, MemoryPod, Options, Preview, ProblemCode, Report,
    Source, fixture,
};
use rhizome_ipld::{Cid, RAW, car, cid_sha256, codec};
use rhizome_tuple::Value;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub const DID: &str = "did:plc:ada4567890abcdefghijklmn";
const OTHER: &str = "at://did:plc:grace/app.bsky.feed.post/3kgrace222222";

fn ipld(json: &serde_json::Value) -> Ipld {
    match json {
        serde_json::Value::Null => Ipld::Null,
        serde_json::Value::Bool(of) => Ipld::Bool(*of),
        serde_json::Value::Number(n) => Ipld::Integer(n.as_i64().unwrap().into()),
        serde_json::Value::String(text) => Ipld::String(text.clone()),
        serde_json::Value::Array(of) => Ipld::List(of.iter().map(ipld).collect()),
        serde_json::Value::Object(of) => match of.get("$link") {
            Some(link) => Ipld::Link(Cid::try_from(link.as_str().unwrap()).unwrap()),
            None => Ipld::Map(of.iter().map(|(key, of)| (key.clone(), ipld(of))).collect()),
        },
    }
}

/// Records by key, and how the file is made of them.
struct Repo {
    records: BTreeMap<String, serde_json::Value>,
    version: i64,
    blocks: Vec<(Cid, Vec<u8>)>,
}

impl Repo {
    fn new(records: &[(&str, serde_json::Value)]) -> Self {
        let records = records
            .iter()
            .map(|(key, of)| ((*key).to_owned(), of.clone()));
        Self {
            records: records.collect(),
            version: 3,
            blocks: Vec::new(),
        }
    }

    fn put(&mut self, of: &Ipld) -> Cid {
        let block = codec::encode(of).unwrap();
        let cid = cid_sha256(&block);
        self.blocks.push((cid, block));
        cid
    }

    fn node(&mut self, items: &[(String, Cid)], layer: u32) -> Ipld {
        if items.is_empty() {
            return Ipld::Null;
        }
        let (mut left, mut entries) = (Ipld::Null, Vec::new());
        let (mut from, mut before) = (0, String::new());
        for at in 0..=items.len() {
            if at < items.len() && layer_of(&items[at].0) != layer {
                continue;
            }
            let below = match layer {
                0 => Ipld::Null,
                _ => self.node(&items[from..at], layer - 1),
            };
            match entries.last_mut() {
                None => left = below,
                Some(Ipld::Map(last)) => {
                    last.insert("t".to_owned(), below);
                }
                Some(_) => unreachable!(),
            }
            if let Some((key, of)) = items.get(at) {
                let common = key
                    .bytes()
                    .zip(before.bytes())
                    .take_while(|(a, b)| a == b)
                    .count();
                entries.push(Ipld::Map(BTreeMap::from([
                    ("p".to_owned(), Ipld::Integer(common as i128)),
                    (
                        "k".to_owned(),
                        Ipld::Bytes(key.as_bytes()[common..].to_vec()),
                    ),
                    ("v".to_owned(), Ipld::Link(*of)),
                ])));
                before.clone_from(key);
                from = at + 1;
            }
        }
        let node = Ipld::Map(BTreeMap::from([
            ("l".to_owned(), left),
            ("e".to_owned(), Ipld::List(entries)),
        ]));
        Ipld::Link(self.put(&node))
    }

    fn car(&mut self) -> Vec<u8> {
        self.blocks.clear();
        let records: Vec<_> = self.records.clone().into_iter().collect();
        let items: Vec<_> = records
            .iter()
            .map(|(key, of)| (key.clone(), self.put(&ipld(of))))
            .collect();
        let top = items.iter().map(|(key, _)| layer_of(key)).max();
        let data = if let Some(top) = top {
            self.node(&items, top)
        } else {
            let empty = BTreeMap::from([
                ("l".to_owned(), Ipld::Null),
                ("e".to_owned(), Ipld::List(Vec::new())),
            ]);
            Ipld::Link(self.put(&Ipld::Map(empty)))
        };
        self.commit(data)
    }

    fn commit(&mut self, data: Ipld) -> Vec<u8> {
        let mut fields = BTreeMap::from([
            ("did".to_owned(), Ipld::String(DID.to_owned())),
            ("version".to_owned(), Ipld::Integer(self.version.into())),
            ("rev".to_owned(), Ipld::String("3kaaaaaaaaa22".to_owned())),
            ("prev".to_owned(), Ipld::Null),
            ("data".to_owned(), data),
        ]);
        let signed = codec::encode(&Ipld::Map(fields.clone())).unwrap();
        let signature: k256::ecdsa::Signature = key().sign(&signed);
        let mut signature = signature.normalize_s();
        if self.version == 2 {
            let (r, s) = (signature.r(), signature.s());
            signature = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        }
        fields.insert("sig".to_owned(), Ipld::Bytes(signature.to_bytes().to_vec()));
        let root = self.put(&Ipld::Map(fields));
        let mut writer = car::Writer::new(Vec::new(), &[root]).unwrap();
        for (cid, block) in &self.blocks {
            writer.write(cid, block).unwrap();
        }
        writer.finish().unwrap()
    }
}

fn key() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

/// The DID document, with the key as documents of 2023 have it (an uncompressed point) or as a Multikey.
fn document(key: &k256::ecdsa::SigningKey, multikey: bool) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(multikey);
    let (kind, bytes) = if multikey {
        ("Multikey", [&[0xe7, 1], point.as_bytes()].concat())
    } else {
        let kind = "EcdsaSecp256k1VerificationKey2019";
        (kind, point.as_bytes().to_vec())
    };
    let key = multibase::encode(multibase::Base::Base58Btc, bytes);
    let document = json!({"id": DID, "alsoKnownAs": ["at://ada.example"],
        "verificationMethod": [{"id": "#atproto", "type": kind, "publicKeyMultibase": key}]});
    document.to_string().into_bytes()
}

fn layer_of(key: &str) -> u32 {
    let hash = Sha256::digest(key.as_bytes());
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
    zeros as u32 * 4 + rest / 2
}

fn picture() -> Vec<u8> {
    fixture::png(20, 10, [9, 9, 9], [200, 0, 0])
}

fn blob(bytes: &[u8]) -> (String, serde_json::Value) {
    let cid = Cid::new_v1(RAW, *cid_sha256(bytes).hash()).to_string();
    (
        cid.clone(),
        json!({"$type": "blob", "ref": {"$link": cid}, "mimeType": "image/png", "size": bytes.len()}),
    )
}

fn records() -> Vec<(&'static str, serde_json::Value)> {
    let (_, image) = blob(&picture());
    let own = format!("at://{DID}/app.bsky.feed.post/3kaaaaaaaaa2a");
    let at = "2024-05-01T10:00:00.000Z";
    vec![
        (
            "app.bsky.actor.profile/self",
            json!({"$type": "app.bsky.actor.profile", "displayName": "Ada", "description": "Writes programs", "avatar": image}),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa2a",
            json!({"$type": "app.bsky.feed.post", "text": "Día: see example.org @grace #Rust", "createdAt": at, "langs": ["en"],
            "facets": [
                {"index": {"byteStart": 10, "byteEnd": 21}, "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/long?a=1&b=2"}]},
                {"index": {"byteStart": 22, "byteEnd": 28}, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:grace"}]},
                {"index": {"byteStart": 29, "byteEnd": 34}, "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "Rust"}]}]}),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa2b",
            json!({"$type": "app.bsky.feed.post", "text": "An answer", "createdAt": "2024-05-02T10:00:00Z",
            "reply": {"root": {"uri": OTHER, "cid": "x"}, "parent": {"uri": own, "cid": "x"}}}),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa2c",
            json!({"$type": "app.bsky.feed.post", "text": "A picture and a quote", "createdAt": "2024-05-03T10:00:00Z",
            "labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "graphic-media"}]},
            "embed": {"$type": "app.bsky.embed.recordWithMedia", "record": {"$type": "app.bsky.embed.record", "record": {"uri": own, "cid": "x"}},
                "media": {"$type": "app.bsky.embed.images", "images": [{"alt": "A red field", "image": image}]}}}),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa2d",
            json!({"$type": "app.bsky.feed.post", "text": "A card", "createdAt": "sometime",
            "embed": {"$type": "app.bsky.embed.external", "external": {"uri": "https://example.org/card", "title": "Card", "description": "All about it"}}}),
        ),
        (
            "app.bsky.feed.repost/3kaaaaaaaaa2e",
            json!({"$type": "app.bsky.feed.repost", "subject": {"uri": own, "cid": "x"}, "createdAt": at}),
        ),
        (
            "app.bsky.feed.like/3kaaaaaaaaa2f",
            json!({"$type": "app.bsky.feed.like", "subject": {"uri": OTHER, "cid": "x"}, "createdAt": at}),
        ),
        (
            "app.bsky.graph.follow/3kaaaaaaaaa2g",
            json!({"$type": "app.bsky.graph.follow", "subject": "did:plc:grace", "createdAt": at}),
        ),
        (
            "com.example.game.score/1",
            json!({"$type": "com.example.game.score", "points": 7}),
        ),
    ]
}

/// The made-up repository with its DID document and its picture.
pub fn files() -> Vec<fixture::File> {
    vec![
        ("repo.car".to_owned(), Repo::new(&records()).car()),
        ("ada.didDoc.json".to_owned(), document(&key(), true)),
        (format!("blobs/{}.png", blob(&picture()).0), picture()),
    ]
}

fn run(place: &Place, source: &Source, pod: &mut MemoryPod) -> Report {
    place.run(source, &Bluesky, pod, Options::new(now)).unwrap()
}

fn post(name: &str) -> rhizome_tuple::EntityId {
    entity("bluesky", &format!("at://{DID}/app.bsky.feed.post/{name}"))
}

#[test]
fn every_record_becomes_an_entity_and_a_second_import_changes_nothing() {
    let place = Place::new();
    let source = place.source("repository", &files());
    let found = recognised(&source, &Bluesky);
    assert_eq!(found.account.as_deref(), Some(DID));
    let mut pod = pod();
    let report = run(&place, &source, &mut pod);
    for (kind, count) in [
        ("profile", 1),
        ("post", 3),
        ("reply", 1),
        ("boost", 1),
        ("like", 1),
        ("follow", 1),
        ("media", 1),
    ] {
        assert_eq!(report.kinds[kind].added, count, "{kind}");
        assert_eq!(of_type(&pod, kind).len() as u64, count, "{kind}");
    }
    assert_eq!(report.skipped, 1);
    assert_eq!(report.totals.problems[&ProblemCode::NotImported], 1);
    assert!(
        !report
            .totals
            .problems
            .contains_key(&ProblemCode::Unverified)
    );
    assert!(report.files.is_empty() && report.complete);
    let again = run(&place, &source, &mut pod);
    assert_eq!(
        (again.added, again.changed, again.unchanged),
        (0, 0, report.added)
    );
}

#[test]
fn posts_have_their_text_links_answers_quotes_and_pictures() {
    let place = Place::new();
    let source = place.source("repository", &files());
    let mut pod = pod();
    run(&place, &source, &mut pod);
    let first = post("3kaaaaaaaaa2a");
    assert_eq!(
        text(&pod, &first, "social/text").unwrap(),
        "Día: see example.org @grace #Rust"
    );
    let html = text(&pod, &first, "social/html").unwrap();
    assert!(
        html.contains("href=\"https://example.org/long?a=1&amp;b=2\""),
        "{html}"
    );
    assert_eq!(
        pod.values(&first, "social/mention"),
        [Value::from("did:plc:grace")]
    );
    assert_eq!(pod.values(&first, "social/tag"), [Value::from("rust")]);
    assert_eq!(
        value(&pod, &first, "social/created"),
        Some(&Value::Time(1_714_557_600_000))
    );
    assert_eq!(
        text(&pod, &first, "social/url").unwrap(),
        format!("https://bsky.app/profile/{DID}/post/3kaaaaaaaaa2a")
    );
    let answer = post("3kaaaaaaaaa2b");
    assert_eq!(
        value(&pod, &answer, "social/reply-to"),
        Some(&Value::Ref(first))
    );
    let shown = post("3kaaaaaaaaa2c");
    assert_eq!(
        value(&pod, &shown, "social/quote-of"),
        Some(&Value::Ref(first))
    );
    assert_eq!(
        value(&pod, &shown, "social/sensitive"),
        Some(&Value::Boolean(true))
    );
    let [Value::Ref(media)] = pod.values(&shown, "social/media") else {
        panic!("one picture")
    };
    assert_eq!(
        text(&pod, media, "social/alt").as_deref(),
        Some("A red field")
    );
    assert_eq!(
        value(&pod, media, "social/width"),
        Some(&Value::Integer(20))
    );
    assert!(matches!(
        value(&pod, media, "social/blob"),
        Some(Value::Blob(_))
    ));
    let card = post("3kaaaaaaaaa2d");
    assert_eq!(
        text(&pod, &card, "social/link-title").as_deref(),
        Some("Card")
    );
    assert!(
        matches!(value(&pod, &card, "social/created"), Some(Value::Time(at)) if *at > 1_600_000_000_000),
        "the moment in its name"
    );
    let boost = of_type(&pod, "boost")[0];
    assert_eq!(
        value(&pod, &boost, "social/boost-of"),
        Some(&Value::Ref(first))
    );
    let follow = of_type(&pod, "follow")[0];
    assert_eq!(
        text(&pod, &follow, "social/follow-of-url").as_deref(),
        Some("did:plc:grace")
    );
    let ada = entity("bluesky", DID);
    assert_eq!(
        text(&pod, &ada, "social/handle").as_deref(),
        Some("ada.example")
    );
    assert_eq!(value(&pod, &first, "social/author"), Some(&Value::Ref(ada)));
    assert!(value(&pod, &ada, "social/avatar").is_some());
}

#[test]
fn without_a_document_an_account_is_called_as_its_records_call_it() {
    let (place, mut pod) = (Place::new(), pod());
    let mut all = records();
    let mention = |text: &str, did: &str, end: usize| {
        json!({"$type": "app.bsky.feed.post", "text": text, "createdAt": "2024-06-01T00:00:00Z",
            "facets": [{"index": {"byteStart": 3, "byteEnd": end}, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": did}]}]})
    };
    all.extend([
        (
            "app.bsky.feed.post/3kaaaaaaaaa3a",
            mention("é @old.example.org", DID, 19),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa3b",
            mention("é @Ada.example and", DID, 15),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa3c",
            mention("é @grace.example", "did:plc:grace", 17),
        ),
        (
            "app.bsky.feed.post/3kaaaaaaaaa3d",
            mention("é @<b>", DID, 7),
        ),
    ]);
    let source = place.source("a", &[("r.car".to_owned(), Repo::new(&all).car())]);
    run(&place, &source, &mut pod);
    let ada = entity("bluesky", DID);
    assert_eq!(
        text(&pod, &ada, "social/handle").as_deref(),
        Some("ada.example")
    );
    assert_eq!(text(&pod, &ada, "social/name").as_deref(), Some("Ada"));
}

#[test]
fn all_is_public_unless_the_profile_asks_otherwise() {
    let place = Place::new();
    let mut pod_a = pod();
    let source = place.source("a", &files());
    run(&place, &source, &mut pod_a);
    assert_eq!(
        text(&pod_a, &post("3kaaaaaaaaa2a"), "social/audience").as_deref(),
        Some("public")
    );
    let mut asking = records();
    asking[0].1["labels"] = json!({"values": [{"val": "!no-unauthenticated"}]});
    let source = place.source("b", &[("r.car".to_owned(), Repo::new(&asking).car())]);
    let mut pod_b = pod();
    let report = run(&place, &source, &mut pod_b);
    for kind in ["post", "reply", "boost", "like", "follow", "media"] {
        for of in of_type(&pod_b, kind) {
            assert_eq!(
                text(&pod_b, &of, "social/audience").as_deref(),
                Some("followers"),
                "{kind}"
            );
        }
    }
    assert_eq!(report.totals.problems[&ProblemCode::Unverified], 1);
}

#[test]
fn a_later_repository_brings_what_is_new_and_lists_what_is_gone() {
    let place = Place::new();
    let mut pod = pod();
    run(&place, &place.source("a", &files()), &mut pod);
    let mut later = records();
    later[1].1["text"] = json!("Edited by a client that can");
    later.remove(2);
    later.push((
        "app.bsky.feed.post/3kaaaaaaaaa2z",
        json!({"$type": "app.bsky.feed.post", "text": "New", "createdAt": "2024-06-01T00:00:00Z"}),
    ));
    let mut files = files();
    files[0].1 = Repo::new(&later).car();
    let report = run(&place, &place.source("b", &files), &mut pod);
    assert_eq!((report.added, report.changed), (1, 1));
    assert_eq!(report.vanished, [post("3kaaaaaaaaa2b")]);
    assert!(text(&pod, &post("3kaaaaaaaaa2b"), "social/text").is_some());
}

#[test]
fn a_signature_of_another_key_stops_the_import() {
    let place = Place::new();
    let mut files = files();
    let stranger = k256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    for multikey in [true, false] {
        files[1].1 = document(&stranger, multikey);
        let source = place.source("wrong", &files);
        let failed = place
            .run(&source, &Bluesky, &mut pod(), Options::new(now))
            .unwrap_err();
        assert!(
            matches!(&failed.error, ImportError::Document { why, .. } if why.contains("signature is not by the key")),
            "{failed}"
        );
        files[1].1 = document(&key(), multikey);
        let report = run(&place, &place.source("right", &files), &mut pod());
        assert!(
            !report
                .totals
                .problems
                .contains_key(&ProblemCode::Unverified)
        );
    }
}

#[test]
fn only_old_commits_may_have_signatures_in_the_higher_form() {
    let place = Place::new();
    let mut old = Repo::new(&records());
    old.version = 2;
    let mut files = files();
    files[0].1 = old.car();
    let report = run(&place, &place.source("old", &files), &mut pod());
    assert!(
        !report
            .totals
            .problems
            .contains_key(&ProblemCode::Unverified)
    );
}

#[test]
fn blobs_whose_bytes_are_others_are_not_taken() {
    let place = Place::new();
    let mut files = files();
    files[2].1.push(0);
    let mut pod = pod();
    let report = run(&place, &place.source("damaged", &files), &mut pod);
    assert_eq!(report.totals.problems[&ProblemCode::Damaged], 2);
    let media = of_type(&pod, "media")[0];
    assert_eq!(value(&pod, &media, "social/blob"), None);
    assert_eq!(
        text(&pod, &media, "social/mime").as_deref(),
        Some("image/png"),
        "as the record says"
    );
}

fn preview(car: &[u8]) -> Option<(usize, bool, Vec<String>)> {
    let files = [("r.car".to_owned(), car.to_vec())];
    let source = Source::from_memory("r", files, &Limits::default()).unwrap();
    let recognition = Bluesky.recognise(&source).unwrap()?;
    let mut preview = Preview::new(&source, "did:key:z", "bluesky");
    Bluesky.read(&source, &recognition, &mut preview).unwrap();
    let problems = preview.problems.iter().map(|of| of.message.clone());
    let (records, complete) = (preview.records.len(), preview.complete);
    Some((records, complete, problems.collect()))
}

#[test]
fn many_records_come_out_once_each() {
    let keys: Vec<String> = (0..700)
        .map(|n| format!("app.bsky.feed.like/3k{n:011}"))
        .collect();
    let many: Vec<_> = keys
        .iter()
        .map(|key| {
            (
                key.as_str(),
                json!({"subject": {"uri": OTHER, "cid": "x"}, "createdAt": "2024-05-01T10:00:00Z"}),
            )
        })
        .collect();
    let mut repo = Repo::new(&many);
    let (records, complete, _) = preview(&repo.car()).unwrap();
    assert_eq!((records, complete), (701, true), "and the profile");
    assert!(repo.blocks.len() > 800, "a tree of several layers");
    let (records, complete, _) = preview(&Repo::new(&[]).car()).unwrap();
    assert_eq!((records, complete), (1, true), "an empty repository");
}

type Make<'a> = Box<dyn Fn(&mut Repo) -> Ipld + 'a>;

#[test]
fn trees_that_are_not_what_they_should_be_are_incomplete() {
    let node = |l: Ipld, entries: Vec<(i128, &str)>, v: Cid| {
        let entries = entries.into_iter().map(|(p, k)| {
            Ipld::Map(BTreeMap::from([
                ("p".to_owned(), Ipld::Integer(p)),
                ("k".to_owned(), Ipld::Bytes(k.as_bytes().to_vec())),
                ("v".to_owned(), Ipld::Link(v)),
                ("t".to_owned(), Ipld::Null),
            ]))
        });
        Ipld::Map(BTreeMap::from([
            ("l".to_owned(), l),
            ("e".to_owned(), Ipld::List(entries.collect())),
        ]))
    };
    let key = |wanted: u32, from: u32| {
        let mut keys = (from..).map(|n| format!("com.example.x/{n:06}"));
        keys.find(|key| layer_of(key) == wanted).unwrap()
    };
    let (leaf, high) = (key(0, 0), key(2, 0));
    let missing = cid_sha256(b"nowhere");
    let cases: Vec<(&str, Make<'_>)> = vec![
        ("not in the file", Box::new(|_| Ipld::Link(missing))),
        (
            "out of order",
            Box::new(|repo| {
                let of = node(Ipld::Null, vec![(0, &leaf), (0, &leaf)], missing);
                Ipld::Link(repo.put(&of))
            }),
        ),
        (
            "not of this layer",
            Box::new(|repo| {
                let of = node(Ipld::Null, vec![(0, &leaf), (0, &high)], missing);
                Ipld::Link(repo.put(&of))
            }),
        ),
        (
            "where none can be",
            Box::new(|repo| {
                let of = node(Ipld::Link(missing), vec![(0, &leaf)], missing);
                Ipld::Link(repo.put(&of))
            }),
        ),
        (
            "longer than what it is made of",
            Box::new(|repo| {
                let of = node(Ipld::Null, vec![(1 << 60, &leaf)], missing);
                Ipld::Link(repo.put(&of))
            }),
        ),
        (
            "it is empty",
            Box::new(|repo| {
                let of = node(Ipld::Link(missing), Vec::new(), missing);
                Ipld::Link(repo.put(&of))
            }),
        ),
    ];
    for (why, make) in cases {
        let mut repo = Repo::new(&[]);
        let data = make(&mut repo);
        let car = repo.commit(data);
        let (_, complete, problems) = preview(&car).unwrap();
        assert!(!complete, "{why}");
        assert!(
            problems.iter().any(|of| of.contains(why)),
            "{why}: {problems:?}"
        );
    }
}

#[test]
fn a_file_that_breaks_off_or_is_changed_gives_what_is_sound() {
    let mut repo = Repo::new(&records());
    let car = repo.car();
    // The commit comes last here, so a shorter file has none and is nobody's.
    assert_eq!(preview(&car[..car.len() - 1]), None);
    let mut writer = car::Writer::new(Vec::new(), &[repo.blocks.last().unwrap().0]).unwrap();
    for (cid, block) in repo.blocks.iter().rev() {
        writer.write(cid, block).unwrap();
    }
    let car = writer.finish().unwrap();
    let (all, complete, _) = preview(&car).unwrap();
    assert_eq!((all, complete), (9, true), "the order of blocks is free");
    let (fewer, complete, problems) = preview(&car[..car.len() - 900]).unwrap();
    assert!(fewer < all && !complete && problems.len() > 1);
    let mut changed = car.clone();
    let at = changed.len() - 900;
    changed[at] ^= 1;
    let (fewer, complete, problems) = preview(&changed).unwrap();
    assert!(fewer < all && !complete);
    assert!(
        problems
            .iter()
            .any(|of| of.contains("the rest of the file cannot be read")),
        "{problems:?}"
    );
}

#[test]
fn where_the_profile_cannot_be_read_nothing_is_public() {
    let mut repo = Repo::new(&records());
    repo.car();
    let mut writer = car::Writer::new(Vec::new(), &[repo.blocks.last().unwrap().0]).unwrap();
    // The first block is the profile.
    for (cid, block) in &repo.blocks[1..] {
        writer.write(cid, block).unwrap();
    }
    let place = Place::new();
    let source = place.source("a", &[("r.car".to_owned(), writer.finish().unwrap())]);
    let mut pod = pod();
    let report = run(&place, &source, &mut pod);
    assert_eq!(report.kinds["post"].added, 3);
    assert_eq!(report.totals.problems[&ProblemCode::Audience], 1);
    assert_eq!(report.audience.keys().collect::<Vec<_>>(), [&"direct"]);
}

#[test]
fn records_of_strange_shapes_cost_only_themselves() {
    let strange = [
        ("app.bsky.feed.like/3kaaaaaaaaa2a", json!({"subject": 7})),
        ("app.bsky.feed.post/3kaaaaaaaaa2b", json!([1, 2])),
        (
            "app.bsky.feed.post/3kaaaaaaaaa2c",
            json!({"text": 5, "createdAt": 1, "facets": {"a": 1}, "reply": [], "embed": {"$type": "x"}, "langs": 3, "labels": 4}),
        ),
        (
            "app.bsky.feed.post/x",
            json!({"text": "fine", "reply": {"parent": 3}, "embed": {"$type": "app.bsky.embed.images", "images": [{"image": {"cid": "no"}}, 4]}}),
        ),
        (
            "app.bsky.graph.follow/3kaaaaaaaaa2d",
            json!({"subject": "somebody"}),
        ),
    ];
    let (records, complete, problems) = preview(&Repo::new(&strange).car()).unwrap();
    assert_eq!((records, complete), (3, true), "{problems:?}");
    assert!(problems.len() >= 10, "{problems:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..4_000, to: u8, cut in 0_usize..8_000) {
        let mut car = Repo::new(&records()).car();
        let len = car.len();
        car[at % len] = to;
        car.truncate(cut.max(60));
        preview(&car);
    }
}

#[test]
fn the_real_repositories_are_read_to_their_ends() {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/exports/bluesky-car");
    if !at.join("fakermaker.repo.car").exists() {
        println!("skipped: no real repository on this machine");
        return;
    }
    let place = Place::new();
    let source = open(&at);
    let mut pod = pod();
    let report = run(&place, &source, &mut pod);
    let count = |kind: &str| report.kinds.get(kind).map_or(0, |of| of.added);
    assert_eq!(count("post") + count("reply"), 26);
    assert_eq!(
        (count("boost"), count("like"), count("follow")),
        (15, 22, 80)
    );
    assert_eq!((report.skipped, report.complete), (0, true));
    assert_eq!(
        report.totals.problems[&ProblemCode::Unverified],
        1,
        "one has its key beside it, the document beside the other is of another account"
    );
    let again = run(&place, &source, &mut pod);
    assert_eq!((again.added, again.changed), (0, 0));
}
