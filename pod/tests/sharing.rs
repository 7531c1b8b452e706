//! What is shared for a time, in process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rhizome_capability::{Command, Delegation, Device, Principal};
use rhizome_identity::{Create, Genesis, KemSecret, Log, Secret};
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_network::PeerAddress;
use rhizome_pod::{
    App, CloudOptions, CloudPeer, DeviceRole, GrantTerms, Opening, PairingCode, Pod, PodError,
    PodHome, PodNode, Power, ShareInvite, View, Whose, json::parse_changes, parse_peer,
};
use rhizome_replica::{Author, Edit};
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, CommitId, EntityId};
use serde_json::json;

fn anywhere() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

pub async fn cloud(dir: &Path) -> (CloudPeer, PeerAddress, Option<rhizome_pod::Grant>) {
    let options = CloudOptions::at(anywhere());
    let (home, opening) = (dir.join("cloud"), Opening::by("test"));
    let peer = CloudPeer::start(&home, &opening, options).await.unwrap();
    let (address, grant) = parse_peer(&peer.invitation().unwrap()).unwrap();
    (peer, address, grant)
}

pub async fn person(dir: &Path, name: &str) -> (Arc<Pod>, PodNode) {
    let home = PodHome::at(dir.join(name));
    let pod = Arc::new(home.init(&Opening::by("test")).unwrap());
    let node = PodNode::start(Arc::clone(&pod), anywhere()).await.unwrap();
    (pod, node)
}

pub fn terms(to: &Pod, until: Option<u64>) -> GrantTerms {
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

/// A person's node is on for a moment.
pub async fn visit(pod: &Arc<Pod>) {
    let node = PodNode::start(Arc::clone(pod), anywhere()).await.unwrap();
    node.sync_all().await.unwrap();
    node.shutdown().await.unwrap();
}

/// As after a kill: all that is there is what is on the disk.
fn reopen(pod: Arc<Pod>) -> Arc<Pod> {
    let home = PodHome::at(pod.home().directory());
    let pod = Arc::try_unwrap(pod).unwrap_or_else(|_| panic!("somebody still has the pod"));
    drop(pod);
    Arc::new(home.open(&Opening::by("test")).unwrap())
}

fn say(pod: &Pod, of: &Pod, text: &str) -> Result<(), PodError> {
    let write = json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        { "assert": { "entity": "_:e", "attribute": "caption", "value": text } },
    ]);
    let changes = parse_changes(&write).unwrap();
    pod.transact_shared(&of.did().parse().unwrap(), &changes)
        .map(drop)
}

fn captions(of: &rhizome_replica::Snapshot) -> Vec<String> {
    let aid = of.aid("caption");
    let (lo, hi) = aid.map_or((0, 0), rhizome_replica::key::aev_a);
    let facts = of.aev().range(lo, hi).map(rhizome_replica::key::un_aev);
    let mut out: Vec<String> = facts
        .filter_map(|f| match of.value(f.v) {
            Some(rhizome_tuple::Value::Text(text)) => Some(text),
            _ => None,
        })
        .collect();
    out.sort();
    out
}

fn shared(pod: &Pod, of: &Pod) -> Vec<String> {
    captions(&pod.shared(Whose::Of(of.did().parse().unwrap())).unwrap())
}

fn own(pod: &Pod) -> Vec<String> {
    captions(&pod.replica().snapshot())
}

/// The view of the only grant, as this person's home has it.
pub fn view(pod: &Pod, of: &Pod) -> Arc<View> {
    let did = of.grants().unwrap()[0].view;
    pod.views().unwrap().get(&did).unwrap()
}

