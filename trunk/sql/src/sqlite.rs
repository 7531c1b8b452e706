//! A table in a SQLite file.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params,
    types::{ToSqlOutput, Value, ValueRef},
};

use crate::{
    Cell, Kind, SqlError,
    cell::iso,
    columns::{Columns, KEY},
    names::quoted,
    store::{Change, Held, NOTES, Store},
};

/// How long somebody else may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// The name of a table while it is made anew.
const NEW: &str = "_rhizome_new";

/// See the module.
pub struct Sqlite {
    connection: Connection,
    file: std::path::PathBuf,
    table: String,
    query: String,
}

fn declared(kind: Kind) -> &'static str {
    match kind {
        // no type is no affinity: whatever comes stays as it is
        Kind::Unknown => "",
        Kind::Boolean => "BOOLEAN",
        Kind::Integer => "INTEGER",
        Kind::Real => "REAL",
        Kind::Bytes => "BLOB",
        // types with other names would make numbers of what looks like one
        Kind::Text | Kind::Time | Kind::Json => "TEXT",
    }
}

fn create(name: &str, columns: &Columns) -> String {
    let declared = columns.declared("TEXT PRIMARY KEY NOT NULL", declared);
    format!("CREATE TABLE {} {declared}", quoted(name))
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Boolean(b) => ToSqlOutput::Owned(Value::Integer(i64::from(*b))),
            Self::Integer(i) => ToSqlOutput::Owned(Value::Integer(*i)),
            Self::Real(x) => ToSqlOutput::Owned(Value::Real(*x)),
            Self::Text(s) => ToSqlOutput::Borrowed(ValueRef::Text(s.as_bytes())),
            Self::Time(ms) => ToSqlOutput::Owned(Value::Text(iso(*ms))),
            Self::Bytes(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
            Self::Json(json) => ToSqlOutput::Owned(Value::Text(json.to_string())),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(i) => Cell::Integer(i),
        ValueRef::Real(x) => Cell::Real(x),
        ValueRef::Text(s) => Cell::Text(String::from_utf8_lossy(s).into_owned()),
        ValueRef::Blob(b) => Cell::Bytes(b.to_vec()),
    }
}

impl Sqlite {
    pub fn open(file: &Path, table: &str, query: &str) -> Result<Self, SqlError> {
        let failed = |why| SqlError::Sqlite {
            file: file.to_owned(),
            why,
        };
        let connection = Connection::open(file).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // those who read go on reading while something is written
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(failed)?;
        // views and triggers that name the table go on naming it when it is made anew
        connection
            .pragma_update(None, "legacy_alter_table", true)
            .map_err(failed)?;
        Ok(Self {
            connection,
            file: file.to_owned(),
            table: table.to_owned(),
            query: query.to_owned(),
        })
    }

