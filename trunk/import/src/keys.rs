//! Entity ids from (source, native id): the reason why a second import meets the first.

use rhizome_tuple::EntityId;

/// Derives the entities of one source in one pod.
///
/// The nonce is BLAKE3 in key-derivation mode (context `rhizome import key v1`) over the source and the native id, each
/// after its length as 8 little-endian bytes; 32 bytes, given to [`EntityId::derive`] with the pod's DID.
#[derive(Clone)]
pub struct Keys {
    creator: String,
    source: blake3::Hasher,
}

impl Keys {
    /// Ids of `source` in the pod of `creator`, a DID.
    pub fn new(creator: &str, source: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome import key v1");
        put(&mut hasher, source.as_bytes());
        Self {
            creator: creator.to_owned(),
            source: hasher,
        }
    }

    /// The entity of a native id.
    pub fn entity(&self, key: &str) -> EntityId {
        self.entity_of(key.as_bytes())
    }

    /// The entity of a native id that may not be text.
    pub fn entity_of(&self, key: &[u8]) -> EntityId {
        let mut hasher = self.source.clone();
        put(&mut hasher, key);
        EntityId::derive(&self.creator, hasher.finalize().as_bytes())
    }
}

fn put(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher
        .update(&(bytes.len() as u64).to_le_bytes())
        .update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_pod_source_and_key_and_on_their_borders() {
        let id = |creator, source, key| Keys::new(creator, source).entity(key);
        let all = [
            id("did:a", "s", "k"),
            id("did:b", "s", "k"),
            id("did:a", "t", "k"),
            id("did:a", "s", "l"),
            id("did:a", "sk", ""),
            id("did:a", "", "sk"),
        ];
        for (n, a) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|b| a != b));
        }
        assert_eq!(
            id("did:a", "s", "k"),
            Keys::new("did:a", "s").entity_of(b"k")
        );
    }

    /// Pins the derivation: changing it would make every earlier import a stranger to the next.
    #[test]
    fn a_known_id() {
        assert_eq!(
            Keys::new("did:key:z6Mk", "mastodon")
                .entity("https://m.example/1")
                .to_string(),
            "rz:ruwgr2zjpu4boqwzlpb3ygtajpuugfffkx2dysq"
        );
    }
}
