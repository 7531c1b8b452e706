//! The side that answers.

use blake3::Hash;

use crate::{
    Answer, BlindName, BlobError, BlobStore, Held, MAX_BLOB, MAX_NAMES, MAX_SLICE, Refusal,
    Request, SealedStore, Slice, location::cid_of, partial::Progress, slice::Verified,
};

/// What a peer holds of a pod's blobs.
#[derive(Clone, Copy, Debug)]
pub enum Holding<'a> {
    /// A device with keys: plaintext under its own hash.
    Plain(&'a BlobStore),
    /// A sealed peer: ciphertext under blind names.
    Sealed(&'a SealedStore),
}

/// What the asking side may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest blob taken, in bytes as stored.
    pub max_len: u64,
    /// Whether blobs are taken at all.
    pub may_put: bool,
}

/// An answer, and what went wrong here that the other side is told nothing about.
#[derive(Debug)]
pub struct Served {
    /// To be sent.
    pub answer: Answer,
    /// To be logged: damage or a failure of the disk.
    pub trouble: Option<BlobError>,
}

impl From<Answer> for Served {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            trouble: None,
        }
    }
}

/// Answers `request`. Reads and writes files, for at most one slice, except for the first question
/// about a partial blob after a restart: then what is there of it is verified.
pub fn serve(request: Request, holding: Holding<'_>, limits: Limits) -> Served {
    let answer = match request {
        Request::Have { names } => holding.have(&names),
        Request::Get { root, offset, len } => holding.get(root.into(), offset, len),
        Request::Put {
            name,
            root,
            len,
            offset,
            slice,
        } => holding.put(name, root.into(), len, offset, slice, limits),
    };
    match answer {
        Ok(answer) => answer.into(),
        Err(error) => refused(error),
    }
}

fn refused(error: BlobError) -> Served {
    let refusal = match error {
        BlobError::Quota { left, .. } => Refusal::Quota { left },
        BlobError::Low { free, spared, .. } => Refusal::Quota {
            left: free.saturating_sub(spared),
        },
        BlobError::Busy(_) => Refusal::Busy,
        BlobError::Unverified { .. } => Refusal::Unverified,
        BlobError::Refused(refusal) => refusal,
        BlobError::Missing(_) => return Answer::Missing.into(),
        error => {
            return Served {
                answer: Answer::Refused(Refusal::Trouble),
                trouble: Some(error),
            };
        }
    };
    Answer::Refused(refusal).into()
}

impl Holding<'_> {
    fn store(&self) -> &BlobStore {
        match self {
            Self::Plain(store) => store,
            Self::Sealed(sealed) => sealed.store(),
        }
    }

    fn have(&self, names: &[[u8; 32]]) -> Result<Answer, BlobError> {
        let held = names.iter().take(MAX_NAMES).map(|name| match self {
            Self::Plain(store) => match store.len(&cid_of(&(*name).into())) {
                Ok(len) => Ok(vec![Held { root: *name, len }]),
                Err(BlobError::Missing(_)) => Ok(Vec::new()),
                Err(error) => Err(error),
            },
            Self::Sealed(sealed) => sealed.held(&BlindName(*name)),
        });
        Ok(Answer::Held(held.collect::<Result<_, _>>()?))
    }

    fn get(&self, root: Hash, offset: u64, wanted: u64) -> Result<Answer, BlobError> {
        let read = self
            .store()
            .open(&cid_of(&root))
            .and_then(|blob| Ok((blob.len(), blob.slice(offset, wanted)?)));
        if let (Err(BlobError::Corrupt { .. }), Self::Sealed(sealed)) = (&read, self) {
            sealed.set_damaged(root);
        }
        let (len, slice) = read?;
        Ok(Answer::Slice {
            len,
            slice: Slice(slice),
        })
    }

    fn put(
        &self,
        name: [u8; 32],
        root: Hash,
        len: u64,
        offset: u64,
        slice: Slice,
        limits: Limits,
    ) -> Result<Answer, BlobError> {
        let refuse = |refusal| Err(BlobError::Refused(refusal));
        let names_fit = match self {
            Self::Plain(_) => name == *root.as_bytes(),
            Self::Sealed(_) => true,
        };
        if !limits.may_put || !names_fit {
            return refuse(Refusal::NotAllowed);
        }
        let limit = limits.max_len.min(MAX_BLOB);
        if len > limit {
            return refuse(Refusal::TooLarge { limit });
        }
        if let Self::Sealed(sealed) = self
            && !sealed.has_room(&BlindName(name), &root)?
        {
            return refuse(Refusal::Crowded);
        }
        let store = self.store();
        if self.is_held(&root)? {
            return self.done(name, root);
        }
        let arriving = store.arriving(root);
        let mut progress = arriving.progress(store)?;
        // A whole one is left where a crash came between its last byte and its name.
        let is_whole = matches!(progress, Progress::Whole { .. });
        if !is_whole && (!slice.0.is_empty() || len == 0) {
            let verified = Verified::new(slice.0, root, len, offset, MAX_SLICE)
                .map_err(|_| BlobError::Unverified { cid: cid_of(&root) })?;
            progress = arriving.accept(store, len, &verified)?;
        }
        match progress {
            Progress::Nothing => {
                let names = u64::from(matches!(self, Self::Sealed(_)));
                store.quota().check(len, names)?;
                Ok(Answer::Next(0))
            }
            Progress::Part { next, len: proven } if proven == len => Ok(Answer::Next(next)),
            Progress::Whole { len: proven } if proven == len => {
                arriving.publish(store)?;
                if let Self::Sealed(sealed) = self {
                    sealed.set_sound(&root);
                }
                self.done(name, root)
            }
            // Another request was faster.
            Progress::Over if self.is_held(&root)? => self.done(name, root),
            Progress::Over => refuse(Refusal::Busy),
            _ => refuse(Refusal::Unverified),
        }
    }

    fn is_held(&self, root: &Hash) -> Result<bool, BlobError> {
        let damaged = matches!(self, Self::Sealed(sealed) if sealed.is_damaged(root));
        Ok(!damaged && self.store().has(&cid_of(root))?)
    }

    fn done(&self, name: [u8; 32], root: Hash) -> Result<Answer, BlobError> {
        if let Self::Sealed(sealed) = self {
            sealed.add(&BlindName(name), root)?;
        }
        Ok(Answer::Done)
    }
}
