//! CSV, JSON and JSON lines, by a guess and by a mapping file.

use crate::pods::{Place, entity, now, open, pod, recognised, text, value};
use rhizome_import::{
    Format, ImportError, Importer, Mapping, MemoryPod, Options, ProblemCode, Report, Source, Table,
};
use rhizome_schema::ValueType;
use rhizome_tuple::Value;
use std::path::PathBuf;

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn import_as(table: &Table, content: &[(&str, &str)]) -> (MemoryPod, Report) {
    let place = Place::new();
    let mut pod = pod();
    let report = place
        .run(
            &place.source("shop", &files(content)),
            table,
            &mut pod,
            Options::new(now),
        )
        .unwrap();
    (pod, report)
}

fn import(content: &[(&str, &str)]) -> (MemoryPod, Report) {
    import_as(&Table::new(), content)
}

fn codes(report: &Report) -> Vec<ProblemCode> {
    report.problems.iter().map(|problem| problem.code).collect()
}

const CUSTOMERS: &str = "id,Full Name,joined,active,score,phone\n\
    7,\"Ada, Countess\",2024-01-02,true,1.5,+441234\n8,Grace,2024-02-03,false,2.5,0049123\n";
const ORDERS: &str = r#"{"data": {"items": [
    {"id": "a/1", "customer_id": 7, "tags": ["x", "y"], "address": {"city": "London"}, "created_at": 1700000000, "note": null},
    {"id": "a%2", "customer_id": 8, "tags": [], "address": {"city": "Paris"}, "created_at": 1700000001}
]}}"#;

#[test]
fn a_guess_finds_formats_ids_types_and_references() {
    let place = Place::new();
    let source = place.source(
        "shop",
        &files(&[("customers.csv", CUSTOMERS), ("orders.json", ORDERS)]),
    );
    let mapping = Table::new().mapping_of(&source).unwrap().unwrap();
    assert_eq!(mapping.source, "shop");
    let [customers, orders] = mapping.files.as_slice() else {
        panic!("two files")
    };
    assert_eq!(
        (
            customers.format,
            customers.kind.as_str(),
            customers.id.as_slice()
        ),
        (Format::Csv, "customers", &["id".to_owned()][..])
    );
    assert_eq!(
        (orders.format, orders.records.as_deref()),
        (Format::Json, Some("/data/items/*"))
    );
    for (column, of) in [
        ("joined", ValueType::Time),
        ("active", ValueType::Boolean),
        ("score", ValueType::Float),
        ("phone", ValueType::Text),
        ("id", ValueType::Integer),
    ] {
        assert_eq!(customers.columns[column].value_type, of, "{column}");
    }
    assert_eq!(customers.columns["Full Name"].attribute, "shop/full-name");
    assert_eq!(
        (
            orders.columns["customer_id"].value_type,
            orders.columns["customer_id"].to.as_deref()
        ),
        (ValueType::Ref, Some("customers"))
    );
    assert_eq!(
        (
            orders.columns["created_at"].value_type,
            orders.columns["created_at"].format.as_deref()
        ),
        (ValueType::Time, Some("unix"))
    );
    assert_eq!(
        orders.columns["address.city"].attribute,
        "shop/address.city"
    );
    // What is printed can be read again.
    assert_eq!(
        Mapping::parse(mapping.to_json().as_bytes()).unwrap(),
        mapping
    );
    let found = recognised(&source, &Table::new());
    assert!(
        found.confidence >= 0.5 && found.confidence < 0.9,
        "{found:?}"
    );
}

#[test]
fn rows_and_objects_become_entities_with_references_between_them() {
    let (pod, report) = import(&[("customers.csv", CUSTOMERS), ("orders.json", ORDERS)]);
    assert_eq!(
        (
            report.added,
            report.kinds["customers"].added,
            report.kinds["orders"].added
        ),
        (4, 2, 2)
    );
    let ada = entity("shop", "customers/7");
    assert_eq!(
        text(&pod, &ada, "shop/full-name").as_deref(),
        Some("Ada, Countess")
    );
    assert_eq!(
        value(&pod, &ada, "shop/joined"),
        Some(&Value::Time(1_704_153_600_000))
    );
    assert_eq!(text(&pod, &ada, "shop/phone").as_deref(), Some("+441234"));
    let order = entity("shop", "orders/a%2F1");
    assert_eq!(
        value(&pod, &order, "shop/customer_id"),
        Some(&Value::Ref(ada))
    );
    assert_eq!(
        pod.values(&order, "shop/tags"),
        [Value::from("x"), Value::from("y")]
    );
    assert_eq!(
        text(&pod, &order, "shop/address.city").as_deref(),
        Some("London")
    );
    assert_eq!(
        text(&pod, &order, "import/key").as_deref(),
        Some("orders/a%2F1")
    );
    assert!(
        !pod.values(&entity("shop", "orders/a%252"), "shop/created_at")
            .is_empty()
    );
    assert_eq!(report.range.unwrap().from, 1_700_000_000_000);
    assert_eq!(report.mapping.unwrap()["files"][0]["file"], "customers.csv");
}

