use std::{collections::BTreeSet, fs, sync::Arc};

use rhizome_replica::Edit;
use rhizome_search::{Caught, Index, Query, Request, SearchError, is_prose};
use rhizome_tuple::Value;

use crate::world::*;

#[test]
fn the_best_come_first_and_of_equals_the_newer() {
    let world = World::new();
    let created = |n, ms| Edit::Assert(entity(n), attribute("post/created"), Value::Time(ms));
    world.write(vec![
        say(1, "post/text", "an espresso"),
        created(1, 1_000),
        say(2, "post/text", "an espresso"),
        created(2, 3_000),
        say(3, "post/text", "an espresso"),
        created(3, 2_000),
        say(4, "post/text", "espresso, espresso, espresso"),
        say(
            5,
            "post/text",
            &format!("an espresso {}", "and words ".repeat(40)),
        ),
        say(6, "post/text", "tea"),
    ]);
    let index = index();
    for round in ["scanned", "indexed"] {
        let found = world.found(&index, "espresso");
        let order: Vec<_> = found.hits.iter().map(|h| h.entity).collect();
        assert_eq!(order, [4, 2, 3, 1, 5].map(entity), "{round}");
        world.catch_up(&index);
    }
}

#[test]
fn words_of_one_entity_may_be_in_several_texts_and_phrases_in_one() {
    let world = World::new();
    world.write(vec![
        say(1, "note/title", "Big plans"),
        say(1, "note/text", "for cats, big ones"),
        say(1, "note/url", "https://example.org/plans/cats"),
        say(1, "note/type", "note"),
    ]);
    let index = index();
    world.catch_up(&index);
    assert_eq!(world.search(&index, "plans cats"), ["Big [plans]"]);
    assert_eq!(
        world.search(&index, "\"cats big\""),
        ["for [cats, big] ones"]
    );
    assert!(world.search(&index, "\"plans for\"").is_empty());
    assert!(world.search(&index, "example").is_empty());
    let query = Query::parse("plans").unwrap();
    let ask = |attributes: &[String], kind| {
        let request = Request {
            attributes,
            kind,
            ..Request::new(&query)
        };
        let found = index.search(&request, &world.now(), &|| true).unwrap();
        found.hits.len()
    };
    assert_eq!(ask(&["note/title".into()], None), 1);
    assert_eq!(ask(&["note/text".into()], None), 0);
    assert_eq!(ask(&["unheard/of".into()], None), 0);
    assert_eq!(ask(&[], Some("note")), 1);
    assert_eq!(ask(&[], Some("post")), 0);
}

#[test]
fn what_was_just_written_is_found_before_the_index_is_written() {
    let world = World::new();
    let index = index();
    world.catch_up(&index);
    world.tell(&index);
    world.write(vec![say(1, "a", "first words")]);
    assert_eq!(index.behind(), Some(1));
    assert_eq!(world.search(&index, "words"), ["first [words]"]);
    assert!(!world.write_index(&index));
    assert_eq!(index.behind(), Some(0));
    // changed, and not indexed so: neither the old words are found nor twice the new ones
    world.write(vec![say(1, "a", "second words")]);
    assert!(world.search(&index, "first").is_empty());
    assert_eq!(world.search(&index, "words"), ["second [words]"]);
    world.write(vec![Edit::Retract(entity(1), attribute("a"), None)]);
    assert!(world.search(&index, "words").is_empty());
    world.write_index(&index);
    assert!(world.search(&index, "words").is_empty());
}

#[test]
fn an_index_of_this_moment_is_taken_up_without_looking_at_texts() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new();
    world.write((0..50).map(|n| say(n, "a", "some words")).collect());
    let open = || Arc::new(Index::open(dir.path(), is_prose).unwrap());
    {
        let index = open();
        assert!(!index.resume(&world.now()).unwrap());
        let all = Caught {
            written: 50,
            removed: 0,
        };
        assert_eq!(world.catch_up(&index), all);
        world.tell(&index);
        world.write(vec![say(3, "a", "other words")]);
        world.write_index(&index);
    }
    let index = open();
    assert!(index.resume(&world.again().now()).unwrap());
    assert_eq!(world.found(&index, "other").hits.len(), 1);
    drop(index);
    // somebody else wrote
    world.write(vec![
        say(4, "a", "words apart"),
        Edit::Retract(entity(5), attribute("a"), None),
    ]);
    let index = open();
    assert!(!index.resume(&world.now()).unwrap());
    assert_eq!(index.behind(), None);
    let caught = world.catch_up(&index);
    assert_eq!((caught.written, caught.removed), (1, 1));
    assert_eq!(world.catch_up(&index), Caught::default());
}

