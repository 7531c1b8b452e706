//! A device or a sealed peer, with its disk and its sessions.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use rhizome_identity::{Did, KeyFile, KeyStore, Log};
use rhizome_ipld::PublicKey;
use rhizome_member::{Entropy, Member, MemberError, MemberStore};
use rhizome_replica::{Replica, ReplicaError};
use rhizome_sealed::{Listening, Sealed, SealedOptions};
use rhizome_storage::Kv;
use rhizome_sync::{News, Session};
use rhizome_tuple::CommitId;

use crate::{
    Dice, Disk,
    watch::{Seen, Watched},
};

/// The wall clock when a simulation begins, in milliseconds since 1970.
pub const START_MS: i64 = 1_800_000_000_000;

/// What sessions are told from their own side.
pub type Queue = Arc<Mutex<VecDeque<News>>>;

/// Ends a subscription when it goes.
pub enum Hearing {
    Device(Arc<Member>, u64),
    Sealed(#[expect(dead_code, reason = "hears as long as it is held")] Listening),
}

impl Drop for Hearing {
    fn drop(&mut self) {
        if let Self::Device(member, number) = self {
            member.unlisten(*number);
        }
    }
}

/// One end of a connection.
pub struct End {
    pub peer: usize,
    pub session: Session,
    pub store: Watched,
    pub told: Queue,
    pub _hearing: Hearing,
}

/// What there is of a node now.
pub enum Life {
    /// A device that is not of the pod yet.
    Outside,
    /// It is off.
    Down,
    Device(Arc<Member>),
    Sealed(Sealed),
}

pub struct Node {
    pub sealed: bool,
    pub lies: bool,
    pub disk: Arc<Disk>,
    pub file: KeyFile,
    pub key: Option<PublicKey>,
    pub life: Life,
    /// The device log with which it was added.
    pub joined: Option<Log>,
    /// Milliseconds by which its clock is wrong.
    pub skew: i64,
    pub sessions: BTreeMap<u64, End>,
    pub seen: Arc<Mutex<Seen>>,
    pub random: Arc<Mutex<Dice>>,
    /// Own commits that it said are durable.
    pub acknowledged: BTreeSet<CommitId>,
    /// Own commits of which it did not say so yet.
    pub relaxed: Vec<CommitId>,
    /// Commits that it had when it went down.
    pub had: u32,
}

impl Node {
    pub fn new(sealed: bool, lies: bool, mut dice: Dice) -> Result<Self, MemberError> {
        let file = KeyFile::default();
        let key = if sealed {
            None
        } else {
            let keys = KeyStore::create_in_memory(&file, &mut |out: &mut [u8]| dice.fill(out))?;
            Some(keys.device().public())
        };
        let skew = match dice.below(4) {
            0 => -(dice.below(4_000_000_000) as i64),
            1 => dice.below(4_000_000_000) as i64,
            _ => 0,
        };
        let strips = lies.then(|| dice.split());
        Ok(Self {
            sealed,
            lies,
            disk: Arc::default(),
            file,
            key,
            life: if sealed { Life::Down } else { Life::Outside },
            joined: None,
            skew,
            sessions: BTreeMap::new(),
            seen: Arc::new(Mutex::new(Seen {
                strips,
                ..Seen::default()
            })),
            random: Arc::new(Mutex::new(dice)),
            acknowledged: BTreeSet::new(),
            relaxed: Vec::new(),
            had: 0,
        })
    }

    pub fn entropy(&self) -> Entropy {
        let random = Arc::clone(&self.random);
        Box::new(move |out: &mut [u8]| random.lock().fill(out))
    }

    pub fn keys(&self) -> Result<KeyStore, MemberError> {
        Ok(KeyStore::open_in_memory(&self.file)?)
    }

    pub fn kv(&self) -> Arc<dyn Kv> {
        Arc::clone(&self.disk) as Arc<dyn Kv>
    }

    pub fn member(&self) -> Option<&Arc<Member>> {
        match &self.life {
            Life::Device(member) => Some(member),
            _ => None,
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.life, Life::Device(_) | Life::Sealed(_))
    }

    /// Starts it, from what its disk holds.
    pub fn start(&mut self) -> Result<(), String> {
        if self.sealed {
            let sealed = Sealed::open(self.kv(), SealedOptions::default());
            self.life = Life::Sealed(sealed.map_err(|e| e.to_string())?);
            return Ok(());
        }
        let keys = self.keys().map_err(|e| e.to_string())?;
        let opened = Member::open(self.kv(), keys, Replica::open, self.entropy());
        let member = match (opened, &self.joined) {
            // it died before it had made its store
            (Err(MemberError::Replica(ReplicaError::Missing)), Some(log)) => {
                let keys = self.keys().map_err(|e| e.to_string())?;
                Member::join(self.kv(), keys, log, self.entropy())
            }
            (opened, _) => opened,
        };
        self.life = Life::Device(Arc::new(member.map_err(|e| e.to_string())?));
        Ok(())
    }

    /// A store for a session, and what it will be told.
    pub fn open(&self, did: &Did, now: u64) -> Result<Option<(Watched, Queue, Hearing)>, String> {
        let told = Queue::default();
        let queue = Arc::clone(&told);
        let (inner, hearing): (Box<dyn rhizome_sync::Store>, _) = match &self.life {
            Life::Device(member) => {
                let store = MemberStore::new(Arc::clone(member));
                let number = store.listen(move |news, own| {
                    if !own {
                        queue.lock().push_back(news);
                    }
                });
                (Box::new(store), Hearing::Device(Arc::clone(member), number))
            }
            Life::Sealed(sealed) => {
                let Some(pod) = sealed.pod(did).map_err(|e| e.to_string())? else {
                    return Ok(None);
                };
                let store = pod.store(now);
                let hearing = store.listen(move |news| queue.lock().push_back(news));
                (Box::new(store), Hearing::Sealed(hearing))
            }
            Life::Outside | Life::Down => return Ok(None),
        };
        let store = Watched {
            inner,
            seen: Arc::clone(&self.seen),
        };
        Ok(Some((store, told, hearing)))
    }
}
