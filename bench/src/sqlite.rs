//! SQLite: one file, write-ahead log, one table of (entity, attribute, value) with two covering orders.
//!
//! * The primary key (e, a, v) WITHOUT ROWID is the table itself; the index (a, v, e) covers every lookup by value.
//! * There is no third order: each of the fourteen queries is answered from these two alone (`EXPLAIN QUERY PLAN` shows a
//!   covering index at every step), so another index would only cost SQLite load time and bytes.
//! * Attributes are small integers, as an application would store them; entities and references are integers.
//! * Columns have no declared type on purpose: with INTEGER on `e`, a join `v = e` converts `v` and loses the index.
//! * Statements are prepared once.

use std::path::Path;

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};
use rustc_hash::FxHashMap;

use crate::clock;
use crate::error::{Error, Result};
use crate::load::{Load, directory_bytes};
use crate::params::Param;
use crate::queries::{Cell, Query, Store};
use crate::tuples::{Tuples, Value};

pub const NAME: &str = "sqlite";

struct Sqlite {
    statements: FxHashMap<Query, Statement<'static>>,
    attributes: Vec<&'static str>,
}

pub fn load(tuples: &Tuples, directory: &Path) -> Result<(Box<dyn Store>, Load)> {
    let file = directory.join("tuples.sqlite");
    let started = clock::process();
    let connection = open(&file)?;
    fill(&connection, tuples).map_err(fault)?;
    let cpu_s = (clock::process() - started) / 1e6;
    // What the query planner needs to know is gathered outside the figure for loading.
    connection
        .execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")
        .map_err(fault)?;
    drop(connection);
    let bytes = directory_bytes(directory)?;

    let connection: &'static Connection = Box::leak(Box::new(open(&file)?));
    let mut statements = FxHashMap::default();
    for query in Query::ALL {
        statements.insert(
            query,
            connection.prepare(&sql(query, tuples)).map_err(fault)?,
        );
    }
    let store = Sqlite {
        statements,
        attributes: tuples.attributes.clone(),
    };
    let load = Load {
        tuples: tuples.rows.len(),
        cpu_s,
        disk_bytes: Some(bytes),
        memory_bytes: None,
        version: rusqlite::version().to_owned(),
    };
    Ok((Box::new(store), load))
}

#[allow(clippy::needless_pass_by_value)] // the shape that map_err takes
fn fault(error: rusqlite::Error) -> Error {
    Error::engine(NAME)(&error)
}

fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file).map_err(fault)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-262144; PRAGMA temp_store=MEMORY;",
        )
        .map_err(fault)?;
    Ok(connection)
}

/// One transaction; the second order is built by one sort at its end, which is SQLite's fastest way.
fn fill(connection: &Connection, tuples: &Tuples) -> rusqlite::Result<()> {
    connection
        .execute_batch("BEGIN; CREATE TABLE t(e, a, v, PRIMARY KEY(e, a, v)) WITHOUT ROWID;")?;
    let mut insert = connection.prepare("INSERT INTO t VALUES(?1, ?2, ?3)")?;
    for tuple in &tuples.rows {
        match tuple.value {
            Value::Text(text) => insert.execute((tuple.entity, tuple.attribute, text))?,
            Value::Integer(i) | Value::Time(i) => {
                insert.execute((tuple.entity, tuple.attribute, i))?
            }
            Value::Boolean(b) => insert.execute((tuple.entity, tuple.attribute, b))?,
            Value::Reference(e) => insert.execute((tuple.entity, tuple.attribute, e))?,
        };
    }
    connection.execute_batch("CREATE INDEX ave ON t(a, v, e); COMMIT;")
}

/// The statement, with `{attribute}` replaced by the attribute's number.
fn sql(query: Query, tuples: &Tuples) -> String {
    let mut text = template(query).to_owned();
    for (number, name) in tuples.attributes.iter().enumerate() {
        text = text.replace(&format!("{{{name}}}"), &number.to_string());
    }
    text
}

