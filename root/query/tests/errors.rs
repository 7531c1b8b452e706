//! Every mistake is refused with its kind and its place.

use rhizome_query::{Limits, datalog::compile};

#[test]
fn mistakes_are_refused_with_kind_and_place() {
    let cases = [
        ("", "syntax", 1, 1, "a form"),
        ("[:find ?e", "syntax", 1, 10, "`]`"),
        (
            "[:find ?e :where [?e \"a\" \"unclosed]]",
            "syntax",
            1,
            37,
            "string opened at line 1, column 26",
        ),
        ("[:find ?e :where (?e \"a\"]]", "syntax", 1, 25, "`)`"),
        (
            "[:find ?e :where [?e :a 1]] x",
            "syntax",
            1,
            29,
            "the end of the text",
        ),
        (
            "[:find ?e\n :where [?e :a nil]]",
            "syntax",
            2,
            16,
            "nothing is stored as nil",
        ),
        (
            "[:find :where [?e :a 1]]",
            "syntax",
            1,
            2,
            "at least one variable",
        ),
        ("[:find ?e :wher [?e :a 1]]", "syntax", 1, 11, ":where"),
        (
            "[:find ?e :find ?e :where [?e]]",
            "duplicate",
            1,
            11,
            "`:find` is given twice",
        ),
        (
            "[:find ?e ?x :where [?e :a 1]]",
            "unbound",
            1,
            11,
            "?x is never bound",
        ),
        (
            "[:find ?e :where [?e :a 1] [(< ?x 3)]]",
            "unbound",
            1,
            32,
            "a predicate only tests",
        ),
        (
            "[:find ?e :where [?e :a 1] [(+ ?x 3) ?e]]",
            "unbound",
            1,
            32,
            "a function needs its arguments",
        ),
        (
            "[:find ?e :where [?e :a 1] (not [?x :b 2])]",
            "unsafe-negation",
            1,
            28,
            "shares no bound variable",
        ),
        (
            "[:find ?e :where [?e :a 1] (not-join [?z] [?e :b ?z])]",
            "unbound",
            1,
            39,
            "?z",
        ),
        (
            "[:find ?e :where (or [?e :a 1] [?e :b ?x])]",
            "uneven-branches",
            1,
            22,
            "?x is missing",
        ),
        (
            "[:find ?e :where (r ?e)]",
            "unknown-name",
            1,
            18,
            "unknown rule `r`",
        ),
        (
            "[:find ?e :where (r ?e 1) :rules [[(r ?x) [?x :a]]]]",
            "arity",
            1,
            18,
            "takes 1 arguments, found 2",
        ),
        (
            "[:find ?e :where (r ?e) :rules [[(r ?x) [?x :a]] [(r ?x ?y) [?x :a ?y]]]]",
            "arity",
            1,
            50,
            "as in its first branch",
        ),
        (
            "[:find ?e :where [?e :a] (r ?e) :rules [[(r ?x) [?x :a] (not (r ?x))]]]",
            "not-stratified",
            1,
            62,
            "its own negation",
        ),
        (
            "[:find ?e :where [?e :a] (p ?e) :rules [[(p ?x) [?x :a] (q ?x)] [(q ?x) [?x :a] (not (p ?x))]]]",
            "not-stratified",
            1,
            86,
            "`q`",
        ),
        (
            "[:find ?e :where (r ?e) :rules [[(r ?x) [(< ?x 3)]]]]",
            "unbound",
            1,
            21,
            "?e is never bound",
        ),
        (
            "[:find (mode ?e) :where [?e :a 1]]",
            "unknown-name",
            1,
            8,
            "unknown aggregate `mode`",
        ),
        (
            "[:find (sum 2 ?e) :where [?e :a 1]]",
            "arity",
            1,
            8,
            "`sum` takes 1",
        ),
        (
            "[:find ?e :where [(frob ?e)] [?e :a]]",
            "unknown-name",
            1,
            18,
            "unknown predicate `frob`",
        ),
        (
            "[:find ?e :where [?e :a] [(frob ?e) ?x]]",
            "unknown-name",
            1,
            26,
            "unknown function `frob`",
        ),
        ("[:find ?e :where [5 :a ?e]]", "syntax", 1, 19, "an entity"),
        (
            "[:find ?e :where [\"rz:abc\" :a ?e]]",
            "syntax",
            1,
            19,
            "rz:",
        ),
        (
            "[:find ?e :where [?e 5 1]]",
            "syntax",
            1,
            22,
            "an attribute",
        ),
        (
            "[:find ?e :where [?e :a 1 7]]",
            "syntax",
            1,
            27,
            "entity, attribute and value",
        ),
        (
            "[:find ?e :in $ ?e ?e :where [?e :a 1]]",
            "duplicate",
            1,
            20,
            "?e",
        ),
        (
            "[:find ?e :where [?e :a 1] :order [[?x :desc]]]",
            "syntax",
            1,
            37,
            "a variable of :find",
        ),
        (
            "[:find ?e :where [?e :a 1] :limit -1]",
            "syntax",
            1,
            35,
            "a number of rows",
        ),
        (
            "[:find ?e :where [?e :a 99999999999999999999]]",
            "syntax",
            1,
            25,
            "64-bit",
        ),
        (
            "[:find (pull ?e []) :where [?e :a 1]]",
            "syntax",
            1,
            17,
            "at least one attribute",
        ),
        (
            "[:find ?e :where [?e :a #inst \"noon\"]]",
            "syntax",
            1,
            31,
            "a time",
        ),
        (
            "[:find ?e :where [?e :a \"\\q\"]]",
            "syntax",
            1,
            27,
            r"\uXXXX",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, code, line, column, part) in cases {
        let Err(error) = compile(text, None, &Limits::default()) else {
            wrong.push(format!("{text}: accepted"));
            continue;
        };
        let at = error.position().unwrap_or_default();
        if (error.code(), at.line, at.column) != (code, line, column)
            || !error.to_string().contains(part)
        {
            wrong.push(format!("{text}: {} {error}", error.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_are_named() {
    let small = Limits {
        text_bytes: 200,
        nesting: 4,
        clauses: 2,
        rules: 1,
        variables: 2,
        ..Limits::default()
    };
    let long = format!("[:find ?e :where [?e :a \"{}\"]]", "x".repeat(200));
    for (text, limit) in [
        (long.as_str(), "text_bytes"),
        (
            "[:find ?e :where (not (not (not (not (not [?e :a])))))]",
            "nesting",
        ),
        ("[:find ?e :where [?e :a] [?e :b] [?e :c]]", "clauses"),
        ("[:find ?e :where [?e :a ?b] [?e :b ?c]]", "variables"),
        (
            "[:find ?e :where [?e :a] :rules [[(r ?x) [?x :a]] [(r ?x) [?x :b]]]]",
            "rules",
        ),
    ] {
        let error = compile(text, None, &small).expect_err(text);
        assert_eq!(error.code(), "limit", "{text}: {error}");
        assert!(error.to_string().contains(limit), "{text}: {error}");
    }
}
