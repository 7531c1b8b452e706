//! A mirror says what it is told, beside a plain map; its changes lead from one moment to the next.

use proptest::prelude::*;
use rhizome_replica::{Fact, Mirror, Said, Snapshot, Spoken, key};
use rhizome_tuple::{Attribute, EntityId, Value};
use std::collections::{BTreeMap, BTreeSet};

fn entity(n: u8) -> EntityId {
    EntityId::derive("did:example:mirror", &[n])
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0u8..4).prop_map(|n| Value::Text(format!("text {n}"))),
        (0i64..4).prop_map(Value::Integer),
        (0u8..6).prop_map(|n| Value::Ref(entity(n))),
        any::<bool>().prop_map(Value::Boolean),
    ]
}

fn spoken() -> impl Strategy<Value = Spoken> {
    let values = || prop::collection::vec(value(), 1..5);
    prop_oneof![
        values().prop_map(Spoken::Values),
        values().prop_map(Spoken::List)
    ]
}

fn said() -> impl Strategy<Value = (u8, BTreeMap<u8, Spoken>)> {
    (0u8..6, prop::collection::btree_map(0u8..3, spoken(), 0..3))
}

type Model = BTreeMap<u8, BTreeMap<u8, Spoken>>;

fn attribute(n: u8) -> Attribute {
    Attribute::new(&format!("a/{n}")).unwrap()
}

/// All tuples, and the lists, as one reads them.
fn read(now: &Snapshot) -> BTreeMap<(EntityId, String), (bool, Vec<Value>)> {
    let mut out: BTreeMap<_, (bool, Vec<Value>)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for fact in now.eav().range(0, u128::MAX).map(key::un_eav) {
        seen.insert(fact);
        let id = now.entity_id(fact.e).unwrap();
        let name = now.attribute(fact.a).unwrap().to_owned();
        let value = now.value(fact.v).unwrap();
        out.entry((id, name)).or_default().1.push(value);
    }
    for ((id, name), (is_list, values)) in &mut out {
        let (e, a) = (now.eid(id).unwrap(), now.aid(name).unwrap());
        if let Some(order) = now.list(e, a) {
            let listed: Vec<Value> = order.into_iter().map(|w| now.value(w).unwrap()).collect();
            (*is_list, *values) = (true, listed);
        } else {
            values.sort_by_key(|v| format!("{v:?}"));
        }
    }
    // the other indexes hold the same
    let aev: BTreeSet<Fact> = now.aev().range(0, u128::MAX).map(key::un_aev).collect();
    let ave: BTreeSet<Fact> = now.ave().range(0, u128::MAX).map(key::un_ave).collect();
    assert_eq!((&aev, &ave), (&seen, &seen));
    let refs = seen.iter().filter(|f| f.v.as_eid().is_some()).count();
    assert_eq!(now.vae().len(), refs as u64);
    for (a, _) in now.attributes() {
        let of: Vec<_> = seen.iter().filter(|f| f.a == a).collect();
        let stats = now.attribute_stats(a);
        let entities: BTreeSet<_> = of.iter().map(|f| f.e).collect();
        let values: BTreeSet<_> = of.iter().map(|f| f.v).collect();
        let counted = (stats.tuples, stats.entities, stats.values);
        let expected = (of.len(), entities.len(), values.len());
        let expected = (expected.0 as u64, expected.1 as u64, expected.2 as u64);
        assert_eq!(counted, expected);
    }
    out
}

fn expected(model: &Model) -> BTreeMap<(EntityId, String), (bool, Vec<Value>)> {
    let mut out = BTreeMap::new();
    for (e, attributes) in model {
        for (a, spoken) in attributes {
            let one = match spoken {
                Spoken::List(values) => (true, values.clone()),
                Spoken::Values(values) => {
                    let mut values = values.clone();
                    values.sort_by_key(|v| format!("{v:?}"));
                    values.dedup();
                    (false, values)
                }
            };
            out.insert((entity(*e), attribute(*a).as_str().to_owned()), one);
        }
    }
    out
}

proptest! {
    #[test]
    fn a_mirror_says_what_it_was_told_last(
        rounds in prop::collection::vec(prop::collection::vec(said(), 1..4), 1..12)
    ) {
        let mirror = Mirror::new([7; 32]);
        let mut model = Model::new();
        let mut facts: BTreeSet<Fact> = BTreeSet::new();
        let mut lists: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for round in rounds {
            let round: BTreeMap<u8, BTreeMap<u8, Spoken>> = round.into_iter().collect();
            let told: Vec<Said> = round
                .iter()
                .map(|(e, attributes)| Said {
                    entity: entity(*e),
                    values: attributes
                        .iter()
                        .map(|(a, spoken)| (attribute(*a), spoken.clone()))
                        .collect(),
                })
                .collect();
            let change = mirror.say(&told).unwrap();
            model.extend(round);
            let now = mirror.snapshot();
            prop_assert_eq!(read(&now), expected(&model));
            // what changed leads from what was there to what is
            for fact in &change.removed {
                prop_assert!(facts.remove(fact));
            }
            for fact in &change.added {
                prop_assert!(facts.insert(*fact));
            }
            let all: BTreeSet<Fact> = now.eav().range(0, u128::MAX).map(key::un_eav).collect();
            prop_assert_eq!(&facts, &all);
            let mut orders = BTreeMap::new();
            for f in &all {
                if let Some(order) = now.list(f.e, f.a) {
                    orders.insert((f.e, f.a), order);
                }
            }
            for place in orders.keys().chain(lists.keys()) {
                let same = orders.get(place) == lists.get(place);
                let told = change.lists.contains(place)
                    || change.removed.iter().any(|f| (f.e, f.a) == *place);
                prop_assert!(same || told, "{:?} is in another order, and nobody was told", place);
            }
            lists = orders;
            // nothing new: nothing happens
            prop_assert!(mirror.say(&told).unwrap().is_empty());
        }
    }
}

#[test]
fn listeners_hear_of_what_changes_until_they_do_not() {
    let mirror = Mirror::new([7; 32]);
    let heard = std::sync::Arc::new(std::sync::Mutex::new(0));
    let hears = std::sync::Arc::clone(&heard);
    let (number, before) = mirror.listen(move |change| {
        *hears.lock().unwrap() += change.added.len();
    });
    assert!(before.is_empty());
    let one = |n: i64| Said {
        entity: entity(1),
        values: vec![(attribute(1), Spoken::Values(vec![Value::Integer(n)]))],
    };
    mirror.say(&[one(1)]).unwrap();
    mirror.say(&[one(1)]).unwrap();
    mirror.say(&[one(2)]).unwrap();
    mirror.unlisten(number);
    mirror.say(&[one(3)]).unwrap();
    assert_eq!(*heard.lock().unwrap(), 2);
    // what is gone is not to be found, whatever the dictionary remembers
    mirror
        .say(&[Said {
            entity: entity(1),
            values: Vec::new(),
        }])
        .unwrap();
    let now = mirror.snapshot();
    assert_eq!(
        (
            now.len(),
            now.ave().len(),
            now.attribute_stats(now.aid("a/1").unwrap()).tuples
        ),
        (0, 0, 0)
    );
    assert!(
        now.history(now.eid(&entity(1)).unwrap())
            .unwrap()
            .is_empty()
    );
}
