//! Two stores and the connection between them.

use rhizome_sync::{Input, Limits, Output, Role, Session, Store, digest};
use std::collections::VecDeque;

/// What must be equal on equal replicas.
pub fn sum(store: &dyn Store) -> [u8; 32] {
    let mut parts = store.certificates().unwrap();
    parts.extend(store.chains().unwrap().into_iter().map(|(_, id)| id));
    digest(&store.pod(), parts)
}

pub struct End {
    pub session: Session,
    pub inbox: VecDeque<Vec<u8>>,
    pub events: Vec<Output>,
    pub bytes: usize,
    pub messages: usize,
}

impl End {
    pub fn new(role: Role, limits: Limits) -> Self {
        Self {
            session: Session::new(role, [42; 32], 0, limits),
            inbox: VecDeque::new(),
            events: vec![],
            bytes: 0,
            messages: 0,
        }
    }

    pub fn drain(&mut self, store: &dyn Store, to: &mut VecDeque<Vec<u8>>) {
        while let Some(output) = self.session.poll(store) {
            match output {
                Output::Send(message) => {
                    self.bytes += message.len();
                    self.messages += 1;
                    to.push_back(message);
                }
                other => self.events.push(other),
            }
        }
    }

    pub fn aborted(&self) -> bool {
        self.events.iter().any(|e| matches!(e, Output::Abort(_)))
    }

    pub fn synced(&self) -> bool {
        self.events.iter().any(|e| matches!(e, Output::Synced(_)))
    }
}

pub struct Pair {
    pub a: End,
    pub b: End,
    now: u64,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self {
            a: End::new(Role::Initiator, limits.clone()),
            b: End::new(Role::Responder, limits),
            now: 0,
        }
    }

    /// One message each way. False when nothing is under way.
    pub fn step(&mut self, a: &mut dyn Store, b: &mut dyn Store) -> bool {
        self.now += 10;
        self.a.drain(a, &mut self.b.inbox);
        self.b.drain(b, &mut self.a.inbox);
        let mut any = false;
        if let Some(message) = self.a.inbox.pop_front() {
            any = true;
            self.a.session.handle(self.now, Input::Message(&message), a);
        }
        if let Some(message) = self.b.inbox.pop_front() {
            any = true;
            self.b.session.handle(self.now, Input::Message(&message), b);
        }
        any
    }

    pub fn run(&mut self, a: &mut dyn Store, b: &mut dyn Store) {
        for _ in 0..1_000_000 {
            if !self.step(a, b) {
                return;
            }
        }
        panic!("they never stop");
    }

    /// Runs, as often as something is left over; nobody gives up.
    pub fn converge(a: &mut dyn Store, b: &mut dyn Store) {
        for _ in 0..8 {
            let mut pair = Self::new();
            pair.run(a, b);
            assert!(
                !pair.a.aborted() && !pair.b.aborted(),
                "{:?} {:?}",
                pair.a.events,
                pair.b.events
            );
            assert!(pair.a.synced() && pair.b.synced());
            if sum(a) == sum(b) {
                return;
            }
        }
        panic!("they do not become equal");
    }
}
