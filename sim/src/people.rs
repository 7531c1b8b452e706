//! What the person does with the devices, and what happens to them.

use std::sync::Arc;

use parking_lot::Mutex;
use rhizome_identity::{Device, Role};
use rhizome_member::{Member, MemberError};
use rhizome_replica::{Edit, Record, ReplicaError, Written};
use rhizome_share::Certificate;
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, CommitId, EntityId, Value};

use crate::{
    Dice,
    node::{Life, START_MS},
    world::{Event, World, pair},
};

const ENTITIES: u64 = 10;

fn value(dice: &mut Dice, did: &str) -> Value {
    match dice.below(4) {
        0 => Value::Integer(dice.below(5) as i64),
        1 => Value::Boolean(dice.one_in(2)),
        2 => Value::Ref(entity(dice.below(ENTITIES), did)),
        _ => {
            let digits = dice.below(9);
            Value::Text(format!("{:x}", dice.below(1 << (4 * digits))))
        }
    }
}

fn names(ids: &[CommitId]) -> String {
    let names = ids.iter().map(|id| format!("{:02x?}", &id.0[..4]));
    names.collect::<Vec<_>>().join(" ")
}

pub fn entity(n: u64, did: &str) -> EntityId {
    EntityId::derive(did, &n.to_be_bytes())
}

pub fn attribute(name: &str) -> Result<Attribute, ReplicaError> {
    Ok(Attribute::new(name)?)
}

/// Something that an app may want.
fn edit(dice: &mut Dice, did: &str) -> Result<Edit, ReplicaError> {
    let e = entity(dice.below(ENTITIES), did);
    Ok(match dice.below(24) {
        0..=6 => Edit::Assert(e, attribute("note/title")?, value(dice, did)),
        7..=10 => Edit::Insert(e, attribute("note/tag")?, value(dice, did)),
        11..=13 => Edit::Add(e, attribute("note/seen")?, dice.below(9) as i64 - 3),
        14..=17 => Edit::List(e, attribute("note/item")?, value(dice, did), None),
        18 => {
            let items = (0..dice.below(4)).map(|_| value(dice, did)).collect();
            Edit::SetList(e, attribute("note/item")?, items)
        }
        19 | 20 => Edit::Retract(e, attribute("note/tag")?, None),
        21 => Edit::Retract(e, attribute("note/title")?, None),
        // the same attribute for different things
        22 => Edit::Insert(e, attribute("note/title")?, value(dice, did)),
        _ => Edit::Erase(e),
    })
}

impl World {
    /// The device's clock, as wrong as it is.
    pub fn clock(&self, at: usize) -> i64 {
        START_MS + self.nodes[at].skew + self.now as i64
    }

    pub fn write(&mut self, at: usize) {
        self.soon(500, Event::Write(at));
        let Some(member) = self.nodes[at].member().cloned().filter(|_| !self.calm) else {
            return;
        };
        let did = self.did.to_string();
        let app = self
            .dice
            .of(&["notes", "photos", "clock"])
            .unwrap_or("notes");
        let import = self.dice.one_in(8);
        let edits = if import {
            5 + self.dice.below(20)
        } else {
            1 + self.dice.below(3)
        };
        let edits: Result<Vec<Edit>, _> = (0..edits).map(|_| edit(&mut self.dice, &did)).collect();
        let Ok(mut edits) = edits else { return };
        // nothing else may be said about an entity after its erasure
        if edits.iter().any(|e| matches!(e, Edit::Erase(_))) {
            edits.truncate(1);
        }
        self.counts.erasures += u64::from(matches!(edits[0], Edit::Erase(_)));
        let how = if import {
            None
        } else if self.dice.one_in(5) {
            Some(Durability::Relaxed)
        } else {
            Some(Durability::Durable)
        };
        let done = self.put(&member, at, app, edits, how);
        if let Ok(written) = &done {
            self.note(|| format!("{at} wrote {how:?} {}", names(&written.commits)));
        }
        drop(member);
        let node = &mut self.nodes[at];
        match done {
            Ok(written) => {
                match how {
                    None => self.counts.imports += 1,
                    Some(Durability::Relaxed) => self.counts.relaxed += 1,
                    Some(Durability::Durable) => {
                        self.counts.writes += 1;
                        node.acknowledged.extend(&written.commits);
                        self.acknowledge(at);
                        return;
                    }
                }
                node.relaxed.extend(&written.commits);
            }
            Err(error) => {
                // what was only in memory went with it
                node.relaxed.clear();
                self.counts.refused_writes += u64::from(!node.disk.is_off());
                self.note(|| format!("{at} could not write: {error}"));
            }
        }
    }

