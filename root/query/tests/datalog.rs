//! Datalog by example: what each part of the language means.

use rhizome_query::{Input, Limits, Prepared, QueryError};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

fn id(name: &str) -> EntityId {
    EntityId::derive("did:key:test", name.as_bytes())
}

fn rz(name: &str) -> String {
    id(name).to_string()
}

fn pod() -> Snapshot {
    let text = |s: &str| Value::from(s);
    let facts = vec![
        (id("ada"), "p/name", text("Ada")),
        (id("ada"), "p/age", Value::Integer(36)),
        (id("ada"), "p/height", Value::Float(1.5)),
        (id("ada"), "p/born", Value::Time(-4_900_000_000_000)),
        (id("ada"), "p/tag", text("maths")),
        (id("ada"), "p/tag", text("poetry")),
        (id("ada"), "p/knows", Value::Ref(id("bob"))),
        (id("bob"), "p/name", text("Bob")),
        (id("bob"), "p/age", Value::Integer(40)),
        (id("bob"), "p/height", Value::Float(2.0)),
        (id("bob"), "p/knows", Value::Ref(id("eve"))),
        (id("bob"), "p/note", text(&rz("eve"))),
        (id("eve"), "p/name", text("Eve")),
        (id("eve"), "p/age", Value::Float(40.0)),
        (id("eve"), "p/active", Value::Boolean(true)),
        (id("eve"), "p/knows", Value::Ref(id("ada"))),
        (id("eve"), "p/knows", Value::Ref(id("bob"))),
    ];
    Snapshot::from_facts(facts).expect("a snapshot")
}

fn rows(text: &str, inputs: &[Input]) -> Result<Vec<Json>, QueryError> {
    let rows = Prepared::new(text)?.run(&pod(), inputs)?;
    let Json::Array(all) = rows.to_json()?["rows"].take() else {
        panic!("rows are an array")
    };
    Ok(all)
}

/// Rows sorted, entities by name.
fn sorted(text: &str, inputs: &[Input]) -> Json {
    let names = ["ada", "bob", "eve"];
    let mut out = json!(rows(text, inputs).unwrap_or_else(|e| panic!("{text}: {e}"))).to_string();
    for name in names {
        out = out.replace(&rz(name), &format!("@{name}"));
    }
    let mut all: Vec<Json> = serde_json::from_str(&out).expect("still JSON");
    all.sort_by_key(Json::to_string);
    Json::Array(all)
}

