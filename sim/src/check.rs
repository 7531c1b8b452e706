//! What must be true in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhizome_ipld::{PublicKey, Signed};
use rhizome_member::Member;
use rhizome_replica::{Authors, LeafBytes, Link, Record, Seal, Voice};
use rhizome_sync::{Store, set::Id};
use rhizome_tuple::{Commit, CommitId, EpochSecret, Leaf, LeafId, Op, SealedLeaf};

use crate::{
    node::Life,
    oracle::{Known, expected},
    world::World,
};

type Failure = Box<dyn std::error::Error>;
/// Certificates and chains, as a session compares them.
type Content = (BTreeSet<Id>, BTreeSet<(PublicKey, Id)>);

fn content(store: &dyn Store) -> Result<Content, Failure> {
    let failed = |e: rhizome_sync::StoreError| e.to_string();
    Ok((
        store.certificates().map_err(failed)?.into_iter().collect(),
        store.chains().map_err(failed)?.into_iter().collect(),
    ))
}

/// The rule, read naively: from a head at its place, by `prev` over ever lower places.
fn within(link: &Link, seal: &Seal, all: &BTreeMap<CommitId, Link>) -> bool {
    seal.iter().any(|(seq, head)| {
        let mut at = all.get(head).filter(|l| l.seq == *seq);
        while let Some(here) = at.filter(|l| l.author == link.author) {
            if here.id == link.id {
                return true;
            }
            let before = here.prev.and_then(|prev| all.get(&prev));
            at = before.filter(|b| b.seq < here.seq);
        }
        false
    })
}

fn counts(link: &Link, authors: &Authors, all: &BTreeMap<CommitId, Link>) -> bool {
    authors.get(&link.author).is_some_and(|standing| {
        let term = |seals: &Vec<Seal>| seals.iter().all(|seal| within(link, seal, all));
        standing.terms.iter().any(term)
    })
}

impl World {
    /// The device that was there first, whose word counts in the end.
    fn first(&self) -> Result<&Arc<Member>, Failure> {
        Ok(self.nodes[0].member().ok_or("the first device is not up")?)
    }

