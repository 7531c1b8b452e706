//! Taking commits: verified, judged, counted, and on stable storage before anybody is told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use rhizome_ipld::{PublicKey, Signed};
use rhizome_replica::{Judge, LeafBytes, Link, LogPart, Record, ReplicaError, Standing};
use rhizome_storage::{Batch, Durability, Snap};
use rhizome_sync::{Commit, CommitName, Fate, Leaf, Refusal, set::Id};
use rhizome_tuple::CommitId;

use crate::{
    News, SealedError, SealedPod,
    author::{Author, judge},
    keys::{HOLES, IDS, LOG, LOG_KEY, ORDER, Place, PodNo, id_of},
    leaves::{fill, put_places},
    pod::{State, Writer},
};

/// Where a commit stands, if it is here.
pub(crate) fn place(snap: &dyn Snap, pod: PodNo, id: &Id) -> Result<Option<Place>, SealedError> {
    match snap.get(IDS, &pod.with(id))? {
        Some(row) => Place::decode(&row)
            .map(Some)
            .ok_or(SealedError::Corrupt("the place of a commit is malformed")),
        None => Ok(None),
    }
}

pub(crate) fn name(link: &Link) -> CommitName {
    CommitName {
        key: link.author,
        seq: link.seq,
        id: link.id.0,
    }
}

/// A commit that is what its signature, its root and its pod say.
struct Arrival {
    link: Link,
    record: Record,
}

/// A batch of commits on its way into the store.
struct Taking<'a> {
    snap: &'a dyn Snap,
    next: State,
    batch: Batch,
    /// Those of this batch.
    new: HashMap<CommitId, (PublicKey, u64)>,
    slots: HashMap<(PublicKey, u64), CommitId>,
    filled: HashSet<CommitId>,
    void: BTreeMap<PublicKey, BTreeSet<CommitId>>,
    counting: Vec<CommitName>,
    /// Commits with leaves whose bytes did not come.
    hollow: Vec<Id>,
}

impl SealedPod {
    fn verified(&self, commit: Commit) -> Option<Arrival> {
        let bytes = |leaf| match leaf {
            Leaf::Sealed(bytes) => LeafBytes::Sealed(bytes),
            Leaf::Erased(hash) => LeafBytes::Erased(hash),
        };
        let record = Record {
            envelope: commit.envelope,
            leaves: commit.leaves.into_iter().map(bytes).collect(),
        };
        let signed = Signed::<rhizome_tuple::Commit>::from_bytes(&record.envelope).ok()?;
        let header = signed.verify().ok()?;
        header.check().ok()?;
        if *blake3::hash(header.pod.as_bytes()).as_bytes() != self.name {
            return None;
        }
        record.check(&header).ok()?;
        let link = Link::of(CommitId::from_cid(&header.id())?, &header);
        Some(Arrival { link, record })
    }

    /// Takes commits; says what became of each, in the same order, and which came with leaves without bytes.
    pub(crate) fn take(
        &self,
        from: u64,
        now: u64,
        commits: Vec<Commit>,
    ) -> Result<(Vec<Fate>, Vec<Id>), SealedError> {
        self.hosted()?;
        let arrivals: Vec<Option<Arrival>> =
            commits.into_iter().map(|c| self.verified(c)).collect();
        let mut writer = self.writer()?;
        let snap = self.snapshot()?;
        let mut taking = Taking {
            snap: &*snap,
            next: self.draft(),
            batch: Batch::new(),
            new: HashMap::new(),
            slots: HashMap::new(),
            filled: HashSet::new(),
            void: BTreeMap::new(),
            counting: Vec::new(),
            hollow: Vec::new(),
        };
        let fates = arrivals
            .into_iter()
            .map(|arrival| match arrival {
                Some(arrival) => taking.one(arrival, &mut writer),
                None => Ok(Fate::Invalid),
            })
            .collect::<Result<Vec<_>, _>>()
            .and_then(|fates| taking.finish().map(|()| fates));
        let fates = match fates {
            Ok(fates) => fates,
            Err(error) => {
                self.abandon(&mut writer);
                return Err(error);
            }
        };
        let Taking {
            mut next,
            batch,
            counting,
            hollow,
            ..
        } = taking;
        if batch.is_empty() {
            return Ok((fates, hollow));
        }
        next.row.last_activity = now.max(next.row.last_activity);
        self.save(&mut writer, next, batch, Durability::Durable)?;
        self.listeners
            .note(Some(from), counting.into_iter().map(News::Commit));
        drop(writer);
        self.listeners.tell();
        Ok((fates, hollow))
    }

