//! Views: pods beside the one of the home, carried by the same node, with only a peer without keys in between.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rhizome_identity::Did;
use rhizome_ipld::{HashKind, Payload, PublicKey, SigningKey, Verified, codec};
use rhizome_network::{Admission, Link, Mode, Node, NodeConfig, PeerAddress, Protocol, Services};
use rhizome_pod::{
    CloudDesk, CloudOptions, CloudPeer, DeviceRole, Grant, Opening, PeerReport, Pod, PodError,
    PodHome, PodNode, Seed, View, parse_peer,
};
use rhizome_replica::{Edit, key};
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId, Value};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

const MARKER: &str = "a caption that only those may read with whom it is shared";

pub fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

pub async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<Grant>) {
    let (home, opening) = (dir.join("cloud"), Opening::by("test"));
    let peer = CloudPeer::start(&home, &opening, CloudOptions::at(anywhere()))
        .await
        .unwrap();
    let (address, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    (peer, address, token)
}

pub fn home(dir: &Path, name: &str) -> Arc<Pod> {
    let home = PodHome::at(dir.join(name));
    Arc::new(home.init(&Opening::by("test")).unwrap())
}

pub async fn start(pod: &Arc<Pod>) -> PodNode {
    PodNode::start(Arc::clone(pod), anywhere()).await.unwrap()
}

pub fn write(view: &View, n: u8, attribute: &str, value: Value) {
    let (replica, author) = (view.replica().unwrap(), view.author("notes").unwrap());
    let nonce = [n; 4].to_vec();
    let entity = EntityId::derive(replica.pod(), &nonce);
    let attribute = Attribute::new(attribute).unwrap();
    let mut edits = Vec::new();
    if replica.snapshot().eid(&entity).is_none() {
        edits.push(Edit::Create(entity, nonce));
    }
    edits.push(Edit::Assert(entity, attribute, value));
    let mut random = [0; 16];
    random[..4].copy_from_slice(&std::process::id().to_be_bytes());
    random[4] = n;
    let now = 1_800_000_000_000;
    replica
        .write(&author, edits, now, random, Durability::Durable)
        .unwrap();
}

pub fn texts(view: &View) -> Vec<String> {
    let now = view.replica().unwrap().snapshot();
    let all = now.eav().range(0, u128::MAX);
    let mut out: Vec<String> = all
        .filter_map(|k| match now.value(key::un_eav(k).v) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        })
        .collect();
    out.sort();
    out
}

/// Exchanges with everybody; what is away is left out.
pub async fn sync(node: &PodNode) -> Vec<PeerReport> {
    let mut all = node.sync_all().await.unwrap();
    all.retain(|report| !report.away);
    for report in &all {
        assert!(report.error.is_none() && report.equal, "{report:?}");
    }
    all
}