    fn read(&self) -> rusqlite::Result<Result<Option<Held>, SqlError>> {
        let db = &self.connection;
        db.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {NOTES} (table_name TEXT PRIMARY KEY NOT NULL, query TEXT NOT NULL, columns TEXT NOT NULL)"
        ))?;
        let there: bool = db.query_row(
            "SELECT count(*) > 0 FROM sqlite_master WHERE lower(name) = lower(?1) AND type IN ('table', 'view')",
            [&self.table],
            |row| row.get(0),
        )?;
        if !there {
            return Ok(Ok(None));
        }
        let noted: Option<(String, String)> = db
            .query_row(
                &format!("SELECT query, columns FROM {NOTES} WHERE table_name = ?1"),
                [&self.table],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let not_ours = || SqlError::NotOurs(self.table.clone());
        let Some((query, columns)) = noted else {
            return Ok(Err(not_ours()));
        };
        if query != self.query {
            let table = self.table.clone();
            return Ok(Err(SqlError::OtherQuery { table, query }));
        }
        let Some(columns) = Columns::from_json(&columns) else {
            return Ok(Err(not_ours()));
        };
        let mut names = vec![quoted(KEY)];
        names.extend(columns.0.iter().map(|c| quoted(&c.name)));
        let mut statement = db.prepare(&format!(
            "SELECT {} FROM {}",
            names.join(", "),
            quoted(&self.table)
        ))?;
        let width = columns.0.len();
        let rows = statement
            .query_map([], |row| {
                let cells = (1..=width).map(|i| row.get_ref(i).map(cell));
                Ok((row.get(0)?, cells.collect::<Result<_, _>>()?))
            })?
            .collect::<Result<_, _>>()?;
        Ok(Ok(Some(Held { columns, rows })))
    }

    fn transact(&mut self, change: &Change<'_>) -> rusqlite::Result<()> {
        let (table, query) = (self.table.clone(), self.query.clone());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let anew = change
            .before
            .is_some_and(|before| Change::rewrites(before, change.columns));
        match change.before {
            None => transaction.execute_batch(&create(&table, change.columns))?,
            Some(_) if anew => transaction.execute_batch(&create(NEW, change.columns))?,
            Some(before) => {
                for column in change.columns.0.iter().skip(before.0.len()) {
                    transaction.execute_batch(&format!(
                        "ALTER TABLE {} ADD COLUMN {} {}",
                        quoted(&table),
                        quoted(&column.name),
                        declared(column.kind)
                    ))?;
                }
            }
        }
        put(&transaction, if anew { NEW } else { &table }, change)?;
        if anew {
            replace(&transaction, &table)?;
        } else {
            let text = format!("DELETE FROM {} WHERE {} = ?1", quoted(&table), quoted(KEY));
            let mut delete = transaction.prepare(&text)?;
            for key in &change.remove {
                delete.execute([key])?;
            }
        }
        if change.before != Some(change.columns) {
            transaction.execute(
                &format!("INSERT OR REPLACE INTO {NOTES} (table_name, query, columns) VALUES (?1, ?2, ?3)"),
                params![table, query, change.columns.to_json().to_string()],
            )?;
        }
        transaction.commit()
    }

    fn failed(&self, why: rusqlite::Error) -> SqlError {
        SqlError::Sqlite {
            file: self.file.clone(),
            why,
        }
    }
}

fn put(transaction: &Transaction<'_>, table: &str, change: &Change<'_>) -> rusqlite::Result<()> {
    if change.put.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = change.columns.0.iter().map(|c| quoted(&c.name)).collect();
    let list = |part: &dyn Fn(usize, &String) -> String| -> String {
        names.iter().enumerate().map(|(i, n)| part(i, n)).collect()
    };
    let set: Vec<String> = names
        .iter()
        .map(|n| format!("{n} = excluded.{n}"))
        .collect();
    let otherwise = if set.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", set.join(", "))
    };
    let mut insert = transaction.prepare(&format!(
        "INSERT INTO {} ({}{}) VALUES (?1{}) ON CONFLICT ({}) {otherwise}",
        quoted(table),
        quoted(KEY),
        list(&|_, name| format!(", {name}")),
        list(&|i, _| format!(", ?{}", i + 2)),
        quoted(KEY),
    ))?;
    for (key, cells) in &change.put {
        let mut parameters: Vec<&dyn ToSql> = vec![key];
        parameters.extend(cells.iter().map(|c| c as &dyn ToSql));
        insert.execute(parameters.as_slice())?;
    }
    Ok(())
}

/// The new table takes the place of the old one, with the indexes and triggers that somebody made there.
fn replace(transaction: &Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    let kept: Vec<String> = transaction
        .prepare(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        )?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch(&format!("DROP TABLE {}", quoted(table)))?;
    transaction.execute_batch(&format!(
        "ALTER TABLE {} RENAME TO {}",
        quoted(NEW),
        quoted(table)
    ))?;
    for sql in kept {
        transaction.execute_batch(&sql)?;
    }
    Ok(())
}

impl Store for Sqlite {
    fn held(&mut self) -> Result<Option<Held>, SqlError> {
        self.read().map_err(|why| self.failed(why))?
    }

    fn flat(&self, cell: Cell) -> Cell {
        match cell {
            Cell::Boolean(b) => Cell::Integer(i64::from(b)),
            Cell::Time(ms) => Cell::Text(iso(ms)),
            Cell::Json(json) => Cell::Text(json.to_string()),
            cell => cell,
        }
    }

    fn write(&mut self, change: &Change<'_>) -> Result<(), SqlError> {
        self.transact(change).map_err(|why| self.failed(why))
    }

    fn alive(&mut self) -> Result<(), SqlError> {
        Ok(())
    }
}
