use std::path::Path;

use rhizome_sql::{Mirror, Plan, SqlError, Target};
use rusqlite::{Connection, types::ValueRef};
use serde_json::json;

use crate::{QUERY, follows, kinds, objects, put, row, tell, whole, written};

fn mirror(file: &Path, table: &str, query: &str) -> Mirror {
    let target: Target = format!("sqlite:{}", file.display()).parse().unwrap();
    Mirror::new(target, table, query, Plan::of(query).unwrap()).unwrap()
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(i) => i.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Text(s) => String::from_utf8(s.to_vec()).unwrap(),
        ValueRef::Blob(b) => format!("{b:?}"),
    }
}

fn rows(file: &Path, table: &str, columns: &str) -> Vec<Vec<String>> {
    let db = Connection::open(file).unwrap();
    let mut found = db
        .prepare(&format!(
            "SELECT _key, {columns} FROM {table} ORDER BY _key"
        ))
        .unwrap();
    let width = found.column_count();
    let mut rows = found.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        all.push((0..width).map(|i| text(row.get_ref(i).unwrap())).collect());
    }
    if columns == "_key" {
        for row in &mut all {
            let row: &mut Vec<String> = row;
            row.truncate(1);
        }
    }
    all
}

#[test]
fn a_table_follows_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    follows(
        |query| mirror(&file, "notes", query),
        |columns| rows(&file, "notes", columns),
    );
}

#[test]
fn values_have_types() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let seen = kinds(mirror(&file, "kinds", QUERY), |columns| {
        rows(&file, "kinds", columns)
    });
    assert_eq!(seen[1..5], ["rz:a", "1", "9223372036854775807", "0.1"]);
    assert_eq!(seen[5], "ü\"'; DROP TABLE kinds; --\u{0}");
    assert_eq!(seen[6], "2022-07-28T05:35:52.123Z");
    assert_eq!(seen[7], "[0, 1, 255]");
    assert_eq!(seen[8], r#"["a",{"b":1.5}]"#);
    assert_eq!(seen[9..], ["NULL", "1"]);
}

#[test]
fn objects_become_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let query = r#"{"post": {}}"#;
    objects(query, mirror(&file, "posts", query), |columns| {
        rows(&file, "posts", columns)
    });
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    let mut mirror = mirror(&file, "Theirs", QUERY);
    mirror.take(whole(&["?p", "?text"], vec![])).unwrap();
    assert!(matches!(mirror.write(), Err(SqlError::NotOurs(_))));
    let left: i64 = db
        .query_row("SELECT x FROM theirs", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, 1);
}

#[test]
fn what_was_changed_or_dropped_by_others_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let mut mirror = mirror(&file, "notes", QUERY);
    let columns = ["?p", "?text"];
    let all = vec![
        row("1", json!(["rz:a", "one"])),
        row("2", json!(["rz:b", "two"])),
    ];
    tell(&mut mirror, whole(&columns, all.clone()));
    let db = Connection::open(&file).unwrap();
    db.execute_batch("UPDATE notes SET text = 'wrong' WHERE _key = 'rz:a'; DELETE FROM notes WHERE _key = 'rz:b'; INSERT INTO notes (_key) VALUES ('x'); CREATE INDEX mine ON notes (text)")
        .unwrap();
    assert_eq!(
        tell(&mut mirror, whole(&columns, all.clone())),
        written(1, 1, 1)
    );
    // an index that somebody made is there after the table was made anew
    tell(&mut mirror, put(vec![row("3", json!(["rz:c", 3]))]));
    let indexes: i64 = db
        .query_row(
            "SELECT count(*) FROM sqlite_master WHERE name = 'mine'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(indexes, 1);
    db.execute_batch("DROP TABLE notes").unwrap();
    assert_eq!(
        tell(&mut mirror, put(vec![row("3", json!(["rz:c", "drei"]))])),
        written(3, 0, 0)
    );
    assert_eq!(rows(&file, "notes", "text").len(), 3);
}

#[test]
fn a_query_of_several_namespaces_is_refused() {
    assert!(matches!(
        Plan::of(r#"{"post": {}, "person": {}}"#),
        Err(SqlError::Namespaces(2))
    ));
    assert!(matches!(Plan::of("{}"), Err(SqlError::Namespaces(0))));
}