fn is_listed(pod: &Pod, of: &Pod, key: &PublicKey) -> bool {
    let member = view(pod, of).member().unwrap();
    member.is_device(key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_invitation_opens_once_and_for_the_one_it_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    let (eve, e) = person(dir.path(), "eve").await;
    let (mallory, m) = person(dir.path(), "mallory").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let (given, invite) = alice.grant(&terms(&bob, None)).unwrap();
    a.sync_all().await.unwrap();
    a.shutdown().await.unwrap();

    // somebody has the invitation before the one it is for: her program refuses
    let Err(PodError::Refused(why)) = e.accept(&invite).await else {
        panic!("it is not for her");
    };
    assert!(why.contains(bob.did()) && why.contains(eve.did()), "{why}");
    // another one is not stopped by his, and says that he is somebody else, and this and that
    let theft = m
        .join_view(&given.view, &invite.seed, &address)
        .await
        .unwrap();
    m.sync_view(&theft, &address).await.unwrap();
    let loot = write_as(&theft, "stolen");
    lie(&theft, &alice, &bob);
    m.sync_view(&theft, &address).await.unwrap();
    // neither as himself nor in Bob's name does he come to a key
    visit(&alice).await;
    let devices = |pod: &Pod| {
        let member = view(pod, &alice).member().unwrap();
        member.trust().set().resolution().devices.len()
    };
    assert_eq!(devices(&alice), 2);
    assert!(!alice.grants().unwrap()[0].accepted);

    // the right one comes while Alice is off, and writes
    b.accept(&invite).await.unwrap();
    say(&bob, &alice, "by Bob").unwrap();
    b.sync_all().await.unwrap();
    b.shutdown().await.unwrap();
    let first = invite.seed.public();
    assert_eq!(view(&bob, &alice).key(), first);

    // Alice gives him a key of his own; the first one stays until he has it
    visit(&alice).await;
    assert_eq!(own(&alice), ["by Bob"]);
    assert!(is_listed(&alice, &alice, &first));
    visit(&bob).await;
    let second = view(&bob, &alice).key();
    assert!(second != first && is_listed(&bob, &alice, &second));
    say(&bob, &alice, "by another key").unwrap();
    visit(&bob).await;
    visit(&alice).await;
    assert!(!is_listed(&alice, &alice, &first) && is_listed(&alice, &alice, &second));
    assert_eq!(own(&alice), ["by Bob", "by another key"]);
    // what the thief wrote is gone from the view
    visit(&bob).await;
    assert_eq!(shared(&bob, &alice), ["by Bob", "by another key"]);
    assert!(bob.accepted().unwrap()[0].pending == 0 && alice.grants().unwrap()[0].accepted);

    // whoever had it reads no more, and whoever finds it comes to nothing
    let transaction = json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        { "assert": { "entity": "_:e", "attribute": "caption", "value": "for Bob alone" } },
    ]);
    let changes = parse_changes(&transaction).unwrap();
    alice.transact(App::CommandLine, &changes).unwrap();
    visit(&alice).await;
    visit(&bob).await;
    assert!(shared(&bob, &alice).contains(&"for Bob alone".to_owned()));
    assert!(m.sync_view(&theft, &address).await.is_err());
    let his = captions(&theft.replica().unwrap().snapshot());
    assert!(
        !his.contains(&"for Bob alone".to_owned()),
        "{his:?} {loot:?}"
    );
    for late in [&e, &m] {
        mallory.views().unwrap().remove(&given.view).unwrap();
        let Err(PodError::Refused(why)) = late.accept(&invite).await else {
            panic!("it was used");
        };
        assert!(why.contains("good once"), "{why}");
    }
    // for Bob it is no harm to take it again
    let b = PodNode::start(Arc::clone(&bob), anywhere()).await.unwrap();
    assert_eq!(b.accept(&invite).await.unwrap().power, Some(Power::Write));
    assert_eq!(view(&bob, &alice).key(), second);

    // and what is taken back is taken back
    alice.revoke(&given.id).unwrap();
    visit(&alice).await;
    b.sync_all().await.unwrap();
    assert!(!is_listed(&alice, &alice, &second));
    assert_eq!(bob.accepted().unwrap()[0].power, None);
    for node in [b, e, m] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}

