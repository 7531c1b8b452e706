//! Messages that wait for the pods that are kept here. What they say is sealed; who left one for whom, and how large it is, can be read.

use std::{collections::HashMap, ops::ControlFlow, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::{HashKind, PublicKey};
use rhizome_network::Link;
use rhizome_sealed::SealedPod;
use rhizome_storage::{Batch, Durability, Kv, RedbKv, Snap};
use tokio::sync::Semaphore;

use super::{
    Shared,
    serve::{Came, Guest, is_owners},
};
use crate::{
    PodError,
    home::now_ms,
    inbox::{
        InboxError, Judge, KEPT_MS, MessageId,
        talk::{self, LISTED, Taken, Wanted},
    },
    sync::hello,
};

/// Of one pod: messages, and their bytes.
const OF_POD: Room = Room {
    messages: 1000,
    bytes: 16 << 20,
};
/// Of those, from one sender.
const OF_SENDER: Room = Room {
    messages: 100,
    bytes: 2 << 20,
};
/// How long somebody may take to say his message.
const MESSAGE_WAIT: Duration = Duration::from_secs(15);
/// Messages that are read at a time.
const READ: usize = 16;
/// How often all inboxes are looked through for what is over.
const SWEEP_MS: i64 = 86_400_000;
/// Rows that are deleted together.
const TOGETHER: usize = 1000;

const NOT_KEPT: &str = "this pod is not kept here: ask its owner where it is kept";
const BUSY: &str = "busy: try again later";

/// `inbox` → format u32
const META: u8 = 0;
/// genesis digest of the pod, id → [`Row`]
const ROWS: u8 = 1;
/// genesis digest of the pod, id → the message
const MESSAGES: u8 = 2;
const HEAD: &[u8] = b"inbox";
const FORMAT: [u8; 4] = 1u32.to_be_bytes();

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    fn takes(self, used: Self, bytes: usize) -> bool {
        used.messages < self.messages && used.bytes + bytes <= self.bytes
    }

    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// What is known of a message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// When it came, in milliseconds since 1970.
    at: i64,
    /// The genesis digest of its sender.
    from: [u8; 32],
    bytes: u32,
}

const ROW: usize = 44;

impl Row {
    fn encode(&self) -> [u8; ROW] {
        let mut out = [0; ROW];
        out[..8].copy_from_slice(&self.at.to_be_bytes());
        out[8..40].copy_from_slice(&self.from);
        out[40..].copy_from_slice(&self.bytes.to_be_bytes());
        out
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (at, rest) = row.split_first_chunk()?;
        let (from, bytes) = rest.split_first_chunk()?;
        Some(Self {
            at: i64::from_be_bytes(*at),
            from: *from,
            bytes: u32::from_be_bytes(bytes.try_into().ok()?),
        })
    }

    fn is_over(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.at) > KEPT_MS
    }
}

type Key = [u8; 64];

fn key(pod: &[u8; 32], id: &MessageId) -> Key {
    let mut key = [0; 64];
    key[..32].copy_from_slice(pod);
    key[32..].copy_from_slice(&id.0);
    key
}

fn id_of(key: &[u8]) -> MessageId {
    MessageId(key.last_chunk().copied().unwrap_or_default())
}

/// What became of a message.
enum Put {
    Taken(Taken),
    /// No room, and why.
    Full(&'static str),
}

/// The inboxes of all pods, in a store of their own. They are not part of what a pod may take.
pub(super) struct Inboxes {
    kv: RedbKv,
    /// When all were last looked through; whoever writes holds it.
    swept_ms: Mutex<i64>,
    /// Places for those whose messages are read.
    reading: Semaphore,
}

impl Inboxes {
    pub fn open(path: &Path) -> Result<Self, PodError> {
        let kv = RedbKv::open(path)?;
        match kv.snapshot()?.get(META, HEAD)? {
            None => {
                let mut batch = Batch::new();
                batch.put(META, HEAD, FORMAT);
                kv.commit(batch, Durability::Durable)?;
            }
            Some(format) if *format == FORMAT => (),
            Some(_) => {
                return Err(PodError::Request(format!(
                    "{} was written by a newer rhizome: upgrade rhizome",
                    path.display()
                )));
            }
        }
        Ok(Self {
            kv,
            swept_ms: Mutex::new(0),
            reading: Semaphore::new(READ),
        })
    }

