//! A tree against a map.

use super::*;
use crate::store::{FULL, checked, keyspace, sealed};
use rhizome_storage::{Batch, Durability, Kv, MemoryKv, conformance::Random};
use std::{collections::BTreeMap, ops::Bound};

const LAYOUTS: [Layout; 4] = [Layout::Eav, Layout::Aev, Layout::Ave, Layout::Halves];

/// A key that lies close to others, as in a real index, or anywhere.
fn key(r: &mut Random, spread: usize) -> u128 {
    if r.one_in(50) {
        return [0, 1, u128::MAX, u128::MAX - 1][r.below(4)];
    }
    let field = |r: &mut Random| r.below(spread) as u128;
    field(r) << 96 | field(r) << 72 | (1 + field(r) % 8) << 64 | field(r) << 32 | field(r)
}

type Map = BTreeMap<u128, u64>;

fn check(tree: &Tree, map: &Map, r: &mut Random, spread: usize) {
    assert_eq!(tree.len(), map.len() as u64);
    assert_eq!(tree.is_empty(), map.is_empty());
    assert!(tree.range(0, u128::MAX).eq(map.keys().copied()));
    assert!(tree.range(0, u128::MAX).rev().eq(map.keys().rev().copied()));
    for _ in 0..8 {
        let k = key(r, spread);
        assert_eq!(tree.contains(k), map.contains_key(&k));
        assert_eq!(tree.get(k), map.get(&k).copied());
        let (mut lo, mut hi) = (key(r, spread), key(r, spread));
        if lo > hi && !r.one_in(10) {
            (lo, hi) = (hi, lo);
        }
        if r.one_in(4) {
            (lo, hi) = (k & !0xFFFF_FFFF, k | 0xFFFF_FFFF);
        }
        let bounds = (Bound::Included(lo), Bound::Included(hi));
        let want: Vec<(u128, u64)> = if lo > hi {
            Vec::new()
        } else {
            map.range(bounds).map(|(k, p)| (*k, *p)).collect()
        };
        assert_eq!(tree.count(lo, hi), want.len() as u64);
        assert!(tree.range(lo, hi).eq(want.iter().map(|w| w.0)));
        assert!(tree.range(lo, hi).rev().eq(want.iter().rev().map(|w| w.0)));
        let (mut chunks, mut range) = (Vec::new(), tree.range(lo, hi));
        while let Some(chunk) = range.next_chunk() {
            assert!(!chunk.is_empty());
            chunks.extend_from_slice(chunk);
        }
        assert!(chunks.iter().eq(want.iter().map(|w| &w.0)));
        // from both ends, by ones and by runs, as it comes
        let (mut range, mut front, mut back) = (tree.range(lo, hi), Vec::new(), Vec::new());
        loop {
            let n = front.len() + back.len();
            match r.below(5) {
                0 => front.extend(range.next_chunk().unwrap_or_default()),
                1 | 2 => front.extend(range.next()),
                _ => back.extend(range.next_back()),
            }
            if front.len() + back.len() == n && range.clone().next().is_none() {
                break;
            }
        }
        back.reverse();
        front.extend(back);
        assert!(front.iter().eq(want.iter().map(|w| &w.0)));
        let (mut entries, stop) = (Vec::new(), r.below(want.len() + 3));
        tree.entries(lo, hi, |k, p| {
            entries.push((k, p));
            entries.len() < stop
        });
        assert_eq!(entries, want[..stop.max(1).min(want.len())]);
    }
}

fn changes(r: &mut Random, map: &Map, spread: usize, n: usize) -> Vec<(u128, Option<u64>)> {
    let there: Vec<u128> = map.keys().copied().collect();
    let remove = [0, 2, 8][r.below(3)];
    let mut out = BTreeMap::new();
    for _ in 0..n {
        let old = (!there.is_empty() && r.below(10) < remove).then(|| there[r.below(there.len())]);
        let change = match old {
            Some(k) => (k, None),
            // also: removing what is not there, and replacing
            None => (
                key(r, spread),
                (!r.one_in(20)).then(|| r.next_u64() >> r.below(64)),
            ),
        };
        out.insert(change.0, change.1);
    }
    out.into_iter().collect()
}

