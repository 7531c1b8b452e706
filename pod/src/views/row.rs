//! What a home knows of a view without opening it.

use rhizome_identity::Did;
use rhizome_ipld::{PublicKey, codec};
use rhizome_network::PeerAddress;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::Seed;
use crate::PodError;

/// Addresses that are kept with one view.
pub(super) const MAX_ADDRESSES: usize = 16;
/// Bytes of a row.
const MAX_ROW: usize = 64 << 10;

/// A view in the store of all views.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// Its prefix in the store.
    pub number: u64,
    /// By what this home acts in it.
    pub key: PublicKey,
    /// That is the key of its admin.
    pub own: bool,
    /// The seed, masked.
    masked: ByteArray<32>,
    /// Where it is kept.
    addresses: Vec<String>,
    /// The number of its key store, if that is another one: since this home acts in it by another seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    /// The keys that wrote for this home while it acted by others, the last one at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<PublicKey>,
}

/// Keys of before that are remembered.
const MAX_BEFORE: usize = 32;

impl Row {
    pub fn new(number: u64, did: &Did, seed: &Seed, own: bool, mask: &Mask) -> Self {
        Self {
            number,
            key: seed.public(),
            own,
            masked: ByteArray::new(mask.apply(did, None, seed.expose())),
            addresses: Vec::new(),
            keys: None,
            before: Vec::new(),
        }
    }

    /// As it is once this home acts by another seed, the keys of which are in the key store of this number; `wrote` are the keys that wrote for it until then.
    pub fn acting_by(
        &self,
        (keys, own): (u64, bool),
        did: &Did,
        seed: &Seed,
        mask: &Mask,
        wrote: impl IntoIterator<Item = PublicKey>,
    ) -> Self {
        let key = seed.public();
        let mut before = self.before.clone();
        before.extend(wrote);
        before.drain(..before.len().saturating_sub(MAX_BEFORE));
        Self {
            key,
            own,
            masked: ByteArray::new(mask.apply(did, Some(&key), seed.expose())),
            keys: Some(keys),
            before,
            ..self.clone()
        }
    }

    /// The number of its key store.
    pub fn keys(&self) -> u64 {
        self.keys.unwrap_or(self.number)
    }

    /// The keys that wrote for this home while it acted by other seeds.
    pub fn before(&self) -> &[PublicKey] {
        &self.before
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, PodError> {
        codec::encode(self).map_err(|_| damaged())
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PodError> {
        codec::decode(bytes, MAX_ROW).map_err(|_| damaged())
    }

    pub fn seed(&self, did: &Did, mask: &Mask) -> Result<Seed, PodError> {
        let key = self.keys.map(|_| &self.key);
        let seed = Seed::take(&mut mask.apply(did, key, &self.masked));
        if seed.public() == self.key {
            Ok(seed)
        } else {
            Err(damaged())
        }
    }

    pub fn addresses(&self) -> Vec<PeerAddress> {
        self.addresses
            .iter()
            .filter_map(|a| a.parse().ok())
            .collect()
    }

    pub fn set_addresses(&mut self, addresses: &[PeerAddress]) -> Result<(), PodError> {
        if addresses.len() > MAX_ADDRESSES {
            return Err(PodError::Request(format!(
                "a view is kept at {MAX_ADDRESSES} places at most: leave some out"
            )));
        }
        self.addresses = addresses.iter().map(PeerAddress::to_string).collect();
        Ok(())
    }
}

fn damaged() -> PodError {
    PodError::Request(
        "views.redb is damaged, or of another home: remove it, and join the views again".into(),
    )
}

/// What keeps the seeds in the store from who has the store alone: 32 bytes for each view, that follow from a secret in the key store of
/// the home. The first seed of a view has one of its own, and every later one one by its key, so none is used twice.
pub(super) struct Mask(Zeroizing<[u8; 32]>);

impl Mask {
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = blake3::derive_key("rhizome view seeds at rest v1", secret);
        Self(Zeroizing::new(key))
    }

    fn apply(&self, did: &Did, key: Option<&PublicKey>, bytes: &[u8; 32]) -> [u8; 32] {
        let mut mask = blake3::Hasher::new_keyed(&self.0);
        mask.update(did.to_string().as_bytes());
        if let Some(key) = key {
            mask.update(&[0]).update(&key.to_bytes());
        }
        let mask = mask.finalize();
        let mut out = *bytes;
        for (byte, mask) in out.iter_mut().zip(mask.as_bytes()) {
            *byte ^= mask;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_and_gives_its_seed_to_its_home_alone() {
        let seed = Seed::take(&mut [5; 32]);
        let did = Did::from_key(seed.public());
        let mask = Mask::new(&[1; 32]);
        let row = Row::new(7, &did, &seed, true, &mask);
        let bytes = row.to_bytes().unwrap();
        assert!(!bytes.windows(32).any(|w| w == [5; 32]));
        let back = Row::from_bytes(&bytes).unwrap();
        assert_eq!((back.number, back.own, back.key), (7, true, seed.public()));
        assert_eq!(back.seed(&did, &mask).unwrap().expose(), seed.expose());
        assert!(back.seed(&did, &Mask::new(&[2; 32])).is_err());
        let other = Did::from_key(Seed::take(&mut [6; 32]).public());
        assert!(back.seed(&other, &mask).is_err());
        assert!(Row::from_bytes(&bytes[1..]).is_err());

        // another seed has another mask: who knows one seed and both rows does not learn the other
        let next = Seed::take(&mut [6; 32]);
        let mut wrote = [1, 2].map(|n| Seed::take(&mut [n; 32]).public()).to_vec();
        let moved = back.acting_by((9, false), &did, &next, &mask, wrote.clone());
        let moved = Row::from_bytes(&moved.to_bytes().unwrap()).unwrap();
        assert_eq!((moved.number, moved.keys(), moved.own), (7, 9, false));
        assert_eq!(moved.before(), wrote);
        assert_eq!(moved.seed(&did, &mask).unwrap().expose(), next.expose());
        let both = back
            .masked
            .iter()
            .zip(moved.masked.iter())
            .map(|(a, b)| a ^ b);
        let xor: Vec<u8> = both.collect();
        assert_ne!(xor, vec![5 ^ 6; 32]);
        let again = moved.acting_by(
            (11, false),
            &did,
            &seed,
            &mask,
            [seed.public(); MAX_BEFORE - 1],
        );
        wrote.remove(0);
        assert_eq!(
            (again.before().len(), again.before()[0]),
            (MAX_BEFORE, wrote[0])
        );
    }
}
