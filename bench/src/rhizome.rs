//! This engine: the durable store in a fresh directory, filled as an import fills it, opened again, asked through prepared queries.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rhizome_ipld::SigningKey;
use rhizome_query::{EntityIds, Input, Prepared, Rows};
use rhizome_replica::{Author, Edit, Epochs, Replica, Snapshot, tag};
use rhizome_storage::{Kv, RedbKv};
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value as Datum};
use rustc_hash::FxHashMap;

use crate::clock;
use crate::error::{Error, Result};
use crate::generate::Random;
use crate::live::Latency;
use crate::load::{Load, directory_bytes};
use crate::params::Param;
use crate::queries::{Cell, Query, Store};
use crate::rhizome_live;
use crate::tuples::{Tuples, Value};

pub const NAME: &str = "rhizome";
const POD: &str = "did:key:z6MkBenchmark";
/// Attributes with several values an entity: sets. All others are registers.
const SETS: [&str; 3] = ["follows", "likes", "tag"];
/// Tuples that one transaction of the import brings.
pub const TRANSACTION: usize = 100_000;
pub const NOW_MS: i64 = 1_700_000_000_000;

struct Rhizome {
    replica: Replica,
    prepared: FxHashMap<Query, Prepared>,
    inputs: FxHashMap<Param, Vec<Input>>,
    ids: FxHashMap<u32, EntityId>,
    numbers: FxHashMap<EntityId, u32>,
}

pub fn fault(error: impl std::fmt::Display) -> Error {
    Error::engine(NAME)(&error)
}

fn author() -> Author {
    Author {
        key: SigningKey::from_seed([1; 32]),
    }
}

/// The entity of a number in the data.
pub fn entity(number: u32) -> EntityId {
    EntityId::derive(POD, &number.to_be_bytes())
}

/// Whether an attribute has several values an entity.
pub fn is_set(attribute: &str) -> bool {
    SETS.contains(&attribute)
}

/// A value of the data as the store takes it.
pub fn datum(value: Value) -> Datum {
    match value {
        Value::Text(text) => Datum::Text(text.into()),
        Value::Integer(i) => Datum::Integer(i),
        Value::Time(ms) => Datum::Time(ms),
        Value::Boolean(b) => Datum::Boolean(b),
        Value::Reference(other) => Datum::Ref(entity(other)),
    }
}

fn open(directory: &Path, create: bool) -> Result<Replica> {
    let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(directory.join("pod.redb")).map_err(fault)?);
    let authors = BTreeMap::from([(author().key.public(), "bench".to_owned())]);
    let epochs = Epochs::new(vec![EpochSecret::new(&[2; 32])]);
    if create {
        Replica::create(kv, POD, [3; 32], epochs, authors).map_err(fault)
    } else {
        Replica::open(kv, epochs, authors).map_err(fault)
    }
}

pub fn load(tuples: &Tuples, directory: &Path) -> Result<(Box<dyn Store>, Load)> {
    let started = clock::process();
    let replica = open(directory, true)?;
    let author = author();
    let mut random = Random::new(1);
    let mut fill = |buffer: &mut [u8]| {
        for byte in buffer {
            *byte = random.draw() as u8;
        }
    };
    let attributes = tuples
        .attributes
        .iter()
        .map(|name| Attribute::new(name))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(fault)?;
    let sets: Vec<bool> = tuples.attributes.iter().map(|name| is_set(name)).collect();
    let mut known: FxHashMap<u32, EntityId> = FxHashMap::default();
    let mut entity = |number: u32| *known.entry(number).or_insert_with(|| entity(number));
    let mut created = rustc_hash::FxHashSet::default();
    for part in tuples.rows.chunks(TRANSACTION) {
        let mut edits = Vec::with_capacity(part.len() + part.len() / 4);
        for tuple in part {
            let e = entity(tuple.entity);
            if created.insert(tuple.entity) {
                edits.push(Edit::Create(e, tuple.entity.to_be_bytes().to_vec()));
            }
            let attribute = attributes[tuple.attribute as usize].clone();
            let value = match tuple.value {
                Value::Reference(other) => Datum::Ref(entity(other)),
                other => datum(other),
            };
            edits.push(if sets[tuple.attribute as usize] {
                Edit::Insert(e, attribute, value)
            } else {
                Edit::Assert(e, attribute, value)
            });
        }
        replica
            .import(&author, edits, NOW_MS, &mut fill)
            .map_err(fault)?;
    }
    // as a pod does after a large import
    replica.compact().map_err(fault)?;
    let cpu_s = (clock::process() - started) / 1e6;
    drop(replica);
    let bytes = directory_bytes(directory)?;
    let replica = open(directory, false)?;
    let load = Load {
        tuples: tuples.rows.len(),
        cpu_s,
        disk_bytes: Some(bytes),
        memory_bytes: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok((Box::new(Rhizome::new(replica, known)?), load))
}

/// The query in Datalog.
pub fn datalog(query: Query) -> &'static str {
    match query {
        Query::Entity => "[:find ?a ?v :in ?e :where [?e ?a ?v]]",
        Query::Value => "[:find ?e :in ?n :where [?e :name ?n]]",
        Query::Album => "[:find ?e :in ?n :where [?e :photo-album ?n] [?e :is-photo true]]",
        Query::PostsByName => "[:find ?p :in ?n :where [?a :name ?n] [?p :author ?a]]",
        Query::FoafPosts => {
            "[:find ?a ?b ?p :in ?n :where [?a :name ?n] [?a :follows ?b] [?p :author ?b]]"
        }
        Query::Feed => {
            "[:find ?p ?t :in ?me :where [?me :follows ?b] [?p :author ?b] [?p :created ?t]]"
        }
        Query::ReplyChain => {
            "[:find ?c :in ?me :where [?p :author ?me] [?p :type \"post\"] [?c :on ?p] [?c :author ?x] [?x :name ?n]]"
        }
        Query::Triangle => {
            "[:find ?b ?c :in ?me :where [?me :follows ?b] [?b :follows ?c] [?c :follows ?me]]"
        }
        Query::FeedTop20 => {
            "[:find ?p ?t :in ?me :where [?me :follows ?b] [?p :author ?b] [?p :type \"post\"] [?p :created ?t] \
              :order [[?t :desc] [?p :desc]] :limit 20]"
        }
        Query::TagCity => {
            "[:find ?p :in ?t ?c :where [?p :tag ?t] [?p :author ?a] [?a :city ?c] [?a :name ?n]]"
        }
        Query::Descendants => {
            "[:find ?x :in ?f :where (under ?x ?f) \
              :rules [[(under ?x ?f) [?x :parent ?f]] [(under ?x ?f) [?y :parent ?f] (under ?x ?y)]]]"
        }
        Query::Reach => {
            "[:find ?x :in ?me :where (reaches ?me ?x) \
              :rules [[(reaches ?a ?b) [?a :follows ?b]] [(reaches ?a ?b) [?a :follows ?c] (reaches ?c ?b)]]]"
        }
        Query::TagCounts => "[:find ?t (count ?e) :where [?e :tag ?t]]",
        Query::Latest20 => {
            "[:find ?e ?t :where [?e :created ?t] [?e :type \"post\"] :order [[?t :desc] [?e :desc]] :limit 20]"
        }
    }
}

