//! How much room files may take: a limit that the person sets, and what stays free on the disk whatever he says.

use std::{fs, io};

use rhizome_blob::BlobStore;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{Pod, PodError, PodHome, home::replace_file};

/// Bytes of the disk that files leave free: the pod still has to write its tuples, and others are there, too.
pub const SPARED: u64 = 256 << 20;

/// What is kept of it, in `limits.json`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Limits {
    /// Bytes that files may take.
    files: Option<u64>,
}

/// Applies what was set when the pod was open last.
pub(crate) fn prepare(home: &PodHome, blobs: &BlobStore) -> Result<(), PodError> {
    blobs.spare(SPARED);
    let path = home.limits();
    let limits: Limits = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| PodError::file(&path, io::Error::other(error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PodError::file(&path, error)),
    };
    Ok(blobs.set_quota(limits.files)?)
}

impl Pod {
    /// `{"limit", "used", "free", "spared"}` in bytes: what files may take, and take of it by how they are counted there (both null if nothing was set); what is free on
    /// the disk (null if the system does not say), and how much of that they leave free.
    pub fn room(&self) -> Json {
        let usage = self.blobs().usage();
        json!({
            "limit": usage.map(|u| u.quota),
            "used": usage.map(|u| u.used),
            "free": self.blobs().free(),
            "spared": SPARED,
        })
    }

    /// Lets files take so many bytes on this device, or as many as there are. What is here stays, even if it is more.
    ///
    /// # Errors
    /// [`PodError::File`] if it cannot be remembered; then it is as before.
    pub fn limit_files(&self, limit: Option<u64>) -> Result<(), PodError> {
        let text = serde_json::to_vec(&Limits { files: limit });
        let path = self.home().limits();
        let text = text.map_err(|error| PodError::file(&path, io::Error::other(error)))?;
        replace_file(&path, &text)?;
        self.blobs().set_quota(limit)?;
        Ok(())
    }
}
