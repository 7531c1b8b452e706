//! The parameters of the queries, drawn from the data so that every engine is asked exactly the same.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::generate::Random;
use crate::queries::Query;
use crate::tuples::{Tuples, Value};

/// What a query is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    Entity(u32),
    Text(String),
    Pair(String, String),
    Nothing(()),
}

/// The parameters of every query, by the query's name: what the engines' processes read.
pub type Params = FxHashMap<String, Vec<Param>>;

const SEED: u64 = 7;
const LOOKUPS: usize = 2_000;
const JOINS: usize = 500;
const TREES: usize = 100;
const CLOSURES: usize = 5;
const WHOLE_STORE: usize = 5;

/// Draws the parameters; the same data gives the same ones.
pub fn draw(tuples: &Tuples) -> Params {
    let mut kinds: FxHashMap<u32, &str> = FxHashMap::default();
    let mut people = Vec::new();
    let mut posts = Vec::new();
    let mut folders = Vec::new();
    let (mut names, mut cities, mut tags, mut albums) = (
        BTreeSet::new(),
        BTreeSet::new(),
        BTreeSet::new(),
        BTreeSet::new(),
    );
    for tuple in &tuples.rows {
        let Value::Text(text) = tuple.value else {
            continue;
        };
        match tuples.attributes[tuple.attribute as usize] {
            "type" => {
                kinds.insert(tuple.entity, text);
                match text {
                    "person" => people.push(tuple.entity),
                    "post" => posts.push(tuple.entity),
                    "folder" => folders.push(tuple.entity),
                    _ => {}
                }
            }
            "name" if kinds.get(&tuple.entity) == Some(&"person") => {
                names.insert(text);
            }
            "city" => {
                cities.insert(text);
            }
            "tag" => {
                tags.insert(text);
            }
            "photo-album" => {
                albums.insert(text);
            }
            _ => {}
        }
    }
    let of = |set: BTreeSet<&str>| set.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let (names, cities, tags, albums) = (of(names), of(cities), of(tags), of(albums));
    let people_and_posts: Vec<u32> = people.iter().chain(&posts).copied().collect();
    // The second level of the folder tree: 36 folders, each with 1/43 of everything under it.
    let second_level = folders.get(7..43).unwrap_or(&folders);

    let mut random = Random::new(SEED);
    let mut params = Params::default();
    for query in Query::ALL {
        let drawn = match query {
            Query::Entity => entities(&mut random, &people_and_posts, LOOKUPS),
            Query::Value | Query::PostsByName | Query::FoafPosts => {
                texts(&mut random, &names, JOINS)
            }
            Query::Album => texts(&mut random, &albums, JOINS),
            Query::Feed | Query::FeedTop20 | Query::ReplyChain | Query::Triangle => {
                entities(&mut random, &people, JOINS)
            }
            Query::TagCity => (0..JOINS)
                .map(|_| {
                    Param::Pair(
                        pick(&mut random, &tags).clone(),
                        pick(&mut random, &cities).clone(),
                    )
                })
                .collect(),
            Query::Descendants => entities(&mut random, second_level, TREES),
            Query::Reach => entities(&mut random, &people, CLOSURES),
            Query::TagCounts | Query::Latest20 => vec![Param::Nothing(()); WHOLE_STORE],
        };
        params.insert(query.name().to_owned(), drawn);
    }
    params
}

fn pick<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[random.below(of.len() as u64) as usize]
}

fn entities(random: &mut Random, of: &[u32], count: usize) -> Vec<Param> {
    (0..count)
        .map(|_| Param::Entity(*pick(random, of)))
        .collect()
}

fn texts(random: &mut Random, of: &[String], count: usize) -> Vec<Param> {
    (0..count)
        .map(|_| Param::Text(pick(random, of).clone()))
        .collect()
}