/// Claims that a key is his own, and that it is Bob's; and shows the log of Bob's devices, which is no secret.
pub fn lie(view: &View, alice: &Pod, bob: &Pod) {
    let key = SigningKey::from_seed([77; 32]);
    let mut random = |out: &mut [u8]| out.fill(7);
    let kem = KemSecret::from_seed(Secret::take(&mut [7; 32]));
    let create = Create::one_device(key.public(), kem.public(), vec![], vec![], &mut random);
    let own = Log::new(Genesis::create(create, &[&key]).unwrap()).unwrap();
    let subject: Principal = alice.did().parse().unwrap();
    let proof = |did: &str, author: &Author| {
        let command: Command = "/pod/tuple".parse().unwrap();
        let (did, writes) = (did.parse().unwrap(), Principal::of(&author.key.public()));
        let device = Device::new(&did, &key).unwrap();
        let to = Delegation::to(writes, command).subject(subject.clone());
        to.sign(&device, b"a nonce of 12").unwrap().bytes().to_vec()
    };
    let bobs = bob.device_log().1.to_car().unwrap();
    for (log, did) in [
        (bobs, bob.did().to_owned()),
        (own.to_car().unwrap(), own.did().to_string()),
    ] {
        let author = view.author(&did[12..40]).unwrap();
        let proofs = vec![proof(&did, &author)];
        let note = rhizome_view::Note::Claim { log, proofs };
        let leaf = rhizome_view::write_notes(&view.did().to_string(), &[note]).unwrap();
        let leaves = |_: &rhizome_replica::Snapshot| Ok::<_, PodError>(vec![leaf]);
        let (replica, durable) = (view.replica().unwrap(), Durability::Durable);
        let nonce = [did.len() as u8; 16];
        let done = replica.compose(&author, 1_800_000_000_001, nonce, durable, leaves);
        assert_eq!(done.unwrap().commits.len(), 1);
    }
}

/// Writes by a key of the view's, whoever has it.
fn write_as(view: &View, text: &str) -> CommitId {
    let (replica, author) = (view.replica().unwrap(), view.author("thief").unwrap());
    let entity = EntityId::derive(replica.pod(), text.as_bytes());
    let edits = vec![
        Edit::Create(entity, text.as_bytes().to_vec()),
        Edit::Assert(entity, Attribute::new("shared").unwrap(), true.into()),
        Edit::Assert(entity, Attribute::new("caption").unwrap(), text.into()),
    ];
    let now = 1_800_000_000_000;
    let written = replica.write(&author, edits, now, [7; 16], Durability::Durable);
    written.unwrap().commits[0]
}

