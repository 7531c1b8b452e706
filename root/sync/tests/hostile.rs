//! Peers that break a rule: the session ends with the reason, what the store has stays, and what others do is not touched.

use crate::memory::{MemoryStore, commit, key};
use crate::pair::Pair;
use rhizome_sync::limits::{MAX_IDS, MAX_MESSAGE, MAX_OPEN_QUESTIONS};
use rhizome_sync::set::{SetMessage, Then};
use rhizome_sync::{
    ChainState, CommitName, Input, Leaf, Limits, Message, Output, Refusal, Role, Run, Session,
    SyncError,
};

fn store(n: u64) -> MemoryStore {
    let mut store = MemoryStore::with_authors([1]);
    for i in 0..n {
        store.write(1, vec![Leaf::Sealed(vec![1; 100])], i);
    }
    store
}

/// A session in a state, and a way to say something to it.
struct Victim {
    session: Session,
    store: MemoryStore,
}

impl Victim {
    fn fresh() -> Self {
        let mut session = Session::new(Role::Responder, [42; 32], 0, Limits::default());
        let store = store(20);
        while session.poll(&store).is_some() {}
        Self { session, store }
    }

    /// After both have opened, and nothing is alike.
    fn open() -> Self {
        let mut victim = Self::fresh();
        victim.say(&Message::Open {
            pod: [0; 32],
            round: 1,
            tag: [1; 16],
            lacks: false,
        });
        victim
    }

    /// After the peer has told that it has nothing; so that everything is told to it.
    fn told() -> Self {
        let mut victim = Self::open();
        let (_, open) = rhizome_sync::set::Reconciliation::open([0; 32], &[], None);
        victim.say(&Message::Set {
            chain: None,
            own: true,
            step: open,
        });
        victim.say(&Message::Set {
            chain: None,
            own: true,
            step: SetMessage::Sound,
        });
        victim
    }

    fn say(&mut self, message: &Message<'_>) -> Vec<Output> {
        self.raw(&message.to_bytes())
    }

    fn raw(&mut self, bytes: &[u8]) -> Vec<Output> {
        self.session
            .handle(0, Input::Message(bytes), &mut self.store);
        std::iter::from_fn(|| self.session.poll(&self.store)).collect()
    }

    fn ends(mut self, message: &Message<'_>) {
        self.raw_ends(&message.to_bytes());
    }

    fn raw_ends(&mut self, bytes: &[u8]) {
        let before = self.store.content();
        let outputs = self.raw(bytes);
        let ended = outputs
            .iter()
            .any(|o| matches!(o, Output::Abort(e) if !matches!(e, SyncError::Peer(_))));
        let told = outputs
            .iter()
            .any(|o| matches!(o, Output::Send(m) if m[0] == 17));
        assert!(
            ended && told && self.session.is_closed(),
            "{:?} {outputs:?}",
            Message::from_bytes(bytes)
        );
        assert!(self.store.content() == before);
        // and says nothing more
        assert_eq!(self.raw(&Message::End.to_bytes()), []);
    }
}

#[test]
fn the_victims_are_well_before() {
    assert!(!Victim::fresh().session.is_closed());
    assert!(!Victim::open().session.is_closed());
    let mut told = Victim::told();
    assert!(!told.session.is_closed());
    let outputs = told.say(&Message::Chains {
        last: true,
        list: vec![],
    });
    assert!(
        outputs
            .iter()
            .any(|o| matches!(o, Output::Send(m) if m[0] == 13)),
        "done: {outputs:?}"
    );
}

