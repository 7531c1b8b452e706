//! The live queries that are open while commits are measured, and commits of which each touches exactly one of them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::generate::Random;
use crate::tuples::{Tuples, Value};

const SEED: u64 = 11;

/// What a live query shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What those wrote whom a person follows: (post or comment, time).
    Feed,
    /// The latest 20 posts of those whom a person follows, latest first: (post, time).
    FeedTop20,
    /// Comments on a person's posts: (comment, name of its author).
    Replies,
    /// Photos in a folder: (photo).
    Folder,
    /// How many like each post of a person: (post, count).
    Likes,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Feed,
        Self::FeedTop20,
        Self::Replies,
        Self::Folder,
        Self::Likes,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::FeedTop20 => "feed_top20",
            Self::Replies => "replies",
            Self::Folder => "folder",
            Self::Likes => "likes",
        }
    }
}

/// A live query: its kind, and the person or folder it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    pub kind: Kind,
    pub of: u32,
}

/// A commit that one reader sees.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Index of the reader.
    pub reader: usize,
    /// The entity in the first column of the row that is new, or has changed.
    pub row: u32,
    /// Whether `row` is an entity that this commit makes.
    pub new: bool,
    /// Tuples of `entity`; an attribute with several values is a set.
    pub entity: u32,
    pub tuples: Vec<(&'static str, Value)>,
}

/// What the commits are drawn from.
pub struct Readers {
    pub all: Vec<Reader>,
    random: Random,
    people: Vec<u32>,
    /// The people and folders whose new things exactly one reader of a kind sees, with that reader.
    seen_once: FxHashMap<Kind, Vec<(u32, usize)>>,
    /// People whose posts nobody's feed shows.
    unseen: Vec<u32>,
    posts: FxHashMap<u32, Vec<u32>>,
    liked: FxHashSet<(u32, u32)>,
    next: u32,
    time: i64,
    step: usize,
}

impl Readers {
    /// `count` readers, as many of each kind; fewer where there are not twice as many people, because then nobody's posts are for one
    /// reader alone.
    pub fn new(tuples: &Tuples, count: usize) -> Self {
        let mut random = Random::new(SEED);
        let world = World::of(tuples);
        let count = count.min(world.people.len() / 2);
        let authors: Vec<u32> = world
            .people
            .iter()
            .filter(|p| world.posts.contains_key(p))
            .copied()
            .collect();
        let mut readers = Vec::with_capacity(count);
        for (i, kind) in Kind::ALL.into_iter().enumerate() {
            let of = match kind {
                Kind::Feed | Kind::FeedTop20 => &world.people,
                Kind::Replies | Kind::Likes => &authors,
                Kind::Folder => &world.folders,
            };
            let wanted = count * (i + 1) / Kind::ALL.len() - count * i / Kind::ALL.len();
            let mut chosen = FxHashSet::default();
            while chosen.len() < wanted.min(of.len()) {
                let of = of[random.below(of.len() as u64) as usize];
                if chosen.insert(of) {
                    readers.push(Reader { kind, of });
                }
            }
        }

        let mut feeds: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        let mut seen_once: FxHashMap<Kind, Vec<(u32, usize)>> = FxHashMap::default();
        for (i, reader) in readers.iter().enumerate() {
            match reader.kind {
                Kind::Feed | Kind::FeedTop20 => {
                    for followed in world.follows.get(&reader.of).into_iter().flatten() {
                        feeds.entry(*followed).or_default().push(i);
                    }
                }
                kind => seen_once.entry(kind).or_default().push((reader.of, i)),
            }
        }
        let mut unseen = Vec::new();
        for person in &world.people {
            match feeds.get(person).map(Vec::as_slice) {
                None => unseen.push(*person),
                Some([one]) => {
                    let kind = readers[*one].kind;
                    seen_once.entry(kind).or_default().push((*person, *one));
                }
                Some(_) => {}
            }
        }
        Self {
            all: readers,
            random,
            people: world.people,
            seen_once,
            unseen,
            posts: world.posts,
            liked: world.liked,
            next: world.next,
            time: world.time,
            step: 0,
        }
    }

