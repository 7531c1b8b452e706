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
}

impl Row {
    pub fn new(number: u64, did: &Did, seed: &Seed, own: bool, mask: &Mask) -> Self {
        Self {
            number,
            key: seed.public(),
            own,
            masked: ByteArray::new(mask.apply(did, seed.expose())),
            addresses: Vec::new(),
        }
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, PodError> {
        codec::encode(self).map_err(|_| damaged())
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PodError> {
        codec::decode(bytes, MAX_ROW).map_err(|_| damaged())
    }

    pub fn seed(&self, did: &Did, mask: &Mask) -> Result<Seed, PodError> {
        let seed = Seed::take(&mut mask.apply(did, &self.masked));
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
/// the home. A view has one seed for ever, so none is used twice.
pub(super) struct Mask(Zeroizing<[u8; 32]>);

impl Mask {
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = blake3::derive_key("rhizome view seeds at rest v1", secret);
        Self(Zeroizing::new(key))
    }

    fn apply(&self, did: &Did, bytes: &[u8; 32]) -> [u8; 32] {
        let mask = blake3::keyed_hash(&self.0, did.to_string().as_bytes());
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
    }
}