    /// Honest devices that are members in the end.
    fn members(&self) -> Result<Vec<(usize, &Arc<Member>)>, Failure> {
        let trust = self.first()?.trust();
        let now = trust.set().resolution();
        let mut out = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let listed = node.key.is_some_and(|key| now.device(&key).is_some());
            if listed && !node.lies {
                match &node.life {
                    Life::Device(member) => out.push((n, member)),
                    _ => return Err(format!("{n} is not up").into()),
                }
            }
        }
        Ok(out)
    }

    /// Whether all that should be equal is; says what is not.
    pub fn is_equal(&self) -> Result<(), Failure> {
        let open = |n: usize| {
            let opened = self.nodes[n].open(&self.did, self.now)?;
            Ok::<_, Failure>(opened.ok_or("a peer does not know the pod")?.0)
        };
        let wanted = content(&open(0)?)?;
        let mut others = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            if matches!(node.life, Life::Outside) && !node.lies {
                return Err(format!("{n} has not joined").into());
            }
            if node.sealed {
                others.push(n);
            }
        }
        let members = self.members()?;
        others.extend(members.iter().map(|m| m.0));
        for n in others {
            let has = content(&open(n)?)?;
            if has != wanted {
                return Err(format!(
                    "{n} has {} certificates and {} chains, 0 has {} and {}; {} chains differ",
                    has.0.len(),
                    has.1.len(),
                    wanted.0.len(),
                    wanted.1.len(),
                    has.1.symmetric_difference(&wanted.1).count()
                )
                .into());
            }
        }
        let digest = self.first()?.replica().snapshot().digest()?;
        for (n, member) in &members {
            if member.replica().snapshot().digest()? != digest {
                let mut lacks = Vec::new();
                for lack in open(*n)?.lacking(99).map_err(|e| e.to_string())? {
                    let id = CommitId(lack.id);
                    lacks.push((id, lack.leaves, self.holds_leaves(&id)?));
                }
                let (ours, theirs) = (
                    self.first()?.replica().snapshot(),
                    member.replica().snapshot(),
                );
                let lines = |s: &rhizome_replica::Snapshot| {
                    Ok::<BTreeSet<_>, Failure>(s.canonical()?.into_iter().collect())
                };
                let (a, b) = (lines(&ours)?, lines(&theirs)?);
                return Err(format!(
                    "{n} shows another state: {} tuples more and {} fewer than 0; leaves asked for, and who lacks which: {lacks:?}",
                    b.difference(&a).count(),
                    a.difference(&b).count()
                )
                .into());
            }
        }
        Ok(())
    }

    /// Everything that must hold once all is equal.
    pub fn check(&mut self) -> Result<(), Failure> {
        let members: Vec<(usize, Arc<Member>)> = self
            .members()?
            .into_iter()
            .map(|(n, m)| (n, Arc::clone(m)))
            .collect();
        let authors = rhizome_sealed::authors(self.first()?.trust().set());
        let made = self.made.values();
        let made: Result<BTreeMap<CommitId, Link>, Failure> = made
            .map(|r| {
                Link::of_envelope(&r.envelope)
                    .map(|l| (l.id, l))
                    .map_err(Into::into)
            })
            .collect();
        let made = made?;
        let mut void = BTreeSet::new();
        for (n, member) in &members {
            let now = member.replica().snapshot();
            let mut held = BTreeMap::new();
            let mut counting = BTreeSet::new();
            for number in 0..now.commit_count() {
                let (link, counts) = now.link(number)?.ok_or("a commit is missing")?;
                held.insert(link.id, link);
                if counts {
                    counting.insert(link.id);
                } else {
                    void.insert(link.id);
                }
            }
            for link in held.values() {
                if !made.contains_key(&link.id) {
                    return Err(format!("{n} has a commit that nobody made: {link:?}").into());
                }
                if counts(link, &authors, &held) != counting.contains(&link.id) {
                    return Err(format!("{n} is wrong about what counts: {link:?}").into());
                }
            }
            self.nothing_is_lost(*n, &members, &authors, &made, &counting)?;
            let seen = self.nodes[*n].seen.lock();
            if let Some(id) = seen.taken.iter().find(|id| !now.holds(&CommitId(**id))) {
                return Err(format!("{n} took {id:02x?} and has it no more").into());
            }
            for fork in now.forks() {
                let honest = self.nodes.iter().any(|node| {
                    let own = |m: &Arc<Member>| m.is_own(&fork.author);
                    !node.lies && node.member().is_some_and(own)
                });
                if honest {
                    return Err(format!("an honest chain forks: {fork:?}").into());
                }
            }
            let findings = now.verify(&mut |_, _| ())?.findings;
            if !findings.is_empty() {
                return Err(format!("{n} is damaged: {findings:?}").into());
            }
        }
        self.counts.void += void.len() as u64;
        self.meaning(&members)
    }

    /// What was acknowledged is there, or lies beyond what was seen of a removed device.
    fn nothing_is_lost(
        &self,
        n: usize,
        members: &[(usize, Arc<Member>)],
        authors: &Authors,
        made: &BTreeMap<CommitId, Link>,
        counting: &BTreeSet<CommitId>,
    ) -> Result<(), Failure> {
        for (by, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.lies) {
            // who removed a device has what it sealed; if that one was removed too, it may not have got so far
            let removers = || {
                self.removed
                    .iter()
                    .filter(|(_, who)| *who == by)
                    .map(|(r, _)| *r)
            };
            let stays = |who: usize| members.iter().any(|(m, _)| *m == who);
            if !removers().all(stays) {
                continue;
            }
            for id in &node.acknowledged {
                let link = made.get(id).ok_or("a commit that nobody made")?;
                // a removed device is not asked for what the removers did not have
                let sealed = || self.sealed.contains(id) && counts(link, authors, made);
                let must = if stays(by) {
                    !self.is_doubtful(by) || counts(link, authors, made)
                } else {
                    sealed()
                };
                if must && !counting.contains(id) {
                    return Err(format!(
                        "{n} lost what {by} had acknowledged: {:02x?} at {} of {}, which is {:?} here and {:?} there; {:?} have it",
                        &id.0[..4],
                        link.seq,
                        link.author,
                        authors.get(&link.author),
                        node.member().map(|m| m.replica().snapshot().authors().get(&link.author).cloned()),
                        self.holders(id)
                    )
                    .into());
                }
            }
        }
        Ok(())
    }

    /// Whether a device was removed at some time, or was let in by one that was: then not all that it wrote need count.
    fn is_doubtful(&self, device: usize) -> bool {
        let removed = |who: usize| self.removed.iter().any(|(_, out)| *out == who);
        let by = self.added.iter().filter(|(_, new)| *new == device);
        removed(device)
            || by
                .map(|(old, _)| *old)
                .any(|old| old != device && self.is_doubtful(old))
    }

    /// Of each node that has a commit: whether it counts there, and the leaves without bytes.
    fn holds_leaves(&self, id: &CommitId) -> Result<Vec<(usize, bool, Vec<u32>)>, Failure> {
        let mut out = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            if let Some(member) = node.member() {
                let now = member.replica().snapshot();
                if let Some((_, _, counts)) = now.known(id) {
                    out.push((n, counts, now.hollow(id)?));
                }
            }
        }
        Ok(out)
    }

    fn holders(&self, id: &CommitId) -> Vec<usize> {
        let has = |n: &usize| {
            self.nodes[*n]
                .member()
                .is_some_and(|m| m.replica().snapshot().holds(id))
        };
        (0..self.nodes.len()).filter(has).collect()
    }

    /// The state is what the commits that count mean, read naively.
    fn meaning(&self, members: &[(usize, Arc<Member>)]) -> Result<(), Failure> {
        let mut secrets: BTreeMap<_, EpochSecret> = BTreeMap::new();
        for node in &self.nodes {
            if let Some(member) = node.member().filter(|_| !node.lies) {
                let keys = member.keys();
                for (_, secret) in keys.epochs() {
                    let secret = EpochSecret::new(secret.expose());
                    secrets.insert(secret.id(), secret);
                }
            }
        }
        let trust = self.first()?.trust();
        // by the certificates: a device that was removed and let in again has other processes by now
        let keys_of = |who: &dyn Fn(usize) -> bool| -> BTreeSet<PublicKey> {
            let nodes = (0..self.nodes.len()).filter(|n| who(*n));
            let devices: BTreeSet<PublicKey> = nodes.filter_map(|n| self.nodes[n].key).collect();
            let enrolled = trust.set().enrolments();
            let of_those = enrolled.filter(|enrol| devices.contains(&enrol.device));
            of_those.map(|enrol| enrol.process).collect()
        };
        let liars = keys_of(&|n| self.nodes[n].lies);
        let removed = keys_of(&|n| self.removed.iter().any(|(_, who)| *who == n));
        let first = self.first()?.replica().snapshot();
        // an erasure that turned out to be void may have been obeyed by everybody who had the bytes
        let mut dropped: BTreeSet<LeafId> = BTreeSet::new();
        for (id, record) in &self.made {
            if !matches!(first.known(id), Some((_, _, true))) {
                let leaves = read(record, &secrets)?.leaves;
                for op in leaves.into_iter().flatten().flat_map(|(_, ops)| ops) {
                    if let Op::Erase { leaves } = op {
                        dropped.extend(leaves);
                    }
                }
            }
        }
        let mut known = Vec::new();
        for number in 0..first.commit_count() {
            let Some((link, true)) = first.link(number)? else {
                continue;
            };
            let mut record = self.made.get(&link.id).ok_or("nobody made it")?.clone();
            for (place, leaf) in (0..).zip(&mut record.leaves) {
                // of what a liar wrote nobody may have all
                let excused = dropped.contains(&LeafId(link.id, place));
                // nor of what a removed device wrote, if it came through a liar
                let gone = removed.contains(&link.author) && !self.sealed.contains(&link.id);
                if excused || gone || liars.contains(&link.author) {
                    let mut best = LeafBytes::Erased(leaf.hash());
                    for (_, member) in members {
                        let held = member.replica().snapshot().record(&link.id)?;
                        if let Some(there) =
                            held.and_then(|r| r.leaves.get(place as usize).cloned())
                            && matches!(there, LeafBytes::Sealed(_))
                        {
                            best = there;
                        }
                    }
                    *leaf = best;
                }
            }
            known.push(read(&record, &secrets)?);
        }
        let wanted = expected(&known).canonical();
        let shown = first.canonical()?;
        if shown != wanted {
            let few = |of: &[Vec<u8>], without: &[Vec<u8>]| -> Vec<String> {
                let those = of.iter().filter(|line| !without.contains(line)).take(9);
                those.map(|line| line.escape_ascii().to_string()).collect()
            };
            return Err(format!(
                "the state is not what the commits mean: {} tuples for {}; too many {:?}; too few {:?}; without all their bytes {:?}",
                shown.len(),
                wanted.len(),
                few(&shown, &wanted),
                few(&wanted, &shown),
                first.incomplete()?,
            )
            .into());
        }
        Ok(())
    }

    /// Takes the counts of all nodes together.
    pub fn gather(&mut self) {
        let mut total = self.counts;
        for node in &self.nodes {
            total.add(&node.seen.lock().counts);
            total.skewed += u64::from(node.skew != 0 && !node.sealed);
        }
        if let Some(member) = self.nodes[0].member() {
            let trust = member.trust();
            let epochs = trust.set().ids().filter_map(|id| trust.set().get(&id));
            let is_epoch =
                |c: &rhizome_share::Certificate| matches!(c, rhizome_share::Certificate::Epoch(_));
            total.epochs += epochs.filter(is_epoch).count() as u64;
        }
        self.counts = total;
    }
}

/// What a commit says to somebody who has the keys.
fn read(
    record: &Record,
    secrets: &BTreeMap<rhizome_tuple::EpochId, EpochSecret>,
) -> Result<Known, Failure> {
    let verified = Signed::<Commit>::from_bytes(&record.envelope)?.verify()?;
    let open = |(i, leaf): (usize, &LeafBytes)| {
        let LeafBytes::Sealed(bytes) = leaf else {
            return None;
        };
        let sealed = SealedLeaf::from_bytes(bytes).ok()?;
        let secret = secrets.get(&sealed.epoch)?;
        let (entity, plaintext) = secret.open(&sealed, &verified.address(i as u32)).ok()?;
        Some((entity, Leaf::decode(&plaintext).ok()?))
    };
    Ok(Known {
        id: CommitId::from_cid(&verified.id()).ok_or("no id")?,
        device: verified.device,
        voice: Voice::Full,
        hlc: verified.hlc,
        leaves: record.leaves.iter().enumerate().map(open).collect(),
    })
}
