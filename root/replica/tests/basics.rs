use crate::world::*;
use rhizome_replica::{Cut, Edit};
use rhizome_tuple::Value;

fn v(s: &str) -> Value {
    Value::from(s)
}

#[test]
fn what_is_written_is_there_after_reopening() {
    let (kv, r) = fresh();
    let e = entity(1);
    write(
        &r,
        1,
        1000,
        vec![
            Edit::Assert(e, attr("name"), v("Ada")),
            Edit::Insert(e, attr("tag"), v("a")),
            Edit::Insert(e, attr("tag"), v("b")),
            Edit::Add(e, attr("likes"), 3),
            Edit::Assert(e, attr("knows"), Value::Ref(entity(2))),
            Edit::SetList(e, attr("media"), vec![v("x"), v("y"), v("x")]),
        ],
    );
    write(
        &r,
        1,
        2000,
        vec![
            Edit::Add(e, attr("likes"), -1),
            Edit::Assert(e, attr("name"), v("Grace")),
        ],
    );
    let digest = r.snapshot().digest().unwrap();
    for round in 0..3 {
        let r = open(&kv);
        let s = r.snapshot();
        assert_eq!(values(&s, e, "name"), [v("Grace")], "{round}");
        assert_eq!(values(&s, e, "tag"), [v("a"), v("b")]);
        assert_eq!(values(&s, e, "likes"), [Value::Integer(2)]);
        assert_eq!(s.digest().unwrap(), digest);
        let list = s.list(s.eid(&e).unwrap(), s.aid("media").unwrap()).unwrap();
        assert_eq!(
            list.into_iter()
                .map(|w| s.value(w).unwrap())
                .collect::<Vec<_>>(),
            [v("x"), v("y"), v("x")]
        );
        let report = s.verify(&mut |_, _| ()).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(report.commits, 2);
        if round == 1 {
            r.checkpoint().unwrap();
        }
    }
}

#[test]
fn the_same_again_changes_nothing() {
    let (_, r) = fresh();
    let edits = || {
        vec![
            Edit::Assert(entity(1), attr("name"), v("Ada")),
            Edit::Insert(entity(1), attr("tag"), v("a")),
        ]
    };
    assert_eq!(write(&r, 1, 1, edits()).added, 2);
    assert!(write(&r, 1, 2, edits()).commits.is_empty());
}

#[test]
fn concurrent_assertions_are_a_readable_conflict_until_somebody_decides() {
    let (_, a) = fresh();
    let (_, b) = fresh();
    let e = entity(1);
    write(
        &a,
        1,
        1000,
        vec![Edit::Assert(e, attr("name"), v("from a"))],
    );
    write(
        &b,
        2,
        2000,
        vec![Edit::Assert(e, attr("name"), v("from b"))],
    );
    a.receive(records(&b)).unwrap();
    b.receive(records(&a)).unwrap();
    for r in [&a, &b] {
        let s = r.snapshot();
        assert_eq!(values(&s, e, "name"), [v("from b")]);
        let conflicts = s
            .conflicts(s.eid(&e).unwrap(), s.aid("name").unwrap())
            .unwrap();
        assert_eq!(
            conflicts.iter().map(|c| c.0.clone()).collect::<Vec<_>>(),
            [v("from a"), v("from b")]
        );
        assert_eq!(conflicts[0].1.app.as_deref(), Some("app-1"));
    }
    write(
        &a,
        1,
        3000,
        vec![Edit::Assert(e, attr("name"), v("decided"))],
    );
    let s = a.snapshot();
    assert!(
        s.conflicts(s.eid(&e).unwrap(), s.aid("name").unwrap())
            .unwrap()
            .is_empty()
    );
    assert_eq!(values(&s, e, "name"), [v("decided")]);
    assert!(s.verify(&mut |_, _| ()).unwrap().findings.is_empty());
}

#[test]
fn history_and_the_past_can_be_read() {
    let (_, r) = fresh();
    let e = entity(1);
    write(&r, 1, 1000, vec![Edit::Assert(e, attr("name"), v("one"))]);
    write(&r, 2, 2000, vec![Edit::Assert(e, attr("name"), v("two"))]);
    write(&r, 1, 3000, vec![Edit::Retract(e, attr("name"), None)]);
    let s = r.snapshot();
    assert!(values(&s, e, "name").is_empty());
    assert_eq!(
        values(&s.as_of(&Cut::Time(1000)).unwrap(), e, "name"),
        [v("one")]
    );
    assert_eq!(
        values(&s.as_of(&Cut::Time(2999)).unwrap(), e, "name"),
        [v("two")]
    );
    let only_second = Cut::Frontier([(author(2).key.public(), 0)].into());
    assert_eq!(
        values(&s.as_of(&only_second).unwrap(), e, "name"),
        [v("two")]
    );
    let history = s.history(s.eid(&e).unwrap()).unwrap();
    assert_eq!(
        history
            .iter()
            .map(|h| h.by.app.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["app-1", "app-2", "app-1"]
    );
}

#[test]
fn what_is_erased_is_gone_from_the_log_and_the_dictionary() {
    let (kv, r) = fresh();
    let e = entity(1);
    write(
        &r,
        1,
        1000,
        vec![Edit::Assert(
            e,
            attr("secret"),
            v("the plaintext nobody may find"),
        )],
    );
    write(
        &r,
        1,
        1500,
        vec![Edit::Assert(entity(2), attr("other"), v("stays"))],
    );
    write(&r, 1, 2000, vec![Edit::Erase(e)]);
    r.checkpoint().unwrap();
    drop(r);
    let r = open(&kv);
    let s = r.snapshot();
    assert!(values(&s, e, "secret").is_empty());
    assert_eq!(values(&s, entity(2), "other"), [v("stays")]);
    assert_eq!(s.word(&v("the plaintext nobody may find")), None);
    let report = s.verify(&mut |_, _| ()).unwrap();
    assert_eq!((report.findings, report.erased), (vec![], 1));
    let needle = b"plaintext nobody";
    for keyspace in 0..16 {
        kv.snapshot()
            .unwrap()
            .scan(keyspace, &[], None, false, &mut |_, value| {
                assert!(
                    !value.windows(needle.len()).any(|w| w == needle),
                    "keyspace {keyspace}"
                );
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    // a replica that hears of it later obeys
    let (_, other) = fresh();
    other.receive(records(&r)).unwrap();
    assert_eq!(other.snapshot().digest().unwrap(), s.digest().unwrap());
}

#[test]
fn numbers_do_not_depend_on_how_commits_were_batched() {
    let (_, r) = fresh();
    write(
        &r,
        1,
        1,
        vec![Edit::Assert(entity(1), attr("sees"), Value::Ref(entity(3)))],
    );
    write(
        &r,
        1,
        2,
        vec![Edit::Assert(entity(2), attr("name"), v("two"))],
    );
    write(
        &r,
        1,
        3,
        vec![Edit::Assert(entity(3), attr("name"), v("three"))],
    );
    assert!(
        r.snapshot()
            .verify(&mut |_, _| ())
            .unwrap()
            .findings
            .is_empty()
    );
}
