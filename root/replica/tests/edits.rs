//! A transaction means its edits one after the other: held against a model that does just that.

use crate::world::*;
use rhizome_ipld::codec;
use rhizome_replica::{Edit, Replica};
use rhizome_storage::conformance::Random;
use rhizome_tuple::{MAX_SUPERSEDES, Value};
use std::collections::{BTreeMap, BTreeSet};

const KINDS: [&str; 4] = ["register", "set", "counter", "list"];

/// One entity as one writer sees it.
#[derive(Default, Clone, PartialEq, Debug)]
struct Model {
    register: Option<Value>,
    set: Vec<Value>,
    counter: Option<i64>,
    list: Vec<Value>,
}

impl Model {
    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Assert(_, _, v) => self.register = Some(v.clone()),
            Edit::Insert(_, _, v) if self.set.contains(v) => {}
            Edit::Insert(_, _, v) => self.set.push(v.clone()),
            Edit::Add(_, _, n) => self.counter = Some(self.counter.unwrap_or(0).wrapping_add(*n)),
            Edit::List(_, _, v, i) => self.list.insert(i.unwrap_or(self.list.len()), v.clone()),
            Edit::SetList(_, _, l) => self.list.clone_from(l),
            Edit::Retract(_, a, v) => {
                let goes = |x: &Value| v.as_ref().is_none_or(|v| v == x);
                match a.as_str() {
                    "register" => self.register = self.register.take().filter(|x| !goes(x)),
                    "set" => self.set.retain(|x| !goes(x)),
                    "counter" => {
                        self.counter = self.counter.filter(|n| !goes(&Value::Integer(*n)));
                    }
                    _ => self.list.retain(|x| !goes(x)),
                }
            }
            Edit::Erase(_) => *self = Self::default(),
            Edit::Create(..) => {}
        }
    }
}

fn shown(r: &Replica, n: u64) -> Model {
    let s = r.snapshot();
    let all = |name: &str| values(&s, entity(n), name);
    let list = || s.list(s.eid(&entity(n))?, s.aid("list")?);
    let mut out = Model {
        register: all("register").pop(),
        set: all("set"),
        counter: all("counter").pop().map(|v| match v {
            Value::Integer(n) => n,
            other => panic!("{other:?}"),
        }),
        list: list()
            .unwrap_or_default()
            .into_iter()
            .map(|w| s.value(w).unwrap())
            .collect(),
    };
    assert!(all("register").len() <= 1 && all("counter").len() <= 1);
    let distinct: BTreeSet<_> = out.list.iter().map(|v| codec::encode(v).unwrap()).collect();
    assert_eq!(all("list").len(), distinct.len());
    out.set.sort_by_key(|v| codec::encode(v).unwrap());
    out
}

#[test]
fn a_transaction_means_its_edits_one_after_the_other() {
    for seed in 0..400 {
        let mut r = Random::new(seed);
        let (_, replica) = fresh();
        let mut models: BTreeMap<u64, Model> = BTreeMap::new();
        for at in 0..12 {
            let mut edits = Vec::new();
            let mut after = models.clone();
            for _ in 0..=r.below(6) {
                let n = r.below(2) as u64;
                if edits.contains(&Edit::Erase(entity(n))) {
                    continue;
                }
                let model = after.entry(n).or_default();
                let e = entity(n);
                let v = |r: &mut Random| Value::Integer(r.below(3) as i64);
                let edit = match r.below(16) {
                    0..=2 => Edit::Assert(e, attr("register"), v(&mut r)),
                    3..=5 => Edit::Insert(e, attr("set"), v(&mut r)),
                    6 => Edit::Add(e, attr("counter"), r.below(3) as i64 - 1),
                    7 | 8 => {
                        let i = r.below(model.list.len() + 2);
                        let i = (i <= model.list.len()).then_some(i);
                        Edit::List(e, attr("list"), v(&mut r), i)
                    }
                    9 => {
                        let values = (0..r.below(4)).map(|_| v(&mut r)).collect();
                        Edit::SetList(e, attr("list"), values)
                    }
                    10..=14 => {
                        let v = r.one_in(2).then(|| v(&mut r));
                        Edit::Retract(e, attr(KINDS[r.below(4)]), v)
                    }
                    _ => Edit::Erase(e),
                };
                model.edit(&edit);
                edits.push(edit);
            }
            let text = format!("{edits:?}");
            let commits = write(&replica, 1 + r.below(2) as u8, at * 10, edits).commits;
            for (n, model) in &mut after {
                model.set.sort_by_key(|v| codec::encode(v).unwrap());
                assert_eq!(shown(&replica, *n), *model, "seed {seed}: {text}");
            }
            if commits.is_empty() {
                for model in models.values_mut() {
                    model.set.sort_by_key(|v| codec::encode(v).unwrap());
                }
                after.retain(|_, m| *m != Model::default());
                models.retain(|_, m| *m != Model::default());
                assert_eq!(after, models, "seed {seed}: {text}");
            }
            models = after;
        }
        let report = replica.snapshot().verify(&mut |_, _| ()).unwrap();
        assert_eq!(report.findings, []);
    }
}

