//! A table against a list.

use super::*;
use crate::store::{keyspace, sealed};
use rhizome_storage::{Batch, Durability, Kv, MemoryKv, conformance::Random};

fn store(kv: &Arc<dyn Kv>) -> Arc<BlockStore> {
    Arc::new(BlockStore::new(kv.clone()))
}

fn check(table: &Table, list: &[Vec<u8>], r: &mut Random) {
    assert_eq!(table.len() as usize, list.len());
    for i in (0..50)
        .map(|_| r.below(list.len() + 1))
        .chain([0, list.len()])
    {
        let want = list.get(i).map(Vec::as_slice);
        assert_eq!(table.with(i as u32, <[u8]>::to_vec).as_deref(), want);
    }
}

fn save(table: &mut Table, keep: bool, kv: &dyn Kv, next: &mut u64) -> Vec<(u128, u64, u32)> {
    let mut batch = Batch::new();
    let directory = table.save(|bytes| {
        batch.put(keyspace::BLOCKS, next.to_be_bytes(), sealed(bytes));
        *next += 1;
        *next - 1
    });
    kv.commit(batch, Durability::Durable).unwrap();
    if !keep {
        table.let_go(|_, _| ());
    }
    directory
        .into_iter()
        .map(|(first, id, _)| (first, id, 0))
        .collect()
}

#[test]
fn a_table_is_a_list_in_memory_and_in_the_store() {
    for seed in 0..30 {
        let r = &mut Random::new(seed);
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let mut table = Table::new(store(&kv));
        let (mut list, mut next) = (Vec::new(), 1);
        let mut held: Vec<(Table, usize)> = Vec::new();
        for _ in 0..8 {
            let longest = [1, 30, 300, 9000][r.below(4)];
            // records of one length, of any, and now and then another one among them
            let (one, others) = (r.below(longest), [0, 1, 300, usize::MAX][r.below(4)]);
            for _ in 0..r.below(3000) {
                let another = others > 0 && r.below(others) == 0;
                let len = if another { r.below(longest) } else { one };
                let record = r.bytes(len);
                assert_eq!(table.push(&record).unwrap() as usize, list.len());
                list.push(record);
            }
            check(&table, &list, r);
            held.push((table.clone(), list.len()));
            if r.one_in(2) {
                let keep = r.one_in(2);
                let directory = save(&mut table, keep, &*kv, &mut next);
                assert!(keep || table.resident() == 0);
                let opened = Table::from_directory(store(&kv), &directory).unwrap();
                check(&opened, &list, r);
                if r.one_in(2) {
                    table = opened;
                }
            }
        }
        for (table, n) in &held {
            check(table, &list[..*n], r);
            table.store.fault().unwrap();
        }
    }
}

#[test]
fn records_without_bytes_and_large_ones() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut table = Table::new(store(&kv));
    let list: Vec<Vec<u8>> = (0..70_000)
        .map(|i| {
            if i % 7000 == 6999 {
                vec![i as u8; 1 << 20]
            } else {
                Vec::new()
            }
        })
        .collect();
    for record in &list {
        table.push(record).unwrap();
    }
    let directory = save(&mut table, false, &*kv, &mut 1);
    let opened = Table::from_directory(store(&kv), &directory).unwrap();
    check(&opened, &list, &mut Random::new(1));
    check(&table, &list, &mut Random::new(1));
}

#[test]
fn damaged_blocks_are_refused() {
    for seed in 0..300 {
        let r = &mut Random::new(seed);
        let mut records = Records::default();
        let (one, mut packed) = (r.one_in(3), 2);
        for _ in 0..r.below(40) {
            let longest = [3, 300][r.below(2)];
            let len = if one { 24 } else { r.below(longest) };
            packed = records.packed_with(len);
            records.push(&r.bytes(len));
        }
        let bytes = records.pack();
        let read = Records::unpack(&bytes).unwrap();
        assert_eq!(read.count, records.count);
        assert!((0..=read.count).all(|i| read.get(i) == records.get(i)));
        assert_eq!(bytes.len(), packed);
        assert!(Records::unpack(&bytes[..r.below(bytes.len())]).is_err());
        let mut changed = bytes.clone();
        changed[r.below(bytes.len())] ^= 1 << r.below(8);
        if let Ok(read) = Records::unpack(&changed) {
            assert!((0..read.count).all(|i| read.get(i).is_some()));
        }
        let len = r.below(60);
        let _ = Records::unpack(&r.bytes(len));
    }
    assert!(Records::unpack(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
}
