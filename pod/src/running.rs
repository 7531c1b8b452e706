//! `running.json`: how other processes of the same person find the node that holds their pod.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::PodError;

/// Where a running node answers. The file can be read by its owner only: it holds the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// `http://127.0.0.1:8420`
    pub url: String,
    /// Opens the API.
    pub token: String,
    /// The node's process id.
    pub pid: u32,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("url", &self.url)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// The address to open in a browser.
    pub fn page(&self) -> String {
        format!("{}/#token={}", self.url, self.token)
    }

    /// Reads the file; `None` if there is none or it is not one of ours.
    pub fn read(path: &Path) -> Option<Self> {
        let mut text = Vec::new();
        fs::File::open(path)
            .ok()?
            .take(4096)
            .read_to_end(&mut text)
            .ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// The file while a node runs; removed when dropped.
#[derive(Debug)]
pub(crate) struct Announcement {
    path: PathBuf,
}

impl Announcement {
    /// Writes the file under a temporary name and renames it, so that nobody reads half of it.
    pub fn write(path: PathBuf, running: &Running) -> Result<Self, PodError> {
        let temporary = path.with_extension("json.new");
        let io = |error| PodError::file(&temporary, error);
        let _ = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary).map_err(io)?;
        file.write_all(&serde_json::to_vec(running).map_err(|e| io(e.into()))?)
            .map_err(io)?;
        fs::rename(&temporary, &path).map_err(io)?;
        Ok(Self { path })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_private_complete_and_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("running.json");
        let running = Running {
            url: "http://127.0.0.1:1".into(),
            token: "secret".into(),
            pid: 7,
        };
        let announcement = Announcement::write(path.clone(), &running).unwrap();
        assert_eq!(Running::read(&path), Some(running.clone()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        assert!(!format!("{running:?}").contains("secret"));
        drop(announcement);
        assert_eq!(Running::read(&path), None);
    }
}