#[test]
fn importing_again_changes_nothing_and_a_changed_cell_is_taken() {
    let place = Place::new();
    let mut pod = pod();
    let mut run = |content: &[(&str, &str)]| {
        let source = place.source("shop", &files(content));
        place
            .run(&source, &Table::new(), &mut pod, Options::new(now))
            .unwrap()
    };
    assert_eq!(run(&[("customers.csv", CUSTOMERS)]).added, 2);
    let report = run(&[("customers.csv", CUSTOMERS)]);
    assert_eq!((report.added, report.changed, report.unchanged), (0, 0, 2));
    let report = run(&[(
        "customers.csv",
        &CUSTOMERS
            .replace("Grace", "Grace Hopper")
            .replace("1.5", ""),
    )]);
    assert_eq!(
        (report.added, report.changed, report.totals.taken),
        (0, 2, 2)
    );
    assert!(
        report
            .taken
            .iter()
            .any(|line| line.attribute == "shop/score" && line.export.is_null()),
        "an emptied cell takes the value away"
    );
}

#[test]
fn a_mapping_says_what_becomes_of_columns() {
    let mapping = Mapping::parse(br#"{
        "mapping": 1, "source": "blog", "files": [
          {"file": "posts*.csv", "format": "csv", "delimiter": ";", "type": "post", "id": ["site", "nr"],
           "constants": {"social/type": "post", "social/audience": "direct"},
           "columns": {
             "body": {"attribute": "social/text"},
             "when": {"attribute": "social/created", "type": "time", "format": "%d.%m.%Y %H:%M"},
             "tags": {"attribute": "social/tag", "split": ","},
             "by": {"attribute": "social/author", "type": "ref", "to": "person"},
             "views": {"attribute": "blog/views", "type": "integer", "merge": "counter"},
             "picture": {"attribute": "blog/picture", "type": "blob"},
             "mood": {"attribute": "blog/mood", "empty": ["-"]}
           }},
          {"file": "people.jsonl", "format": "jsonl", "type": "person", "id": ["name"], "provenance": false,
           "columns": {"name": {"attribute": "social/name"}}}
        ]}"#).unwrap();
    let posts = "site;nr;body;when;tags;by;views;picture;mood;secret\n\
        a;1;Hello;01.02.2024 10:30;\"x, y,,x\";Ada;5;pic.png;-;unmapped\n";
    let people = "{\"name\": \"Ada\"}\n\n{\"name\": \"Grace\"}";
    let table = Table::with_mapping(mapping);
    let content = [
        ("in/posts-2024.csv", posts),
        ("in/people.jsonl", people),
        ("in/pic.png", "not really a picture"),
        ("other.bin", "?"),
    ];
    let (pod, report) = import_as(&table, &content);
    let post = entity("blog", "post/a/1");
    assert_eq!(text(&pod, &post, "social/text").as_deref(), Some("Hello"));
    assert_eq!(
        value(&pod, &post, "social/created"),
        Some(&Value::Time(1_706_783_400_000))
    );
    assert_eq!(
        pod.values(&post, "social/tag"),
        [Value::from("x"), Value::from("y")]
    );
    assert_eq!(
        value(&pod, &post, "social/author"),
        Some(&Value::Ref(entity("blog", "person/Ada")))
    );
    assert_eq!(value(&pod, &post, "blog/views"), Some(&Value::Integer(5)));
    assert!(matches!(
        value(&pod, &post, "blog/picture"),
        Some(Value::Blob(_))
    ));
    assert_eq!(value(&pod, &post, "blog/mood"), None);
    assert_eq!(
        text(&pod, &post, "social/audience").as_deref(),
        Some("direct")
    );
    assert!(
        pod.entities()[&post]
            .keys()
            .all(|name| name.as_str() != "blog/secret")
    );
    assert!(
        pod.values(&entity("blog", "person/Ada"), "import/key")
            .is_empty(),
        "asked for without"
    );
    assert_eq!(report.kinds["person"].added, 2);
    assert_eq!(
        report
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        ["other.bin"]
    );
}

