//! Twenty-four words on paper that take an identity back.
//!
//! The words are BIP-39 (English) of 32 random bytes. From those bytes, not from BIP-39's PBKDF2 seed (256 bits of entropy need no
//! stretching), BLAKE3 in key-derivation mode makes
//!
//! ```text
//! recovery key  = Ed25519 key of  derive_key("rhizome recovery key v1",  entropy)
//! salt          =                 derive_key("rhizome recovery salt v1", entropy)
//! sealing key   = X-Wing key of   derive_key("rhizome recovery kem v1",  entropy)
//! policy        = { k: 1, keys: [ SHA2-256(salt ‖ multikey of the recovery key) ] }
//! ```
//!
//! so the words alone are enough: nothing else has to be kept. The policy shows neither the key nor that it came from words.

use bip39::{Language, Mnemonic};
use rhizome_ipld::SigningKey;
use zeroize::{Zeroize, Zeroizing};

use crate::{IdentityError, KemSecret, Policy, Random, Reveal, Secret};

/// How many words.
pub const WORDS: usize = 24;

/// Longest text that is read as words: 24 of at most 8 letters, and generous white space.
const MAX_TEXT: usize = 1024;

/// Twenty-four recovery words, in memory only as long as they are shown or checked. Wiped on drop, never printed by accident.
pub struct RecoveryWords(Secret);

impl RecoveryWords {
    /// New words.
    pub fn generate(random: Random<'_>) -> Self {
        Self(Secret::random(random))
    }

    /// The words of 32 bytes of entropy.
    pub fn from_entropy(entropy: Secret) -> Self {
        Self(entropy)
    }

    /// The entropy the words stand for.
    pub fn entropy(&self) -> &Secret {
        &self.0
    }

    /// Reads words as a person types them: any case, any white space between. The checksum in the last word catches almost every
    /// typing error.
    ///
    /// # Errors
    /// [`IdentityError::Words`], which names the place of an unknown word and nothing else of what was typed.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let wrong = |what: String| Err(IdentityError::Words(what));
        if text.len() > MAX_TEXT {
            return wrong("the text is too long".into());
        }
        let mut normal = Zeroizing::new(String::with_capacity(text.len()));
        let mut count = 0;
        for word in text.split_whitespace() {
            if count > 0 {
                normal.push(' ');
            }
            normal.extend(word.chars().map(|c| c.to_ascii_lowercase()));
            count += 1;
        }
        if count != WORDS {
            return wrong(format!("{count} words instead of {WORDS}"));
        }
        let mnemonic = match Mnemonic::parse_in_normalized(Language::English, &normal) {
            Ok(mnemonic) => mnemonic,
            Err(bip39::Error::UnknownWord(index)) => {
                return wrong(format!("word {} is not in the list", index + 1));
            }
            Err(bip39::Error::InvalidChecksum) => {
                return wrong(
                    "every word is in the list, but one of them is wrong or two are swapped".into(),
                );
            }
            Err(_) => return wrong("they cannot be read".into()),
        };
        let (mut entropy, len) = mnemonic.to_entropy_array();
        let mut secret = [0; 32];
        let read = match entropy.get(..len) {
            Some(bytes) if len == secret.len() => {
                secret.copy_from_slice(bytes);
                Ok(Self(Secret::take(&mut secret)))
            }
            _ => wrong("they cannot be read".into()),
        };
        entropy.zeroize();
        read
    }

    /// The words, separated by single spaces.
    pub fn phrase(&self) -> Zeroizing<String> {
        let mut phrase = Zeroizing::new(String::with_capacity(WORDS * 9));
        // 32 bytes are a length that BIP-39 has.
        if let Ok(mnemonic) = Mnemonic::from_entropy_in(Language::English, self.0.expose()) {
            for word in mnemonic.words() {
                if !phrase.is_empty() {
                    phrase.push(' ');
                }
                phrase.push_str(word);
            }
        }
        phrase
    }

    /// The key that signs a recovery.
    pub fn key(&self) -> SigningKey {
        SigningKey::from_seed(blake3::derive_key(
            "rhizome recovery key v1",
            self.0.expose(),
        ))
    }

    /// The salt that hides the key in the policy; revealed with the key when it is used.
    pub fn salt(&self) -> [u8; 32] {
        blake3::derive_key("rhizome recovery salt v1", self.0.expose())
    }

    /// The key to which a pod's secrets are sealed, so that the words alone open them again.
    pub fn kem(&self) -> KemSecret {
        let mut seed = blake3::derive_key("rhizome recovery kem v1", self.0.expose());
        KemSecret::from_seed(Secret::take(&mut seed))
    }

    /// What shows, in a recovery, that the words belong to a policy.
    pub fn reveal(&self) -> Reveal {
        Reveal {
            salt: self.salt(),
            key: self.key().public(),
        }
    }

    /// The policy that these words alone satisfy.
    pub fn policy(&self) -> Policy {
        Policy::of(1, &[self.reveal()])
    }

    /// Checks words against the policies of the identity they should recover (a [`crate::Genesis`] and a [`crate::Resolution`] have
    /// them), and says which of them they satisfy.
    ///
    /// # Errors
    /// [`IdentityError::OtherWords`].
    pub fn verify(&self, policies: &[Policy]) -> Result<usize, IdentityError> {
        let policy = self.policy();
        policies
            .iter()
            .position(|p| *p == policy)
            .ok_or(IdentityError::OtherWords)
    }
}