/// With a stop after every step of the owner's and of the guest's, as by a kill: it ends as it would have.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wherever_it_stops_it_goes_on() {
    for (hers, his) in [(0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2), (3, 3)] {
        let dir = tempfile::tempdir().unwrap();
        let (peer, address, grant) = cloud(dir.path()).await;
        let (mut alice, a) = person(dir.path(), "alice").await;
        let (mut bob, b) = person(dir.path(), "bob").await;
        a.add_peer(&address, grant.as_ref()).await.unwrap();
        let (given, invite) = alice.grant(&terms(&bob, None)).unwrap();
        a.sync_all().await.unwrap();
        b.accept(&invite).await.unwrap();
        say(&bob, &alice, "first").unwrap();
        b.sync_all().await.unwrap();
        // the view alone is exchanged: nobody tends
        let hers_view = view(&alice, &alice);
        a.sync_view(&hers_view, &address).await.unwrap();
        a.shutdown().await.unwrap();
        b.shutdown().await.unwrap();
        let done = alice.hand_over_keys(&hers_view, hers).unwrap();
        assert_eq!(done, hers.min(2));
        drop(hers_view);
        alice = reopen(alice);
        // what she did is out before she stopped, or not
        let a = PodNode::start(Arc::clone(&alice), anywhere())
            .await
            .unwrap();
        a.sync_view(&view(&alice, &alice), &address).await.unwrap();
        a.shutdown().await.unwrap();
        let b = PodNode::start(Arc::clone(&bob), anywhere()).await.unwrap();
        b.sync_view(&view(&bob, &alice), &address).await.unwrap();
        b.shutdown().await.unwrap();
        let (done, busy) = bob.take_keys(&given.view, his).unwrap();
        // once he was told: the tuple, the key, and who he is
        assert_eq!((done, busy), (if hers < 2 { 0 } else { his }, false));
        bob = reopen(bob);
        say(&bob, &alice, "second").unwrap();
        bob = reopen(bob);
        for _ in 0..3 {
            visit(&bob).await;
            visit(&alice).await;
        }
        visit(&bob).await;
        let first = invite.seed.public();
        assert!(
            !is_listed(&alice, &alice, &first),
            "stopped after {hers}, {his}"
        );
        assert_ne!(view(&bob, &alice).key(), first);
        let listed = alice.views().unwrap().get(&given.view).unwrap();
        let listed = listed
            .member()
            .unwrap()
            .trust()
            .set()
            .resolution()
            .devices
            .len();
        assert_eq!(listed, 2, "stopped after {hers}, {his}");
        assert_eq!(own(&alice), ["first", "second"]);
        assert_eq!(shared(&bob, &alice), ["first", "second"]);
        peer.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_device_of_the_guests_that_was_away_finds_the_key_and_says_again_what_came_too_late() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let invitation = peer.invitation().unwrap();
    let (_, again) = parse_peer(&invitation).unwrap();
    b.add_peer(&address, again.as_ref()).await.unwrap();
    let (code, mut waiting) = b.invite(DeviceRole::Admin).unwrap();
    let code: PairingCode = code.to_string().parse().unwrap();
    let home = PodHome::at(dir.path().join("tablet"));
    let opening = Opening::by("test");
    let join = home.join(&opening, &code, "tablet", anywhere());
    let tablet = Arc::new(join.await.unwrap());
    waiting.joined().await.unwrap();
    let t = PodNode::start(Arc::clone(&tablet), anywhere())
        .await
        .unwrap();
    t.sync_with(&b.address().unwrap(), None).await.unwrap();
    t.shutdown().await.unwrap();
    let (_, invite) = alice.grant(&terms(&bob, None)).unwrap();
    a.sync_all().await.unwrap();
    a.shutdown().await.unwrap();
    b.accept(&invite).await.unwrap();
    b.sync_all().await.unwrap();
    b.shutdown().await.unwrap();
    // the tablet has it, and is off; its owner writes on it
    visit(&tablet).await;
    let first = invite.seed.public();
    assert_eq!(view(&tablet, &alice).key(), first);
    say(&tablet, &alice, "on a train").unwrap();
    for _ in 0..2 {
        visit(&alice).await;
        visit(&bob).await;
    }
    visit(&alice).await;
    assert!(!is_listed(&alice, &alice, &first));
    assert!(own(&alice).is_empty());
    // it comes back
    let reports = {
        let t = PodNode::start(Arc::clone(&tablet), anywhere())
            .await
            .unwrap();
        let reports = t.sync_all().await.unwrap();
        t.shutdown().await.unwrap();
        reports
    };
    assert!(reports.iter().all(|r| r.error.is_none()), "{reports:?}");
    assert_eq!(view(&tablet, &alice).key(), view(&bob, &alice).key());
    visit(&tablet).await;
    visit(&alice).await;
    assert_eq!(own(&alice), ["on a train"]);
    for pod in [&bob, &tablet, &alice, &tablet] {
        visit(pod).await;
    }
    // once
    for pod in [&bob, &tablet] {
        assert_eq!(shared(pod, &alice), ["on a train"]);
        assert_eq!(pod.accepted().unwrap()[0].pending, 0);
    }
    assert!(alice.proposals().unwrap().is_empty());
    peer.shutdown().await.unwrap();
}

