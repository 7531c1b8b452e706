use crate::{
    SyncError,
    chain::{Chain, ChainState, Run},
    limits::{MAX_CERTIFICATE, MAX_EPHEMERAL, MAX_IDS, MAX_LEAVES, MAX_MESSAGE, MAX_RUNS},
    set::{Id, SetMessage},
    store::{CommitName, Refusal},
    wire::{Reader, put_bytes, put_key, put_number},
};
use rhizome_ipld::PublicKey;

/// Version of the protocol.
pub const VERSION: u8 = 1;

/// What peers say to each other. Byte by byte: `docs/spec/sync.md`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// Begins a round.
    Open {
        /// BLAKE3 of the pod's DID.
        pod: [u8; 32],
        /// Number of the round, from 1.
        round: u64,
        /// Keyed digest of everything the sender has.
        tag: [u8; 16],
        /// Whether the sender asks for bytes of leaves once the round is over.
        lacks: bool,
    },
    /// A step of a reconciliation.
    Set {
        /// Of the ids of a chain; without one, of the inventory.
        chain: Option<PublicKey>,
        /// Whether the sender of this message began it.
        own: bool,
        /// The step.
        step: SetMessage,
    },
    /// Certificates.
    Certificates {
        /// Pushed, and to be confirmed.
        live: bool,
        /// Their bytes.
        list: Vec<&'a [u8]>,
    },
    /// Chains of the sender that the receiver has not, or not like this.
    Chains {
        /// Whether these are the last of the round.
        last: bool,
        /// The chains.
        list: Vec<ChainState>,
    },
    /// The commits at some places of a chain, please.
    WantPlaces {
        /// Whose chain.
        key: PublicKey,
        /// The places.
        run: Run,
        /// Bytes that may be sent in answers beyond those allowed before.
        credit: u64,
    },
    /// Some commits, please.
    WantIds {
        /// Whose.
        key: PublicKey,
        /// Further bytes.
        credit: u64,
        /// Which.
        ids: Vec<Id>,
    },
    /// The bytes of some leaves, please.
    WantLeaves {
        /// Whose.
        key: PublicKey,
        /// Of which commit.
        id: Id,
        /// Further bytes.
        credit: u64,
        /// Places in the commit, ascending.
        leaves: Vec<u32>,
    },
    /// Further bytes that may be sent in answers.
    Credit(u64),
    /// A piece of the answers.
    Answer(&'a [u8]),
    /// The answer to the oldest open question is complete.
    End,
    /// A piece of what is pushed.
    Live(&'a [u8]),
    /// So many of the pushed certificates and commits were dealt with.
    Confirm(u64),
    /// Commits of a chain that a reconciliation has shown to be missing at the receiver.
    Offer {
        /// Whose.
        key: PublicKey,
        /// Whether the sender began the reconciliation.
        own: bool,
        /// Whether these are the last.
        last: bool,
        /// Which.
        ids: Vec<Id>,
    },
    /// The sender has all it wants of this round; how many offers it has heard.
    Done(u64),
    /// A certificate is not kept.
    CertificateRefused(Id, Refusal),
    /// A commit is not kept.
    CommitRefused(CommitName, Refusal),
    /// Passed through to the caller.
    Ephemeral(&'a [u8]),
    /// The session is over; why.
    Abort(u8),
}

impl<'a> Message<'a> {
    /// The message as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let to = &mut out;
        match self {
            Self::Open {
                pod,
                round,
                tag,
                lacks,
            } => {
                to.extend_from_slice(&[0, VERSION]);
                to.extend_from_slice(pod);
                put_number(to, *round);
                to.extend_from_slice(tag);
                to.push(u8::from(*lacks));
            }
            Self::Set { chain, own, step } => {
                to.extend_from_slice(&[1, u8::from(*own)]);
                match chain {
                    None => to.push(0),
                    Some(key) => put_key(to, key),
                }
                step.write(to);
            }
            Self::Certificates { live, list } => {
                to.extend_from_slice(&[2, u8::from(*live)]);
                for c in list {
                    put_bytes(to, c);
                }
            }
            Self::Chains { last, list } => {
                to.extend_from_slice(&[3, u8::from(*last)]);
                for c in list {
                    put_chain(to, c);
                }
            }
            Self::WantPlaces { key, run, credit } => {
                to.push(4);
                put_key(to, key);
                put_number(to, run.from);
                put_number(to, run.to.saturating_sub(run.from));
                put_number(to, *credit);
            }
            Self::WantIds { key, credit, ids } => {
                to.push(5);
                put_key(to, key);
                put_number(to, *credit);
                for id in ids {
                    to.extend_from_slice(id);
                }
            }
            Self::WantLeaves {
                key,
                id,
                credit,
                leaves,
            } => {
                to.push(6);
                put_key(to, key);
                to.extend_from_slice(id);
                put_number(to, *credit);
                for l in leaves {
                    put_number(to, u64::from(*l));
                }
            }
            Self::Credit(n) => {
                to.push(7);
                put_number(to, *n);
            }
            Self::Answer(body) => {
                to.push(8);
                to.extend_from_slice(body);
            }
            Self::End => to.push(9),
            Self::Live(body) => {
                to.push(10);
                to.extend_from_slice(body);
            }
            Self::Confirm(n) => {
                to.push(11);
                put_number(to, *n);
            }
            Self::Offer {
                key,
                own,
                last,
                ids,
            } => {
                to.extend_from_slice(&[12, u8::from(*own), u8::from(*last)]);
                put_key(to, key);
                for id in ids {
                    to.extend_from_slice(id);
                }
            }
            Self::Done(n) => {
                to.push(13);
                put_number(to, *n);
            }
            Self::CertificateRefused(id, why) => {
                to.extend_from_slice(&[14, why.code()]);
                to.extend_from_slice(id);
            }
            Self::CommitRefused(name, why) => {
                to.extend_from_slice(&[15, why.code()]);
                put_key(to, &name.key);
                put_number(to, name.seq);
                to.extend_from_slice(&name.id);
            }
            Self::Ephemeral(bytes) => {
                to.push(16);
                to.extend_from_slice(bytes);
            }
            Self::Abort(code) => to.extend_from_slice(&[17, *code]),
        }
        out
    }

    /// Reads a message that takes up all of `bytes`. What it needs in memory is bounded by 64 times their length, which is at most
    /// [`MAX_MESSAGE`] and a byte.
    ///
    /// # Errors
    /// [`SyncError::Malformed`] and [`SyncError::Limit`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, SyncError> {
        if bytes.len() > MAX_MESSAGE + 1 {
            return Err(SyncError::Limit("bytes of a message"));
        }
        let mut reader = Reader::new(bytes);
        let from = &mut reader;
        let message = match from.byte()? {
            0 => {
                let version = from.byte()?;
                if version != VERSION {
                    return Err(SyncError::OtherVersion(version));
                }
                Self::Open {
                    pod: from.array()?,
                    round: from.number()?,
                    tag: from.array()?,
                    lacks: from.flag()?,
                }
            }
            1 => Self::Set {
                own: from.flag()?,
                chain: from.optional_key()?,
                step: SetMessage::read(from.rest())?,
            },
            2 => Self::Certificates {
                live: from.flag()?,
                list: certificates(from)?,
            },
            3 => Self::Chains {
                last: from.flag()?,
                list: from.many(chain)?,
            },
            4 => {
                let key = from.key()?;
                let first = from.number()?;
                let last = first.checked_add(from.number()?);
                Self::WantPlaces {
                    key,
                    run: Run {
                        from: first,
                        to: last.ok_or(SyncError::Malformed("a place beyond the last"))?,
                    },
                    credit: from.number()?,
                }
            }
            5 => Self::WantIds {
                key: from.key()?,
                credit: from.number()?,
                ids: ids(from)?,
            },
            6 => Self::WantLeaves {
                key: from.key()?,
                id: from.array()?,
                credit: from.number()?,
                leaves: places(from)?,
            },
            7 => Self::Credit(from.number()?),
            8 => Self::Answer(from.rest()),
            9 => Self::End,
            10 => Self::Live(from.rest()),
            11 => Self::Confirm(from.number()?),
            12 => Self::Offer {
                own: from.flag()?,
                last: from.flag()?,
                key: from.key()?,
                ids: ids(from)?,
            },
            13 => Self::Done(from.number()?),
            14 => {
                let why = Refusal::from_code(from.byte()?);
                Self::CertificateRefused(from.array()?, why)
            }
            15 => {
                let why = Refusal::from_code(from.byte()?);
                let name = CommitName {
                    key: from.key()?,
                    seq: from.number()?,
                    id: from.array()?,
                };
                Self::CommitRefused(name, why)
            }
            16 => {
                let bytes = from.rest();
                if bytes.len() > MAX_EPHEMERAL {
                    return Err(SyncError::Limit("bytes of an ephemeral message"));
                }
                Self::Ephemeral(bytes)
            }
            17 => Self::Abort(from.byte()?),
            _ => return Err(SyncError::Malformed("a message of unknown kind")),
        };
        reader.end()?;
        Ok(message)
    }
}

