//! The classifier says of every change what asking all predicates, before and after, says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rhizome_share::{Classifier, Constant, Predicate, Test, Touched, Values};
use rhizome_tuple::{Attribute, EntityId, Value};

type Entity = Vec<(Attribute, Value)>;

fn name(n: usize) -> Attribute {
    Attribute::new(["a", "b", "c"][n % 3]).unwrap()
}

fn id(n: u8) -> EntityId {
    EntityId::derive("did:x", &[n])
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -4i64..4, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()]
}

fn constant() -> impl Strategy<Value = Constant> {
    prop_oneof![
        any::<bool>().prop_map(Constant::Boolean),
        integer().prop_map(Constant::Integer),
        "[a-c]?".prop_map(Constant::Text),
        (0u8..2).prop_map(|n| Constant::Ref(id(n))),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        constant().prop_map(Test::Is),
        integer().prop_map(Test::AtMost),
        integer().prop_map(Test::AtLeast),
    ]
}

/// Of any form, also those that no text has.
fn predicate() -> impl Strategy<Value = Predicate> {
    let condition = (0usize..3, test()).prop_map(|(a, test)| Predicate::Has(name(a), test));
    condition.prop_recursive(4, 24, 4, |inner| {
        let parts = prop_oneof![
            20 => prop::collection::vec(inner, 1..5),
            1 => Just(Vec::new()),
        ];
        (parts, any::<bool>()).prop_map(|(parts, all)| {
            if all {
                Predicate::All(parts)
            } else {
                Predicate::Any(parts)
            }
        })
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => any::<bool>().prop_map(Value::Boolean),
        4 => integer().prop_map(Value::Integer),
        1 => integer().prop_map(Value::Time),
        1 => (-2i8..2).prop_map(|n| Value::Float(n.into())),
        1 => "[a-c]?".prop_map(Value::Text),
        1 => (0u8..2).prop_map(|n| Value::Ref(id(n))),
    ]
}

fn entity() -> impl Strategy<Value = Entity> {
    let pair = (0usize..3, value()).prop_map(|(a, value)| (name(a), value));
    prop::collection::vec(pair, 0..6)
}

/// Before and after; often much of it stays.
fn change() -> impl Strategy<Value = (Entity, Entity)> {
    (entity(), entity(), any::<[bool; 6]>(), any::<bool>()).prop_map(|(before, new, keep, some)| {
        let kept = before.iter().zip(keep).filter(|(_, keep)| *keep && some);
        let kept = kept.map(|(pair, _)| pair.clone());
        let after = kept.chain(new).collect();
        (before, after)
    })
}

fn values(entity: &Entity) -> Values<'_> {
    entity.iter().map(|(a, v)| (a, v)).collect()
}

/// Asks all.
fn asked(all: &BTreeMap<u8, Predicate>, before: &Entity, after: &Entity) -> Vec<Touched<u8>> {
    let holds = |predicate: &Predicate, entity: &Entity| {
        predicate.holds(&|a: &Attribute| {
            let pairs = entity.iter().filter(move |(b, _)| a == b);
            pairs.map(|(_, v)| v).collect::<Vec<_>>()
        })
    };
    let all = all.iter().map(|(share, predicate)| Touched {
        share: *share,
        was: holds(predicate, before),
        is: holds(predicate, after),
    });
    all.filter(|touched| touched.was || touched.is).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, Predicate),
    Remove(u8),
    Change(Entity, Entity),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..20, predicate()).prop_map(|(share, p)| Step::Insert(share, p)),
        1 => (0u8..20).prop_map(Step::Remove),
        4 => change().prop_map(|(before, after)| Step::Change(before, after)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_says_what_asking_all_of_them_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut classifier = Classifier::default();
        let mut all = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert(share, predicate) => {
                    let before = classifier.insert(share, predicate.clone());
                    prop_assert_eq!(before, all.insert(share, predicate));
                }
                Step::Remove(share) => {
                    prop_assert_eq!(classifier.remove(&share), all.remove(&share));
                }
                Step::Change(before, after) => prop_assert_eq!(
                    classifier.affected(&values(&before), &values(&after)),
                    asked(&all, &before, &after)
                ),
            }
            prop_assert_eq!(classifier.len(), all.len());
        }
    }
}

fn told(
    texts: &[&str],
    before: &[(&str, Value)],
    after: &[(&str, Value)],
) -> Vec<(usize, bool, bool)> {
    let mut classifier = Classifier::default();
    for (n, text) in texts.iter().enumerate() {
        classifier.insert(n, text.parse().unwrap());
    }
    let entity = |pairs: &[(&str, Value)]| -> Entity {
        let pairs = pairs.iter();
        pairs
            .map(|(a, v)| (Attribute::new(a).unwrap(), v.clone()))
            .collect()
    };
    let told = classifier.affected(&values(&entity(before)), &values(&entity(after)));
    told.into_iter().map(|t| (t.share, t.was, t.is)).collect()
}

#[test]
fn the_last_condition_of_several_lets_an_entity_in_and_the_first_that_goes_lets_it_out() {
    let shares = ["a: 1 && b: 2", "a: 1", "b: 2 && c: 3"];
    let (a, b) = (("a", Value::Integer(1)), ("b", Value::Integer(2)));
    let (one, other, both) = ([a.clone()], [b.clone()], [a, b]);
    assert_eq!(
        told(&shares, &one, &both),
        [(0, false, true), (1, true, true)]
    );
    assert_eq!(
        told(&shares, &other, &both),
        [(0, false, true), (1, false, true)]
    );
    assert_eq!(
        told(&shares, &both, &one),
        [(0, true, false), (1, true, true)]
    );
    assert_eq!(
        told(&shares, &both, &other),
        [(0, true, false), (1, true, false)]
    );
}

#[test]
fn two_values_may_pass_a_range_that_none_of_them_is_in() {
    let shares = ["n >= 3 && n <= 5", "n >= 5 && n <= 3"];
    let values = |these: &[i64]| -> Vec<(&str, Value)> {
        these.iter().map(|n| ("n", Value::Integer(*n))).collect()
    };
    assert_eq!(told(&shares, &values(&[2]), &values(&[6])), []);
    assert_eq!(
        told(&shares, &values(&[4]), &values(&[])),
        [(0, true, false)]
    );
    let both = [(0, false, true), (1, false, true)];
    assert_eq!(told(&shares, &values(&[2]), &values(&[2, 6])), both);
}