/// What an entity says, as JSON.
fn state(pod: &Pod, entity: &EntityId) -> serde_json::Value {
    pod.state(entity).unwrap().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_proposal_is_adopted_in_part_and_made_undone() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let set = |e: &str, a: &str, v: serde_json::Value| json!({ "assert": { "entity": e, "attribute": a, "value": v } });
    let list = |e: &str, v: serde_json::Value| json!({ "list": { "entity": e, "attribute": "tags", "value": v } });
    let member = |kind: &str, e: &str, v: &str| json!({ kind: { "entity": e, "attribute": "seen-by", "value": v } });
    let first = json!([
        set("_:one", "shared", true.into()),
        set("_:one", "title", "one".into()),
        list("_:one", json!(["x", "y", "x"])),
        member("insert", "_:one", "ada"),
        set("_:two", "shared", true.into()),
        set("_:two", "title", "two".into()),
    ]);
    let made = alice
        .transact(App::CommandLine, &parse_changes(&first).unwrap())
        .unwrap();
    let [one, two] = ["_:one", "_:two"].map(|name| {
        let mut of = made.entities.iter().filter(|(n, _)| n == name);
        of.next().unwrap().1
    });
    let before = [state(&alice, &one), state(&alice, &two)];
    let less = GrantTerms {
        power: Power::Propose,
        ..terms(&bob, None)
    };
    let (_, invite) = alice.grant(&less).unwrap();
    a.sync_all().await.unwrap();
    b.accept(&invite).await.unwrap();
    let (e1, e2) = (one.to_string(), two.to_string());
    let wanted = json!([
        set(&e1, "title", "the first".into()),
        set(&e1, "place", "here".into()),
        list(&e1, json!(["y"])),
        member("insert", &e1, "bob"),
        member("retract", &e1, "ada"),
        set(&e2, "title", "the second".into()),
        set("_:new", "shared", true.into()),
        set("_:new", "title", "a third".into()),
    ]);
    bob.propose(&alice.did().parse().unwrap(), &wanted, "better so")
        .unwrap();
    b.sync_all().await.unwrap();
    a.sync_all().await.unwrap();
    let id = alice.proposals().unwrap()[0].id.clone();
    assert!(alice.undo_adoption(&id).is_err());
    // in part: the rest stays open
    let part = alice.adopt(&id, Some(&one)).unwrap();
    assert_eq!((part.decided.as_deref(), part.adopted.len()), (None, 1));
    let after = state(&alice, &one);
    assert_eq!(
        (
            &after["title"],
            &after["place"],
            &after["tags"],
            &after["seen-by"]
        ),
        (
            &json!("the first"),
            &json!("here"),
            &json!(["y"]),
            &json!("bob")
        )
    );
    assert_eq!(state(&alice, &two), before[1]);
    assert!(
        alice.adopt(&id, Some(&one)).is_err(),
        "that part is adopted"
    );
    let open = &alice.proposals().unwrap()[0];
    assert!(open.decided.is_none() && open.adopted.contains(&one));
    // the rest, which makes one more
    let shared = || {
        let now = alice.replica().snapshot();
        let q = json!("[:find ?t :where [?e :shared true] [?e :title ?t] :order [?t]]");
        drop(now);
        let stop = std::sync::atomic::AtomicBool::new(false);
        alice.query(&q, &[], &stop).unwrap()["rows"].clone()
    };
    let whole = alice.adopt(&id, None).unwrap();
    assert_eq!(whole.decided.as_deref(), Some("adopted"));
    assert_eq!(
        shared(),
        json!([["a third"], ["the first"], ["the second"]])
    );
    assert!(alice.adopt(&id, None).is_err() && alice.decline(&id).is_err());
    // what was changed since stays, all else is as it was
    let later = json!([set(&e2, "title", "two again".into())]);
    alice
        .transact(App::CommandLine, &parse_changes(&later).unwrap())
        .unwrap();
    let undone = alice.undo_adoption(&id).unwrap();
    assert_eq!(undone.kept, [(two, "title".to_owned())]);
    assert_eq!(state(&alice, &one), before[0]);
    assert_eq!(shared(), json!([["one"], ["two again"]]));
    let open = &alice.proposals().unwrap()[0];
    assert!(open.decided.is_none() && open.adopted.is_empty());
    assert!(alice.undo_adoption(&id).is_err());
    // again, and declined in the end
    alice.adopt(&id, Some(&one)).unwrap();
    let rest = alice.decline(&id).unwrap();
    assert_eq!(
        (rest.decided.as_deref(), rest.adopted.len()),
        (Some("declined"), 1)
    );
    assert_eq!(alice.undo_adoption(&id).unwrap().kept, []);
    assert_eq!(state(&alice, &one), before[0]);
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
    peer.shutdown().await.unwrap();
}
