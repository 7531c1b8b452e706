//! A peer that keeps a pod without being able to read it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rhizome_identity::RecoveryWords;
use rhizome_network::PeerAddress;
use rhizome_pod::{
    App, CloudPeer, DEFAULT_QUOTA, DeviceRole, Opening, PeerReport, Pod, PodError, PodHome,
    PodNode, json::parse_changes, parse_peer,
};
use serde_json::{Value as Json, json};

const MARKER: &str = "a marker that nobody else is to read";
const FILE: &[u8] = b"bytes of a picture that nobody else is to see, ";

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<Vec<u8>>) {
    let (home, opening) = (dir.join("cloud"), Opening::by("test"));
    let peer = CloudPeer::start(&home, &opening, anywhere(), DEFAULT_QUOTA)
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

fn digest(pod: &Pod) -> Json {
    pod.digest().unwrap()["digest"].clone()
}

async fn start(pod: &Arc<Pod>) -> PodNode {
    PodNode::start(Arc::clone(pod), anywhere()).await.unwrap()
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
    a.add_peer(&address, token.as_deref()).await.unwrap();

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
    assert!(usage[0].commits >= 5);

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
    a.add_peer(&address, token.as_deref()).await.unwrap();
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
