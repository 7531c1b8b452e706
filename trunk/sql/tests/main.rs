//! A table beside a result that changes: in both databases.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use rhizome_sql::{Mirror, News, Plan, Row, SqlError, Written};
use serde_json::{Value as Json, json};

const QUERY: &str = "[:find ?p ?text :where [?p :note/text ?text]]";

#[allow(clippy::needless_pass_by_value)] // what `json!` makes is handed over
fn row(key: &str, cells: Json) -> Row {
    Row {
        key: key.into(),
        cells: cells.as_array().unwrap().clone(),
    }
}

fn whole(columns: &[&str], rows: Vec<Row>) -> News {
    News::Whole {
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        rows,
    }
}

fn put(rows: Vec<Row>) -> News {
    News::Change {
        put: rows,
        removed: Vec::new(),
    }
}

fn removed(keys: &[&str]) -> News {
    News::Change {
        put: Vec::new(),
        removed: keys.iter().map(|k| (*k).to_owned()).collect(),
    }
}

fn written(added: usize, changed: usize, removed: usize) -> Written {
    Written {
        added,
        changed,
        removed,
    }
}

/// Takes news in and writes them.
fn tell(mirror: &mut Mirror, news: News) -> Written {
    mirror.take(news).unwrap();
    write(mirror).unwrap()
}

