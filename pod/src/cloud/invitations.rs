//! Who may have a pod kept: whoever brings a delegation of this peer, or a part of one ([`Grant`]). What each was for is remembered here. One is
//! good for some pods, for some time, and until it is taken back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rhizome_ipld::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{Grant, GrantPart, PodError, home::replace_file};

/// Invitations that are remembered, those that are good no longer included.
const MAX_INVITATIONS: usize = 10_000;
/// Bytes of the file.
const MAX_FILE: u64 = 8 << 20;
/// Characters of what a person notes about one.
const MAX_NOTE: usize = 200;

/// An invitation to have pods kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Names it here.
    pub id: String,
    /// The CID of the delegation.
    root: String,
    /// The one device it is for, as a did:key.
    pub to: Option<String>,
    /// For whom it is, as the person who made it noted.
    pub note: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// Pods that may still be kept by it; without it any number.
    pub left: Option<u32>,
    /// Bytes that each of them may take, if not as many as all others.
    pub quota: Option<u64>,
}

impl Invitation {
    fn is_good(&self, now_ms: i64) -> bool {
        self.left != Some(0) && self.expires_ms.is_none_or(|end| now_ms < end)
    }

    /// As commands print it.
    pub fn to_json(&self, now_ms: i64) -> Json {
        json!({
            "id": self.id,
            "to": self.to,
            "note": self.note,
            "made_ms": self.made_ms,
            "expires_ms": self.expires_ms,
            "left": self.left,
            "quota": self.quota,
            "good": self.is_good(now_ms),
        })
    }
}

/// What an invitation is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// For whom, in at most 200 characters.
    pub note: Option<String>,
    /// The one device that may use it, as a did:key; without it whoever has it.
    pub to: Option<String>,
    /// Milliseconds that it is good.
    pub lasts_ms: Option<i64>,
    /// Pods that may be kept by it; without it any number.
    pub pods: Option<u32>,
    /// Bytes that each of them may take, if not as many as all others.
    pub quota: Option<u64>,
}

/// The invitations of a peer, in a file.
pub(super) struct Invitations {
    path: PathBuf,
    all: Mutex<Vec<Invitation>>,
}

impl Invitations {
    pub fn open(path: PathBuf) -> Result<Self, PodError> {
        let io = |error| PodError::file(&path, error);
        let all = match fs::metadata(&path) {
            Ok(file) if file.len() > MAX_FILE => return Err(damaged(&path)),
            Ok(_) => {
                let bytes = fs::read(&path).map_err(io)?;
                serde_json::from_slice(&bytes).map_err(|_| damaged(&path))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(error)),
        };
        Ok(Self {
            path,
            all: Mutex::new(all),
        })
    }

