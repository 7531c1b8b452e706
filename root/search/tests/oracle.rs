//! What an index finds, after any history, is what a naive search over the tuples finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use rhizome_replica::{Edit, Snapshot, key, tag};
use rhizome_search::{Index, Query, Request, is_prose, scan};
use rhizome_tuple::EntityId;

use crate::world::*;

const WORDS: [&str; 9] = [
    "ant", "anthem", "bee", "cat", "Dog", "égal", "dogma", "be", "x",
];
const NAMES: [&str; 4] = ["note/text", "note/title", "note/url", "note/type"];

#[derive(Clone, Debug)]
enum Step {
    Say(u64, usize, Vec<usize>),
    Retract(u64, usize),
    Erase(u64),
    /// The index writes what it heard of.
    Write,
    /// The process ends, in whatever state the index is, and begins again.
    Restart,
    /// … with writes that no index hears of.
    Away(u64, Vec<usize>),
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    let words = || prop::collection::vec(0..WORDS.len(), 0..6);
    prop_oneof![
        8 => (0_u64..12, 0..NAMES.len(), words()).prop_map(|(e, a, w)| Step::Say(e, a, w)),
        2 => (0_u64..12, 0..NAMES.len()).prop_map(|(e, a)| Step::Retract(e, a)),
        1 => (0_u64..12).prop_map(Step::Erase),
        3 => Just(Step::Write),
        1 => Just(Step::Restart),
        1 => (0_u64..12, words()).prop_map(|(e, w)| Step::Away(e, w)),
        1 => Just(Step::Checkpoint),
    ]
}

/// Words that must be there (with whether they may go on), words that must not, and a phrase.
#[derive(Clone, Debug)]
struct Asked {
    all: Vec<(usize, bool)>,
    none: Vec<usize>,
    phrase: Vec<usize>,
    attribute: Option<usize>,
    kind: Option<usize>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let word = || 0..WORDS.len();
    (
        prop::collection::vec((word(), any::<bool>()), 1..3),
        prop::collection::vec(word(), 0..2),
        prop::collection::vec(word(), 0..3),
        prop::option::weighted(0.3, 0..2_usize),
        prop::option::weighted(0.2, word()),
    )
        .prop_map(|(all, none, phrase, attribute, kind)| Asked {
            all,
            none,
            phrase,
            attribute,
            kind,
        })
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace('é', "e")
}

fn text(words: &[usize]) -> String {
    let words: Vec<&str> = words
        .iter()
        .filter_map(|w| WORDS.get(*w).copied())
        .collect();
    words.join(", ")
}

impl Asked {
    fn written(&self) -> String {
        let mut out = String::new();
        for (word, open) in &self.all {
            out += WORDS[*word];
            out += if *open { "* " } else { " " };
        }
        for word in &self.none {
            out.extend(["-", WORDS[*word], " "]);
        }
        if !self.phrase.is_empty() {
            out.extend(["\"", &text(&self.phrase), "\""]);
        }
        out
    }

    /// Whether texts, by attribute, are what was asked for.
    fn holds(&self, texts: &BTreeMap<String, Vec<Vec<String>>>) -> bool {
        let kind = |wanted: usize| {
            let said = texts.get("note/type").into_iter().flatten();
            said.into_iter().any(|t| t.join(", ") == WORDS[wanted])
        };
        if self.kind.is_some_and(|wanted| !kind(wanted)) {
            return false;
        }
        let looked: Vec<Vec<String>> = texts
            .iter()
            .filter(|(name, _)| match self.attribute {
                Some(a) => **name == NAMES[a],
                None => is_prose(name),
            })
            .flat_map(|(_, all)| all.clone())
            .map(|all| all.iter().map(|w| fold(w)).collect())
            .collect();
        let any = |f: &dyn Fn(&String) -> bool| looked.iter().flatten().any(f);
        let phrase: Vec<String> = self.phrase.iter().map(|w| fold(WORDS[*w])).collect();
        self.all.iter().all(|(word, open)| {
            let word = fold(WORDS[*word]);
            any(&|w| *w == word || (*open && w.starts_with(&word)))
        }) && !self
            .none
            .iter()
            .any(|word| any(&|w| *w == fold(WORDS[*word])))
            && (phrase.is_empty()
                || looked
                    .iter()
                    .any(|t| t.windows(phrase.len()).any(|w| w == phrase)))
    }
}

