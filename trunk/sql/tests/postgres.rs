use rhizome_sql::{Mirror, Plan, SqlError, Target, fixture::Server};
use serde_json::json;

use crate::{QUERY, follows, kinds, objects, put, row, tell, whole, written};

fn mirror(server: &Server, table: &str, query: &str) -> Mirror {
    let target: Target = server.address().parse().unwrap();
    Mirror::new(target, table, query, Plan::of(query).unwrap()).unwrap()
}

fn rows(server: &Server, table: &str, columns: &str) -> Vec<Vec<String>> {
    let mut db = server.connect().unwrap();
    db.batch_execute("SET timezone = 'UTC'; SET bytea_output = 'hex'")
        .unwrap();
    let columns: Vec<String> = columns
        .split(", ")
        .filter(|c| *c != "_key")
        .map(|c| format!(", coalesce({c}::text, 'NULL')"))
        .collect();
    db.query(
        &format!(
            "SELECT _key{} FROM {table} ORDER BY _key COLLATE \"C\"",
            columns.concat()
        ),
        &[],
    )
    .unwrap()
    .iter()
    .map(|row| (0..row.len()).map(|i| row.get(i)).collect())
    .collect()
}

#[test]
fn a_table_follows_a_result() {
    let Some(server) = Server::start().unwrap() else {
        return;
    };
    follows(
        |query| mirror(&server, "notes", query),
        |columns| rows(&server, "notes", columns),
    );
    let query = r#"{"post": {}}"#;
    objects(query, mirror(&server, "posts", query), |columns| {
        rows(&server, "posts", columns)
    });
    let seen = kinds(mirror(&server, "kinds", QUERY), |columns| {
        rows(&server, "kinds", columns)
    });
    assert_eq!(seen[1..5], ["rz:a", "true", "9223372036854775807", "0.1"]);
    // PostgreSQL has no character U+0000
    assert_eq!(seen[5], "ü\"'; DROP TABLE kinds; --\u{fffd}");
    assert_eq!(seen[6], "2022-07-28 05:35:52.123+00");
    assert_eq!(seen[7], "\\x0001ff");
    assert_eq!(seen[8], r#"["a", {"b": 1.5}]"#);
    assert_eq!(seen[9..], ["NULL", "1"]);
}

#[test]
fn a_killed_server_is_found_again() {
    let Some(mut server) = Server::start().unwrap() else {
        return;
    };
    let columns = ["?p", "?text"];
    let mut mirror = mirror(&server, "notes", QUERY);
    let all: Vec<_> = (0..1_200)
        .map(|i| {
            row(
                &i.to_string(),
                json!([format!("rz:{i:04}"), format!("note {i}")]),
            )
        })
        .collect();
    assert_eq!(
        tell(&mut mirror, whole(&columns, all)),
        written(1_200, 0, 0)
    );
    // one table is kept by one process
    let mut second = self::mirror(&server, "notes", QUERY);
    second.take(whole(&columns, vec![])).unwrap();
    let busy = second.write().unwrap_err();
    assert!(matches!(busy, SqlError::Busy(_)) && busy.passes());

    server.kill();
    mirror
        .take(put(vec![row(
            "1",
            json!(["rz:0001", "written while it was away"]),
        )]))
        .unwrap();
    let away = mirror.write().unwrap_err();
    assert!(away.passes(), "{away}");
    mirror
        .take(put(vec![row("new", json!(["rz:new", "as well"]))]))
        .unwrap();
    assert!(mirror.write().unwrap_err().passes());
    server.run().unwrap();
    assert_eq!(mirror.write().unwrap(), written(1, 1, 0));
    assert_eq!(rows(&server, "notes", "text").len(), 1_201);
    assert!(!mirror.is_due());
    mirror.check().unwrap();
    server.kill();
    assert!(mirror.check().is_err() && mirror.is_due());
    server.run().unwrap();
    assert_eq!(mirror.write().unwrap(), written(0, 0, 0));
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    let Some(server) = Server::start().unwrap() else {
        return;
    };
    server
        .connect()
        .unwrap()
        .batch_execute("CREATE TABLE theirs (x int)")
        .unwrap();
    let mut mirror = mirror(&server, "theirs", QUERY);
    mirror.take(whole(&["?p", "?text"], vec![])).unwrap();
    let refused = mirror.write().unwrap_err();
    assert!(matches!(refused, SqlError::NotOurs(_)) && !refused.passes());
    let nobody: Target = server
        .address()
        .replace("/postgres", "/nowhere")
        .parse()
        .unwrap();
    let mut mirror = Mirror::new(nobody, "x", QUERY, Plan::Rows).unwrap();
    mirror.take(whole(&["?p", "?text"], vec![])).unwrap();
    let wrong = mirror.write().unwrap_err();
    assert!(
        !wrong.passes() && wrong.to_string().contains("nowhere"),
        "{wrong}"
    );
}
