//! The work of the owner's devices: guests' commits are decided about, and the view is made to say what the pod says.

use rhizome_ipld::PublicKey;
use rhizome_replica::{Author, Replica};
use rhizome_share::Predicate;
use rhizome_storage::Durability;
use rhizome_tuple::{CommitId, EntityId, Leaf, LeafId, Op};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Note, Pending, Verdict, ViewError, Why, Writer, matching, pending, project, weigh, write_notes,
};

/// Leaves of one commit to a view.
const AT_ONCE: usize = 2000;

/// A pod, a view of it, and who works.
pub struct Tending<'a> {
    /// The pod.
    pub pod: &'a Replica,
    /// In whose name admitted commits are quoted in the pod.
    pub pod_author: &'a Author,
    /// The view.
    pub view: &'a Replica,
    /// The DID of the view.
    pub view_did: &'a str,
    /// Who writes to the view: an admin's key.
    pub view_author: &'a Author,
    /// What is shared.
    pub predicate: &'a Predicate,
    /// Whether a key may write: see [`crate::Guests::writer`].
    pub writer: &'a dyn Fn(&PublicKey) -> Option<Result<Writer, Why>>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Whether the view is to say what the pod says. If not, guests are listened to, and nothing new is said: for a view whose key others may have.
    pub says: bool,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tended {
    /// Guests' commits that count now.
    pub admitted: Vec<CommitId>,
    /// Those that do not.
    pub refused: Vec<(CommitId, Why)>,
    /// Entities that the view says something else of.
    pub changed: usize,
    /// Steps in which guests' keys were changed; by whoever tends.
    pub keys: usize,
    /// The number in the view's replica from which on guests' commits are to be looked at next time.
    pub next: u32,
}

impl Tending<'_> {
    fn nonce(&self) -> [u8; 16] {
        let mut nonce = [0; 16];
        (self.random)(&mut nonce);
        nonce
    }

    /// Decides about the guests' commits from number `from` on, and brings the view up to date with these entities of the pod, or with all of them.
    ///
    /// # Errors
    /// Those of the replicas. What was done before is done; all of it may be repeated.
    pub fn run(
        &self,
        entities: Option<&BTreeSet<EntityId>>,
        from: u32,
    ) -> Result<Tended, ViewError> {
        let mut done = Tended::default();
        let now = self.view.snapshot();
        let (waiting, next) = pending(&now, from)?;
        done.next = next;
        let mut todo = match entities {
            _ if !self.says => BTreeSet::new(),
            Some(some) => some.clone(),
            None => self.all()?,
        };
        let mut gone: BTreeMap<EntityId, Vec<LeafId>> = BTreeMap::new();
        for one in waiting {
            let Some(writer) = (self.writer)(&one.author) else {
                done.next = from;
                continue;
            };
            let refused = self.decide(&one, &writer)?;
            for (place, entity, _) in &one.leaves {
                todo.insert(*entity);
                // where the pod is quoted, what was admitted is withdrawn with that
                if refused.is_some() || !self.says {
                    let leaves = gone.entry(*entity).or_default();
                    leaves.push(LeafId(one.commit, *place));
                }
            }
            match refused {
                None => done.admitted.push(one.commit),
                Some(why) => done.refused.push((one.commit, why)),
            }
        }
        self.say(&todo, gone, &mut done)?;
        Ok(done)
    }

    /// Everything that matches, and everything that the view speaks of.
    fn all(&self) -> Result<BTreeSet<EntityId>, ViewError> {
        let mut all = matching(&self.pod.snapshot(), self.predicate)?;
        let there = self.view.snapshot();
        all.extend(there.entities().filter_map(|e| there.entity_id(e)));
        there.fault().map_err(ViewError::from)?;
        Ok(all)
    }

    /// Decides while nobody else writes to the pod. `None`: it is admitted.
    fn decide(
        &self,
        one: &Pending,
        writer: &Result<Writer, Why>,
    ) -> Result<Option<Why>, ViewError> {
        let mut refused = None;
        let writer = writer.as_ref().map_err(|why| *why);
        let nonce = self.nonce();
        self.pod.compose::<ViewError>(
            self.pod_author,
            self.now_ms,
            nonce,
            Durability::Durable,
            |pod| {
                Ok(match weigh(pod, self.predicate, writer, one)? {
                    Verdict::Admit(leaves) => leaves,
                    Verdict::Refuse(why) => {
                        refused = Some(why);
                        Vec::new()
                    }
                })
            },
        )?;
        Ok(refused)
    }

    fn say(
        &self,
        entities: &BTreeSet<EntityId>,
        mut gone: BTreeMap<EntityId, Vec<LeafId>>,
        done: &mut Tended,
    ) -> Result<(), ViewError> {
        let all: Vec<EntityId> = entities.iter().copied().collect();
        let mut notes: Vec<Note> = done
            .refused
            .iter()
            .map(|(commit, why)| Note::Refused(*commit, *why))
            .collect();
        let mut chunks = all.chunks(AT_ONCE).peekable();
        while let Some(chunk) = chunks.next() {
            // with the last of them
            let notes = match chunks.peek() {
                None => std::mem::take(&mut notes),
                Some(_) => Vec::new(),
            };
            let pod = self.pod.snapshot();
            let nonce = self.nonce();
            self.view.compose::<ViewError>(
                self.view_author,
                self.now_ms,
                nonce,
                Durability::Durable,
                |view| {
                    let mut leaves: Vec<Leaf> = Vec::new();
                    for entity in chunk {
                        let mut ops = Vec::new();
                        if let Some(leaves) = gone.remove(entity) {
                            ops.push(Op::Withdraw { leaves });
                        }
                        if self.says {
                            let leaf = project(&pod, view, self.predicate, entity)?;
                            ops.extend(leaf.into_iter().flat_map(|leaf| leaf.ops));
                        }
                        if !ops.is_empty() {
                            let entity = *entity;
                            leaves.push(Leaf { entity, ops });
                        }
                    }
                    done.changed += leaves.len();
                    if !notes.is_empty() {
                        leaves.push(write_notes(self.view_did, &notes)?);
                    }
                    leaves.sort_by_key(|leaf| leaf.entity);
                    Ok(leaves)
                },
            )?;
        }
        Ok(())
    }
}
