//! What it costs to find out how two sets of a million ids differ:
//! `cargo run --release -p rhizome-sync --example reconcile [ids]`
//!
//! Bytes are those of both directions. Times are of the processor, both sides together: reading the whole sets, and with the sketches
//! that hosts keep current instead.

use rhizome_sync::set::{Id, Reconciliation, SetKey, Sketch};
use std::time::{Duration, Instant};

/// Time on the processor, where the system says it; else time.
fn cpu(start: Instant) -> Duration {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|s| s.split(' ').next()?.parse().ok())
        .map_or_else(|| start.elapsed(), Duration::from_nanos)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |a| a.parse())?;
    let id = |i: u64| -> Id { *blake3::hash(&i.to_le_bytes()).as_bytes() };
    let common: Vec<Id> = (0..n).map(id).collect();
    let key = [7; 32];

    let clock = Instant::now();
    let start = cpu(clock);
    let mut kept = Sketch::new(SetKey::new(&key, 0), Sketch::KEPT);
    for i in &common {
        kept.insert(i);
    }
    let insert = cpu(clock).saturating_sub(start).as_nanos() as u64 / n.max(1);
    println!(
        "keeping {} cells current: {insert} ns an insert",
        Sketch::KEPT
    );
    println!(
        "{:>12} {:>10} {:>9} {:>14} {:>14}",
        "differences", "bytes", "messages", "scanning, ms", "with kept, ms"
    );

    for d in [0, 10, 100, 1_000, 10_000] {
        let mut a = common.clone();
        let mut b = common.clone();
        a.extend((0..d / 2).map(|i| id(n + i)));
        b.extend((0..d / 2).map(|i| id(2 * n + i)));
        let mut kept_a = kept.clone();
        let mut kept_b = kept.clone();
        for i in a.iter().skip(n as usize) {
            kept_a.insert(i);
        }
        for i in b.iter().skip(n as usize) {
            kept_b.insert(i);
        }
        let mut row = Vec::new();
        for (ka, kb) in [(None, None), (Some(kept_a), Some(kept_b))] {
            let start = cpu(clock);
            let (mut teller, open) = Reconciliation::open(key, &a, ka);
            let mut solver = Reconciliation::answer(key, kb);
            let (mut bytes, mut messages) = (0, 0);
            let mut next = Some(open);
            while let Some(m) = next {
                let mut wire = Vec::new();
                m.write(&mut wire);
                bytes += wire.len();
                messages += 1;
                next = if messages % 2 == 1 {
                    solver.handle(m, &b)?
                } else {
                    teller.handle(m, &a)?
                };
            }
            let found = teller.into_lacking().len() + solver.into_lacking().len();
            assert_eq!(found as u64, d);
            row.push((
                bytes,
                messages,
                cpu(clock).saturating_sub(start).as_millis(),
            ));
        }
        let [(bytes, messages, scan), (_, _, kept)] = row[..] else {
            continue;
        };
        println!("{d:>12} {bytes:>10} {messages:>9} {scan:>14} {kept:>14}");
    }
    Ok(())
}
