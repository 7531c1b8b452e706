//! A moment with edits in thought is the moment after them: held against a replica in which they were written.

use crate::world::*;
use rhizome_replica::{Edit, Mirror, Replica, ReplicaError, Snapshot, key};
use rhizome_storage::conformance::Random;
use rhizome_tuple::{EntityId, Value};
use std::collections::BTreeSet;

const KINDS: [&str; 5] = ["register", "set", "counter", "list", "friend"];
const ENTITIES: u64 = 7;

type Place = (EntityId, &'static str);

fn value(r: &mut Random) -> Value {
    match r.below(5) {
        0 => Value::Ref(entity(r.below(ENTITIES as usize) as u64)),
        1 => Value::Integer(r.below(4) as i64),
        2 => Value::Boolean(r.below(2) == 0),
        _ => Value::Text(format!("text {}", r.below(5))),
    }
}

fn random_edit(r: &mut Random, mixed: bool) -> (Place, Edit) {
    let e = entity(r.below(ENTITIES as usize) as u64);
    let kind = KINDS[r.below(KINDS.len())];
    let a = || attr(kind);
    let v = value(r);
    // some people do not keep to what an attribute is
    let how = if mixed && r.below(6) == 0 {
        r.below(5)
    } else {
        KINDS.iter().position(|k| *k == kind).unwrap()
    };
    let edit = match (r.below(5), how) {
        (0, _) => Edit::Retract(e, a(), None),
        (1, _) => Edit::Retract(e, a(), Some(v)),
        (_, 0) => Edit::Assert(e, a(), v),
        (_, 1) => Edit::Insert(e, a(), v),
        (_, 2) => Edit::Add(e, a(), r.below(9) as i64 - 4),
        (2, 3) => Edit::SetList(e, a(), (0..r.below(4)).map(|_| value(r)).collect()),
        (_, 3) => Edit::List(e, a(), v, None),
        _ => Edit::Assert(
            e,
            a(),
            Value::Ref(entity(r.below(ENTITIES as usize) as u64)),
        ),
    };
    ((e, kind), edit)
}

/// All that can be asked of a moment: tuples by each index, lists, and what a planner counts.
fn all(s: &Snapshot) -> (Vec<Vec<u8>>, Vec<String>, Vec<String>) {
    let mut lists = Vec::new();
    let mut counts = Vec::new();
    for kind in KINDS {
        let Some(a) = s.aid(kind) else { continue };
        let stats = s.attribute_stats(a);
        if stats.tuples > 0 {
            counts.push(format!("{kind} {stats:?}"));
        }
        for n in 0..ENTITIES {
            let list = s.eid(&entity(n)).and_then(|e| s.list(e, a));
            let values = list.map(|l| l.iter().map(|w| s.value(*w).unwrap()).collect::<Vec<_>>());
            lists.push(format!("{n} {kind} {values:?}"));
        }
    }
    let facts: BTreeSet<_> = s.eav().range(0, u128::MAX).map(key::un_eav).collect();
    let other: BTreeSet<_> = s.aev().range(0, u128::MAX).map(key::un_aev).collect();
    assert_eq!(facts, other);
    let other: BTreeSet<_> = s.ave().range(0, u128::MAX).map(key::un_ave).collect();
    assert_eq!(facts, other);
    let back = s.vae().range(0, u128::MAX).count();
    let references = facts
        .iter()
        .filter(|f| f.v.tag == rhizome_replica::tag::REF);
    assert_eq!(back, references.count());
    for w in facts.iter().map(|f| f.v) {
        assert_eq!(s.word(&s.value(w).unwrap()), Some(w));
    }
    (s.canonical().unwrap(), lists, counts)
}

/// As on another device that has all of it.
fn copy(of: &Replica) -> Replica {
    let (_, replica) = fresh();
    replica.receive(records(of)).unwrap();
    replica
}

#[test]
fn edits_in_thought_are_edits() {
    let (mut changed, mut late) = (0, 0);
    for seed in 0..400 {
        let mut r = Random::new(seed);
        let ((_, base), (_, other)) = (fresh(), fresh());
        for at in 0..r.below(30) {
            let edits = (0..=r.below(3))
                .map(|_| random_edit(&mut r, true).1)
                .collect();
            let (who, where_) = if r.below(2) == 0 {
                (1, &base)
            } else {
                (2, &other)
            };
            write(where_, who, 1000 + at as i64, edits);
            if r.below(4) == 0 {
                base.receive(records(&other)).unwrap();
                other.receive(records(&base)).unwrap();
            }
        }
        let (mut places, mut draft): (BTreeSet<Place>, Vec<Vec<Edit>>) = Default::default();
        for _ in 0..=r.below(4) {
            let some: Vec<_> = (0..=r.below(4))
                .map(|_| random_edit(&mut r, seed % 2 == 0))
                .collect();
            places.extend(some.iter().map(|(place, _)| *place));
            draft.push(some.into_iter().map(|(_, edit)| edit).collect());
        }
        let written = copy(&base);
        assert!(
            all(&base.snapshot()) == all(&written.snapshot()),
            "PRE seed {seed}"
        );
        for (n, edits) in draft.iter().enumerate() {
            write(&written, 3, 5000 + n as i64, edits.clone());
        }
        // what the base says later, of something else
        let first = base.snapshot().with_edits(draft.concat()).unwrap();
        let then = all(&first);
        for at in 0..r.below(6) {
            let (place, edit) = random_edit(&mut r, true);
            if !places.contains(&place) {
                write(&base, 1, 9000 + at as i64, vec![edit.clone()]);
                write(&written, 4, 9000 + at as i64, vec![edit]);
                late += 1;
            }
        }
        let before = all(&base.snapshot());
        let thought = base.snapshot().with_edits(draft.concat()).unwrap();
        assert_eq!(
            all(&thought),
            all(&written.snapshot()),
            "seed {seed}: {draft:?}"
        );
        changed += usize::from(all(&thought).0 != before.0);
        // nobody else sees it, and it stays what it was
        assert_eq!(all(&base.snapshot()), before);
        assert_eq!(all(&first), then);
        // and it is what becomes of it
        write(&base, 1, 20_000, draft.concat());
        assert_eq!(all(&thought), all(&base.snapshot()), "seed {seed}");
    }
    assert!(changed > 350 && late > 300, "{changed} {late}");
}

#[test]
fn only_a_moment_of_a_replica_can_be_edited() {
    let (_, base) = fresh();
    let edit = || vec![Edit::Assert(entity(1), attr("register"), 1.into())];
    let thought = base.snapshot().with_edits(edit()).unwrap();
    assert!(base.snapshot().is_empty() && thought.len() == 1);
    assert!(matches!(
        thought.with_edits(edit()),
        Err(ReplicaError::Edit(_))
    ));
    let mirror = Mirror::new([1; 32]).snapshot();
    assert!(matches!(
        mirror.with_edits(edit()),
        Err(ReplicaError::Edit(_))
    ));
    let facts = Snapshot::from_facts([(entity(1), "register", 1.into())]).unwrap();
    assert!(matches!(
        facts.with_edits(edit()),
        Err(ReplicaError::Edit(_))
    ));
    let both = vec![Edit::Erase(entity(1)), edit().remove(0)];
    assert!(matches!(
        base.snapshot().with_edits(both),
        Err(ReplicaError::Edit(_))
    ));
    // what changes nothing costs nothing
    let same = base.snapshot().with_edits(Vec::new()).unwrap();
    assert_eq!(same.commit_count(), 0);
}
