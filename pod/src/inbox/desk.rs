//! What a pod does with a message once it is here: one entity for each, however many devices collect it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use tokio::sync::Semaphore;

use super::{InboxError, Judge, MessageId};
use crate::{
    Pod, PodError,
    directory::{KIND, attribute, text},
};

const MESSAGE: &str = "message";
const FROM: &str = "message/from";
const DEVICE: &str = "message/device";
const AT: &str = "message/at";
const CONTENT: &str = "message/content";

/// Messages that are remembered as sealed for other devices.
const NOT_OURS: usize = 10_000;
/// People who leave a message with this pod itself, at a time.
const LEAVING: usize = 4;
/// What one sender may leave with this pod itself in a day: messages, bytes. Others leave theirs with a peer.
const A_DAY: (u32, usize) = (100, 2 << 20);
const DAY_MS: i64 = 86_400_000;
/// Senders that are counted.
const SENDERS: usize = 10_000;

/// A message that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: Did,
    /// The device that signed it.
    pub device: PublicKey,
    /// When, by that device's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub content: Vec<u8>,
}

type Listener = Arc<dyn Fn(&Received) + Send + Sync>;

/// The inbox of an open pod.
pub(crate) struct Desk {
    listener: Mutex<Option<Listener>>,
    /// Held by whoever keeps messages.
    keeping: Mutex<()>,
    /// Held by whoever collects.
    pub(super) collecting: tokio::sync::Mutex<()>,
    not_ours: Mutex<HashSet<MessageId>>,
    pub(super) leaving: Semaphore,
    left: Mutex<HashMap<Did, (i64, u32, usize)>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            listener: Mutex::default(),
            keeping: Mutex::default(),
            collecting: tokio::sync::Mutex::default(),
            not_ours: Mutex::default(),
            leaving: Semaphore::new(LEAVING),
            left: Mutex::default(),
        }
    }
}

impl Desk {
    /// Whether a message was found to be sealed for other devices.
    pub fn is_not_ours(&self, id: &MessageId) -> bool {
        self.not_ours.lock().contains(id)
    }

    pub fn note_not_ours(&self, id: MessageId) {
        let mut not_ours = self.not_ours.lock();
        if not_ours.len() >= NOT_OURS {
            not_ours.clear();
        }
        not_ours.insert(id);
    }

    /// Whether a sender may leave one more here today.
    pub fn admits(&self, from: Did, bytes: usize, now_ms: i64) -> bool {
        let mut left = self.left.lock();
        if left.len() >= SENDERS {
            left.retain(|_, (since, ..)| now_ms.saturating_sub(*since) < DAY_MS);
        }
        if left.len() >= SENDERS && !left.contains_key(&from) {
            return false;
        }
        let of = left.entry(from).or_insert((now_ms, 0, 0));
        if now_ms.saturating_sub(of.0) >= DAY_MS {
            *of = (now_ms, 0, 0);
        }
        if of.1 >= A_DAY.0 || of.2 + bytes > A_DAY.1 {
            return false;
        }
        of.1 += 1;
        of.2 += bytes;
        true
    }
}

/// The entity of a message: the same on every device.
fn entity(did: &str, id: &MessageId) -> (EntityId, Vec<u8>) {
    let nonce = [b"message:", &id.0[..]].concat();
    (EntityId::derive(did, &nonce), nonce)
}

fn value(now: &Snapshot, entity: &EntityId, name: &str) -> Option<Value> {
    let (e, a) = (now.eid(entity)?, now.aid(name)?);
    let (lo, hi) = key::eav_ea(e, a);
    let first = now.eav().range(lo, hi).next()?;
    now.value(key::un_eav(first).v)
}

impl Pod {
    /// Calls `listener` with every message that this device collects from now on, once it is on stable storage. It must be quick. One that
    /// another device collected comes as its tuples, by a live query. A later listener replaces an earlier one.
    pub fn on_message(&self, listener: impl Fn(&Received) + Send + Sync + 'static) {
        *self.inbox().listener.lock() = Some(Arc::new(listener));
    }

