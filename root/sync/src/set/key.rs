use siphasher::sip128::{Hash128, SipHasher13};

/// What is reconciled: 32-byte ids, usually hashes.
pub type Id = [u8; 32];

/// Bits of a short id.
pub const SHORT_BITS: u32 = 48;
/// One past the largest short id.
pub const SHORT_END: u64 = 1 << SHORT_BITS;

/// The secret under which a session names ids: nobody who does not know it can choose ids whose short ids collide or whose cells
/// coincide. Made from keying material that both ends share and nobody knew beforehand.
///
/// `SipHash` 1-3 with 128 bits of output: a keyed function of 32 bytes is all that is needed, a million times a scan, and BLAKE3
/// costs five times as much for it. It never leaves the session and authenticates nothing.
#[derive(Clone)]
pub struct SetKey {
    id: SipHasher13,
    walk: SipHasher13,
}

/// Where a short id begins its walk over the cells, and its check sum.
#[derive(Clone, Copy)]
pub(super) struct Trace {
    pub(super) seed: u64,
    pub(super) check: u32,
}

impl SetKey {
    /// The key of one attempt (0 first) of one reconciliation, from 32 bytes of keying material. A new attempt gives every id a new
    /// short id: that is what is done when two of them collided.
    pub fn new(material: &[u8; 32], attempt: u8) -> Self {
        let mut bytes = [0; 32];
        blake3::Hasher::new_derive_key("rhizome sync set v1")
            .update(material)
            .update(&[attempt])
            .finalize_xof()
            .fill(&mut bytes);
        let word = |i: usize| {
            let mut w = [0; 8];
            w.copy_from_slice(&bytes[i * 8..i * 8 + 8]);
            u64::from_le_bytes(w)
        };
        Self {
            id: SipHasher13::new_with_keys(word(0), word(1)),
            walk: SipHasher13::new_with_keys(word(2), word(3)),
        }
    }

    /// The short id, and what the id adds to the sum of a set.
    pub fn name(&self, id: &Id) -> (u64, u128) {
        let Hash128 { h1, h2 } = self.id.hash(id);
        (h1 & (SHORT_END - 1), u128::from(h2) << 64 | u128::from(h1))
    }

    /// The 48-bit short id.
    pub fn short(&self, id: &Id) -> u64 {
        self.name(id).0
    }

    pub(super) fn trace(&self, short: u64) -> Trace {
        let Hash128 { h1, h2 } = self.walk.hash(&short.to_le_bytes());
        Trace {
            seed: h1,
            check: h2 as u32,
        }
    }
}