#[test]
fn clauses_mean_what_they_say() {
    let rz_bob = rz("bob");
    let knows = ":where [?a :p/knows ?b]";
    for (text, expected) in [
        // patterns
        ("[:find ?e :where [?e \"p/name\" \"Ada\"]]".to_owned(), json!([["@ada"]])),
        ("[:find ?e :where [?e :p/active true]]".into(), json!([["@eve"]])),
        ("[:find ?e :where [?e :p/name]]".into(), json!([["@ada"], ["@bob"], ["@eve"]])),
        ("[:find ?n :where [_ :p/name ?n]]".into(), json!([["Ada"], ["Bob"], ["Eve"]])),
        ("{:find [?n] :where [[_ :p/name ?n]]}".into(), json!([["Ada"], ["Bob"], ["Eve"]])),
        ("[:find ?e :where [?e :p/nothing]]".into(), json!([])),
        ("[:find ?e :where [?e :p/name \"nobody\"]]".into(), json!([])),
        // ids: an entity as entity; as value the reference and the text
        (format!("[:find ?n :where [{rz_bob:?} :p/name ?n]]"), json!([["Bob"]])),
        (format!("[:find ?e ?a :where [?e ?a {:?}]]", rz("eve")), json!([["@bob", "p/knows"], ["@bob", "p/note"]])),
        // types are kept apart by patterns, joined by value by predicates
        ("[:find ?e :where [?e :p/age 40]]".into(), json!([["@bob"]])),
        ("[:find ?e :where [?e :p/age 40.0]]".into(), json!([["@eve"]])),
        ("[:find ?e :where [?e :p/age ?x] [(= ?x 40)]]".into(), json!([["@bob"], ["@eve"]])),
        ("[:find ?e :where [?e :p/height ?x] [(>= ?x 2)]]".into(), json!([["@bob"]])),
        ("[:find ?e :where [?e :p/born ?t] [(< ?t #inst \"1815-01-01\")]]".into(), json!([["@ada"]])),
        ("[:find ?e :where [?e :p/born #inst \"1814-09-23T00:53:20Z\"]]".into(), json!([["@ada"]])),
        ("[:find ?e :where [?e :p/name ?n] [(< ?n 3)]]".into(), json!([])),
        // attribute variables are text
        (format!("[:find ?a :where [{rz_bob:?} ?a _] [(starts-with? ?a \"p/n\")]]"), json!([["p/name"], ["p/note"]])),
        ("[:find ?v :in ?a :where [_ ?a ?v]]".into(), json!([["Ada"], ["Bob"], ["Eve"]])),
        // not, or
        ("[:find ?e :where [?e :p/name] (not [?e :p/tag])]".into(), json!([["@bob"], ["@eve"]])),
        ("[:find ?e :where (not [?e :p/tag _]) [?e :p/name _]]".into(), json!([["@bob"], ["@eve"]])),
        ("[:find ?e :where [?e :p/name] (not-join [?e] [?e :p/knows ?x] [?x :p/tag])]".into(), json!([["@ada"], ["@bob"]])),
        ("[:find ?e :where (or [?e :p/name \"Ada\"] [?e :p/active true])]".into(), json!([["@ada"], ["@eve"]])),
        ("[:find ?e :where (or-join [?e] [?e :p/name \"Ada\"] (and [?e :p/knows ?x] [?x :p/name \"Eve\"]))]".into(), json!([["@ada"], ["@bob"]])),
        ("[:find ?e :where [?e :p/age ?x] (or-join [[?x]] [(< ?x 38)])]".into(), json!([["@ada"]])),
        // functions
        ("[:find ?e ?y :where [?e :p/age ?x] [(+ ?x 1) ?y]]".into(), json!([["@ada", 37], ["@bob", 41], ["@eve", 41.0]])),
        ("[:find ?y :where [_ :p/height ?x] [(* ?x 2) ?y]]".into(), json!([[3.0], [4.0]])),
        ("[:find ?y :where [?e :p/name \"Bob\"] [?e :p/age ?x] [(/ ?x 3) ?y]]".into(), json!([[40.0 / 3.0]])),
        ("[:find ?y :where [?e :p/name \"Bob\"] [?e :p/age ?x] [(/ ?x 4) ?y]]".into(), json!([[10]])),
        ("[:find ?y :where [?e :p/name \"Bob\"] [?e :p/age ?x] [(/ ?x 0) ?y]]".into(), json!([])),
        ("[:find ?s :where [_ :p/name ?n] [(str ?n \"-\" 1) ?s]]".into(), json!([["Ada-1"], ["Bob-1"], ["Eve-1"]])),
        ("[:find ?s ?l :where [_ :p/name ?n] [(lower-case ?n) ?s] [(count ?s) ?l] [(= ?s \"ada\")]]".into(), json!([["ada", 3]])),
        ("[:find ?e :where [?e :p/name ?n] [(upper-case \"eve\") ?u] [(lower-case ?n) ?l] [(lower-case ?u) ?l]]".into(), json!([["@eve"]])),
        ("[:find ?e ?t :where [?e :p/name] [(get-else $ ?e :p/tag \"none\") ?t]]".into(), json!([["@ada", "maths"], ["@ada", "poetry"], ["@bob", "none"], ["@eve", "none"]])),
        ("[:find ?e :where [?e :p/name] [(missing? $ ?e :p/tag)]]".into(), json!([["@bob"], ["@eve"]])),
        ("[:find ?x ?y :where [(ground [[1 2] [3 4]]) [[?x ?y]]]]".into(), json!([[1, 2], [3, 4]])),
        ("[:find ?x ?y :where [(ground [1 2]) [?x ?y]]]".into(), json!([[1, 2]])),
        ("[:find ?e :where [(ground [\"Ada\" \"Bob\"]) [?n ...]] [?e :p/name ?n]]".into(), json!([["@ada"], ["@bob"]])),
        (format!("[:find ?n :where [(ground {rz_bob:?}) ?e] [?e :p/name ?n]]"), json!([["Bob"]])),
        (format!("[:find ?n :where [?e :p/name ?n] [(!= ?e {rz_bob:?})]]"), json!([["Ada"], ["Eve"]])),
        // rules
        (format!("[:find ?n :where (far {rz_bob:?} ?x) [?x :p/name ?n] :rules [[(far ?a ?b) [?a :p/knows ?b]] [(far ?a ?c) (far ?a ?b) [?b :p/knows ?c]]]]"), json!([["Ada"], ["Bob"], ["Eve"]])),
        ("[:find ?a ?b :where [?a :p/age ?x] [?b :p/age ?y] (older ?x ?y) :rules [[(older ?p ?q) [(> ?p ?q)]]]]".into(), json!([["@bob", "@ada"], ["@eve", "@ada"]])),
        ("[:find ?n :where (old ?e 38) [?e :p/name ?n] :rules [[(old ?e [?limit]) [?e :p/age ?x] [(> ?x ?limit)]]]]".replace("(old ?e [?limit])", "(old [?limit] ?e)").replace("(old ?e 38)", "(old 38 ?e)"), json!([["Bob"], ["Eve"]])),
        // find shapes, with, aggregates
        (format!("[:find (count ?b) . {knows}]"), json!([[3]])),
        (format!("[:find (count ?b) . :with ?a {knows}]"), json!([[4]])),
        (format!("[:find ?a (count ?b) {knows}]"), json!([["@ada", 1], ["@bob", 1], ["@eve", 2]])),
        ("[:find (sum ?x) (min ?x) (max ?x) (avg ?x) :with ?e :where [?e :p/age ?x]]".into(), json!([[116.0, 36, 40.0, 116.0 / 3.0]])),
        ("[:find (min 2 ?n) (max 2 ?n) (distinct ?n) :where [_ :p/name ?n]]".into(), json!([[["Ada", "Bob"], ["Eve", "Bob"], ["Ada", "Bob", "Eve"]]])),
        ("[:find (median ?x) (variance ?x) (stddev ?x) :where [(ground [1 2 3 4]) [?x ...]]]".into(), json!([[2.5, 1.25, 1.25f64.sqrt()]])),
        ("[:find (avg ?t) :where [_ :p/born ?t]]".into(), json!([[-4_900_000_000_000i64]])),
        ("[:find (count ?e) :where [?e :p/nothing]]".into(), json!([])),
        ("[:find ?a (count-distinct ?v) :where [?e :p/name \"Ada\"] [?e ?a ?v]]".into(), json!([["p/age", 1], ["p/born", 1], ["p/height", 1], ["p/knows", 1], ["p/name", 1], ["p/tag", 2]])),
        ("[:find (pull ?e [:p/name {:p/knows [:p/name]}]) :where [?e :p/tag \"maths\"]]".into(), json!([[{ "p/name": "Ada", "p/knows": { "p/name": "Bob" } }]])),
    ] {
        let inputs = if text.contains(":in ?a") { vec![Input::from("p/name")] } else { vec![] };
        assert_eq!(sorted(&text, &inputs), expected, "{text}");
    }
}

