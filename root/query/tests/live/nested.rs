//! Live nested queries: random ones over random commits, and one thing at a time.

use super::commits::{Tuple, commit, present};
use super::objects::{Scenery, Told};
use super::random::{Scene, setting};
use super::world::{Pod, assert, attribute, insert, remove, retract, to};
use crate::generate::Random;
use crate::generate::data::entity;
use rhizome_replica::{Edit, Snapshot};
use rhizome_tuple::Value;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

const COMMITS: usize = 40;
const QUERIES: usize = 8;
/// Entities that queries name.
const ENTITIES: usize = 9;

const TYPES: &[&str] = &["post", "person", "media"];
const TEXTS: &[&str] = &["a", "ab", "b", "abc"];
/// Attributes that give short names another meaning once the pod has them.
const LATE: &[&str] = &[
    "post/created",
    "post/rating",
    "person/name",
    "z/rating",
    "post/type",
    "name",
    "folder/created",
];

fn text(random: &mut Random) -> Value {
    Value::from(*random.pick(TEXTS))
}

fn number(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::Float(random.below(4) as f64 + 0.5),
        1 => Value::Time(random.below(4) as i64),
        _ => Value::Integer(random.below(6) as i64),
    }
}

/// One random edit over a small social schema.
fn edit(random: &mut Random, entities: usize, now: &Snapshot, gone: &mut Vec<Tuple>) -> Edit {
    let roll = random.below(100);
    if roll < 25
        && let Some((e, a, v)) = present(random, now)
    {
        gone.push((e, a.clone(), v.clone()));
        return Edit::Retract(e, a, Some(v));
    }
    if (25..45).contains(&roll) && !gone.is_empty() {
        let (e, a, v) = gone.swap_remove(random.below(gone.len()));
        return Edit::Insert(e, a, v);
    }
    let e = 1 + random.below(entities);
    let to = to(1 + random.below(entities));
    match random.below(40) {
        0..8 => assert(e, "social/type", *random.pick(TYPES)),
        8..12 => assert(e, "social/author", to),
        12..16 => insert(e, "social/reply-to", to),
        16..22 => assert(e, "social/created", number(random)),
        22..25 => assert(e, "social/name", text(random)),
        25..28 => insert(e, "social/tag", text(random)),
        28 => Edit::Add(entity(e), attribute("social/likes"), 1),
        29..32 => Edit::List(entity(e), attribute("social/media"), to, None),
        32..34 => assert(e, "folder/name", text(random)),
        34..36 => assert(e, "folder/parent", to),
        36 => {
            let late = *random.pick(LATE);
            match random.below(3) {
                0 => insert(e, late, *random.pick(TYPES)),
                1 => insert(e, late, number(random)),
                _ => insert(e, late, text(random)),
            }
        }
        37 => retract(e, "social/author"),
        38 => retract(e, "social/type"),
        _ => retract(e, "social/created"),
    }
}

fn condition(random: &mut Random, depth: usize) -> Json {
    let text = *random.pick(TEXTS);
    let n = random.below(6);
    let id = entity(1 + random.below(ENTITIES)).to_string();
    let compare = *random.pick(&["$gt", "$gte", "$lt", "$lte", "$ne"]);
    match random.below(17) {
        0 => json!({ "name": text }),
        1 => json!({ "author.name": text }),
        2 | 3 => json!({ "created": { compare: n } }),
        4 => json!({ "tag": { "$ne": text } }),
        5 => json!({ "rating": null }),
        6 => json!({ "_reply-to.created": { compare: n } }),
        7 => json!({ "author": id }),
        8 => json!({ "id": { "$in": [id, entity(2).to_string(), entity(77).to_string()] } }),
        9 => json!({ "name": { "$like": "a%" } }),
        10 => json!({ "reply-to.author.name": { "$in": [text, "b"] } }),
        11 => json!({ "likes": { "$gt": 1 } }),
        12 => json!({ "social/created": n }),
        13 if depth > 0 => {
            json!({ "or": [condition(random, depth - 1), condition(random, depth - 1)] })
        }
        14 if depth > 0 => json!({ "not": condition(random, depth - 1) }),
        _ => json!({ "tag": text }),
    }
}

