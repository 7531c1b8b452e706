//! Pictures and films of a repository, where they lie beside it as files named by their CIDs.

use std::collections::HashMap;
use std::io::Read;

use rhizome_ipld::{Cid, RAW, SHA2_256};
use sha2::{Digest, Sha256};

use crate::error::ImportError;
use crate::source::Source;

/// Files by the CIDs they are called by.
pub struct Blobs(HashMap<String, String>);

impl Blobs {
    /// Those of a source: `…/bafkrei…` with any extension.
    pub fn of(source: &Source) -> Self {
        let named = source.entries().iter().filter_map(|entry| {
            let name = entry.path.rsplit('/').next()?;
            let stem = name.split('.').next()?;
            stem.starts_with("bafk")
                .then(|| (stem.to_owned(), entry.path.clone()))
        });
        Self(named.collect())
    }

    /// The file that a CID names, its bytes checked against it.
    ///
    /// # Errors
    /// In the inner result, that the file's bytes are others.
    pub fn find(
        &self,
        source: &Source,
        cid: &Cid,
    ) -> Result<Option<Result<&str, &str>>, ImportError> {
        let Some(path) = self.0.get(&cid.to_string()) else {
            return Ok(None);
        };
        if cid.codec() != RAW || cid.hash().code() != SHA2_256 {
            return Ok(Some(Err(path)));
        }
        let mut reader = source.read(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Some(Err(path))),
            };
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
        let right = hasher.finalize().as_slice() == cid.hash().digest();
        Ok(Some(if right { Ok(path) } else { Err(path) }))
    }
}