#[test]
fn order_limit_offset() {
    for (text, expected) in [
        (
            "[:find ?n :where [_ :p/name ?n] :order [[?n :desc]]]",
            json!([["Eve"], ["Bob"], ["Ada"]]),
        ),
        (
            "[:find ?n :where [_ :p/name ?n] :order ?n :limit 2]",
            json!([["Ada"], ["Bob"]]),
        ),
        (
            "[:find ?n :where [_ :p/name ?n] :order [?n :desc] :limit 1 :offset 1]",
            json!([["Bob"]]),
        ),
        (
            "[:find ?n :where [_ :p/name ?n] :order [?n] :offset 5]",
            json!([]),
        ),
        ("[:find ?n :where [_ :p/name ?n] :limit 0]", json!([])),
        // numbers of all types in one order; ties by the other columns
        (
            "[:find ?n ?x :where [?e :p/name ?n] [?e :p/age ?x] :order [[?x :desc] [?n :desc]]]",
            json!([["Eve", 40.0], ["Bob", 40], ["Ada", 36]]),
        ),
        (
            "[:find ?n ?x :where [?e :p/name ?n] [?e :p/age ?x] :order [[?x :desc]] :limit 2]",
            json!([["Eve", 40.0], ["Bob", 40]]),
        ),
        (
            "[:find ?n ?x :where [?e :p/name ?n] [?e :p/age ?x] :order [[?x :asc]] :limit 2]",
            json!([["Ada", 36], ["Bob", 40]]),
        ),
        (
            "[:find ?n (count ?b) :where [?a :p/name ?n] [?a :p/knows ?b] :order [[1 :desc]] :limit 1]",
            json!([["Eve", 2]]),
        ),
        (
            "[:find ?n . :where [_ :p/name ?n] :order [[?n :desc]]]",
            json!([["Eve"]]),
        ),
        (
            "[:find [?n ?x] :where [?e :p/name ?n] [?e :p/age ?x] :order [[?x :asc]]]",
            json!([["Ada", 36]]),
        ),
        (
            "[:find [?n ...] :where [_ :p/name ?n] :order [[?n :asc]]]",
            json!([["Ada"], ["Bob"], ["Eve"]]),
        ),
        (
            "{:find [?n] :where [[_ :p/name ?n]] :order [[?n :desc]] :limit 1}",
            json!([["Eve"]]),
        ),
    ] {
        assert_eq!(
            json!(rows(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))),
            expected,
            "{text}"
        );
    }
}

