//! Where the file is.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use super::directory::{Directory, Version};
use crate::IdentityError;

/// The file of a key store that is on no disk: for simulations, and for keys that are gone with the process. Clones are the same file.
#[derive(Clone, Default)]
pub struct KeyFile(Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>);

pub(super) enum Place {
    Disk(Directory),
    Memory(KeyFile),
}

fn version(bytes: &[u8]) -> Version {
    Version::Hash(*blake3::hash(bytes).as_bytes())
}

impl Place {
    /// What to call it.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Disk(directory) => directory.file(),
            Self::Memory(_) => "(memory)".into(),
        }
    }

    pub fn read(&self) -> Result<(Vec<u8>, Version), IdentityError> {
        match self {
            Self::Disk(directory) => directory.read(),
            Self::Memory(file) => {
                let file = file.0.lock().unwrap_or_else(PoisonError::into_inner);
                let bytes = file
                    .as_ref()
                    .ok_or_else(|| IdentityError::Missing(self.file()))?;
                Ok((bytes.to_vec(), version(bytes)))
            }
        }
    }

    /// Replaces the file, if it is still the one in `based_on`.
    pub fn replace(&self, bytes: &[u8], based_on: &Version) -> Result<Version, IdentityError> {
        match self {
            Self::Disk(directory) => directory.replace(bytes, based_on),
            Self::Memory(file) => {
                let mut file = file.0.lock().unwrap_or_else(PoisonError::into_inner);
                let current = file.as_ref().map_or(Version::None, |b| version(b));
                if current != *based_on {
                    return Err(match based_on {
                        Version::None => IdentityError::Exists(self.file()),
                        Version::Hash(_) => IdentityError::Changed,
                    });
                }
                *file = Some(Zeroizing::new(bytes.to_vec()));
                Ok(version(bytes))
            }
        }
    }
}
