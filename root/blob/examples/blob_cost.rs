//! What blobs cost: `cargo run --release -p rhizome-blob --example blob_cost [DIR]`.
//!
//! Times are microseconds of this thread's CPU (Linux) and of the clock on the wall.

use std::{env, fs, hint::black_box, io, path::PathBuf, time::Instant};

use rhizome_blob::{BlobError, BlobStore};

fn cpu_us() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e3
}

/// Runs `act` for 0, 1, … `n` - 1 and prints what one costs.
fn cost<T>(
    name: &str,
    n: u64,
    mut act: impl FnMut(u64) -> Result<T, BlobError>,
) -> Result<(), BlobError> {
    let (cpu, wall) = (cpu_us(), Instant::now());
    for i in 0..n {
        black_box(act(i)?);
    }
    let (cpu, wall) = (cpu_us() - cpu, wall.elapsed().as_secs_f64() * 1e6);
    println!(
        "{name:40} {:10.1} us cpu {:10.1} us wall",
        cpu / n as f64,
        wall / n as f64
    );
    Ok(())
}

fn sample(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = env::args_os()
        .nth(1)
        .map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory)?;
    let store = BlobStore::in_directory(directory.path())?;
    let small: Vec<_> = (0..100).map(|i| sample(i, 10_000)).collect();
    let photos: Vec<_> = (0..20).map(|i| sample(i, 3 << 20)).collect();
    let film = sample(0, 256 << 20);
    for round in ["first", "again"] {
        println!("{round}");
        cost("put of 10 kB", 100, |i| {
            store.put(&small[i as usize][..], u64::MAX)
        })?;
        cost("put of 3 MiB", 20, |i| {
            store.put(&photos[i as usize][..], u64::MAX)
        })?;
        cost("put of 256 MiB", 1, |_| store.put(&film[..], u64::MAX))?;
    }
    let cid = store.put_bytes(&film)?;
    let blob = store.open(&cid)?;
    cost("open of 256 MiB", 1000, |_| store.open(&cid))?;
    cost("range of 100 bytes", 1000, |i| {
        blob.read_range(i * 262_147, 100)
    })?;
    cost("range of 1 MiB", 100, |i| {
        blob.read_range(i * 2_621_447, 1 << 20)
    })?;
    cost("stream of 256 MiB", 1, |_| {
        io::copy(&mut blob.reader(0, u64::MAX), &mut io::sink()).map_err(BlobError::Source)
    })?;
    Ok(())
}
