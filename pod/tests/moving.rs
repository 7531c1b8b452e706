//! A device that was taken out knows by what the person's views are acted in: what is shared moves to where it cannot come.

use std::{path::Path, sync::Arc};

use rhizome_capability::{Device, Principal};
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_network::PeerAddress;
use rhizome_pod::{
    App, DeviceRole, GrantTerms, Opening, PairingCode, Pod, PodHome, PodNode, Power, Seed, View,
    Whose, json::parse_changes,
};
use rhizome_storage::Durability;
use rhizome_tuple::Value;
use rhizome_view::{Grant, Instead, Moved, Note, ViewError, write_notes};
use serde_json::json;

use crate::{
    public::did,
    views::{anywhere, cloud, home, start, write as write_in},
};

const WHERE: &str = "shared: true";

fn terms(to: &Pod, power: Power) -> GrantTerms {
    GrantTerms {
        predicate: WHERE.parse().unwrap(),
        power,
        to: did(to),
        until: None,
    }
}

fn changes(text: &str) -> Vec<rhizome_pod::json::Change> {
    parse_changes(&json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        { "assert": { "entity": "_:e", "attribute": "text", "value": text } },
    ]))
    .unwrap()
}

fn say(pod: &Pod, text: &str) {
    pod.transact(App::CommandLine, &changes(text)).unwrap();
}

