//! A table in a PostgreSQL database.

use std::error::Error;

use bytes::BytesMut;
use postgres::{
    Client, NoTls, Transaction,
    types::{IsNull, ToSql, Type},
};
use serde_json::Value as Json;

use crate::{
    Cell, Kind, SqlError,
    columns::{Column, Columns, KEY},
    names::quoted,
    store::{Change, Held, NOTES, Store},
};

/// Rows of one statement.
const ROWS: usize = 500;
/// Parameters of one statement: the protocol counts them in 16 bits.
const PARAMETERS: usize = 60_000;

/// See the module.
pub struct Postgres {
    client: Client,
    table: String,
    query: String,
}

fn declared(kind: Kind) -> &'static str {
    match kind {
        Kind::Unknown | Kind::Text => "text",
        Kind::Boolean => "boolean",
        Kind::Integer => "bigint",
        Kind::Real => "double precision",
        Kind::Time => "timestamptz",
        Kind::Bytes => "bytea",
        Kind::Json => "jsonb",
    }
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Boolean(b) => b.to_sql(ty, out),
            Self::Integer(i) => i.to_sql(ty, out),
            Self::Real(x) => x.to_sql(ty, out),
            Self::Text(s) => s.to_sql(ty, out),
            Self::Time(ms) => jiff::Timestamp::from_millisecond(*ms)?.to_sql(ty, out),
            Self::Bytes(b) => b.to_sql(ty, out),
            Self::Json(json) => json.to_sql(ty, out),
        }
    }

    /// A column of a kind holds nothing else: see [`Cell::fit`].
    fn accepts(_: &Type) -> bool {
        true
    }

    /// A column whose type somebody has changed is found out here.
    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let fits = match self {
            Self::Null => true,
            Self::Boolean(_) => *ty == Type::BOOL,
            Self::Integer(_) => *ty == Type::INT8,
            Self::Real(_) => *ty == Type::FLOAT8,
            Self::Text(_) => <&str as ToSql>::accepts(ty),
            Self::Time(_) => *ty == Type::TIMESTAMPTZ,
            Self::Bytes(_) => *ty == Type::BYTEA,
            Self::Json(_) => *ty == Type::JSONB,
        };
        if !fits {
            return Err(format!(
                "a column is of type {ty} now: give it back the one it had, or drop the table"
            )
            .into());
        }
        self.to_sql(ty, out)
    }
}

fn cell(row: &postgres::Row, i: usize, kind: Kind) -> Result<Cell, postgres::Error> {
    let cell = match kind {
        Kind::Unknown | Kind::Text => row.try_get::<_, Option<String>>(i)?.map(Cell::Text),
        Kind::Boolean => row.try_get::<_, Option<bool>>(i)?.map(Cell::Boolean),
        Kind::Integer => row.try_get::<_, Option<i64>>(i)?.map(Cell::Integer),
        Kind::Real => row.try_get::<_, Option<f64>>(i)?.map(Cell::Real),
        Kind::Time => row
            .try_get::<_, Option<jiff::Timestamp>>(i)?
            .map(|at| Cell::Time(at.as_millisecond())),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(i)?.map(Cell::Bytes),
        Kind::Json => row.try_get::<_, Option<Json>>(i)?.map(Cell::Json),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

/// A text that PostgreSQL takes: it has no character U+0000.
fn storable(text: &str) -> String {
    text.replace('\u{0}', "\u{fffd}")
}

fn storable_json(json: Json) -> Json {
    match json {
        Json::String(s) => Json::String(storable(&s)),
        Json::Array(all) => all.into_iter().map(storable_json).collect(),
        Json::Object(all) => {
            let members = all.into_iter();
            Json::Object(
                members
                    .map(|(k, v)| (storable(&k), storable_json(v)))
                    .collect(),
            )
        }
        json => json,
    }
}

impl Postgres {
    /// Connects, and makes sure that nobody else keeps this table.
    pub fn open(config: &postgres::Config, table: &str, query: &str) -> Result<Self, SqlError> {
        let mut client = config.connect(NoTls)?;
        let lock = "SELECT pg_try_advisory_lock(hashtextextended('rhizome mirror ' || current_schema() || '.' || $1::text, 0))";
        let free: bool = client.query_one(lock, &[&table])?.try_get(0)?;
        if !free {
            return Err(SqlError::Busy(table.to_owned()));
        }
        Ok(Self {
            client,
            table: table.to_owned(),
            query: storable(query),
        })
    }
}

impl Store for Postgres {
    fn held(&mut self) -> Result<Option<Held>, SqlError> {
        self.client.batch_execute(&format!(
            "SET client_min_messages = warning; CREATE TABLE IF NOT EXISTS {NOTES} (table_name text PRIMARY KEY, query text NOT NULL, columns text NOT NULL)"
        ))?;
        let name = quoted(&self.table);
        let there = self
            .client
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&name])?;
        if !there.try_get::<_, bool>(0)? {
            return Ok(None);
        }
        let noted = self.client.query_opt(
            &format!("SELECT query, columns FROM {NOTES} WHERE table_name = $1"),
            &[&self.table],
        )?;
        let not_ours = || SqlError::NotOurs(self.table.clone());
        let noted = noted.ok_or_else(not_ours)?;
        let query: String = noted.try_get(0)?;
        if query != self.query {
            let table = self.table.clone();
            return Err(SqlError::OtherQuery { table, query });
        }
        let columns = Columns::from_json(noted.try_get(1)?).ok_or_else(not_ours)?;
        let mut names = vec![quoted(KEY)];
        names.extend(columns.0.iter().map(|c| quoted(&c.name)));
        let text = format!("SELECT {} FROM {name}", names.join(", "));
        let mut rows = Vec::new();
        for row in self.client.query(&text, &[])? {
            let cells = columns.0.iter().enumerate();
            let cells = cells.map(|(i, column)| cell(&row, i + 1, column.kind));
            rows.push((row.try_get(0)?, cells.collect::<Result<_, _>>()?));
        }
        Ok(Some(Held { columns, rows }))
    }

    fn flat(&self, cell: Cell) -> Cell {
        match cell {
            Cell::Text(s) => Cell::Text(storable(&s)),
            Cell::Json(json) => Cell::Json(storable_json(json)),
            cell => cell,
        }
    }

    fn write(&mut self, change: &Change<'_>) -> Result<(), SqlError> {
        let mut transaction = self.client.transaction()?;
        let name = quoted(&self.table);
        match change.before {
            None => transaction.batch_execute(&create(&name, change.columns))?,
            Some(before) => {
                for text in altered(&name, before, change.columns) {
                    transaction.batch_execute(&text)?;
                }
            }
        }
        if !change.remove.is_empty() {
            let text = format!("DELETE FROM {name} WHERE {} = ANY($1)", quoted(KEY));
            transaction.execute(&text, &[&change.remove])?;
        }
        put(&mut transaction, &name, change)?;
        if change.before != Some(change.columns) {
            transaction.execute(
                &format!(
                    "INSERT INTO {NOTES} (table_name, query, columns) VALUES ($1, $2, $3) \
                     ON CONFLICT (table_name) DO UPDATE SET query = excluded.query, columns = excluded.columns"
                ),
                &[&self.table, &self.query, &change.columns.to_json().to_string()],
            )?;
        }
        Ok(transaction.commit()?)
    }

    fn alive(&mut self) -> Result<(), SqlError> {
        Ok(self.client.is_valid(std::time::Duration::from_secs(5))?)
    }
}

