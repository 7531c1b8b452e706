//! Random histories of imports and edits, against an oracle written from the table in `docs/import.md`: it keeps whole
//! values where the frame keeps fingerprints, and knows nothing of segments, batches or commits.

use crate::pods::{CREATOR, Place, attribute, now, pod};
use proptest::prelude::*;
use rhizome_import::{
    Cancel, Fact, Identity, Import, ImportError, Importer, MemoryPod, Options, Recognition, Record,
    Sink, Source,
};
use rhizome_replica::Edit;
use rhizome_tuple::{EntityId, Value};
use std::collections::BTreeSet;

const RECORDS: usize = 3;

/// What an export says of one record.
#[allow(clippy::option_option)] // not mentioned, said to be empty, a value: three things
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    /// Absent from the export; empty; a value.
    one: Option<Option<u8>>,
    members: Option<(BTreeSet<u8>, bool)>,
    list: Option<Vec<u8>>,
    total: Option<i8>,
}

type Export = [Option<Said>; RECORDS];

#[derive(Clone, Debug)]
enum Step {
    Import(Export),
    /// Register of a record: set or taken back.
    One(usize, Option<u8>),
    Member(usize, u8, bool),
    List(usize, Vec<u8>),
    Count(usize, i8),
    Delete(usize),
}

fn said() -> impl Strategy<Value = Said> {
    let values = 0..4_u8;
    (
        prop::option::weighted(0.9, prop::option::weighted(0.8, values.clone())),
        prop::option::weighted(
            0.8,
            (prop::collection::btree_set(0..4_u8, 0..4), any::<bool>()),
        ),
        prop::option::weighted(0.8, prop::collection::vec(0..3_u8, 0..3)),
        prop::option::weighted(0.5, 0..4_i8),
    )
        .prop_map(|(one, members, list, total)| Said {
            one,
            members,
            list,
            total,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let record = 0..RECORDS;
    prop_oneof![
        4 => prop::array::uniform3(prop::option::weighted(0.85, said())).prop_map(Step::Import),
        3 => (record.clone(), prop::option::weighted(0.8, 0..4_u8)).prop_map(|(n, v)| Step::One(n, v)),
        3 => (record.clone(), 0..4_u8, any::<bool>()).prop_map(|(n, v, insert)| Step::Member(n, v, insert)),
        2 => (record.clone(), prop::collection::vec(0..3_u8, 0..3)).prop_map(|(n, v)| Step::List(n, v)),
        1 => (record.clone(), 1..3_i8).prop_map(|(n, v)| Step::Count(n, v)),
        1 => record.prop_map(Step::Delete),
    ]
}

/// The state of one record as a person sees it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    one: Option<u8>,
    members: BTreeSet<u8>,
    list: Vec<u8>,
    total: Option<i64>,
}

impl Shown {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Default)]
struct Oracle {
    shown: [Shown; RECORDS],
    /// The last thing any import said of each attribute of a record; `None` if none mentioned the record.
    base: [Option<Said>; RECORDS],
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    added: u64,
    changed: u64,
    unchanged: u64,
    deleted: u64,
    conflicts: u64,
}

impl Oracle {
    fn import(&mut self, export: &Export) -> Tally {
        let mut tally = Tally::default();
        for (n, new) in export.iter().enumerate() {
            let Some(new) = new else { continue };
            let (shown, known) = (&mut self.shown[n], self.base[n].is_some());
            if known && shown.is_nothing() {
                tally.deleted += 1;
                continue;
            }
            let alive = !shown.is_nothing();
            let base = self.base[n].get_or_insert_default();
            let mut changed = false;
            if let Some(value) = new.one {
                if shown.one != value {
                    let (here_changed, there_changed) = match base.one {
                        Some(base) => (shown.one != base, value != base),
                        // Never spoken of: what is here was made here.
                        None => (shown.one.is_some(), value.is_some()),
                    };
                    match (here_changed, there_changed) {
                        (false, true) => (shown.one, changed) = (value, true),
                        (true, true) => tally.conflicts += 1,
                        (_, false) => {}
                    }
                }
                base.one = Some(value);
            }
            if let Some((members, whole)) = &new.members {
                let before = base
                    .members
                    .take()
                    .map(|(members, _)| members)
                    .unwrap_or_default();
                for member in members.difference(&before) {
                    changed |= shown.members.insert(*member);
                }
                if *whole {
                    for member in before.difference(members) {
                        changed |= shown.members.remove(member);
                    }
                    base.members = Some((members.clone(), true));
                } else {
                    base.members = Some((members.union(&before).copied().collect(), true));
                }
            }
            if let Some(list) = &new.list {
                if shown.list != *list {
                    match &base.list {
                        Some(base) if base == list => {}
                        Some(base) if *base == shown.list => {
                            (shown.list, changed) = (list.clone(), true);
                        }
                        None if shown.list.is_empty() => {
                            (shown.list, changed) = (list.clone(), true);
                        }
                        _ => tally.conflicts += 1,
                    }
                }
                base.list = Some(list.clone());
            }
            if let Some(total) = new.total {
                let counted = match base.total {
                    Some(base) => i64::from(base),
                    None => shown.total.unwrap_or(0),
                };
                let added = i64::from(total) - counted;
                if added != 0 || (shown.total.is_none() && base.total.is_none()) {
                    shown.total = Some(shown.total.unwrap_or(0) + added);
                    changed = true;
                }
                base.total = Some(total);
            }
            match (alive, changed) {
                (false, _) => tally.added += 1,
                (true, true) => tally.changed += 1,
                (true, false) => tally.unchanged += 1,
            }
        }
        tally
    }
}

