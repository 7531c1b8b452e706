//! SQLite's FTS5 over the same posts: an index beside a table of the texts, with positions, as its manual has it (`content=`), accents folded.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use super::text::Posts;
use super::{HITS, Questions, Side, times};
use crate::clock;
use crate::error::{Error, Result};

fn fault(error: rusqlite::Error) -> Error {
    Error::engine("fts5")(&error)
}

pub fn measure(
    scratch: &Path,
    posts: &Posts,
    questions: &Questions,
    new: u64,
) -> Result<(Side, Vec<usize>)> {
    let file = scratch.join("posts.sqlite");
    let db = Connection::open(&file).map_err(fault)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -200000; PRAGMA mmap_size = 2000000000;
         CREATE TABLE posts (id INTEGER PRIMARY KEY, at INTEGER, text TEXT);
         CREATE VIRTUAL TABLE words USING fts5(text, content='posts', content_rowid='id', tokenize='unicode61 remove_diacritics 2');",
    )
    .map_err(fault)?;
    fill(&db, posts).map_err(fault)?;
    let before = bytes(&db).map_err(fault)?;
    let cpu = clock::process();
    db.execute_batch(
        "INSERT INTO words(words) VALUES('rebuild'); INSERT INTO words(words) VALUES('optimize'); PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .map_err(fault)?;
    let built_s = (clock::process() - cpu) / 1e6;
    let index_bytes = bytes(&db).map_err(fault)?.saturating_sub(before);
    let mut statement = db
        .prepare("SELECT rowid, snippet(words, 0, '[', ']', '…', 40) FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT ?2")
        .map_err(fault)?;
    let (times, found) = times(questions, |question| {
        let rows = statement.query_map(params![question.fts5, HITS as i64], |row| {
            row.get::<_, String>(1)
        });
        let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<String>>>);
        Ok(rows.map_err(fault)?.len())
    })?;
    let mut waits = Vec::new();
    for n in 0..new {
        let word = format!("quitenew{n}");
        let text = format!("a post with a word that no other one has: {word}");
        let id = (posts.len() + n + 1) as i64;
        let began = Instant::now();
        write(&db, id, &text).map_err(fault)?;
        let rows = statement
            .query_map(params![word, HITS as i64], |row| row.get::<_, i64>(0))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<i64>>>)
            .map_err(fault)?;
        if rows != [id] {
            return Err(super::failed("FTS5 did not find a new post"));
        }
        waits.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let side = Side {
        built_s,
        index_bytes,
        times,
        new: waits,
    };
    Ok((side, found))
}

fn fill(db: &Connection, posts: &Posts) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN")?;
    let mut insert = db.prepare("INSERT INTO posts VALUES (?1, ?2, ?3)")?;
    for n in 0..posts.len() {
        insert.execute(params![n as i64 + 1, Posts::at(n) as i64, posts.text(n)])?;
    }
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")
}

fn write(db: &Connection, id: i64, text: &str) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    db.prepare_cached("INSERT INTO posts VALUES (?1, 0, ?2)")?
        .execute(params![id, text])?;
    db.prepare_cached("INSERT INTO words(rowid, text) VALUES (?1, ?2)")?
        .execute(params![id, text])?;
    db.execute_batch("COMMIT")
}

/// Pages in use, in bytes.
fn bytes(db: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let used = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok((used * number("PRAGMA page_size")?) as u64)
}
