//! Loads a file of tuples (`entity TAB attribute TAB type TAB value`) into a pod on disk and prints what it cost.
//!
//! `cargo run --release -p rhizome-replica --example load -- tuples.tsv pod.redb`

use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Edit, Epochs, Replica};
use rhizome_storage::{Kv, RedbKv};
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};
use std::{collections::HashMap, error::Error, sync::Arc, time::Instant};

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|x| x.parse().ok())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, tsv, db] = &args[..] else {
        return Err("usage: load tuples.tsv pod.redb".into());
    };
    let text = std::fs::read_to_string(tsv)?;
    let kv: Arc<dyn Kv> = Arc::new(RedbKv::open(db)?);
    let author = Author {
        key: SigningKey::from_seed([1; 32]),
    };
    let authors = [(author.key.public(), "load".to_owned())];
    let authors: std::collections::BTreeMap<_, _> = authors.into();
    let replica = Replica::create(
        kv.clone(),
        "did:key:z6MkLoad",
        [7; 32],
        Epochs::new(vec![EpochSecret::new(&[5; 32])]),
        authors,
    )?;
    let (c0, w0) = (cpu(), Instant::now());
    let mut names: HashMap<&str, Attribute> = HashMap::new();
    let mut edits = Vec::new();
    let mut seed = 0u64;
    let mut total = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut f = line.split('\t');
        let (Some(e), Some(a), Some(t), Some(v)) = (f.next(), f.next(), f.next(), f.next()) else {
            continue;
        };
        let id = |s: &str| EntityId::derive("did:key:z6MkLoad", s.as_bytes());
        let attribute = match names.get(a) {
            Some(a) => a.clone(),
            None => names.entry(a).or_insert(Attribute::new(a)?).clone(),
        };
        let value = match t {
            "i" => Value::Integer(v.parse()?),
            "t" => Value::Time(v.parse()?),
            "b" => Value::Boolean(v == "true"),
            "r" => Value::Ref(id(v)),
            _ => Value::from(v),
        };
        edits.push(match a {
            "tag" | "follows" | "likes" => Edit::Insert(id(e), attribute, value),
            _ => Edit::Assert(id(e), attribute, value),
        });
        if edits.len() >= 200_000
            && lines
                .peek()
                .is_none_or(|next| !next.starts_with(&format!("{e}\t")))
        {
            total += edits.len();
            replica.import(
                &author,
                std::mem::take(&mut edits),
                1_700_000_000_000,
                &mut |b| {
                    seed += 1;
                    b.copy_from_slice(&blake3::hash(&seed.to_be_bytes()).as_bytes()[..b.len()]);
                },
            )?;
        }
    }
    total += edits.len();
    let mut random = |b: &mut [u8]| b.fill(9);
    replica.import(&author, edits, 1_700_000_000_000, &mut random)?;
    replica.compact()?;
    let (c, w) = (cpu() - c0, w0.elapsed().as_secs_f64());
    let size = std::fs::metadata(db)?.len();
    println!(
        "{total} tuples: {c:.2} s of CPU, {w:.2} s, {:.0} tuples per CPU second",
        total as f64 / c
    );
    println!(
        "{size} bytes on disk, {:.1} per tuple; {:?} in use",
        size as f64 / total as f64,
        kv.size_on_disk()
    );
    drop(replica);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(db)?);
    println!("{} KB of blocks", blocks / 2);
    for keyspace in 0..4 {
        let (mut n, mut bytes, mut pages) = (0u64, 0, 0);
        let mut kinds: HashMap<(u8, u64), (u64, u64)> = HashMap::new();
        kv.snapshot()?
            .scan(keyspace, &[], None, false, &mut |k, v| {
                n += 1;
                bytes += v.len() + k.len();
                pages += (v.len() + k.len() + 12).div_ceil(4096);
                if keyspace == 1 {
                    let x = kinds.entry((k[0], 0)).or_default();
                    x.0 += 1;
                    x.1 += u64::from(u32::from_be_bytes(v[8..].try_into().unwrap_or_default()));
                }
                std::ops::ControlFlow::Continue(())
            })?;
        println!("keyspace {keyspace}: {n} entries, {bytes} bytes, {pages} pages");
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_unstable();
        for ((kind, _), (blocks, keys)) in kinds {
            println!("  kind {kind}: {blocks} blocks, {keys} keys");
        }
    }
    Ok(())
}
