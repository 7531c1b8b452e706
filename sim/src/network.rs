//! Connections: who is let in, what is delivered when, what is lost.

use rhizome_share::Certificate;
use rhizome_sync::{Input, Limits, Output, Role, Session, SyncError};

use crate::{
    node::{End, Life},
    world::{Event, World, pair},
};

/// Bytes that a sealed peer keeps of a pod.
const QUOTA: u64 = 1 << 30;

impl World {
    pub fn dial(&mut self, a: usize, b: usize) {
        let again = if self.calm { 150 } else { 400 };
        // who dials whom changes
        if self.dice.one_in(2) {
            self.later(again, Event::Dial(a, b));
        } else {
            self.later(again, Event::Dial(b, a));
        }
        let open = self.nodes[a]
            .sessions
            .values()
            .filter(|e| e.peer == b)
            .count();
        let beside = self.dice.one_in(6);
        if !self.nodes[a].is_up()
            || !self.nodes[b].is_up()
            || self.nodes[a].sealed
            || self.parted.contains(&pair(a, b))
            || (open > 0 && !beside)
            || open > 2
        {
            return;
        }
        if !self.lets_in(b, a) || !self.lets_in(a, b) {
            self.counts.turned_away += 1;
            self.note(|| format!("{a} and {b} do not let each other in"));
            return;
        }
        self.counts.connections += 1;
        self.counts.parallel += u64::from(open > 0);
        self.next_connection += 1;
        let on = self.next_connection;
        let mut secret = [0; 32];
        self.dice.fill(&mut secret);
        let limits = Limits {
            window: 4_000 + self.dice.below(60_000) as usize,
            batch: 1 + self.dice.below(16_000) as usize,
            live_window: 2_000 + self.dice.below(40_000) as usize,
            newest_first: self.dice.below(3) * 8,
            silence_ms: 1_500,
            ..Limits::default()
        };
        if !self.calm && self.dice.one_in(12) {
            self.counts.black_holes += 1;
            self.holes.insert(on);
        }
        let mut ends = Vec::new();
        for (x, y, role) in [(a, b, Role::Initiator), (b, a, Role::Responder)] {
            let Ok(Some((store, told, hearing))) = self.nodes[x].open(&self.did, self.now) else {
                return;
            };
            let session = Session::new(role, secret, self.now, limits.clone());
            let end = End {
                peer: y,
                session,
                store,
                told,
                _hearing: hearing,
            };
            ends.push((x, end));
        }
        for (x, end) in ends {
            self.nodes[x].sessions.insert(on, end);
        }
        self.pump(a, on);
        self.pump(b, on);
        // most connections do not live long
        if !self.calm && !self.dice.one_in(4) {
            let after = self.dice.below(1_500);
            self.counts.cut += 1;
            self.later(after, Event::Close { at: a, on });
        }
        // in the end everybody connects anew from time to time
        if self.calm {
            self.later(1_000, Event::Close { at: a, on });
        }
    }

    /// Whether `host` takes `guest` for a device of the pod, or for a peer it knows; the guest may show its device log.
    fn lets_in(&mut self, host: usize, guest: usize) -> bool {
        let now = self.now;
        let bold = self.nodes[guest].lies && !self.calm && self.dice.one_in(2);
        let (host, guest) = (&self.nodes[host], &self.nodes[guest]);
        let (Some(key), Some(member)) = (guest.key, guest.member()) else {
            // a sealed peer is known by its address
            return guest.sealed;
        };
        let (did, log) = member.device_log();
        match &host.life {
            Life::Device(own) => {
                if !own.is_device(&key) {
                    drop(own.take_certificates(Certificate::of_log(&log)));
                }
                // a liar may have a connection from before
                own.is_device(&key) || bold
            }
            Life::Sealed(sealed) => {
                let pod = sealed.pod(&did);
                let known = |p: &std::sync::Arc<rhizome_sealed::SealedPod>| p.admits(&key);
                if !matches!(&pod, Ok(Some(pod)) if known(pod)) {
                    drop(pod);
                    drop(sealed.host(&log, QUOTA, now));
                }
                matches!(sealed.pod(&did), Ok(Some(pod)) if known(&pod) || bold)
            }
            Life::Outside | Life::Down => false,
        }
    }

    pub fn close(&mut self, at: usize, on: u64) {
        if let Some(end) = self.nodes[at].sessions.remove(&on) {
            // the other side notices a little later
            self.soon(30, Event::Close { at: end.peer, on });
        }
    }

