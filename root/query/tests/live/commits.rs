//! Random commits over the schema of the random queries.

use super::world::{Pod, attribute};
use crate::generate::Random;
use crate::generate::data::{ATTRIBUTES, Cell, Type, cell, entity};
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_tuple::{Attribute, EntityId, Value};

/// Texts that only commits bring: queries compute some of them before the pod knows them.
const LATE: &[&str] = &["A", "AB", "ABCDEF", "aab", "ba", "late", "1000"];

fn value(random: &mut Random, of: Type, entities: usize) -> Value {
    if of == Type::Text && random.chance(15) {
        return Value::from(*random.pick(LATE));
    }
    match (of, random.below(20)) {
        (Type::Integer, 0) => Value::Float(1000.5 + random.below(4) as f64 / 10.0),
        (Type::Integer, 1) => Value::Time(1000 + random.below(4) as i64),
        (Type::Integer, 2) => Value::Integer(random.below(7) as i64 - 3),
        _ => cell(random, of, entities).value(),
    }
}

/// A tuple as an edit names it.
pub type Tuple = (EntityId, Attribute, Value);

/// Some current tuple.
pub fn present(random: &mut Random, now: &Snapshot) -> Option<Tuple> {
    let nth = random.below(now.len() as usize);
    let fact = key::un_eav(now.eav().range(0, u128::MAX).nth(nth)?);
    let name = now.attribute(fact.a)?;
    Some((now.entity_id(fact.e)?, attribute(name), now.value(fact.v)?))
}

/// One random edit. What is taken away tends to come back: `gone` are tuples that were.
pub fn edit(random: &mut Random, entities: usize, now: &Snapshot, gone: &mut Vec<Tuple>) -> Edit {
    let roll = random.below(100);
    if roll < 35
        && let Some((e, a, v)) = present(random, now)
    {
        gone.push((e, a.clone(), v.clone()));
        return Edit::Retract(e, a, Some(v));
    }
    if (35..70).contains(&roll) && !gone.is_empty() {
        let (e, a, v) = gone.swap_remove(random.below(gone.len()));
        return Edit::Insert(e, a, v);
    }
    let e = entity(1 + random.below(entities + 1));
    let (name, of, one) = *random.pick(ATTRIBUTES);
    let a = attribute(name);
    let v = value(random, of, entities);
    match random.below(20) {
        0 => Edit::Retract(e, a, None),
        1 if of == Type::Integer => Edit::Add(e, attribute("n/votes"), random.below(5) as i64 - 2),
        2 => {
            let target = entity(1 + random.below(entities));
            Edit::List(e, attribute("e/list"), Value::Ref(target), None)
        }
        _ if one || random.chance(30) => Edit::Assert(e, a, v),
        _ => Edit::Insert(e, a, v),
    }
}

/// Facts to begin with.
pub fn first(facts: &[(usize, &'static str, Cell)]) -> Vec<Edit> {
    let all = facts.iter();
    all.map(|(e, a, v)| Edit::Insert(entity(*e), attribute(a), v.value()))
        .collect()
}

/// Makes one random edit among so many entities, given the pod and what was taken away before.
pub type MakeEdit = fn(&mut Random, usize, &Snapshot, &mut Vec<Tuple>) -> Edit;

/// Commits something here, or on another replica of the pod whose commits then arrive, old ones among them, so that both have
/// answered the same state differently.
pub fn commit(
    random: &mut Random,
    pod: &mut Pod,
    other: &mut Pod,
    entities: usize,
    gone: &mut Vec<Tuple>,
    edit: MakeEdit,
) {
    let now = pod.replica.snapshot();
    let mut edits = |random: &mut Random| -> Vec<Edit> {
        let most = if random.chance(10) { 12 } else { 3 };
        let n = 1 + random.below(most);
        let one = |_| edit(random, entities, &now, gone);
        (0..n).map(one).collect()
    };
    match random.below(100) {
        0..75 => pod.write(1 + random.below(2) as u8, edits(random)),
        75..85 => other.write(3 + random.below(2) as u8, edits(random)),
        85..95 => {
            other.write(3, edits(random));
            pod.replica
                .receive(other.records())
                .expect("commits are taken");
        }
        95..98 => {
            other
                .replica
                .receive(pod.records())
                .expect("commits are taken");
        }
        98 => pod.write(1, vec![Edit::Erase(entity(1 + random.below(entities)))]),
        _ => {}
    }
}
