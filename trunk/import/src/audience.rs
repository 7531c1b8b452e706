//! Who may see something, as far as an export says.

use serde::Serialize;

/// Who may see a record, from most to least open: of two that disagree the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Everyone, and it may be listed.
    Public,
    /// Everyone who has its address.
    Unlisted,
    /// The author's followers.
    Followers,
    /// Only the people named in it. Also whatever an export does not say clearly.
    Direct,
}

impl Audience {
    /// The audience that `social/audience` calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Public, Self::Unlisted, Self::Followers, Self::Direct]
            .into_iter()
            .find(|audience| audience.as_str() == name)
    }

    /// The value of `social/audience`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unlisted => "unlisted",
            Self::Followers => "followers",
            Self::Direct => "direct",
        }
    }
}