fn contains(dir: &Path, what: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, what);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(what.len()).any(|w| w == what)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_view_goes_through_a_peer_without_keys_while_its_owner_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();

    let view = alice.views().unwrap().create().unwrap();
    assert!(view.is_owner() && view.did().to_string() != alice.did());
    let guest = Seed::generate().unwrap();
    view.add_guest(&guest).unwrap();
    write(&view, 1, "photo/caption", MARKER.into());
    let picture: Vec<u8> = b"a picture, "
        .iter()
        .copied()
        .cycle()
        .take(300_000)
        .collect();
    let cid = alice.blobs().put_bytes(&picture).unwrap();
    write(&view, 1, "photo/file", Value::Blob(cid));
    let reports = sync(&a).await;
    let of_view = reports.iter().find(|r| r.pod == Some(view.did())).unwrap();
    assert_eq!(of_view.files.pushed, 1);
    assert_eq!(of_view.to_json()["pod"], view.did().to_string());
    // nothing new: the second time is told by the mark
    sync(&a).await;
    assert!(sync(&a).await.iter().all(|r| r.pod.is_none()));
    a.shutdown().await.unwrap();

    // Bob knows the DID, his seed and the place
    let b = start(&bob).await;
    let nobody = Seed::generate().unwrap();
    let refused = b.view_log(&view.did(), &nobody, &address).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    let his = b.join_view(&view.did(), &guest, &address).await.unwrap();
    assert!(!his.is_owner());
    let reports = sync(&b).await;
    assert_eq!((reports.len(), reports[0].files.fetched), (1, 1));
    assert_eq!(texts(&his), [MARKER]);
    let read = bob.blobs().open(&cid).unwrap().read_range(0, 1 << 20);
    assert_eq!(read.unwrap(), picture);
    write(&his, 2, "photo/comment", "by Bob".into());
    sync(&b).await;

    // Alice comes back
    let a = start(&alice).await;
    sync(&a).await;
    assert_eq!(texts(&view), [MARKER, "by Bob"]);

    // Bob is taken out: he is refused, and what is written later he could not open
    view.remove_guest(&guest.public()).unwrap();
    write(&view, 3, "photo/caption", "after Bob".into());
    sync(&a).await;
    write(&his, 4, "photo/comment", "by Bob, later".into());
    let refused = b.sync_view(&his, &address).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    assert!(!texts(&his).iter().any(|t| t == "after Bob"));
    let (of_alice, of_bob) = (view.member().unwrap(), his.member().unwrap());
    let current = of_alice.trust().set().current().unwrap().epoch.0;
    assert!(of_alice.keys().epochs().any(|(name, _)| name == current));
    assert!(of_bob.keys().epochs().all(|(name, _)| name != current));
    sync(&a).await;
    assert_eq!(texts(&view), [MARKER, "after Bob", "by Bob"]);
    assert_eq!(
        view.member()
            .unwrap()
            .trust()
            .set()
            .log()
            .resolve()
            .devices
            .len(),
        1
    );

    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
    for secret in [
        MARKER.as_bytes(),
        b"a picture, a picture",
        b"photo/caption",
        guest.expose(),
    ] {
        assert!(!contains(&dir.path().join("cloud"), secret));
    }
    // the seed of a view is in no file of the home as it is
    assert!(!contains(&dir.path().join("alice"), view.seed().expose()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_homes_act_by_one_seed_each_with_a_chain_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let laptop = home(dir.path(), "laptop");
    let a = start(&laptop).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (code, mut waiting) = a.invite(DeviceRole::Admin).unwrap();
    let opening = Opening::by("test");
    let at = PodHome::at(dir.path().join("phone"));
    let phone = at.join(&opening, &code, "phone", anywhere()).await.unwrap();
    let phone = Arc::new(phone);
    waiting.joined().await.unwrap();
    let b = start(&phone).await;
    b.sync_with(&a.address().unwrap(), None).await.unwrap();

    let view = laptop.views().unwrap().create().unwrap();
    write(&view, 1, "note/text", "by the laptop".into());
    // the phone learns the DID and the seed from the pod, say, and the rest where the pod is kept
    let nobody = Seed::generate().unwrap();
    let refused = b.join_own_view(&view.did(), &nobody).await;
    assert!(matches!(refused, Err(PodError::Refused(_))));
    let same = b.join_own_view(&view.did(), view.seed()).await.unwrap();
    assert!(same.is_owner() && same.key() == view.key());
    // straight between the two: with the first exchange come the keys
    let direct = b.sync_view(&same, &a.address().unwrap()).await.unwrap();
    assert!(
        direct.equal && texts(&same) == ["by the laptop"],
        "{direct:?}"
    );
    write(&same, 2, "note/text", "by the phone".into());
    let direct = b.sync_view(&same, &a.address().unwrap()).await.unwrap();
    assert!(direct.equal && direct.pod == Some(view.did()), "{direct:?}");
    assert_eq!(texts(&view), ["by the laptop", "by the phone"]);
    assert_eq!(texts(&same), texts(&view));
    let chains = view.member().unwrap().chains().unwrap().iter().count();
    assert_eq!(chains, 2);
    // and through the peer, at once
    write(&view, 3, "note/text", "again by the laptop".into());
    write(&same, 4, "note/text", "again by the phone".into());
    sync(&a).await;
    sync(&b).await;
    sync(&a).await;
    assert_eq!(texts(&view).len(), 4);
    assert_eq!(texts(&same), texts(&view));
    // a file that the view does not name is not there for those who act in it, whoever knows its name
    let secret = laptop.blobs().put_bytes(b"not shared").unwrap();
    let shared = laptop.blobs().put_bytes(b"shared").unwrap();
    write(&view, 5, "note/file", Value::Blob(shared));
    let direct = b.sync_view(&same, &a.address().unwrap()).await.unwrap();
    assert_eq!(direct.files.fetched, 1, "{direct:?}");
    assert!(phone.blobs().has(&shared).unwrap() && !phone.blobs().has(&secret).unwrap());
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_up_brings_what_is_new_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let a = Arc::new(start(&alice).await);
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let view = alice.views().unwrap().create().unwrap();
    let guest = Seed::generate().unwrap();
    view.add_guest(&guest).unwrap();
    sync(&a).await;
    let b = Arc::new(start(&bob).await);
    let his = b.join_view(&view.did(), &guest, &address).await.unwrap();
    let touching: Vec<_> = [&a, &b]
        .into_iter()
        .map(|node| {
            let node = Arc::clone(node);
            tokio::spawn(async move { node.keep_in_touch(Mode::Normal).await })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for n in 0..6u8 {
        let (from, to) = if n % 2 == 0 {
            (&view, &his)
        } else {
            (&his, &view)
        };
        let text = format!("text {n}");
        write(from, n, "note/text", text.as_str().into());
        let cid = if n == 4 {
            let cid = alice.blobs().put_bytes(&vec![9; 50_000]).unwrap();
            write(from, n, "note/file", Value::Blob(cid));
            Some(cid)
        } else {
            None
        };
        let begin = Instant::now();
        while !texts(to).contains(&text) || cid.is_some_and(|cid| !bob.blobs().has(&cid).unwrap()) {
            assert!(begin.elapsed() < Duration::from_secs(20), "{n}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if n > 0 {
            slowest = slowest.max(begin.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(8), "{slowest:?}");
    println!("slowest {slowest:?}");
    for task in touching {
        task.abort();
        let _ = task.await;
    }
    for node in [a, b] {
        Arc::into_inner(node).unwrap().shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

/// What is signed by whoever acts in a view, as `docs/spec/exchange.md` has it.
#[derive(Serialize, Deserialize)]
struct Act {
    link: ByteArray<32>,
    pod: Did,
    key: PublicKey,
    from: PublicKey,
    to: PublicKey,
    say: u8,
}

impl Payload for Act {
    const DOMAIN: &'static str = "rhizome/act@1";
    const MAX_LEN: usize = 512;
    const HASH: HashKind = HashKind::Blake3;

    fn signer(&self) -> PublicKey {
        self.key
    }
}

/// A device of nobody here.
pub async fn stranger(n: u8) -> Node {
    let nothing = |_, _: &PublicKey| Admission::Reject("nothing".into());
    let services = Services::builder(Arc::new(SigningKey::from_seed([n; 32])), nothing).build();
    let config = NodeConfig {
        bind: anywhere(),
        ..NodeConfig::default()
    };
    Node::start(services, config).await.unwrap()
}

/// Dials, and says that it acts in a view.
pub async fn enter(
    node: &Node,
    address: &PeerAddress,
    protocol: Protocol,
    did: Did,
    seed: &Seed,
) -> Link {
    let mut link = node.dial(address, protocol).await.unwrap();
    let act = Act {
        link: ByteArray::new(link.keying()),
        pod: did,
        key: seed.public(),
        from: node.key(),
        to: address.key(),
        say: 3,
    };
    let signed = Verified::sign(act, &seed.signing_key()).unwrap();
    let signature = ByteArray::new(*signed.signature().1);
    let words = codec::encode(&(3u8, did, seed.public(), signature, None::<Did>));
    link.send(words.unwrap()).await.unwrap();
    link
}

/// Dials, says some words made for the link, and returns the first answer.
async fn say(
    node: &Node,
    address: &PeerAddress,
    words: impl FnOnce([u8; 32]) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let mut link = node.dial(address, Protocol::Sync).await.unwrap();
    let words = words(link.keying());
    link.send(words).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), link.receive());
    answer
        .await
        .unwrap()
        .ok()
        .flatten()
        .map(|bytes| bytes.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stranger_gets_nothing_and_a_recorded_signature_is_of_no_use() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let alice = home(dir.path(), "alice");
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let view = alice.views().unwrap().create().unwrap();
    write(&view, 1, "note/text", MARKER.into());
    sync(&a).await;

    let stranger = stranger(77).await;
    let from = stranger.key();
    let did = view.did();
    let sign = |key: &SigningKey, link: [u8; 32], to: PublicKey, number: u8| {
        let act = Act {
            link: ByteArray::new(link),
            pod: did,
            key: key.public(),
            from,
            to,
            say: number,
        };
        ByteArray::new(*Verified::sign(act, key).unwrap().signature().1)
    };
    let enter = |key: PublicKey, signature: ByteArray<64>| {
        codec::encode(&(3u8, did, key, signature, None::<Did>)).unwrap()
    };
    let log = |key: PublicKey, signature: ByteArray<64>| {
        codec::encode(&(4u8, did, key, signature)).unwrap()
    };
    let watch = |key: PublicKey, signature: ByteArray<64>| {
        codec::encode(&(5u8, vec![(did, key, signature)], true)).unwrap()
    };
    let is_no = |answer: &Option<Vec<u8>>| matches!(answer.as_deref(), Some([0x82, 2, ..]));
    let no_marks: Vec<u8> = codec::encode(&(5u8, Vec::<(u32, ByteArray<16>)>::new())).unwrap();
    let own = view.seed().signing_key();
    let other = Seed::generate().unwrap().signing_key();
    for at in [&address, &a.address().unwrap()] {
        let to = at.key();
        // whoever has the seed is let in: the words are the right ones
        let mut recorded = None;
        let answer = say(&stranger, at, |link| {
            let signature = sign(&own, link, to, 3);
            recorded = Some(signature);
            enter(own.public(), signature)
        });
        let answer = answer.await.unwrap();
        assert!(
            matches!(&answer[..], [0x81, 0] | [0x83, 6, ..]),
            "{answer:?}"
        );
        let answer = say(&stranger, at, |link| {
            log(own.public(), sign(&own, link, to, 4))
        });
        assert_eq!(answer.await.unwrap(), [0x81, 0]);
        let answer = say(&stranger, at, |link| {
            watch(own.public(), sign(&own, link, to, 5))
        });
        assert!(answer.await.unwrap().len() > no_marks.len());

        // the signature of another link, of another thing, by another key, and the words of a device
        let recorded = recorded.unwrap();
        let answer = say(&stranger, at, |_| enter(own.public(), recorded)).await;
        assert!(is_no(&answer), "{answer:?}");
        let answer = say(&stranger, at, |link| {
            log(own.public(), sign(&own, link, to, 3))
        })
        .await;
        assert!(is_no(&answer), "{answer:?}");
        let answer = say(&stranger, at, |link| {
            log(other.public(), sign(&other, link, to, 4))
        })
        .await;
        assert!(is_no(&answer), "{answer:?}");
        let answer = say(&stranger, at, |link| {
            watch(other.public(), sign(&other, link, to, 5))
        });
        let answer = answer.await.unwrap();
        assert!(answer == no_marks || is_no(&Some(answer)));
        let answer = say(&stranger, at, |link| {
            enter(own.public(), sign(&other, link, to, 3))
        })
        .await;
        assert!(is_no(&answer), "{answer:?}");
        // a device log shows nothing to whoever is not in it: he may show his own, and no more
        let answer = say(&stranger, at, |link| {
            enter(other.public(), sign(&other, link, to, 3))
        })
        .await;
        assert_eq!(answer.unwrap(), [0x81, 1]);
        let answer = say(&stranger, at, |_| codec::encode(&(1u8, did)).unwrap())
            .await
            .unwrap();
        assert!(answer == [0x81, 1] || is_no(&Some(answer)));
    }
    // nobody has a view kept for a pod that is not his own
    let evil = Seed::generate().unwrap();
    let bob = home(dir.path(), "bob");
    let b = start(&bob).await;
    let his = bob.views().unwrap().create_by(&evil).unwrap();
    let refused = b.sync_view(&his, &address).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    let sponsor: Did = alice.did().parse().unwrap();
    let answer = say(&stranger, &address, |link| {
        let act = Act {
            link: ByteArray::new(link),
            pod: his.did(),
            key: evil.public(),
            from,
            to: address.key(),
            say: 3,
        };
        let signed = Verified::sign(act, &evil.signing_key()).unwrap();
        let signature = ByteArray::new(*signed.signature().1);
        codec::encode(&(3u8, his.did(), evil.public(), signature, Some(sponsor))).unwrap()
    });
    // it is to show what it has, and that is then not read
    assert_eq!(answer.await.unwrap(), [0x81, 1]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    stranger.shutdown().await.unwrap();
    assert_eq!(peer.pods().unwrap().len(), 1);
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn views_are_kept_in_the_quota_of_their_sponsor_and_forgotten_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let alice = home(dir.path(), "alice");
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let views: Vec<_> = (0..3)
        .map(|_| alice.views().unwrap().create().unwrap())
        .collect();
    for (n, view) in (0u8..).zip(&views) {
        write(view, n, "note/text", MARKER.into());
        let cid = alice.blobs().put_bytes(&[n; 10_000]).unwrap();
        write(view, n, "note/file", Value::Blob(cid));
    }
    sync(&a).await;
    let kept = peer.pods().unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].views.len(), kept[0].blobs), (3, 3));
    assert!(kept[0].views.iter().all(|v| v.usage.commits >= 2));
    assert!(kept[0].all_bytes() > kept[0].bytes());
    let json = kept[0].to_json();
    assert_eq!(json["views"].as_array().unwrap().len(), 3);
    // one quota for all: nothing more fits, in whichever of them it is written
    let (cloud, opening) = (PodHome::at(dir.path().join("cloud")), Opening::by("test"));
    let desk = || CloudDesk::open(&cloud, &opening).unwrap();
    let used: u64 = kept[0].all_bytes() - kept[0].blob_bytes;
    tokio::task::block_in_place(|| desk().set_quota(alice.did(), used + 10)).unwrap();
    write(
        &views[1],
        20,
        "note/text",
        "no room".repeat(100).as_str().into(),
    );
    let report = a.sync_view(&views[1], &address).await.unwrap();
    assert!(!report.equal, "{report:?}");
    let of_view = views[1].did().to_string();
    let changed = tokio::task::block_in_place(|| desk().set_quota(&of_view, 1 << 30));
    assert!(changed.is_err());
    tokio::task::block_in_place(|| desk().set_quota(alice.did(), 1 << 30)).unwrap();
    assert!(a.sync_view(&views[1], &address).await.unwrap().equal);
    tokio::task::block_in_place(|| desk().forget(alice.did())).unwrap();
    assert!(peer.pods().unwrap().is_empty());
    let refused = a.sync_view(&views[0], &address).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    a.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

#[test]
fn views_are_there_after_opening_and_gone_after_removal() {
    let dir = tempfile::tempdir().unwrap();
    let opening = Opening {
        passphrase: "correct horse".into(),
        ..Opening::by("test")
    };
    let at = PodHome::at(dir.path().join("home"));
    let pod = at.init(&opening).unwrap();
    let views = pod.views().unwrap();
    assert!(views.list().is_empty());
    let (one, two) = (views.create().unwrap(), views.create().unwrap());
    write(&one, 1, "note/text", "one".into());
    write(&two, 1, "note/text", "two".into());
    let place = PeerAddress::new(SigningKey::from_seed([3; 32]).public()).unwrap();
    one.set_addresses(std::slice::from_ref(&place)).unwrap();
    let (did, gone, seed) = (one.did(), two.did(), one.seed().clone());
    // closed, and opened again when it is needed
    let before = Arc::downgrade(&one.member().unwrap());
    one.close().unwrap();
    assert!(!one.is_open() && before.upgrade().is_none());
    assert_eq!(texts(&one), ["one"]);
    // while somebody holds it, or its tuples, it is not closed: there is one and not two
    let held = one.member().unwrap();
    one.close().unwrap();
    assert!(one.is_open() && Arc::ptr_eq(&held, &one.member().unwrap()));
    let tuples = Arc::clone(held.replica());
    drop(held);
    one.close().unwrap();
    assert!(one.is_open() && Arc::ptr_eq(&tuples, &one.replica().unwrap()));
    drop((tuples, one, two));
    drop(pod);

    let pod = at.open(&opening).unwrap();
    let views = pod.views().unwrap();
    assert_eq!(views.list().len(), 2);
    let one = views.get(&did).unwrap();
    assert!(!one.is_open() && one.is_owner());
    assert_eq!(
        (one.addresses(), one.seed().expose()),
        (vec![place], seed.expose())
    );
    assert_eq!(texts(&one), ["one"]);
    assert!(views.remove(&gone).unwrap() && !views.remove(&gone).unwrap());
    assert!(views.get(&gone).is_none());
    let keys = || {
        std::fs::read_dir(dir.path().join("home/views"))
            .unwrap()
            .count()
    };
    assert_eq!(keys(), 1);
    // by another key than its own
    let log = one.member().unwrap().device_log().1;
    let other = Seed::generate().unwrap();
    assert!(views.join(&other, &log).is_err());
    assert!(Arc::ptr_eq(&views.join(&seed, &log).unwrap(), &one));
    // removed while somebody holds it: what is left goes at the next opening
    let held = one.replica().unwrap();
    assert!(views.remove(&did).unwrap());
    assert!(one.member().is_err());
    drop((held, one));
    drop(pod);
    let pod = at.open(&opening).unwrap();
    assert!(pod.views().unwrap().list().is_empty());
    assert_eq!(keys(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_views_only_those_are_opened_of_which_something_is_new() {
    const MANY: u8 = 70;
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let opening = Opening::by("test");
    let at = PodHome::at(dir.path().join("alice"));
    let guest = Seed::generate().unwrap();
    let mut dids = Vec::new();
    {
        let alice = Arc::new(at.init(&opening).unwrap());
        let a = start(&alice).await;
        a.add_peer(&address, token.as_ref()).await.unwrap();
        for n in 0..MANY {
            let view = alice.views().unwrap().create().unwrap();
            write(&view, n, "note/text", format!("text {n}").as_str().into());
            if n == 40 {
                view.add_guest(&guest).unwrap();
            }
            dids.push(view.did());
        }
        let reports = sync(&a).await;
        assert_eq!(reports.len(), usize::from(MANY) + 1);
        // what was given to the peer changed its marks: each is looked at once more, and that is all
        sync(&a).await;
        assert_eq!(sync(&a).await.len(), 1);
        a.shutdown().await.unwrap();
    }
    let alice = Arc::new(at.open(&opening).unwrap());
    let a = start(&alice).await;
    let views = alice.views().unwrap();
    let open = || views.list().iter().filter(|view| view.is_open()).count();
    assert_eq!(sync(&a).await.len(), 1);
    assert_eq!((views.list().len(), open()), (usize::from(MANY), 0));
    // somebody else writes in one of them
    let bob = home(dir.path(), "bob");
    let b = start(&bob).await;
    let his = b.join_view(&dids[40], &guest, &address).await.unwrap();
    sync(&b).await;
    write(&his, 200, "note/text", "by Bob".into());
    sync(&b).await;
    let reports = sync(&a).await;
    assert_eq!(reports.len(), 2);
    assert_eq!((reports[1].pod, reports[1].received), (Some(dids[40]), 1));
    assert_eq!(open(), 1);
    // and in one of them here
    let view = views.get(&dids[3]).unwrap();
    write(&view, 201, "note/text", "by Alice".into());
    let reports = sync(&a).await;
    assert_eq!((reports.len(), reports[1].pod), (2, Some(dids[3])));
    assert_eq!(open(), 2);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_guest_goes_straight_to_the_owner_and_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let (a, b) = (start(&alice).await, start(&bob).await);
    let view = alice.views().unwrap().create().unwrap();
    let guest = Seed::generate().unwrap();
    view.add_guest(&guest).unwrap();
    write(&view, 1, "note/text", MARKER.into());
    let cid = alice.blobs().put_bytes(&vec![3; 40_000]).unwrap();
    write(&view, 1, "note/file", Value::Blob(cid));
    let at = a.address().unwrap();
    let his = b.join_view(&view.did(), &guest, &at).await.unwrap();
    let report = b.sync_view(&his, &at).await.unwrap();
    assert!(report.equal && report.files.fetched == 1, "{report:?}");
    write(&his, 2, "note/text", "by Bob".into());
    let file = bob.blobs().put_bytes(&vec![4; 40_000]).unwrap();
    write(&his, 2, "note/file", Value::Blob(file));
    let report = b.sync_view(&his, &at).await.unwrap();
    assert!(report.equal && report.files.pushed == 1, "{report:?}");
    assert!(alice.blobs().has(&file).unwrap());
    assert_eq!(texts(&view), [MARKER, "by Bob"]);
    // a reader has all of it
    let reader = Seed::generate().unwrap();
    view.add_reader(&reader).unwrap();
    let carol = home(dir.path(), "carol");
    let c = start(&carol).await;
    let hers = c.join_view(&view.did(), &reader, &at).await.unwrap();
    c.sync_view(&hers, &at).await.unwrap();
    assert_eq!(texts(&hers), [MARKER, "by Bob"]);
    // somebody who knows the hash of another file of the home, and is taken out while the link is open
    let secret = alice.blobs().put_bytes(b"not shared").unwrap();
    let hash = |cid: &rhizome_ipld::Cid| -> ByteArray<32> {
        ByteArray::new(cid.hash().digest().try_into().unwrap())
    };
    let question = codec::encode(&(0u8, [hash(&secret), hash(&cid), hash(&secret)])).unwrap();
    let somebody = stranger(79).await;
    let mut link = enter(&somebody, &at, Protocol::Blob, view.did(), &reader).await;
    let answer = link.receive().await.unwrap().unwrap();
    assert!(matches!(&answer[..], [0x83, 6, ..]));
    link.send(question.clone()).await.unwrap();
    let answer = link.receive().await.unwrap().unwrap();
    let (_, held): (u8, Vec<Vec<(ByteArray<32>, u64)>>) = codec::decode(&answer, 1 << 20).unwrap();
    assert_eq!(held, [vec![], vec![(hash(&cid), 40_000)], vec![]]);
    view.remove_guest(&reader.public()).unwrap();
    let _ = link.send(question).await;
    assert!(!matches!(link.receive().await, Ok(Some(_))));
    somebody.shutdown().await.unwrap();
    // he has them still when the owner is off
    a.shutdown().await.unwrap();
    let reports = b.sync_all().await.unwrap();
    assert!(
        reports
            .iter()
            .all(|r| r.away && r.error.is_none() && r.pod == Some(view.did()))
    );
    assert_eq!(reports.len(), 1);
    // taken out while he was away: he hears it from whom he asks
    view.remove_guest(&guest.public()).unwrap();
    let a = PodNode::start(Arc::clone(&alice), at.sockets().to_vec())
        .await
        .unwrap();
    let refused = b.sync_view(&his, &at).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    assert!(!his.member().unwrap().is_device(&guest.public()));
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_erased_in_a_view_is_dropped_by_a_peer_and_guests_do_not_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let alice = home(dir.path(), "alice");
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let view = alice.views().unwrap().create().unwrap();
    let guest = Seed::generate().unwrap();
    view.add_guest(&guest).unwrap();
    write(&view, 1, "note/text", MARKER.repeat(50).as_str().into());
    sync(&a).await;
    let (replica, author) = (view.replica().unwrap(), view.author("notes").unwrap());
    let edits = vec![Edit::Erase(EntityId::derive(replica.pod(), &[1; 4]))];
    replica
        .write(
            &author,
            edits,
            1_800_000_000_000,
            [2; 16],
            Durability::Durable,
        )
        .unwrap();
    let reports = sync(&a).await;
    let report = reports.iter().find(|r| r.pod == Some(view.did())).unwrap();
    assert!(report.erased > 2000, "{report:?}");

    // the same words by the owner and by a guest: nothing is erased, says the one, and is heard; the other is not
    let somebody = stranger(78).await;
    for (seed, is_heard) in [(view.seed(), true), (&guest, false)] {
        let mut link = enter(&somebody, &address, Protocol::Erase, view.did(), seed).await;
        assert_eq!(&link.receive().await.unwrap().unwrap()[..], [0x81, 0]);
        let all = codec::encode(&(0u8, Vec::<(ByteArray<32>, Vec<u32>)>::new(), true));
        let _ = link.send(all.unwrap()).await;
        let answer = link.receive().await.ok().flatten();
        assert_eq!(answer.is_some(), is_heard, "{answer:?}");
    }
    somebody.shutdown().await.unwrap();
    a.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}