/// What a checkpoint does: returns the directory, and how many blocks were written.
fn save(tree: &mut Tree, keep: bool, kv: &dyn Kv, next: &mut u64) -> (Vec<(u128, u64, u32)>, u64) {
    let mut batch = Batch::new();
    let start = *next;
    let directory = tree.save(keep, |bytes| {
        batch.put(keyspace::BLOCKS, next.to_be_bytes(), sealed(bytes));
        *next += 1;
        *next - 1
    });
    kv.commit(batch, Durability::Durable).unwrap();
    let directory = directory.into_iter().map(|(f, i, c, _)| (f, i, c));
    (directory.collect(), *next - start)
}

#[test]
fn a_tree_is_a_map_in_memory_and_in_the_store() {
    for seed in 0..16 {
        let r = &mut Random::new(seed);
        let layout = LAYOUTS[seed as usize % 4];
        let payloads = r.one_in(2);
        let spread = [3, 40, 5000][r.below(3)];
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let store = || Arc::new(BlockStore::new(kv.clone()));
        let mut tree = Tree::new(layout, payloads, store());
        let (mut map, mut next) = (Map::new(), 1);
        let mut held: Vec<(Tree, Map)> = Vec::new();
        for _ in 0..10 {
            let n = [1, 5, 16, 17, 300, 4000][r.below(6)];
            let batch = changes(r, &map, spread, n);
            tree.apply(&batch);
            for (k, change) in batch {
                match change {
                    Some(p) => map.insert(k, if payloads { p } else { 0 }),
                    None => map.remove(&k),
                };
            }
            check(&tree, &map, r, spread);
            match r.below(4) {
                0 => {
                    let keep = r.one_in(2);
                    let (directory, _) = save(&mut tree, keep, &*kv, &mut next);
                    assert!(keep || tree.resident() == 0);
                    let counts: u64 = directory.iter().map(|d| u64::from(d.2)).sum();
                    assert_eq!(counts, tree.len());
                    assert!(directory.is_sorted_by(|a, b| a.0 < b.0));
                    let (_, again) = save(&mut tree, r.one_in(2), &*kv, &mut next);
                    assert_eq!(again, 0, "nothing changed, nothing is written");
                    let opened = Tree::new(layout, payloads, store()).with_directory(&directory);
                    assert_eq!(opened.len(), tree.len());
                    check(&opened, &map, r, spread);
                    check(&tree, &map, r, spread);
                    if r.one_in(2) {
                        tree = Tree::new(layout, payloads, store()).with_directory(&directory);
                    }
                }
                1 => held.push((tree.clone(), map.clone())),
                _ => {}
            }
        }
        for (tree, map) in &held {
            check(tree, map, r, spread);
            tree.store.fault().unwrap();
        }
        tree.store.fault().unwrap();
        // and back to nothing
        let all: Vec<_> = map.keys().map(|k| (*k, None)).collect();
        tree.apply(&all);
        check(&tree, &Map::new(), r, spread);
    }
}

#[test]
fn a_small_change_to_a_large_tree_writes_little() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let store = Arc::new(BlockStore::new(kv.clone()));
    let mut tree = Tree::new(Layout::Eav, true, store);
    let key = |i: u128| (i / 8) << 96 | (i % 8) << 72 | 2 << 64 | 1 << 63 | i;
    let all: Vec<_> = (0..100_000).map(|i| (key(i), Some(i as u64))).collect();
    tree.apply(&all);
    let mut next = 1;
    let (directory, blocks) = save(&mut tree, true, &*kv, &mut next);
    assert_eq!(directory.len() as u64, blocks);
    let sizes = |id: u64| {
        kv.snapshot()
            .unwrap()
            .get(keyspace::BLOCKS, &id.to_be_bytes())
            .unwrap()
            .unwrap()
            .len()
    };
    let bytes: usize = (1..next).map(sizes).sum();
    assert!(
        (1..next).all(|id| sizes(id) <= FULL + 4),
        "every block fits a page"
    );
    assert!(bytes < 100_000 * 7, "{bytes} bytes");
    for i in 0..300 {
        tree.apply(&[(key(i * 299 + 7) + 1, Some(5)), (key(i * 299 + 8), None)]);
    }
    let (_, blocks) = save(&mut tree, true, &*kv, &mut next);
    assert!(blocks <= 330, "{blocks}");
    assert!((1..next).all(|id| sizes(id) <= 2 * FULL));
}

