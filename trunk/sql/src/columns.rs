//! Which columns a result has, and what they hold.

use std::collections::HashSet;

use rhizome_schema::{Schemas, ValueType};
use serde_json::{Value as Json, json};

use crate::{Cell, Kind, SqlError, names};

/// Columns of a table, its key beside.
pub const MAX_COLUMNS: usize = 500;
/// The name of the key.
pub const KEY: &str = "_key";

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The variable, aggregate or field.
    pub from: String,
    /// Its name in the table.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// The columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(pub Vec<Column>);

impl Columns {
    /// The key and the columns as `CREATE TABLE` wants them, with what a database calls each kind.
    pub fn declared(&self, key: &str, kind: fn(Kind) -> &'static str) -> String {
        let mut text = format!("({} {key}", names::quoted(KEY));
        for column in &self.0 {
            text.push_str(", ");
            text.push_str(&names::quoted(&column.name));
            text.push(' ');
            text.push_str(kind(column.kind));
        }
        text.push(')');
        text
    }

    /// As noted beside the table.
    pub fn to_json(&self) -> Json {
        let one = |c: &Column| json!([c.from, c.name, c.kind.as_str()]);
        self.0.iter().map(one).collect()
    }

    /// Reads [`Self::to_json`].
    pub fn from_json(text: &str) -> Option<Self> {
        let rows: Vec<(String, String, String)> = serde_json::from_str(text).ok()?;
        let columns = rows.into_iter().map(|(from, name, kind)| {
            let kind = Kind::from_name(&kind)?;
            Some(Column { from, name, kind })
        });
        columns.collect::<Option<_>>().map(Self)
    }

    /// Which one stands for a variable or field; it is added if there is none.
    pub fn place(&mut self, from: &str) -> Result<usize, SqlError> {
        if let Some(place) = self.0.iter().position(|c| c.from == from) {
            return Ok(place);
        }
        if self.0.len() >= MAX_COLUMNS {
            return Err(SqlError::Columns(self.0.len() + 1));
        }
        let mut taken: HashSet<String> = self.0.iter().map(|c| c.name.clone()).collect();
        taken.insert(KEY.into());
        self.0.push(Column {
            from: from.to_owned(),
            name: names::column(from, &taken),
            kind: Kind::Unknown,
        });
        Ok(self.0.len() - 1)
    }

    /// Makes room for a value.
    pub fn widen(&mut self, place: usize, cell: &Cell) {
        if let Some(column) = self.0.get_mut(place) {
            column.kind = column.kind.with(cell.kind());
        }
    }
}

/// Whether a plain integer of a nested result's field is a time, by the public schemas: such results have times as plain milliseconds.
pub fn is_time(namespace: &str, field: &str) -> bool {
    let schemas = Schemas::built_in();
    let time = |attribute: &str| {
        schemas
            .attribute(attribute)
            .is_some_and(|a| a.value_type == ValueType::Time)
    };
    if field.contains('/') {
        return time(field);
    }
    let ending = format!("/{field}");
    time(&format!("{namespace}/{field}")) || {
        let mut named = schemas
            .attributes()
            .filter(|(name, _)| name.ends_with(&ending))
            .peekable();
        named.peek().is_some() && named.all(|(_, a)| a.value_type == ValueType::Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_added_and_widened_and_noted() {
        let mut columns = Columns::default();
        assert_eq!(columns.place("?a").unwrap(), 0);
        assert_eq!(columns.place("_key").unwrap(), 1);
        assert_eq!(columns.place("?a").unwrap(), 0);
        columns.widen(0, &Cell::Integer(1));
        columns.widen(0, &Cell::Null);
        columns.widen(1, &Cell::Integer(1));
        columns.widen(1, &Cell::Real(1.5));
        let kinds: Vec<Kind> = columns.0.iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [Kind::Integer, Kind::Text]);
        assert_eq!(columns.0[1].name, "key");
        assert_eq!(
            Columns::from_json(&columns.to_json().to_string()),
            Some(columns)
        );
        assert_eq!(Columns::from_json("[[1]]"), None);
    }

    #[test]
    fn times_are_known_by_the_schemas() {
        assert!(is_time("post", "social/created"));
        assert!(is_time("post", "created"));
        assert!(!is_time("post", "text"));
        assert!(!is_time("post", "nobody-knows-this"));
    }

    #[test]
    fn a_table_is_not_endless() {
        let mut columns = Columns::default();
        for i in 0..MAX_COLUMNS {
            columns.place(&format!("c{i}")).unwrap();
        }
        assert!(matches!(columns.place("more"), Err(SqlError::Columns(_))));
        assert!(columns.place("c7").is_ok());
    }
}