#[test]
fn inputs_bind_and_are_checked() {
    let ages = "[:find ?n :in $ [[?n ?x]] :where [?e :p/name ?n] [?e :p/age ?x]]";
    let relation = Input::Relation(vec![
        vec!["Ada".into(), 36i64.into()],
        vec!["Bob".into(), 41i64.into()],
    ]);
    assert_eq!(sorted(ages, &[relation]), json!([["Ada"]]));
    let tuple = Input::Tuple(vec!["Bob".into(), 40i64.into()]);
    assert_eq!(
        sorted(
            "[:find ?e :in [?n ?x] :where [?e :p/name ?n] [?e :p/age ?x]]",
            &[tuple]
        ),
        json!([["@bob"]])
    );
    let collection =
        Input::Collection(vec!["Bob".into(), "Eve".into(), "Eve".into(), "Zed".into()]);
    assert_eq!(
        sorted(
            "[:find ?e :in [?n ...] :where [?e :p/name ?n]]",
            &[collection]
        ),
        json!([["@bob"], ["@eve"]])
    );
    assert_eq!(
        sorted(
            "[:find ?x :in [?x ...]]",
            &[Input::Collection(vec![1i64.into(), 2i64.into()])]
        ),
        json!([[1], [2]])
    );
    let by_json = |text: &str, inputs: Json| {
        let prepared = Prepared::new(text)?;
        let rows = prepared.run_json(&pod(), inputs.as_array().expect("inputs"))?;
        rows.to_json().map(|j| j["rows"].clone())
    };
    assert_eq!(
        by_json(
            "[:find ?n :in ?e :where [?e :p/name ?n]]",
            json!([rz("eve")])
        ),
        Ok(json!([["Eve"]]))
    );
    assert_eq!(
        by_json(
            "[:find ?n :in ?e :where [?x :p/knows ?e] [?x :p/name ?n]]",
            json!([rz("ada")])
        ),
        Ok(json!([["Eve"]]))
    );
    assert_eq!(
        by_json(
            "[:find ?e :in ?t :where [?e :p/born ?t]]",
            json!([{ "time": "1814-09-23T00:53:20Z" }])
        ),
        Ok(json!([[rz("ada")]]))
    );
    for (text, inputs, part) in [
        (
            "[:find ?e :in ?n :where [?e :p/name ?n]]",
            json!([]),
            "expected 1 inputs, found 0",
        ),
        (
            "[:find ?e :in [?n ...] :where [?e :p/name ?n]]",
            json!(["Ada"]),
            "expected an array",
        ),
        (
            "[:find ?e :in [[?n ?m]] :where [?e :p/name ?n] [?e :p/tag ?m]]",
            json!([[["Ada"]]]),
            "expected rows of 2",
        ),
        (
            "[:find ?e :in ?n :where [?e :p/name ?n]]",
            json!([null]),
            "expected a value, found null",
        ),
    ] {
        let error = by_json(text, inputs).expect_err(text);
        assert!(
            error.code() == "input" && error.to_string().contains(part),
            "{text}: {error}"
        );
    }
}

