//! Several devices of one person, over real connections on loopback.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rhizome_ipld::PublicKey;
use rhizome_network::PeerAddress;
use rhizome_pod::{
    App, COMPARED, Client, Comparison, DeviceRole, Emoji, Opening, PAIRING_ATTEMPTS, PairingCode,
    Pod, PodError, PodHome, PodNode, Serving, json::parse_changes,
};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

fn laptop(dir: &Path) -> Arc<Pod> {
    let home = PodHome::at(dir.join("laptop"));
    Arc::new(home.init(&Opening::by("test")).unwrap())
}

fn say(pod: &Pod, text: &str) {
    let changes =
        json!([{ "assert": { "entity": "_:note", "attribute": "note/text", "value": text } }]);
    pod.transact(App::CommandLine, &parse_changes(&changes).unwrap())
        .unwrap();
}

fn notes(pod: &Pod) -> Vec<String> {
    let query = "[:find ?t :where [?n :note/text ?t] :order [[?t :asc]]]";
    let found = pod
        .query(&query.into(), &[], &rhizome_pod::Stop::new(false))
        .unwrap();
    let rows = found["rows"].as_array().unwrap().iter();
    rows.map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

fn digest(pod: &Pod) -> Json {
    pod.digest().unwrap()["digest"].clone()
}

fn key(pod: &Pod) -> PublicKey {
    let devices = pod.devices().unwrap();
    devices.iter().find(|d| d.this).unwrap().key
}

/// Adds a device to the pod of a node.
async fn add(node: &PodNode, dir: &Path, name: &str) -> Arc<Pod> {
    let (code, mut waiting) = node.invite(DeviceRole::Admin).unwrap();
    let code: PairingCode = code.to_string().parse().unwrap();
    let home = PodHome::at(dir.join(name));
    let pod = home
        .join(&Opening::by("test"), &code, name, anywhere())
        .await
        .unwrap();
    assert_eq!(waiting.joined().await.unwrap().name, name);
    Arc::new(pod)
}

async fn exchange(from: &PodNode, to: &PodNode) -> rhizome_pod::PeerReport {
    from.sync_with(&to.address().unwrap(), None).await.unwrap()
}

async fn until(what: &str, mut f: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if f() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_device_gets_everything_and_both_converge() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    say(&laptop, "before");
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let phone = add(&a, dir.path(), "phone").await;
    assert_eq!(phone.did(), laptop.did());
    let b = PodNode::start(Arc::clone(&phone), anywhere())
        .await
        .unwrap();
    let first = exchange(&b, &a).await;
    assert!(first.equal && first.received >= 1, "{first:?}");
    assert_eq!(notes(&phone), ["before"]);

    // both edit while nobody talks
    say(&laptop, "on the laptop");
    say(&phone, "on the phone");
    assert_ne!(digest(&phone), digest(&laptop));
    assert!(exchange(&b, &a).await.equal);
    assert_eq!(digest(&phone), digest(&laptop));
    assert_eq!(notes(&laptop), ["before", "on the laptop", "on the phone"]);

    // two equal replicas need little
    let idle = exchange(&a, &b).await;
    assert!(idle.equal && idle.received == 0);
    assert!(idle.bytes_sent + idle.bytes_received <= 300, "{idle:?}");
    assert!(
        idle.datagrams
            .is_some_and(|(sent, received)| sent > 0 && received > 0)
    );

    // names are known everywhere
    let names: Vec<_> = laptop
        .devices()
        .unwrap()
        .into_iter()
        .map(|d| d.name)
        .collect();
    assert_eq!(names[1].as_deref(), Some("phone"));
    b.shutdown().await.unwrap();
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_crosses_an_open_connection_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let phone = add(&a, dir.path(), "phone").await;
    let b = PodNode::start(Arc::clone(&phone), anywhere())
        .await
        .unwrap();
    exchange(&b, &a).await;
    phone.remember_peer(&a.address().unwrap()).unwrap();
    let b = Arc::new(b);
    let keeper = tokio::spawn({
        let b = Arc::clone(&b);
        async move { b.keep_in_touch(rhizome_pod::Mode::Normal).await }
    });
    let peer = key(&laptop);
    until("connected", || {
        b.peers()
            .get(&peer)
            .is_some_and(|s| s.connected && s.synced_ms.is_some())
    })
    .await;
    until("all is known to be there", || {
        b.peers()[&peer].pending == Some(0) && b.undelivered() == Some(0)
    })
    .await;
    say(&laptop, "from the laptop");
    until("it arrives", || notes(&phone) == ["from the laptop"]).await;
    say(&phone, "from the phone");
    until("it arrives", || notes(&laptop).len() == 2).await;
    until("it is confirmed", || b.peers()[&peer].delivered > 0).await;
    until("nothing waits any more", || {
        b.undelivered() == Some(0) && a.undelivered() == Some(0)
    })
    .await;
    // a new process key goes the same way, before what it signs
    laptop
        .transact(App::Console, &parse_changes(&json!([
            { "assert": { "entity": "_:note", "attribute": "note/text", "value": "by the page" } }
        ])).unwrap())
        .unwrap();
    until("it arrives", || notes(&phone).len() == 3).await;
    until("it is confirmed", || a.undelivered() == Some(0)).await;
    // with nobody there, what is written waits, and is known to
    keeper.abort();
    let _ = keeper.await;
    Arc::try_unwrap(b).ok().unwrap().shutdown().await.unwrap();
    let there = key(&phone);
    until("the other one has gone", || !a.peers()[&there].connected).await;
    until("nothing waits", || a.undelivered() == Some(0)).await;
    say(&laptop, "to nobody");
    until("it waits", || a.peers()[&there].pending == Some(1)).await;
    let (_, _, last) = laptop
        .replica()
        .snapshot()
        .heads()
        .into_iter()
        .find(|(_, _, id)| !a.reach_of(id)[&there])
        .unwrap();
    a.shutdown().await.unwrap();
    // another node has compared with nobody, and says that it does not know
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    assert!(a.undelivered().is_none() && a.reach_of(&last).is_empty());
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_removed_device_is_out() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let phone = add(&a, dir.path(), "phone").await;
    let b = PodNode::start(Arc::clone(&phone), anywhere())
        .await
        .unwrap();
    exchange(&b, &a).await;
    say(&phone, "while it was mine");
    exchange(&b, &a).await;
    let seen = digest(&laptop);

    laptop.remove_device(&key(&phone)).unwrap();
    assert_eq!(laptop.devices().unwrap().len(), 1);
    assert_eq!(digest(&laptop), seen, "what was accepted stays");
    say(&phone, "by the thief");
    let refused = b.sync_with(&a.address().unwrap(), None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    assert_eq!(notes(&laptop), ["while it was mine"]);

    // another device joins later: it hears of the removal and sees the same, and what is written now the thief could not read
    say(&laptop, "after the theft");
    let tablet = add(&a, dir.path(), "tablet").await;
    let c = PodNode::start(Arc::clone(&tablet), anywhere())
        .await
        .unwrap();
    assert!(exchange(&c, &a).await.equal);
    assert_eq!(notes(&tablet), ["after the theft", "while it was mine"]);
    let refused = b.sync_with(&c.address().unwrap(), None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_good_once_and_only_if_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let join = |name: &str, code: &PairingCode| {
        let home = PodHome::at(dir.path().join(name));
        let (name, code) = (name.to_owned(), code.clone());
        async move {
            home.join(&Opening::by("test"), &code, &name, anywhere())
                .await
                .map(drop)
        }
    };
    let (code, _waiting) = a.invite(DeviceRole::Member).unwrap();
    let mut wrong = code.clone();
    wrong.secret[0] ^= 1;
    assert!(join("guess", &wrong).await.is_err());
    assert_eq!(laptop.devices().unwrap().len(), 1);
    join("phone", &code).await.unwrap();
    assert!(join("second", &code).await.is_err());
    assert_eq!(laptop.devices().unwrap().len(), 2);
    // too many guesses
    let (code, mut waiting) = a.invite(DeviceRole::Member).unwrap();
    let mut wrong = code.clone();
    wrong.secret[0] ^= 1;
    for i in 0..PAIRING_ATTEMPTS {
        assert!(join(&format!("guess{i}"), &wrong).await.is_err());
    }
    assert!(join("late", &code).await.is_err());
    a.uninvite();
    assert!(waiting.joined().await.is_none());
    // codes that are none
    for text in [
        "",
        "rhizome:1:abc",
        &code.to_string()[1..],
        &code.to_string()[..100],
    ] {
        assert!(text.parse::<PairingCode>().is_err(), "{text}");
    }
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_is_reached_over_the_websocket_of_its_console() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    say(&laptop, "over TCP");
    let a = Arc::new(
        PodNode::start(Arc::clone(&laptop), anywhere())
            .await
            .unwrap(),
    );
    let phone = add(&a, dir.path(), "phone").await;
    let serving = Serving::bind(Arc::clone(&laptop), anywhere()[0]).unwrap();
    let serving = serving.with_node(Arc::clone(&a));
    let client = Client::new(serving.running().clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serving.run(async move { drop(stopped.await) }));
    let status = tokio::task::spawn_blocking(move || client.status());
    let status = status.await.unwrap().unwrap();
    let link: PeerAddress = status["link"].as_str().unwrap().parse().unwrap();
    assert!(link.sockets().is_empty());

    let b = PodNode::start(Arc::clone(&phone), anywhere())
        .await
        .unwrap();
    let done = b.sync_with(&link, None).await.unwrap();
    assert!(
        done.equal && done.received > 0 && done.datagrams.is_none(),
        "{done:?}"
    );
    assert_eq!(digest(&phone), digest(&laptop));
    // who is no device any more is not let in there either
    laptop.remove_device(&key(&phone)).unwrap();
    let refused = b.sync_with(&link, None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    b.shutdown().await.unwrap();
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

/// A new device that compares: what it shows, how it is told, and what comes of it.
struct Newcomer {
    shown: oneshot::Receiver<[Emoji; COMPARED]>,
    says: oneshot::Sender<bool>,
    joined: tokio::task::JoinHandle<Result<Pod, PodError>>,
}

fn newcomer(dir: &Path, name: &str, code: &str) -> Newcomer {
    let (show, shown) = oneshot::channel();
    let (says, said) = oneshot::channel();
    let (home, name) = (PodHome::at(dir.join(name)), name.to_owned());
    let address = code.parse().unwrap();
    let joined = tokio::spawn(async move {
        let ask = |emoji| {
            show.send(emoji).unwrap();
            async { said.await.unwrap_or(false) }
        };
        home.compare(&Opening::by("test"), &address, &name, anywhere(), ask)
            .await
    });
    Newcomer {
        shown,
        says,
        joined,
    }
}

async fn comparison(node: &PodNode) -> Comparison {
    let mut now = None;
    until("something to compare", || {
        now = node.pairing().comparison;
        now.is_some()
    })
    .await;
    now.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_people_compare_and_both_say_yes() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    say(&laptop, "before");
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    for (name, first) in [("phone", true), ("tablet", false)] {
        let (code, mut waiting) = a.invite_to_compare(DeviceRole::Admin).unwrap();
        let code = code.to_string();
        // what may be told to anybody is no code with a secret
        assert!(code.parse::<PairingCode>().is_err());
        let new = newcomer(dir.path(), name, &code);
        let here = comparison(&a).await;
        let there = new.shown.await.unwrap();
        assert_eq!((here.emoji, here.name.as_str()), (there, name));
        let before = laptop.devices().unwrap().len();
        // whoever is first waits for the other
        if first {
            a.confirm(here.id, true).unwrap();
        } else {
            new.says.send(true).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!new.joined.is_finished());
            assert_eq!(laptop.devices().unwrap().len(), before);
            a.confirm(here.id, true).unwrap();
            new.joined.await.unwrap().unwrap();
            assert_eq!(waiting.joined().await.unwrap().name, name);
            continue;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(laptop.devices().unwrap().len(), before);
        assert!(a.confirm(here.id, true).is_err(), "once is enough");
        new.says.send(true).unwrap();
        let phone = Arc::new(new.joined.await.unwrap().unwrap());
        assert_eq!(waiting.joined().await.unwrap().name, name);
        let state = a.pairing();
        assert!(!state.open && state.comparison.is_none());
        assert_eq!(state.joined.unwrap().name, name);
        let b = PodNode::start(Arc::clone(&phone), anywhere())
            .await
            .unwrap();
        assert!(exchange(&b, &a).await.equal);
        assert_eq!(notes(&phone), ["before"]);
        b.shutdown().await.unwrap();
    }
    assert_eq!(laptop.devices().unwrap().len(), 3);
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_no_on_either_device_leaves_all_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let (code, mut waiting) = a.invite_to_compare(DeviceRole::Admin).unwrap();
    let code = code.to_string();
    let operations = laptop.devices().unwrap();
    let mut last = None;
    // each no takes one attempt, and the code is good for no more than these
    for i in 0..PAIRING_ATTEMPTS {
        let name = format!("phone{i}");
        let new = newcomer(dir.path(), &name, &code);
        let here = comparison(&a).await;
        assert_ne!(Some(here.id), last);
        if let Some(last) = last {
            assert!(a.confirm(last, true).is_err(), "that one is over");
        }
        last = Some(here.id);
        new.shown.await.unwrap();
        match i % 4 {
            0 => a.confirm(here.id, false).unwrap(),
            1 => new.says.send(false).unwrap(),
            // the end of the input
            2 => drop(new.says),
            _ => {
                new.says.send(true).unwrap();
                a.confirm(here.id, false).unwrap();
            }
        }
        let refused = new.joined.await.unwrap();
        assert!(matches!(refused, Err(PodError::NotConfirmed)));
        until("it is over", || a.pairing().comparison.is_none()).await;
        let state = a.pairing();
        assert_eq!((state.open, state.joined), (i + 1 < PAIRING_ATTEMPTS, None));
        assert_eq!(state.refused, state.open);
        assert!(!PodHome::at(dir.path().join(&name)).exists());
        assert_eq!(laptop.devices().unwrap(), operations);
    }
    let late = newcomer(dir.path(), "late", &code).joined.await.unwrap();
    assert!(late.is_err());
    assert!(a.confirm(last.unwrap(), true).is_err());
    assert!(
        tokio::time::timeout(Duration::from_secs(1), waiting.joined())
            .await
            .is_ok_and(|joined| joined.is_none())
    );
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_secret_is_never_replaced_by_a_look_nor_a_look_by_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    // somebody has cut the secret off
    let (code, _waiting) = a.invite(DeviceRole::Admin).unwrap();
    let new = newcomer(dir.path(), "cut", &code.address.to_string());
    let refused = new.joined.await.unwrap();
    assert!(matches!(&refused, Err(PodError::Refused(why)) if why.contains("copy all of it")));
    assert!(new.shown.await.is_err() && a.pairing().comparison.is_none());
    // somebody believes to know a secret that there is not
    let (address, _waiting) = a.invite_to_compare(DeviceRole::Admin).unwrap();
    assert_eq!(address, code.address);
    for secret in [code.secret.clone(), zeroize::Zeroizing::default()] {
        let code = PairingCode {
            address: address.clone(),
            secret,
        };
        let home = PodHome::at(dir.path().join("proof"));
        let refused = home
            .join(&Opening::by("test"), &code, "proof", anywhere())
            .await;
        assert!(refused.is_err());
        assert!(a.pairing().open && a.pairing().comparison.is_none());
    }
    assert_eq!(laptop.devices().unwrap().len(), 1);
    a.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_is_compared_at_a_time_and_none_after_the_code_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = laptop(dir.path());
    let a = PodNode::start(Arc::clone(&laptop), anywhere())
        .await
        .unwrap();
    let (code, _waiting) = a.invite_to_compare(DeviceRole::Member).unwrap();
    let code = code.to_string();
    let new = newcomer(dir.path(), "phone", &code);
    let here = comparison(&a).await;
    // those who come meanwhile are sent away, and use nothing up
    for i in 0..=PAIRING_ATTEMPTS {
        let other = newcomer(dir.path(), &format!("other{i}"), &code);
        let refused = other.joined.await.unwrap();
        assert!(matches!(&refused, Err(PodError::Refused(why)) if why.contains("another device")));
    }
    assert_eq!(a.pairing().comparison.as_ref(), Some(&here));
    // the code is taken back while a person looks
    new.says.send(true).unwrap();
    a.uninvite();
    assert!(a.confirm(here.id, true).is_err());
    assert!(matches!(
        new.joined.await.unwrap(),
        Err(PodError::NotConfirmed)
    ));
    assert!(!a.pairing().open);
    // or another takes its place
    a.invite_to_compare(DeviceRole::Member).unwrap();
    let new = newcomer(dir.path(), "phone", &code);
    let here = comparison(&a).await;
    new.says.send(true).unwrap();
    a.invite(DeviceRole::Member).unwrap();
    assert!(a.confirm(here.id, true).is_err());
    assert!(new.joined.await.unwrap().is_err());
    assert!(a.pairing().open && !a.pairing().refused);
    assert_eq!(laptop.devices().unwrap().len(), 1);
    a.shutdown().await.unwrap();
}