    /// Takes bytes of leaves that were missing. Whether they were what is missing.
    pub(crate) fn take_leaves(
        &self,
        now: u64,
        key: &PublicKey,
        id: &Id,
        leaves: Vec<(u32, Vec<u8>)>,
    ) -> Result<bool, SealedError> {
        let mut writer = self.writer()?;
        let snap = self.snapshot()?;
        let mut next = self.draft();
        let Some(place) = place(&*snap, next.row.number, id)? else {
            return Ok(false);
        };
        let author = next.authors.get(key);
        if author.is_none_or(|a| a.number != place.author) {
            return Ok(false);
        }
        let mut batch = Batch::new();
        match fill(
            &*snap,
            (&mut next.row, next.allowed),
            id,
            &place,
            leaves,
            &mut batch,
        )? {
            None => return Ok(false),
            Some(false) => return Ok(true),
            Some(true) => {}
        }
        next.row.last_activity = now.max(next.row.last_activity);
        self.save(&mut writer, next, batch, Durability::Durable)?;
        Ok(true)
    }
}

impl Taking<'_> {
    fn one(&mut self, arrival: Arrival, writer: &mut Writer) -> Result<Fate, SealedError> {
        let Arrival { link, record } = arrival;
        let name = name(&link);
        let refused = |why| Ok(Fate::Refused { name, why });
        if self.new.contains_key(&link.id) {
            return Ok(Fate::Known(name));
        }
        let pod = self.next.row.number;
        if let Some(place) = place(self.snap, pod, &link.id.0)? {
            self.fill(&link, &place, record)?;
            return Ok(Fate::Known(name));
        }
        let view = Arc::clone(&self.next.view);
        match view.authors.accept(&link.author, link.seq) {
            Ok(()) => {}
            Err(ReplicaError::UnknownAuthor(_)) => return refused(Refusal::UnknownAuthor),
            Err(_) => return refused(Refusal::NoAuthority),
        }
        let parts = LogPart::cut(&record.envelope, 0, &record.leaves, LOG_KEY);
        let bytes: usize = parts.iter().map(|p| p.bytes.len()).sum();
        if self.next.row.used().saturating_add(bytes as u64) > self.next.allowed {
            return refused(Refusal::Quota);
        }
        let rival = self.rival(&link)?;
        let number = self.author(&link.author)?.number;
        let place = Place {
            author: number,
            seq: link.seq,
            number: self.next.row.next_commit,
            leaves: record.leaves.len() as u32,
        };
        let prev = link.prev.as_ref().map_or(&[][..], |p| &p.0);
        self.batch
            .put(ORDER, pod.order(number, link.seq, &link.id.0), prev);
        self.batch.put(IDS, pod.with(&link.id.0), place.encode());
        for part in parts {
            self.batch
                .put(LOG, pod.log(place.number, part.first), part.bytes);
        }
        let holes: BTreeSet<u32> = (0..)
            .zip(&record.leaves)
            .filter(|(_, leaf)| matches!(leaf, LeafBytes::Erased(_)))
            .map(|(at, _)| at)
            .collect();
        if !holes.is_empty() {
            put_places(&mut self.batch, HOLES, pod, &link.id.0, &holes)?;
            self.hollow.push(link.id.0);
        }
        self.next.row.next_commit += 1;
        self.next.row.commits += 1;
        self.next.row.commit_bytes += bytes as u64;
        match view.authors.get(&link.author) {
            Some(s) if s.may_write() => self.count(&link)?,
            standing => self.judge(&link, standing, writer)?,
        }
        self.new.insert(link.id, (link.author, link.seq));
        self.slots.entry((link.author, link.seq)).or_insert(link.id);
        Ok(Fate::Taken {
            name,
            rival: rival.map(|r| r.0),
        })
    }

    /// The author, to be changed.
    fn author(&mut self, key: &PublicKey) -> Result<&mut Author, SealedError> {
        let State {
            row, view, authors, ..
        } = &mut self.next;
        if !self.void.contains_key(key) {
            let before = authors.get(key).map(|a| a.void.clone());
            self.void.insert(*key, before.unwrap_or_default());
        }
        if !authors.contains_key(key) {
            let author = Author::new(row.next_author, view.authors.get(key))?;
            row.next_author = row
                .next_author
                .checked_add(1)
                .ok_or(SealedError::Full("it has 2³² authors"))?;
            authors.insert(*key, author.into());
        }
        let author = authors.get_mut(key).map(Arc::make_mut);
        author.ok_or(SealedError::Corrupt("an author is missing"))
    }

    /// Another commit at the same place of the chain.
    fn rival(&self, link: &Link) -> Result<Option<CommitId>, SealedError> {
        if let Some(author) = self.next.authors.get(&link.author) {
            let pod = self.next.row.number;
            let lo = pod.order(author.number, link.seq, &[0; 32]);
            let hi = pod.order(author.number, link.seq, &[255; 32]);
            let mut found = None;
            self.snap
                .scan(ORDER, &lo, Some(&hi), false, &mut |key, _| {
                    found = Some(CommitId(id_of(key)));
                    ControlFlow::Break(())
                })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(self.slots.get(&(link.author, link.seq)).copied())
    }

    /// A commit of an author of whom everything counts.
    fn count(&mut self, link: &Link) -> Result<(), SealedError> {
        let pod = self.next.row.number;
        let snap = self.snap;
        let here = link
            .prev
            .map(|prev| self.new.get(&prev).map(|(key, _)| *key == link.author));
        let author = self.author(&link.author)?;
        let follows = match (here, link.prev) {
            (Some(Some(same)), _) => same,
            (_, Some(prev)) => {
                place(snap, pod, &prev.0)?.is_some_and(|p| p.author == author.number)
            }
            _ => false,
        };
        let prev = link.prev.map(|p| p.0);
        author.chain.insert(link.seq, link.id.0, prev, follows);
        self.counting.push(name(link));
        Ok(())
    }

    /// A commit of an author of whom only what lies within seals counts.
    fn judge(
        &mut self,
        link: &Link,
        standing: Option<&Standing>,
        writer: &mut Writer,
    ) -> Result<(), SealedError> {
        let pod = self.next.row.number;
        let snap = self.snap;
        let number = self.author(&link.author)?.number;
        let judge = match writer.judges.entry(link.author) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let all = judge(snap, pod, number, standing)?;
                entry.insert(all.unwrap_or_else(|| Judge::new(&[])))
            }
        };
        let counting = judge.insert(link);
        let void = !judge.counts(&link.id);
        let mut left: HashSet<CommitId> = counting.iter().copied().collect();
        let mut names = Vec::with_capacity(counting.len());
        let author = self.author(&link.author)?;
        if void {
            author.void.insert(link.id);
        }
        for id in counting {
            let Some((seq, prev)) = judge.link(&id) else {
                continue;
            };
            left.remove(&id);
            author.void.remove(&id);
            let follows = prev.is_some_and(|p| judge.counts(&p) && !left.contains(&p));
            author.chain.insert(seq, id.0, prev.map(|p| p.0), follows);
            names.push(CommitName {
                key: link.author,
                seq,
                id: id.0,
            });
        }
        self.counting.extend(names);
        Ok(())
    }

    /// A commit that is known may come with bytes that are missing here.
    fn fill(&mut self, link: &Link, place: &Place, record: Record) -> Result<(), SealedError> {
        let State { row, allowed, .. } = &mut self.next;
        let holes = self.snap.get(HOLES, &row.number.with(&link.id.0))?;
        if holes.is_none() || !self.filled.insert(link.id) {
            return Ok(());
        }
        let bytes = (0..)
            .zip(record.leaves)
            .filter_map(|(at, leaf)| match leaf {
                LeafBytes::Sealed(bytes) => Some((at, bytes)),
                LeafBytes::Erased(_) => None,
            });
        fill(
            self.snap,
            (row, *allowed),
            &link.id.0,
            place,
            bytes.collect(),
            &mut self.batch,
        )?;
        Ok(())
    }

    /// The rows of the authors that changed.
    fn finish(&mut self) -> Result<(), SealedError> {
        let pod = self.next.row.number;
        for (key, before) in &self.void {
            if let Some(author) = self.next.authors.get(key) {
                author.save_void(before, pod, &mut self.batch);
                author.save(pod, key, &mut self.batch)?;
            }
        }
        Ok(())
    }
}