fn read(pod: &Pod, of: &Did) -> Vec<String> {
    let q = json!(r#"[:find ?t :where [?e "text" ?t]]"#);
    let answer = pod.query_shared(Whose::Of(*of), &q, &[], &false.into());
    let answer = answer.unwrap();
    let rows = answer["rows"].as_array().unwrap().iter();
    let mut out: Vec<String> = rows.map(|r| r[0].as_str().unwrap().to_owned()).collect();
    out.sort();
    out
}

/// A person's node is on for a moment; nobody else's is.
async fn visit(pod: &Arc<Pod>) {
    let node = start(pod).await;
    node.sync_all().await.unwrap();
    node.shutdown().await.unwrap();
}

async fn round(pods: &[&Arc<Pod>]) {
    for pod in pods {
        visit(pod).await;
    }
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
    other
        .sync_with(&node.address().unwrap(), None)
        .await
        .unwrap();
    other.sync_all().await.unwrap();
    other.shutdown().await.unwrap();
    node.shutdown().await.unwrap();
    pod
}

fn key(pod: &Pod) -> PublicKey {
    let devices = pod.devices().unwrap();
    devices.iter().find(|d| d.this).unwrap().key
}

fn leave(view: &View, notes: &[Note]) {
    let leaf = write_notes(&view.did().to_string(), notes).unwrap();
    let author = view.author("keeper").unwrap();
    let all = |_: &rhizome_replica::Snapshot| Ok::<_, ViewError>(vec![leaf]);
    let (replica, durable) = (view.replica().unwrap(), Durability::Durable);
    replica
        .compose(&author, 1_900_000_000_000, [9; 16], durable, all)
        .unwrap();
}

async fn keep(node: &PodNode, peer: &rhizome_pod::CloudPeer) {
    let invitation = peer.invitation().unwrap();
    let (address, token) = rhizome_pod::parse_peer(&invitation).unwrap();
    node.add_peer(&address, token.as_ref()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_that_was_taken_out_can_neither_read_nor_say_what_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, _) = cloud(dir.path()).await;
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|n| home(dir.path(), n));
    let a = start(&alice).await;
    keep(&a, &peer).await;
    a.shutdown().await.unwrap();
    let hers = did(&alice);
    let (given, invite) = alice.grant(&terms(&bob, Power::Write)).unwrap();
    let (_, for_carol) = alice.grant(&terms(&carol, Power::Read)).unwrap();
    let public = alice
        .publish(&WHERE.parse().unwrap(), Power::Read, None)
        .unwrap();
    say(&alice, "before");
    visit(&alice).await;
    let phone = device(&alice, dir.path(), "phone").await;
    let b = start(&bob).await;
    b.accept(&invite).await.unwrap();
    b.shutdown().await.unwrap();
    let d = start(&dave).await;
    d.follow(&hers, Some(&address)).await.unwrap();
    d.shutdown().await.unwrap();
    round(&[&phone, &bob, &alice, &bob, &alice]).await;
    assert_eq!(read(&bob, &hers), ["before"]);
    let old = given.view;
    // the phone acts in the views as she does
    let stolen = phone.views().unwrap().get(&old).unwrap();
    let stolen_public = phone.views().unwrap().get(&public.view).unwrap();
    assert!(stolen.is_owner() && stolen_public.is_owner());
    // Bob wrote while he was away, and it was not decided about
    bob.transact_shared(&hers, &changes("by bob on a train"))
        .unwrap();

    // it is stolen, and taken out
    alice.remove_device(&key(&phone)).unwrap();
    say(&alice, "after");
    visit(&alice).await;
    let grants = alice.grants().unwrap();
    let moved = grants.iter().find(|g| g.to == bob.did() && g.view != old);
    let moved = moved.expect("a grant in another view").clone();
    assert!(
        alice
            .grants()
            .unwrap()
            .iter()
            .any(|g| g.id == given.id && g.revoked_ms.is_none())
    );
    // the thief says things in the old views, and where they are said to go on
    write_in(&stolen, 1, "text", "by a thief".into());
    write_in(&stolen_public, 2, "text", "by a thief".into());
    // and that what is shared is something else
    let altered = Note::Terms {
        of: phone.did().to_owned(),
        predicate: "something: else".into(),
        log: phone.device_log().1.to_car().unwrap(),
    };
    leave(&stolen, &[altered]);
    let his = cloud(&dir.path().join("his")).await;
    let mallory = home(dir.path(), "mallory");
    let m = start(&mallory).await;
    keep(&m, &his.0).await;
    let evil = mallory.views().unwrap().create().unwrap();
    let guest = Seed::generate().unwrap();
    evil.add_guest(&guest).unwrap();
    lie((&phone, &his.1), &stolen, &evil, &bob, &given.id, &guest);
    m.sync_all().await.unwrap();
    m.shutdown().await.unwrap();
    let p = start(&phone).await;
    for view in [&stolen, &stolen_public] {
        let said = p.sync_view(view, &address).await.unwrap();
        assert!(said.equal, "{said:?}");
    }
    p.shutdown().await.unwrap();

    round(&[&bob, &alice, &bob, &alice, &bob]).await;
    let accepted = bob.accepted().unwrap();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert_eq!(
        (accepted[0].view, accepted[0].power),
        (moved.view, Some(Power::Write))
    );
    assert_eq!(read(&bob, &hers), ["after", "before", "by bob on a train"]);
    assert!(bob.views().unwrap().get(&old).is_none());
    assert!(bob.views().unwrap().get(&evil.did()).is_none());
    // the thief reads on where he is: nothing
    let p = start(&phone).await;
    p.sync_view(&stolen, &address).await.unwrap();
    p.shutdown().await.unwrap();
    // what was said was admitted; nothing of what comes later is to be read by the phone
    assert_eq!(read_own(&alice), ["after", "before", "by bob on a train"]);
    say(&alice, "much later");
    round(&[&alice, &phone, &bob]).await;
    assert_eq!(read(&bob, &hers).len(), 4);
    for view in phone.views().unwrap().list() {
        let texts = crate::views::texts(&view);
        assert!(
            !texts.iter().any(|t| t == "after" || t == "much later"),
            "{texts:?}"
        );
    }
    // Bob goes on writing
    bob.transact_shared(&hers, &changes("by bob")).unwrap();
    round(&[&bob, &alice]).await;
    assert_eq!(read_own(&alice).len(), 5);

    // who had not accepted comes by the old invitation, and goes where the others are
    let c = start(&carol).await;
    c.accept(&for_carol).await.unwrap();
    c.shutdown().await.unwrap();
    round(&[&carol, &alice, &carol, &alice, &carol]).await;
    assert_eq!(carol.accepted().unwrap()[0].view, moved.view);
    assert_eq!(read(&carol, &hers).len(), 5);

    // who follows is told, too
    round(&[&dave, &alice, &dave]).await;
    let followed = dave.following().unwrap();
    assert_eq!(followed.len(), 1, "{followed:?}");
    assert!(followed[0].view != public.view && !followed[0].ended);
    assert_eq!(read(&dave, &hers).len(), 5);

    // by the name that she knows it is taken back where it is now
    let ended = alice.revoke(&given.id).unwrap();
    assert!(ended.revoked_ms.is_some());
    let open: Vec<_> = alice.grants().unwrap();
    assert!(
        open.iter()
            .all(|g| g.to != bob.did() || g.revoked_ms.is_some())
    );
    say(&alice, "without bob");
    round(&[&alice, &bob]).await;
    assert!(!read(&bob, &hers).contains(&"without bob".to_owned()));
    assert_eq!(bob.accepted().unwrap()[0].power, None);
    // and the same can be given to him again
    let (again, invite) = alice.grant(&terms(&bob, Power::Read)).unwrap();
    assert_eq!(again.view, moved.view);
    visit(&alice).await;
    let b = start(&bob).await;
    b.accept(&invite).await.unwrap();
    b.shutdown().await.unwrap();
    assert!(read(&bob, &hers).contains(&"without bob".to_owned()));
    for peer in [peer, his.0] {
        peer.shutdown().await.unwrap();
    }
}

