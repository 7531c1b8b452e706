//! What those who keep a view tell each other in it: notes on one entity, of which no tuple comes.

use rhizome_ipld::{Cid, PublicKey, codec};
use rhizome_replica::{SaidLeaf, Snapshot, Voice};
use rhizome_tuple::{CommitId, EntityId, Hlc, Leaf, LeafId, MAX_VALUE_LEN, Op};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::ViewError;

/// Longest note in bytes.
pub const MAX_NOTE: usize = MAX_VALUE_LEN;
/// Longest comment in bytes.
pub const MAX_COMMENT: usize = 4096;

/// Why a guest's commit was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// There is no grant for it, or none that counts any more.
    NotAllowed,
    /// It is about an entity that is not shared.
    NotShared,
    /// It makes an entity that its author has not made, or one that would not be shared.
    NotNew,
    /// It would change what decides whether the entity is shared.
    Decides,
    /// It erases, withdraws or quotes, or sets what only the pod itself sets.
    Reserved,
    /// Part of it cannot be read.
    Unreadable,
    /// It is too large to be said again.
    TooLarge,
}

impl Why {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotAllowed => "you may not write here (any more)",
            Self::NotShared => "the entity is not, or no longer, shared with you",
            Self::NotNew => "a new entity has to be made by you and to match what is shared",
            Self::Decides => "it would change what decides whether the entity is shared",
            Self::Reserved => {
                "guests say what is so: they do not erase, quote or withdraw, and leave the pod's own attributes alone"
            }
            Self::Unreadable => "part of it cannot be read",
            Self::TooLarge => "it is too large: split it",
        }
    }
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// By the owner: whose view it is, of what, and the owner's device log as a file.
    Terms {
        /// The DID of the pod.
        of: String,
        /// The predicate.
        predicate: String,
        /// The device log.
        log: Vec<u8>,
    },
    /// By the owner: a delegation for a guest.
    Grant(Vec<u8>),
    /// By the owner: it counts no longer.
    Revoked(Cid),
    /// By the owner: a commit of a guest that has no effect.
    Refused(CommitId, Why),
    /// By a guest: who it is. Its device log as a file, and delegations to the keys that write for it.
    Claim {
        /// The device log.
        log: Vec<u8>,
        /// The delegations.
        proofs: Vec<Vec<u8>>,
    },
    /// By anybody: changes that he would like, and what he says about them.
    Proposal {
        /// The changes, as JSON.
        changes: String,
        /// The words.
        comment: String,
    },
    /// By the owner: another key for a guest, in place of that of his invitation. Its seed is wrapped for each of his devices.
    Key(Handed),
    /// By a guest: what this commit of his says, which came too late by a key that was taken out, he says again by the one he acts by now.
    Again(CommitId),
    /// By a founder: it is a group, of this name.
    Group(String),
    /// By anybody: what he says about the proposal that is in this commit, or about this commit if it was refused.
    Comment(CommitId, String),
    /// By a guest: somebody knows this key of his who is none of his devices any more. He is to be given another one.
    Known(PublicKey),
    /// By a device of the owner's: a grant goes on in another view.
    Moved(Moved),
}

/// A grant that goes on in another view. Nothing but the signature of a device of the owner's shows that: whoever knows the key of a view can leave notes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The delegation that is in its place: it names the other view.
    pub delegation: Vec<u8>,
    /// Where that is kept.
    pub places: Vec<String>,
    /// What the guest's key there comes from, sealed, by device.
    pub wraps: Vec<(PublicKey, Vec<u8>)>,
}