    fn scan(
        snap: &dyn Snap,
        pod: &[u8; 32],
        after: Option<&MessageId>,
        visit: &mut dyn FnMut(&[u8], Row) -> ControlFlow<()>,
    ) -> Result<(), PodError> {
        let lo = after.map_or_else(|| pod.to_vec(), |id| [&key(pod, id)[..], &[0]].concat());
        snap.scan(ROWS, &lo, None, false, &mut |key, row| {
            if !key.starts_with(pod) {
                return ControlFlow::Break(());
            }
            // one that is damaged is over: it is deleted
            let damaged = Row {
                at: i64::MIN,
                from: [0; 32],
                bytes: 0,
            };
            visit(key, Row::decode(row).unwrap_or(damaged))
        })?;
        Ok(())
    }

    /// Keeps a message, durably, if there is room. Nobody's is dropped for it.
    fn put(
        &self,
        pod: &[u8; 32],
        from: &[u8; 32],
        id: &MessageId,
        message: &[u8],
        now_ms: i64,
    ) -> Result<Put, PodError> {
        let _one = self.swept_ms.lock();
        let snap = self.kv.snapshot()?;
        let key = key(pod, id);
        let (mut all, mut theirs) = (Room::default(), Room::default());
        let mut batch = Batch::new();
        let mut known = false;
        Self::scan(&*snap, pod, None, &mut |at, row| {
            if row.is_over(now_ms) {
                batch.delete(ROWS, at);
                batch.delete(MESSAGES, at);
                return ControlFlow::Continue(());
            }
            known |= at == key;
            all.add(row.bytes as usize);
            if row.from == *from {
                theirs.add(row.bytes as usize);
            }
            ControlFlow::Continue(())
        })?;
        if known {
            return Ok(Put::Taken(Taken::Known));
        }
        if !OF_SENDER.takes(theirs, message.len()) {
            return Ok(Put::Full(
                "as many messages of yours as are kept for one sender, 100 and 2 MiB, wait for this pod: try again when its devices have \
                 collected them",
            ));
        }
        if !OF_POD.takes(all, message.len()) {
            return Ok(Put::Full(
                "the inbox of this pod is full: try again when its devices have collected what there is",
            ));
        }
        let row = Row {
            at: now_ms,
            from: *from,
            bytes: u32::try_from(message.len()).unwrap_or(u32::MAX),
        };
        batch.put(ROWS, key, row.encode());
        batch.put(MESSAGES, key, message);
        self.kv.commit(batch, Durability::Durable)?;
        Ok(Put::Taken(Taken::New))
    }

