//! The synthetic personal pod: people who follow each other, posts, comments, photos in albums, folders and likes.
//!
//! The same count and seed give the same bytes on every machine (own generator of random numbers, no floats in the output).

use std::io::{self, Write};

use rustc_hash::FxHashSet;

/// SHA-256 of the file for 1,000,000 tuples and seed 1.
pub const MILLION_SHA256: &str = "687a5676d2f52c629352185141d6b45d0b55c4b69c078457bd8210c5e16a494a";

/// splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    /// One of `0..n` with density about 1/sqrt(x): a few are much more popular than the rest.
    pub fn skewed(&mut self, n: u64) -> u64 {
        let a = self.draw() % n;
        let b = self.draw() % n;
        a * b / n
    }
}

const FIRST: &str = "Ivan Petr Sergei Oleg Yuri Dmitry Fedor Denis Ada Grace Alan Barbara Edsger Frances Donald Radia Tim Vint \
    Hedy Katherine Mary Annie Joan Jean Betty Leslie Ken Dennis Bjarne Guido Anders Brendan Yukihiro Larry \
    Rasmus John Edith Shafi Silvio Manuel Whitfield Martin";
const LAST: &str = "Ivanov Petrov Sidorov Kovalev Kuznetsov Voronoi Lovelace Hopper Turing Liskov Dijkstra Allen Knuth Perlman \
    Berners Cerf Lamarr Johnson Jackson Easley Clarke Bartik Holberton Lamport Thompson Ritchie Stroustrup \
    Rossum Hejlsberg Eich Matsumoto Wall Lerdorf McCarthy Clarke2 Goldwasser Micali Blum Diffie Hellman \
    Kleppmann Gentle Jahns Shapiro Preguica Baquero";
const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they \
    which one you were all her she there would their we him been has when who will no more if out so said what \
    up its about than into them can only other time new some could these two may first then do any like my now \
    over such our man me even most made after also did many off before must well back through years much where \
    your way down should because long each just state those people too mr how little good world make very year \
    still see own work men day get here old life both between being under three never know same last another \
    while us off might great go come since against right came take";

/// How many things of each kind a pod of a given size holds.
struct Sizes {
    people: u64,
    posts: u64,
    comments: u64,
    photos: u64,
    folders: u64,
    tags: u64,
    albums: u64,
}

const CITIES: u64 = 200;
const FOLLOWED: u64 = 10;
/// The first time anything is created: September 2020, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_600_000_000_000;
const SPAN_MS: u64 = 100_000_000_000;

impl Sizes {
    fn of(tuples: u64) -> Self {
        let scale = tuples as f64 / 1e6;
        let share = |millionth: f64| ((millionth * scale) as u64).max(4);
        Self {
            people: share(20_000.0),
            posts: share(60_000.0),
            comments: share(40_000.0),
            photos: share(20_000.0),
            folders: share(10_000.0),
            tags: ((500.0 * scale.min(1.0)) as u64).max(4),
            albums: ((200.0 * scale) as u64).max(2),
        }
    }
}

/// Writes one tuple a line (`entity TAB attribute TAB type TAB value`), at least `tuples` of them.
///
/// # Errors
/// Those of `out`.
pub fn write(tuples: u64, seed: u64, out: &mut impl Write) -> io::Result<()> {
    let sizes = Sizes::of(tuples);
    let mut writer = Writer {
        out,
        written: 0,
        random: Random::new(seed),
        first: FIRST.split(' ').collect(),
        last: LAST.split(' ').collect(),
        words: WORDS.split(' ').collect(),
    };
    let person = 1;
    let post = person + sizes.people;
    let comment = post + sizes.posts;
    let photo = comment + sizes.comments;
    let folder = photo + sizes.photos;
    writer.people(person, sizes.people)?;
    writer.posts(post, &sizes, person)?;
    writer.comments(comment, &sizes, person, post)?;
    writer.folders(folder, sizes.folders)?;
    writer.photos(photo, &sizes, person, folder)?;
    writer.likes(tuples, &sizes, person, post)
}

struct Writer<'a, W> {
    out: &'a mut W,
    written: u64,
    random: Random,
    first: Vec<&'static str>,
    last: Vec<&'static str>,
    words: Vec<&'static str>,
}