/// Another key for a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The guest's DID.
    pub to: String,
    /// Which grant it is for.
    pub grant: Cid,
    /// The key.
    pub key: PublicKey,
    /// What it comes from, sealed, by device.
    pub wraps: Vec<(PublicKey, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Terms(u8, String, String, ByteBuf);
#[derive(Serialize, Deserialize)]
struct One<T>(u8, T);
#[derive(Serialize, Deserialize)]
struct Two<T, U>(u8, T, U);
#[derive(Serialize, Deserialize)]
struct Three<T, U, V>(u8, T, U, V);
#[derive(Serialize, Deserialize)]
struct Four<T, U, V, W>(u8, T, U, V, W);

impl Note {
    /// As the payload of [`Op::Note`].
    ///
    /// # Errors
    /// [`ViewError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ViewError> {
        let buf = |bytes: &Vec<u8>| ByteBuf::from(bytes.clone());
        let bytes = match self {
            Self::Terms { of, predicate, log } => {
                codec::encode(&Terms(0, of.clone(), predicate.clone(), buf(log)))?
            }
            Self::Grant(delegation) => codec::encode(&One(1, buf(delegation)))?,
            Self::Revoked(cid) => codec::encode(&One(2, cid))?,
            Self::Refused(commit, why) => codec::encode(&Two(3, commit, why))?,
            Self::Claim { log, proofs } => {
                let proofs: Vec<ByteBuf> = proofs.iter().map(buf).collect();
                codec::encode(&Two(4, buf(log), proofs))?
            }
            Self::Key(handed) => {
                let wraps = handed.wraps.iter().map(|(key, w)| (key, buf(w)));
                let wraps: Vec<_> = wraps.collect();
                codec::encode(&Four(5, &handed.to, handed.grant, handed.key, wraps))?
            }
            Self::Proposal { changes, comment } => codec::encode(&Two(6, changes, comment))?,
            Self::Again(commit) => codec::encode(&One(7, commit))?,
            Self::Group(name) => codec::encode(&One(8, name))?,
            Self::Comment(_, text) if !is_comment(text) => {
                return Err(ViewError::Comment(text.len()));
            }
            Self::Comment(commit, text) => codec::encode(&Two(10, commit, text))?,
            Self::Known(key) => codec::encode(&One(11, key))?,
            Self::Moved(moved) => {
                let wraps = moved.wraps.iter().map(|(key, w)| (key, buf(w)));
                let wraps: Vec<_> = wraps.collect();
                codec::encode(&Three(9, buf(&moved.delegation), &moved.places, wraps))?
            }
        };
        if bytes.len() > MAX_NOTE {
            return Err(ViewError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads one; `None` if it is none that is known here.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let vec = ByteBuf::into_vec;
        // an array whose first element says which
        let kind = *bytes.get(1)?;
        Some(match kind {
            0 => {
                let Terms(_, of, predicate, log) = codec::decode(bytes, MAX_NOTE).ok()?;
                let log = log.into_vec();
                Self::Terms { of, predicate, log }
            }
            1 => Self::Grant(
                codec::decode::<One<ByteBuf>>(bytes, MAX_NOTE)
                    .ok()?
                    .1
                    .into_vec(),
            ),
            2 => Self::Revoked(codec::decode::<One<Cid>>(bytes, MAX_NOTE).ok()?.1),
            3 => {
                let Two(_, commit, why) = codec::decode(bytes, MAX_NOTE).ok()?;
                Self::Refused(commit, why)
            }
            4 => {
                let Two::<ByteBuf, Vec<ByteBuf>>(_, log, proofs) =
                    codec::decode(bytes, MAX_NOTE).ok()?;
                Self::Claim {
                    log: log.into_vec(),
                    proofs: proofs.into_iter().map(vec).collect(),
                }
            }
            5 => {
                let Four::<_, _, _, Vec<(PublicKey, ByteBuf)>>(_, to, grant, key, wraps) =
                    codec::decode(bytes, MAX_NOTE).ok()?;
                let wraps = wraps.into_iter().map(|(key, w)| (key, vec(w)));
                Self::Key(Handed {
                    to,
                    grant,
                    key,
                    wraps: wraps.collect(),
                })
            }
            6 => {
                let Two(_, changes, comment) = codec::decode(bytes, MAX_NOTE).ok()?;
                Self::Proposal { changes, comment }
            }
            7 => Self::Again(codec::decode::<One<CommitId>>(bytes, MAX_NOTE).ok()?.1),
            8 => Self::Group(codec::decode::<One<String>>(bytes, MAX_NOTE).ok()?.1),
            10 => {
                let Two::<_, String>(_, commit, text) = codec::decode(bytes, MAX_NOTE).ok()?;
                if !is_comment(&text) {
                    return None;
                }
                Self::Comment(commit, text)
            }
            9 => {
                let Three::<ByteBuf, Vec<String>, Vec<(PublicKey, ByteBuf)>>(
                    _,
                    delegation,
                    places,
                    wraps,
                ) = codec::decode(bytes, MAX_NOTE).ok()?;
                let wraps = wraps.into_iter().map(|(key, w)| (key, vec(w)));
                Self::Moved(Moved {
                    delegation: delegation.into_vec(),
                    places,
                    wraps: wraps.collect(),
                })
            }
            11 => Self::Known(codec::decode::<One<PublicKey>>(bytes, MAX_NOTE).ok()?.1),
            _ => return None,
        })
    }
}

fn is_comment(text: &str) -> bool {
    text.len() <= MAX_COMMENT && !text.trim().is_empty()
}

/// The entity of a view on which the notes are.
pub fn place(view: &str) -> EntityId {
    EntityId::derive(view, b"rhizome view notes v1")
}

/// A note that was read, with who left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// In which leaf.
    pub leaf: LeafId,
    /// The key that signed it.
    pub author: PublicKey,
    /// Whether that is the owner's.
    pub by_owner: bool,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// What it says.
    pub note: Note,
}

/// All notes of a view, oldest first.
///
/// # Errors
/// Those of reading the log.
pub fn notes(view: &str, now: &Snapshot) -> Result<Vec<Left>, ViewError> {
    let Some(e) = now.eid(&place(view)) else {
        return Ok(Vec::new());
    };
    let mut leaves = now.leaves(e)?;
    leaves.sort_by_key(|leaf| (leaf.hlc, leaf.leaf));
    let left = |leaf: &SaidLeaf, op: &Op| {
        let Op::Note { payload } = op else {
            return None;
        };
        Some(Left {
            leaf: leaf.leaf,
            author: leaf.author,
            by_owner: leaf.voice == Voice::Full,
            hlc: leaf.hlc,
            note: Note::from_bytes(payload)?,
        })
    };
    let of = |leaf: &SaidLeaf| {
        let notes = leaf.ops.iter().filter_map(|op| left(leaf, op));
        notes.collect::<Vec<_>>()
    };
    Ok(leaves.iter().flat_map(of).collect())
}

/// The leaf that leaves notes in a view.
///
/// # Errors
/// [`ViewError::TooLong`].
pub fn write_notes(view: &str, notes: &[Note]) -> Result<Leaf, ViewError> {
    let op = |note: &Note| {
        let payload = note.to_bytes()?;
        Ok(Op::Note { payload })
    };
    Ok(Leaf {
        entity: place(view),
        ops: notes.iter().map(op).collect::<Result<_, ViewError>>()?,
    })
}
