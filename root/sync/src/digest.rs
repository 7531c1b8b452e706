//! What a session derives from its key, and how a replica sums itself up.

use crate::set::Id;

/// Which end of the connection a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The one that dialled.
    Initiator,
    /// The one that was dialled.
    Responder,
}

impl Role {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Initiator => 0,
            Self::Responder => 1,
        }
    }
}

/// The digest of everything a replica holds: of the ids of its certificates and the fingerprints of its chains, in any order. Equal for
/// equal replicas, and nobody can make two different ones for which it is equal.
pub fn digest(pod: &[u8; 32], mut parts: Vec<Id>) -> Id {
    parts.sort_unstable();
    parts.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("rhizome sync digest v1");
    hasher.update(pod);
    for part in &parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Proof to the peer that a digest is known here: keyed, and different in the two directions and in each round.
pub(crate) fn tag(key: &[u8; 32], from: Role, round: u64, digest: &Id) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("rhizome sync tag v1");
    hasher.update(key).update(&[from.byte()]);
    hasher.update(&round.to_le_bytes()).update(digest);
    let mut tag = [0; 16];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

/// Keying material of one reconciliation. `what` is empty for the inventory, else the Multikey of a chain; `from` began it.
pub(crate) fn material(key: &[u8; 32], from: Role, round: u64, what: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("rhizome sync reconciliation v1");
    hasher.update(key).update(&[from.byte()]);
    hasher.update(&round.to_le_bytes()).update(what);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_derivations() {
        let all = crate::answers();
        let known = |name: &str| crate::hex(&all["derived"][name]);
        let key: [u8; 32] = known("key").try_into().expect("32 bytes");
        let of: [u8; 32] = crate::hex(&all["digest"]["digest"]).try_into().expect("32");
        let alice = crate::hex(&all["chains"][0]["key"]);
        assert_eq!(
            tag(&key, Role::Initiator, 1, &of)[..],
            known("initiator_round_1")
        );
        assert_eq!(
            tag(&key, Role::Responder, 2, &of)[..],
            known("responder_round_2")
        );
        let everything = material(&key, Role::Initiator, 1, &[]);
        assert_eq!(everything[..], known("everything_round_1"));
        let chain = material(&key, Role::Responder, 3, &alice);
        assert_eq!(chain[..], known("chain_round_3_by_responder"));
    }
}
