use crate::{
    Attribute, CommitId, Quote, TupleError, Value,
    limits::{MAX_POSITION_LEN, MAX_SUPERSEDES, MAX_VALUE_LEN},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
    ser::SerializeTuple,
};
use std::fmt;

/// The name of an operation: its commit, its leaf in that commit, its place in that leaf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct OpId(pub CommitId, pub u32, pub u32);

/// The name of a leaf: its commit and its place in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LeafId(pub CommitId, pub u32);

/// One element of a list attribute.
#[derive(Clone, PartialEq, Debug)]
pub struct ListOp {
    /// The list.
    pub attribute: Attribute,
    /// A fraction between 0 and 1 as big-endian base-256 digits; elements are shown in ascending order of (position, operation id).
    pub position: Vec<u8>,
    /// The element.
    pub value: Value,
    /// Elements this one replaces: none to insert, one to move or to change.
    pub supersedes: Vec<OpId>,
}

/// One operation on one entity. The operation says how its attribute merges; a schema only tells a writer which operation to use.
///
/// `supersedes` counts only for operations on the same entity and the same attribute; anything else in it is without effect.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// Register: all assertions that nobody superseded are readable, the greatest (clock, commit, leaf, operation) is shown.
    Assert {
        /// The register.
        attribute: Attribute,
        /// Its new value.
        value: Value,
        /// The operations its author saw and replaces.
        supersedes: Vec<OpId>,
    },
    /// Takes back operations that its author saw, of any kind.
    Retract {
        /// The attribute of those operations.
        attribute: Attribute,
        /// The operations.
        supersedes: Vec<OpId>,
    },
    /// Counter: the value is the sum of all additions that nobody retracted.
    Add {
        /// The counter.
        attribute: Attribute,
        /// What is added.
        n: i64,
    },
    /// Reserved for collaborative text: `[3, attribute, payload]`. It is kept and passed on, and has no effect yet.
    Text {
        /// The text.
        attribute: Attribute,
        /// The edit, in a format of its own.
        payload: Vec<u8>,
    },
    /// List: elements in the order of their positions.
    List(ListOp),
    /// Set: a value is a member while at least one insertion of it was not retracted.
    Insert {
        /// The set.
        attribute: Attribute,
        /// The member.
        value: Value,
    },
    /// Asks every replica to forget the bytes of earlier leaves of this entity; their hashes stay.
    Erase {
        /// The leaves.
        leaves: Vec<LeafId>,
    },
    /// Shows that the commit's author made this entity: the id is derived from the author's DID and this nonce.
    Create {
        /// The nonce given to [`crate::EntityId::derive`].
        nonce: Vec<u8>,
    },
    /// Says again what another commit said, by somebody who answers for it.
    Quote(Quote),
    /// Takes away the effect of earlier leaves of this entity, quotes in them included; their bytes stay.
    Withdraw {
        /// The leaves.
        leaves: Vec<LeafId>,
    },
    /// For the programs that keep the pod, not for its owner: no tuple comes of it.
    Note {
        /// At most 1 MiB.
        payload: Vec<u8>,
    },
}

impl Op {
    /// A register assertion that supersedes nothing.
    pub fn assert(attribute: Attribute, value: Value) -> Self {
        Self::Assert {
            attribute,
            value,
            supersedes: Vec::new(),
        }
    }

    /// The attribute it is about, if any.
    pub fn attribute(&self) -> Option<&Attribute> {
        match self {
            Self::Assert { attribute, .. }
            | Self::Retract { attribute, .. }
            | Self::Add { attribute, .. }
            | Self::Text { attribute, .. }
            | Self::Insert { attribute, .. }
            | Self::List(ListOp { attribute, .. }) => Some(attribute),
            Self::Erase { .. }
            | Self::Create { .. }
            | Self::Quote(_)
            | Self::Withdraw { .. }
            | Self::Note { .. } => None,
        }
    }

    /// The operations it supersedes.
    pub fn supersedes(&self) -> &[OpId] {
        match self {
            Self::Assert { supersedes, .. }
            | Self::Retract { supersedes, .. }
            | Self::List(ListOp { supersedes, .. }) => supersedes,
            _ => &[],
        }
    }