impl<W: Write> Writer<'_, W> {
    fn put(
        &mut self,
        entity: u64,
        attribute: &str,
        kind: char,
        value: impl std::fmt::Display,
    ) -> io::Result<()> {
        self.written += 1;
        writeln!(self.out, "{entity}\t{attribute}\t{kind}\t{value}")
    }

    fn text(&mut self, words: u64) -> String {
        let mut text = String::new();
        for i in 0..words {
            if i > 0 {
                text.push(' ');
            }
            text.push_str(self.words[self.random.below(self.words.len() as u64) as usize]);
        }
        text
    }

    fn time(&mut self) -> u64 {
        EPOCH_MS + self.random.below(SPAN_MS)
    }

    fn people(&mut self, person: u64, people: u64) -> io::Result<()> {
        let mut followed = FxHashSet::default();
        for e in person..person + people {
            self.put(e, "type", 's', "person")?;
            let first = self.first[self.random.below(self.first.len() as u64) as usize];
            let last = self.last[self.random.below(self.last.len() as u64) as usize];
            self.put(e, "name", 's', format_args!("{first} {last}"))?;
            let age = 14 + self.random.below(80);
            self.put(e, "age", 'i', age)?;
            let city = self.random.skewed(CITIES);
            self.put(e, "city", 's', format_args!("city-{city}"))?;
            followed.clear();
            while (followed.len() as u64) < FOLLOWED.min(people - 1) {
                let other = person + self.random.skewed(people);
                if other != e && followed.insert(other) {
                    self.put(e, "follows", 'r', other)?;
                }
            }
        }
        Ok(())
    }

    fn posts(&mut self, post: u64, sizes: &Sizes, person: u64) -> io::Result<()> {
        for e in post..post + sizes.posts {
            self.put(e, "type", 's', "post")?;
            let author = person + self.random.below(sizes.people);
            self.put(e, "author", 'r', author)?;
            let words = 6 + self.random.below(12);
            let text = self.text(words);
            self.put(e, "text", 's', text)?;
            let created = self.time();
            self.put(e, "created", 't', created)?;
            let one = self.random.skewed(sizes.tags);
            let other = (one + 1 + self.random.below(sizes.tags - 1)) % sizes.tags;
            self.put(e, "tag", 's', format_args!("tag-{one}"))?;
            self.put(e, "tag", 's', format_args!("tag-{other}"))?;
        }
        Ok(())
    }

    fn comments(&mut self, comment: u64, sizes: &Sizes, person: u64, post: u64) -> io::Result<()> {
        for e in comment..comment + sizes.comments {
            self.put(e, "type", 's', "comment")?;
            let on = post + self.random.skewed(sizes.posts);
            self.put(e, "on", 'r', on)?;
            let author = person + self.random.below(sizes.people);
            self.put(e, "author", 'r', author)?;
            let words = 3 + self.random.below(8);
            let text = self.text(words);
            self.put(e, "text", 's', text)?;
            let created = self.time();
            self.put(e, "created", 't', created)?;
        }
        Ok(())
    }

    /// A tree in which every folder has six children.
    fn folders(&mut self, folder: u64, folders: u64) -> io::Result<()> {
        for i in 0..folders {
            self.put(folder + i, "type", 's', "folder")?;
            self.put(folder + i, "name", 's', format_args!("folder {i}"))?;
            if i > 0 {
                self.put(folder + i, "parent", 'r', folder + (i - 1) / 6)?;
            }
        }
        Ok(())
    }

    fn photos(&mut self, photo: u64, sizes: &Sizes, person: u64, folder: u64) -> io::Result<()> {
        for e in photo..photo + sizes.photos {
            self.put(e, "is-photo", 'b', true)?;
            let album = self.random.skewed(sizes.albums);
            self.put(e, "photo-album", 's', format_args!("album-{album}"))?;
            let owner = person + self.random.below(sizes.people);
            self.put(e, "owner", 'r', owner)?;
            let taken = self.time();
            self.put(e, "taken", 't', taken)?;
            let parent = folder + self.random.below(sizes.folders);
            self.put(e, "parent", 'r', parent)?;
            let width = 1000 + self.random.below(5000);
            self.put(e, "width", 'i', width)?;
        }
        Ok(())
    }

    /// Likes fill the file up to the size that was asked for.
    fn likes(&mut self, tuples: u64, sizes: &Sizes, person: u64, post: u64) -> io::Result<()> {
        let mut liked = FxHashSet::default();
        while self.written < tuples {
            let pair = (
                self.random.below(sizes.people),
                self.random.skewed(sizes.posts),
            );
            if liked.insert(pair) {
                self.put(person + pair.0, "likes", 'r', post + pair.1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    fn bytes(tuples: u64, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write(tuples, seed, &mut out).unwrap();
        out
    }

    #[test]
    fn the_million_is_the_published_file() {
        let million = bytes(1_000_000, 1);
        assert_eq!(million.len(), 25_368_555);
        assert_eq!(sha256(&million), MILLION_SHA256);
    }

    #[test]
    fn another_size_and_seed_agree_with_the_reference_generator() {
        assert_eq!(
            sha256(&bytes(20_000, 7)),
            "30c7d863565630fbe3a5251eb7d1197b7e88be0c3f472d2594c9c2664da996c8"
        );
    }
}
