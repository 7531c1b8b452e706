//! The pod that is written to.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Edit, Epochs, Replica};
use rhizome_storage::MemoryKv;
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};

const POD: &str = "did:key:z6MkLatency";

/// Splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n.max(1)
    }

    /// One of `0..n`; a few are much more popular than the rest.
    fn skewed(&mut self, n: u64) -> u64 {
        self.below(n) * self.below(n) / n.max(1)
    }
}

pub fn entity(number: u64) -> EntityId {
    EntityId::derive(POD, &number.to_be_bytes())
}

/// Tuples by number of their entity, and what the commits need to know of them.
pub struct Data {
    tuples: Vec<(u64, &'static str, Value)>,
    pub people: Vec<u64>,
    pub follows: BTreeSet<(u64, u64)>,
    pub posts: Vec<u64>,
    pub next: u64,
}

impl Data {
    fn new() -> Self {
        Self {
            tuples: Vec::new(),
            people: Vec::new(),
            follows: BTreeSet::new(),
            posts: Vec::new(),
            next: 0,
        }
    }

    fn put(&mut self, e: u64, a: &'static str, v: Value) {
        match (a, &v) {
            ("age", _) => self.people.push(e),
            ("tag", _) if self.posts.last() != Some(&e) => self.posts.push(e),
            _ => {}
        }
        self.next = self.next.max(e + 1);
        self.tuples.push((e, a, v));
    }

    fn follow(&mut self, e: u64, target: u64) {
        if self.follows.insert((e, target)) {
            self.put(e, "follows", Value::Ref(entity(target)));
        }
    }

    /// People with ten followed each, three posts a person with seven words, and likes for the rest.
    pub fn made(n: usize) -> Self {
        let mut out = Self::new();
        let mut random = Random(1);
        let people = (n as u64 / 50).max(8);
        for e in 0..people {
            out.put(e, "type", Value::from("person"));
            out.put(
                e,
                "name",
                Value::from(format!("Person {}", random.below(2000))),
            );
            out.put(e, "age", Value::Integer(14 + random.below(80) as i64));
            for _ in 0..10.min(people - 1) {
                let other = random.skewed(people);
                if other != e {
                    out.follow(e, other);
                }
            }
        }
        for e in people..people * 4 {
            out.put(e, "type", Value::from("post"));
            out.put(e, "author", Value::Ref(entity(random.below(people))));
            let words: Vec<String> = (0..7)
                .map(|_| format!("word{}", random.below(500)))
                .collect();
            out.put(e, "text", Value::from(words.join(" ")));
            let time = 1_600_000_000_000 + random.below(100_000_000_000) as i64;
            out.put(e, "created", Value::Time(time));
            out.put(e, "tag", Value::from(format!("tag-{}", random.skewed(500))));
        }
        let mut liked = BTreeSet::new();
        while out.tuples.len() < n {
            let like = (random.below(people), people + random.skewed(people * 3));
            if liked.insert(like) {
                out.put(like.0, "likes", Value::Ref(entity(like.1)));
            }
        }
        out
    }

    /// A file of `gen_tuples.py`.
    pub fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let text = std::fs::read_to_string(path)?;
        let mut names: BTreeMap<&str, &'static str> = BTreeMap::new();
        let mut out = Self::new();
        for line in text.lines() {
            let mut fields = line.split('\t');
            let mut field = || fields.next().ok_or("a line of four fields");
            let (e, a, kind, v) = (field()?, field()?, field()?, field()?);
            // some ten names, for as long as the program runs
            let name = *names.entry(a).or_insert_with(|| String::leak(a.to_owned()));
            let e = e.parse()?;
            match kind {
                "r" if a == "follows" => out.follow(e, v.parse()?),
                "r" => out.put(e, name, Value::Ref(entity(v.parse()?))),
                "i" => out.put(e, name, Value::Integer(v.parse()?)),
                "t" => out.put(e, name, Value::Time(v.parse()?)),
                "b" => out.put(e, name, Value::Boolean(v == "true")),
                _ => out.put(e, name, Value::from(v)),
            }
        }
        Ok(out)
    }

    /// So many people, the same each time.
    pub fn subscribers(&self, n: usize) -> Vec<u64> {
        let mut random = Random(7);
        let mut out = BTreeSet::new();
        while out.len() < n.min(self.people.len()) {
            out.insert(self.people[random.below(self.people.len() as u64) as usize]);
        }
        out.into_iter().collect()
    }
}

pub fn edit(e: u64, a: &str, v: Value) -> Result<Edit, Box<dyn Error>> {
    Ok(Edit::Insert(entity(e), Attribute::new(a)?, v))
}

/// A replica in memory with all tuples, and who writes to it.
pub fn load(data: &Data) -> Result<(Replica, Author), Box<dyn Error>> {
    let author = Author {
        key: SigningKey::from_seed([1; 32]),
    };
    let authors = BTreeMap::from([(author.key.public(), "latency".to_owned())]);
    let epochs = Epochs::new(vec![EpochSecret::new(&[9; 32])]);
    let replica = Replica::create(Arc::new(MemoryKv::new()), POD, [3; 32], epochs, authors)?;
    let mut salt = Random(99);
    let mut random = |bytes: &mut [u8]| bytes.fill_with(|| salt.below(256) as u8);
    for chunk in data.tuples.chunks(100_000) {
        let edits = chunk
            .iter()
            .map(|(e, a, v)| edit(*e, a, v.clone()))
            .collect::<Result<_, _>>()?;
        replica.import(&author, edits, 1_699_000_000_000, &mut random)?;
    }
    replica.checkpoint()?;
    Ok((replica, author))
}
