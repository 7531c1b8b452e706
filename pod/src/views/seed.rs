//! What somebody acts by in a view.

use std::fmt;

use rhizome_identity::{Did, KemSecret, Secret};
use rhizome_ipld::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::{PodError, home::random_bytes};

/// What the seed of those who follow a public view is derived by.
const PUBLIC: &str = "rhizome public view v1";

/// 32 secret bytes that the keys of one who acts in a view come from. Whoever has them can act: the owner's devices have those of the
/// view's admin, and somebody with whom it is shared those of a guest. Wiped when dropped.
#[derive(Clone)]
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// [`PodError::Random`] if the system has no randomness.
    pub fn generate() -> Result<Self, PodError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random_bytes()?(&mut *bytes);
        Ok(Self(bytes))
    }

    /// The one of those who follow a public view: everybody who knows the view's DID has it.
    pub fn of_public(view: &Did) -> Self {
        let bytes = blake3::derive_key(PUBLIC, view.to_string().as_bytes());
        Self(Zeroizing::new(bytes))
    }

    /// The one of these bytes, which are wiped.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let seed = Self(Zeroizing::new(*bytes));
        zeroize::Zeroize::zeroize(bytes);
        seed
    }

    /// The bytes: to be kept where nobody else reads them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn signing(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("rhizome view key v1", &*self.0))
    }

    /// The key that signs.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(*self.signing())
    }

    /// Its public half: by what the view knows whoever acts.
    pub fn public(&self) -> PublicKey {
        self.signing_key().public()
    }

    /// The key that receives secrets.
    pub fn kem(&self) -> KemSecret {
        KemSecret::from_seed(self.secrets().1)
    }

    /// The nonce of the view that is made by it.
    pub(crate) fn nonce(&self) -> [u8; 16] {
        let derived = blake3::derive_key("rhizome view nonce v1", &*self.0);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&derived[..16]);
        nonce
    }

    /// The seeds of both keys, for a key store.
    pub(crate) fn secrets(&self) -> (Secret, Secret) {
        let mut kem = blake3::derive_key("rhizome view kem v1", &*self.0);
        (Secret::take(&mut self.signing()), Secret::take(&mut kem))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed of {}", self.public().to_did_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_of_a_public_view_follows_from_its_did() {
        let did = Did::from_key(Seed::take(&mut [3; 32]).public());
        let mut bytes = blake3::derive_key("rhizome public view v1", did.to_string().as_bytes());
        let seed = Seed::take(&mut bytes);
        assert_eq!(Seed::of_public(&did).expose(), seed.expose());
        let other = Did::from_key(Seed::take(&mut [4; 32]).public());
        assert_ne!(Seed::of_public(&other).expose(), seed.expose());
    }

    #[test]
    fn keys_follow_from_the_seed() {
        let seed = Seed::take(&mut [7; 32]);
        let key = SigningKey::from_seed(blake3::derive_key("rhizome view key v1", &[7; 32]));
        assert_eq!(seed.public(), key.public());
        let kem = KemSecret::from_seed(Secret::take(&mut blake3::derive_key(
            "rhizome view kem v1",
            &[7; 32],
        )));
        assert_eq!(seed.kem().public(), kem.public());
        assert_ne!(
            Seed::generate().unwrap().public(),
            Seed::generate().unwrap().public()
        );
        let mut bytes = [9; 32];
        let seed = Seed::take(&mut bytes);
        assert_eq!((bytes, seed.expose()), ([0; 32], &[9; 32]));
    }
}
