//! A peer that keeps a pod without being able to read it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rhizome_identity::RecoveryWords;
use rhizome_network::{Mode, PeerAddress};
use rhizome_pod::{
    App, CloudDesk, CloudOptions, CloudPeer, DeviceRole, Grant, GrantPart, Invite, Opening,
    PeerReport, Pod, PodError, PodHome, PodNode, Stop, WebSocketConfig, json::parse_changes,
    parse_peer,
};
use serde_json::{Value as Json, json};

const MARKER: &str = "a marker that nobody else is to read";
const FILE: &[u8] = b"bytes of a picture that nobody else is to see, ";

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<Grant>) {
    let (home, opening) = (dir.join("cloud"), Opening::by("test"));
    let peer = CloudPeer::start(&home, &opening, CloudOptions::at(anywhere()))
        .await
        .unwrap();
    let (address, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    (peer, address, token)
}

fn laptop(dir: &Path) -> Arc<Pod> {
    let home = PodHome::at(dir.join("laptop"));
    Arc::new(home.init(&Opening::by("test")).unwrap())
}

fn change(pod: &Pod, changes: &Json) {
    pod.transact(App::CommandLine, &parse_changes(changes).unwrap())
        .unwrap();
}

fn say(pod: &Pod, text: &str) {
    change(
        pod,
        &json!([{ "assert": { "entity": "_:note", "attribute": "note/text", "value": text } }]),
    );
}

fn texts(pod: &Pod) -> Vec<String> {
    let query = "[:find ?t :where [?n :note/text ?t]]".into();
    let found = pod.query(&query, &[], &Stop::new(false)).unwrap();
    let rows = found["rows"].as_array().unwrap().iter();
    rows.map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

fn digest(pod: &Pod) -> Json {
    pod.digest().unwrap()["digest"].clone()
}

async fn start(pod: &Arc<Pod>) -> PodNode {
    PodNode::start(Arc::clone(pod), anywhere()).await.unwrap()
}

async fn add_phone(node: &PodNode, dir: &Path) -> Arc<Pod> {
    let (code, mut waiting) = node.invite(DeviceRole::Admin).unwrap();
    let home = PodHome::at(dir.join("phone"));
    let opening = Opening::by("test");
    let joining = home.join(&opening, &code, "phone", anywhere());
    let phone = Arc::new(joining.await.unwrap());
    waiting.joined().await.unwrap();
    phone
}

async fn sync(node: &PodNode) -> PeerReport {
    let mut all = node.sync_all().await.unwrap();
    // the other device is never there
    all.retain(|report| !report.away);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn contains(dir: &Path, what: &[u8]) -> bool {
    let mut all = Vec::new();
    files(dir, &mut all);
    assert!(!all.is_empty());
    all.iter().any(|path| {
        fs::read(path)
            .unwrap()
            .windows(what.len())
            .any(|w| w == what)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn devices_that_never_meet_converge_through_a_peer_that_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let laptop = laptop(dir.path());
    let a = start(&laptop).await;
    // not without the invitation
    let refused = a.add_peer(&address, None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    a.add_peer(&address, token.as_ref()).await.unwrap();

    let (code, mut waiting) = a.invite(DeviceRole::Admin).unwrap();
    let home = PodHome::at(dir.path().join("phone"));
    let phone = Arc::new(
        home.join(&Opening::by("test"), &code, "phone", anywhere())
            .await
            .unwrap(),
    );
    waiting.joined().await.unwrap();
    let b = start(&phone).await;
    b.sync_with(&a.address().unwrap(), None).await.unwrap();

    // the laptop writes, gives it to the peer, and is off
    let picture: Vec<u8> = FILE.iter().copied().cycle().take(200_000).collect();
    let cid = laptop.blobs().put_bytes(&picture).unwrap();
    say(&laptop, MARKER);
    change(
        &laptop,
        &json!([{ "assert": { "entity": "_:p", "attribute": "social/blob", "value": { "blob": cid.to_string() } } }]),
    );
    let report = sync(&a).await;
    assert!(report.equal && report.files.pushed == 1, "{report:?}");
    a.shutdown().await.unwrap();

    // the phone has it all from the peer
    let report = sync(&b).await;
    assert!(report.equal && report.files.fetched == 1, "{report:?}");
    assert_eq!(digest(&phone), digest(&laptop));
    assert_eq!(
        phone
            .blobs()
            .open(&cid)
            .unwrap()
            .read_range(0, 1 << 20)
            .unwrap(),
        picture
    );

    // both write while the other is off, the peer is started anew in between
    say(&phone, "by the phone");
    say(&laptop, "by the laptop");
    sync(&b).await;
    peer.shutdown().await.unwrap();
    let (peer, address, _) = cloud(dir.path()).await;
    phone.remember_peer(&address).unwrap();
    let a = start(&laptop).await;
    a.sync_with(&address, None).await.unwrap();
    b.sync_with(&address, None).await.unwrap();
    a.sync_with(&address, None).await.unwrap();
    assert_eq!(digest(&phone), digest(&laptop));
    let usage = peer.pods().unwrap();
    assert_eq!(usage.len(), 1);
    assert!(usage[0].usage.commits >= 5);

    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
    // the search finds what is there to be found
    assert!(contains(&dir.path().join("laptop"), FILE));
    for secret in [
        MARKER.as_bytes(),
        FILE,
        b"note/text",
        b"social/blob",
        b"by the phone",
    ] {
        assert!(!contains(&dir.path().join("cloud"), secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn words_take_the_pod_back_on_an_empty_machine() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let laptop = laptop(dir.path());
    let words = laptop.recovery_words().unwrap().join(" ");
    let a = start(&laptop).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let cid = laptop.blobs().put_bytes(&FILE.repeat(3000)).unwrap();
    say(&laptop, "before the fire");
    change(
        &laptop,
        &json!([{ "assert": { "entity": "_:p", "attribute": "social/blob", "value": { "blob": cid.to_string() } } }]),
    );
    sync(&a).await;
    let before = digest(&laptop);

    let new = PodHome::at(dir.path().join("new"));
    let other = RecoveryWords::generate(&mut |b| b.fill(7));
    let refused = new
        .recover(&Opening::by("test"), other, &address, anywhere())
        .await;
    assert!(matches!(refused, Err(PodError::Refused(_))));
    let words = RecoveryWords::parse(&words).unwrap();
    let pod = Arc::new(
        new.recover(&Opening::by("test"), words, &address, anywhere())
            .await
            .unwrap(),
    );
    let d = start(&pod).await;
    let report = d.sync_with(&address, None).await.unwrap();
    assert!(report.equal && report.files.fetched == 1, "{report:?}");
    assert_eq!(pod.did(), laptop.did());
    assert_eq!(digest(&pod), before);
    assert_eq!(pod.devices().unwrap().len(), 1);
    assert!(pod.blobs().has(&cid).unwrap());

    // the old device is out: it gets nothing, and what it writes changes nothing
    say(&laptop, "by whoever has the laptop");
    let refused = a.sync_with(&address, None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    say(&pod, "after the fire");
    d.sync_with(&address, None).await.unwrap();
    let refused = a.sync_with(&d.address().unwrap(), None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    for node in [a, d] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invitations_are_good_once_and_pods_have_quotas() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, _) = cloud(dir.path()).await;
    let (home, opening) = (PodHome::at(dir.path().join("cloud")), Opening::by("test"));
    let desk = || CloudDesk::open(&home, &opening).unwrap();
    let invite = |pods, quota| {
        let invite = Invite {
            pods: Some(pods),
            quota: Some(quota),
            ..Invite::default()
        };
        let made = tokio::task::block_in_place(|| desk().invite(&invite)).unwrap();
        let (at, token) = parse_peer(made["address"].as_str().unwrap()).unwrap();
        assert_eq!(at, address);
        token
    };
    let once = invite(1, 1 << 20);
    let person = |name: &str| {
        let home = PodHome::at(dir.path().join(name));
        Arc::new(home.init(&Opening::by("test")).unwrap())
    };
    let (anna, ben) = (person("anna"), person("ben"));
    let (a, b) = (start(&anna).await, start(&ben).await);
    a.add_peer(&address, once.as_ref()).await.unwrap();
    // the same person may say it twice, another one not
    a.add_peer(&address, once.as_ref()).await.unwrap();
    let refused = b.add_peer(&address, once.as_ref()).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");

    // what goes beyond the quota is refused, and taken once there is room
    let big = "x".repeat(700_000);
    say(&anna, &big);
    say(&anna, &big);
    let report = sync(&a).await;
    assert!(!report.equal, "{report:?}");
    let pods = tokio::task::block_in_place(|| desk().pods()).unwrap();
    let kept = &pods["pods"][0];
    assert_eq!(
        (&kept["did"], &kept["quota"]),
        (&json!(anna.did()), &json!(1 << 20))
    );
    assert!(kept["bytes"].as_u64().unwrap() < 2 << 20);
    assert!(kept["last_seen_ms"].as_u64() >= kept["since_ms"].as_u64());
    tokio::task::block_in_place(|| desk().set_quota(anna.did(), 64 << 20)).unwrap();
    assert!(sync(&a).await.equal);

    // taken back before it is used
    let other = invite(1, 1 << 20);
    tokio::task::block_in_place(|| {
        let all = desk().invitations().unwrap();
        let all = all["invitations"].as_array().unwrap();
        assert_eq!(all.len(), 3); // the standing one is there too
        desk().revoke(all[2]["id"].as_str().unwrap()).unwrap();
    });
    let refused = b.add_peer(&address, other.as_ref()).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");

    // a pod with an open session is forgotten: nothing of it is left
    let cid = anna.blobs().put_bytes(&FILE.repeat(3000)).unwrap();
    change(
        &anna,
        &json!([{ "assert": { "entity": "_:p", "attribute": "social/blob", "value": { "blob": cid.to_string() } } }]),
    );
    assert_eq!(sync(&a).await.files.pushed, 1);
    tokio::task::block_in_place(|| desk().forget(anna.did())).unwrap();
    assert!(peer.pods().unwrap().is_empty());
    let blobs = dir.path().join("cloud/blobs");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
    let refused = a.sync_with(&address, None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
    // what is kept can be seen while the peer does not run
    assert!(
        desk().pods().unwrap()["pods"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(desk().invite(&Invite::default()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_devices_that_know_of_each_other_through_the_relay_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = CloudOptions::at(anywhere());
    options.relay = Some(anywhere()[0]);
    let opening = Opening::by("test");
    let peer = CloudPeer::start(&dir.path().join("cloud"), &opening, options)
        .await
        .unwrap();
    let (address, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    assert_eq!(address.relays().len(), 1);
    let laptop = laptop(dir.path());
    let a = start(&laptop).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let (code, mut waiting) = a.invite(DeviceRole::Member).unwrap();
    let home = PodHome::at(dir.path().join("phone"));
    let phone = home.join(&opening, &code, "phone", anywhere()).await;
    let phone = Arc::new(phone.unwrap());
    waiting.joined().await.unwrap();
    let b = start(&phone).await;
    // the phone learns of the peer, the peer of the phone
    b.sync_with(&a.address().unwrap(), None).await.unwrap();
    b.sync_with(&address, None).await.unwrap();
    b.shutdown().await.unwrap();
    let b = start(&phone).await;

    say(&laptop, "by the laptop");
    say(&phone, "by the phone");
    let key = a.address().unwrap().key();
    let behind = PeerAddress::new(key)
        .unwrap()
        .with_relay(&address.relays()[0])
        .unwrap();
    assert!(behind.sockets().is_empty());
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let report = loop {
        // the relay may not know one of them yet
        match b.sync_with(&behind, None).await {
            Ok(report) => break report,
            Err(error) if tokio::time::Instant::now() > until => panic!("{error}"),
            Err(_) => (),
        }
    };
    assert!(report.equal, "{report:?}");
    assert_eq!(digest(&phone), digest(&laptop));

    // who is no device of a pod that is kept is not relayed for
    let stranger = PodHome::at(dir.path().join("stranger"));
    let stranger = Arc::new(stranger.init(&opening).unwrap());
    stranger.remember_peer(&address).unwrap();
    let c = start(&stranger).await;
    assert!(c.sync_with(&behind, None).await.is_err());

    // left to themselves they find the peer and each other there, though its own port is closed to them
    say(&laptop, "more by the laptop");
    let closed = PeerAddress::new(address.key())
        .unwrap()
        .with_relay(&address.relays()[0])
        .unwrap();
    for pod in [&laptop, &phone] {
        pod.forget_peer(&address.key()).unwrap();
        pod.remember_peer(&closed).unwrap();
    }
    let both = async {
        while digest(&phone) != digest(&laptop) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = a.keep_in_touch(Mode::Normal) => unreachable!(),
        () = b.keep_in_touch(Mode::Normal) => unreachable!(),
        done = tokio::time::timeout(std::time::Duration::from_secs(40), both) => done.unwrap(),
    }
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_udp_does_not_get_through_a_pod_is_kept_over_websockets() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = CloudOptions::at(anywhere());
    options.websocket = Some(WebSocketConfig {
        listen: anywhere()[0],
        url: None,
    });
    let home = dir.path().join("cloud");
    let peer = CloudPeer::start(&home, &Opening::by("test"), options)
        .await
        .unwrap();
    let (address, token) = parse_peer(&peer.invitation().unwrap()).unwrap();
    // as if its other ways were closed
    let web = PeerAddress::new(address.key()).unwrap();
    let address = web.with_websocket(address.websocket().unwrap()).unwrap();
    let laptop = laptop(dir.path());
    say(&laptop, MARKER);
    let a = start(&laptop).await;
    // not without the invitation, here as there
    let refused = a.add_peer(&address, None).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let report = sync(&a).await;
    assert!(report.equal && report.datagrams.is_none(), "{report:?}");
    a.shutdown().await.unwrap();
    // a device that comes back with the words alone finds it there too
    let words = laptop.recovery_words().unwrap().join(" ");
    drop(laptop);
    let home = PodHome::at(dir.path().join("again"));
    let words = RecoveryWords::parse(&words).unwrap();
    let back = home
        .recover(&Opening::by("test"), words, &address, anywhere())
        .await
        .unwrap();
    let back = Arc::new(back);
    let b = start(&back).await;
    b.sync_with(&address, None).await.unwrap();
    assert!(back.figures().tuples > 0);
    b.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_erased_goes_from_the_peer_that_cannot_see_it() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let laptop = laptop(dir.path());
    let a = start(&laptop).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let phone = add_phone(&a, dir.path()).await;
    let b = start(&phone).await;
    say(&laptop, "stays");
    let long = "x".repeat(100_000);
    let changes =
        json!([{ "assert": { "entity": "_:secret", "attribute": "note/text", "value": long } }]);
    let made = laptop
        .transact(App::CommandLine, &parse_changes(&changes).unwrap())
        .unwrap();
    let secret = made.entities[0].1.to_string();
    let told = sync(&a).await;
    assert!(told.equal && told.erased == 0);
    let by_phone = || b.sync_with(&address, None);
    assert!(by_phone().await.unwrap().equal);
    let before = peer.pods().unwrap()[0].usage.commit_bytes;

    // the phone erases it; the peer hears of that from whoever comes first
    change(&phone, &json!([{ "erase": { "entity": secret } }]));
    let told = by_phone().await.unwrap();
    assert!(told.equal && told.erased > 100_000, "{told:?}");
    let after = peer.pods().unwrap()[0].usage.commit_bytes;
    assert!(after + 90_000 < before, "{before} {after}");
    assert_eq!(by_phone().await.unwrap().erased, 0);
    // the laptop obeys, and brings nothing back
    assert!(sync(&a).await.equal);
    assert_eq!(sync(&a).await.erased, 0);
    assert_eq!(digest(&laptop), digest(&phone));
    assert_eq!(peer.pods().unwrap()[0].usage.commit_bytes, after);
    assert_eq!(texts(&laptop), ["stays"]);

    // two devices that come with the peer alone see the same
    let words = laptop.recovery_words().unwrap().join(" ");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    let home = PodHome::at(dir.path().join("again"));
    let words = RecoveryWords::parse(&words).unwrap();
    let opening = Opening::by("test");
    let back = home.recover(&opening, words, &address, anywhere());
    let back = Arc::new(back.await.unwrap());
    let c = start(&back).await;
    c.sync_with(&address, None).await.unwrap();
    assert_eq!(texts(&back), ["stays"]);
    c.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_thief_had_dropped_is_wanted_again() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, token) = cloud(dir.path()).await;
    let laptop = laptop(dir.path());
    let a = start(&laptop).await;
    a.add_peer(&address, token.as_ref()).await.unwrap();
    let phone = add_phone(&a, dir.path()).await;
    let b = start(&phone).await;
    let long = "x".repeat(100_000);
    let changes =
        json!([{ "assert": { "entity": "_:note", "attribute": "note/text", "value": long } }]);
    let made = laptop
        .transact(App::CommandLine, &parse_changes(&changes).unwrap())
        .unwrap();
    let note = made.entities[0].1.to_string();
    sync(&a).await;
    b.sync_with(&address, None).await.unwrap();
    // stolen: it erases, and has the peer drop it; then it is taken out by who has not heard of that
    change(&phone, &json!([{ "erase": { "entity": note } }]));
    let told = b.sync_with(&address, None).await.unwrap();
    assert!(told.erased > 100_000, "{told:?}");
    let stolen = phone
        .devices()
        .unwrap()
        .into_iter()
        .find(|d| d.this)
        .unwrap()
        .key;
    laptop.remove_device(&stolen).unwrap();
    let less = peer.pods().unwrap()[0].usage.commit_bytes;
    sync(&a).await;
    // the bytes are asked for in the next session, and are here
    sync(&a).await;
    let again = peer.pods().unwrap()[0].usage.commit_bytes;
    assert!(again > less + 99_000, "{less} {again}");
    assert_eq!(texts(&laptop).len(), 1);
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invitation_is_passed_on_in_part_or_for_one_device() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, _) = cloud(dir.path()).await;
    let (home, opening) = (PodHome::at(dir.path().join("cloud")), Opening::by("test"));
    let desk = || CloudDesk::open(&home, &opening).unwrap();
    let invite = |invite: Invite| {
        let made = tokio::task::block_in_place(|| desk().invite(&invite)).unwrap();
        let (_, grant) = parse_peer(made["address"].as_str().unwrap()).unwrap();
        (grant.unwrap(), made)
    };
    let person = |name: &str| {
        let home = PodHome::at(dir.path().join(name));
        Arc::new(home.init(&Opening::by("test")).unwrap())
    };
    let (anna, ben) = (person("anna"), person("ben"));
    let (a, b) = (start(&anna).await, start(&ben).await);
    let device = |pod: &Pod| pod.devices().unwrap()[0].key;

    // for Anna's device: nobody else can use it, or a part of it
    let (only, made) = invite(Invite {
        to: Some(device(&anna).to_did_key()),
        pods: Some(2),
        ..Invite::default()
    });
    assert_eq!(made["to"], device(&anna).to_did_key());
    let refused = b.add_peer(&address, Some(&only)).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    assert!(ben.pass_on(&only, &GrantPart::default()).is_err());
    a.add_peer(&address, Some(&only)).await.unwrap();
    // she passes a part on to Ben, without asking the peer
    let part = GrantPart {
        to: Some(device(&ben)),
        quota: Some(3 << 20),
        expires: None,
    };
    let part = anna.pass_on(&only, &part).unwrap();
    b.add_peer(&address, Some(&part)).await.unwrap();
    let pods = tokio::task::block_in_place(|| desk().pods()).unwrap();
    let mut pods = pods["pods"].as_array().unwrap().iter();
    let of_ben = pods.find(|p| p["did"] == ben.did()).unwrap();
    assert_eq!(of_ben["quota"], 3 << 20);

    // it was good for two pods; and what is taken back takes its parts along
    let (cleo, dora) = (person("cleo"), person("dora"));
    let (c, d) = (start(&cleo).await, start(&dora).await);
    let third = anna.pass_on(&only, &GrantPart::default()).unwrap();
    let refused = c.add_peer(&address, Some(&third)).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    let (open, made) = invite(Invite::default());
    let part = open.pass_on(&GrantPart::default()).unwrap();
    c.add_peer(&address, Some(&part)).await.unwrap();
    let over = GrantPart {
        expires: Some(1),
        ..GrantPart::default()
    };
    let refused = d
        .add_peer(&address, Some(&open.pass_on(&over).unwrap()))
        .await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    tokio::task::block_in_place(|| desk().revoke(made["id"].as_str().unwrap())).unwrap();
    let refused = d.add_peer(&address, Some(&part)).await;
    assert!(matches!(refused, Err(PodError::Refused(_))), "{refused:?}");
    for node in [a, b, c, d] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}