#[test]
fn other_kinds_on_the_attribute_give_way_to_an_assertion() {
    let (_, r) = fresh();
    let (e, a) = (entity(1), attr("x"));
    write(
        &r,
        1,
        1,
        vec![
            Edit::Insert(e, a.clone(), Value::Integer(1)),
            Edit::Insert(e, a.clone(), Value::Integer(2)),
            Edit::Add(e, attr("x"), 5),
            Edit::List(e, attr("x"), Value::Integer(7), None),
        ],
    );
    assert_eq!(values(&r.snapshot(), e, "x").len(), 4);
    write(
        &r,
        1,
        2,
        vec![
            Edit::Insert(e, a.clone(), Value::Integer(3)),
            Edit::Add(e, a.clone(), 5),
            Edit::Assert(e, a, Value::from("only")),
        ],
    );
    assert_eq!(values(&r.snapshot(), e, "x"), [Value::from("only")]);
}

#[test]
fn any_number_of_values_can_be_taken_back_at_once() {
    let (_, r) = fresh();
    let (e, n) = (entity(1), MAX_SUPERSEDES as i64 * 2 + 10);
    let fill = || (0..n).map(|i| Edit::Insert(e, attr("set"), Value::Integer(i)));
    write(&r, 1, 1, fill().collect());
    assert_eq!(r.snapshot().len(), n as u64);
    write(&r, 1, 2, vec![Edit::Retract(e, attr("set"), None)]);
    assert_eq!(r.snapshot().len(), 0);
    write(&r, 1, 3, fill().collect());
    write(
        &r,
        1,
        4,
        vec![Edit::Assert(e, attr("set"), Value::Integer(1))],
    );
    assert_eq!(r.snapshot().len(), 1);
    let list = |k: i64| {
        vec![Edit::SetList(
            e,
            attr("list"),
            (0..k).map(Value::Integer).collect(),
        )]
    };
    write(&r, 1, 5, list(n));
    write(&r, 1, 6, list(3));
    assert_eq!(shown(&r, 1).list.len(), 3);
    assert_eq!(r.snapshot().verify(&mut |_, _| ()).unwrap().findings, []);
}

#[test]
fn an_entity_with_many_leaves_can_be_erased() {
    let (_, r) = fresh();
    let e = entity(1);
    for i in 0..MAX_SUPERSEDES as i64 + 5 {
        r.write(
            &author(1),
            vec![Edit::Insert(e, attr("set"), Value::Integer(i))],
            i,
            nonce(),
            rhizome_storage::Durability::Relaxed,
        )
        .unwrap();
    }
    write(&r, 1, 10_000, vec![Edit::Erase(e)]);
    let report = r.snapshot().verify(&mut |_, _| ()).unwrap();
    assert_eq!((report.findings, report.tuples), (vec![], 0));
    assert_eq!(report.erased, MAX_SUPERSEDES as u64 + 5);
}

#[test]
fn edits_that_cannot_be_are_refused_as_a_whole() {
    let (_, r) = fresh();
    let e = entity(1);
    let good = Edit::Assert(e, attr("name"), Value::Integer(1));
    let bad = [
        Edit::List(e, attr("list"), Value::Integer(1), Some(1)),
        Edit::Assert(e, attr("x"), Value::Float(f64::NAN)),
        Edit::Assert(e, attr("x"), Value::from("x".repeat((1 << 20) + 1))),
        Edit::Create(e, vec![0; 65]),
    ];
    for edit in bad {
        let text = format!("{edit:?}");
        let done = r.write(
            &author(1),
            vec![good.clone(), edit],
            1,
            nonce(),
            rhizome_storage::Durability::Durable,
        );
        assert!(done.is_err(), "{}", &text[..40]);
        assert_eq!(r.snapshot().commit_count(), 0);
    }
    // a transaction may erase an entity or write to it, not both
    let both = vec![Edit::Assert(e, attr("name"), Value::Integer(1))];
    write(&r, 1, 1, both.clone());
    let both = [vec![Edit::Erase(e)], both].concat();
    let done = r.write(
        &author(1),
        both,
        2,
        nonce(),
        rhizome_storage::Durability::Durable,
    );
    assert!(matches!(done, Err(rhizome_replica::ReplicaError::Edit(_))));
}