fn value(n: u8) -> Value {
    Value::from(format!("v{n}"))
}

fn number(value: &Value) -> u8 {
    match value {
        Value::Text(text) => text[1..].parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// An importer whose export is given.
struct Given(Export);

impl Importer for Given {
    fn name(&self) -> &'static str {
        "given"
    }

    fn recognise(&self, _: &Source) -> Result<Option<Recognition>, ImportError> {
        Ok(None)
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        for entry in source.entries() {
            sink.used(&entry.path);
        }
        for (n, said) in self.0.iter().enumerate() {
            let Some(said) = said else { continue };
            let mut facts = Vec::new();
            match said.one {
                Some(Some(one)) => facts.push(Fact::One {
                    attribute: attribute("t/one"),
                    value: value(one),
                }),
                Some(None) => facts.push(Fact::Empty {
                    attribute: attribute("t/one"),
                }),
                None => {}
            }
            if let Some((members, whole)) = &said.members {
                let values = members.iter().copied().map(value).collect();
                facts.push(Fact::Members {
                    attribute: attribute("t/set"),
                    values,
                    whole: *whole,
                });
            }
            if let Some(list) = &said.list {
                facts.push(Fact::Elements {
                    attribute: attribute("t/list"),
                    values: list.iter().copied().map(value).collect(),
                });
            }
            if let Some(total) = said.total {
                facts.push(Fact::Total {
                    attribute: attribute("t/sum"),
                    total: i64::from(total),
                });
            }
            sink.record(Record {
                kind: "t".into(),
                identity: Identity::Key(n.to_string()),
                facts,
                created: None,
                audience: None,
                provenance: n != 0,
            })?;
        }
        Ok(())
    }
}

fn shown(pod: &MemoryPod, entity: &EntityId) -> Shown {
    let numbers = |name: &str| {
        pod.values(entity, name)
            .iter()
            .map(number)
            .collect::<Vec<_>>()
    };
    let total = match pod.values(entity, "t/sum") {
        [] => None,
        [Value::Integer(sum)] => Some(*sum),
        other => panic!("{other:?}"),
    };
    Shown {
        one: numbers("t/one").first().copied(),
        members: numbers("t/set").into_iter().collect(),
        list: numbers("t/list"),
        total,
    }
}

fn check(steps: &[Step]) {
    let place = Place::new();
    let source = place.source("given", &[("x".to_owned(), b"x".to_vec())]);
    let mut pod = pod();
    let mut oracle = Oracle::default();
    let keys = rhizome_import::Keys::new(CREATOR, "given");
    let entities: Vec<EntityId> = (0..RECORDS).map(|n| keys.entity(&n.to_string())).collect();
    for (at, step) in steps.iter().enumerate() {
        let mut edit = |edit: Edit| pod.apply(edit);
        match step {
            Step::One(n, one) => {
                oracle.shown[*n].one = *one;
                edit(match one {
                    Some(one) => Edit::Assert(entities[*n], attribute("t/one"), value(*one)),
                    None => Edit::Retract(entities[*n], attribute("t/one"), None),
                });
            }
            Step::Member(n, member, true) => {
                oracle.shown[*n].members.insert(*member);
                edit(Edit::Insert(
                    entities[*n],
                    attribute("t/set"),
                    value(*member),
                ));
            }
            Step::Member(n, member, false) => {
                oracle.shown[*n].members.remove(member);
                edit(Edit::Retract(
                    entities[*n],
                    attribute("t/set"),
                    Some(value(*member)),
                ));
            }
            Step::List(n, list) => {
                oracle.shown[*n].list.clone_from(list);
                edit(Edit::SetList(
                    entities[*n],
                    attribute("t/list"),
                    list.iter().copied().map(value).collect(),
                ));
            }
            Step::Count(n, by) => {
                *oracle.shown[*n].total.get_or_insert(0) += i64::from(*by);
                edit(Edit::Add(entities[*n], attribute("t/sum"), i64::from(*by)));
            }
            Step::Delete(n) => {
                oracle.shown[*n] = Shown::default();
                edit(Edit::Erase(entities[*n]));
            }
            Step::Import(export) => {
                let recognition = Recognition {
                    importer: "given",
                    confidence: 1.0,
                    why: String::new(),
                    source: "given".into(),
                    account: None,
                };
                let importer = Given(export.clone());
                let import = Import {
                    source: &source,
                    importer: &importer,
                    recognition,
                    pod: &mut pod,
                    blobs: &place.blobs,
                    options: Options::new(now),
                };
                let report = import.run(&mut |_| {}, &Cancel::new()).unwrap();
                let tally = Tally {
                    added: report.added,
                    changed: report.changed,
                    unchanged: report.unchanged,
                    deleted: report.totals.deleted,
                    conflicts: report.totals.conflicts,
                };
                assert_eq!(
                    tally,
                    oracle.import(export),
                    "counts of step {at} of {steps:?}"
                );
                let again = Import {
                    source: &source,
                    importer: &importer,
                    recognition: report.recognised.unwrap(),
                    pod: &mut pod,
                    blobs: &place.blobs,
                    options: Options::new(now),
                };
                let again = again.run(&mut |_| {}, &Cancel::new()).unwrap();
                assert_eq!(
                    (again.added, again.changed, again.totals.conflicts),
                    (0, 0, 0),
                    "the same again, step {at} of {steps:?}"
                );
            }
        }
        for (n, entity) in entities.iter().enumerate() {
            assert_eq!(
                shown(&pod, entity),
                oracle.shown[n],
                "record {n} after step {at} of {steps:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn imports_and_edits_agree_with_the_oracle(steps in prop::collection::vec(step(), 1..12)) {
        check(&steps);
    }
}
