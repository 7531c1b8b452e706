//! Canonical answers: engines agree when the same rows give the same digest.

use std::cmp::Reverse;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::params::Param;
use crate::queries::{Cell, Query, Store};
use crate::sheet::Sheet;

/// What is compared of the answer to one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub rows: usize,
    /// First 16 hexadecimal digits of the SHA-256 of the canonical rows joined by newlines.
    pub digest: String,
}

impl Answer {
    pub fn of(rows: &[String]) -> Self {
        let mut digest = sha256(rows.join("\n").as_bytes());
        digest.truncate(16);
        Self {
            rows: rows.len(),
            digest,
        }
    }
}

/// The rows of one call as text: cells as the data file writes them, joined by tabs; sorted, unless the query says an order.
///
/// Rows of an ordered query must come latest first. Engines order equal times by their own names of entities, so those
/// are put in the order of the data's names here.
pub fn canonical(store: &mut dyn Store, query: Query, param: &Param) -> Result<Vec<String>> {
    let mut sheet = Sheet::default();
    store.run(query, param, &mut |cells| sheet.push(cells))?;
    let mut rows = Vec::new();
    for cells in sheet.rows() {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                line.push('\t');
            }
            // Writing to a string cannot fail.
            let _ = match *cell {
                Cell::Text(text) => write!(line, "{text}"),
                Cell::Number(number) => write!(line, "{number}"),
                Cell::Iri(iri) => write!(line, "{}", local_name(iri)),
                Cell::Entity(id) => match store.number(id) {
                    Some(number) => write!(line, "{number}"),
                    None => write!(line, "an entity that is not in the data"),
                },
            };
        }
        rows.push(line);
    }
    if query.ordered() {
        order_ties(query, &mut rows)?;
    } else {
        rows.sort_unstable();
    }
    Ok(rows)
}

/// `17` of `urn:e:17`, `name` of `urn:a:name`.
fn local_name(iri: &str) -> &str {
    let name = iri.strip_prefix("urn:").and_then(|rest| rest.get(2..));
    name.unwrap_or(iri)
}

fn order_ties(query: Query, rows: &mut [String]) -> Result<()> {
    let key = |row: &String| -> Option<(Reverse<i64>, Reverse<u32>)> {
        let (entity, time) = row.split_once('\t')?;
        Some((Reverse(time.parse().ok()?), Reverse(entity.parse().ok()?)))
    };
    let fault = |reason| Error::Engine {
        engine: query.name(),
        reason,
    };
    let keys: Vec<_> = rows.iter().map(key).collect();
    if keys.iter().any(Option::is_none) {
        return Err(fault(format!(
            "a row is not an entity and a time: {rows:?}"
        )));
    }
    if !keys.iter().map(|k| k.map(|k| k.0)).is_sorted() {
        return Err(fault(format!("rows are not latest first: {rows:?}")));
    }
    rows.sort_by_key(key);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the same rows whatever is asked.
    struct Fixed(Vec<(i64, i64)>);

    impl Store for Fixed {
        fn run(&mut self, _: Query, _: &Param, row: &mut dyn FnMut(&[Cell<'_>])) -> Result<()> {
            for (entity, time) in &self.0 {
                row(&[Cell::Number(*entity), Cell::Number(*time)]);
            }
            Ok(())
        }
    }

    fn rows(of: &[(i64, i64)], query: Query) -> Result<Vec<String>> {
        canonical(&mut Fixed(of.to_vec()), query, &Param::Nothing(()))
    }

    #[test]
    fn order_counts_only_where_the_query_says_one() {
        assert_eq!(
            rows(&[(2, 1), (1, 5)], Query::Feed).unwrap(),
            rows(&[(1, 5), (2, 1)], Query::Feed).unwrap()
        );
        assert!(rows(&[(2, 1), (1, 5)], Query::Latest20).is_err());
        assert_eq!(
            rows(&[(1, 5), (2, 1)], Query::Latest20).unwrap(),
            ["1\t5", "2\t1"]
        );
    }

    #[test]
    fn equal_times_come_in_one_order() {
        let expected = ["3\t9", "20\t5", "10\t5", "1\t4"];
        assert_eq!(
            rows(&[(3, 9), (10, 5), (20, 5), (1, 4)], Query::Latest20).unwrap(),
            expected
        );
        assert_eq!(
            rows(&[(3, 9), (20, 5), (10, 5), (1, 4)], Query::Latest20).unwrap(),
            expected
        );
    }

    #[test]
    fn different_rows_have_different_digests() {
        let answer = |of: &[(i64, i64)]| Answer::of(&rows(of, Query::Feed).unwrap());
        assert_ne!(answer(&[(1, 5)]), answer(&[(1, 6)]));
        assert_ne!(answer(&[(1, 5)]), answer(&[(1, 5), (1, 5)]));
    }
}
