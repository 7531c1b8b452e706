//! Two replicas and the connection between them.

use crate::memory::MemoryStore;
use rhizome_sync::{CommitName, Input, Limits, Local, Message, Output, Role, Session};
use std::collections::VecDeque;

pub struct Side {
    pub store: MemoryStore,
    pub session: Session,
    pub events: Vec<Output>,
    pub inbox: VecDeque<Vec<u8>>,
    /// Messages and bytes that it sent, four bytes of framing for each message included.
    pub messages: usize,
    pub bytes: usize,
    pub kinds: Vec<&'static str>,
}

pub struct Pair {
    pub a: Side,
    pub b: Side,
    pub now: u64,
}

pub fn kind(message: &[u8]) -> &'static str {
    match Message::from_bytes(message).expect("what a session says can be read") {
        Message::Open { .. } => "open",
        Message::Set { .. } => "set",
        Message::Certificates { .. } => "certificates",
        Message::Chains { .. } => "chains",
        Message::WantPlaces { .. } => "want places",
        Message::WantIds { .. } => "want ids",
        Message::WantLeaves { .. } => "want leaves",
        Message::Credit(_) => "credit",
        Message::Answer(_) => "answer",
        Message::End => "end",
        Message::Live(_) => "live",
        Message::Confirm(_) => "confirm",
        Message::Offer { .. } => "offer",
        Message::Done(_) => "done",
        Message::CertificateRefused(..) | Message::CommitRefused(..) => "refused",
        Message::Ephemeral(_) => "ephemeral",
        Message::Abort(_) => "abort",
    }
}

impl Side {
    fn new(role: Role, store: MemoryStore, limits: Limits) -> Self {
        Self {
            store,
            session: Session::new(role, [42; 32], 0, limits),
            events: vec![],
            inbox: VecDeque::new(),
            messages: 0,
            bytes: 0,
            kinds: vec![],
        }
    }

    /// Takes what the session says; messages go to the other side's inbox.
    fn drain(&mut self, to: &mut VecDeque<Vec<u8>>) {
        while let Some(output) = self.session.poll(&self.store) {
            match output {
                Output::Send(message) => {
                    assert!(message.len() <= (1 << 20) + 1);
                    self.messages += 1;
                    self.bytes += message.len() + 4;
                    self.kinds.push(kind(&message));
                    to.push_back(message);
                }
                other => self.events.push(other),
            }
        }
    }

    pub fn input(&mut self, now: u64, input: Input<'_>) {
        self.session.handle(now, input, &mut self.store);
    }

    pub fn write(
        &mut self,
        now: u64,
        author: u8,
        leaves: Vec<rhizome_sync::Leaf>,
        salt: u64,
    ) -> CommitName {
        let name = self.store.write(author, leaves, salt);
        self.input(now, Input::Local(Local::Commit(name)));
        name
    }

    pub fn synced(&self) -> usize {
        self.events
            .iter()
            .filter(|e| matches!(e, Output::Synced(_)))
            .count()
    }

    pub fn aborted(&self) -> Option<&rhizome_sync::SyncError> {
        self.events.iter().find_map(|e| match e {
            Output::Abort(e) => Some(e),
            _ => None,
        })
    }

    pub fn forks(&self) -> usize {
        self.events
            .iter()
            .filter(|e| matches!(e, Output::Fork(_)))
            .count()
    }
}

impl Pair {
    pub fn new(a: MemoryStore, b: MemoryStore) -> Self {
        Self::with(a, b, Limits::default())
    }

    pub fn with(a: MemoryStore, b: MemoryStore, limits: Limits) -> Self {
        Self {
            a: Side::new(Role::Initiator, a, limits.clone()),
            b: Side::new(Role::Responder, b, limits),
            now: 0,
        }
    }

    /// One message each way. False when nothing is under way.
    pub fn step(&mut self) -> bool {
        self.now += 10;
        let Self { a, b, now } = self;
        a.drain(&mut b.inbox);
        b.drain(&mut a.inbox);
        let mut any = false;
        for side in [a, b] {
            if let Some(message) = side.inbox.pop_front() {
                any = true;
                side.input(*now, Input::Message(&message));
            }
        }
        any
    }

    /// Until nobody says anything.
    pub fn run(&mut self) {
        for _ in 0..1_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("they never stop: {:?} {:?}", self.a.kinds, self.b.kinds);
    }

    pub fn bytes(&self) -> usize {
        self.a.bytes + self.b.bytes
    }

    /// Runs, and both must end up equal and say so.
    pub fn converge(&mut self) {
        self.run();
        assert_eq!((self.a.aborted(), self.b.aborted()), (None, None));
        assert!(
            self.a.store.content() == self.b.store.content(),
            "not equal"
        );
        assert!(
            self.a.synced() > 0 && self.b.synced() > 0,
            "{:?} {:?}",
            self.a.kinds,
            self.b.kinds
        );
    }
}
