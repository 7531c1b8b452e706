//! Messages for a pod from somebody who may not write to it, with a peer without keys in between.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rhizome_capability::{
    Delegation, Device, Principal,
    container::{self, Framing},
};
use rhizome_identity::{Did, KeyStore};
use rhizome_ipld::{Signed, SigningKey, Verified, codec};
use rhizome_network::{Admission, Mode, Node, NodeConfig, PeerAddress, Protocol, Services};
use rhizome_pod::{
    CloudDesk, CloudOptions, CloudPeer, DeviceRole, Grant, MAX_MESSAGE, MAX_MESSAGE_CONTENT,
    Message, Opening, Pod, PodError, PodHome, PodNode, Received, SealedMessage, parse_peer,
};
use serde_bytes::ByteBuf;

const MARKER: &[u8] = b"a proposal that nobody in between is to read";

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<Grant>) {
    let peer = CloudPeer::start(dir, &Opening::by("test"), CloudOptions::at(anywhere()))
        .await
        .unwrap();
    let (address, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    (peer, address, token)
}

fn home(dir: &Path, name: &str) -> Arc<Pod> {
    let home = PodHome::at(dir.join(name));
    Arc::new(home.init(&Opening::by("test")).unwrap())
}

async fn start(pod: &Arc<Pod>) -> PodNode {
    PodNode::start(Arc::clone(pod), anywhere()).await.unwrap()
}

/// The signing key of a home's device.
pub fn key(pod: &Pod) -> SigningKey {
    let keys = pod.home().directory().join("keys");
    KeyStore::open(&keys, "").unwrap().device()
}

fn principal(text: &str) -> Principal {
    text.parse().unwrap()
}

/// What `from` gives to `to`; over since 2001.
fn give(from: &Pod, to: &Principal, command: &str) -> Delegation {
    let own = key(from);
    let device = Device::new(&principal(from.did()), &own).unwrap();
    Delegation::to(to.clone(), command.parse().unwrap())
        .expires(1_000_000_000)
        .sign(&device, b"12 random bytes")
        .unwrap()
}

fn proof<'a>(delegations: impl IntoIterator<Item = &'a Delegation>) -> Vec<u8> {
    let tokens = delegations.into_iter().map(Delegation::bytes);
    container::write(Framing::Raw, tokens).unwrap()
}

/// A proof that Alice once gave Bob something.
fn acquainted(alice: &Pod, bob: &Pod) -> Vec<u8> {
    proof([&give(alice, &principal(bob.did()), "/pod/tuple/write")])
}

fn contains(dir: &Path, what: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, what);
        }
        let bytes = fs::read(path).unwrap();
        bytes.windows(what.len()).any(|w| w == what)
    })
}

/// What a process that was killed leaves.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() {
            copy(&path, &to.join(&name));
        } else if name != "running.json" && name != "writer.lock" {
            fs::copy(&path, to.join(&name)).unwrap();
        }
    }
    let private = fs::metadata(from).unwrap().permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(private)).unwrap();
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

fn contents(pod: &Pod) -> Vec<Vec<u8>> {
    let all = pod.messages().unwrap().into_iter();
    all.map(|(_, received)| received.content).collect()
}