fn read_own(pod: &Pod) -> Vec<String> {
    read(pod, &did(pod))
}

/// A thief's word that a grant goes on in a view of his.
fn lie(
    (thief, place): (&Pod, &PeerAddress),
    old: &View,
    evil: &View,
    to: &Pod,
    grant: &str,
    guest: &Seed,
) {
    let own: Principal = thief.did().parse().unwrap();
    let signing = crate::inbox::key(thief);
    let device = Device::new(&own, &signing).unwrap();
    let predicate = WHERE.parse().unwrap();
    let name = evil.did().to_string();
    let instead = Instead {
        grant: grant.parse().unwrap(),
        key: guest.public(),
    };
    let audience: Principal = to.did().parse().unwrap();
    let grant = Grant::sign_instead(
        Some(&instead),
        &device,
        audience,
        Power::Write,
        (&name, &predicate),
        None,
        &[7; 12],
    )
    .unwrap();
    let terms = Note::Terms {
        of: thief.did().to_owned(),
        predicate: predicate.to_string(),
        log: thief.device_log().1.to_car().unwrap(),
    };
    let delegation = grant.delegation.bytes().to_vec();
    leave(evil, &[terms, Note::Grant(delegation.clone())]);
    write_in(evil, 3, "text", Value::Text("by a thief".into()));
    let context = format!(
        "{}\0{}\0{}\0{}\0",
        old.did(),
        evil.did(),
        to.did(),
        grant.id()
    );
    let mut wraps = Vec::new();
    for active in &to.device_log().1.resolve().devices {
        let mut context = context.clone().into_bytes();
        context.extend_from_slice(&guest.public().to_bytes());
        context.extend_from_slice(&active.device.key.to_bytes());
        let sealed = rhizome_share::wrap::seal(
            &active.device.kem,
            b"rhizome moved view wrap v1",
            &context,
            guest.expose(),
            &mut |out: &mut [u8]| out.fill(5),
        );
        wraps.push((active.device.key, sealed.unwrap()));
    }
    leave(
        old,
        &[Note::Moved(Moved {
            delegation,
            places: vec![place.to_string()],
            wraps,
        })],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_interrupted_goes_on_and_two_devices_make_the_same_view() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, _, _) = cloud(dir.path()).await;
    let [alice, bob] = ["alice", "bob"].map(|n| home(dir.path(), n));
    let a = start(&alice).await;
    keep(&a, &peer).await;
    a.shutdown().await.unwrap();
    let hers = did(&alice);
    let phone = device(&alice, dir.path(), "phone").await;
    let mut tablet = device(&alice, dir.path(), "tablet").await;
    // the laptop is never on when the tablet shares this
    let (given, invite) = tablet.grant(&terms(&bob, Power::Write)).unwrap();
    say(&tablet, "before");
    visit(&tablet).await;
    let b = start(&bob).await;
    b.accept(&invite).await.unwrap();
    b.shutdown().await.unwrap();
    round(&[&tablet, &bob, &tablet, &bob, &phone]).await;

    // the removal reaches the tablet, and neither of both hears of what the other one does then
    let (laptop, other) = (start(&alice).await, start(&tablet).await);
    other
        .sync_with(&laptop.address().unwrap(), None)
        .await
        .unwrap();
    alice.remove_device(&key(&phone)).unwrap();
    assert!(alice.views().unwrap().get(&given.view).is_none());
    other
        .sync_with(&laptop.address().unwrap(), None)
        .await
        .unwrap();
    laptop.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
    // one step, and then it stops
    let mut steps = 0;
    while tablet.move_views(1).unwrap() == 1 {
        steps += 1;
        let home = PodHome::at(tablet.home().directory().to_path_buf());
        drop(std::mem::replace(&mut tablet, Arc::clone(&bob)));
        tablet = Arc::new(home.open(&Opening::by("test")).unwrap());
    }
    assert!(steps >= 3, "a view, a grant, a word: {steps}");
    visit(&alice).await;
    assert!(alice.views().unwrap().get(&given.view).is_some());
    let moved = |pod: &Pod| {
        let grants = pod.grants().unwrap();
        let mut new = grants.into_iter().filter(|g| g.view != given.view);
        new.next().unwrap().view
    };
    assert_eq!(moved(&alice), moved(&tablet));
    round(&[&alice, &tablet, &alice, &bob, &tablet, &bob, &alice]).await;
    let accepted = bob.accepted().unwrap();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert_eq!(accepted[0].view, moved(&alice));
    say(&tablet, "after");
    round(&[&tablet, &bob, &alice, &tablet]).await;
    assert_eq!(read(&bob, &hers), ["after", "before"]);
    for pod in [&alice, &tablet] {
        let grants = pod.grants().unwrap();
        let open = grants.iter().filter(|g| g.revoked_ms.is_none());
        assert_eq!(open.count(), 1, "{grants:?}");
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_that_a_guest_took_out_is_out_of_what_is_shared_with_him() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, _, _) = cloud(dir.path()).await;
    let [alice, bob] = ["alice", "bob"].map(|n| home(dir.path(), n));
    for pod in [&alice, &bob] {
        let node = start(pod).await;
        keep(&node, &peer).await;
        node.shutdown().await.unwrap();
    }
    let hers = did(&alice);
    let (given, invite) = alice.grant(&terms(&bob, Power::Write)).unwrap();
    say(&alice, "before");
    visit(&alice).await;
    let b = start(&bob).await;
    b.accept(&invite).await.unwrap();
    b.shutdown().await.unwrap();
    round(&[&alice, &bob, &alice, &bob]).await;
    let phone = device(&bob, dir.path(), "phone").await;
    let tablet = device(&bob, dir.path(), "tablet").await;
    round(&[&phone, &tablet, &alice, &phone, &tablet]).await;
    for pod in [&phone, &tablet] {
        assert_eq!(read(pod, &hers), ["before"]);
    }
    let of = |pod: &Pod| pod.views().unwrap().get(&given.view).unwrap();
    let before = of(&phone).key();
    assert_eq!(of(&bob).key(), before);
    // the tablet writes where there is no network, and the phone is stolen
    tablet
        .transact_shared(&hers, &changes("on the tablet"))
        .unwrap();
    bob.remove_device(&key(&phone)).unwrap();
    for _ in 0..3 {
        round(&[&bob, &alice]).await;
    }
    assert!(of(&bob).key() != before, "he acts by another key");
    let now = of(&alice);
    assert!(!now.member().unwrap().is_device(&before));
    say(&alice, "after");
    // the thief says something in his name, as he could before
    let said = phone.transact_shared(&hers, &changes("by a thief"));
    assert!(said.is_ok());
    round(&[&alice, &phone, &alice, &bob, &tablet, &tablet, &alice]).await;
    let after = ["after", "before", "on the tablet"];
    assert_eq!(read_own(&alice), after);
    round(&[&bob, &tablet]).await;
    assert_eq!(read(&bob, &hers), after);
    assert_eq!(read(&tablet, &hers), after);
    let stolen = crate::views::texts(&of(&phone));
    assert!(!stolen.iter().any(|t| t == "after"), "{stolen:?}");
    // nor does the thief become Bob again by saying who he is
    let proposals = alice.proposals().unwrap();
    assert!(proposals.iter().all(|p| p.decided.is_none()));
    peer.shutdown().await.unwrap();
}
