//! Groups: pods of several people.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rhizome_identity::Did;
use rhizome_network::PeerAddress;
use rhizome_pod::{
    CloudOptions, CloudPeer, DeviceRole, GroupRole, Mode, Opening, PairingCode, Pod, PodError,
    PodHome, PodNode, Receipt, Whose, json::parse_changes, parse_peer,
};
use rhizome_tuple::Value;
use serde_json::json;

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn cloud(dir: &Path, name: &str) -> CloudPeer {
    let options = CloudOptions::at(anywhere());
    let home = dir.join(name);
    let opening = Opening::by("test");
    CloudPeer::start(&home, &opening, options).await.unwrap()
}

/// A person, whose pod is kept by this peer.
async fn person(dir: &Path, name: &str, peer: Option<&CloudPeer>) -> Arc<Pod> {
    let home = PodHome::at(dir.join(name));
    let pod = Arc::new(home.init(&Opening::by("test")).unwrap());
    if let Some(peer) = peer {
        let node = start(&pod).await;
        let (address, grant): (PeerAddress, _) = parse_peer(&peer.invitation().unwrap()).unwrap();
        node.add_peer(&address, grant.as_ref()).await.unwrap();
        node.shutdown().await.unwrap();
    }
    pod
}

async fn start(pod: &Arc<Pod>) -> PodNode {
    PodNode::start(Arc::clone(pod), anywhere()).await.unwrap()
}

/// A person's node is on for a moment; nobody else's is.
async fn visit(pod: &Arc<Pod>) {
    let node = start(pod).await;
    node.sync_all().await.unwrap();
    node.shutdown().await.unwrap();
}

async fn join(who: &Arc<Pod>, by: &Arc<Pod>, group: &Did, role: GroupRole) {
    let to = who.did().parse().unwrap();
    let invite = by.invite_to_group(group, &to, role).unwrap();
    visit(by).await;
    let node = start(who).await;
    let accepted = node.accept(&invite.to_string().parse().unwrap()).await;
    assert!(accepted.unwrap().group.is_some());
    node.shutdown().await.unwrap();
    // who invited sees that he came, and he gets his key
    for pod in [by, who, by] {
        visit(pod).await;
    }
}

fn write(pod: &Pod, group: &Did, text: &str) -> Result<Receipt, PodError> {
    let write = json!([{ "assert": { "entity": "_:e", "attribute": "text", "value": text } }]);
    pod.transact_shared(group, &parse_changes(&write).unwrap())
}

fn texts(pod: &Pod, group: &Did) -> Vec<String> {
    let now = pod.shared(Whose::Of(*group)).unwrap();
    let facts = now.eav().range(0, u128::MAX);
    let mut out: Vec<String> = facts
        .filter_map(|k| match now.value(rhizome_replica::key::un_eav(k).v) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        })
        .collect();
    out.sort();
    out
}

