//! What people say about proposals.

use std::sync::Arc;

use rhizome_pod::{GrantTerms, Pod, PodError, PodNode, Power, View, Whose, json::parse_changes};
use rhizome_replica::Snapshot;
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, Leaf, Op};
use rhizome_view::{MAX_COMMENT, MAX_LISTED, Note, place, write_notes};
use serde_json::{Value as Json, json};

use crate::sharing::{cloud, lie, person, terms, view, visit};

/// (who, words) of the comments on a proposal, as its owner sees them.
fn thread(owner: &Pod, id: &str) -> Vec<(String, String)> {
    let all = owner.proposals().unwrap();
    words(&all.iter().find(|p| p.id == id).unwrap().to_json())
}

fn words(of: &Json) -> Vec<(String, String)> {
    let text = |c: &Json, name: &str| c[name].as_str().unwrap().to_owned();
    let all = of["comments"].as_array().unwrap().iter();
    all.map(|c| (text(c, "from"), text(c, "text"))).collect()
}

fn said(who: &Pod, text: &str) -> (String, String) {
    (who.did().to_owned(), text.to_owned())
}

/// Leaves something in a view, under a name of one's own, at any time by the clock.
fn leave(view: &View, name: &str, at_ms: i64, leaf: Leaf) -> CommitId {
    let author = view.author(name).unwrap();
    let replica = view.replica().unwrap();
    let leaves = |_: &Snapshot| Ok::<_, PodError>(vec![leaf]);
    let done = replica.compose(&author, at_ms, [5; 16], Durability::Durable, leaves);
    done.unwrap().commits[0]
}

fn comment(view: &View, about: CommitId, text: &str) -> Leaf {
    let note = Note::Comment(about, text.to_owned());
    write_notes(&view.did().to_string(), &[note]).unwrap()
}

fn may(to: &Pod, power: Power) -> GrantTerms {
    GrantTerms {
        power,
        ..terms(to, None)
    }
}

fn wish(text: &str) -> Json {
    json!([
        { "assert": { "entity": "_:e", "attribute": "shared", "value": true } },
        { "assert": { "entity": "_:e", "attribute": "caption", "value": text } },
    ])
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_millis()).unwrap()
}

fn commit(id: &str) -> CommitId {
    CommitId::from_cid(&id.parse().unwrap()).unwrap()
}

