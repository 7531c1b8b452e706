//! Policies: against the oracle, and case by case.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use rhizome_capability::policy::{MAX_DEPTH, MAX_STATEMENTS, PolicyError};
use rhizome_capability::{Ipld, Policy};

use crate::oracle::{self, Path, Step, Tree, holds};

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c_1"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Ipld> {
    prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::from),
        (-3..4_i64).prop_map(Ipld::from),
        (-6..7_i32).prop_map(|half| Ipld::from(f64::from(half) / 2.0)),
        "[ab*\\\\é]{0,4}".prop_map(Ipld::from),
        vec(any::<u8>(), 0..4).prop_map(Ipld::from),
    ]
}

fn data() -> impl Strategy<Value = Ipld> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Ipld::List),
            btree_map(prop_oneof![name(), Just("x-\"é".to_owned())], inner, 0..4)
                .prop_map(Ipld::Map),
        ]
    })
}

fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![
        4 => name().prop_map(Step::Name),
        2 => prop_oneof![name(), Just("x-\"é".to_owned())].prop_map(Step::Quoted),
        1 => Just(Step::Values),
        2 => (-3..3_i64).prop_map(Step::Index),
        1 => (option::of(-3..3_i64), option::of(-3..3_i64))
            .prop_filter("an end", |(from, to)| from.is_some() || to.is_some())
            .prop_map(|(from, to)| Step::Slice(from, to)),
    ];
    vec((step, prop::bool::weighted(0.2)), 0..4)
}

