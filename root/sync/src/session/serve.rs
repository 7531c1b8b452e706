//! Answering the peer's questions: one after the other, as far as the peer has given leave, a message for each call.

use super::sending::Sending;
use crate::{
    SyncError,
    chain::Run,
    limits::{GOOD_MESSAGE, MAX_IDS, MAX_OPEN_QUESTIONS, MAX_SIBLINGS},
    message::Message,
    set::Id,
    store::Store,
};
use rhizome_ipld::PublicKey;
use std::collections::VecDeque;

/// Ids read from the store at a time.
const PAGE: usize = 256;

#[derive(Default)]
pub(super) struct Serving {
    questions: VecDeque<Question>,
    sending: Option<Sending>,
    /// The envelope that was sent last.
    last: Vec<u8>,
    allowed: u64,
    pub(super) sent: u64,
}

enum Question {
    Places(Places),
    Ids(PublicKey, VecDeque<Id>),
    Leaves(PublicKey, Id, VecDeque<u32>),
}

struct Places {
    key: PublicKey,
    /// Where the next page begins; none when there is none.
    from: Option<(u64, Id)>,
    to: u64,
    page: VecDeque<(u64, Id)>,
    /// The place of the last commit, and how many were sent of it.
    last: (u64, usize),
}

impl Places {
    fn next(&mut self, store: &dyn Store) -> Result<Option<Id>, SyncError> {
        loop {
            while let Some((seq, id)) = self.page.pop_front() {
                if self.last.1 == 0 || self.last.0 != seq {
                    self.last = (seq, 0);
                }
                self.last.1 += 1;
                if self.last.1 <= MAX_SIBLINGS {
                    return Ok(Some(id));
                }
            }
            let Some(from) = self.from.take() else {
                return Ok(None);
            };
            self.page = store.ids(&self.key, from, self.to, PAGE)?.into();
            if self.page.len() >= PAGE {
                let last = self.page.back().copied();
                self.from = last.and_then(|(seq, id)| after(seq, id));
            }
        }
    }
}

/// The next (place, id) in their order.
fn after(seq: u64, mut id: Id) -> Option<(u64, Id)> {
    for byte in id.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some((seq, id));
        }
    }
    seq.checked_add(1).map(|seq| (seq, id))
}

/// All ids of a chain.
pub(super) fn all_ids(key: &PublicKey, store: &dyn Store) -> Result<Vec<Id>, SyncError> {
    let mut all = Vec::new();
    let mut from = Some((0, [0; 32]));
    while let Some(start) = from {
        let page = store.ids(key, start, u64::MAX, MAX_IDS)?;
        let full = page.len() >= MAX_IDS;
        from = page
            .last()
            .filter(|_| full)
            .and_then(|(seq, id)| after(*seq, *id));
        all.extend(page.into_iter().map(|(_, id)| id));
    }
    Ok(all)
}

impl Question {
    /// The next thing to send; none when all is sent.
    fn next(
        &mut self,
        store: &dyn Store,
        last: &mut Vec<u8>,
    ) -> Result<Option<Sending>, SyncError> {
        loop {
            let (key, id) = match self {
                Self::Places(places) => match places.next(store)? {
                    Some(id) => (places.key, id),
                    None => return Ok(None),
                },
                Self::Ids(key, ids) => match ids.pop_front() {
                    Some(id) => (*key, id),
                    None => return Ok(None),
                },
                Self::Leaves(key, id, places) => return Sending::fill(*key, *id, places, store),
            };
            if let Some(sending) = Sending::commit(key, id, store, last)? {
                return Ok(Some(sending));
            }
        }
    }
}

impl Serving {
    /// Takes a question, if the message is one.
    pub(super) fn hear(&mut self, message: Message<'_>) -> Result<(), SyncError> {
        let (question, credit) = match message {
            Message::WantPlaces {
                key,
                run: Run { from, to },
                credit,
            } => {
                let places = Places {
                    key,
                    from: Some((from, [0; 32])),
                    to,
                    page: VecDeque::new(),
                    last: (0, 0),
                };
                (Some(Question::Places(places)), credit)
            }
            Message::WantIds { key, credit, ids } => (Some(Question::Ids(key, ids.into())), credit),
            Message::WantLeaves {
                key,
                id,
                credit,
                leaves,
            } => (Some(Question::Leaves(key, id, leaves.into())), credit),
            Message::Credit(credit) => (None, credit),
            _ => return Err(SyncError::Unexpected("no question")),
        };
        self.allowed = self.allowed.saturating_add(credit);
        if self.questions.len() + usize::from(question.is_some()) > MAX_OPEN_QUESTIONS {
            return Err(SyncError::Limit("open questions"));
        }
        self.questions.extend(question);
        Ok(())
    }

    /// The next message of the answers, if there is one and it may be sent.
    pub(super) fn poll(&mut self, store: &dyn Store) -> Result<Option<Vec<u8>>, SyncError> {
        let mut out = vec![ANSWER];
        while let Some(question) = self.questions.front_mut() {
            if self.sending.is_none() {
                self.sending = question.next(store, &mut self.last)?;
            }
            let Some(sending) = &mut self.sending else {
                if out.len() == 1 {
                    self.questions.pop_front();
                    return Ok(Some(Message::End.to_bytes()));
                }
                break;
            };
            if self.sent >= self.allowed {
                break;
            }
            if sending.write(&mut out, GOOD_MESSAGE, store)? {
                self.sending = None;
            } else {
                break;
            }
            if out.len() >= GOOD_MESSAGE {
                break;
            }
        }
        if out.len() == 1 {
            return Ok(None);
        }
        self.sent = self.sent.saturating_add(out.len() as u64);
        Ok(Some(out))
    }
}

/// The first byte of [`Message::Answer`].
const ANSWER: u8 = 8;