impl Rhizome {
    fn new(replica: Replica, ids: FxHashMap<u32, EntityId>) -> Result<Self> {
        let mut prepared = FxHashMap::default();
        for query in Query::ALL {
            prepared.insert(query, Prepared::new(datalog(query)).map_err(fault)?);
        }
        let numbers = ids.iter().map(|(number, id)| (*id, *number)).collect();
        Ok(Self {
            replica,
            prepared,
            inputs: FxHashMap::default(),
            ids,
            numbers,
        })
    }

    /// The inputs of a call. Those of each parameter are made once: the first call of each is not timed.
    fn inputs(&mut self, param: &Param) -> Vec<Input> {
        if let Some(inputs) = self.inputs.get(param) {
            return inputs.clone();
        }
        let inputs = match param {
            Param::Entity(number) => self
                .ids
                .get(number)
                .map(|id| Input::from(*id))
                .into_iter()
                .collect(),
            Param::Text(text) => vec![Input::from(text.as_str())],
            Param::Pair(one, other) => vec![Input::from(one.as_str()), Input::from(other.as_str())],
            Param::Nothing(()) => Vec::new(),
        };
        self.inputs.insert(param.clone(), inputs.clone());
        inputs
    }
}

/// Hands out the row from column `next` on: entities by their ids, numbers as numbers, text where it lies.
fn hand_out(
    snapshot: &Snapshot,
    rows: &Rows,
    ids: &mut EntityIds<'_>,
    at: usize,
    next: usize,
    mut cells: [Cell<'_>; 3],
    row: &mut dyn FnMut(&[Cell<'_>]),
) -> Result<()> {
    let lost = || fault("a cell of the result cannot be read");
    let words = rows.words(at);
    let Some(word) = words.get(next) else {
        row(&cells[..next]);
        return Ok(());
    };
    match word.tag {
        tag::REF => {
            let id = ids.get(at, next).ok_or_else(lost)?;
            cells[next] = Cell::Entity(*id.as_bytes());
        }
        tag::INTEGER | tag::TIME => cells[next] = Cell::Number(word.as_i64()),
        tag::TEXT => {
            return snapshot
                .text_with(*word, |text| {
                    let mut cells = cells;
                    cells[next] = Cell::Text(text);
                    hand_out(snapshot, rows, ids, at, next + 1, cells, row)
                })
                .ok_or_else(lost)?;
        }
        // An attribute's name, or a count.
        _ => match rows.value(at, next) {
            Some(Datum::Text(name)) => {
                let mut cells = cells;
                cells[next] = Cell::Text(&name);
                return hand_out(snapshot, rows, ids, at, next + 1, cells, row);
            }
            Some(Datum::Integer(n)) => cells[next] = Cell::Number(n),
            _ => return Err(lost()),
        },
    }
    hand_out(snapshot, rows, ids, at, next + 1, cells, row)
}

impl Store for Rhizome {
    fn run(&mut self, query: Query, param: &Param, row: &mut dyn FnMut(&[Cell<'_>])) -> Result<()> {
        let inputs = self.inputs(param);
        let prepared = self
            .prepared
            .get(&query)
            .ok_or_else(|| fault("a query is missing"))?;
        let snapshot = self.replica.snapshot();
        let rows = prepared.run(&snapshot, &inputs).map_err(fault)?;
        let mut ids = rows.entity_ids();
        for at in 0..rows.len() {
            hand_out(&snapshot, &rows, &mut ids, at, 0, [Cell::Number(0); 3], row)?;
        }
        Ok(())
    }

    fn number(&self, entity: [u8; 24]) -> Option<u32> {
        self.numbers.get(&EntityId::from_bytes(entity)).copied()
    }

    fn live(&mut self, tuples: &Tuples, subscribers: usize, commits: usize) -> Result<Latency> {
        rhizome_live::measure(&self.replica, &author(), tuples, subscribers, commits)
    }
}