fn why<T: std::fmt::Debug>(refused: Result<T, PodError>) -> String {
    match refused {
        Err(PodError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_waits_for_who_is_off_and_arrives_once() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(&dir.path().join("cloud")).await;
    let (alice, bob) = (home(dir.path(), "alice"), home(dir.path(), "bob"));
    let a = start(&alice).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (code, mut waiting) = a.invite(DeviceRole::Member).unwrap();
    let joining = PodHome::at(dir.path().join("phone"));
    let opening = Opening::by("test");
    let phone = joining.join(&opening, &code, "phone", anywhere()).await;
    let phone = Arc::new(phone.unwrap());
    waiting.joined().await.unwrap();
    let p = start(&phone).await;
    p.sync_with(&a.address().unwrap(), None).await.unwrap();
    a.sync_with(&address, None).await.unwrap();
    let (_, log) = alice.device_log();
    a.shutdown().await.unwrap();
    p.shutdown().await.unwrap();

    // nobody of hers is there
    let b = start(&bob).await;
    let proof = acquainted(&alice, &bob);
    let message = bob.seal_message(&log, MARKER, &proof).unwrap();
    let left = b.leave_sealed(&address, &message).await.unwrap();
    assert!(!left.known && left.id == message.id());
    assert!(b.leave_sealed(&address, &message).await.unwrap().known);
    assert!(!contains(&dir.path().join("cloud"), MARKER));

    // the peer is killed, and started again
    let killed = dir.path().join("killed");
    copy(&dir.path().join("cloud"), &killed);
    peer.shutdown().await.unwrap();
    let (peer, address, _) = cloud(&killed).await;
    let again = SealedMessage::from_bytes(message.bytes()).unwrap();
    assert!(b.leave_sealed(&address, &again).await.unwrap().known);

    let told = Arc::new(AtomicUsize::new(0));
    let telling = Arc::clone(&told);
    alice.on_message(move |received: &Received| {
        assert_eq!(received.content, MARKER);
        telling.fetch_add(1, Ordering::SeqCst);
    });
    alice.remember_peer(&address).unwrap();
    let a = start(&alice).await;
    let reports = a.sync_all().await.unwrap();
    let report = reports.iter().find(|r| r.key == address.key()).unwrap();
    assert_eq!((report.messages, &report.error), (1, &None));
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let got = alice.messages().unwrap();
    assert_eq!(got.len(), 1);
    let (entity, received) = &got[0];
    assert_eq!(received.from.to_string(), bob.did());
    assert_eq!(received.device, key(&bob).public());
    assert!((now_ms() - received.at_ms).abs() < 600_000);
    assert_eq!(received.content, MARKER);
    let state = alice.state(entity).unwrap().unwrap();
    assert_eq!(state["rhizome/type"], "message");
    assert_eq!(state["message/from"], bob.did());

    // said again after it was collected, it is no second message
    assert!(!b.leave_sealed(&address, &message).await.unwrap().known);
    assert_eq!(a.collect(&address).await.unwrap(), 0);
    a.sync_with(&address, None).await.unwrap();
    let p = start(&phone).await;
    p.sync_with(&address, None).await.unwrap();
    assert_eq!(phone.messages().unwrap(), got);

    // both get the same one before they meet: the one from the peer, the other from Bob himself
    let second = bob.seal_message(&log, b"the second", &proof).unwrap();
    let third = bob.seal_message(&log, b"the third", &proof).unwrap();
    for message in [&second, &third] {
        b.leave_sealed(&address, message).await.unwrap();
    }
    let direct = a.address().unwrap();
    told.store(0, Ordering::SeqCst);
    alice.on_message(|_| ());
    assert!(!b.leave_sealed(&direct, &second).await.unwrap().known);
    assert!(b.leave_sealed(&direct, &second).await.unwrap().known);
    assert_eq!(p.collect(&address).await.unwrap(), 2);
    assert_eq!(a.collect(&address).await.unwrap(), 0);
    p.sync_with(&direct, None).await.unwrap();
    assert_eq!(
        alice.digest().unwrap()["digest"],
        phone.digest().unwrap()["digest"]
    );
    let mut got = contents(&alice);
    got.sort();
    assert_eq!(got, [MARKER, b"the second", b"the third"]);
    assert_eq!(alice.conflicts().unwrap()["total"], 0);

    // what was erased does not come back
    let erase = serde_json::json!([{ "erase": { "entity": entity.to_string() } }]);
    let erase = rhizome_pod::json::parse_changes(&erase).unwrap();
    alice
        .transact(rhizome_pod::App::CommandLine, &erase)
        .unwrap();
    b.leave_sealed(&address, &message).await.unwrap();
    assert_eq!(a.collect(&address).await.unwrap(), 0);
    assert!(b.leave_sealed(&direct, &message).await.unwrap().known);
    assert_eq!(contents(&alice).len(), 2);

    for node in [a, b, p] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
    assert!(!contains(&killed, MARKER) && !contains(&killed, b"message/content"));
}

/// Somebody with a key and nothing else.
async fn stranger() -> Node {
    let key = Arc::new(SigningKey::from_seed([77; 32]));
    let services = Services::builder(key, |_, _| Admission::Admit).build();
    let config = NodeConfig {
        bind: anywhere(),
        ..NodeConfig::default()
    };
    Node::start(services, config).await.unwrap()
}

/// Leaves whatever bytes for a pod; what the other side says.
async fn leave(node: &Node, address: &PeerAddress, did: &Did, bytes: &[u8]) -> Result<(), String> {
    let mut link = node.dial(address, Protocol::Inbox).await.unwrap();
    let hello = codec::encode(&(7u8, did)).unwrap();
    for words in [hello, bytes.to_vec()] {
        link.send(words).await.unwrap();
        let answer = link.receive().await.unwrap().unwrap();
        if let Ok((2u8, why)) = codec::decode::<(u8, String)>(&answer, 4096) {
            return Err(why);
        }
        let (fine,): (u8,) = codec::decode(&answer, 16).unwrap();
        assert_eq!(fine, 0);
    }
    Ok(())
}

/// A message, changed and signed again.
fn changed(
    message: &SealedMessage,
    key: &SigningKey,
    change: impl FnOnce(&mut Message),
) -> Vec<u8> {
    let signed = Signed::<Message>::from_bytes(message.bytes()).unwrap();
    let mut message = signed.verify().unwrap().into_payload();
    change(&mut message);
    Verified::sign(message, key).unwrap().to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_message_from_an_acquaintance_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(&dir.path().join("cloud")).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| home(dir.path(), name));
    let (a, b) = (start(&alice).await, start(&bob).await);
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (did, log) = alice.device_log();
    let (bobs, friend) = (principal(bob.did()), SigningKey::from_seed([5; 32]));
    let at_both = [address.clone(), a.address().unwrap()];
    let node = stranger().await;

    // without a proof, with none of hers, with one for somebody else
    let by_bob = give(&bob, &bobs, "/pod/tuple");
    let by_carol = give(&carol, &bobs, "/pod/tuple");
    let about_her = {
        let own = key(&carol);
        let device = Device::new(&principal(carol.did()), &own).unwrap();
        let to_bob = Delegation::to(bobs.clone(), "/pod/tuple".parse().unwrap());
        let about = to_bob.subject(principal(alice.did()));
        about.sign(&device, b"12 random bytes").unwrap()
    };
    let in_her_name = {
        let own = key(&carol);
        let device = Device::new(&principal(alice.did()), &own).unwrap();
        let to_bob = Delegation::to(bobs.clone(), "/pod/tuple".parse().unwrap());
        to_bob.sign(&device, b"12 random bytes").unwrap()
    };
    let to_carol = give(&alice, &principal(carol.did()), "/pod/tuple");
    // what she passes on of somebody else's is no relation to her own, and neither is everything
    let [of_carol, of_anybody] = [true, false].map(|of_carol| {
        let own = key(&alice);
        let device = Device::new(&principal(alice.did()), &own).unwrap();
        let to_bob = Delegation::to(bobs.clone(), "/pod/tuple".parse().unwrap());
        let about = if of_carol {
            to_bob.subject(principal(carol.did()))
        } else {
            to_bob.powerline()
        };
        about.sign(&device, b"12 random bytes").unwrap()
    });
    let to_store = give(&alice, &bobs, "/pod/host/store");
    for (what, proof, reason) in [
        (
            "nothing",
            proof([]),
            "none of its delegations is the owner's",
        ),
        (
            "another subject",
            proof([&by_carol]),
            "none of its delegations is the owner's",
        ),
        (
            "his own",
            proof([&by_bob]),
            "none of its delegations is the owner's",
        ),
        (
            "somebody else's things",
            proof([&of_carol]),
            "none of its delegations is the owner's",
        ),
        (
            "a powerline",
            proof([&of_anybody]),
            "none of its delegations is the owner's",
        ),
        (
            "her name alone",
            proof([&about_her]),
            "none of its delegations is the owner's",
        ),
        (
            "no device of hers",
            proof([&in_her_name]),
            "not signed by a device",
        ),
        (
            "to somebody else",
            proof([&to_carol]),
            "it ends at somebody else",
        ),
        (
            "a gap",
            proof([&to_carol, &by_bob]),
            "it ends at somebody else",
        ),
        (
            "another thing",
            proof([&to_store]),
            "none of its delegations is the owner's",
        ),
        ("no container", b"@nothing".to_vec(), "cannot be read"),
    ] {
        for at in &at_both {
            let refused = why(b.leave(at, &log, b"hello", &proof).await);
            assert!(refused.contains(reason), "{what}: {refused}");
        }
    }
    // passed on by a friend, it is fine; but not for more than he had
    let to_friend = give(&alice, &Principal::of(&friend.public()), "/pod/tuple/read");
    let pass_on = |command: &str| {
        let to_bob = Delegation::to(bobs.clone(), command.parse().unwrap());
        let about = to_bob.subject(principal(alice.did()));
        about.sign(&friend, b"12 random bytes").unwrap()
    };
    let wider = proof([&to_friend, &pass_on("/pod/tuple")]);
    let refused = why(b.leave(&address, &log, b"hello", &wider).await);
    assert!(refused.contains("it ends at somebody else"), "{refused}");
    let narrow = proof([&to_friend, &pass_on("/pod/tuple/read")]);
    assert!(
        !b.leave(&address, &log, b"by a friend", &narrow)
            .await
            .unwrap()
            .known
    );

    // signed by somebody who is no device of his, with a log that is not his, for another pod, at another time
    let good = acquainted(&alice, &bob);
    let message = bob.seal_message(&log, b"hello", &good).unwrap();
    let (own, hers) = (key(&bob), key(&carol));
    let carols_log = carol.device_log().1.to_car().unwrap();
    let day = 86_400_000;
    let (past, future) = (now_ms() - 91 * day, now_ms() + 2 * day);
    let by_carol = changed(&message, &hers, |m| m.device = hers.public());
    let forged = changed(&message, &hers, |m| {
        m.device = hers.public();
        m.log = ByteBuf::from(carols_log.clone());
    });
    let her_log = changed(&message, &own, |m| m.log = ByteBuf::from(carols_log));
    let no_log = changed(&message, &own, |m| m.log.truncate(100));
    let elsewhere = changed(&message, &own, |m| m.to = carol.device_log().0);
    let nobody = changed(&message, &own, |m| m.wraps.clear());
    let many = changed(&message, &own, |m| {
        let wrap = m.wraps[0].clone();
        m.wraps = vec![wrap; 65];
    });
    let mut torn = message.bytes().to_vec();
    torn[500] ^= 1;
    for (what, bytes, reason) in [
        ("another's signature", by_carol, "is not a device of"),
        ("another's signature and log", forged, "is not a device of"),
        ("another's log", her_log, "is not a device of"),
        ("half a log", no_log, "log cannot be read"),
        ("another pod", elsewhere, "which is not this pod"),
        ("no recipient", nobody, "sealed for no device"),
        ("too many recipients", many, "more than 64"),
        (
            "long ago",
            changed(&message, &own, |m| m.at = past),
            "older than 90 days",
        ),
        (
            "not yet",
            changed(&message, &own, |m| m.at = future),
            "ahead of the clock",
        ),
        ("a bit", torn, "no message signed by"),
        ("nothing", vec![0], "no message signed by"),
        (
            "too large",
            vec![0; MAX_MESSAGE + 1],
            "at most 262144 are taken",
        ),
    ] {
        for at in &at_both {
            let refused = leave(&node, at, &did, &bytes).await.unwrap_err();
            assert!(refused.contains(reason), "{what}: {refused}");
        }
    }
    // a friend may carry it
    for at in &at_both {
        leave(&node, at, &did, message.bytes()).await.unwrap();
    }
    let nowhere = leave(&node, &address, &carol.device_log().0, message.bytes()).await;
    assert!(nowhere.unwrap_err().contains("not kept here"));
    let nowhere = leave(&node, &at_both[1], &carol.device_log().0, message.bytes()).await;
    assert!(nowhere.unwrap_err().contains("not here"));
    let longest = vec![7; MAX_MESSAGE_CONTENT];
    let longer = [&longest[..], &[7]].concat();
    let long = b.leave(&address, &log, &longer, &good).await;
    assert!(matches!(long, Err(PodError::Inbox(_))));
    assert!(
        !b.leave(&address, &log, &longest, &good)
            .await
            .unwrap()
            .known
    );

    // nobody else collects
    let refused = why(b.collect(&address).await);
    assert!(refused.contains("not kept here"), "{refused}");
    assert_eq!(a.collect(&address).await.unwrap(), 2);
    let mut got = contents(&alice);
    got.sort();
    assert_eq!(got, [longest, b"by a friend".to_vec(), b"hello".to_vec()]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    node.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_sender_fills_nobody_elses_room_and_what_is_forgotten_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("cloud");
    let (peer, address, token) = cloud(&place).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| home(dir.path(), name));
    let [a, b, c] = [start(&alice).await, start(&bob).await, start(&carol).await];
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (_, log) = alice.device_log();
    let (bobs, carols) = (acquainted(&alice, &bob), acquainted(&alice, &carol));
    let large = vec![1; MAX_MESSAGE_CONTENT];
    for _ in 0..10 {
        b.leave(&address, &log, &large, &bobs).await.unwrap();
    }
    let refused = why(b.leave(&address, &log, &large, &bobs).await);
    assert!(refused.contains("as many messages of yours"), "{refused}");
    for _ in 10..12 {
        b.leave(&address, &log, b"small", &bobs).await.unwrap();
    }
    c.leave(&address, &log, b"by carol", &carols).await.unwrap();

    let kept = tokio::task::block_in_place(|| peer.pods()).unwrap();
    assert_eq!(kept[0].messages, 13);
    assert!((2_000_000..2 << 20).contains(&kept[0].message_bytes));

    // left to itself it collects them, and there is room again
    let all = async {
        while alice.messages().unwrap().len() < 13 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = a.keep_in_touch(Mode::Normal) => unreachable!(),
        done = tokio::time::timeout(Duration::from_secs(30), all) => done.unwrap(),
    }
    // it was perhaps interrupted before it told the peer: what it has is only dropped there
    assert_eq!(a.collect(&address).await.unwrap(), 0);
    assert!(!b.leave(&address, &log, &large, &bobs).await.unwrap().known);

    // with the pod they are gone
    c.leave(&address, &log, b"another", &carols).await.unwrap();
    let peers_home = PodHome::at(&place);
    let forgotten = tokio::task::block_in_place(|| {
        let desk = CloudDesk::open(&peers_home, &Opening::by("test")).unwrap();
        desk.forget(alice.did())
    });
    forgotten.unwrap();
    let refused = why(c.leave(&address, &log, b"more", &carols).await);
    assert!(refused.contains("not kept here"), "{refused}");
    let (again, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    let report = a.add_peer(&again, token.as_ref()).await.unwrap();
    assert_eq!(report.messages, 0);
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_that_was_taken_out_vouches_for_nobody_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(&dir.path().join("cloud")).await;
    let [alice, bob] = ["alice", "bob"].map(|name| home(dir.path(), name));
    let [a, b] = [start(&alice).await, start(&bob).await];
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (code, mut waiting) = a.invite(DeviceRole::Member).unwrap();
    let joining = PodHome::at(dir.path().join("phone"));
    let opening = Opening::by("test");
    let phone = joining.join(&opening, &code, "phone", anywhere()).await;
    let phone = Arc::new(phone.unwrap());
    waiting.joined().await.unwrap();
    a.sync_with(&address, None).await.unwrap();
    let (_, log) = alice.device_log();
    let by_phone = acquainted(&phone, &bob);
    b.leave(&address, &log, b"before", &by_phone).await.unwrap();

    let out = key(&phone).public();
    tokio::task::block_in_place(|| alice.remove_device(&out)).unwrap();
    let (_, log) = alice.device_log();
    // the peer has not heard of it; what it took is not lost
    b.leave(&address, &log, b"meanwhile", &by_phone)
        .await
        .unwrap();
    a.sync_with(&address, None).await.unwrap();
    let mut got = contents(&alice);
    got.sort();
    assert_eq!(got, [b"before".to_vec(), b"meanwhile".to_vec()]);
    let refused = why(b.leave(&address, &log, b"after", &by_phone).await);
    assert!(refused.contains("not signed by a device"), "{refused}");
    let by_laptop = acquainted(&alice, &bob);
    b.leave(&address, &log, b"after", &by_laptop).await.unwrap();
    // and it collects no more
    let p = start(&phone).await;
    assert!(p.collect(&address).await.is_err());
    assert_eq!(a.collect(&address).await.unwrap(), 1);
    for node in [a, b, p] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}
