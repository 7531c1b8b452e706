//! Who signs tokens.

use rhizome_ipld::varsig::SIGNATURE_LEN;
use rhizome_ipld::{PublicKey, SigningKey};

use crate::Principal;

/// Somebody who signs tokens on the spot. Where signing takes a wait (a browser's key, a hardware token), see [`crate::Unsigned`].
pub trait Signer {
    /// What stands as the issuer, with the fragment that names the key unless it is a `did:key`.
    fn issuer(&self) -> Principal;

    /// The key that verifies.
    fn key(&self) -> PublicKey;

    /// The signature over these very bytes; for ECDSA r ‖ s over SHA2-256 of them.
    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN];
}

impl Signer for SigningKey {
    fn issuer(&self) -> Principal {
        Principal::of(&self.public())
    }

    fn key(&self) -> PublicKey {
        self.public()
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        SigningKey::sign(self, message)
    }
}

/// A device that signs for its person: the issuer is `did:…#z6Mk…`.
pub struct Device<'a> {
    did: Principal,
    key: &'a SigningKey,
}

impl<'a> Device<'a> {
    /// The device with this key of the person with this DID.
    ///
    /// # Errors
    /// [`crate::CapabilityError::Did`] if `did` has no room for the fragment.
    pub fn new(did: &Principal, key: &'a SigningKey) -> Result<Self, crate::CapabilityError> {
        let did = format!("{}#{}", did.did(), key.public()).parse()?;
        Ok(Self { did, key })
    }
}

impl Signer for Device<'_> {
    fn issuer(&self) -> Principal {
        self.did.clone()
    }

    fn key(&self) -> PublicKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.key.sign(message)
    }
}
