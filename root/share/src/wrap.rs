//! Secrets sealed to a key: HPKE (RFC 9180 and draft-ietf-hpke-pq) in base mode, one message, single use.
//!
//! To an X-Wing key: X-Wing, SHAKE256, `ChaCha20-Poly1305`. To an X25519 key: DHKEM(X25519), HKDF-SHA256, `ChaCha20-Poly1305`. The sealed
//! form is the encapsulated key and then the ciphertext.

use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::{HkdfSha256, KdfShake256},
    kem::{X25519HkdfSha256, XWing},
    single_shot_open, single_shot_seal_with_rng,
};
use rhizome_identity::{KemKey, KemSecret, Random};
use zeroize::Zeroizing;

use crate::ShareError;

/// Length in bytes of an X-Wing encapsulation.
const X_WING_ENCAPSULATED: usize = 1120;

/// Longest sealed form of a 32-byte secret: encapsulated key, ciphertext, tag.
pub const MAX_WRAP: usize = X_WING_ENCAPSULATED + 32 + 16;

/// Seals `secret` to `key`. It opens only with the same `info` (what kind of thing this is) and `context` (which one).
///
/// # Errors
/// [`ShareError::Wrap`] if `key` is not a key of its algorithm.
pub fn seal(
    key: &KemKey,
    info: &[u8],
    context: &[u8],
    secret: &[u8; 32],
    random: Random<'_>,
) -> Result<Vec<u8>, ShareError> {
    match key {
        KemKey::XWing(bytes) => {
            seal_with::<XWing, KdfShake256>(bytes.as_slice(), info, context, secret, random)
        }
        KemKey::X25519(bytes) => {
            seal_with::<X25519HkdfSha256, HkdfSha256>(bytes, info, context, secret, random)
        }
    }
}

/// Opens what [`seal`] made for the X-Wing key of `secret`.
///
/// # Errors
/// [`ShareError::Wrap`] if it was sealed to another key, for another context, or was changed.
pub fn open(
    secret: &KemSecret,
    info: &[u8],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<[u8; 32]>, ShareError> {
    let (encapsulated, ciphertext) = sealed
        .split_at_checked(X_WING_ENCAPSULATED)
        .ok_or(ShareError::Wrap)?;
    let private = <XWing as Kem>::PrivateKey::from_bytes(secret.seed().expose());
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated);
    let (Ok(private), Ok(encapsulated)) = (private, encapsulated) else {
        return Err(ShareError::Wrap);
    };
    let plain = single_shot_open::<ChaCha20Poly1305, KdfShake256, XWing>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        info,
        ciphertext,
        context,
    )
    .map(Zeroizing::new)
    .map_err(|_| ShareError::Wrap)?;
    let mut out = Zeroizing::new([0; 32]);
    if plain.len() != out.len() {
        return Err(ShareError::Wrap);
    }
    out.copy_from_slice(&plain);
    Ok(out)
}

fn seal_with<K: Kem, D: hpke::kdf::Kdf>(
    key: &[u8],
    info: &[u8],
    context: &[u8],
    secret: &[u8; 32],
    random: Random<'_>,
) -> Result<Vec<u8>, ShareError> {
    let key = K::PublicKey::from_bytes(key).map_err(|_| ShareError::Wrap)?;
    let (encapsulated, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, D, K>(
        &OpModeS::Base,
        &key,
        info,
        secret,
        context,
        &mut Source(random),
    )
    .map_err(|_| ShareError::Wrap)?;
    Ok([&encapsulated.to_bytes()[..], &ciphertext].concat())
}

/// Randomness that is passed in, in the form HPKE takes it.
struct Source<'a>(Random<'a>);

impl TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(out);
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use rhizome_identity::Secret;

    fn random() -> impl FnMut(&mut [u8]) {
        let mut n = 0u8;
        move |out| {
            for b in out {
                n = n.wrapping_mul(5).wrapping_add(17);
                *b = n;
            }
        }
    }

    #[test]
    fn only_the_recipient_opens_and_only_in_its_context() {
        let mut random = random();
        let mine = KemSecret::from_seed(Secret::random(&mut random));
        let other = KemSecret::from_seed(Secret::random(&mut random));
        let sealed = seal(&mine.public(), b"kind", b"one", &[7; 32], &mut random).unwrap();
        assert_eq!(sealed.len(), MAX_WRAP);
        assert_eq!(*open(&mine, b"kind", b"one", &sealed).unwrap(), [7; 32]);
        assert!(open(&other, b"kind", b"one", &sealed).is_err());
        assert!(open(&mine, b"kind", b"two", &sealed).is_err());
        assert!(open(&mine, b"knot", b"one", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&mine, b"kind", b"one", &changed).is_err(), "byte {at}");
        }
        assert!(open(&mine, b"kind", b"one", &sealed[..100]).is_err());
        assert!(open(&mine, b"kind", b"one", &[]).is_err());
    }

    #[test]
    fn an_x25519_key_gets_a_short_wrap_and_a_bad_one_none() {
        let mut random = random();
        let key = KemKey::X25519([9; 32]);
        let sealed = seal(&key, b"kind", b"one", &[7; 32], &mut random).unwrap();
        assert_eq!(sealed.len(), 32 + 32 + 16);
        // the point of order one: nothing can be sealed to it
        assert!(
            seal(
                &KemKey::X25519([0; 32]),
                b"kind",
                b"one",
                &[7; 32],
                &mut random
            )
            .is_err()
        );
    }
}
