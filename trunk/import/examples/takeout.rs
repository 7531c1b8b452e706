//! A takeout of any size, made up and the same for the same seed, and how fast it is imported.
//!
//! ```text
//! cargo run --release -p rhizome-import --example takeout -- generate FOLDER --bytes 2147483648 [--seed 1]
//! cargo run --release -p rhizome-import --example takeout -- import FOLDER POD
//! ```
//!
//! `generate` writes a few zips as Google sends them: photographs with sidecars, albums, histories and places. `import` brings them
//! into a pod on disk and prints megabytes and records a second and the most memory the process held. Running it again
//! continues one that was killed.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rhizome_blob::BlobStore;
use rhizome_import::fixture::write_takeout;
use rhizome_import::{
    Cancel, Import, Importer, Limits, Options, ReplicaPod, Source, Takeout, recognise,
};
use rhizome_ipld::SigningKey;
use rhizome_replica::{Author, Epochs, Replica};
use rhizome_storage::RedbKv;
use rhizome_tuple::EpochSecret;
use serde_json::json;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: generate FOLDER --bytes N [--seed N] | import FOLDER POD";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["generate", folder, "--bytes", bytes] => {
            Ok(write_takeout(Path::new(folder), bytes.parse()?, 1)?)
        }
        ["generate", folder, "--bytes", bytes, "--seed", seed] => Ok(write_takeout(
            Path::new(folder),
            bytes.parse()?,
            seed.parse()?,
        )?),
        ["import", folder, pod] => import(Path::new(folder), Path::new(pod)),
        _ => Err(USAGE.into()),
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn import(folder: &Path, pod: &Path) -> Outcome<()> {
    std::fs::create_dir_all(pod)?;
    let author = Author {
        key: SigningKey::from_seed([7; 32]),
    };
    let authors = BTreeMap::from([(author.key.public(), "import".to_owned())]);
    let epochs = || Epochs::new(vec![EpochSecret::new(&[9; 32])]);
    let store = Arc::new(RedbKv::open(pod.join("store"))?);
    let name = "did:key:z6MkMeasured";
    let replica = match Replica::open(Arc::clone(&store) as _, epochs(), authors.clone()) {
        Ok(replica) => replica,
        Err(_) => Replica::create(store, name, [3; 32], epochs(), authors)?,
    };
    let blobs = BlobStore::in_directory(pod.join("blobs"))?;
    let start = Instant::now();
    let source = Source::open(folder, &Limits::default())?;
    let bytes: u64 = source.entries().iter().map(|entry| entry.size).sum();
    let recognition = recognise(&source, &[&Takeout as &dyn Importer])?
        .into_iter()
        .next()
        .ok_or("no takeout is in this folder")?;
    let mut tick = 0_u64;
    let mut random = |bytes: &mut [u8]| {
        // What is written must not be guessed in a real pod; here it only has to differ.
        tick += 1;
        let seed = [now().to_le_bytes(), tick.to_le_bytes()].concat();
        blake3::Hasher::new()
            .update(&seed)
            .finalize_xof()
            .fill(bytes);
    };
    let report = Import {
        source: &source,
        importer: &Takeout,
        recognition,
        pod: &mut ReplicaPod::new(&replica, &author, now, &mut random),
        blobs: &blobs,
        options: Options::new(now),
    }
    .run(&mut |_| {}, &Cancel::new())?;
    let seconds = start.elapsed().as_secs_f64();
    let records = report.added + report.changed + report.unchanged + report.skipped;
    println!(
        "{}",
        json!({"bytes": bytes, "seconds": seconds, "mb_per_second": bytes as f64 / 1e6 / seconds, "records": records,
            "records_per_second": records as f64 / seconds, "added": report.added, "changed": report.changed,
            "unchanged": report.unchanged, "skipped": report.skipped, "problems": report.totals.problems,
            "most_memory_mb": most_memory().map(|bytes| bytes / 1_000_000)})
    );
    Ok(())
}

/// `VmHWM` of this process in bytes, where the system tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