    /// Checks the bounds that the type does not show.
    pub(crate) fn check(&self) -> Result<(), TupleError> {
        if self.supersedes().len() > MAX_SUPERSEDES {
            return Err(TupleError::LeafTooLarge);
        }
        match self {
            Self::Assert { value, .. } | Self::Insert { value, .. } => value.check(),
            Self::List(l) if l.position.len() > MAX_POSITION_LEN || l.position.is_empty() => {
                Err(TupleError::LeafTooLarge)
            }
            Self::List(l) => l.value.check(),
            Self::Erase { leaves } | Self::Withdraw { leaves } if leaves.len() > MAX_SUPERSEDES => {
                Err(TupleError::LeafTooLarge)
            }
            Self::Quote(quote) => quote.check(),
            Self::Note { payload } if payload.len() > MAX_VALUE_LEN => {
                Err(TupleError::LeafTooLarge)
            }
            Self::Create { nonce } if nonce.len() > 64 => Err(TupleError::LeafTooLarge),
            _ => Ok(()),
        }
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        macro_rules! tuple {
            ($n:expr, $($x:expr),+) => {{
                let mut t = s.serialize_tuple($n)?;
                $(t.serialize_element($x)?;)+
                t.end()
            }};
        }
        match self {
            Self::Assert {
                attribute,
                value,
                supersedes,
            } => tuple!(4, &0u8, attribute, value, supersedes),
            Self::Retract {
                attribute,
                supersedes,
            } => tuple!(3, &1u8, attribute, supersedes),
            Self::Add { attribute, n } => tuple!(3, &2u8, attribute, n),
            Self::Text { attribute, payload } => {
                tuple!(3, &3u8, attribute, serde_bytes::Bytes::new(payload))
            }
            Self::List(l) => {
                tuple!(
                    5,
                    &4u8,
                    &l.attribute,
                    serde_bytes::Bytes::new(&l.position),
                    &l.value,
                    &l.supersedes
                )
            }
            Self::Insert { attribute, value } => tuple!(3, &5u8, attribute, value),
            Self::Erase { leaves } => tuple!(2, &6u8, leaves),
            Self::Create { nonce } => tuple!(2, &7u8, serde_bytes::Bytes::new(nonce)),
            Self::Quote(quote) => quote.serialize(s),
            Self::Withdraw { leaves } => tuple!(2, &9u8, leaves),
            Self::Note { payload } => tuple!(2, &10u8, serde_bytes::Bytes::new(payload)),
        }
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OpVisitor;
        impl<'de> Visitor<'de> for OpVisitor {
            type Value = Op;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut s: A) -> Result<Op, A::Error> {
                fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
                    s: &mut A,
                ) -> Result<T, A::Error> {
                    s.next_element()?
                        .ok_or_else(|| A::Error::custom("the operation is too short"))
                }
                let bytes = |b: serde_bytes::ByteBuf| b.into_vec();
                let op = match next::<u8, A>(&mut s)? {
                    0 => Op::Assert {
                        attribute: next(&mut s)?,
                        value: next(&mut s)?,
                        supersedes: next(&mut s)?,
                    },
                    1 => Op::Retract {
                        attribute: next(&mut s)?,
                        supersedes: next(&mut s)?,
                    },
                    2 => Op::Add {
                        attribute: next(&mut s)?,
                        n: next(&mut s)?,
                    },
                    3 => Op::Text {
                        attribute: next(&mut s)?,
                        payload: bytes(next(&mut s)?),
                    },
                    4 => Op::List(ListOp {
                        attribute: next(&mut s)?,
                        position: bytes(next(&mut s)?),
                        value: next(&mut s)?,
                        supersedes: next(&mut s)?,
                    }),
                    5 => Op::Insert {
                        attribute: next(&mut s)?,
                        value: next(&mut s)?,
                    },
                    6 => Op::Erase {
                        leaves: next(&mut s)?,
                    },
                    7 => Op::Create {
                        nonce: bytes(next(&mut s)?),
                    },
                    8 => Op::Quote(Quote {
                        leaf: LeafId(next(&mut s)?, next(&mut s)?),
                        author: next(&mut s)?,
                        hlc: next(&mut s)?,
                        ops: next(&mut s)?,
                    }),
                    9 => Op::Withdraw {
                        leaves: next(&mut s)?,
                    },
                    10 => Op::Note {
                        payload: bytes(next(&mut s)?),
                    },
                    k => {
                        return Err(A::Error::custom(format_args!(
                            "unknown kind of operation {k}"
                        )));
                    }
                };
                match s.next_element::<IgnoredAny>()? {
                    None => Ok(op),
                    Some(_) => Err(A::Error::custom("the operation is too long")),
                }
            }
        }
        d.deserialize_seq(OpVisitor)
    }
}
