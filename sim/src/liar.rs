//! A device that keeps to no rule but that of having a key.

use std::sync::Arc;

use rhizome_identity::{Action, Device, DeviceAdd, KemSecret, Proposal, Role, Secret};
use rhizome_ipld::SigningKey;
use rhizome_member::Member;
use rhizome_replica::{Author, LeafBytes, Link, Record, Standing};
use rhizome_share::{Certificate, Epoch, Plan};
use rhizome_sync::Message;
use rhizome_tuple::{Commit, CommitId, Hlc, Leaf, Op, Value};

use crate::{
    people::{attribute, entity},
    world::{Event, World},
};

fn leb(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 127 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

impl World {
    /// What a liar makes of a message.
    pub fn tamper(&mut self, from: usize, mut message: Vec<u8>) -> Vec<u8> {
        match self.dice.below(60) {
            0 if !message.is_empty() => {
                self.counts.garbled += 1;
                let at = self.dice.below(message.len() as u64) as usize;
                message[at] ^= 1 << self.dice.below(8);
            }
            1 => {
                self.counts.garbled += 1;
                message.truncate(self.dice.below(message.len() as u64) as usize);
            }
            2 => {
                self.counts.withheld += 1;
                return Message::End.to_bytes();
            }
            3 => {
                self.counts.withheld += 1;
                return Message::Done(0).to_bytes();
            }
            4 => {
                // a commit that an honest device seems to have signed
                let made: Vec<&Record> = self.made.values().collect();
                let Some(record) = made.get(self.dice.below(made.len() as u64) as usize) else {
                    return message;
                };
                let mut forged = record.envelope.clone();
                let at = forged
                    .len()
                    .saturating_sub(1 + self.dice.below(200) as usize);
                forged[at] ^= 1;
                let mut body = vec![0];
                body.extend(leb(forged.len() as u64));
                body.extend(forged);
                body.extend([0]);
                self.counts.forged += 1;
                return Message::Live(&body).to_bytes();
            }
            5 => {
                // somebody's certificate, changed
                let member = self.nodes[from].member();
                let paper = member.and_then(|m| {
                    let trust = m.trust();
                    let id = trust.set().ids().last()?;
                    trust.set().get(&id)?.to_bytes().ok()
                });
                if let Some(mut paper) = paper {
                    let at = self.dice.below(paper.len() as u64) as usize;
                    paper[at] ^= 1;
                    self.counts.false_papers += 1;
                    return Message::Certificates {
                        live: true,
                        list: vec![&paper],
                    }
                    .to_bytes();
                }
            }
            _ => {}
        }
        message
    }

    /// Something unheard of.
    pub fn lie(&mut self, at: usize) {
        self.soon(400, Event::Lie(at));
        let Some(member) = self.nodes[at].member().cloned().filter(|_| !self.calm) else {
            return;
        };
        match self.dice.below(6) {
            0..=3 => self.equivocate(at, &member),
            4 => self.false_epoch(&member),
            _ => self.false_device(&member),
        }
    }

    /// A commit beside another, or out of nowhere, with any clock.
    fn equivocate(&mut self, at: usize, member: &Member) {
        let app = self
            .dice
            .of(&["notes", "photos", "clock"])
            .unwrap_or("notes");
        let Ok(author) = member.author(app) else {
            return;
        };
        let key = author.key.public();
        let now = member.replica().snapshot();
        let own = now.chain(&key, 0, u64::MAX, usize::MAX).unwrap_or_default();
        let other = self.dice.of(&own);
        let last = own.last().copied();
        let (seq, prev) = match (self.dice.below(5), other, last) {
            (0, _, _) | (_, None, _) | (_, _, None) => (self.dice.below(9), None),
            (1, Some((seq, id)), _) => (seq, Some(id)),
            (2, Some((seq, _)), _) => (seq, Some(CommitId([self.dice.roll() as u8; 32]))),
            (3, Some((seq, id)), _) | (_, _, Some((seq, id))) => (seq + 1, Some(id)),
        };
        let beside = own.iter().any(|(place, _)| *place == seq);
        let hlc = match self.dice.below(4) {
            0 => Hlc(u64::MAX - self.dice.below(9)),
            1 => Hlc(self.dice.below(9)),
            _ => Hlc::from_ms(self.clock(at)),
        };
        self.counts.clock_lies += u64::from(hlc.0 < 9 || hlc.0 > u64::MAX / 2);
        let mut nonce = [0; 16];
        self.dice.fill(&mut nonce);
        let did = self.did.to_string();
        let header = Commit {
            v: 1,
            pod: did.clone(),
            device: key,
            seq,
            prev,
            frontier: Vec::new(),
            hlc,
            cap: None,
            nonce,
            root: [0; 32],
            leaves: 0,
        };
        if let Some(record) = self.forge(&author, member, header, &did) {
            self.counts.equivocated += u64::from(beside);
            if let Ok(link) = Link::of_envelope(&record.envelope) {
                self.made.insert(link.id, record.clone());
            }
            drop(member.replica().receive_each(vec![record]));
        }
    }

    fn forge(
        &mut self,
        author: &Author,
        member: &Member,
        header: Commit,
        did: &str,
    ) -> Option<Record> {
        let epochs = member.trust().epochs(&member.keys());
        // an old one, now and then
        let epoch = epochs.get(self.dice.below(epochs.len() as u64) as usize)?;
        let name = self.dice.of(&["note/title", "note/tag", "note/seen"])?;
        let op = Op::Assert {
            attribute: attribute(name).ok()?,
            value: Value::Integer(self.dice.below(1000) as i64),
            supersedes: Vec::new(),
        };
        let leaf = Leaf {
            entity: entity(self.dice.below(10), did),
            ops: vec![op],
        };
        let (verified, sealed) = Commit::build(header, &[leaf], epoch, &author.key).ok()?;
        Some(Record {
            envelope: verified.to_bytes(),
            leaves: sealed.into_iter().map(LeafBytes::Sealed).collect(),
        })
    }

    /// An epoch of its own that it alone can read.
    fn false_epoch(&mut self, member: &Arc<Member>) {
        let key = member.signing_key();
        let Some(by) = member.keys().incarnation() else {
            return;
        };
        let plan = Plan {
            pod: self.did,
            add: by.add,
            log: member.device_log().1.heads(),
            before: Vec::new(),
            devices: Vec::new(),
            recovery: Vec::new(),
        };
        let dice = &mut self.dice;
        let mut random = |out: &mut [u8]| dice.fill(out);
        let secret = Secret::random(&mut random);
        if let Ok(epoch) = Epoch::sign(plan, &secret, &[], &key, &mut random) {
            self.counts.false_papers += 1;
            drop(member.take_certificates(vec![Certificate::Epoch(Box::new(epoch))]));
        }
    }

    /// A device that it may not add.
    fn false_device(&mut self, member: &Arc<Member>) {
        let key = member.signing_key();
        let Some(by) = member.keys().incarnation() else {
            return;
        };
        let mut seed = [0; 32];
        self.dice.fill(&mut seed);
        let friend = SigningKey::from_seed(seed);
        let action = Action::DeviceAdd(DeviceAdd {
            prev: member.device_log().1.heads(),
            by,
            device: Device {
                key: friend.public(),
                kem: KemSecret::from_seed(Secret::take(&mut seed)).public(),
                role: Role::Admin,
            },
        });
        let signed = Proposal::new(action).and_then(|mut p| {
            p.sign(&key)?;
            p.sign(&friend)?;
            p.complete()
        });
        if let Ok(operation) = signed {
            self.counts.false_papers += 1;
            drop(member.take_certificates(vec![Certificate::Operation(Box::new(operation))]));
        }
    }

    /// A liar that was removed goes on as if it had not heard of it, and offers again what it wrote since.
    pub fn keep_lying(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(member) = node.member().filter(|_| node.lies && !self.calm) else {
            return;
        };
        let now = member.replica().snapshot();
        if now.authors().iter().all(|(_, s)| s.may_write()) {
            return;
        }
        let names = now.authors().iter();
        let all = names.map(|(key, s)| (*key, Standing::active(s.name.clone())));
        self.counts.revoked += 1;
        drop(member.replica().set_authors(all.collect()));
    }
}
