//! What is public, and following it: with only a peer without keys in between, and people who lie.
//!
//! `RHIZOME_VIEWS` says how many are followed in one place (40 otherwise).

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rhizome_blob::{Answer, Refusal, Request, Slice};
use rhizome_capability::{Device, Principal};
use rhizome_identity::{Did, Enrol};
use rhizome_ipld::{SigningKey, Verified, codec};
use rhizome_member::MemberStore;
use rhizome_network::{PeerAddress, Protocol};
use rhizome_pod::{
    App, CloudOptions, CloudPeer, DeviceRole, GrantTerms, Mode, Opening, Pod, PodError, PodHome,
    PodNode, Power, Seed, View, Whose, json::parse_changes,
};
use rhizome_sealed::{Sealed, SealedOptions};
use rhizome_share::Certificate;
use rhizome_storage::{Durability, RedbKv};
use rhizome_sync::{CertificateFate, Commit as SentCommit, Fate, Leaf as SentLeaf, Store};
use rhizome_tuple::{Commit, EntityId, EpochSecret, Hlc, Leaf, Op, leaf_hash, merkle_root};
use rhizome_view::{Grant, Note, ViewError, write_notes};
use serde_json::{Value as Json, json};

use crate::views::{anywhere, cloud, enter, home, start, stranger, sync, texts, write as write_in};

pub fn did(pod: &Pod) -> Did {
    pod.did().parse().unwrap()
}

fn post(pod: &Pod, text: &str) -> EntityId {
    let changes = json!([
        { "assert": { "entity": "_:p", "attribute": "public", "value": true } },
        { "assert": { "entity": "_:p", "attribute": "post/text", "value": text } },
    ]);
    change(pod, &changes).unwrap()
}

pub fn change(pod: &Pod, changes: &Json) -> Option<EntityId> {
    let changes = parse_changes(changes).unwrap();
    let receipt = pod.transact(App::CommandLine, &changes).unwrap();
    receipt.entities.first().map(|(_, id)| *id)
}