    pub fn deliver(&mut self, to: usize, on: u64, message: &[u8]) {
        let now = self.now;
        let Some(end) = self.nodes[to].sessions.get_mut(&on) else {
            self.counts.lost_messages += 1;
            return;
        };
        end.session
            .handle(now, Input::Message(message), &mut end.store);
        self.pump(to, on);
    }

    pub fn tick(&mut self, at: usize, on: u64) {
        let now = self.now;
        if let Some(end) = self.nodes[at].sessions.get_mut(&on) {
            end.session.handle(now, Input::Tick, &mut end.store);
            self.pump(at, on);
        }
    }

    /// Tells all sessions of a node what is new there; sees to it that what happened to its disk has its effect.
    pub fn settle(&mut self, at: usize) {
        self.keep_lying(at);
        loop {
            if self.nodes[at].disk.is_off() {
                self.counts.power += 1;
                self.crash(at);
                return;
            }
            let news = self.nodes[at].sessions.iter();
            let news: Vec<u64> = news
                .filter(|(_, e)| !e.told.lock().is_empty())
                .map(|(on, _)| *on)
                .collect();
            if news.is_empty() {
                return;
            }
            let now = self.now;
            for on in news {
                while let Some(end) = self.nodes[at].sessions.get_mut(&on) {
                    let Some(told) = ({ end.told.lock().pop_front() }) else {
                        break;
                    };
                    end.session.handle(now, told.input(), &mut end.store);
                    self.pump(at, on);
                }
            }
        }
    }

    /// Does what a session says.
    pub fn pump(&mut self, at: usize, on: u64) {
        loop {
            let Some(end) = self.nodes[at].sessions.get_mut(&on) else {
                return;
            };
            let peer = end.peer;
            let Some(output) = end.session.poll(&end.store) else {
                return;
            };
            match output {
                Output::Send(message) => self.send(at, peer, on, message),
                Output::Learned(new) => self.counts.filled += new.filled.len() as u64,
                Output::Fork(_) => self.counts.forks += 1,
                Output::Synced(how) => {
                    self.counts.rounds += 1;
                    self.counts.equal += u64::from(how.equal);
                }
                Output::Timeout(when) => {
                    let after = when.saturating_sub(self.now);
                    self.later(after, Event::Tick { at, on });
                }
                Output::Abort(why) => {
                    self.note(|| format!("{at} ends {on} with {peer}: {why}"));
                    self.counts.aborted += 1;
                    self.counts.silences += u64::from(why == SyncError::Silent);
                    let honest = !self.nodes[at].lies && !self.nodes[peer].lies;
                    let excused = matches!(
                        why,
                        SyncError::Silent | SyncError::Store(_) | SyncError::Peer(8 | 9)
                    );
                    assert!(
                        !honest || excused,
                        "seed {}: honest peers {at} and {peer}: {why}",
                        self.seed
                    );
                    self.later(1, Event::Close { at, on });
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, on: u64, message: Vec<u8>) {
        let message = if self.nodes[from].lies && !self.calm {
            self.tamper(from, message)
        } else {
            message
        };
        // a link that has lost something delivers nothing more
        let hole = self.holes.contains(&on) && self.dice.one_in(3);
        if hole || self.parted.contains(&pair(from, to)) {
            self.last.insert((on, to), u64::MAX);
        }
        self.counts.messages += 1;
        let earliest = self.last.get(&(on, to)).copied().unwrap_or(0);
        if earliest == u64::MAX {
            self.counts.lost_messages += 1;
            return;
        }
        let at = (self.now + 1 + self.dice.below(60)).max(earliest + 1);
        if self.nodes[from].lies && !self.calm {
            match self.dice.below(80) {
                0 => {
                    self.counts.doubled += 1;
                    let after = at - self.now + self.dice.below(100);
                    let message = message.clone();
                    self.later(after, Event::Deliver { to, on, message });
                }
                // later ones overtake it
                1 => {
                    self.counts.reordered += 1;
                    let after = at - self.now + 1 + self.dice.below(100);
                    self.later(after, Event::Deliver { to, on, message });
                    return;
                }
                _ => {}
            }
        }
        self.last.insert((on, to), at);
        self.later(at - self.now, Event::Deliver { to, on, message });
    }

    pub fn partition(&mut self, a: usize, b: usize) {
        if self.calm {
            return;
        }
        self.counts.partitions += 1;
        self.parted.insert(pair(a, b));
        // the link notices some time later
        let open = self.nodes[a].sessions.iter();
        let open: Vec<u64> = open
            .filter(|(_, e)| e.peer == b)
            .map(|(on, _)| *on)
            .collect();
        for on in open {
            self.soon(1_000, Event::Close { at: a, on });
        }
        self.soon(2_000, Event::Heal(a, b));
    }
}
