//! Principals: DIDs, with the fragment that says which of their keys signs.

use std::fmt;
use std::str::FromStr;

use rhizome_ipld::PublicKey;

use crate::CapabilityError;

/// A DID, perhaps with a fragment. The fragment says which key signed and nothing else: two principals are the same if their DIDs are,
/// and that is what `==` compares.
#[derive(Debug, Clone)]
pub struct Principal {
    text: String,
    /// Length of the DID, without the fragment.
    did: usize,
    /// For a `did:key`: its key.
    key: Option<PublicKey>,
}

impl Principal {
    /// Longest DID with its fragment, in bytes.
    pub const MAX_LEN: usize = 512;

    /// The `did:key` of a key.
    pub fn of(key: &PublicKey) -> Self {
        let text = key.to_did_key();
        Self {
            did: text.len(),
            text,
            key: Some(*key),
        }
    }

    /// All of it, with the fragment.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The DID alone.
    pub fn did(&self) -> &str {
        self.text.get(..self.did).unwrap_or(&self.text)
    }

    /// What follows the `#`.
    pub fn fragment(&self) -> Option<&str> {
        self.text.get(self.did + 1..)
    }

    /// For a `did:key` of an accepted kind: its key.
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// The key with which this principal signs now.
    pub(crate) fn signing_key(&self, resolver: &dyn Resolver) -> Option<PublicKey> {
        match (&self.key, self.fragment()) {
            (Some(key), None) => Some(*key),
            // A fragment of a did:key can only be the key itself.
            (Some(key), Some(fragment)) => {
                (self.did().strip_prefix("did:key:") == Some(fragment)).then_some(*key)
            }
            (None, Some(fragment)) if !self.text.starts_with("did:key:") => {
                resolver.key(self.did(), fragment)
            }
            (None, _) => None,
        }
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.did() == other.did()
    }
}

impl Eq for Principal {}

impl FromStr for Principal {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let error = Err(CapabilityError::Did);
        if text.len() > Self::MAX_LEN {
            return error;
        }
        let (did, fragment) = match text.split_once('#') {
            Some((did, fragment)) => (did, Some(fragment)),
            None => (text, None),
        };
        let Some((method, id)) = did
            .strip_prefix("did:")
            .and_then(|rest| rest.split_once(':'))
        else {
            return error;
        };
        let method_is = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let id_is = |c: u8| c.is_ascii_alphanumeric() || b".-_%:".contains(&c);
        let whole = |text: &str, is: fn(u8) -> bool| !text.is_empty() && text.bytes().all(is);
        if !whole(method, method_is)
            || !whole(id, id_is)
            || fragment.is_some_and(|fragment| {
                !whole(fragment, |c| (0x21..0x7f).contains(&c) && c != b'#')
            })
        {
            return error;
        }
        let key = PublicKey::from_did_key(did)
            .ok()
            .filter(|key| key.to_did_key() == did);
        Ok(Self {
            text: text.to_owned(),
            did: did.len(),
            key,
        })
    }
}

impl From<&PublicKey> for Principal {
    fn from(key: &PublicKey) -> Self {
        Self::of(key)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Knows the keys of DIDs that are not `did:key`.
pub trait Resolver {
    /// The key that `fragment` names, if it is a key of `did` **now**. Asked at every verification: a device that was taken out of its
    /// DID signs nothing any more.
    fn key(&self, did: &str, fragment: &str) -> Option<PublicKey>;
}

/// Knows no DID but `did:key`, which needs no resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct DidKeys;

impl Resolver for DidKeys {
    fn key(&self, _: &str, _: &str) -> Option<PublicKey> {
        None
    }
}

impl<F: Fn(&str, &str) -> Option<PublicKey>> Resolver for F {
    fn key(&self, did: &str, fragment: &str) -> Option<PublicKey> {
        self(did, fragment)
    }
}