#[test]
fn a_block_that_is_missing_or_another_one_is_a_fault_and_no_answer() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut tree = Tree::new(Layout::Halves, true, Arc::new(BlockStore::new(kv.clone())));
    let all: Vec<_> = (0..5000).map(|i| (i * 7, Some(i as u64))).collect();
    tree.apply(&all);
    let mut next = 1;
    let (directory, _) = save(&mut tree, true, &*kv, &mut next);
    let block = |id: u64| {
        kv.snapshot()
            .unwrap()
            .get(keyspace::BLOCKS, &id.to_be_bytes())
            .unwrap()
            .unwrap()
    };
    let (first, second) = (block(1), block(2));
    let (first, second) = (checked(&first).unwrap(), checked(&second).unwrap());
    let without = Block {
        keys: Block::unpack(first, Layout::Halves).unwrap().keys,
        payloads: Vec::new(),
    };
    let damages: [Option<Vec<u8>>; 6] = [
        None,
        Some(second.to_vec()),
        Some(first[..first.len() - 1].to_vec()),
        Some(Vec::new()),
        Some([first, &[0]].concat()),
        Some(without.pack(Layout::Halves)),
    ];
    for (i, damage) in damages.into_iter().enumerate() {
        let mut batch = Batch::new();
        match damage {
            Some(bytes) => batch.put(keyspace::BLOCKS, 1u64.to_be_bytes(), sealed(&bytes)),
            None => batch.delete(keyspace::BLOCKS, 1u64.to_be_bytes()),
        }
        kv.commit(batch, Durability::Durable).unwrap();
        let store = Arc::new(BlockStore::new(kv.clone()));
        let mut opened = Tree::new(Layout::Halves, true, store.clone()).with_directory(&directory);
        let (second, ..) = directory[1];
        assert_eq!(opened.get(second), Some(second as u64 / 7));
        store.fault().unwrap();
        assert_eq!(opened.get(7), None);
        assert!(store.fault().is_err(), "damage {i}");
        opened.apply(&[(8, Some(1)), (9, Some(2))]);
        opened.entries(0, u128::MAX, |_, _| true);
        assert!(opened.range(0, u128::MAX).rev().count() > 0);
    }
}

/// Keys that are much alike fill little of a page, and may be more than those of the full one before them.
#[test]
fn what_is_left_of_a_run_may_have_more_keys_than_the_block_before() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let r = &mut Random::new(1);
    for unlike in (60..460).step_by(5) {
        let mut tree = Tree::new(Layout::Eav, true, Arc::new(BlockStore::new(kv.clone())));
        let mut next = 1;
        // the first leaf in the store: keys that are much alike, then others, which go again
        let mut map: Map = (0..340).map(|i| (1 << 125 | i, 7)).collect();
        map.extend((0..9_000_u128).map(|i| (1 << 126 | i << 40, r.next_u64())));
        let stored: Vec<_> = map.iter().map(|(k, p)| (*k, Some(*p))).collect();
        tree.apply(&stored);
        let (directory, _) = save(&mut tree, true, &*kv, &mut next);
        let first = directory[0].2 as usize;
        let mut low: Vec<(u128, Option<u64>)> = (0..unlike)
            .map(|_| ((r.next_u64() as u128) << 60, Some(r.next_u64())))
            .collect();
        low.extend(stored[340..first].iter().map(|(k, _)| (*k, None)));
        low.sort_unstable();
        tree.apply(&low);
        for (k, p) in low {
            match p {
                Some(p) => map.insert(k, p),
                None => map.remove(&k),
            };
        }
        let (directory, _) = save(&mut tree, true, &*kv, &mut next);
        let store = Arc::new(BlockStore::new(kv.clone()));
        let opened = Tree::new(Layout::Eav, true, store).with_directory(&directory);
        assert!(
            opened.range(0, u128::MAX).eq(map.keys().copied()),
            "{unlike}"
        );
        opened.store.fault().unwrap();
    }
}
