//! What is shared for a time, in process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rhizome_network::PeerAddress;
use rhizome_pod::{
    App, CloudOptions, CloudPeer, GrantTerms, Opening, Pod, PodError, PodHome, PodNode, Power,
    ShareInvite, Whose, json::parse_changes, parse_peer,
};
use serde_json::json;

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<rhizome_pod::Grant>) {
    let options = CloudOptions::at(anywhere());
    let (home, opening) = (dir.join("cloud"), Opening::by("test"));
    let peer = CloudPeer::start(&home, &opening, options).await.unwrap();
    let (address, grant) = parse_peer(&peer.invitation().unwrap()).unwrap();
    (peer, address, grant)
}

async fn person(dir: &Path, name: &str) -> (Arc<Pod>, PodNode) {
    let home = PodHome::at(dir.join(name));
    let pod = Arc::new(home.init(&Opening::by("test")).unwrap());
    let node = PodNode::start(Arc::clone(&pod), anywhere()).await.unwrap();
    (pod, node)
}

fn terms(to: &Pod, until: Option<u64>) -> GrantTerms {
    GrantTerms {
        predicate: "shared: true".parse().unwrap(),
        power: Power::Write,
        to: to.did().parse().unwrap(),
        until,
    }
}

fn seconds() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_over_is_taken_back_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let past = alice.grant(&terms(&bob, Some(seconds() - 1)));
    assert!(matches!(past, Err(PodError::Request(_))));
    let own = alice.grant(&terms(&alice, None));
    assert!(matches!(own, Err(PodError::Request(_))));
    let until = seconds() + 3;
    let (given, invite) = alice.grant(&terms(&bob, Some(until))).unwrap();
    assert_eq!(given.until_ms, Some((until * 1000).cast_signed()));
    a.sync_all().await.unwrap();
    let accepted = b.accept(&invite).await.unwrap();
    assert_eq!(
        (accepted.power, accepted.until),
        (Some(Power::Write), Some(until))
    );
    while seconds() <= until {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // by his own clock, and then by hers
    let write = json!([{ "assert": { "entity": "_:e", "attribute": "shared", "value": true } }]);
    let changes = parse_changes(&write).unwrap();
    let of = alice.did().parse().unwrap();
    assert!(matches!(
        bob.transact_shared(&of, &changes),
        Err(PodError::Refused(_))
    ));
    a.sync_all().await.unwrap();
    assert!(alice.grants().unwrap()[0].revoked_ms.is_some());
    alice.transact(App::CommandLine, &changes).unwrap();
    a.sync_all().await.unwrap();
    b.sync_all().await.unwrap();
    assert!(bob.shared(Whose::Of(of)).unwrap().is_empty());
    let again: ShareInvite = invite.to_string().parse().unwrap();
    assert!(b.accept(&again).await.is_err());
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grant_of_the_same_replaces_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let (first, invite) = alice.grant(&terms(&bob, None)).unwrap();
    a.sync_all().await.unwrap();
    b.accept(&invite).await.unwrap();
    let less = GrantTerms {
        power: Power::Read,
        ..terms(&bob, None)
    };
    let (second, invite) = alice.grant(&less).unwrap();
    assert_eq!(first.view, second.view);
    a.sync_all().await.unwrap();
    let all = alice.grants().unwrap();
    let old = all.iter().find(|given| given.id == first.id).unwrap();
    assert!(old.revoked_ms.is_some());
    b.sync_all().await.unwrap();
    assert_eq!(bob.accepted().unwrap()[0].power, None);
    // the new one, in place of the old one
    bob.forget_shared(&first.view.to_string()).unwrap();
    let accepted = b.accept(&invite).await.unwrap();
    assert_eq!(accepted.power, Some(Power::Read));
    let write = json!([{ "assert": { "entity": "_:e", "attribute": "shared", "value": true } }]);
    let changes = parse_changes(&write).unwrap();
    let refused = bob.transact_shared(&alice.did().parse().unwrap(), &changes);
    let Err(PodError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    // what is missing, and who can give it
    assert!(
        why.contains("/pod/tuple") && why.contains(alice.did()),
        "{why}"
    );
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

/// Changes that make something shared with a file.
fn with_file(pod: &Pod, bytes: &[u8]) -> (rhizome_ipld::Cid, Vec<rhizome_pod::json::Change>) {
    let cid = pod.blobs().put_bytes(bytes).unwrap();
    (cid, naming(&cid))
}

fn naming(cid: &rhizome_ipld::Cid) -> Vec<rhizome_pod::json::Change> {
    let set = |a: &str, v: serde_json::Value| json!({ "assert": { "entity": "_:e", "attribute": a, "value": v } });
    let file = set("photo/file", json!({ "blob": cid.to_string() }));
    parse_changes(&json!([set("shared", true.into()), file])).unwrap()
}

/// Whoever names a file has to have brought it: its hash is no key to it, neither to the owner's files nor to a guest's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_name_of_a_file_does_not_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    let (carol, c) = person(dir.path(), "carol").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    // each has a file that nobody else is to have
    let hers = alice.blobs().put_bytes(b"of alice alone").unwrap();
    let his = bob.blobs().put_bytes(b"of bob alone").unwrap();
    for (guest, node) in [(&bob, &b), (&carol, &c)] {
        let (_, invite) = alice.grant(&terms(guest, None)).unwrap();
        a.sync_all().await.unwrap();
        node.accept(&invite).await.unwrap();
    }
    let of = alice.did().parse().unwrap();
    // what they bring comes to everybody
    let (shown, changes) = with_file(&alice, b"for all, by alice");
    alice.transact(App::CommandLine, &changes).unwrap();
    let (brought, changes) = with_file(&bob, b"for all, by bob");
    bob.transact_shared(&of, &changes).unwrap();
    // carol names what she has heard of
    for cid in [&hers, &his] {
        carol.transact_shared(&of, &naming(cid)).unwrap();
    }
    // and alice what bob has
    alice.transact(App::CommandLine, &naming(&his)).unwrap();
    for _ in 0..3 {
        for node in [&c, &b, &a] {
            node.sync_all().await.unwrap();
        }
    }
    let has = |pod: &Pod, cid| pod.blobs().has(cid).unwrap();
    for pod in [&alice, &bob, &carol] {
        assert!(has(pod, &shown) && has(pod, &brought));
    }
    // all of it was admitted, and is not there
    let q = json!("[:find (count ?e) :where [?e :photo/file _]]");
    let stop = std::sync::atomic::AtomicBool::new(false);
    assert_eq!(alice.query(&q, &[], &stop).unwrap()["rows"], json!([[5]]));
    assert!(has(&alice, &hers) && !has(&bob, &hers) && !has(&carol, &hers));
    assert!(has(&bob, &his) && !has(&alice, &his) && !has(&carol, &his));
    // a friend who has it may bring it
    let (same, changes) = with_file(&carol, b"of bob alone");
    assert_eq!(same, his);
    carol.transact_shared(&of, &changes).unwrap();
    for node in [&c, &a] {
        node.sync_all().await.unwrap();
    }
    assert!(has(&alice, &his));
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}