    fn put(
        &mut self,
        member: &Arc<Member>,
        at: usize,
        app: &str,
        edits: Vec<Edit>,
        how: Option<Durability>,
    ) -> Result<Written, MemberError> {
        let now = self.clock(at);
        let author = member.author(app)?;
        let replica = member.replica();
        let key = author.key.public();
        let made: Arc<Mutex<Vec<(CommitId, Record)>>> = Arc::default();
        let list = Arc::clone(&made);
        // one that could not be made certain may turn up all the same
        let (listener, _) = replica.listen(move |change| {
            for number in change.before.commit_count()..change.after.commit_count() {
                if let Ok(Some((link, _))) = change.after.link(number)
                    && link.author == key
                    && let Ok(Some(record)) = change.after.record(&link.id)
                {
                    list.lock().push((link.id, (*record).clone()));
                }
            }
        });
        let written = match how {
            None => {
                let dice = &mut self.dice;
                replica.import(&author, edits, now, &mut |out| dice.fill(out))
            }
            Some(durability) => {
                let mut nonce = [0; 16];
                self.dice.fill(&mut nonce);
                replica.write(&author, edits, now, nonce, durability)
            }
        };
        replica.unlisten(listener);
        self.made.extend(std::mem::take(&mut *made.lock()));
        Ok(written?)
    }

    /// All that this device wrote so far is on its disk.
    fn acknowledge(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let relaxed = std::mem::take(&mut node.relaxed);
        let Some(now) = node.member().map(|m| m.replica().snapshot()) else {
            return;
        };
        // a failed write takes relaxed ones with it
        let there = relaxed.into_iter().filter(|id| now.holds(id));
        node.acknowledged.extend(there);
    }

    /// Makes all durable, or writes the indexes out.
    pub fn sync(&mut self, at: usize) {
        self.soon(1_500, Event::Sync(at));
        let Some(member) = self.nodes[at].member().cloned() else {
            return;
        };
        let done = if self.dice.one_in(3) {
            member.replica().checkpoint()
        } else {
            member.replica().flush()
        };
        match done {
            Ok(()) => self.acknowledge(at),
            Err(_) => self.nodes[at].relaxed.clear(),
        }
    }

    pub fn fault(&mut self, at: usize) {
        self.soon(2_500, Event::Fault(at));
        if self.calm || matches!(self.nodes[at].life, Life::Outside) {
            return;
        }
        let commits = self.dice.below(3) as u32;
        if self.dice.one_in(2) {
            self.nodes[at].disk.fail_after(commits);
        } else if !self.nodes[at].sealed {
            self.nodes[at].disk.fill(1 + commits);
        }
    }

    pub fn crash(&mut self, at: usize) {
        if !self.nodes[at].is_up() {
            return;
        }
        self.counts.crashes += 1;
        let open: Vec<u64> = self.nodes[at].sessions.keys().copied().collect();
        for on in open {
            self.close(at, on);
        }
        let kept = match self.dice.below(3) {
            0 => 0,
            1 => 100,
            _ => self.dice.below(100),
        };
        let node = &mut self.nodes[at];
        let before = node
            .member()
            .map_or(0, |m| m.replica().snapshot().commit_count());
        node.life = Life::Down;
        node.relaxed.clear();
        let (survived, lost) = node.disk.crash(kept);
        self.counts.survived += survived;
        self.counts.lost_batches += lost;
        node.had = before;
        self.note(|| format!("{at} is down; {lost} batches lost"));
        self.soon(1_000, Event::Restart(at));
    }

    pub fn restart(&mut self, at: usize) {
        if !matches!(self.nodes[at].life, Life::Down) {
            return;
        }
        match self.nodes[at].start() {
            Ok(()) => {
                let node = &self.nodes[at];
                let has = node
                    .member()
                    .map_or(0, |m| m.replica().snapshot().commit_count());
                self.counts.lost_commits += u64::from(node.had.saturating_sub(has));
                self.counts.reopened += 1;
            }
            Err(_) if self.nodes[at].disk.has_failed() => {
                self.nodes[at].disk.crash(50);
                self.soon(500, Event::Restart(at));
            }
            Err(error) => panic!("seed {}: {at} does not open again: {error}", self.seed),
        }
    }

