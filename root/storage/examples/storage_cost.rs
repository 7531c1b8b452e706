//! What commits, reads and values cost: `cargo run --release -p rhizome-storage --example storage_cost [DIR]`.
//!
//! Times are microseconds of this thread's CPU (Linux), with the clock on the wall beside them
//! where a disk is waited for. Run it on the disk you care about.

use std::{env, fs, hint::black_box, ops::ControlFlow, path::PathBuf, time::Instant};

use redb::ReadableDatabase;
use rhizome_storage::{
    Batch, Durability, Kv, MemoryKv, RedbKv, StorageError, conformance::Random, fitting_value_len,
};

fn cpu_us() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e3
}

/// Runs `act` for 0, 1, … `n` - 1 and prints what one costs.
fn cost(
    name: &str,
    n: u64,
    mut act: impl FnMut(u64) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let (cpu, wall) = (cpu_us(), Instant::now());
    for i in 0..n {
        act(i)?;
    }
    let (cpu, wall) = (cpu_us() - cpu, wall.elapsed().as_secs_f64() * 1e6);
    println!(
        "{name:55} {:9.2} us cpu {:9.2} us wall",
        cpu / n as f64,
        wall / n as f64
    );
    Ok(())
}

fn measure(name: &str, kv: &dyn Kv) -> Result<(), StorageError> {
    println!("\n{name}");
    let mut random = Random::new(1);
    let small = |i: u64, n: u64| {
        let mut batch = Batch::new();
        for j in 0..n {
            batch.put(j as u8, (i * 8 + j).to_be_bytes(), [7; 200]);
        }
        batch
    };
    for n in [1, 3] {
        let start = n << 32;
        cost(
            &format!("durable commit of {n} keys of 200 bytes"),
            500,
            |i| kv.commit(small(start + i, n), Durability::Durable),
        )?;
        cost(
            &format!("relaxed commit of {n} keys of 200 bytes"),
            5000,
            |i| kv.commit(small(start + 500 + i, n), Durability::Relaxed),
        )?;
    }
    let entity = |i: u64| Random::new(i).next_u64().to_be_bytes();
    let mut keys: Vec<_> = (0..100_000).map(entity).collect();
    keys.sort_unstable();
    let started = (cpu_us(), kv.size_on_disk()?);
    cost(
        "sorted relaxed batch of 10,000 x 8 entries of 49 bytes",
        10,
        |i| {
            let mut batch = Batch::new();
            for key in &keys[i as usize * 10_000..][..10_000] {
                for attribute in 0..8_u8 {
                    batch.put(4, [&key[..], &[attribute]].concat(), [attribute; 40]);
                }
            }
            kv.commit(batch, Durability::Relaxed)
        },
    )?;
    kv.sync()?;
    println!(
        "{:55} {:9.2} us cpu, {:.1} bytes for 49",
        "  that is, for each of 800,000 entries",
        (cpu_us() - started.0) / 8e5,
        (kv.size_on_disk()? as f64 - started.1 as f64) / 8e5
    );
    let block = random.bytes(fitting_value_len(8, 4));
    cost("checkpoint of 300 blocks of 64 KiB, durable", 5, |i| {
        let mut batch = Batch::with_capacity(300, 300 * (block.len() + 8));
        for j in 0..300 {
            batch.put(5, (i % 2 * 300 + j).to_be_bytes(), &block);
        }
        kv.commit(batch, Durability::Durable)
    })?;
    cost("snapshot", 100_000, |_| {
        kv.snapshot().map(|snap| drop(black_box(snap)))
    })?;
    let snap = kv.snapshot()?;
    for round in ["cold", "warm"] {
        let at = |i: u64| keys[Random::new(i).below(keys.len())];
        cost(&format!("get of 40 bytes, {round}"), 100_000, |i| {
            black_box(snap.get(4, &[&at(i)[..], &[3]].concat())?);
            Ok(())
        })?;
        cost(&format!("scan of 8 entries, {round}"), 50_000, |i| {
            let lo = at(i);
            let hi = (u64::from_be_bytes(lo) + 1).to_be_bytes();
            snap.scan(4, &lo, Some(&hi), false, &mut |key, value| {
                black_box((key, value));
                ControlFlow::Continue(())
            })
        })?;
        cost(&format!("get of 64 KiB, {round}"), 2000, |i| {
            black_box(snap.get(5, &(i % 600).to_be_bytes())?);
            Ok(())
        })?;
    }
    cost("scan of 800,000 entries", 1, |_| {
        snap.scan(4, b"", None, false, &mut |key, value| {
            black_box((key, value));
            ControlFlow::Continue(())
        })
    })
}

/// Bytes that redb allocates for values of a length, kept in one table.
fn space(len: usize, key_len: usize) -> Result<f64, redb::Error> {
    let database =
        redb::Builder::new().create_with_backend(redb::backends::InMemoryBackend::new())?;
    let table = redb::TableDefinition::<&[u8], &[u8]>::new("t");
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(table)?;
        for i in 0..1000_u64 {
            let mut key = vec![0; key_len];
            key[key_len - 8..].copy_from_slice(&i.to_be_bytes());
            table.insert(&key[..], &vec![1; len][..])?;
        }
    }
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let stats = redb::ReadableTableMetadata::stats(&transaction.open_table(table)?)?;
    Ok((stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes()) as f64 / 1000.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = env::args_os()
        .nth(1)
        .map_or_else(env::temp_dir, PathBuf::from);
    println!("bytes allocated for each of 1,000 values under keys of 12 bytes, filled in order:");
    for doublings in 0..5 {
        let fits = fitting_value_len(12, doublings);
        for len in [fits / 2, fits - 64, fits, fits + 1] {
            println!(
                "{len:9} bytes: {:9.0}, {:.2} times",
                space(len, 12)?,
                space(len, 12)? / len as f64
            );
        }
    }
    for len in [40, 200, 1000, 1300, 2000] {
        println!(
            "{len:9} bytes: {:9.0}, {:.2} times",
            space(len, 12)?,
            space(len, 12)? / len as f64
        );
    }
    measure("memory", &MemoryKv::new())?;
    let directory = tempfile::tempdir_in(directory)?;
    measure("redb", &RedbKv::open(directory.path().join("cost.redb"))?)?;
    Ok(())
}