fn template(query: Query) -> &'static str {
    match query {
        Query::Entity => "SELECT a, v FROM t WHERE e=?1",
        Query::Value => "SELECT e FROM t WHERE a={name} AND v=?1",
        Query::Album => {
            "SELECT x.e FROM t x JOIN t y ON y.e=x.e AND y.a={is-photo} AND y.v=1 WHERE x.a={photo-album} AND x.v=?1"
        }
        Query::PostsByName => {
            "SELECT p.e FROM t n JOIN t p ON p.a={author} AND p.v=n.e WHERE n.a={name} AND n.v=?1"
        }
        Query::FoafPosts => {
            "SELECT n.e, f.v, p.e FROM t n JOIN t f ON f.e=n.e AND f.a={follows} \
             JOIN t p ON p.a={author} AND p.v=f.v WHERE n.a={name} AND n.v=?1"
        }
        Query::Feed => {
            "SELECT p.e, c.v FROM t f JOIN t p ON p.a={author} AND p.v=f.v JOIN t c ON c.e=p.e AND c.a={created} \
             WHERE f.e=?1 AND f.a={follows}"
        }
        Query::ReplyChain => {
            "SELECT c.e FROM t p JOIN t y ON y.e=p.e AND y.a={type} AND y.v='post' JOIN t c ON c.a={on} AND c.v=p.e \
             JOIN t u ON u.e=c.e AND u.a={author} JOIN t n ON n.e=u.v AND n.a={name} WHERE p.a={author} AND p.v=?1"
        }
        Query::Triangle => {
            "SELECT x.v, y.v FROM t x JOIN t y ON y.e=x.v AND y.a={follows} \
             JOIN t z ON z.e=y.v AND z.a={follows} AND z.v=?1 WHERE x.e=?1 AND x.a={follows}"
        }
        Query::FeedTop20 => {
            "SELECT p.e, c.v FROM t f JOIN t p ON p.a={author} AND p.v=f.v \
             JOIN t y ON y.e=p.e AND y.a={type} AND y.v='post' JOIN t c ON c.e=p.e AND c.a={created} \
             WHERE f.e=?1 AND f.a={follows} ORDER BY c.v DESC, p.e DESC LIMIT 20"
        }
        Query::TagCity => {
            "SELECT p.e FROM t p JOIN t u ON u.e=p.e AND u.a={author} JOIN t c ON c.e=u.v AND c.a={city} AND c.v=?2 \
             JOIN t n ON n.e=u.v AND n.a={name} WHERE p.a={tag} AND p.v=?1"
        }
        Query::Descendants => {
            "WITH RECURSIVE d(x) AS (SELECT e FROM t WHERE a={parent} AND v=?1 \
             UNION SELECT t.e FROM d JOIN t ON t.a={parent} AND t.v=d.x) SELECT x FROM d"
        }
        Query::Reach => {
            "WITH RECURSIVE d(x) AS (SELECT v FROM t WHERE e=?1 AND a={follows} \
             UNION SELECT t.v FROM d JOIN t ON t.e=d.x AND t.a={follows}) SELECT x FROM d"
        }
        Query::TagCounts => "SELECT v, count(*) FROM t WHERE a={tag} GROUP BY v",
        // CROSS JOIN makes the planner walk the times backwards and stop at the twentieth post.
        Query::Latest20 => {
            "SELECT c.e, c.v FROM t c CROSS JOIN t y ON y.e=c.e AND y.a={type} AND y.v='post' \
             WHERE c.a={created} ORDER BY c.v DESC, c.e DESC LIMIT 20"
        }
    }
}

impl Store for Sqlite {
    fn run(&mut self, query: Query, param: &Param, row: &mut dyn FnMut(&[Cell<'_>])) -> Result<()> {
        let Some(statement) = self.statements.get_mut(&query) else {
            return Err(Error::engine(NAME)(&"a statement is missing"));
        };
        let columns = statement.column_count();
        let mut rows = match param {
            Param::Entity(e) => statement.query([e]),
            Param::Text(text) => statement.query([text]),
            Param::Pair(one, other) => statement.query([one, other]),
            Param::Nothing(()) => statement.query(params_from_iter(std::iter::empty::<SqlValue>())),
        }
        .map_err(fault)?;
        while let Some(found) = rows.next().map_err(fault)? {
            let mut cells = [Cell::Number(0); 3];
            for (i, cell) in cells.iter_mut().enumerate().take(columns) {
                *cell = match found.get_ref(i).map_err(fault)? {
                    ValueRef::Integer(a) if i == 0 && query == Query::Entity => {
                        Cell::Text(self.attributes[a as usize])
                    }
                    ValueRef::Integer(number) => Cell::Number(number),
                    ValueRef::Text(text) => {
                        Cell::Text(std::str::from_utf8(text).map_err(|e| Error::engine(NAME)(&e))?)
                    }
                    other => {
                        return Err(Error::engine(NAME)(&format!("unexpected value {other:?}")));
                    }
                };
            }
            row(&cells[..columns]);
        }
        Ok(())
    }
}