#[test]
fn rules_can_come_apart_from_the_query() {
    let text = "[:find ?n :in $ % :where (friend ?e) [?e :p/name ?n]]";
    let rules = "[[(friend ?x) [_ :p/knows ?x]]]";
    let prepared = Prepared::with(text, Some(rules), &Limits::default()).expect("compiles");
    assert_eq!(prepared.run(&pod(), &[]).expect("runs").len(), 3);
    assert_eq!(
        Prepared::with(text, None, &Limits::default())
            .expect_err("no rules")
            .code(),
        "unknown-name"
    );
}

#[test]
fn a_sum_that_does_not_fit_is_an_error() {
    let text = format!(
        "[:find (sum ?x) :with ?y :where [(ground [[{0} 1] [{0} 2]]) [[?x ?y]]]]",
        i64::MAX
    );
    assert_eq!(rows(&text, &[]).expect_err("too large").code(), "overflow");
    let text = format!("[:find ?y :where [(ground {}) ?x] [(+ ?x 1) ?y]]", i64::MAX);
    assert_eq!(rows(&text, &[]), Ok(vec![]));
}

#[test]
fn ids_of_entities_are_those_of_the_values() {
    let id = |n: u8| EntityId::derive("did:key:test", &[n]);
    let facts = (0..40).flat_map(|n| {
        [
            (id(n), "to", Value::Ref(id(n / 4))),
            (id(n), "number", Value::Integer(i64::from(n))),
        ]
    });
    let snapshot = Snapshot::from_facts(facts).expect("a snapshot");
    let query = Prepared::new("[:find ?a ?n ?b :where [?a :to ?b] [?a :number ?n]]");
    let rows = query
        .and_then(|q| q.run(&snapshot, &[]))
        .expect("forty rows");
    assert_eq!(rows.len(), 40);
    let mut ids = rows.entity_ids();
    // forwards, and then back over rows that were read before
    for row in (0..40).chain((0..40).rev()) {
        for column in 0..4 {
            let expected = match rows.value(row, column) {
                Some(Value::Ref(id)) => Some(id),
                _ => None,
            };
            assert_eq!(ids.get(row, column), expected, "{row} {column}");
        }
    }
    assert_eq!(ids.get(40, 0), None);
}
