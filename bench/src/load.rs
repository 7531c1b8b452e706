//! What loading the data cost, and what it takes up.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One engine's load of the whole data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    pub tuples: usize,
    /// Process CPU seconds, all threads, until the data is durable (or complete, for an engine in memory).
    pub cpu_s: f64,
    /// Blocks that the engine's closed files take up, for an engine on disk.
    pub disk_bytes: Option<u64>,
    /// Growth of the process, for an engine in memory.
    pub memory_bytes: Option<u64>,
    pub version: String,
}

/// What all files under a directory take up, as `du` counts: allocated blocks, which may be more or less than their length.
pub fn directory_bytes(directory: &Path) -> Result<u64> {
    let fault = |source| Error::File {
        path: directory.into(),
        source,
    };
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let kind = entry.metadata().map_err(fault)?;
        bytes += if kind.is_dir() {
            directory_bytes(&entry.path())?
        } else {
            allocated(&kind)
        };
    }
    Ok(bytes)
}

#[cfg(unix)]
fn allocated(file: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    file.blocks() * 512
}

#[cfg(not(unix))]
fn allocated(file: &std::fs::Metadata) -> u64 {
    file.len()
}

/// Resident memory of this process, where the system says it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