/// All entities that are what was asked for, read from every tuple there is.
fn naive(now: &Snapshot, asked: &Asked) -> BTreeSet<EntityId> {
    let mut all: BTreeMap<EntityId, BTreeMap<String, Vec<Vec<String>>>> = BTreeMap::new();
    for k in now.eav().range(0, u128::MAX) {
        let fact = key::un_eav(k);
        if fact.v.tag != tag::TEXT {
            continue;
        }
        let words = now
            .text_with(fact.v, |t| t.split(", ").map(str::to_owned).collect())
            .unwrap();
        all.entry(now.entity_id(fact.e).unwrap())
            .or_default()
            .entry(now.attribute(fact.a).unwrap().to_owned())
            .or_default()
            .push(words);
    }
    all.into_iter()
        .filter(|(_, texts)| asked.holds(texts))
        .map(|(id, _)| id)
        .collect()
}

fn same(index: &Index, now: &Snapshot, asked: &Asked) {
    let text = asked.written();
    let query = Query::parse(&text).unwrap();
    let attributes: Vec<String> = asked.attribute.iter().map(|a| NAMES[*a].into()).collect();
    let request = Request {
        attributes: &attributes,
        kind: asked.kind.map(|k| WORDS[k]),
        limit: 1_000,
        ..Request::new(&query)
    };
    let wanted = naive(now, asked);
    let found = index.search(&request, now, &|| true).unwrap();
    let ids: BTreeSet<EntityId> = found.hits.iter().map(|h| h.entity).collect();
    assert_eq!(ids.len(), found.hits.len(), "each once");
    assert_eq!(ids, wanted, "{text}");
    assert!(found.complete && found.behind == 0);
    assert!(found.hits.is_sorted_by(|a, b| a.score >= b.score));
    assert!(found.hits.iter().all(|h| h.excerpt.iter().any(|p| p.hit)));
    let scanned = scan(&request, now, &is_prose, &|| true).unwrap();
    let ids: BTreeSet<EntityId> = scanned.hits.iter().map(|h| h.entity).collect();
    assert_eq!(ids, wanted, "scan: {text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn after_any_history_an_index_finds_what_is_there(
        steps in prop::collection::vec(step(), 1..40),
        questions in prop::collection::vec(asked(), 6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || Arc::new(Index::open(dir.path(), is_prose).unwrap());
        let mut world = World::new();
        let mut index = open();
        world.catch_up(&index);
        world.tell(&index);
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say(e, a, words) => world.write(vec![say(e, NAMES[a], &text(&words))]),
                Step::Retract(e, a) => {
                    world.write(vec![Edit::Retract(entity(e), attribute(NAMES[a]), None)]);
                }
                Step::Erase(e) => world.write(vec![Edit::Erase(entity(e))]),
                Step::Write => {
                    world.write_index(&index);
                }
                Step::Restart | Step::Away(..) => {
                    drop(index);
                    world = world.again();
                    if let Step::Away(e, words) = step {
                        world.write(vec![say(e, NAMES[0], &text(&words))]);
                    }
                    index = open();
                    world.tell(&index);
                    if !index.resume(&world.now()).unwrap() {
                        // as it is asked before it has caught up
                        same(&index, &world.now(), &questions[i % questions.len()]);
                        world.catch_up(&index);
                    }
                }
                Step::Checkpoint => world.replica.checkpoint().unwrap(),
            }
            same(&index, &world.now(), &questions[i % questions.len()]);
        }
        for asked in &questions {
            same(&index, &world.now(), asked);
        }
    }
}
