//! Recovery policies: hidden keys that together may take an identity back.

use rhizome_ipld::PublicKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use sha2::{Digest, Sha256};

/// Most recovery policies.
pub const MAX_POLICIES: usize = 8;
/// Most keys in one recovery policy.
pub const MAX_POLICY_KEYS: usize = 32;

/// The hidden form of a recovery key: `SHA2-256(salt ‖ multikey)`.
pub fn hide(salt: &[u8; 32], key: &PublicKey) -> [u8; 32] {
    Sha256::new()
        .chain_update(salt)
        .chain_update(key.to_bytes())
        .finalize()
        .into()
}

/// Who may take the identity back: `k` of these keys. The keys are hidden until used: each is `SHA2-256(salt ‖ multikey)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How many of the keys have to sign.
    pub k: u8,
    /// The hidden keys, in ascending order.
    pub keys: Vec<ByteArray<32>>,
}

impl Policy {
    /// The policy that `k` of these keys satisfy: friends, say, each of whom keeps his [`Reveal`].
    pub fn of(k: u8, reveals: &[Reveal]) -> Self {
        let mut keys: Vec<_> = reveals
            .iter()
            .map(|reveal| ByteArray::new(reveal.hidden()))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        Self { k, keys }
    }

    /// Whether these hidden keys (each once) satisfy the policy: all are its, and there are enough of them.
    pub(crate) fn is_satisfied(&self, hidden: &[[u8; 32]]) -> bool {
        hidden.len() >= usize::from(self.k)
            && hidden
                .iter()
                .all(|h| self.keys.binary_search(&ByteArray::new(*h)).is_ok())
    }
}

/// A recovery key that comes out of hiding, because it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// What hid it.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 32],
    /// The key.
    pub key: PublicKey,
}

impl Reveal {
    /// As the policy lists it.
    pub fn hidden(&self) -> [u8; 32] {
        hide(&self.salt, &self.key)
    }
}

/// The rules of a list of policies.
pub(crate) fn check_policies(policies: &[Policy]) -> Result<(), &'static str> {
    if policies.len() > MAX_POLICIES {
        return Err("more than 8 recovery policies");
    }
    for policy in policies {
        if policy.keys.is_empty() || policy.keys.len() > MAX_POLICY_KEYS {
            return Err("a recovery policy must have between 1 and 32 keys");
        }
        if policy.k == 0 || usize::from(policy.k) > policy.keys.len() {
            return Err("a recovery policy asks for no key or for more than it has");
        }
        if !policy.keys.is_sorted_by(|a, b| a < b) {
            return Err("the keys of a recovery policy are not in ascending order");
        }
    }
    Ok(())
}

/// The rules of what comes out of hiding: ascending by key, each key once, so that one key in two hiding places counts once.
pub(crate) fn check_reveals(reveals: &[Reveal]) -> Result<(), &'static str> {
    if reveals.is_empty() || reveals.len() > MAX_POLICY_KEYS {
        return Err("it must reveal between 1 and 32 keys");
    }
    if !reveals.is_sorted_by(|a, b| a.key < b.key) {
        return Err("the revealed keys are not in ascending order");
    }
    Ok(())
}