fn tree() -> impl Strategy<Value = Tree> {
    let order = prop::sample::select(vec!["<", "<=", ">", ">="]);
    let number = prop_oneof![
        (-3..4_i64).prop_map(Ipld::from),
        (-6..7_i32).prop_map(|half| Ipld::from(f64::from(half) / 2.0)),
    ];
    let equality = prop::sample::select(vec!["==", "!="]);
    let leaf = prop_oneof![
        (equality, path(), data()).prop_map(|(op, path, value)| Tree::Compare(op, path, value)),
        (order, path(), number).prop_map(|(op, path, value)| Tree::Compare(op, path, value)),
        (path(), "[ab*\\\\é]{0,5}").prop_map(|(path, pattern)| Tree::Like(path, pattern)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let connective = prop::sample::select(vec!["and", "or"]);
        let quantifier = prop::sample::select(vec!["all", "any"]);
        prop_oneof![
            (connective, vec(inner.clone(), 0..3)).prop_map(|(op, trees)| Tree::Connect(op, trees)),
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            (quantifier, path(), inner).prop_map(|(op, path, tree)| Tree::Quantify(
                op,
                path,
                Box::new(tree)
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn as_the_oracle_says(trees in vec(tree(), 0..3), data in data()) {
        let statements: Vec<Ipld> = trees.iter().map(oracle::ipld).collect();
        let policy = Policy::from_ipld(&statements).unwrap();
        prop_assert_eq!(policy.matches(&data), trees.iter().all(|tree| holds(tree, &data)));
        prop_assert_eq!(policy.to_ipld(), statements);
    }

    #[test]
    fn patterns_as_the_oracle_says(pattern in "[ab*\\\\é]{0,8}", text in "[ab*\\\\é]{0,8}") {
        let policy = Policy::new().like(".", &pattern).unwrap();
        prop_assert_eq!(policy.matches(&text.as_str().into()), oracle::glob(&pattern, &text));
    }

    #[test]
    fn no_selector_panics(selector in "[.\\[\\]\"?:a0\\\\*-]{0,12}", data in data()) {
        if let Ok(policy) = Policy::new().equal(&selector, 1) {
            policy.matches(&data);
        }
    }
}

fn json(policy: &str) -> Policy {
    Policy::from_json(policy).unwrap()
}

#[test]
fn numbers_are_compared_exactly() {
    let big = (1_i64 << 53) + 1;
    let equal = Policy::new().equal(".", (1_i64 << 53) as f64).unwrap();
    assert!(!equal.matches(&big.into()));
    assert!(equal.matches(&(big - 1).into()));
    assert!(json(r#"[["<", ".", -0.5]]"#).matches(&(-1).into()));
    assert!(!json(r#"[["<", ".", -0.5]]"#).matches(&0.into()));
    assert!(json(r#"[["<", ".", 1e300]]"#).matches(&u64::MAX.into()));
}

#[test]
fn what_cannot_be_read() {
    let error = |policy: &str| Policy::from_json(policy).unwrap_err();
    assert!(matches!(error("{"), PolicyError::Json(_)));
    assert_eq!(error("[1]"), PolicyError::Statement);
    assert_eq!(error("[[]]"), PolicyError::Statement);
    assert_eq!(
        error(r#"[["~", ".a", 1]]"#),
        PolicyError::Operator("~".into())
    );
    for arguments in [
        r#"[["==", ".a"]]"#,
        r#"[["<", ".a", "1"]]"#,
        r#"[["like", ".a", 1]]"#,
        r#"[["and", {}]]"#,
        r#"[["not"]]"#,
    ] {
        assert!(
            matches!(error(arguments), PolicyError::Arguments(_)),
            "{arguments}"
        );
    }
    for selector in [
        "",
        "a",
        "..a",
        ".a.",
        ".a..b",
        ".1a",
        ".a-b",
        ".[a]",
        ".[:]",
        ".[1",
        ".[+1]",
        ".[\"a]",
        ".a!!",
        ".[1:2:3]",
        ".[99999999999999999999]",
        ". a",
        ".é",
    ] {
        let policy = Policy::new().equal(selector, 1);
        assert_eq!(policy, Err(PolicyError::Selector(selector.into())));
    }
}

#[test]
fn bounds() {
    let nest = |depth| {
        let inner = r#"["==", ".", 1]"#.to_owned();
        let nested = (0..depth).fold(inner, |inner, _| format!(r#"["not", {inner}]"#));
        Policy::from_json(&format!("[{nested}]"))
    };
    assert!(nest(MAX_DEPTH - 1).is_ok());
    assert_eq!(nest(MAX_DEPTH), Err(PolicyError::TooLarge));
    let statement = Ipld::List(vec!["==".into(), ".".into(), 1.into()]);
    assert!(Policy::from_ipld(&vec![statement.clone(); MAX_STATEMENTS]).is_ok());
    let many = Policy::from_ipld(&vec![statement; MAX_STATEMENTS + 1]);
    assert_eq!(many, Err(PolicyError::TooLarge));
}

/// An evaluation that takes too long is no `false` that a `not` could turn.
#[test]
fn whoever_needs_too_many_steps_is_refused() {
    let data = Ipld::List(vec![0.into(); 20_000]);
    let statements = vec![r#"["==", ".", 1]"#; 1000].join(",");
    let slow = format!(r#"[["not", ["any", ".", ["or", [{statements}]]]]]"#);
    assert!(!json(&slow).matches(&data));
    assert!(json(&slow).matches(&Ipld::List(vec![0.into(); 20])));
}

#[test]
fn what_is_minted() {
    let portable = |policy: &str| json(policy).check_portable();
    for policy in [
        r#"[["==", ".entity[\"is-photo\"]", true], ["==", ".entity[\"photo-album\"]", "garibaldi"]]"#,
        r#"[["like", ".name", "a*b\\*"]]"#,
        r#"[["or", [["<", ".a", 1], ["and", [[">=", ".b", -1]]]]]]"#,
        "[]",
    ] {
        assert_eq!(portable(policy), Ok(()), "{policy}");
    }
    for policy in [
        r#"[["!=", ".a", 1]]"#,
        r#"[["not", ["==", ".a", 1]]]"#,
        r#"[["any", ".a", ["==", ".", 1]]]"#,
        r#"[["or", []]]"#,
        r#"[["and", [["and", []]]]]"#,
        r#"[["==", ".", 1]]"#,
        r#"[["==", ".a?", 1]]"#,
        r#"[["==", ".a[0]", 1]]"#,
        r#"[["==", ".a[]", 1]]"#,
        r#"[["==", ".a", 1.5]]"#,
        r#"[["==", ".a", null]]"#,
        r#"[["==", ".a", [null]]]"#,
        r#"[["<", ".a", 9007199254740992]]"#,
        r#"[["like", ".a", "a\\b"]]"#,
    ] {
        let refused = portable(policy);
        assert!(
            matches!(refused, Err(PolicyError::NotPortable(_))),
            "{policy}"
        );
    }
}

#[test]
fn built_as_written() {
    let built = Policy::new()
        .equal(".entity[\"is-photo\"]", true)
        .and_then(|policy| policy.at_most(".quota", 10))
        .and_then(|policy| policy.at_least(".quota", 1))
        .and_then(|policy| policy.like(".name", "a*"))
        .unwrap()
        .either([
            Policy::new().equal(".x", 1).unwrap(),
            Policy::new()
                .equal(".y", 1)
                .unwrap()
                .equal(".z", 2)
                .unwrap(),
        ]);
    let written = json(
        r#"[["==", ".entity[\"is-photo\"]", true], ["<=", ".quota", 10], [">=", ".quota", 1], ["like", ".name", "a*"],
            ["or", [["==", ".x", 1], ["and", [["==", ".y", 1], ["==", ".z", 2]]]]]]"#,
    );
    assert_eq!(built, written);
}