/// What stands under a namespace or a link.
fn node(random: &mut Random, depth: usize) -> Json {
    let mut options = Map::new();
    let top = depth == 2;
    if random.chance(if top { 50 } else { 30 }) {
        options.insert("where".into(), condition(random, 1));
    }
    if random.chance(if top { 60 } else { 30 }) {
        let field =
            |random: &mut Random| *random.pick(&["created", "name", "rating", "tag", "likes"]);
        let key = |random: &mut Random| json!({ field(random): random.pick(&["asc", "desc"]) });
        let order = if random.chance(70) {
            key(random)
        } else {
            json!([key(random), key(random)])
        };
        options.insert("order".into(), order);
    }
    if random.chance(if top { 60 } else { 20 }) {
        options.insert("limit".into(), random.below(5).into());
    }
    if random.chance(25) {
        options.insert("offset".into(), random.below(3).into());
    }
    if random.chance(30) {
        let all = ["name", "created", "author", "_reply-to", "rating", "tag"];
        let fields: Vec<&str> = all.into_iter().filter(|_| random.chance(40)).collect();
        options.insert("fields".into(), json!(fields));
    }
    if top && random.chance(4) {
        let after = entity(1 + random.below(ENTITIES));
        options.insert("after".into(), after.to_string().into());
    }
    let mut out = Map::new();
    if !options.is_empty() {
        out.insert("$".into(), options.into());
    }
    let mut below = depth;
    while below > 0 && random.chance(45) {
        let link = *random.pick(&[
            "author",
            "reply-to",
            "_reply-to",
            "_author",
            "media",
            "parent",
            "_folder/parent",
        ]);
        out.insert(link.into(), node(random, depth - 1));
        below -= 1;
    }
    out.into()
}

fn query(random: &mut Random) -> Json {
    let mut out = Map::new();
    for _ in 0..1 + random.below(5) / 3 {
        let namespace = *random.pick(&["post", "post", "person", "folder", "media", "nothing"]);
        out.insert(namespace.into(), node(random, 2));
    }
    out.into()
}