fn create(name: &str, columns: &Columns) -> String {
    let declared = columns.declared("text PRIMARY KEY", declared);
    format!("CREATE TABLE {name} {declared}")
}

fn altered(name: &str, before: &Columns, after: &Columns) -> Vec<String> {
    let change = |(old, new): (&Column, &Column)| {
        let column = quoted(&new.name);
        let kind = declared(new.kind);
        (old.kind != new.kind).then(|| match old.kind {
            Kind::Unknown => {
                format!("ALTER TABLE {name} ALTER COLUMN {column} TYPE {kind} USING NULL::{kind}")
            }
            // every row is written anew after this
            _ => {
                format!("ALTER TABLE {name} ALTER COLUMN {column} TYPE {kind} USING {column}::text")
            }
        })
    };
    let mut texts: Vec<String> = before.0.iter().zip(&after.0).filter_map(change).collect();
    for column in after.0.iter().skip(before.0.len()) {
        texts.push(format!(
            "ALTER TABLE {name} ADD COLUMN {} {}",
            quoted(&column.name),
            declared(column.kind)
        ));
    }
    texts
}

fn put(transaction: &mut Transaction<'_>, name: &str, change: &Change<'_>) -> Result<(), SqlError> {
    let width = change.columns.0.len() + 1;
    let names: Vec<String> = change.columns.0.iter().map(|c| quoted(&c.name)).collect();
    let set: Vec<String> = names
        .iter()
        .map(|n| format!("{n} = excluded.{n}"))
        .collect();
    let otherwise = if set.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", set.join(", "))
    };
    let mut into = String::new();
    for name in &names {
        into.push_str(", ");
        into.push_str(name);
    }
    for rows in change.put.chunks(ROWS.min(PARAMETERS / width).max(1)) {
        let values: Vec<String> = (0..rows.len())
            .map(|row| {
                let places = (1..=width).map(|i| format!("${}", row * width + i));
                format!("({})", places.collect::<Vec<_>>().join(", "))
            })
            .collect();
        let text = format!(
            "INSERT INTO {name} ({}{into}) VALUES {} ON CONFLICT ({}) {otherwise}",
            quoted(KEY),
            values.join(", "),
            quoted(KEY),
        );
        let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(rows.len() * width);
        for (key, cells) in rows {
            parameters.push(key);
            parameters.extend(cells.iter().map(|c| c as &(dyn ToSql + Sync)));
        }
        transaction.execute(&text, &parameters)?;
    }
    Ok(())
}