    /// The messages for a pod after one, ascending, with their bytes.
    fn list(
        &self,
        pod: &[u8; 32],
        after: Option<&MessageId>,
        now_ms: i64,
    ) -> Result<Vec<(MessageId, u32)>, PodError> {
        let mut out = Vec::new();
        Self::scan(&*self.kv.snapshot()?, pod, after, &mut |key, row| {
            if !row.is_over(now_ms) {
                out.push((id_of(key), row.bytes));
            }
            if out.len() == LISTED {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// How many messages wait for a pod, and their bytes.
    pub fn waiting(&self, did: &Did, now_ms: i64) -> Result<(usize, usize), PodError> {
        let mut room = Room::default();
        let snap = self.kv.snapshot()?;
        Self::scan(&*snap, &digest(did)?, None, &mut |_, row| {
            if !row.is_over(now_ms) {
                room.add(row.bytes as usize);
            }
            ControlFlow::Continue(())
        })?;
        Ok((room.messages, room.bytes))
    }

    fn get(&self, pod: &[u8; 32], id: &MessageId) -> Result<Option<Vec<u8>>, PodError> {
        let found = self.kv.snapshot()?.get(MESSAGES, &key(pod, id))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    /// Drops messages; how many of them there were.
    fn drop_all(&self, pod: &[u8; 32], ids: &[MessageId]) -> Result<u64, PodError> {
        let _one = self.swept_ms.lock();
        let snap = self.kv.snapshot()?;
        let (mut batch, mut dropped) = (Batch::new(), 0);
        for id in ids {
            let key = key(pod, id);
            dropped += u64::from(snap.get(ROWS, &key)?.is_some());
            batch.delete(ROWS, key);
            batch.delete(MESSAGES, key);
        }
        self.kv.commit(batch, Durability::Durable)?;
        Ok(dropped)
    }

    /// Drops what is over, and what is for pods that are not kept any more.
    fn sweep(
        &self,
        now_ms: i64,
        kept: &dyn Fn(&[u8; 32]) -> Result<bool, PodError>,
    ) -> Result<(), PodError> {
        let mut swept = self.swept_ms.lock();
        let snap = self.kv.snapshot()?;
        let mut pods: HashMap<[u8; 32], bool> = HashMap::new();
        let mut over: Vec<Vec<u8>> = Vec::new();
        let mut failed = None;
        snap.scan(ROWS, &[], None, false, &mut |key, row| {
            let pod = key.first_chunk().copied().unwrap_or_default();
            let is_kept = match pods.get(&pod) {
                Some(is_kept) => *is_kept,
                None => match kept(&pod) {
                    Ok(is_kept) => *pods.entry(pod).or_insert(is_kept),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                },
            };
            if !is_kept || Row::decode(row).is_none_or(|row| row.is_over(now_ms)) {
                over.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        for some in over.chunks(TOGETHER) {
            let mut batch = Batch::new();
            for key in some {
                batch.delete(ROWS, key);
                batch.delete(MESSAGES, key);
            }
            self.kv.commit(batch, Durability::Durable)?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        *swept = now_ms;
        Ok(())
    }

    fn is_to_be_swept(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(*self.swept_ms.lock()) > SWEEP_MS
    }
}

fn digest(did: &Did) -> Result<[u8; 32], PodError> {
    did.genesis_digest().copied().ok_or_else(hello::unclear)
}

impl Shared {
    /// Drops messages that are over, and those for pods that are not kept any more.
    pub(super) fn sweep_inboxes(&self) -> Result<(), PodError> {
        self.inboxes.sweep(now_ms(), &|pod| {
            let did = Did::from_genesis(&HashKind::Sha256.cid_of(*pod))?;
            Ok(self.sealed.pod(&did)?.is_some())
        })
    }

    /// Somebody leaves a message, or a device of the pod collects some.
    pub(super) async fn answer_inbox(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        match self.check(&mut link).await? {
            Came::In(Guest { pod, key, .. }) => self.give_messages(&mut link, &pod, key).await?,
            Came::Leave(did) => self.take_message(&mut link, did).await?,
            Came::Watch(..) | Came::Done => (),
        }
        let _ = link.close().await;
        Ok(())
    }

    async fn take_message(self: &Arc<Self>, link: &mut Link, did: Did) -> Result<(), PodError> {
        let no = |why: &str| hello::Answer::No(why.into());
        let Ok(_place) = self.strangers.try_acquire() else {
            return hello::reply(link, &no(BUSY)).await;
        };
        let shared = Arc::clone(self);
        let pod = self.turns.next(move || shared.sealed.pod(&did)).await??;
        let Some(pod) = pod else {
            return hello::reply(link, &no(NOT_KEPT)).await;
        };
        hello::reply(link, &hello::Answer::Ready).await?;
        let reading = self.inboxes.reading.acquire().await;
        let _reading = reading.map_err(|_| hello::unclear())?;
        let left = tokio::time::timeout(MESSAGE_WAIT, talk::left(link)).await;
        let left = left.map_err(|_| PodError::Peer("it said nothing".into()))??;
        let Some(message) = left else {
            let why = InboxError::TooLarge(crate::inbox::MAX_MESSAGE + 1);
            return talk::refuse(link, &why.to_string()).await;
        };
        let shared = Arc::clone(self);
        let keep = move || shared.keep_message(&pod, &message);
        match self.turns.for_stranger(keep).await?? {
            Ok(taken) => {
                link.welcome();
                talk::tell_taken(link, taken).await
            }
            Err(why) => talk::refuse(link, &why).await,
        }
    }

    /// Judges a message and keeps it; else why not.
    fn keep_message(
        &self,
        pod: &SealedPod,
        bytes: &[u8],
    ) -> Result<Result<Taken, String>, PodError> {
        let now_ms = now_ms();
        if self.inboxes.is_to_be_swept(now_ms) {
            self.sweep_inboxes()?;
        }
        let judged = pod.with_certificates(|set| {
            let judge = Judge {
                to: set.resolution(),
                once: false,
                now_ms: Some(now_ms),
            };
            judge.judge(bytes)
        })?;
        let message = match judged {
            Ok(message) => message,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let (did, id) = (pod.did(), MessageId::of(&message));
        let (to, from) = (digest(&did)?, digest(&message.from)?);
        match self.inboxes.put(&to, &from, &id, bytes, now_ms)? {
            Put::Full(why) => Ok(Err(why.into())),
            Put::Taken(taken) => {
                // it may have been forgotten meanwhile
                if self.sealed.pod(&did)?.is_none() {
                    self.inboxes.drop_all(&to, &[id])?;
                    return Ok(Err(NOT_KEPT.into()));
                }
                Ok(Ok(taken))
            }
        }
    }

    async fn give_messages(
        self: &Arc<Self>,
        link: &mut Link,
        pod: &Arc<SealedPod>,
        key: PublicKey,
    ) -> Result<(), PodError> {
        let turn = self.turn_of(pod);
        let to = digest(&pod.did())?;
        while let Some(wanted) = talk::wanted(link).await? {
            // it may be taken out, or the pod forgotten, while the link is open
            if !is_owners(pod, key, &turn).await? || !pod.admits(&key) {
                return Err(PodError::Peer("a guest asks for messages".into()));
            }
            let shared = Arc::clone(self);
            match wanted {
                Wanted::List(after) => {
                    let list = move || shared.inboxes.list(&to, after.as_ref(), now_ms());
                    talk::list(link, &turn.work(list).await??).await?;
                }
                Wanted::Take(id) => {
                    let get = move || shared.inboxes.get(&to, &id);
                    talk::give(link, turn.work(get).await??.as_deref()).await?;
                }
                Wanted::Drop(ids) => {
                    let drop = move || shared.inboxes.drop_all(&to, &ids);
                    talk::tell_dropped(link, turn.work(drop).await??).await?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn put(inboxes: &Inboxes, from: u8, id: u32, bytes: usize, now_ms: i64) -> &'static str {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&id.to_be_bytes());
        let message = vec![from; bytes];
        match inboxes
            .put(&[9; 32], &[from; 32], &MessageId(name), &message, now_ms)
            .unwrap()
        {
            Put::Taken(Taken::New) => "new",
            Put::Taken(Taken::Known) => "known",
            Put::Full(why) if why.starts_with("as many messages of yours") => "theirs",
            Put::Full(_) => "full",
        }
    }

    fn count(inboxes: &Inboxes, now_ms: i64) -> usize {
        let (mut all, mut after) = (0, None);
        loop {
            let list = inboxes.list(&[9; 32], after.as_ref(), now_ms).unwrap();
            let Some((last, _)) = list.last() else {
                return all;
            };
            (all, after) = (all + list.len(), Some(*last));
        }
    }

    #[test]
    fn rooms_have_ends_and_time_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inbox.redb");
        let inboxes = Inboxes::open(&path).unwrap();
        for id in 0..100 {
            assert_eq!(put(&inboxes, 1, id, 10, NOW), "new");
        }
        assert_eq!(put(&inboxes, 1, 0, 10, NOW), "known");
        assert_eq!(put(&inboxes, 1, 100, 10, NOW), "theirs");
        // eight of 256 KiB are 2 MiB
        for id in 200..208 {
            assert_eq!(put(&inboxes, 2, id, 256 << 10, NOW), "new");
        }
        assert_eq!(put(&inboxes, 2, 208, 1, NOW), "theirs");
        let mut id = 1000;
        for from in 3..=9 {
            for _ in 0..8 {
                let bytes = if from == 9 { 250 << 10 } else { 256 << 10 };
                assert_eq!(put(&inboxes, from, id, bytes, NOW), "new");
                id += 1;
            }
        }
        assert_eq!(put(&inboxes, 20, id, 256 << 10, NOW), "full");
        assert_eq!(put(&inboxes, 20, id, 100, NOW), "new");
        for from in 30..39 {
            for _ in 0..100 {
                id += 1;
                let said = put(&inboxes, from, id, 1, NOW);
                if said != "new" {
                    assert_eq!((said, count(&inboxes, NOW)), ("full", 1000));
                }
            }
        }
        assert_eq!(count(&inboxes, NOW), 1000);

        // kept by another process, dropped one by one, or when they are old
        drop(inboxes);
        let inboxes = Inboxes::open(&path).unwrap();
        let first = inboxes.list(&[9; 32], None, NOW).unwrap();
        assert_eq!(first.len(), LISTED);
        let (id, bytes) = first[0];
        assert_eq!(
            inboxes.get(&[9; 32], &id).unwrap().unwrap().len(),
            bytes as usize
        );
        assert_eq!(inboxes.get(&[8; 32], &id).unwrap(), None);
        assert_eq!(inboxes.drop_all(&[8; 32], &[id]).unwrap(), 0);
        assert_eq!(inboxes.drop_all(&[9; 32], &[id, id]).unwrap(), 2);
        assert_eq!(inboxes.get(&[9; 32], &id).unwrap(), None);
        let later = NOW + KEPT_MS + 1;
        assert_eq!(count(&inboxes, later), 0);
        assert_eq!(put(&inboxes, 1, 5000, 10, later), "new");
        assert_eq!(count(&inboxes, later), 1);
        assert!(inboxes.is_to_be_swept(later));
        inboxes.sweep(later, &|_| Ok(true)).unwrap();
        assert!(!inboxes.is_to_be_swept(later));
        assert_eq!(count(&inboxes, later), 1);
        inboxes.sweep(later, &|_| Ok(false)).unwrap();
        let snap = inboxes.kv.snapshot().unwrap();
        let mut rows = 0;
        for keyspace in [ROWS, MESSAGES] {
            snap.scan(keyspace, &[], None, false, &mut |_, _| {
                rows += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        assert_eq!(rows, 0);
    }
}