fn read(pod: &Pod, of: &Did) -> Vec<String> {
    let q = json!(r#"[:find ?t :where [?e "post/text" ?t]]"#);
    let answer = pod.query_shared(Whose::Of(*of), &q, &[], &false.into());
    let answer = answer.unwrap();
    let rows = answer["rows"].as_array().unwrap().iter();
    let mut out: Vec<String> = rows.map(|r| r[0].as_str().unwrap().to_owned()).collect();
    out.sort();
    out
}

pub fn publish(pod: &Pod) -> rhizome_pod::Given {
    let predicate = "public: true".parse().unwrap();
    pod.publish(&predicate, Power::Read, None).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_public_is_followed_while_its_owner_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| home(dir.path(), name));
    let (a, b) = (start(&alice).await, start(&bob).await);
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let hers = did(&alice);
    // nothing is public yet: what to do is said
    let none = b.follow(&hers, Some(&address)).await;
    assert!(matches!(&none, Err(PodError::Request(why)) if why.contains("--to anyone")));
    let nowhere = b.follow(&hers, None).await;
    assert!(matches!(&nowhere, Err(PodError::Request(why)) if why.contains("--at")));
    assert!(a.follow(&hers, Some(&address)).await.is_err());

    let first = post(&alice, "one");
    let second = post(&alice, "two");
    post(&alice, "three");
    change(
        &alice,
        &json!([{ "assert": { "entity": "_:q", "attribute": "post/text", "value": "private" } }]),
    );
    let predicate = "public: true".parse().unwrap();
    for power in [Power::Propose, Power::Write] {
        let refused = alice.publish(&predicate, power, None);
        assert!(matches!(refused, Err(PodError::Request(_))));
    }
    // the same predicate for somebody alone is another view, before and after
    let terms = GrantTerms {
        predicate: predicate.clone(),
        power: Power::Write,
        to: did(&carol),
        until: None,
    };
    let (before, _) = alice.grant(&terms).unwrap();
    let given = publish(&alice);
    let (after, _) = alice.grant(&terms).unwrap();
    assert_eq!(before.view, after.view);
    assert!(given.view != before.view && given.public && !before.public);
    assert_eq!((&*given.to, given.power), ("anyone", Some(Power::Read)));
    sync(&a).await;
    a.shutdown().await.unwrap();

    // Alice is off. Nobody but the peer is asked
    let followed = b.follow(&hers, Some(&address)).await.unwrap();
    assert_eq!(followed.len(), 1);
    assert_eq!((followed[0].entities, followed[0].missing), (3, 0));
    assert_eq!((followed[0].view, followed[0].ended), (given.view, false));
    assert!(followed[0].newest_ms.is_some());
    assert_eq!(read(&bob, &hers), ["one", "three", "two"]);
    // again: the same
    assert_eq!(b.follow(&hers, None).await.unwrap().len(), 1);
    assert!(bob.accepted().unwrap().is_empty());
    // the other view is not for him
    let other = b
        .view_log(&before.view, &Seed::of_public(&before.view), &address)
        .await;
    assert!(matches!(other, Err(PodError::Refused(_))));
    // nor is there anything to be written
    let changes = json!([{ "assert": { "entity": first.to_string(), "attribute": "post/text", "value": "by Bob" } }]);
    let changes = parse_changes(&changes).unwrap();
    let refused = bob.transact_shared(&hers, &changes);
    assert!(matches!(&refused, Err(PodError::Refused(why)) if why.contains("to read")));
    assert!(bob.propose(&hers, &json!([]), "").is_err());

    // edits, deletions and erasures come
    let a = start(&alice).await;
    change(
        &alice,
        &json!([
            { "assert": { "entity": first.to_string(), "attribute": "post/text", "value": "one, better" } },
            { "retract": { "entity": second.to_string(), "attribute": "public" } },
        ]),
    );
    sync(&a).await;
    sync(&b).await;
    assert_eq!(read(&bob, &hers), ["one, better", "three"]);
    change(
        &alice,
        &json!([{ "erase": { "entity": first.to_string() } }]),
    );
    sync(&a).await;
    sync(&b).await;
    assert_eq!(read(&bob, &hers), ["three"]);

    // taken back: what is here stays, nothing more comes
    let revoked = alice.revoke(&given.id).unwrap();
    assert!(revoked.revoked_ms.is_some());
    post(&alice, "after");
    sync(&a).await;
    b.sync_all().await.unwrap();
    assert_eq!(read(&bob, &hers), ["three"]);
    assert!(bob.following().unwrap()[0].ended);
    let late = b.follow(&hers, Some(&address)).await.unwrap();
    assert!(late[0].ended);
    assert!(
        start(&carol)
            .await
            .follow(&hers, Some(&address))
            .await
            .is_err()
    );
    // and public again, in the same view; whoever hears of it goes on
    let again = publish(&alice);
    assert_eq!(again.view, given.view);
    sync(&a).await;
    let followed = b.follow(&hers, Some(&address)).await.unwrap();
    assert!(!followed[0].ended, "{followed:?}");
    assert_eq!(read(&bob, &hers), ["after", "three"]);
    // for another time: the old grant is replaced, and nobody notices
    let until = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 1000;
    let third = alice.publish(&predicate, Power::Read, Some(until)).unwrap();
    assert_eq!((third.view, third.revoked_ms), (given.view, None));
    let open = alice.grants().unwrap().into_iter();
    let open: Vec<_> = open
        .filter(|g| g.public && g.revoked_ms.is_none())
        .collect();
    assert_eq!(open.len(), 1);
    sync(&a).await;
    sync(&b).await;
    assert!(!bob.following().unwrap()[0].ended);

    assert_eq!(bob.unfollow(&hers).unwrap(), 1);
    assert!(bob.following().unwrap().is_empty() && bob.views().unwrap().list().is_empty());
    assert!(matches!(bob.unfollow(&hers), Err(PodError::Request(_))));
    // straight from her own device, without any peer
    let at = a.address().unwrap();
    let followed = b.follow(&hers, Some(&at)).await.unwrap();
    assert_eq!(followed[0].entities, 2);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_devices_of_the_follower_follow_and_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let (a, b) = (start(&alice).await, start(&bob).await);
    for node in [&a, &b] {
        node.add_peer(&address, token.as_ref()).await.unwrap();
    }
    let (code, mut waiting) = b.invite(DeviceRole::Admin).unwrap();
    let at = PodHome::at(dir.path().join("phone"));
    let opening = Opening::by("test");
    let phone = Arc::new(at.join(&opening, &code, "phone", anywhere()).await.unwrap());
    waiting.joined().await.unwrap();
    let p = start(&phone).await;
    post(&alice, "one");
    publish(&alice);
    sync(&a).await;
    let hers = did(&alice);
    b.follow(&hers, None).await.unwrap();
    b.sync_all().await.unwrap();
    p.sync_with(&b.address().unwrap(), None).await.unwrap();
    p.sync_all().await.unwrap();
    assert_eq!(read(&phone, &hers), ["one"]);
    assert_eq!(phone.following().unwrap().len(), 1);
    // and the phone follows no longer
    phone.unfollow(&hers).unwrap();
    p.sync_all().await.unwrap();
    b.sync_all().await.unwrap();
    assert!(bob.following().unwrap().is_empty());
    b.sync_all().await.unwrap();
    assert!(bob.views().unwrap().list().is_empty());
    for node in [a, b, p] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

/// Notes of a view of Mallory's that say it is Alice's.
fn lie(mallory: &Pod, alice: &Pod) -> Arc<View> {
    let view = mallory.views().unwrap().create().unwrap();
    let predicate = "public: true".parse().unwrap();
    let key = view.seed().signing_key();
    // signed by a key of Mallory's in the name of Alice
    let own: Principal = alice.did().parse().unwrap();
    let log = alice.device_log().1;
    let device = Device::new(&own, &key).unwrap();
    let to = Principal::of(&Seed::of_public(&view.did()).public());
    let name = view.did().to_string();
    let of = (&*name, &predicate);
    let grant = Grant::sign(&device, to, Power::Read, of, None, &[1; 12]).unwrap();
    let notes = [
        Note::Terms {
            of: alice.did().to_owned(),
            predicate: predicate.to_string(),
            log: log.to_car().unwrap(),
        },
        Note::Grant(grant.delegation.bytes().to_vec()),
    ];
    let leaf = write_notes(&name, &notes).unwrap();
    let author = view.author("keeper").unwrap();
    view.replica()
        .unwrap()
        .compose(
            &author,
            1_800_000_000_000,
            [1; 16],
            Durability::Durable,
            |_| Ok::<_, ViewError>(vec![leaf]),
        )
        .unwrap();
    write_in(&view, 7, "post/text", "I am Alice".into());
    view.add_followers().unwrap();
    view
}

/// A peer that tells of views of Mallory's when it is asked for Alice's.
fn make_lie(cloud: &Path, alice: &Did, views: &[Arc<View>]) {
    let kv = Arc::new(RedbKv::open(cloud.join("sealed.redb")).unwrap());
    let sealed = Sealed::open(kv, SealedOptions::default()).unwrap();
    let sponsor = sealed.pod(alice).unwrap().unwrap();
    for view in views {
        let log = view.member().unwrap().device_log().1;
        sealed.host_view(&log, &sponsor, 0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peer_that_lies_about_whose_a_view_is_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [alice, mallory, bob] = ["alice", "mallory", "bob"].map(|n| home(dir.path(), n));
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    sync(&a).await;
    peer.shutdown().await.unwrap();
    // one that says it is Alice's, and one that is public and Mallory's
    post(&mallory, "I am Mallory");
    let own = publish(&mallory);
    let own = mallory.views().unwrap().get(&own.view).unwrap();
    let views = [lie(&mallory, &alice), own];
    make_lie(&dir.path().join("cloud"), &did(&alice), &views);
    let options = CloudOptions::at(address.sockets().to_vec());
    let peer = CloudPeer::start(&dir.path().join("cloud"), &Opening::by("test"), options)
        .await
        .unwrap();
    let m = start(&mallory).await;
    for view in &views {
        assert!(m.sync_view(view, &address).await.unwrap().equal);
    }
    let (b, hers) = (start(&bob).await, did(&alice));
    let refused = b.follow(&hers, Some(&address)).await;
    let Err(PodError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("nothing in it shows that"), "{why}");
    assert!(bob.views().unwrap().list().is_empty() && bob.following().unwrap().is_empty());
    // what is Alice's is found among them
    post(&alice, "I am Alice, really");
    publish(&alice);
    sync(&a).await;
    assert_eq!(b.follow(&hers, Some(&address)).await.unwrap().len(), 1);
    assert_eq!(read(&bob, &hers), ["I am Alice, really"]);
    assert_eq!(bob.views().unwrap().list().len(), 1);
    for node in [a, b, m] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

/// An enrolment by the followers of a view, and a commit of the process.
fn forged(view: &View) -> (Vec<u8>, SentCommit) {
    let seed = Seed::of_public(&view.did());
    let log = view.member().unwrap().device_log().1;
    let now = log.resolve();
    let add = now.device(&seed.public()).map(|a| a.incarnation.add);
    let process = SigningKey::from_seed([42; 32]);
    let mut random = |out: &mut [u8]| out.fill(5);
    let enrol = Enrol::sign(
        view.did(),
        &seed.signing_key(),
        add,
        process.public(),
        &mut random,
    );
    let enrol = Certificate::Enrol(Box::new(enrol.unwrap()));
    let pod = view.did().to_string();
    let mut header = Commit {
        v: 1,
        pod: pod.clone(),
        device: process.public(),
        seq: 0,
        prev: None,
        frontier: vec![],
        hlc: Hlc(1 << 20),
        cap: None,
        nonce: [1; 16],
        root: [0; 32],
        leaves: 1,
    };
    let entity = EntityId::derive(&pod, &[9]);
    let ops = vec![Op::Insert {
        attribute: rhizome_tuple::Attribute::new("post/text").unwrap(),
        value: "forged".into(),
    }];
    // he can read, so he has what seals
    let member = view.member().unwrap();
    let current = member.trust().set().current().unwrap().epoch.0;
    let keys = member.keys();
    let (_, secret) = keys.epochs().find(|(name, _)| *name == current).unwrap();
    let sealed = EpochSecret::new(secret.expose())
        .seal(&entity, &header.address(0), &Leaf::encode(&ops).unwrap())
        .unwrap();
    let sealed = sealed.to_bytes().unwrap();
    header.root = merkle_root(&[leaf_hash(&sealed)]).unwrap();
    let commit = SentCommit {
        envelope: Verified::sign(header, &process).unwrap().to_bytes(),
        leaves: vec![SentLeaf::Sealed(sealed)],
    };
    (enrol.to_bytes().unwrap(), commit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_a_lying_follower_is_taken_by_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let [alice, bob] = ["alice", "bob"].map(|name| home(dir.path(), name));
    let (a, b) = (start(&alice).await, start(&bob).await);
    a.add_peer(&address, token.as_ref()).await.unwrap();
    post(&alice, "one");
    let picture = alice.blobs().put_bytes(&vec![3; 70_000]).unwrap();
    let given = publish(&alice);
    sync(&a).await;
    let hers = did(&alice);
    b.follow(&hers, Some(&address)).await.unwrap();
    let owners = alice.views().unwrap().get(&given.view).unwrap();
    let his = bob.views().unwrap().get(&given.view).unwrap();
    // an honest program makes nothing of the kind, and goes on
    assert!(
        matches!(his.author("x"), Err(PodError::Share(_))),
        "{:?}",
        his.author("x").map(drop)
    );
    assert_eq!(his.member().unwrap().processes().len(), 0);
    let before = owners.member().unwrap().trust().set().len();
    // a lying one offers it to the owner, and to another follower
    let (enrol, commit) = forged(&his);
    for view in [&owners, &his] {
        for follows in [true, false] {
            let member = view.member().unwrap();
            let mut store = if follows {
                MemberStore::for_follower(member)
            } else {
                MemberStore::new(member)
            };
            let fates = store.take_certificates(vec![enrol.clone()]).unwrap();
            assert!(matches!(fates[..], [CertificateFate::Refused(..)]));
            let fates = store.take_commits(vec![commit.clone()]).unwrap();
            assert!(matches!(fates[..], [Fate::Refused { .. }]));
        }
        assert_eq!(view.member().unwrap().trust().set().len(), before);
        assert!(!texts(view).contains(&"forged".to_owned()));
    }
    // files: he fetches, and brings none, to a peer and to the owner
    let seed = Seed::of_public(&given.view);
    let liar = stranger(80).await;
    let at = a.address().unwrap();
    for place in [&address, &at] {
        let mut link = enter(&liar, place, Protocol::Blob, given.view, &seed).await;
        link.receive().await.unwrap().unwrap();
        let root: [u8; 32] = picture.hash().digest().try_into().unwrap();
        let put = Request::Put {
            name: root,
            root,
            len: 70_000,
            offset: 0,
            slice: Slice::default(),
        };
        link.send(put.to_bytes().unwrap()).await.unwrap();
        let answer = link.receive().await.unwrap().unwrap();
        assert_eq!(
            Answer::from_bytes(&answer).unwrap(),
            Answer::Refused(Refusal::NotAllowed)
        );
        let have = Request::Have { names: vec![root] };
        link.send(have.to_bytes().unwrap()).await.unwrap();
        let answer = link.receive().await.unwrap().unwrap();
        assert!(matches!(
            Answer::from_bytes(&answer).unwrap(),
            Answer::Held(_)
        ));
    }
    // what is to be dropped he does not say either
    let mut link = enter(&liar, &address, Protocol::Erase, given.view, &seed).await;
    link.receive().await.unwrap().unwrap();
    let all = codec::encode(&(
        0u8,
        Vec::<(serde_bytes::ByteArray<32>, Vec<u32>)>::new(),
        true,
    ));
    let _ = link.send(all.unwrap()).await;
    assert!(link.receive().await.ok().flatten().is_none());
    liar.shutdown().await.unwrap();
    // and all of them go on
    post(&alice, "two");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(read(&bob, &hers), ["one", "two"]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

async fn until(what: &str, check: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !check() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begin.elapsed()
}

async fn follow_all(node: &PodNode, views: &[Arc<View>], address: &PeerAddress) -> Vec<Arc<View>> {
    let mut out = Vec::new();
    for view in views {
        let seed = Seed::of_public(&view.did());
        out.push(node.join_view(&view.did(), &seed, address).await.unwrap());
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_new_in_one_of_many_comes_live() {
    let many = std::env::var("RHIZOME_VIEWS").map_or(80, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let (a, b) = (Arc::new(start(&alice).await), Arc::new(start(&bob).await));
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let views: Vec<_> = (0..many)
        .map(|n| {
            let view = alice.views().unwrap().create().unwrap();
            view.add_followers().unwrap();
            write_in(&view, n as u8, "post/text", "the first".into());
            view
        })
        .collect();
    sync(&a).await;
    let his = follow_all(&b, &views, &address).await;
    for view in &his {
        assert!(b.sync_view(view, &address).await.unwrap().equal);
    }
    assert!(his.iter().all(|view| texts(view) == ["the first"]));
    let touching: Vec<_> = [&a, &b]
        .into_iter()
        .map(|node| {
            let node = Arc::clone(node);
            tokio::spawn(async move { node.keep_in_touch(Mode::Normal).await })
        })
        .collect();
    // the first, too: what was fetched just now is not fetched again
    let mut slowest = Duration::ZERO;
    for n in [many - 1, 3, many / 2, many / 3] {
        let text = format!("new in {n}");
        write_in(&views[n], 201, "post/text", text.as_str().into());
        slowest = slowest.max(until(&text, || texts(&his[n]).contains(&text)).await);
    }
    println!("slowest of {many}: {slowest:?}");
    assert!(slowest < Duration::from_secs(6), "{slowest:?}");

    // he was away, and something waits in each: what is new now does not wait for all of that
    let [hers, his_touch] = touching.try_into().unwrap();
    his_touch.abort();
    let _ = his_touch.await;
    for (n, view) in views.iter().enumerate() {
        write_in(view, n as u8, "post/text", "while you were away".into());
    }
    sync(&a).await;
    let node = Arc::clone(&b);
    let his_touch = tokio::spawn(async move { node.keep_in_touch(Mode::Normal).await });
    until("he has begun", || {
        texts(&his[1]).contains(&"while you were away".to_owned())
    })
    .await;
    let (last, text) = (many - 1, "and now".to_owned());
    write_in(&views[last], 202, "post/text", text.as_str().into());
    let took = until(&text, || texts(&his[last]).contains(&text)).await;
    let waiting = his
        .iter()
        .filter(|view| !texts(view).contains(&"while you were away".to_owned()));
    let waiting = waiting.count();
    println!("with {waiting} of {many} still to come: {took:?}");
    // where all of it came in that moment, nothing had to wait
    assert!(took < Duration::from_secs(6), "{took:?}, {waiting}");
    for task in [hers, his_touch] {
        task.abort();
        let _ = task.await;
    }
    for node in [a, b] {
        Arc::into_inner(node).unwrap().shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}