    fn pick<T: Copy>(random: &mut Random, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[random.below(of.len() as u64) as usize])
    }

    /// A commit for a reader of each kind in turn; `None` if the data is too small for that.
    fn draw(&mut self) -> Option<Commit> {
        let kind = Kind::ALL[self.step % Kind::ALL.len()];
        self.step += 1;
        let (of, reader) = Self::pick(&mut self.random, self.seen_once.get(&kind)?)?;
        if kind == Kind::Likes {
            let post = Self::pick(&mut self.random, self.posts.get(&of)?)?;
            let who = loop {
                let who = Self::pick(&mut self.random, &self.people)?;
                if self.liked.insert((who, post)) {
                    break who;
                }
            };
            return Some(Commit {
                reader,
                row: post,
                new: false,
                entity: who,
                tuples: vec![("likes", Value::Reference(post))],
            });
        }
        self.next += 1;
        self.time += 1_000;
        let text = |text| Value::Text(text);
        let tuples = match kind {
            Kind::Feed | Kind::FeedTop20 => vec![
                ("type", text("post")),
                ("author", Value::Reference(of)),
                ("text", text("what has just happened over here")),
                ("created", Value::Time(self.time)),
                ("tag", text("tag-1")),
                ("tag", text("tag-2")),
            ],
            Kind::Replies => {
                let post = Self::pick(&mut self.random, self.posts.get(&of)?)?;
                let author = Self::pick(&mut self.random, &self.unseen)?;
                vec![
                    ("type", text("comment")),
                    ("on", Value::Reference(post)),
                    ("author", Value::Reference(author)),
                    ("text", text("what they say about it")),
                    ("created", Value::Time(self.time)),
                ]
            }
            _ => {
                let owner = Self::pick(&mut self.random, &self.people)?;
                vec![
                    ("is-photo", Value::Boolean(true)),
                    ("photo-album", text("album-1")),
                    ("owner", Value::Reference(owner)),
                    ("taken", Value::Time(self.time)),
                    ("parent", Value::Reference(of)),
                    ("width", Value::Integer(1_920)),
                ]
            }
        };
        Some(Commit {
            reader,
            row: self.next,
            new: true,
            entity: self.next,
            tuples,
        })
    }
}

impl Iterator for Readers {
    type Item = Commit;

    fn next(&mut self) -> Option<Commit> {
        self.draw()
    }
}

/// What the data says that matters here.
#[derive(Default)]
struct World {
    people: Vec<u32>,
    folders: Vec<u32>,
    follows: FxHashMap<u32, Vec<u32>>,
    /// Posts by author.
    posts: FxHashMap<u32, Vec<u32>>,
    liked: FxHashSet<(u32, u32)>,
    /// The greatest entity, and the latest time.
    next: u32,
    time: i64,
}

impl World {
    fn of(tuples: &Tuples) -> Self {
        let mut world = Self::default();
        let mut posts = FxHashSet::default();
        for tuple in &tuples.rows {
            let e = tuple.entity;
            world.next = world.next.max(e);
            match (tuples.attributes[tuple.attribute as usize], tuple.value) {
                ("type", Value::Text("person")) => world.people.push(e),
                ("type", Value::Text("folder")) => world.folders.push(e),
                ("type", Value::Text("post")) => drop(posts.insert(e)),
                ("follows", Value::Reference(whom)) => {
                    world.follows.entry(e).or_default().push(whom);
                }
                ("likes", Value::Reference(post)) => drop(world.liked.insert((e, post))),
                ("created", Value::Time(time)) => world.time = world.time.max(time),
                _ => {}
            }
        }
        for tuple in &tuples.rows {
            if let ("author", Value::Reference(author)) =
                (tuples.attributes[tuple.attribute as usize], tuple.value)
                && posts.contains(&tuple.entity)
            {
                world.posts.entry(author).or_default().push(tuple.entity);
            }
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_for_the_only_reader_who_follows_its_author() {
        let mut bytes = Vec::new();
        crate::generate::write(20_000, 1, &mut bytes).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tuples.tsv");
        std::fs::write(&path, bytes).unwrap();
        let tuples = Tuples::read(&path).unwrap();
        let world = World::of(&tuples);
        let readers = Readers::new(&tuples, 100);
        let all = readers.all.clone();
        assert_eq!(all.len(), 100);
        let mut posts = 0;
        for commit in readers.take(200) {
            let author = commit.tuples.iter().find(|t| t.0 == "author").map(|t| t.1);
            let Some(Value::Reference(author)) = author else {
                continue;
            };
            let follow = |r: &Reader| {
                matches!(r.kind, Kind::Feed | Kind::FeedTop20)
                    && world.follows[&r.of].contains(&author)
            };
            let who: Vec<usize> = (0..all.len()).filter(|i| follow(&all[*i])).collect();
            if all[commit.reader].kind == Kind::Replies {
                assert!(who.is_empty());
            } else {
                assert_eq!(who, [commit.reader]);
                posts += 1;
            }
        }
        assert_eq!(posts, 80);
    }
}