async fn each(all: &[&Arc<Pod>]) {
    for pod in all {
        visit(pod).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_talk_about_a_proposal() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    let (carol, c) = person(dir.path(), "carol").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let (given, invite) = alice.grant(&may(&bob, Power::Propose)).unwrap();
    let (_, other) = alice.grant(&may(&carol, Power::Read)).unwrap();
    a.sync_all().await.unwrap();
    b.accept(&invite).await.unwrap();
    c.accept(&other).await.unwrap();
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
    let hers = alice.did().parse().unwrap();
    bob.propose(&hers, &wish("one"), "please").unwrap();
    bob.propose(&hers, &wish("two"), "this too").unwrap();
    each(&[&bob, &alice]).await;
    let mine = bob.accepted().unwrap().remove(0).proposals;
    let ids: Vec<&str> = mine.iter().map(|p| p.id.as_str()).collect();
    let seen: Vec<String> = alice
        .proposals()
        .unwrap()
        .into_iter()
        .map(|p| p.id)
        .collect();
    assert_eq!(ids, seen, "both call them the same");
    assert_eq!(mine[1].comment, "please");
    let one = ids[1];

    // the owner, who asked, and another one who has the share
    let told = alice.comment(one, "why?").unwrap();
    assert_eq!(words(&told), [said(&alice, "why?")]);
    each(&[&alice, &bob, &carol]).await;
    bob.comment(&one[one.len() - 12..], "because\nof that")
        .unwrap();
    each(&[&bob, &carol]).await;
    carol.comment(one, "he is right").unwrap();
    each(&[&carol, &alice, &bob]).await;
    let all = [
        said(&alice, "why?"),
        said(&bob, "because\nof that"),
        said(&carol, "he is right"),
    ];
    assert_eq!(thread(&alice, one), all);
    let his = |n: usize| bob.accepted().unwrap()[0].proposals[n].to_json();
    assert_eq!(words(&his(1)), all);
    assert!(words(&his(0)).is_empty() && thread(&alice, ids[0]).is_empty());

    // it stays when it is decided, and may go on
    alice.adopt(one, None).unwrap();
    alice.decline(ids[0]).unwrap();
    alice.comment(ids[0], "not that one").unwrap();
    bob.comment(one, "thanks").unwrap();
    each(&[&bob, &alice, &bob]).await;
    assert_eq!(thread(&alice, one).len(), 4);
    assert_eq!(words(&his(0)), [said(&alice, "not that one")]);

    // what was refused is answered like a proposal
    let (_, again) = alice.grant(&may(&carol, Power::Write)).unwrap();
    let entity = alice.shared(Whose::Of(hers)).unwrap();
    let entity = entity.entities().find_map(|e| {
        let (id, shared) = (entity.entity_id(e)?, entity.aid("shared")?);
        let (lo, hi) = rhizome_replica::key::eav_ea(e, shared);
        entity.eav().range(lo, hi).next().map(|_| id)
    });
    let away = json!([{ "assert": { "entity": entity.unwrap().to_string(), "attribute": "shared", "value": false } }]);
    visit(&alice).await;
    let view_of = carol.accepted().unwrap()[0].view.to_string();
    carol.forget_shared(&view_of).unwrap();
    let here = vec!["127.0.0.1:0".parse().unwrap()];
    let c = PodNode::start(Arc::clone(&carol), here).await.unwrap();
    c.accept(&again).await.unwrap();
    let written = carol
        .transact_shared(&hers, &parse_changes(&away).unwrap())
        .unwrap();
    c.sync_all().await.unwrap();
    c.shutdown().await.unwrap();
    let refused = written.commit.unwrap().to_string();
    visit(&alice).await;
    alice.comment(&refused, "that is what decides").unwrap();
    each(&[&alice, &carol]).await;
    let theirs = carol.accepted().unwrap()[0].to_json();
    assert_eq!(theirs["refused"][0]["commit"], refused);
    assert_eq!(
        words(&theirs["refused"][0]),
        [said(&alice, "that is what decides")]
    );

    // taken back: what he said stays, what he says from now on does not count, whatever time it claims
    alice.revoke(&given.id).unwrap();
    let before = thread(&alice, one);
    visit(&alice).await;
    bob.comment(one, "after the end").unwrap();
    let back = comment(&view(&bob, &alice), commit(one), "long before");
    leave(&view(&bob, &alice), "keeper", 1_500_000_000_000, back);
    each(&[&bob, &alice, &carol]).await;
    assert_eq!(thread(&alice, one), before);
    assert_eq!(before.iter().filter(|c| c.0 == bob.did()).count(), 2);
    let Err(PodError::Refused(why)) = bob.comment(one, "and now") else {
        panic!("he has heard of it");
    };
    assert!(why.contains("taken back"), "{why}");
    peer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_comment_is_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, address, grant) = cloud(dir.path()).await;
    let (alice, a) = person(dir.path(), "alice").await;
    let (bob, b) = person(dir.path(), "bob").await;
    let (_mallory, m) = person(dir.path(), "mallory").await;
    a.add_peer(&address, grant.as_ref()).await.unwrap();
    let (given, invite) = alice.grant(&may(&bob, Power::Write)).unwrap();
    a.sync_all().await.unwrap();
    let theft = m
        .join_view(&given.view, &invite.seed, &address)
        .await
        .unwrap();
    b.accept(&invite).await.unwrap();
    let hers = alice.did().parse().unwrap();
    bob.propose(&hers, &wish("one"), "").unwrap();
    let plain = bob.transact_shared(&hers, &parse_changes(&wish("mine")).unwrap());
    let plain = plain.unwrap().commit.unwrap();
    b.sync_all().await.unwrap();
    b.shutdown().await.unwrap();
    m.sync_view(&theft, &address).await.unwrap();
    let one = bob.accepted().unwrap()[0].proposals[0].id.clone();
    let about = commit(&one);

    // somebody who never said who he is; and who claims, falsely, to be Bob, and truly to be somebody to whom nothing was given
    let silent = comment(&theft, about, "by nobody");
    leave(&theft, "silent", now_ms(), silent);
    lie(&theft, &alice, &bob);
    let own = rhizome_view::Guests::read(
        &given.view.to_string(),
        &theft.replica().unwrap().snapshot(),
    );
    let own = own.unwrap();
    let name = &bob.did()[12..40];
    let liar = theft.author(name).unwrap().key.public();
    assert_eq!(own.claimed(&liar), Some(bob.did()), "he says so");
    assert_eq!(own.proven(&liar), None, "and cannot show it");
    let false_ = comment(&theft, about, "in the name of Bob");
    leave(&theft, name, now_ms(), false_);
    let notes = rhizome_view::notes(
        &given.view.to_string(),
        &theft.replica().unwrap().snapshot(),
    );
    let notes = notes.unwrap();
    let mut dids = notes.iter().filter_map(|left| own.proven(&left.author));
    let himself = dids.find(|did| *did != bob.did()).unwrap();
    let stranger = comment(&theft, about, "by somebody else");
    leave(&theft, &himself[12..40], now_ms(), stranger);
    let asks = Note::Proposal {
        changes: wish("forged").to_string(),
        comment: "as Bob".into(),
    };
    let asks = write_notes(&given.view.to_string(), &[asks]).unwrap();
    let forged = leave(&theft, name, now_ms(), asks);
    m.sync_view(&theft, &address).await.unwrap();
    m.shutdown().await.unwrap();

    // too long, blank, and about what is no proposal, by one who may speak
    let there = view(&bob, &alice);
    let raw = |text: String| {
        let payload = rhizome_ipld::codec::encode(&(10, about, text)).unwrap();
        let ops = vec![Op::Note { payload }];
        let entity = place(&there.did().to_string());
        Leaf { entity, ops }
    };
    for text in ["x".repeat(MAX_COMMENT + 1), " \n".into(), String::new()] {
        assert!(Note::Comment(about, text.clone()).to_bytes().is_err());
        assert!(matches!(bob.comment(&one, &text), Err(PodError::View(_))));
        leave(&there, "keeper", now_ms(), raw(text));
    }
    let elsewhere = comment(&there, plain, "about a write that counts");
    leave(&there, "keeper", now_ms(), elsewhere);
    assert!(matches!(
        bob.comment(&plain.to_string(), "no"),
        Err(PodError::Request(_))
    ));
    assert!(matches!(
        alice.comment("nonsense", "no"),
        Err(PodError::Request(_))
    ));
    // by the key of the owner, which a device that she took out knows as well
    let hers_too = view(&alice, &alice);
    let thief = comment(&hers_too, about, "in the name of Alice");
    leave(&hers_too, "thief", now_ms(), thief);
    // the longest one that there is
    let longest = "é".repeat(MAX_COMMENT / 2);
    bob.comment(&one, &longest).unwrap();
    each(&[&bob]).await;
    a.sync_all().await.unwrap();
    assert_eq!(thread(&alice, &one), [said(&bob, &longest)]);
    let all = alice.proposals().unwrap();
    let forged = all.iter().find(|p| p.id == forged.to_string()).unwrap();
    assert_ne!(forged.from, bob.did());
    assert!(all.iter().all(|p| p.id != plain.to_string()));

    // one who says very much pushes out himself alone
    alice.comment(&one, "the owner").unwrap();
    a.sync_all().await.unwrap();
    visit(&bob).await;
    let there = view(&bob, &alice);
    let flood: Vec<Note> = (0..MAX_LISTED + 5)
        .map(|n| Note::Comment(about, format!("flood {n}")))
        .collect();
    let flood = write_notes(&there.did().to_string(), &flood).unwrap();
    leave(&there, "keeper", now_ms(), flood);
    visit(&bob).await;
    a.sync_all().await.unwrap();
    let listed = alice.proposals().unwrap();
    let listed = listed.iter().find(|p| p.id == one).unwrap().to_json();
    assert_eq!(listed["comments_left_out"], 6);
    let listed = words(&listed);
    assert_eq!(listed.len(), MAX_LISTED + 1);
    assert_eq!(listed[0], said(&alice, "the owner"));
    assert_eq!(listed[1].1, "flood 5");
    a.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}
