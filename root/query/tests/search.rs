//! `fulltext` and `$search`, answered by somebody who looks for whole words.

use rhizome_query::iql::{Names, Query};
use rhizome_query::{
    FoundText, Limits, LiveLimits, LiveSet, MAX_TEXTS, Prepared, QueryError, TextSearch,
};
use rhizome_replica::{Snapshot, key, tag};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

fn id(name: &str) -> EntityId {
    EntityId::derive("did:key:test", name.as_bytes())
}

fn pod() -> Snapshot {
    let mut facts = Vec::new();
    for (post, title, text) in [
        ("p1", "big news", "a cat and a dog"),
        ("p2", "cat news", "nothing"),
        ("p3", "none", "cat cat cat"),
    ] {
        facts.push((id(post), "note/type", Value::from("note")));
        facts.push((id(post), "note/title", Value::from(title)));
        facts.push((id(post), "note/text", Value::from(text)));
    }
    Snapshot::from_facts(facts).unwrap()
}

/// Texts that have all words; how often, is the score.
struct Whole(Snapshot);

impl TextSearch for Whole {
    fn texts(&self, attribute: Option<&str>, words: &str) -> Result<Vec<FoundText>, String> {
        if words == "too many" {
            let one = FoundText {
                entity: id("p1"),
                text: String::new(),
                score: 0.0,
            };
            return Ok(vec![one; MAX_TEXTS + 1]);
        }
        if words.is_empty() {
            return Err("there is no word to look for".into());
        }
        let mut out: Vec<FoundText> = Vec::new();
        for fact in self.0.eav().range(0, u128::MAX).map(key::un_eav) {
            let name = self.0.attribute(fact.a).unwrap();
            if fact.v.tag != tag::TEXT || attribute.is_some_and(|a| a != name) {
                continue;
            }
            let text = self.0.text_with(fact.v, str::to_owned).unwrap();
            let count = |word: &str| text.split(' ').filter(|w| *w == word).count();
            if words.split(' ').all(|word| count(word) > 0) {
                out.push(FoundText {
                    entity: self.0.entity_id(fact.e).unwrap(),
                    score: words.split(' ').map(count).sum::<usize>() as f64,
                    text,
                });
            }
        }
        Ok(out)
    }
}

fn datalog(text: &str) -> Result<Json, QueryError> {
    let now = pod();
    let query = Prepared::searching(text, &Limits::default(), &Whole(now.clone()))?;
    let rows = query.run(&now, &[])?.to_json()?;
    Ok(rows["rows"].clone())
}

fn nested(query: &Json) -> Result<Json, QueryError> {
    let now = pod();
    let query = Query::from_json(query, &Limits::default())?;
    let (names, limits) = (Names::default(), Limits::default());
    query.run_searching(&now, &names, &limits, &|| true, &Whole(now.clone()))
}

#[test]
fn fulltext_binds_entity_text_and_score_and_joins_like_any_clause() {
    let all = "[:find ?title ?score :where [(fulltext $ :note/text \"cat\") [[?e ?text ?score]]] [?e :note/title ?title] :order [[?score :desc]]]";
    assert_eq!(
        datalog(all).unwrap(),
        json!([["none", 3.0], ["big news", 1.0]])
    );
    let any = "[:find ?t :where [(fulltext $ \"cat\") [[_ ?t]]] :order [?t]]";
    assert_eq!(
        datalog(any).unwrap(),
        json!([["a cat and a dog"], ["cat cat cat"], ["cat news"]])
    );
    let not = "[:find ?title :where [?e :note/title ?title] (not [(fulltext $ :note/text \"cat\") [?e ...]])]";
    assert_eq!(datalog(not).unwrap(), json!([["cat news"]]));
    let none = "[:find ?e :where [(fulltext $ :note/text \"bird\") [[?e]]]]";
    assert_eq!(datalog(none).unwrap(), json!([]));
    let rule = "[:find ?t :rules [[(about ?e) [(fulltext $ :note/text \"dog\") [[?e]]]]] :where (about ?e) [?e :note/title ?t]]";
    assert_eq!(datalog(rule).unwrap(), json!([["big news"]]));
}

#[test]
fn search_is_a_test_of_a_field() {
    let titles = |condition: Json| {
        let found = nested(
            &json!({ "note": { "$": { "where": condition, "order": { "title": "asc" } } } }),
        )?;
        let all = found["note"].as_array().unwrap().iter();
        Ok::<_, QueryError>(all.map(|n| n["title"].clone()).collect::<Json>())
    };
    assert_eq!(
        titles(json!({ "text": { "$search": "cat" } })).unwrap(),
        json!(["big news", "none"])
    );
    assert_eq!(
        titles(json!({ "text": { "$search": "cat", "$like": "a%" } })).unwrap(),
        json!(["big news"])
    );
    assert_eq!(
        titles(json!({ "text": { "$not": { "$search": "cat" } } })).unwrap(),
        json!(["cat news"])
    );
    assert_eq!(
        titles(
            json!({ "or": [{ "text": { "$search": "dog" } }, { "title": { "$search": "cat" } }] })
        )
        .unwrap(),
        json!(["big news", "cat news"])
    );
    assert_eq!(
        titles(json!({ "text": { "$search": "bird" } })).unwrap(),
        json!([])
    );
    for (refused, code) in [
        (json!({ "text": { "$search": "" } }), "search"),
        (json!({ "text": { "$search": "too many" } }), "search"),
        (json!({ "text": { "$search": 5 } }), "shape"),
        (json!({ "id": { "$search": "cat" } }), "shape"),
        (
            json!({ "text": { "$not": { "$not": { "$search": "cat" } } } }),
            "shape",
        ),
    ] {
        assert_eq!(
            titles(refused.clone()).unwrap_err().code(),
            code,
            "{refused}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let refused = |text: &str| datalog(text).unwrap_err();
    let error = refused("[:find ?e :where\n [(fulltext $ :note/text \"too many\") [[?e]]]]");
    assert_eq!(
        (error.code(), error.position().unwrap().line),
        ("search", 2)
    );
    for wrong in [
        "[:find ?e :where [(fulltext $ ?a \"cat\") [[?e]]] [?e ?a _]]",
        "[:find ?e :where [(fulltext $ :note/text \"cat\") ?e]]",
        "[:find ?e :where [(fulltext $) [[?e]]]]",
    ] {
        assert_eq!(refused(wrong).code(), "syntax", "{wrong}");
    }
}

#[test]
fn a_live_query_is_refused_and_says_why() {
    let text = "[:find ?e :where [(fulltext $ :note/text \"cat\") [[?e]]]]";
    let error = Prepared::new(text).unwrap_err();
    assert!(
        error.code() == "search" && error.to_string().contains("live"),
        "{error}"
    );
    let query = json!({ "note": { "$": { "where": { "text": { "$search": "cat" } } } } });
    let query = Query::from_json(&query, &Limits::default()).unwrap();
    let now = pod();
    let mut live = LiveSet::new(&now, LiveLimits::default());
    let error = live
        .subscribe_nested(&query, &Names::default(), &Limits::default())
        .unwrap_err();
    assert!(error.to_string().contains("live"), "{error}");
}
