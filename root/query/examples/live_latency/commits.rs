//! The commits that are measured.

use std::collections::{BTreeMap, BTreeSet};

use crate::pod::{Data, Random, entity};
use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, Value};

/// What a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commit {
    PostForOne,
    PostForNone,
    Follow,
    Unfollow,
    Redate,
    Withdraw,
    Like,
}

impl Commit {
    pub fn name(self) -> &'static str {
        match self {
            Self::PostForOne => "a post that one feed shows",
            Self::PostForNone => "a post that no feed shows",
            Self::Follow => "a subscriber follows somebody",
            Self::Unfollow => "and stops following",
            Self::Redate => "a post in one feed gets a new time",
            Self::Withdraw => "and is withdrawn",
            Self::Like => "a like, which no feed reads",
        }
    }
}

/// Commits, one after the other, without end.
pub struct Plan {
    random: Random,
    subscribers: Vec<u64>,
    people: Vec<u64>,
    follows: BTreeSet<(u64, u64)>,
    /// Authors whom exactly one subscriber follows, and whom none does.
    for_one: Vec<u64>,
    for_none: Vec<u64>,
    next: u64,
    /// Posts made here that one feed shows.
    shown: Vec<u64>,
    followed: Option<(u64, u64)>,
    step: usize,
}

impl Plan {
    pub fn new(data: &Data, subscribers: &[u64]) -> Self {
        let me: BTreeSet<u64> = subscribers.iter().copied().collect();
        let mut readers: BTreeMap<u64, usize> = data.people.iter().map(|p| (*p, 0)).collect();
        for (who, whom) in &data.follows {
            if me.contains(who) {
                *readers.entry(*whom).or_default() += 1;
            }
        }
        let with = |n: usize| -> Vec<u64> {
            let of = readers.iter().filter(|(_, count)| **count == n);
            of.map(|(person, _)| *person).collect()
        };
        Self {
            random: Random(5),
            subscribers: subscribers.to_vec(),
            people: data.people.clone(),
            follows: data.follows.clone(),
            for_one: with(1),
            for_none: with(0),
            next: data.next,
            shown: Vec::new(),
            followed: None,
            step: 0,
        }
    }

    fn pick(&mut self, from: fn(&Self) -> &Vec<u64>) -> u64 {
        let n = from(self).len() as u64;
        let i = self.random.below(n) as usize;
        from(self)[i]
    }

    fn post(&mut self, author: u64) -> Vec<Edit> {
        self.next += 1;
        let e = self.next;
        vec![
            assert(e, "type", Value::from("post")),
            assert(e, "author", Value::Ref(entity(author))),
            assert(e, "text", Value::from(format!("what is new at {e}"))),
            assert(e, "created", Value::Time(1_700_000_000_000 + e as i64)),
        ]
    }
}

fn name(a: &str) -> Attribute {
    Attribute::new(a).unwrap_or_else(|e| panic!("{e}"))
}

fn assert(e: u64, a: &str, v: Value) -> Edit {
    Edit::Assert(entity(e), name(a), v)
}

impl Iterator for Plan {
    type Item = (Commit, Vec<Edit>);

    fn next(&mut self) -> Option<Self::Item> {
        self.step += 1;
        Some(match self.step % 8 {
            0 | 4 => {
                let author = self.pick(|p| &p.for_one);
                let edits = self.post(author);
                self.shown.push(self.next);
                (Commit::PostForOne, edits)
            }
            1 => {
                let author = self.pick(|p| &p.for_none);
                (Commit::PostForNone, self.post(author))
            }
            2 => {
                let (who, whom) = loop {
                    let pair = (self.pick(|p| &p.subscribers), self.pick(|p| &p.people));
                    if !self.follows.contains(&pair) {
                        break pair;
                    }
                };
                self.followed = Some((who, whom));
                let edit = Edit::Insert(entity(who), name("follows"), Value::Ref(entity(whom)));
                (Commit::Follow, vec![edit])
            }
            3 => {
                let (who, whom) = self.followed.take()?;
                let whom = Some(Value::Ref(entity(whom)));
                let edit = Edit::Retract(entity(who), name("follows"), whom);
                (Commit::Unfollow, vec![edit])
            }
            5 => {
                let post = self.shown.last().copied()?;
                let time = Value::Time(1_800_000_000_000 + self.step as i64);
                (Commit::Redate, vec![assert(post, "created", time)])
            }
            6 => {
                let post = self.shown.pop()?;
                let edit = Edit::Retract(entity(post), name("created"), None);
                (Commit::Withdraw, vec![edit])
            }
            _ => {
                let (who, post) = (self.pick(|p| &p.people), self.next);
                // nobody likes the same post twice
                let edit = Edit::Insert(
                    entity(who),
                    name("likes"),
                    Value::Ref(entity(post + 1_000_000_000 + self.step as u64)),
                );
                (Commit::Like, vec![edit])
            }
        })
    }
}
