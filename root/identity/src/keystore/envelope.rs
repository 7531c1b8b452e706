//! The file: a header in the clear, then the sealed contents.
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 6 | `RZKEYS` |
//! | 6 | 1 | version: 2; version 1 is read |
//! | 7 | 1 | protection: 0 permissions only (empty passphrase), 1 passphrase |
//! | 8 | 4 | Argon2id memory in KiB |
//! | 12 | 4 | Argon2id passes |
//! | 16 | 4 | Argon2id lanes: 1 |
//! | 20 | 16 | salt, new with every passphrase |
//! | 36 | 24 | nonce, new with every save |
//! | 60 | 16 | check value of the key |
//! | 76 | 4 | length of what follows |
//! | 80 | … | XChaCha20-Poly1305 of the contents; the 80 bytes before are its associated data |
//!
//! Numbers are big-endian. `K = Argon2id(NFC(passphrase), salt)`, 32 bytes; the encryption key and the check value are BLAKE3
//! `derive_key` of `K` under "rhizome key store encryption v1" and "rhizome key store check v1" (first 16 bytes). The check value
//! tells a wrong passphrase from a damaged file, and binds the file to one key, which the AEAD alone would not.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version as Argon2Version};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use super::Protection;
use super::directory::MAX_FILE;
use crate::{IdentityError, Random, Secret};

const MAGIC: &[u8; 6] = b"RZKEYS";
const VERSION: u8 = 2;
const HEADER_LEN: usize = 80;
const TAG_LEN: usize = 16;

/// Costs of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Costs {
    memory_kib: u32,
    passes: u32,
}

/// For a passphrase: above OWASP's least (19 MiB, 2 passes); a fifth of a second on a slow core.
const STRONG: Costs = Costs {
    memory_kib: 64 << 10,
    passes: 3,
};
/// For an empty passphrase: the least there is, as there is nothing to guess.
const LEAST: Costs = Costs {
    memory_kib: 8,
    passes: 1,
};
/// The most that a file may ask for when it is read.
const MOST: Costs = Costs {
    memory_kib: 256 << 10,
    passes: 10,
};

pub(super) struct Header {
    pub version: u8,
    pub protection: Protection,
    costs: Costs,
    salt: [u8; 16],
    nonce: [u8; 24],
    check: [u8; 16],
}

/// Reads fields of fixed length from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], IdentityError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(IdentityError::Truncated)?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u32, IdentityError> {
        Ok(u32::from_be_bytes(self.take()?))
    }
}

/// Reads the header and checks that the file is whole. `path` is for messages.
pub(super) fn open_header(file: &[u8], path: &Path) -> Result<Header, IdentityError> {
    let mut fields = Fields(file);
    if !file.starts_with(MAGIC) {
        return Err(if MAGIC.starts_with(file) {
            IdentityError::Truncated
        } else {
            IdentityError::NotAKeyStore(path.into())
        });
    }
    fields.take::<6>()?;
    let [version] = fields.take()?;
    if version == 0 || version > VERSION {
        return Err(IdentityError::Version(version));
    }
    let protection = match fields.take()? {
        [0] => Protection::PermissionsOnly,
        [1] => Protection::Passphrase,
        _ => return Err(IdentityError::Damaged),
    };
    let costs = Costs {
        memory_kib: fields.number()?,
        passes: fields.number()?,
    };
    if !(LEAST.memory_kib..=MOST.memory_kib).contains(&costs.memory_kib)
        || !(LEAST.passes..=MOST.passes).contains(&costs.passes)
    {
        return Err(IdentityError::Costs {
            memory_kib: costs.memory_kib,
            passes: costs.passes,
        });
    }
    if fields.number()? != 1 {
        return Err(IdentityError::Damaged);
    }
    let header = Header {
        version,
        protection,
        costs,
        salt: fields.take()?,
        nonce: fields.take()?,
        check: fields.take()?,
    };
    let len = fields.number()? as usize;
    match fields.0.len() {
        left if left < len => Err(IdentityError::Truncated),
        left if left > len || len < TAG_LEN => Err(IdentityError::Damaged),
        _ => Ok(header),
    }
}

