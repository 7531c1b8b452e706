//! Random queries, random commits: after every commit, everything that subscribers were told is what a fresh run gives.

use super::commits::{commit, edit, first};
use super::world::{Pod, World};
use crate::agree::{inputs, named};
use crate::generate::Random;
use crate::generate::data::Data;
use crate::generate::query::Case;
use rhizome_query::ir::Element;
use std::collections::BTreeMap;

/// Commits of one pod.
const COMMITS: usize = 40;
/// Live queries on it.
const QUERIES: usize = 10;

/// Adds what the generator of one-shot queries leaves out: order, window, pull, fewer shapes.
fn varied(random: &mut Random, text: &str) -> String {
    let mut text = text.to_owned();
    if text.contains(":order") {
        return text;
    }
    let columns = columns(&text);
    if random.chance(20)
        && let Some(at) = text.find("?e")
        && text[..at].ends_with(":find ")
    {
        // an entity in the first column is pulled
        let end = at + text[at..].find([' ', ']']).unwrap_or(0);
        let pattern = *random.pick(&[
            "[*]",
            "[:s/name :n/age {:e/link [:s/name]}]",
            "[:n/size {:e/_parent [:s/kind {:e/knows [:n/age]}]}]",
            "[:id [:s/tag :limit 1] {:e/parent 3} [:n/votes :default 0]]",
        ]);
        text = format!(
            "{}(pull {} {pattern}){}",
            &text[..at],
            &text[at..end],
            &text[end..]
        );
    }
    let end = text.len() - 1;
    if random.chance(35) {
        let mut keys = String::new();
        for _ in 0..1 + random.below(2) {
            let direction = random.pick(&["asc", "desc"]);
            keys.push_str(&format!("[{} :{direction}] ", random.below(columns)));
        }
        text.insert_str(end, &format!(" :order [{keys}]"));
    }
    let end = text.len() - 1;
    if random.chance(30) {
        text.insert_str(end, &format!(" :limit {}", random.below(7)));
    }
    let end = text.len() - 1;
    if random.chance(10) {
        text.insert_str(end, &format!(" :offset {}", random.below(4)));
    }
    text
}

/// How many columns a query has.
fn columns(text: &str) -> usize {
    let find = &text["[:find ".len()..];
    let end = find.find(":with").or_else(|| find.find(":in"));
    let find = &find[..end.unwrap_or(find.len())];
    if find.starts_with('[') {
        return 1;
    }
    let mut depth = 0;
    let mut words = 0;
    for word in find.split_whitespace() {
        words += usize::from(depth == 0);
        depth += word.matches('(').count();
        depth -= word.matches(')').count();
    }
    words
}

/// Says where it happened if something fails.
pub struct Scene(pub u64, pub usize);

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}, commit {}", self.0, self.1);
        }
    }
}

/// A number that the caller may set.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_subscribers_are_told_is_what_a_fresh_run_gives() {
    let commits = setting("RHIZOME_LIVE_COMMITS").unwrap_or(1000) as usize;
    let first_seed = setting("RHIZOME_LIVE_SEED").unwrap_or(0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = |what: &'static str, n: usize| *counts.entry(what).or_default() += n;
    for seed in first_seed..first_seed + commits.div_ceil(COMMITS) as u64 {
        let mut random = Random::new(seed ^ 0x11FE);
        let data = Data::random(&mut random);
        let mut world = World::new();
        let mut other = Pod::new(2);
        // some queries are there before any data
        let early = random.chance(30);
        if !early {
            world.pod.write(1, first(&data.facts));
            world.check();
        }
        let mut subscribe = |random: &mut Random, world: &mut World| {
            let case = Case::random(random, data.entities, false);
            let (text, rules) = (named(&case.text), case.rules.as_deref().map(named));
            let text = varied(random, &text);
            let follower = world.subscribe(&text, rules.as_deref(), &inputs(&case));
            let query = world.followers[follower].query();
            let aggregates = |e: &Element| matches!(e, Element::Aggregate(..));
            for (what, there) in [
                ("queries", true),
                (
                    "with not",
                    text.contains("(not") || text.contains("missing?"),
                ),
                ("with or", text.contains("(or")),
                ("with get-else", text.contains("get-else")),
                ("with aggregates", query.find.iter().any(aggregates)),
                ("with recursion", query.rules.iter().any(|r| r.recursive)),
                ("with order", !query.order.is_empty()),
                ("with a limit", query.limit.is_some()),
                ("with pull", text.contains("(pull")),
                ("with inputs", !case.inputs.is_empty()),
            ] {
                count(what, usize::from(there));
            }
            let incremental = world.followers[follower].incremental;
            count("incremental", usize::from(incremental));
            if random.chance(30) {
                count("set apart", 1);
                world.set_apart();
            }
        };
        for _ in 0..QUERIES {
            subscribe(&mut random, &mut world);
        }
        world.check();
        if early {
            world.pod.write(1, first(&data.facts));
            world.check();
        }
        let (mut updates, mut gone) = (0, Vec::new());
        for step in 0..COMMITS {
            let scene = Scene(seed, step);
            commit(
                &mut random,
                &mut world.pod,
                &mut other,
                data.entities,
                &mut gone,
                edit,
            );
            updates += world.check();
            drop(scene);
            if random.chance(5) && !world.followers.is_empty() {
                let gone = random.below(world.followers.len());
                world.unsubscribe(gone);
                subscribe(&mut random, &mut world);
            }
        }
        count("commits", COMMITS);
        count("updates", updates);
    }
    println!("{counts:?}");
    assert!(counts["updates"] * 2 > counts["commits"], "{counts:?}");
    assert!(
        counts["incremental"] * 100 >= counts["queries"] * 99,
        "{counts:?}"
    );
}