#[test]
fn a_counter_counts_what_was_added_on_both_sides() {
    let mapping = Mapping::parse(br#"{"mapping": 1, "source": "s", "files": [{"file": "a.csv", "format": "csv", "type": "a", "id": ["id"],
        "columns": {"n": {"attribute": "s/n", "type": "integer", "merge": "counter"}}}]}"#).unwrap();
    let table = Table::with_mapping(mapping);
    let place = Place::new();
    let mut pod = pod();
    let one = entity("s", "a/1");
    for (csv, local, expected) in [
        ("id,n\n1,5\n", 2, 7),
        ("id,n\n1,9\n", 0, 11),
        ("id,n\n1,9\n", 1, 12),
    ] {
        let source = place.source("s", &files(&[("a.csv", csv)]));
        place
            .run(&source, &table, &mut pod, Options::new(now))
            .unwrap();
        pod.apply(rhizome_replica::Edit::Add(
            one,
            crate::pods::attribute("s/n"),
            local,
        ));
        assert_eq!(value(&pod, &one, "s/n"), Some(&Value::Integer(expected)));
    }
}

#[test]
fn unusable_mappings_are_refused_with_the_place() {
    let with = |file: &str| format!(r#"{{"mapping": 1, "source": "s", "files": [{file}]}}"#);
    let column = |column: &str| {
        with(&format!(
            r#"{{"file": "a", "format": "csv", "type": "t", "columns": {{"c": {column}}}}}"#
        ))
    };
    for (json, why) in [
        ("{".to_owned(), "EOF"),
        (
            r#"{"mapping": 2, "source": "s", "files": []}"#.to_owned(),
            "version 2",
        ),
        (
            r#"{"mapping": 1, "source": "s", "files": []}"#.to_owned(),
            "no files",
        ),
        (
            r#"{"mapping": 1, "source": "", "files": [{}]}"#.to_owned(),
            "missing field",
        ),
        (
            with(r#"{"file": "a*b*", "format": "csv", "type": "t", "columns": {}}"#),
            "at most one *",
        ),
        (
            with(r#"{"file": "a", "format": "xml", "type": "t", "columns": {}}"#),
            "xml",
        ),
        (
            with(r#"{"file": "a", "format": "csv", "type": "a/b", "columns": {}}"#),
            "slashes",
        ),
        (
            with(r#"{"file": "a", "format": "csv", "type": "t", "delimiter": "é", "columns": {}}"#),
            "ASCII",
        ),
        (
            with(
                r#"{"file": "a", "format": "json", "type": "t", "records": "items", "columns": {}}"#,
            ),
            "start with /",
        ),
        (
            with(r#"{"file": "a", "format": "csv", "type": "t", "columns": {}, "colums": {}}"#),
            "colums",
        ),
        (column(r#"{"attribute": "a b"}"#), "attribute"),
        (column(r#"{"attribute": "a", "type": "ref"}"#), "leads to"),
        (
            column(r#"{"attribute": "a", "to": "x"}"#),
            "only a reference",
        ),
        (
            column(r#"{"attribute": "a", "format": "unix"}"#),
            "only a time",
        ),
        (column(r#"{"attribute": "a", "split": ","}"#), "split"),
        (
            column(r#"{"attribute": "a", "merge": "counter"}"#),
            "integers",
        ),
        (column(r#"{"attribute": "a", "type": "bytes"}"#), "bytes"),
        (
            column(r#"{"attribute": "social/tag", "merge": "register"}"#),
            "public schema",
        ),
    ] {
        match Mapping::parse(json.as_bytes()) {
            Err(ImportError::Mapping(said)) => assert!(said.contains(why), "{json}: {said}"),
            other => panic!("{json}: {other:?}"),
        }
    }
}

#[test]
fn cells_and_rows_that_do_not_fit_are_reported_one_by_one() {
    let mapping = Mapping::parse(br#"{"mapping": 1, "source": "s", "files": [{"file": "a.csv", "format": "csv", "type": "a", "id": ["id"],
        "columns": {"n": {"attribute": "s/n", "type": "integer"}, "f": {"attribute": "s/f", "type": "blob"}}}]}"#).unwrap();
    let csv = "id,n,f\n1,many,\n2,2,../../etc/passwd\n,3,\n4,4\n5,5,,extra\n\n6,6,\n6,7,\n";
    let (pod, report) = import_as(&Table::with_mapping(mapping), &[("a.csv", csv)]);
    assert_eq!((report.added, report.skipped), (3, 4));
    let found = codes(&report);
    for (code, count) in [
        (ProblemCode::Type, 1),
        (ProblemCode::MissingFile, 1),
        (ProblemCode::Malformed, 3),
        (ProblemCode::Duplicate, 1),
    ] {
        assert_eq!(
            found.iter().filter(|found| **found == code).count(),
            count,
            "{code:?} in {found:?}"
        );
    }
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.item == "record 1" && problem.message.contains("many"))
    );
    assert_eq!(
        value(&pod, &entity("s", "a/6"), "s/n"),
        Some(&Value::Integer(6)),
        "the first counts"
    );
}

#[test]
fn json_lines_may_be_broken_one_by_one_and_documents_to_their_break() {
    let (_, report) = import(&[(
        "a.jsonl",
        "{\"id\": 1, \"x\": \"a\"}\n{broken\n[1]\n{\"id\": 2, \"x\": \"b\"}\n",
    )]);
    assert_eq!(
        (report.added, report.skipped, report.complete),
        (2, 2, true)
    );
    let (_, report) = import(&[(
        "a.json",
        "[{\"id\": 1, \"x\": \"a\"}, {\"id\": 2, \"x\": \"b\"}, {\"id\"",
    )]);
    assert_eq!((report.added, report.complete), (2, false));
}

#[test]
fn records_without_an_id_are_named_by_what_they_hold() {
    let csv = "colour,size\nred,1\nblue,2\nred,1\n";
    let (_, report) = import(&[("a.csv", csv)]);
    assert_eq!(
        (report.added, report.skipped),
        (2, 1),
        "a repeated row is one record"
    );
    assert!(codes(&report).contains(&ProblemCode::Duplicate));
}

#[test]
fn things_that_are_no_tables_are_left_alone() {
    let place = Place::new();
    for content in [
        [("a.txt", "just, some text\nwith, commas")],
        [("a.json", "[1, 2, 3]")],
        [("a.json", "{broken")],
        [("a.csv", "")],
        [("a.csv", "\u{fffd}\u{fffd}a,b")],
        [("a.bin", "id,x\n1,2")],
    ] {
        let source = place.source("other", &files(&content));
        assert_eq!(
            Table::new().recognise(&source).unwrap(),
            None,
            "{content:?}"
        );
    }
}

#[test]
fn strange_tables_neither_panic_nor_vanish() {
    for csv in [
        "id\n1\n",
        "\n\n\n",
        "a,a,,\n1,2,3,4\n",
        "\"unclosed\nx,y\n",
        "id;x\n1;2\n",
        "\u{feff}id,x\n1,2\n",
        "id,x\r\n1,2\r\n",
        ",\n,\n",
    ] {
        let place = Place::new();
        let source = place.source("other", &files(&[("a.csv", csv)]));
        if Table::new().recognise(&source).unwrap().is_some() {
            let report = place
                .run(&source, &Table::new(), &mut pod(), Options::new(now))
                .unwrap();
            assert!(
                report.added + report.skipped > 0
                    || !report.problems.is_empty()
                    || csv.trim().is_empty()
                    || csv == ",\n,\n",
                "{csv:?}"
            );
        }
    }
    let (pod, _) = import(&[("a.csv", "\u{feff}id,x\r\n1,2\r\n")]);
    assert_eq!(
        value(&pod, &entity("shop", "a/1"), "shop/x"),
        Some(&Value::Integer(2)),
        "the byte order mark is no part of a name"
    );
}

#[test]
fn a_row_without_end_does_not_fill_memory() {
    let place = Place::new();
    let endless = format!("id,x\n1,\"{}", "x".repeat(1 << 20));
    let at = place.folder.path().join("a.csv");
    std::fs::write(&at, endless).unwrap();
    let limits = rhizome_import::Limits {
        record_bytes: 1 << 17,
        ..Default::default()
    };
    let source = Source::open(&at, &limits).unwrap();
    let mapping = br#"{"mapping": 1, "source": "s", "files": [{"file": "a.csv", "format": "csv", "type": "a", "columns": {"x": {"attribute": "s/x"}}}]}"#;
    let table = Table::with_mapping(Mapping::parse(mapping).unwrap());
    let report = place
        .run(&source, &table, &mut pod(), Options::new(now))
        .unwrap();
    assert!(
        !report.complete && report.problems[0].message.contains("longer"),
        "{report:?}"
    );
}

/// Made-up rows in the shape of a Reddit data request, where the machine has them.
#[test]
fn a_data_request_in_csv_is_read_by_the_guess() {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/exports/synthetic-reddit-gdpr");
    if !at.exists() {
        println!("skipped: no sample exports on this machine");
        return;
    }
    let place = Place::new();
    let source = open(&at);
    let mut pod = pod();
    let report = place
        .run(&source, &Table::new(), &mut pod, Options::new(now))
        .unwrap();
    let rows: u64 = source
        .entries()
        .iter()
        .map(|entry| {
            let mut reader = csv::Reader::from_reader(source.read(&entry.path).unwrap());
            reader.records().count() as u64
        })
        .sum();
    assert_eq!(report.added + report.skipped, rows);
    assert!(report.added > 0);
    let again = place
        .run(&source, &Table::new(), &mut pod, Options::new(now))
        .unwrap();
    assert_eq!((again.added, again.changed), (0, 0));
}