impl Reader<'_> {
    fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyncError>,
    ) -> Result<Vec<T>, SyncError> {
        let mut all = Vec::new();
        while !self.is_empty() {
            all.push(one(self)?);
        }
        Ok(all)
    }
}

fn certificates<'a>(from: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, SyncError> {
    let mut list = Vec::new();
    while !from.is_empty() {
        if list.len() == MAX_IDS {
            return Err(SyncError::Limit("certificates in a message"));
        }
        list.push(from.sized(MAX_CERTIFICATE, "bytes of a certificate")?);
    }
    Ok(list)
}

fn places(from: &mut Reader<'_>) -> Result<Vec<u32>, SyncError> {
    let places = from.many(|from| Ok(from.size(MAX_LEAVES - 1, "leaves of a commit")? as u32))?;
    if !places.is_sorted_by(|a, b| a < b) {
        return Err(SyncError::Malformed("places of leaves do not ascend"));
    }
    Ok(places)
}

fn ids(from: &mut Reader<'_>) -> Result<Vec<Id>, SyncError> {
    let ids = from.many(Reader::array)?;
    if ids.len() > MAX_IDS {
        return Err(SyncError::Limit("ids in a message"));
    }
    Ok(ids)
}

const WHOLE: u8 = 1;
const STRAIGHT: u8 = 2;
/// One head at the end of one unbroken chain: all that is said of it is its place and id.
const PLAIN: u8 = 4;