#[test]
fn damaged_or_foreign_files_are_thrown_away() {
    let world = World::new();
    world.write(vec![say(1, "a", "some words")]);
    let dir = tempfile::tempdir().unwrap();
    let files = || fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path());
    for damage in 0..3 {
        let index = Index::open(dir.path(), is_prose).unwrap();
        world.catch_up(&index);
        assert_eq!(world.search(&index, "words"), ["some [words]"], "{damage}");
        drop(index);
        match damage {
            0 => fs::write(dir.path().join("meta.json"), "{\"not\": this").unwrap(),
            1 => files()
                .filter(|f| f.extension().is_some_and(|e| e != "json" && e != "lock"))
                .for_each(|f| fs::write(f, "x").unwrap()),
            _ => fs::remove_dir_all(dir.path()).unwrap(),
        }
    }
    let index = Index::open(dir.path(), is_prose).unwrap();
    assert_eq!(world.catch_up(&index).written, 1);
    // the index of another pod
    drop(index);
    let other = World::new();
    other.write((10..20).map(|n| say(n, "a", "of another")).collect());
    let index = Index::open(dir.path(), is_prose).unwrap();
    assert!(!index.resume(&other.now()).unwrap());
    other.catch_up(&index);
    assert_eq!(other.found(&index, "another").hits.len(), 10);
    assert!(other.search(&index, "words").is_empty());
}

#[test]
fn what_is_erased_is_in_no_file_of_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new();
    let index = Arc::new(Index::open(dir.path(), is_prose).unwrap());
    world.write(vec![
        say(1, "a", "unmistakableword here"),
        say(2, "a", "something else"),
    ]);
    world.catch_up(&index);
    world.tell(&index);
    // words lie in them in parts: a file that was there before may hold some of one
    let files = || -> BTreeSet<_> {
        let all = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path());
        all.filter(|f| f.extension().is_some_and(|e| e != "json" && e != "lock"))
            .collect()
    };
    let before = files();
    assert!(!before.is_empty());
    world.write(vec![Edit::Erase(entity(1))]);
    assert_eq!(index.behind(), None);
    assert!(world.search(&index, "unmistakable*").is_empty());
    world.catch_up(&index);
    assert!(files().is_disjoint(&before), "{before:?} {:?}", files());
    assert_eq!(world.found(&index, "something").hits.len(), 1);
}

#[test]
fn whoever_asked_can_stop() {
    let world = World::new();
    world.write((0..3_000).map(|n| say(n, "a", "some words")).collect());
    let index = index();
    let query = Query::parse("words").unwrap();
    let request = Request {
        limit: 2_000,
        ..Request::new(&query)
    };
    let stopped = |r: Result<_, SearchError>| matches!(r, Err(SearchError::Stopped));
    let now = world.now();
    assert!(stopped(index.search(&request, &now, &|| false)));
    assert!(index.catch_up(&|| world.now(), &|| false).is_err());
    world.catch_up(&index);
    assert!(stopped(index.search(&request, &now, &|| false)));
}

#[test]
fn a_phrase_of_common_words_is_found_among_many_that_have_the_words() {
    let world = World::new();
    let text = |n: u64| match n {
        2_500 => "of the people".to_owned(),
        n => format!("the sound of number {n}"),
    };
    world.write((0..3_000).map(|n| say(n, "a", &text(n))).collect());
    let index = index();
    world.catch_up(&index);
    let found = world.found(&index, "\"of the\"");
    assert_eq!(marked(&found), ["[of the] people"]);
    assert!(found.complete);
}