    /// Changes them, on stable storage when it returns; not at all if that fails.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Invitation>) -> T) -> Result<T, PodError> {
        let mut all = self.all.lock();
        let mut next = all.clone();
        let out = change(&mut next);
        if next != *all {
            let bytes = serde_json::to_vec_pretty(&next).map_err(|_| damaged(&self.path))?;
            replace_file(&self.path, &bytes)?;
            *all = next;
        }
        Ok(out)
    }

    /// Makes one, signed by the peer: what to give away, and what is remembered.
    pub fn invite(
        &self,
        peer: &SigningKey,
        invite: Invite,
        now_ms: i64,
    ) -> Result<(Grant, Invitation), PodError> {
        let expires_ms = invite.lasts_ms.map(|lasts| now_ms.saturating_add(lasts));
        let to = match &invite.to {
            Some(text) => Some(crate::parse_device(text)?),
            None => None,
        };
        let part = GrantPart {
            to,
            quota: invite.quota,
            expires: expires_ms.map(|end| end.max(0).unsigned_abs().div_ceil(1000)),
        };
        let grant = Grant::new(peer, &part)?;
        let root = grant.root().unwrap_or_default();
        let made = Invitation {
            id: root.chars().skip(root.len().saturating_sub(12)).collect(),
            root,
            to: to.map(|key| key.to_did_key()),
            note: invite.note.map(|n| n.chars().take(MAX_NOTE).collect()),
            made_ms: now_ms,
            expires_ms,
            left: invite.pods,
            quota: invite.quota,
        };
        self.change(|all| {
            if all.len() >= MAX_INVITATIONS {
                all.retain(|i| i.is_good(now_ms));
            }
            if all.len() >= MAX_INVITATIONS {
                return Err(PodError::Request(
                    "there are 10,000 invitations: revoke some that nobody needs".into(),
                ));
            }
            all.push(made.clone());
            Ok((grant, made))
        })?
    }

    pub fn list(&self) -> Vec<Invitation> {
        self.all.lock().clone()
    }

    /// Whether this delegation is good now.
    pub fn is_good(&self, root: &str, now_ms: i64) -> bool {
        let all = self.all.lock();
        all.iter().any(|i| i.root == root && i.is_good(now_ms))
    }

    /// Uses it for one pod, if it is good: from then on it is good for one less, whatever happens.
    pub fn take(&self, root: &str, now_ms: i64) -> Result<Option<Invitation>, PodError> {
        self.change(|all| {
            let mut good = all
                .iter_mut()
                .filter(|i| i.root == root && i.is_good(now_ms));
            let invitation = good.next()?;
            if let Some(left) = &mut invitation.left {
                *left -= 1;
            }
            Some(invitation.clone())
        })
    }

    /// Takes one back. Pods that are kept by it stay. Whether there was one.
    pub fn revoke(&self, id: &str) -> Result<bool, PodError> {
        self.change(|all| {
            let before = all.len();
            all.retain(|i| i.id != id);
            all.len() < before
        })
    }
}

fn damaged(path: &Path) -> PodError {
    PodError::Request(format!("{} is damaged: remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn an_invitation_ends_when_it_is_used_up_expired_or_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("invitations");
        let open = || Invitations::open(path.clone()).unwrap();
        let all = open();
        let twice = Invite {
            note: Some("for Anna".into()),
            to: None,
            lasts_ms: Some(1000),
            pods: Some(2),
            quota: Some(7),
        };
        let peer = SigningKey::from_seed([1; 32]);
        let invite = |all: &Invitations, what: Invite| {
            let (grant, made) = all.invite(&peer, what, NOW).unwrap();
            (grant.root().unwrap(), made, grant.to_string())
        };
        let (root, made, text) = invite(&all, twice.clone());
        assert!(all.is_good(&root, NOW));
        assert!(!all.is_good(&root, NOW + 1000));
        assert!(!all.is_good("another", NOW));
        assert_eq!(all.take(&root, NOW + 1000).unwrap(), None);
        assert_eq!(all.take("another", NOW).unwrap(), None);
        let taken = all.take(&root, NOW).unwrap().unwrap();
        assert_eq!((taken.left, taken.quota), (Some(1), Some(7)));
        // what is used stays used, whoever is started anew
        let all = open();
        assert!(all.take(&root, NOW).unwrap().is_some());
        assert_eq!(all.take(&root, NOW).unwrap(), None);
        assert!(!open().is_good(&root, NOW));

        let (other, second, _) = invite(&all, twice);
        assert!(all.revoke(&second.id).unwrap() && !all.revoke(&second.id).unwrap());
        assert!(!open().is_good(&other, NOW));
        assert_eq!(open().list().len(), 1);
        assert_eq!(made.to_json(NOW)["good"], true);
        // the file gives nobody a way in
        let file = fs::read_to_string(&path).unwrap();
        assert!(!file.contains(&text[text.len() / 3..]));
        let nobody = Invite {
            to: Some("nobody".into()),
            ..Invite::default()
        };
        assert!(all.invite(&peer, nobody, NOW).is_err());
    }

    #[test]
    fn one_without_bounds_is_good_for_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let all = Invitations::open(dir.path().join("invitations")).unwrap();
        let peer = SigningKey::from_seed([1; 32]);
        let (grant, _) = all.invite(&peer, Invite::default(), NOW).unwrap();
        let root = grant.root().unwrap();
        for _ in 0..5 {
            assert!(all.take(&root, i64::MAX).unwrap().is_some());
        }
    }
}