    fn may_remove(&self, by: usize) -> Option<&Arc<Member>> {
        let node = &self.nodes[by];
        node.member().filter(|m| !node.lies && m.is_admin())
    }

    /// A device is added by one that is there.
    pub fn join(&mut self, new: usize) {
        if !matches!(self.nodes[new].life, Life::Outside) {
            return;
        }
        let near =
            |a: &usize| !self.parted.contains(&pair(*a, new)) && self.may_remove(*a).is_some();
        let old: Vec<usize> = (0..self.nodes.len()).filter(near).collect();
        let half = !self.calm && self.dice.one_in(4);
        let done = self.dice.of(&old).map(|old| self.pair_up(old, new, half));
        match done {
            Some(Ok(true)) => self.counts.joins += 1,
            Some(Ok(false)) => {
                self.counts.half_joins += 1;
                self.later(300, Event::Join(new));
            }
            Some(Err(error)) => {
                self.note(|| format!("{new} could not join: {error}"));
                self.later(300, Event::Join(new));
            }
            None => self.later(300, Event::Join(new)),
        }
    }

    fn pair_up(&mut self, old: usize, new: usize, half: bool) -> Result<bool, MemberError> {
        let Some(member) = self.nodes[old].member().cloned() else {
            return Ok(false);
        };
        let keys = self.nodes[new].keys()?;
        let (_, log) = member.device_log();
        if !member.is_device(&keys.device().public()) {
            let device = Device {
                key: keys.device().public(),
                kem: keys.kem().public(),
                role: if self.nodes[new].lies {
                    Role::Member
                } else {
                    Role::Admin
                },
            };
            let own = member.signing_key();
            let mut proposal = log.add_device(&own.public(), device)?;
            proposal.sign(&own)?;
            proposal.sign(&keys.device())?;
            let operation = Certificate::Operation(Box::new(proposal.complete()?));
            self.added.push((old, new));
            for result in member.take_certificates(vec![operation])? {
                result?;
            }
        }
        self.settle(old);
        if half {
            return Ok(false);
        }
        let (_, log) = member.device_log();
        let node = &mut self.nodes[new];
        node.joined = Some(log.clone());
        node.life = Life::Device(Arc::new(Member::join(
            node.kv(),
            keys,
            &log,
            node.entropy(),
        )?));
        Ok(true)
    }

    /// A device is taken out, now and then by two others at once.
    pub fn remove(&mut self) {
        self.soon(4_000, Event::Remove);
        if self.calm {
            return;
        }
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        // the liar is found out sooner or later
        let target = all.iter().copied().find(|n| self.nodes[*n].lies);
        let target =
            target.filter(|t| !self.removed.iter().any(|(_, r)| r == t) && self.dice.one_in(2));
        let target = target.or_else(|| self.dice.of(&all)).unwrap_or(0);
        let gone = self
            .removed
            .iter()
            .filter(|(_, r)| !self.nodes[*r].lies)
            .count();
        if target == 0 || (gone > 0 && !self.nodes[target].lies) {
            return;
        }
        let Some(key) = self.nodes[target].key else {
            return;
        };
        let by: Vec<usize> = all
            .into_iter()
            .filter(|by| *by != target && self.may_remove(*by).is_some_and(|m| m.is_device(&key)))
            .collect();
        let times = if self.dice.one_in(4) { 2 } else { 1 };
        let mut done = 0;
        for _ in 0..times {
            let Some(by) = self.dice.of(&by) else { return };
            let Some(member) = self.nodes[by].member().cloned() else {
                continue;
            };
            // one more senior than itself it cannot
            let held = member.replica().snapshot();
            match member.remove_device(&key) {
                Ok(()) => {
                    let own = self.nodes[target].acknowledged.iter();
                    let whole = |id: &&CommitId| {
                        held.holds(id) && held.hollow(id).is_ok_and(|h| h.is_empty())
                    };
                    self.sealed.extend(own.filter(whole));
                    self.note(|| format!("{by} removes {target}"));
                    self.removed.push((by, target));
                    done += 1;
                }
                Err(error) => {
                    self.note(|| format!("{by} cannot remove {target}: {error}"));
                    // whether it was certified is not known before the device is opened again
                    if self.nodes[by].disk.has_failed() {
                        self.removed.push((by, target));
                    }
                }
            }
            drop(member);
            self.settle(by);
        }
        self.counts.removals += u64::from(done > 0);
        self.counts.concurrent += u64::from(done > 1);
    }
}