#[test]
fn what_comes_too_early_or_twice() {
    let open = Message::Open {
        pod: [0; 32],
        round: 1,
        tag: [1; 16],
        lacks: true,
    };
    for message in [
        Message::End,
        Message::Credit(1),
        Message::Chains {
            last: true,
            list: vec![],
        },
        Message::Live(&[]),
        Message::Ephemeral(&[1]),
        Message::Done(0),
        Message::Set {
            chain: None,
            own: true,
            step: SetMessage::Same,
        },
    ] {
        Victim::fresh().ends(&message);
    }
    Victim::open().ends(&open);
    Victim::open().ends(&Message::Open {
        pod: [0; 32],
        round: 2,
        tag: [1; 16],
        lacks: true,
    });
    Victim::fresh().ends(&Message::Open {
        pod: [0; 32],
        round: 2,
        tag: [1; 16],
        lacks: true,
    });
    Victim::fresh().ends(&Message::Open {
        pod: [1; 32],
        round: 1,
        tag: [1; 16],
        lacks: true,
    });
    let mut told = Victim::told();
    told.say(&Message::Chains {
        last: true,
        list: vec![],
    });
    told.ends(&Message::Chains {
        last: true,
        list: vec![],
    });
}

#[test]
fn what_nobody_asked_for() {
    let step = || SetMessage::Want {
        shorts: vec![],
        then: Then::End(0),
    };
    for message in [
        Message::End,
        Message::Answer(&[]),
        Message::Confirm(1),
        Message::Done(1),
        Message::Offer {
            key: key(1),
            own: true,
            last: true,
            ids: vec![],
        },
        Message::Offer {
            key: key(1),
            own: false,
            last: true,
            ids: vec![],
        },
        Message::Set {
            chain: Some(key(1)),
            own: false,
            step: step(),
        },
        Message::Set {
            chain: Some(key(1)),
            own: true,
            step: step(),
        },
        Message::Set {
            chain: Some(key(9)),
            own: true,
            step: step(),
        },
        Message::Set {
            chain: None,
            own: false,
            step: step(),
        },
        Message::Set {
            chain: None,
            own: true,
            step: SetMessage::Sound,
        },
    ] {
        Victim::told().ends(&message);
    }
}

#[test]
fn nonsense_and_other_versions() {
    for bytes in [
        &[][..],
        &[255],
        &[0, 2],
        &[9, 9],
        &[2, 0, 200],
        &vec![8; MAX_MESSAGE + 2],
    ] {
        Victim::open().raw_ends(bytes);
    }
    let outputs = Victim::fresh().raw(&[0, 2, 0]);
    assert!(outputs.contains(&Output::Abort(SyncError::OtherVersion(2))));
    Victim::told().ends(&Message::Live(&[7]));
    Victim::told().ends(&Message::Live(&[0, 255, 255, 255, 255, 15]));
    Victim::told().ends(&Message::Offer {
        key: key(1),
        own: true,
        last: true,
        ids: vec![[0; 32]; MAX_IDS + 1],
    });
}

#[test]
fn too_many_questions() {
    let mut victim = Victim::told();
    let question = |credit| Message::WantPlaces {
        key: key(1),
        run: Run {
            from: 0,
            to: u64::MAX,
        },
        credit,
    };
    for _ in 0..MAX_OPEN_QUESTIONS {
        let outputs = victim.say(&question(0));
        assert!(
            !outputs
                .iter()
                .any(|o| matches!(o, Output::Send(m) if m[0] == 8)),
            "no leave to answer"
        );
    }
    // leave to send as much as one likes does not matter: the link takes it message by message
    let outputs = victim.say(&Message::Credit(u64::MAX));
    let answers = outputs
        .iter()
        .filter(|o| matches!(o, Output::Send(m) if m[0] == 8))
        .count();
    let ends = outputs
        .iter()
        .filter(|o| matches!(o, Output::Send(m) if m[0] == 9))
        .count();
    assert_eq!((answers, ends), (MAX_OPEN_QUESTIONS, MAX_OPEN_QUESTIONS));
    victim.say(&Message::Credit(u64::MAX));
    let mut victim = Victim::told();
    for _ in 0..MAX_OPEN_QUESTIONS {
        victim.say(&question(0));
    }
    victim.ends(&question(0));
}

#[test]
fn forged_commits_and_certificates() {
    let mut forged = commit(1, 20, None, vec![], 1);
    let last = forged.envelope.len() - 1;
    forged.envelope[last] ^= 1;
    let mut body = vec![0, 0xec, 2];
    assert_eq!(forged.envelope.len(), 0x16c);
    body.extend(&forged.envelope);
    body.push(0);
    Victim::told().ends(&Message::Live(&body));
    Victim::told().ends(&Message::Certificates {
        live: true,
        list: vec![&[1; 40]],
    });
    Victim::told().ends(&Message::Certificates {
        live: false,
        list: vec![&[1; 40]],
    });
}

