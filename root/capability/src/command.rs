//! Commands: paths whose segments only narrow.

use std::fmt;
use std::str::FromStr;

use crate::CapabilityError;

/// What may be done: `/`, which is everything, or lower case segments such as `/pod/tuple/read`. A command covers itself and what is
/// under it, segment by segment: `/pod/tuple` covers `/pod/tuple/read` and not `/pod/tuplex`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(String);

impl Command {
    /// Longest command in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Revokes a delegation.
    pub const REVOKE: &'static str = "/ucan/revoke";

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this command or under it.
    pub fn covers(&self, other: &Self) -> bool {
        self.0 == "/"
            || other
                .0
                .strip_prefix(&self.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Command {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let path = text.strip_prefix('/').ok_or(CapabilityError::Command)?;
        let segments = path.is_empty() || path.split('/').all(|segment| !segment.is_empty());
        // Letters without a lower case (of other scripts) stand as they are.
        if text.len() > Self::MAX_LEN || !segments || text.to_lowercase() != text {
            return Err(CapabilityError::Command);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