#[test]
fn what_readers_are_told_is_what_a_fresh_run_gives() {
    let commits = setting("RHIZOME_LIVE_COMMITS").unwrap_or(400) as usize;
    let first_seed = setting("RHIZOME_LIVE_SEED").unwrap_or(0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = |what: &'static str, n: usize| *counts.entry(what).or_default() += n;
    for seed in first_seed..first_seed + commits.div_ceil(COMMITS) as u64 {
        let mut random = Random::new(seed ^ 0x0B_7EC7);
        let mut scenery = Scenery::new();
        let mut other = Pod::new(2);
        let mut gone = Vec::new();
        // with many, what a page leaves out is not held
        let entities = if random.chance(25) { 60 } else { ENTITIES };
        let mut begin = |random: &mut Random, scenery: &mut Scenery| {
            let now = scenery.pod.replica.snapshot();
            let all = (0..5 * entities).map(|_| edit(random, entities, &now, &mut gone));
            let all = all.collect();
            scenery.write(all);
        };
        // some queries are there before any data
        let early = random.chance(30);
        if !early {
            begin(&mut random, &mut scenery);
        }
        let mut subscribe = |random: &mut Random, scenery: &mut Scenery| {
            // short names may be ambiguous: such a query is refused
            let Some(reader) = (0..5).find_map(|_| scenery.subscribe(&query(random)).ok()) else {
                return;
            };
            let reader = &scenery.readers[reader];
            let text = reader.text.to_string();
            for (what, there) in [
                ("queries", true),
                ("incremental", reader.incremental),
                ("with after", text.contains("after")),
                ("with order", text.contains("order")),
                ("with limit", text.contains("limit")),
                ("with where", text.contains("where")),
                (
                    "with several namespaces",
                    reader.text.as_object().is_some_and(|o| o.len() > 1),
                ),
            ] {
                count(what, usize::from(there));
            }
            if random.chance(30) {
                count("set apart", 1);
                scenery.set_apart();
            }
        };
        for _ in 0..QUERIES {
            subscribe(&mut random, &mut scenery);
        }
        if early {
            begin(&mut random, &mut scenery);
        }
        let mut updates = 0;
        for step in 0..COMMITS {
            let scene = Scene(seed, step);
            commit(
                &mut random,
                &mut scenery.pod,
                &mut other,
                entities,
                &mut gone,
                edit,
            );
            updates += scenery.check();
            drop(scene);
            if random.chance(5) && !scenery.readers.is_empty() {
                let gone = random.below(scenery.readers.len());
                scenery.unsubscribe(gone);
            }
            if scenery.readers.len() < QUERIES && random.chance(50) {
                subscribe(&mut random, &mut scenery);
            }
        }
        count("commits", COMMITS);
        count("updates", updates);
        count("ended", scenery.ended);
    }
    println!("{counts:?}");
    assert!(counts["updates"] > counts["commits"], "{counts:?}");
    assert_eq!(
        counts["incremental"] + counts["with after"],
        counts["queries"],
        "{counts:?}"
    );
}

/// Posts 1 to 5 with their author 10, replies 21 and 22 to 1.
fn scenery() -> Scenery {
    let mut scenery = Scenery::new();
    let mut edits = vec![
        assert(10, "social/type", "person"),
        assert(10, "social/name", "Ada"),
    ];
    for post in 1..=5 {
        edits.push(assert(post, "social/type", "post"));
        edits.push(assert(post, "social/author", to(10)));
        edits.push(assert(post, "social/created", post as i64));
    }
    for reply in [21, 22] {
        edits.push(assert(reply, "social/type", "reply"));
        edits.push(assert(reply, "social/reply-to", to(1)));
    }
    scenery.write(edits);
    scenery
}

fn told(added: usize, changed: usize, removed: usize) -> Told {
    Told {
        added,
        changed,
        removed,
    }
}

#[test]
fn what_is_deep_inside_an_object_changes_it() {
    let mut s = scenery();
    let text = json!({ "reply": { "reply-to": { "author": { "$": { "fields": ["name"] } } } } });
    let all = s.subscribe(&text).expect("a query");
    s.write(vec![assert(10, "social/name", "Augusta Ada")]);
    assert_eq!(s.told, told(0, 2, 0));
    let name = &s.readers[all].objects[0].2["reply-to"]["author"]["name"];
    assert_eq!(name, "Augusta Ada");
    // another entity between them
    s.write(vec![
        assert(11, "social/name", "Bob"),
        assert(1, "social/author", to(11)),
    ]);
    assert_eq!(s.told, told(0, 2, 0));
    // which is watched from now on, and the other no more
    s.write(vec![assert(10, "social/name", "Ada")]);
    assert_eq!(s.told, told(0, 0, 0));
    s.write(vec![assert(11, "social/name", "Robert")]);
    assert_eq!(s.told, told(0, 2, 0));
    // what the objects do not show is not told
    s.write(vec![assert(11, "social/bio", "none")]);
    assert_eq!(s.told, told(0, 0, 0));
}

#[test]
fn a_child_moves_between_parents() {
    let mut s = scenery();
    let text =
        json!({ "post": { "_reply-to": { "$": { "where": { "type": "reply" }, "fields": [] } } } });
    let all = s.subscribe(&text).expect("a query");
    s.write(vec![assert(21, "social/reply-to", to(2))]);
    // both parents, and nothing else
    assert_eq!(s.told, told(0, 2, 0));
    let children = |s: &Scenery, e: usize| {
        let objects = &s.readers[all].objects;
        let object = objects.iter().find(|o| o.1 == entity(e)).expect("a post");
        object.2["_reply-to"].as_array().expect("an array").len()
    };
    assert_eq!((children(&s, 1), children(&s, 2)), (1, 1));
    // a child that no longer meets the condition
    s.write(vec![assert(21, "social/type", "other")]);
    assert_eq!(s.told, told(0, 1, 0));
    assert_eq!((children(&s, 1), children(&s, 2)), (1, 0));
}

#[test]
fn one_enters_a_page_because_another_leaves() {
    let mut s = scenery();
    let text =
        json!({ "post": { "$": { "order": { "created": "desc" }, "limit": 2, "offset": 1 } } });
    let page = s.subscribe(&text).expect("a query");
    assert_eq!(s.seen(page), [entity(4), entity(3)]);
    // 3 goes behind 2
    s.write(vec![assert(3, "social/created", 1)]);
    assert_eq!(s.seen(page), [entity(4), entity(2)]);
    assert_eq!(s.told, told(1, 0, 1));
    // a new first one moves all by one place
    s.write(vec![
        assert(6, "social/type", "post"),
        assert(6, "social/created", 9),
    ]);
    assert_eq!(s.seen(page), [entity(5), entity(4)]);
    assert_eq!(s.told, told(1, 0, 1));
    // without a value it is last
    s.write(vec![retract(5, "social/created")]);
    assert_eq!(s.seen(page), [entity(4), entity(2)]);
    // and no post any more
    s.write(vec![retract(4, "social/type")]);
    assert_eq!(s.seen(page).len(), 2);
    // places change within the page
    s.write(vec![assert(2, "social/created", 7)]);
    assert!(s.told.added + s.told.changed > 0);
    // beyond the page nobody hears of it
    s.write(vec![
        assert(7, "social/type", "post"),
        assert(7, "social/created", -5),
    ]);
    assert_eq!(s.told, told(0, 0, 0));
}

#[test]
fn a_page_shorter_than_what_is_held_is_filled_again() {
    let mut s = Scenery::new();
    let mut edits = Vec::new();
    for post in 0..100 {
        edits.push(assert(post, "post/created", post as i64));
    }
    s.write(edits);
    let text = json!({ "post": { "$": { "order": { "created": "asc" }, "limit": 3 } } });
    let page = s.subscribe(&text).expect("a query");
    for post in 0..97 {
        s.write(match post % 2 {
            0 => vec![retract(post, "post/created")],
            // far behind what is held
            _ => vec![assert(post, "post/created", 1000)],
        });
        assert_eq!(s.seen(page)[0], entity(post + 1));
    }
}

#[test]
fn what_is_fetched_again_is_the_same() {
    let mut s = Scenery::new();
    let posts = (0..40).map(|post| assert(post, "post/created", 10 * post as i64));
    s.write(posts.collect());
    let text = json!({ "post": { "$": { "order": { "created": "asc" }, "limit": 1 } } });
    s.subscribe(&text).expect("a query");
    // everything that is held goes, and the one that is seen goes where others are not known, but not behind them
    let mut edits: Vec<Edit> = (1..30).map(|post| retract(post, "post/created")).collect();
    edits.push(assert(0, "post/created", 295));
    s.write(edits);
    assert_eq!(s.told, told(0, 1, 0));
}

#[test]
fn a_name_gets_a_meaning_later() {
    let mut s = scenery();
    let text = json!({ "post": { "$": { "where": { "rating": { "$gt": 3 } }, "order": { "rating": "desc" } } },
                       "album": { "track": {} } });
    let all = s.subscribe(&text).expect("a query");
    assert!(s.seen(all).is_empty());
    s.write(vec![assert(3, "social/rating", 4)]);
    assert_eq!(s.seen(all), [entity(3)]);
    // a nearer meaning: the other one is forgotten
    s.write(vec![
        assert(2, "post/rating", 5),
        assert(4, "post/rating", 9),
    ]);
    assert_eq!(s.seen(all), [entity(4), entity(2)]);
    assert_eq!(s.told, told(2, 0, 1));
    // a namespace that nothing had
    s.write(vec![
        assert(30, "album/name", "One"),
        assert(30, "album/track", to(31)),
    ]);
    assert_eq!(s.seen(all).last(), Some(&entity(30)));
    s.write(vec![assert(31, "album/name", "Two")]);
    assert_eq!(s.told, told(1, 1, 0));
    // entities say that they are of it
    s.write(vec![
        assert(32, "social/type", "album"),
        assert(32, "social/name", "Three"),
    ]);
    assert_eq!(s.seen(all).len(), 5);
    s.write(vec![remove(32, "social/type", "album")]);
    assert_eq!(s.seen(all).len(), 4);
}

#[test]
fn what_is_erased_goes_everywhere() {
    let mut s = scenery();
    let text = json!({ "post": { "author": {}, "_reply-to": {} }, "person": {} });
    let all = s.subscribe(&text).expect("a query");
    assert_eq!(s.seen(all).len(), 6);
    s.write(vec![Edit::Erase(entity(21))]);
    assert_eq!(s.told, told(0, 1, 0));
    s.write(vec![Edit::Erase(entity(2))]);
    assert_eq!(s.told, told(0, 0, 1));
    s.write(vec![Edit::Erase(entity(10))]);
    assert_eq!(s.seen(all).len(), 4);
    assert!(s.readers[all].objects.iter().all(|o| o.0 == "post"));
}

#[test]
fn places_run_through_all_namespaces() {
    let mut s = scenery();
    let text = json!({ "person": {}, "post": { "$": { "order": { "created": "asc" } } } });
    let all = s.subscribe(&text).expect("a query");
    // a row of the first and one of the second in one commit
    s.write(vec![
        assert(11, "social/type", "person"),
        assert(1, "social/created", 99),
    ]);
    assert_eq!(s.told, told(1, 1, 0));
    assert_eq!(s.seen(all).last(), Some(&entity(1)));
}

#[test]
fn forms_are_shared_and_the_untouched_are_not_told() {
    let mut s = scenery();
    for author in 0..50 {
        let author = entity(10 + author).to_string();
        let text = json!({ "post": { "$": { "where": { "author": author }, "order": { "created": "desc" }, "limit": 2 } } });
        s.subscribe(&text).expect("a query");
    }
    assert_eq!(s.live.forms(), 1);
    let updates = s.write(vec![
        assert(40, "social/author", to(15)),
        assert(40, "social/type", "post"),
    ]);
    assert_eq!(updates, 1);
    assert_eq!(s.told, told(1, 0, 0));
}

#[test]
fn a_page_after_an_entity_follows_it() {
    let mut s = scenery();
    let text = json!({ "post": { "$": { "order": { "created": "asc" }, "first": 2, "after": entity(2).to_string() } } });
    let page = s.subscribe(&text).expect("a query");
    assert!(!s.readers[page].incremental);
    assert_eq!(s.seen(page), [entity(3), entity(4)]);
    s.write(vec![assert(2, "social/created", 4)]);
    assert_eq!(s.seen(page).last(), Some(&entity(5)));
    s.write(vec![retract(2, "social/type")]);
    assert_eq!((s.ended, s.readers.len()), (1, 0));
}