#[test]
fn a_chain_that_does_not_exist_is_asked_for_once_and_reported_as_withheld() {
    let mut victim = Victim::told();
    let list = vec![ChainState {
        key: key(77),
        count: u64::MAX,
        fingerprint: [1; 32],
        whole: false,
        heads: vec![(u64::MAX - 1, [9; 32]), (u64::MAX - 1, [8; 32])],
        runs: Some(vec![Run {
            from: 0,
            to: u64::MAX - 1,
        }]),
    }];
    let asked = victim.say(&Message::Chains { last: true, list });
    let questions = |o: &[Output]| {
        o.iter()
            .filter(|o| matches!(o, Output::Send(m) if m[0] == 4))
            .count()
    };
    assert_eq!(questions(&asked), 2, "the newest, and the rest");
    assert!(asked.contains(&Output::Progress(rhizome_sync::Progress {
        commits_missing: u64::MAX,
        ..Default::default()
    })));
    victim.say(&Message::End);
    let next = victim.say(&Message::End);
    // nothing came, so the ids are compared; there are none either
    assert!(
        next.iter()
            .any(|o| matches!(o, Output::Send(m) if m[0] == 1))
    );
    victim.say(&Message::Set {
        chain: Some(key(77)),
        own: false,
        step: SetMessage::Same,
    });
    let offered = victim.say(&Message::Offer {
        key: key(77),
        own: false,
        last: true,
        ids: vec![],
    });
    assert!(
        offered
            .iter()
            .any(|o| matches!(o, Output::Send(m) if m[0] == 13))
    );
    let over = victim.say(&Message::Done(1));
    assert!(
        over.iter()
            .any(|o| matches!(o, Output::Synced(s) if s.withheld == 1)),
        "{over:?}"
    );
}

#[test]
fn leave_follows_what_has_come_and_a_commit_cannot_go_on_for_ever() {
    let mut victim = Victim::told();
    let list = vec![ChainState {
        key: key(1),
        count: 50,
        fingerprint: [1; 32],
        whole: true,
        heads: vec![(49, [9; 32])],
        runs: Some(vec![Run { from: 0, to: 49 }]),
    }];
    victim.say(&Message::Chains { last: true, list });
    // one commit that never ends: leave is given for what has come only
    let mut first = vec![0, 1, 7, 0x80, 0x80, 4];
    first.extend([1].iter().chain(&[3; 32]).copied().cycle().take(33 * 1000));
    let mut granted = 8 << 20;
    let mut sent = 0;
    let mut body = first;
    loop {
        sent += body.len() + 1;
        let outputs = victim.say(&Message::Answer(&body));
        if victim.session.is_closed() {
            break;
        }
        for o in outputs {
            if let Output::Send(m) = o
                && let Ok(Message::Credit(n)) = Message::from_bytes(&m)
            {
                granted += n as usize;
            }
        }
        assert!(sent <= granted, "{sent} of {granted}");
        body = [1]
            .iter()
            .chain(&[3; 32])
            .copied()
            .cycle()
            .take(33 * 1000)
            .collect();
    }
    // it ended because the 65,536 leaves were complete and the commit is none
    assert!(sent > 65_000 * 33);
}

#[test]
fn refusals_that_are_made_up_are_only_counted() {
    let mut pair = Pair::new(store(3), store(5));
    pair.run();
    let mut reported = 0;
    for i in 0..5_000u64 {
        let name = CommitName {
            key: key(1),
            seq: i,
            id: [0; 32],
        };
        let message = Message::CommitRefused(name, Refusal::Quota).to_bytes();
        pair.a.input(0, Input::Message(&message));
        while let Some(o) = pair.a.session.poll(&pair.a.store) {
            reported += usize::from(matches!(o, Output::Refused(..)));
        }
    }
    assert_eq!(reported, rhizome_sync::limits::MAX_REFUSED);
}
