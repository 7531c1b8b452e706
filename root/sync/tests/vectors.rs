//! The known answers of docs/spec/vectors/sync.json, made by a second implementation.

use crate::set::id;
use data_encoding::HEXLOWER;
use rhizome_ipld::PublicKey;
use rhizome_sync::set::{Body, Id, List, Reconciliation, SetKey, SetMessage};
use rhizome_sync::{Chain, Message, digest};
use serde_json::Value as Json;
use std::collections::BTreeSet;

fn answers() -> Json {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/spec/vectors/sync.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(j: &Json) -> &Vec<Json> {
    j.as_array().unwrap()
}

fn hex(j: &Json) -> Vec<u8> {
    HEXLOWER.decode(j.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(j: &Json) -> [u8; N] {
    hex(j).try_into().unwrap()
}

fn written(m: &SetMessage) -> Vec<u8> {
    let mut out = vec![];
    m.write(&mut out);
    out
}

#[test]
fn names_cells_and_lists() {
    let all = answers();
    let sets = &all["sets"];
    let material: [u8; 32] = array(&sets["material"]);
    for n in list(&sets["names"]) {
        let key = SetKey::new(&material, n["attempt"].as_u64().unwrap() as u8);
        let (short, sum) = key.name(&array(&n["id"]));
        assert_eq!(short, n["short"].as_u64().unwrap());
        assert_eq!(sum.to_string(), n["sum"].as_str().unwrap());
    }
    let ids = |n: u64| -> Vec<Id> { (0..n).map(id).collect() };
    for name in ["open_list", "open_cells"] {
        let ids = ids(sets[name]["ids"].as_u64().unwrap());
        let (_, open) = Reconciliation::open(material, &ids, None);
        assert_eq!(written(&open), hex(&sets[name]["message"]), "{name}");
        assert_eq!(SetMessage::read(&hex(&sets[name]["message"])), Ok(open));
    }
    let large = ids(300);
    let (mut teller, open) = Reconciliation::open(material, &large, None);
    let cells = teller
        .handle(SetMessage::More(200), &large)
        .unwrap()
        .unwrap();
    assert_eq!(written(&cells), hex(&sets["more_cells"]["message"]));
    let theirs: Vec<Id> = large[4..].iter().copied().chain([id(1000)]).collect();
    let mut solver = Reconciliation::answer(material, None);
    let want = solver.handle(open, &theirs).unwrap().unwrap();
    assert_eq!(written(&want), hex(&sets["want"]["message"]));
    // a common sum that is wrong has the teller begin again
    let small = ids(20);
    let (mut teller, open) = Reconciliation::open(material, &small, None);
    assert!(matches!(
        open,
        SetMessage::Open {
            body: Body::List(_),
            ..
        }
    ));
    let then = rhizome_sync::set::Then::End(0);
    let again = teller
        .handle(
            SetMessage::Want {
                shorts: vec![],
                then,
            },
            &small,
        )
        .unwrap()
        .unwrap();
    assert_eq!(written(&again), hex(&sets["again"]));
    for l in list(&sets["lists"]) {
        let shorts = list(&l["shorts"])
            .iter()
            .map(|s| s.as_u64().unwrap())
            .collect();
        let (from, to) = (l["from"].as_u64().unwrap(), l["to"].as_u64().unwrap());
        let message = SetMessage::List(List { from, to, shorts });
        let wire = [vec![6], hex(&l["list"])].concat();
        assert_eq!(written(&message), wire);
        assert_eq!(SetMessage::read(&wire), Ok(message));
    }
}

#[test]
fn chains_and_what_follows_from_the_key() {
    let all = answers();
    for c in list(&all["chains"]) {
        let key = PublicKey::from_bytes(&hex(&c["key"])).unwrap();
        let mut chain = Chain::default();
        let mut there: BTreeSet<Id> = BTreeSet::new();
        for row in list(&c["commits"]) {
            let prev = row[2].as_str().map(|_| array(&row[2]));
            let id = array(&row[1]);
            chain.insert(
                row[0].as_u64().unwrap(),
                id,
                prev,
                prev.is_some_and(|p| there.contains(&p)),
            );
            there.insert(id);
        }
        assert_eq!(
            chain.fingerprint(&key),
            array(&c["fingerprint"]),
            "{}",
            c["name"]
        );
        let state = chain.state(key);
        let message = Message::Chains {
            last: true,
            list: vec![state],
        };
        let wire = [vec![3, 1], hex(&c["chain"])].concat();
        assert_eq!(message.to_bytes(), wire, "{}", c["name"]);
        assert_eq!(Message::from_bytes(&wire), Ok(message));
    }
    let d = &all["digest"];
    let parts = list(&d["parts"]).iter().map(array).collect();
    assert_eq!(digest(&array(&d["pod"]), parts), array(&d["digest"]));
}

#[test]
fn messages_read_and_write_as_they_should() {
    let all = answers();
    for m in list(&all["messages"]) {
        let wire = hex(&m["message"]);
        let read = Message::from_bytes(&wire).unwrap_or_else(|e| panic!("{}: {e}", m["name"]));
        assert_eq!(read.to_bytes(), wire, "{}", m["name"]);
    }
    for m in list(&all["refused"]) {
        assert!(
            Message::from_bytes(&hex(&m["message"])).is_err(),
            "{}",
            m["name"]
        );
    }
}
