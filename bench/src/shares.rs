//! What a view of one percent of a pod takes, beside that percent itself.

use std::collections::{BTreeMap, btree_map::Entry};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Authors, Edit, Epochs, LeafBytes, Record, Replica, Standing};
use rhizome_storage::MemoryKv;
use rhizome_tuple::{Attribute, EntityId, EpochSecret, Value};
use rhizome_view::Tending;
use serde_json::json;

use crate::error::{Error, Result};
use crate::generate::Random;

const POD: &str = "did:key:z6MkBenchPod";
const VIEW: &str = "did:key:z6MkBenchView";

#[derive(clap::Args)]
pub struct Options {
    /// How many tuples the pod holds.
    #[arg(long, default_value_t = 1_000_000)]
    tuples: u64,
    /// Where the figures go.
    #[arg(long, default_value = "bench/shares.json")]
    out: PathBuf,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Grants(what.to_string())
}

fn replica(pod: &str, author: &Author, secret: u8) -> Result<Replica> {
    let authors: Authors = [(author.key.public(), Standing::active("bench"))]
        .into_iter()
        .collect();
    let epochs = Epochs::new(vec![EpochSecret::new(&[secret; 32])]);
    Replica::create(Arc::new(MemoryKv::new()), pod, [7; 32], epochs, authors).map_err(failed)
}

fn bytes(record: &Record) -> u64 {
    let leaves: usize = record.leaves.iter().map(leaf_bytes).sum();
    (record.envelope.len() + leaves) as u64
}

fn leaf_bytes(leaf: &LeafBytes) -> usize {
    match leaf {
        LeafBytes::Sealed(bytes) => bytes.len(),
        LeafBytes::Erased(_) => 32,
    }
}

pub fn run(options: &Options) -> Result<()> {
    let author = Author {
        key: SigningKey::from_seed([1; 32]),
    };
    let pod = replica(POD, &author, 2)?;
    let attribute = |name: &str| Attribute::new(name).map_err(failed);
    let names = ["photo-album", "title", "caption", "taken", "rating"];
    let names: Vec<Attribute> = names.into_iter().map(attribute).collect::<Result<_>>()?;
    let mut random = Random::new(1);
    let entities = options.tuples / names.len() as u64;
    let entity = |n: u64| EntityId::derive(POD, &n.to_be_bytes());
    let mut edits = Vec::new();
    for n in 0..entities {
        let words = |r: &mut Random, count: u64| {
            let words = (0..count).map(|_| format!("{:x}", r.below(0xF_FFFF)));
            Value::Text(words.collect::<Vec<_>>().join(" "))
        };
        let values = [
            Value::Text(format!("album {}", n % 100)),
            words(&mut random, 3),
            words(&mut random, 10),
            Value::Time(1_700_000_000_000 + (n as i64) * 1000),
            Value::Integer((random.below(5)) as i64),
        ];
        let of = names.iter().cloned().zip(values);
        edits.extend(of.map(|(name, value)| Edit::Assert(entity(n), name, value)));
    }
    let fill = |out: &mut [u8]| out.fill(9);
    let mut nonce = fill;
    pod.import(&author, edits, 1_800_000_000_000, &mut nonce)
        .map_err(failed)?;
    let now = pod.snapshot();
    // where the leaves of the one percent are
    let mut percent = 0;
    let mut records = BTreeMap::new();
    for n in (7..entities).step_by(100) {
        let e = now
            .eid(&entity(n))
            .ok_or_else(|| failed("an entity is missing"))?;
        for leaf in now.leaves(e).map_err(failed)? {
            let id = leaf.leaf.0;
            if let Entry::Vacant(place) = records.entry(id) {
                let record = now.record(&id).map_err(failed)?;
                place.insert(record.ok_or_else(|| failed("a commit is missing"))?);
            }
            percent += records[&id]
                .leaves
                .get(leaf.leaf.1 as usize)
                .map_or(0, leaf_bytes) as u64;
        }
    }
    let view = replica(VIEW, &author, 3)?;
    let predicate = r#"photo-album: "album 7""#.parse().map_err(failed)?;
    let started = Instant::now();
    let tending = Tending {
        says: true,
        pod: &pod,
        pod_author: &author,
        view: &view,
        view_did: VIEW,
        view_author: &author,
        predicate: &predicate,
        writer: &|_| None,
        now_ms: 1_800_000_000_000,
        random: &fill,
    };
    let done = tending.run(None, 0).map_err(failed)?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let all = view.missing(&BTreeMap::new(), usize::MAX).map_err(failed)?;
    let got: u64 = all.iter().map(bytes).sum();
    let ratio = got as f64 / percent as f64;
    println!(
        "{} tuples; {} entities shared, made in {took:.0} ms: {got} bytes for the {percent} bytes they take in the pod, {ratio:.2}x",
        options.tuples, done.changed
    );
    let figures = json!({
        "tuples": options.tuples,
        "entities": done.changed,
        "ms": took,
        "bytes": got,
        "pod_bytes": percent,
        "ratio": ratio,
    });
    crate::write_file(&options.out, &serde_json::to_vec_pretty(&figures)?)
}