/// Writes, once the server knows that the one before has gone.
fn write(mirror: &mut Mirror) -> Result<Written, SqlError> {
    let start = Instant::now();
    loop {
        match mirror.write() {
            Err(SqlError::Busy(_)) if start.elapsed() < Duration::from_secs(20) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// What both databases have to do alike. `table` gives the rows of `SELECT _key, * …` as texts, by key.
fn follows(mirror: impl Fn(&str) -> Mirror, table: impl Fn(&str) -> Vec<Vec<String>>) {
    let columns = ["?p", "?text"];
    let (one, two) = (
        row("1", json!(["rz:a", "one"])),
        row("2", json!(["rz:b", "two"])),
    );
    let mut first = mirror(QUERY);
    assert_eq!(
        tell(&mut first, whole(&columns, vec![one.clone(), two.clone()])),
        written(2, 0, 0)
    );
    assert_eq!(
        table("p, text"),
        [["rz:a", "rz:a", "one"], ["rz:b", "rz:b", "two"]]
    );

    // a change, a second row of an entity, a removal
    let other = row("1", json!(["rz:a", "uno"]));
    assert_eq!(tell(&mut first, put(vec![other.clone()])), written(0, 1, 0));
    assert_eq!(tell(&mut first, put(vec![other.clone()])), written(0, 0, 0));
    let third = row("3", json!(["rz:b", "zwei"]));
    assert_eq!(tell(&mut first, put(vec![third.clone()])), written(1, 0, 0));
    assert_eq!(tell(&mut first, removed(&["2"])), written(0, 0, 1));
    assert_eq!(
        table("p, text"),
        [["rz:a", "rz:a", "uno"], ["rz:b#2", "rz:b", "zwei"]]
    );

    // somebody else comes back, with other names for the rows: only what differs is written, and keys stay
    drop(first);
    let mut again = mirror(QUERY);
    let rows = vec![
        row("7", json!(["rz:b", "zwei"])),
        row("8", json!(["rz:a", "uno"])),
    ];
    assert_eq!(tell(&mut again, whole(&columns, rows)), written(0, 0, 0));
    assert_eq!(
        tell(&mut again, put(vec![row("8", json!(["rz:a", "un"]))])),
        written(0, 1, 0)
    );
    drop(again);
    let mut later = mirror(QUERY);
    let rows = vec![
        row("1", json!(["rz:b", "zwei"])),
        row("2", json!(["rz:c", "drei"])),
    ];
    assert_eq!(tell(&mut later, whole(&columns, rows)), written(1, 0, 1));
    assert_eq!(
        table("p, text"),
        [["rz:b#2", "rz:b", "zwei"], ["rz:c", "rz:c", "drei"]]
    );

    // another type: what is there already is written otherwise, too
    let number = row("4", json!(["rz:d", 5]));
    assert_eq!(tell(&mut later, put(vec![number])), written(1, 0, 0));
    assert_eq!(table("p, text").last().unwrap(), &["rz:d", "rz:d", "5"]);

    // the table mirrors this query and no other
    let mut other = mirror("[:find ?x :where [?x :x/y]]");
    other.take(whole(&["?x"], vec![])).unwrap();
    drop(later);
    let refused = write(&mut other).unwrap_err();
    assert!(refused.to_string().contains("another query"), "{refused}");
}

/// Values of every kind, as they are and as text.
fn kinds(mut mirror: Mirror, table: impl Fn(&str) -> Vec<Vec<String>>) -> Vec<String> {
    let columns = [
        "?e", "?b", "?i", "?f", "?t", "?at", "?bytes", "?list", "?none", "?mixed",
    ];
    let cells = json!([
        { "ref": "rz:a" }, true, i64::MAX, 0.1, "ü\"'; DROP TABLE kinds; --\u{0}",
        { "time": 1_658_986_552_123_i64 }, { "bytes": "AAH/" }, ["a", { "b": 1.5 }], null, 1
    ]);
    let other = json!([
        { "ref": "rz:b" }, false, -1, -0.5, "", { "time": 0 }, { "bytes": "" }, [], null, { "time": 0 }
    ]);
    let rows = vec![row("1", cells), row("2", other)];
    assert_eq!(
        tell(&mut mirror, whole(&columns, rows.clone())),
        written(2, 0, 0)
    );
    let names = "e, b, i, f, t, at, bytes, list, none, mixed";
    let seen = table(names);
    // all of it comes back as it was written: nothing is changed by a second comparison
    assert_eq!(tell(&mut mirror, whole(&columns, rows)), written(0, 0, 0));
    assert_eq!(table(names), seen);
    let strange = row(
        "3",
        json!([{ "ref": "rz:c" }, "now text", 0.5, 1, 1, 1, 1, 1, { "time": 0 }, 1]),
    );
    assert_eq!(tell(&mut mirror, put(vec![strange])).added, 1);
    let texts = table(names).remove(0);
    assert_eq!(
        texts[2..7],
        [
            "true",
            "9223372036854775807",
            "0.1",
            seen[0][5].as_str(),
            "2022-07-28T05:35:52.123Z"
        ]
    );
    assert_eq!(texts[10], "1");
    seen.into_iter().next().unwrap()
}

/// Objects of a nested query: columns come as they are met.
fn objects(query: &str, mut mirror: Mirror, table: impl Fn(&str) -> Vec<Vec<String>>) {
    assert_eq!(Plan::of(query).unwrap(), Plan::Objects("post".into()));
    let object = |key: &str, object: Json| row(key, json!(["post", object]));
    let columns = ["namespace", "entity"];
    assert_eq!(tell(&mut mirror, whole(&columns, vec![])), written(0, 0, 0));
    assert_eq!(table("_key"), Vec::<Vec<String>>::new());
    let first = object("post rz:a", json!({ "id": "rz:a", "social/text": "one" }));
    assert_eq!(tell(&mut mirror, put(vec![first])), written(1, 0, 0));
    let more = json!({ "id": "rz:a", "social/text": "one", "social/created": 0, "social/tag": ["x", "y"] });
    assert_eq!(
        tell(&mut mirror, put(vec![object("post rz:a", more)])),
        written(0, 1, 0)
    );
    let row = table("social_text, social_created, social_tag").remove(0);
    assert_eq!(row[..2], ["rz:a", "one"]);
    assert!(row[2].starts_with("1970-01-01"), "{row:?}");
    assert_eq!(
        serde_json::from_str::<Json>(&row[3]).unwrap(),
        json!(["x", "y"])
    );
    let less = object("post rz:a", json!({ "id": "rz:a", "social/text": "two" }));
    assert_eq!(tell(&mut mirror, put(vec![less])), written(0, 1, 0));
    assert_eq!(
        table("social_text, social_tag").remove(0),
        ["rz:a", "two", "NULL"]
    );
}