/// Opens the file whose header was read.
pub(super) fn open(
    header: &Header,
    file: &[u8],
    passphrase: &str,
) -> Result<(Wrapping, Zeroizing<Vec<u8>>), IdentityError> {
    if header.protection == Protection::PermissionsOnly && !passphrase.is_empty() {
        return Err(IdentityError::NoPassphrase);
    }
    let wrapping = Wrapping::derive(passphrase, header.protection, header.costs, header.salt)?;
    if wrapping.check != header.check {
        return Err(match header.protection {
            Protection::Passphrase => IdentityError::WrongPassphrase,
            Protection::PermissionsOnly => IdentityError::Damaged,
        });
    }
    let (associated, sealed) = file
        .split_at_checked(HEADER_LEN)
        .ok_or(IdentityError::Truncated)?;
    let (sealed, tag) = sealed
        .split_last_chunk::<TAG_LEN>()
        .ok_or(IdentityError::Truncated)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    XChaCha20Poly1305::new(wrapping.key.expose().into())
        .decrypt_inout_detached(
            &XNonce::from(header.nonce),
            associated,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| IdentityError::Damaged)?;
    Ok((wrapping, plain))
}

/// The key that seals the file, kept while the store is open so that a save need not ask for the passphrase again.
pub(super) struct Wrapping {
    protection: Protection,
    costs: Costs,
    salt: [u8; 16],
    check: [u8; 16],
    key: Secret,
}

impl Wrapping {
    pub fn new(passphrase: &str, random: Random<'_>) -> Result<Self, IdentityError> {
        let mut salt = [0; 16];
        random(&mut salt);
        if passphrase.is_empty() {
            Self::derive(passphrase, Protection::PermissionsOnly, LEAST, salt)
        } else {
            Self::derive(passphrase, Protection::Passphrase, STRONG, salt)
        }
    }

    pub fn protection(&self) -> Protection {
        self.protection
    }

    fn derive(
        passphrase: &str,
        protection: Protection,
        costs: Costs,
        salt: [u8; 16],
    ) -> Result<Self, IdentityError> {
        let refused = |_| IdentityError::Costs {
            memory_kib: costs.memory_kib,
            passes: costs.passes,
        };
        // One spelling of accented letters, whatever keyboard they came from.
        let normal: Zeroizing<String> = Zeroizing::new(passphrase.nfc().collect());
        let params = Params::new(costs.memory_kib, costs.passes, 1, None).map_err(refused)?;
        let mut root = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Argon2Version::V0x13, params)
            .hash_password_into(normal.as_bytes(), &salt, root.as_mut_slice())
            .map_err(refused)?;
        let mut key = blake3::derive_key("rhizome key store encryption v1", root.as_slice());
        let mut long = blake3::derive_key("rhizome key store check v1", root.as_slice());
        let mut check = [0; 16];
        check.copy_from_slice(&long[..16]);
        long.zeroize();
        Ok(Self {
            protection,
            costs,
            salt,
            check,
            key: Secret::take(&mut key),
        })
    }

    /// The whole file for these contents.
    pub fn seal(
        &self,
        mut plain: Zeroizing<Vec<u8>>,
        random: Random<'_>,
    ) -> Result<Vec<u8>, IdentityError> {
        let mut nonce = [0; 24];
        random(&mut nonce);
        let len = plain.len() + TAG_LEN;
        if HEADER_LEN + len > MAX_FILE {
            return Err(IdentityError::Full("a mebibyte"));
        }
        let mut file = Vec::with_capacity(HEADER_LEN + len);
        file.extend_from_slice(MAGIC);
        file.push(VERSION);
        file.push(match self.protection {
            Protection::PermissionsOnly => 0,
            Protection::Passphrase => 1,
        });
        for number in [self.costs.memory_kib, self.costs.passes, 1] {
            file.extend_from_slice(&number.to_be_bytes());
        }
        file.extend_from_slice(&self.salt);
        file.extend_from_slice(&nonce);
        file.extend_from_slice(&self.check);
        file.extend_from_slice(&(len as u32).to_be_bytes());
        let tag = XChaCha20Poly1305::new(self.key.expose().into())
            .encrypt_inout_detached(&XNonce::from(nonce), &file, plain.as_mut_slice().into())
            .map_err(|_| IdentityError::Full("a mebibyte"))?;
        file.extend_from_slice(&plain);
        file.extend_from_slice(&tag);
        Ok(file)
    }
}
