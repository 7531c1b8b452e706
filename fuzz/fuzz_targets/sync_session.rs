//! A session that hears an honest peer, a peer whose messages are changed, repeated and withheld, and plain nonsense. It ends or goes on; what
//! it says can be read, is bounded, and follows from what it has; nothing is taken that nobody wrote.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use rhizome_fuzz::{
    Input,
    sync_memory::{MemoryStore, certificate, commit},
};
use rhizome_sync::{Input as Event, Leaf, Limits, Local, Message, Output, Role, Session, Store};

/// A replica whose content the input chooses. Two of one beginning share much of it.
fn store(input: &mut Input<'_>, salt: u64) -> MemoryStore {
    let mut store = MemoryStore::with_authors([1, 2]);
    for i in 0..input.below(16) as u64 {
        store.write(1, vec![Leaf::Sealed(vec![i as u8; 10])], i);
    }
    for _ in 0..input.below(8) {
        match input.below(5) {
            0 => {
                store.write(2, vec![Leaf::Sealed(vec![7; input.word() % 2_000])], salt);
            }
            1 => {
                store.write(1, vec![Leaf::Erased([3; 32]), Leaf::Sealed(vec![])], salt);
            }
            2 => {
                let seq = 1 + input.below(50) as u64;
                store.insert(commit(1, seq, Some([input.byte(); 32]), vec![Leaf::Sealed(vec![9; 9])], salt));
            }
            3 => {
                let author = 3 + input.below(6) as u8;
                store.take_certificates(vec![certificate(author, 40)]).expect("memory");
                store.write(author, vec![Leaf::Sealed(vec![author; 30])], salt);
            }
            _ => {
                store.write(2, vec![], 5);
            }
        }
    }
    store
}

struct Side {
    session: Session,
    store: MemoryStore,
    out: VecDeque<Vec<u8>>,
    closed: bool,
}

impl Side {
    fn new(role: Role, store: MemoryStore, limits: &Limits) -> Self {
        let session = Session::new(role, [5; 32], 0, limits.clone());
        Self { session, store, out: VecDeque::new(), closed: false }
    }

    fn drain(&mut self) {
        let mut bytes = 0;
        while let Some(output) = self.session.poll(&self.store) {
            assert!(!self.closed || matches!(output, Output::Abort(_)), "it is over");
            if let Output::Send(message) = output {
                assert!(message.len() <= (1 << 20) + 1);
                let read = Message::from_bytes(&message).expect("what a session says can be read");
                self.closed |= matches!(read, Message::Abort(_));
                bytes += message.len();
                self.out.push_back(message);
            }
        }
        assert!(bytes < 1 << 22, "{bytes} bytes for one event");
        self.closed |= self.session.is_closed();
    }

    fn hear(&mut self, now: u64, event: Event<'_>) {
        self.session.handle(now, event, &mut self.store);
        self.drain();
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let limits = Limits {
        window: 200 + input.word(),
        batch: input.word(),
        live_window: input.word(),
        commit: 1_500 + input.word(),
        newest_first: input.below(4) as u64,
        silence_ms: 1_000,
    };
    let (mine, theirs) = (store(&mut input, 1), store(&mut input, 2));
    let mut all = mine.names();
    all.extend(theirs.names());
    let roles = if input.one_in(2) { [Role::Initiator, Role::Responder] } else { [Role::Responder, Role::Initiator] };
    let mut a = Side::new(roles[0], mine, &limits);
    let mut b = Side::new(roles[1], theirs, &limits);
    a.drain();
    b.drain();
    let mut now = 0;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..150 {
        if a.closed && a.out.is_empty() && b.out.is_empty() {
            break;
        }
        now += 1;
        // what `a` says always arrives
        if let Some(message) = a.out.pop_front() {
            b.hear(now, Event::Message(&message));
        }
        let mut message = b.out.pop_front();
        match input.below(24) {
            0 => {
                let n = input.below(64);
                message = Some(input.take(n).to_vec());
            }
            1 | 2 => {
                if let Some(m) = message.as_mut().filter(|m| !m.is_empty()) {
                    let at = input.word() % m.len();
                    m[at] ^= input.byte().max(1);
                }
            }
            3 => message = None,
            4 => message.iter_mut().for_each(|m| m.truncate(input.word())),
            5 if !kept.is_empty() => message = Some(input.of(&kept).clone()),
            6 => {
                let n = input.below(32);
                message.iter_mut().for_each(|m| m.extend_from_slice(input.take(n)));
            }
            7 => {
                let name = b.store.write(1, vec![Leaf::Sealed(vec![1; input.below(200)])], 77 + now);
                all.insert(name);
                b.hear(now, Event::Local(Local::Commit(name)));
            }
            8 => {
                let name = a.store.write(2, vec![Leaf::Sealed(vec![1; input.below(200)])], 99 + now);
                all.insert(name);
                a.hear(now, Event::Local(Local::Commit(name)));
            }
            9 => a.hear(now, Event::Recheck),
            10 => b.hear(now, Event::Recheck),
            11 => {
                now += input.word() as u64;
                a.hear(now, Event::Tick);
            }
            12 => a.hear(now, Event::Ephemeral(vec![0; input.word()])),
            _ => {}
        }
        if let Some(message) = message {
            a.hear(now, Event::Message(&message));
            if kept.len() < 16 {
                kept.push(message);
            }
        }
    }
    assert!(a.store.names().is_subset(&all) && b.store.names().is_subset(&all), "nobody wrote that");
});