fn roles(pod: &Pod, group: &Did) -> Vec<(String, GroupRole)> {
    let members = pod.group(group).unwrap().members.into_iter();
    members.map(|m| (m.did, m.role)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_people_write_by_two_peers_and_one_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (
        cloud(dir.path(), "one").await,
        cloud(dir.path(), "two").await,
    );
    let alice = person(dir.path(), "alice", Some(&one)).await;
    let bob = person(dir.path(), "bob", Some(&two)).await;
    let carol = person(dir.path(), "carol", None).await;
    assert!(alice.create_group(" ").is_err());
    let club = alice.create_group("the club").unwrap();
    let group = club.did;
    assert_eq!(
        (club.name.as_str(), club.role),
        ("the club", Some(GroupRole::Admin))
    );
    write(&alice, &group, "by alice").unwrap();
    join(&bob, &alice, &group, GroupRole::Member).await;
    assert_eq!(texts(&bob, &group), ["by alice"]);

    // the invitation is for carol, and lets her read until alice has seen that she came
    let to = carol.did().parse().unwrap();
    let invite = alice
        .invite_to_group(&group, &to, GroupRole::Member)
        .unwrap();
    visit(&alice).await;
    let node = start(&bob).await;
    assert_eq!(node.accept(&invite).await.unwrap().of, group.to_string());
    assert_eq!(bob.group(&group).unwrap().role, Some(GroupRole::Member));
    node.shutdown().await.unwrap();
    let node = start(&carol).await;
    node.accept(&invite).await.unwrap();
    node.shutdown().await.unwrap();
    let Err(PodError::Refused(why)) = write(&carol, &group, "too early") else {
        panic!("nobody has seen her yet");
    };
    assert!(why.contains("has not seen"), "{why}");
    for pod in [&alice, &carol, &alice] {
        visit(pod).await;
    }
    // each writes while the others are off, and it counts at once
    write(&bob, &group, "by bob").unwrap();
    let file = bob.blobs().put_bytes(b"a picture of the club").unwrap();
    let named = json!([{ "assert": { "entity": "_:p", "attribute": "photo/file", "value": { "blob": file.to_string() } } }]);
    bob.transact_shared(&group, &parse_changes(&named).unwrap())
        .unwrap();
    write(&carol, &group, "by carol").unwrap();
    for _ in 0..2 {
        for pod in [&bob, &carol, &alice] {
            visit(pod).await;
        }
    }
    let all = ["by alice", "by bob", "by carol"];
    let expected = [
        (alice.did().to_owned(), GroupRole::Admin),
        (bob.did().to_owned(), GroupRole::Member),
        (carol.did().to_owned(), GroupRole::Member),
    ];
    for pod in [&alice, &bob, &carol] {
        assert_eq!(texts(pod, &group), all);
        assert_eq!(roles(pod, &group), expected);
        assert!(pod.blobs().has(&file).unwrap());
        // what a page shows: who wrote what, and since when each is there
        let inside = pod.in_group(&group, 100).unwrap();
        let entities = inside["entities"].as_array().unwrap();
        assert_eq!((entities.len(), &inside["more"]), (4, &json!(false)));
        for (who, name) in [(&alice, "alice"), (&bob, "bob"), (&carol, "carol")] {
            let text = format!("by {name}");
            let said = entities
                .iter()
                .find(|e| e["state"]["text"] == text.as_str());
            assert_eq!(said.unwrap()["by"], who.did());
        }
        let named = entities
            .iter()
            .find(|e| e["by"] == bob.did() && e["state"]["text"].is_null());
        assert_eq!(
            named.unwrap()["state"]["photo/file"],
            json!({ "blob": file.to_string() })
        );
        assert_eq!(pod.in_group(&group, 3).unwrap()["more"], true);
        let shown = pod.group_shown(&pod.group(&group).unwrap()).unwrap();
        let since = shown["members"].as_array().unwrap().iter();
        let since: Vec<i64> = since.map(|m| m["since_ms"].as_i64().unwrap()).collect();
        assert!(since.is_sorted_by(|a, b| a < b), "{since:?}");
    }
    // it is kept at bob's peer, too: alice's is gone
    one.shutdown().await.unwrap();
    let tablet = start(&bob).await;
    let reports = tablet.sync_all().await.unwrap();
    assert!(
        reports
            .iter()
            .any(|r| r.pod == Some(group) && r.error.is_none()),
        "{reports:?}"
    );
    tablet.shutdown().await.unwrap();

    // a member removes nobody
    let refused = bob.remove_from_group(&group, carol.did());
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    two.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_removed_reads_no_more_and_what_he_writes_counts_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let peer = cloud(dir.path(), "cloud").await;
    let alice = person(dir.path(), "alice", Some(&peer)).await;
    let bob = person(dir.path(), "bob", Some(&peer)).await;
    let carol = person(dir.path(), "carol", Some(&peer)).await;
    let group = alice.create_group("the club").unwrap().did;
    join(&bob, &alice, &group, GroupRole::Admin).await;
    join(&carol, &bob, &group, GroupRole::Reader).await;
    visit(&alice).await;
    let refused = write(&carol, &group, "by a reader");
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    write(&bob, &group, "before").unwrap();
    visit(&bob).await;
    visit(&alice).await;

    // two admins who would remove each other: who is junior cannot, and the senior one's word holds wherever it comes
    bob.remove_from_group(&group, alice.did()).unwrap_err();
    alice.remove_from_group(&group, bob.did()).unwrap();
    write(&bob, &group, "too late").unwrap();
    write(&alice, &group, "among us").unwrap();
    visit(&alice).await;
    visit(&bob).await;
    visit(&alice).await;
    visit(&carol).await;
    for pod in [&alice, &carol] {
        assert_eq!(texts(pod, &group), ["among us", "before"]);
    }
    assert!(!texts(&bob, &group).contains(&"among us".to_owned()));
    assert_eq!(bob.group(&group).unwrap().role, None);
    let refused = write(&bob, &group, "again");
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");

    // the founder may go once there is another admin
    let node = start(&alice).await;
    let alone = node.leave_group(&group).await;
    assert!(matches!(alone, Err(PodError::Refused(_))), "{alone:?}");
    alice.remove_from_group(&group, carol.did()).unwrap();
    let dave = person(dir.path(), "dave", Some(&peer)).await;
    node.shutdown().await.unwrap();
    join(&dave, &alice, &group, GroupRole::Admin).await;
    let node = start(&alice).await;
    node.leave_group(&group).await.unwrap();
    node.shutdown().await.unwrap();
    assert!(alice.groups().unwrap().is_empty());
    visit(&dave).await;
    assert_eq!(
        roles(&dave, &group),
        [(dave.did().to_owned(), GroupRole::Admin)]
    );
    assert_eq!(texts(&dave, &group), ["among us", "before"]);
    peer.shutdown().await.unwrap();
}

/// A member's tuples count, and what he says as if he were an owner does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_does_not_speak_for_the_group() {
    use rhizome_view::{Note, ViewError, write_notes};

    let dir = tempfile::tempdir().unwrap();
    let peer = cloud(dir.path(), "peer").await;
    let alice = person(dir.path(), "alice", Some(&peer)).await;
    let bob = person(dir.path(), "bob", Some(&peer)).await;
    let carol = person(dir.path(), "carol", Some(&peer)).await;
    let group = alice.create_group("the club").unwrap().did;
    join(&bob, &alice, &group, GroupRole::Member).await;
    join(&carol, &alice, &group, GroupRole::Member).await;
    visit(&bob).await;
    let before = roles(&alice, &group);
    assert_eq!(before.len(), 3);
    // carol's invitation taken back, the group renamed, and made a view of bob's
    let view = bob.views().unwrap().get(&group).unwrap();
    let replica = view.replica().unwrap();
    let did = group.to_string();
    let all = rhizome_view::notes(&did, &replica.snapshot()).unwrap();
    let mut bad: Vec<Note> = all
        .iter()
        .filter_map(|left| match &left.note {
            Note::Grant(bytes) => {
                let grant = rhizome_capability::Delegation::decode(bytes).unwrap();
                Some(Note::Revoked(*grant.cid()))
            }
            Note::Key(handed) => {
                let mut stolen = handed.clone();
                stolen.to = bob.did().to_owned();
                Some(Note::Key(stolen))
            }
            _ => None,
        })
        .collect();
    assert!(bad.len() >= 4, "{}", bad.len());
    bad.push(Note::Group("bob's club".into()));
    bad.push(Note::Terms {
        of: bob.did().to_owned(),
        predicate: "a: b".into(),
        log: bob.device_log().1.to_car().unwrap(),
    });
    let leaf = write_notes(&did, &bad).unwrap();
    let author = view.author("keeper").unwrap();
    let durable = rhizome_storage::Durability::Durable;
    // after all that was said
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let later = i64::try_from(now.unwrap().as_millis()).unwrap() + 1000;
    let leaves = |_: &rhizome_replica::Snapshot| Ok::<_, ViewError>(vec![leaf]);
    replica
        .compose(&author, later, [9; 16], durable, leaves)
        .unwrap();
    drop((replica, view));
    write(&bob, &group, "by bob").unwrap();
    for pod in [&bob, &alice, &carol, &alice] {
        visit(pod).await;
    }
    for pod in [&alice, &carol, &bob] {
        assert_eq!(pod.group(&group).unwrap().name, "the club");
        assert_eq!(roles(pod, &group), before);
        assert_eq!(texts(pod, &group), ["by bob"]);
    }
    write(&carol, &group, "by carol").unwrap();
    for pod in [&carol, &alice] {
        visit(pod).await;
    }
    assert_eq!(texts(&alice, &group), ["by bob", "by carol"]);
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_goes_is_gone_at_once_for_those_who_are_on() {
    let dir = tempfile::tempdir().unwrap();
    let peer = cloud(dir.path(), "cloud").await;
    let alice = person(dir.path(), "alice", Some(&peer)).await;
    let bob = person(dir.path(), "bob", Some(&peer)).await;
    let group = alice.create_group("the club").unwrap().did;
    join(&bob, &alice, &group, GroupRole::Admin).await;
    let (hers, his) = (start(&alice).await, Arc::new(start(&bob).await));
    let node = Arc::clone(&his);
    let touch = tokio::spawn(async move { node.keep_in_touch(Mode::Normal).await });
    // what she says comes to him by itself
    write(&alice, &group, "farewell").unwrap();
    hers.sync_all().await.unwrap();
    until("it is not there", || texts(&bob, &group) == ["farewell"]).await;
    hers.leave_group(&group).await.unwrap();
    until("she is still there", || {
        roles(&bob, &group) == [(bob.did().to_owned(), GroupRole::Admin)]
    })
    .await;
    touch.abort();
    let _ = touch.await;
    hers.shutdown().await.unwrap();
    let Ok(his) = Arc::try_unwrap(his) else {
        panic!("somebody still holds it");
    };
    his.shutdown().await.unwrap();
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

/// Another device of the same person.
async fn device(of: &Arc<Pod>, dir: &Path, name: &str) -> Arc<Pod> {
    let node = start(of).await;
    let (code, mut waiting) = node.invite(DeviceRole::Admin).unwrap();
    let code: PairingCode = code.to_string().parse().unwrap();
    let home = PodHome::at(dir.join(name));
    let opening = Opening::by("test");
    let joined = home.join(&opening, &code, name, anywhere()).await;
    waiting.joined().await.unwrap();
    let pod = Arc::new(joined.unwrap());
    let other = start(&pod).await;
    let address = node.address().unwrap();
    other.sync_with(&address, None).await.unwrap();
    other.sync_all().await.unwrap();
    other.shutdown().await.unwrap();
    node.shutdown().await.unwrap();
    pod
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_that_a_member_took_out_is_out_of_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let peer = cloud(dir.path(), "peer").await;
    let alice = person(dir.path(), "alice", Some(&peer)).await;
    let bob = person(dir.path(), "bob", Some(&peer)).await;
    let group = alice.create_group("the club").unwrap().did;
    join(&bob, &alice, &group, GroupRole::Member).await;
    let tablet = device(&bob, dir.path(), "tablet").await;
    let phone = device(&bob, dir.path(), "phone").await;
    for pod in [&phone, &tablet] {
        visit(pod).await;
    }
    write(&phone, &group, "before").unwrap();
    visit(&phone).await;
    let keys = |pod: &Pod| pod.views().unwrap().get(&group).unwrap().key();
    let before = keys(&phone);
    let out = bob.devices().unwrap();
    let out = out.iter().find(|d| d.name.as_deref() == Some("phone"));
    // a device that came to the group by the key that it is to leave does it as well
    visit(&tablet).await;
    tablet.remove_device(&out.unwrap().key).unwrap();
    for _ in 0..2 {
        for pod in [&tablet, &alice] {
            visit(pod).await;
        }
    }
    visit(&tablet).await;
    assert!(keys(&tablet) != before);
    visit(&alice).await;
    write(&alice, &group, "after").unwrap();
    write(&phone, &group, "by a thief").unwrap();
    for pod in [&alice, &phone, &tablet, &bob, &alice] {
        visit(pod).await;
    }
    for pod in [&alice, &tablet, &bob] {
        assert_eq!(texts(pod, &group), ["after", "before"]);
    }
    assert!(!texts(&phone, &group).contains(&"after".to_owned()));
    assert_eq!(
        roles(&alice, &group)[1],
        (bob.did().to_owned(), GroupRole::Member)
    );
    write(&bob, &group, "by bob").unwrap();
    for pod in [&bob, &alice] {
        visit(pod).await;
    }
    assert_eq!(texts(&alice, &group), ["after", "before", "by bob"]);
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whom_one_invited_who_has_gone_is_let_in_by_the_most_senior_admin() {
    let dir = tempfile::tempdir().unwrap();
    let peer = cloud(dir.path(), "peer").await;
    let alice = person(dir.path(), "alice", Some(&peer)).await;
    let bob = person(dir.path(), "bob", Some(&peer)).await;
    let carol = person(dir.path(), "carol", None).await;
    let group = alice.create_group("the club").unwrap().did;
    join(&bob, &alice, &group, GroupRole::Admin).await;
    let to = carol.did().parse().unwrap();
    let invite = bob.invite_to_group(&group, &to, GroupRole::Member).unwrap();
    visit(&bob).await;
    let node = start(&carol).await;
    node.accept(&invite).await.unwrap();
    node.shutdown().await.unwrap();
    visit(&carol).await;
    // as long as he is there it is for him to see to it
    visit(&alice).await;
    visit(&carol).await;
    assert!(write(&carol, &group, "too early").is_err());
    let node = start(&bob).await;
    node.leave_group(&group).await.unwrap();
    node.shutdown().await.unwrap();
    for pod in [&alice, &carol, &alice, &carol] {
        visit(pod).await;
    }
    write(&carol, &group, "by carol").unwrap();
    for pod in [&carol, &alice] {
        visit(pod).await;
    }
    assert_eq!(texts(&alice, &group), ["by carol"]);
    peer.shutdown().await.unwrap();
}
