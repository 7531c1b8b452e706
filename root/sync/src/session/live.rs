//! Pushing what is new, within a window that the peer's confirmations move on.

use super::event::{Local, Output};
use super::sending::Sending;
use crate::{
    SyncError,
    data::Assembly,
    limits::{GOOD_MESSAGE, MAX_MESSAGE, MAX_WAITING},
    message::Message,
    set::Id,
    store::{Refusal, Store},
};
use std::collections::{HashSet, VecDeque};

/// Ids that came from the peer, which are not pushed back to it.
const RECENT: usize = 256;

#[derive(Default)]
pub(super) struct Live {
    /// Whether the peer has the certificates that were there before.
    pub(super) allowed: bool,
    /// Whether something was not pushed because too much waited.
    pub(super) overflown: bool,
    waiting: VecDeque<Local>,
    sending: Option<(Local, Sending, usize)>,
    /// The envelope that was pushed last.
    last: Vec<u8>,
    /// With its bytes, and why the peer refused it.
    unconfirmed: VecDeque<(Local, usize, Option<Refusal>)>,
    in_flight: usize,
    pub(super) assembly: Assembly,
    recent: HashSet<Id>,
    recent_order: VecDeque<Id>,
    pub(super) sent: u64,
}

impl Live {
    pub(super) fn push(&mut self, local: Local) {
        if self.recent.contains(&local.id()) {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.waiting = VecDeque::new();
            self.overflown = true;
        }
        if !self.overflown {
            self.waiting.push_back(local);
        }
    }

    /// Notes what came from the peer.
    pub(super) fn came(&mut self, id: Id) {
        if self.recent.insert(id) {
            self.recent_order.push_back(id);
        }
        if self.recent_order.len() > RECENT
            && let Some(old) = self.recent_order.pop_front()
        {
            self.recent.remove(&old);
        }
    }

    pub(super) fn is_waiting_for_peer(&self) -> bool {
        !self.unconfirmed.is_empty()
    }

    pub(super) fn refused(&mut self, what: &Local, why: Refusal) {
        let id = what.id();
        if let Some(entry) = self.unconfirmed.iter_mut().find(|(l, ..)| l.id() == id) {
            entry.2 = Some(why);
        }
    }

    pub(super) fn confirmed(
        &mut self,
        n: u64,
        out: &mut VecDeque<Output>,
    ) -> Result<(), SyncError> {
        for _ in 0..n {
            let (local, bytes, refused) = self
                .unconfirmed
                .pop_front()
                .ok_or(SyncError::Unexpected("a confirmation of nothing"))?;
            self.in_flight = self.in_flight.saturating_sub(bytes);
            if refused.is_none() {
                out.push_back(Output::Delivered(local));
            }
        }
        Ok(())
    }

    /// The next message to push, if there is one and the window is open.
    pub(super) fn poll(
        &mut self,
        window: usize,
        store: &dyn Store,
    ) -> Result<Option<Vec<u8>>, SyncError> {
        if !self.allowed {
            return Ok(None);
        }
        let mut out = vec![LIVE];
        // what has begun goes on whatever the window says: only whole commits are confirmed
        while (self.in_flight < window || self.sending.is_some()) && out.len() < GOOD_MESSAGE {
            if self.sending.is_none() {
                match self.waiting.front().copied() {
                    None => break,
                    Some(local @ Local::Certificate(id)) => {
                        if out.len() > 1 {
                            break;
                        }
                        self.waiting.pop_front();
                        let Some(bytes) = store.certificate(&id)? else {
                            continue;
                        };
                        self.in_flight += bytes.len();
                        self.unconfirmed.push_back((local, bytes.len(), None));
                        let message = Message::Certificates {
                            live: true,
                            list: vec![&bytes],
                        };
                        return Ok(Some(message.to_bytes()));
                    }
                    Some(local @ Local::Commit(name)) => {
                        self.waiting.pop_front();
                        let last = &mut self.last;
                        let sending = Sending::commit(name.key, name.id, store, last)?;
                        self.sending = sending.map(|s| (local, s, 0));
                    }
                }
            }
            let Some((local, sending, bytes)) = &mut self.sending else {
                continue;
            };
            let before = out.len();
            let complete = sending.write(&mut out, MAX_MESSAGE, store)?;
            *bytes += out.len() - before;
            self.in_flight += out.len() - before;
            if complete {
                self.unconfirmed.push_back((*local, *bytes, None));
                self.sending = None;
            } else {
                break;
            }
        }
        if out.len() == 1 {
            return Ok(None);
        }
        self.sent += out.len() as u64;
        Ok(Some(out))
    }
}

/// The first byte of [`Message::Live`].
const LIVE: u8 = 10;