fn put_chain(out: &mut Vec<u8>, chain: &ChainState) {
    put_key(out, &chain.key);
    if let ([(seq, id)], Some([Run { from: 0, to }]), true) =
        (&chain.heads[..], chain.runs.as_deref(), chain.whole)
        && seq == to
    {
        out.push(PLAIN);
        put_number(out, *seq);
        out.extend_from_slice(id);
        return;
    }
    let flag = |set, bit| if set { bit } else { 0 };
    out.push(flag(chain.whole, WHOLE) | flag(chain.runs.is_some(), STRAIGHT));
    put_number(out, chain.count);
    out.extend_from_slice(&chain.fingerprint);
    put_number(out, chain.heads.len() as u64);
    for (seq, id) in &chain.heads {
        put_number(out, *seq);
        out.extend_from_slice(id);
    }
    let mut end = 0;
    if let Some(runs) = &chain.runs {
        put_number(out, runs.len() as u64);
        for run in runs {
            put_number(out, run.from.wrapping_sub(end));
            put_number(out, run.to - run.from);
            end = run.to;
        }
    }
}

fn chain(from: &mut Reader<'_>) -> Result<ChainState, SyncError> {
    const BAD: SyncError = SyncError::Malformed("a chain is not in its one form");
    let key = from.key()?;
    let flags = from.byte()?;
    if flags == PLAIN {
        let (seq, id) = (from.number()?, from.array()?);
        return Ok(ChainState {
            key,
            count: seq.checked_add(1).ok_or(BAD)?,
            fingerprint: Chain::plain(id).fingerprint(&key),
            whole: true,
            heads: vec![(seq, id)],
            runs: Some(vec![Run { from: 0, to: seq }]),
        });
    }
    if flags > (WHOLE | STRAIGHT) {
        return Err(BAD);
    }
    let count = from.number()?;
    let fingerprint = from.array()?;
    let n = from.size(MAX_RUNS + 1, "heads of a chain")?;
    let mut heads = Vec::with_capacity(n);
    for _ in 0..n {
        heads.push((from.number()?, from.array()?));
    }
    let mut runs = None;
    if flags & STRAIGHT > 0 {
        let n = from.size(MAX_RUNS, "pieces of a chain")?;
        let list = runs.insert(Vec::with_capacity(n));
        let mut end = 0u64;
        for i in 0..n {
            let first = end.checked_add(from.number()?).ok_or(BAD)?;
            let last = first.checked_add(from.number()?).ok_or(BAD)?;
            if i > 0 && first == end {
                return Err(BAD);
            }
            list.push(Run {
                from: first,
                to: last,
            });
            end = last;
        }
        if Run::total(list) != Some(count) {
            return Err(BAD);
        }
    }
    let state = ChainState {
        key,
        count,
        fingerprint,
        whole: flags & WHOLE > 0,
        heads,
        runs,
    };
    let mut again = Vec::new();
    put_chain(&mut again, &state);
    // what could have been said shorter had to be
    if again.get(key.to_bytes().len() + 1) == Some(&PLAIN) {
        return Err(BAD);
    }
    Ok(state)
}