    /// The messages that are kept in this pod, each with its entity, in the order of their own times. One that was erased is not among
    /// them.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn messages(&self) -> Result<Vec<(EntityId, Received)>, PodError> {
        let now = self.replica().snapshot();
        let mut out = Vec::new();
        if let Some(a) = now.aid(CONTENT) {
            let (lo, hi) = key::aev_a(a);
            for k in now.aev().range(lo, hi) {
                if let Some(entity) = now.entity_id(key::un_aev(k).e)
                    && let Some(received) = read(&now, &entity)
                {
                    out.push((entity, received));
                }
            }
        }
        now.fault()?;
        out.sort_by_key(|(entity, received)| (received.at_ms, *entity));
        out.dedup_by_key(|(entity, _)| *entity);
        Ok(out)
    }

    /// Whether a message is here, or was and is erased.
    pub(super) fn knows_message(&self, id: &MessageId) -> bool {
        let (entity, _) = entity(self.did(), id);
        self.replica().snapshot().eid(&entity).is_some()
    }

    /// Reads a message that is for this pod. `now_ms`: when it is to be of now.
    pub(super) fn open_message(
        &self,
        bytes: &[u8],
        now_ms: Option<i64>,
    ) -> Result<(MessageId, Received), InboxError> {
        let to = self.trust().set().resolution().clone();
        let judge = Judge {
            to: &to,
            once: true,
            now_ms,
        };
        let message = judge.judge(bytes)?;
        let (device, kem) = {
            let keys = self.member().keys();
            (keys.device().public(), keys.kem())
        };
        let content = message.open(&device, &kem)?;
        let received = Received {
            from: message.from,
            device: message.device,
            at_ms: message.at,
            content,
        };
        Ok((MessageId::of(&message), received))
    }

    /// Keeps messages, durably; tells the listener of those that are new. How many were.
    pub(super) fn keep_messages(
        &self,
        messages: Vec<(MessageId, Received)>,
    ) -> Result<u64, PodError> {
        let _one = self.inbox().keeping.lock();
        let (mut edits, mut new) = (Vec::new(), Vec::new());
        let now = self.replica().snapshot();
        let mut here = HashSet::new();
        for (id, received) in messages {
            let (entity, nonce) = entity(self.did(), &id);
            if !here.insert(entity) || now.eid(&entity).is_some() {
                continue;
            }
            edits.push(Edit::Create(entity, nonce));
            let says = [
                (KIND, Value::Text(MESSAGE.into())),
                (FROM, Value::Text(received.from.to_string())),
                (DEVICE, Value::Text(received.device.to_did_key())),
                (AT, Value::Time(received.at_ms)),
                (CONTENT, Value::Bytes(received.content.clone())),
            ];
            for (name, value) in says {
                // two devices may say the same at once, which is no conflict in a set
                edits.push(Edit::Insert(entity, attribute(name)?, value));
            }
            new.push(received);
        }
        if new.is_empty() {
            return Ok(0);
        }
        self.write_own(edits)?;
        let listener = self.inbox().listener.lock().clone();
        if let Some(listener) = listener {
            for received in &new {
                listener(received);
            }
        }
        Ok(new.len() as u64)
    }
}

fn read(now: &Snapshot, entity: &EntityId) -> Option<Received> {
    let (Value::Time(at_ms), Value::Bytes(content)) =
        (value(now, entity, AT)?, value(now, entity, CONTENT)?)
    else {
        return None;
    };
    let device = text(now, entity, DEVICE)?;
    Some(Received {
        from: text(now, entity, FROM)?.parse().ok()?,
        device: device.strip_prefix("did:key:")?.parse().ok()?,
        at_ms,
        content,
    })
}
