//! How much work queries do: goals direct recursion, order walks an index, and limits and cancellation end everything else.

use std::cell::Cell;

use rhizome_query::{Input, Limits, Prepared};
use rhizome_replica::Snapshot;
use rhizome_tuple::{EntityId, Value};

fn id(n: usize) -> EntityId {
    EntityId::derive("did:key:test", &n.to_be_bytes())
}

const N: usize = 20_000;

/// A chain 0 -> 1 -> 2 …, with a number and a text at each link.
fn chain() -> Snapshot {
    let facts = (0..N).flat_map(|n| {
        [
            (id(n), "next", Value::Ref(id(n + 1))),
            (id(n), "rank", Value::Integer((n as i64 * 7919) % N as i64)),
            (
                id(n),
                "word",
                Value::from(format!("word {:05}", n * 31 % N)),
            ),
        ]
    });
    Snapshot::from_facts(facts).expect("a snapshot")
}

/// Steps that a query takes, to the nearest 4,096, and its number of rows.
fn steps(snapshot: &Snapshot, text: &str, inputs: &[Input], limits: &Limits) -> (usize, usize) {
    let checks = Cell::new(0);
    let prepared = Prepared::with(text, None, limits).unwrap_or_else(|e| panic!("{text}: {e}"));
    let rows = prepared.run_while(snapshot, inputs, &|| {
        checks.set(checks.get() + 1);
        true
    });
    (
        checks.get() * 4096,
        rows.unwrap_or_else(|e| panic!("{text}: {e}")).len(),
    )
}

#[test]
fn goals_direct_recursion_and_order_walks_an_index() {
    let snapshot = chain();
    let few = Limits {
        intermediate_rows: 200,
        ..Limits::default()
    };
    let near_end = Input::from(id(N - 100));
    for rules in [
        "[[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) [?a :next ?b] (far ?b ?c)]]",
        "[[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) (far ?a ?b) [?b :next ?c]]]",
        "[[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) (far ?a ?b) (far ?b ?c)]]",
        "[[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) [?a :next ?b] [?b :rank _] (far ?b ?c)]]",
    ] {
        // from a start, to an end, and between the two
        let (n, rows) = steps(
            &snapshot,
            &format!("[:find ?x :in ?f :where (far ?f ?x) :rules {rules}]"),
            std::slice::from_ref(&near_end),
            &few,
        );
        assert_eq!((n, rows), (0, 100), "{rules}");
        let (n, rows) = steps(
            &snapshot,
            &format!("[:find ?x :in ?f :where (far ?x ?f) :rules {rules}]"),
            &[id(50).into()],
            &few,
        );
        assert_eq!((n, rows), (0, 50), "{rules}");
        let between = format!("[:find ?f :in ?f ?g :where (far ?f ?g) :rules {rules}]");
        assert_eq!(
            steps(&snapshot, &between, &[near_end.clone(), id(N).into()], &few),
            (0, 1),
            "{rules}"
        );
        assert_eq!(
            steps(&snapshot, &between, &[near_end.clone(), id(3).into()], &few),
            (0, 0),
            "{rules}"
        );
    }
    for (text, expected) in [
        (
            "[:find ?e ?r :where [?e :rank ?r] :order [[?r :desc]] :limit 5]",
            5,
        ),
        (
            "[:find ?e ?r :where [?e :rank ?r] [?e :next _] :order [[?r :asc]] :limit 5 :offset 10]",
            5,
        ),
        (
            "[:find ?e ?w :where [?e :word ?w] [?e :next ?n] :order [[?w :desc]] :limit 5]",
            5,
        ),
        ("[:find ?e :where [?e :rank ?r] [(< ?r 20)]]", 20),
        ("[:find ?e :where [?e :rank ?r] [(<= 5 ?r)] [(< ?r 7)]]", 2),
        ("[:find ?e :where [?e :rank 5]]", 1),
        ("[:find ?e :where [?e :next] :limit 3]", 3),
        ("[:find ?e . :where [?e :next]]", 1),
    ] {
        let (n, rows) = steps(&snapshot, text, &[], &Limits::default());
        // texts are ordered by their first four bytes in the index, and those are the same here: the whole attribute is read
        let most = if text.contains(":word") {
            usize::MAX
        } else {
            0
        };
        assert!(
            n <= most && rows == expected,
            "{text}: {n} steps, {rows} rows"
        );
    }
}

#[test]
fn text_that_ties_in_its_first_bytes_is_still_ordered() {
    let snapshot = chain();
    let prepared =
        Prepared::new("[:find [?w ...] :where [_ :word ?w] :order [[?w :desc]] :limit 3]")
            .expect("compiles");
    let rows = prepared.run(&snapshot, &[]).expect("runs");
    let words: Vec<_> = (0..rows.len()).filter_map(|r| rows.value(r, 0)).collect();
    assert_eq!(
        words,
        ["word 19999", "word 19998", "word 19997"].map(Value::from)
    );
}

#[test]
fn limits_end_what_would_not_end() {
    let snapshot = chain();
    let small = Limits {
        intermediate_rows: 10_000,
        result_rows: 1000,
        ..Limits::default()
    };
    for (text, limit) in [
        // an endless rule: every number has a next one
        (
            "[:find ?x :where (n ?x) :rules [[(n ?x) [(ground 0) ?x]] [(n ?y) (n ?x) [(inc ?x) ?y]]]]",
            "intermediate_rows",
        ),
        (
            "[:find ?a ?b :where (far ?a ?b) :rules [[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) (far ?a ?b) [?b :next ?c]]]]",
            "intermediate_rows",
        ),
        (
            "[:find ?a ?b :where [?a :rank ?x] [?b :rank ?y]]",
            "intermediate_rows",
        ),
        (
            "[:find (median ?x) :with ?b :where [_ :rank ?x] [?b :rank]]",
            "intermediate_rows",
        ),
        (
            "[:find ?a :where [?a :rank ?x] [(< ?x 5000)]]",
            "result_rows",
        ),
    ] {
        let error = Prepared::with(text, None, &small)
            .and_then(|p| p.run(&snapshot, &[]).map(|r| r.len()))
            .expect_err(text);
        assert_eq!(error.code(), "limit", "{text}: {error}");
        assert!(error.to_string().contains(limit), "{text}: {error}");
    }
}

#[test]
fn a_check_that_says_no_ends_the_query() {
    let snapshot = chain();
    for text in [
        "[:find (count ?a) . :with ?b :where [?a :rank ?x] [?b :rank ?y] [(< ?x ?y)]]",
        "[:find ?b :where (far ?a ?b) :rules [[(far ?a ?b) [?a :next ?b]] [(far ?a ?c) (far ?a ?b) [?b :next ?c]]]]",
    ] {
        let left = Cell::new(3);
        let error = Prepared::new(text).and_then(|p| {
            p.run_while(&snapshot, &[], &|| {
                left.set(left.get() - 1);
                left.get() > 0
            })
        });
        assert_eq!(error.map(|r| r.len()).expect_err(text).code(), "cancelled");
    }
}

#[test]
fn a_plan_is_made_anew_when_the_pod_has_changed() {
    let prepared =
        Prepared::new("[:find ?e :in ?r :where [?e :rank ?r] [?e :next _]]").expect("compiles");
    let tiny = Snapshot::from_facts([(id(0), "rank", Value::Integer(5))]).expect("a snapshot");
    for _ in 0..2 {
        assert_eq!(prepared.run(&tiny, &[5i64.into()]).expect("runs").len(), 0);
        assert_eq!(
            prepared.run(&chain(), &[5i64.into()]).expect("runs").len(),
            1
        );
    }
}
