//! Packing there and back.

use super::*;
use rhizome_storage::conformance::Random;
use std::collections::BTreeSet;

const LAYOUTS: [Layout; 4] = [Layout::Eav, Layout::Aev, Layout::Ave, Layout::Halves];

/// A key in the layout's own fields, each near the one before or anywhere in its width.
fn key(r: &mut Random, layout: Layout) -> u128 {
    let widths = match layout {
        Layout::Eav => [32, 24, 8, 64],
        Layout::Aev => [24, 32, 8, 64],
        Layout::Ave => [24, 8, 64, 32],
        Layout::Halves => [64, 0, 0, 64],
    };
    let mut fields = [0; 4];
    for (field, width) in fields.iter_mut().zip(widths) {
        let max = u64::MAX.checked_shr(64 - width).unwrap_or(0);
        *field = max
            & match r.below(6) {
                0 => 0,
                1 => u64::MAX,
                2 => r.next_u64(),
                3 => 1 << 63 | r.below(200) as u64,
                4 => (1 << 63) - r.below(200) as u64,
                _ => 1 + r.below(9) as u64,
            };
    }
    layout.join(fields)
}

#[test]
fn every_key_has_its_fields() {
    for layout in LAYOUTS {
        for k in [0, 1, u128::MAX, u128::MAX / 3, 1 << 64, 1 << 96, 0xFF << 64] {
            assert_eq!(layout.join(layout.split(k)), k, "{layout:?} {k:x}");
        }
    }
    for tag in 0..=255 {
        for bits in [
            0,
            1,
            SIGN,
            SIGN - 1,
            SIGN + 1,
            u64::MAX,
            0x1234_5678_9ABC_DEF0,
        ] {
            assert_eq!(Layout::grow(tag, Layout::shrink(tag, bits)), bits);
        }
    }
}

#[test]
fn what_is_packed_is_unpacked() {
    for seed in 0..600 {
        let r = &mut Random::new(seed);
        let layout = LAYOUTS[seed as usize % 4];
        let n = [0, 1, 2, 10, 300][r.below(5)];
        let keys: BTreeSet<u128> = (0..n).map(|_| key(r, layout)).collect();
        let mut payload = r.next_u64();
        let payloads = keys.iter().map(|_| {
            payload = match r.below(5) {
                0 => payload.wrapping_add(1),
                1 => next_leaf(payload),
                2 => r.next_u64(),
                3 => [0, u64::MAX][r.below(2)],
                _ => payload.wrapping_sub(r.below(1000) as u64),
            };
            payload
        });
        let payloads: Vec<u64> = payloads.collect();
        let block = Block {
            keys: keys.into_iter().collect(),
            payloads: if r.one_in(2) { payloads } else { Vec::new() },
        };
        let bytes = block.pack(layout);
        assert!(bytes.len() <= 3 + 36 * block.keys.len());
        let read = Block::unpack(&bytes, layout).unwrap();
        assert_eq!((&read.keys, &read.payloads), (&block.keys, &block.payloads));
        // whatever is cut or changed is refused or read as something in order, and never panics
        let cut = r.below(bytes.len());
        assert!(Block::unpack(&bytes[..cut], layout).is_err());
        for _ in 0..20 {
            let mut changed = bytes.clone();
            changed[r.below(bytes.len())] ^= 1 << r.below(8);
            for layout in LAYOUTS {
                if let Ok(block) = Block::unpack(&changed, layout) {
                    assert!(block.keys.is_sorted_by(|a, b| a < b));
                }
            }
        }
        let len = r.below(60);
        let _ = Block::unpack(&r.bytes(len), layout);
    }
}

#[test]
fn numbers_of_any_length_end() {
    let long = [
        0, 1, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
    ];
    for layout in LAYOUTS {
        assert!(Block::unpack(&long, layout).is_err());
        assert!(Block::unpack(&[0xFF; 3], layout).is_err());
        assert!(Block::unpack(&[], layout).is_err());
    }
}
