//! Packing of facts into 128-bit keys, one layout per index: entity 32 bits, attribute 24, value tag 8, value bits 64, permuted.
//! Ranges are inclusive at both ends.

use crate::{Aid, Eid, Fact, Word, tag};

const LOW64: u128 = u64::MAX as u128;
const LOW72: u128 = (1 << 72) - 1;

fn word(v: Word) -> u128 {
    (v.tag as u128) << 64 | v.bits as u128
}
fn unword(k: u128) -> Word {
    Word {
        tag: (k >> 64) as u8,
        bits: k as u64,
    }
}
fn aid(x: u128) -> Aid {
    Aid(x as u32 & 0xFF_FFFF)
}

/// entity | attribute | value
pub fn eav(e: Eid, a: Aid, v: Word) -> u128 {
    (e.0 as u128) << 96 | (a.0 as u128) << 72 | word(v)
}
/// All tuples of an entity.
pub fn eav_e(e: Eid) -> (u128, u128) {
    let lo = (e.0 as u128) << 96;
    (lo, lo | ((1 << 96) - 1))
}
/// All values of an attribute of an entity.
pub fn eav_ea(e: Eid, a: Aid) -> (u128, u128) {
    let lo = (e.0 as u128) << 96 | (a.0 as u128) << 72;
    (lo, lo | LOW72)
}
/// The fact of an EAV key.
pub fn un_eav(k: u128) -> Fact {
    Fact {
        e: Eid((k >> 96) as u32),
        a: aid(k >> 72),
        v: unword(k),
    }
}

/// attribute | entity | value
pub fn aev(a: Aid, e: Eid, v: Word) -> u128 {
    (a.0 as u128) << 104 | (e.0 as u128) << 72 | word(v)
}
/// All tuples of an attribute.
pub fn aev_a(a: Aid) -> (u128, u128) {
    let lo = (a.0 as u128) << 104;
    (lo, lo | ((1 << 104) - 1))
}
/// The fact of an AEV key.
pub fn un_aev(k: u128) -> Fact {
    Fact {
        e: Eid((k >> 72) as u32),
        a: aid(k >> 104),
        v: unword(k),
    }
}

/// attribute | value | entity
pub fn ave(a: Aid, v: Word, e: Eid) -> u128 {
    (a.0 as u128) << 104 | word(v) << 32 | e.0 as u128
}
/// All tuples of an attribute, in the order of values.
pub fn ave_a(a: Aid) -> (u128, u128) {
    aev_a(a)
}
/// All entities with a value of an attribute.
pub fn ave_av(a: Aid, v: Word) -> (u128, u128) {
    let lo = ave(a, v, Eid(0));
    (lo, lo | u32::MAX as u128)
}
/// The fact of an AVE key.
pub fn un_ave(k: u128) -> Fact {
    Fact {
        e: Eid(k as u32),
        a: aid(k >> 104),
        v: unword(k >> 32),
    }
}

/// target entity | attribute | entity; references only
pub fn vae(target: Eid, a: Aid, e: Eid) -> u128 {
    (target.0 as u128) << 96 | (a.0 as u128) << 72 | e.0 as u128
}
/// Everything that refers to an entity.
pub fn vae_v(target: Eid) -> (u128, u128) {
    eav_e(target)
}
/// Everything that refers to an entity by one attribute.
pub fn vae_va(target: Eid, a: Aid) -> (u128, u128) {
    let lo = vae(target, a, Eid(0));
    (lo, lo | u32::MAX as u128)
}
/// The fact of a VAE key.
pub fn un_vae(k: u128) -> Fact {
    Fact {
        e: Eid(k as u32),
        a: aid(k >> 72),
        v: Word {
            tag: tag::REF,
            bits: (k >> 96) as u64 & LOW64 as u64,
        },
    }
}
