use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::{
    Cell, SqlError, Target,
    columns::{Columns, is_time},
    keys::Keys,
    names,
    postgres::Postgres,
    sqlite::Sqlite,
    store::{Change, Store},
};

/// How rows of a live result are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A cell for each column.
    Rows,
    /// Nested: the second cell is an object of this namespace, its members are the columns.
    Objects(String),
}

impl Plan {
    /// That of a query in either language.
    pub fn of(query: &str) -> Result<Self, SqlError> {
        let Ok(Json::Object(members)) = serde_json::from_str(query) else {
            return Ok(Self::Rows);
        };
        let mut names = members.keys();
        match (names.next(), names.next()) {
            (Some(namespace), None) => Ok(Self::Objects(namespace.clone())),
            _ => Err(SqlError::Namespaces(members.len())),
        }
    }
}

/// A row of a live result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is called as long as it is followed.
    pub key: String,
    /// Its cells, times, references, files and bytes in their stored form (`{"time": …}`).
    pub cells: Vec<Json>,
}

/// What is heard of a live result.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// All of it.
    Whole {
        /// The names of its columns.
        columns: Vec<String>,
        /// Its rows.
        rows: Vec<Row>,
    },
    /// What became different.
    Change {
        /// New rows, and those whose cells changed.
        put: Vec<Row>,
        /// Keys of rows that are gone.
        removed: Vec<String>,
    },
}

/// What a transaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were not there.
    pub added: usize,
    /// Rows with other values.
    pub changed: usize,
    /// Rows that are gone.
    pub removed: usize,
}

impl Written {
    /// Whether nothing was to be done.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

struct Kept {
    /// Its key in the table, once it has one.
    key: Option<String>,
    /// By column.
    cells: Vec<(usize, Cell)>,
}

/// Keeps a table equal to a live result.
pub struct Mirror {
    target: Target,
    table: String,
    query: String,
    plan: Plan,
    store: Option<Box<dyn Store>>,
    /// Columns of the result: variables, or members of objects.
    heard: Vec<String>,
    columns: Columns,
    /// Those of the table, as far as is known.
    written: Option<Columns>,
    rows: BTreeMap<String, Kept>,
    keys: Keys,
    /// Rows that the table does not have as they are.
    touched: BTreeSet<String>,
    /// Keys of the table that are gone.
    gone: BTreeSet<String>,
    /// Nothing of the table is known: all of it has to be compared.
    whole: bool,
    /// Nothing was heard of the result yet.
    silent: bool,
}

impl Mirror {
    /// A mirror that has heard nothing yet. Nothing is opened before [`Self::write`].
    pub fn new(target: Target, table: &str, query: &str, plan: Plan) -> Result<Self, SqlError> {
        names::table(table)?;
        Ok(Self {
            target,
            table: table.to_owned(),
            query: query.to_owned(),
            plan,
            store: None,
            heard: Vec::new(),
            columns: Columns::default(),
            written: None,
            rows: BTreeMap::new(),
            keys: Keys::default(),
            touched: BTreeSet::new(),
            gone: BTreeSet::new(),
            whole: true,
            silent: true,
        })
    }

    /// How many rows the result has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the result has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes in what is heard. Nothing is written yet. An error is one of the result: it has too many columns.
    pub fn take(&mut self, news: News) -> Result<(), SqlError> {
        match news {
            News::Whole { columns, rows } => {
                self.rows.clear();
                self.touched.clear();
                self.gone.clear();
                self.whole = true;
                self.silent = false;
                self.heard = columns;
                if self.plan == Plan::Rows {
                    for column in &self.heard {
                        self.columns.place(column)?;
                    }
                }
                for row in rows {
                    let cells = self.cells(&row)?;
                    self.rows.insert(row.key, Kept { key: None, cells });
                }
            }
            News::Change { put, removed } => {
                for key in removed {
                    self.touched.remove(&key);
                    if let Some(key) = self.rows.remove(&key).and_then(|kept| kept.key) {
                        self.keys.free(&key);
                        self.gone.insert(key);
                    }
                }
                for row in put {
                    let cells = self.cells(&row)?;
                    match self.rows.get_mut(&row.key) {
                        // another place in the result is nothing to a table
                        Some(kept) if same(&kept.cells, &cells) => {}
                        Some(kept) => {
                            kept.cells = cells;
                            self.touched.insert(row.key);
                        }
                        None => {
                            self.touched.insert(row.key.clone());
                            self.rows.insert(row.key, Kept { key: None, cells });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn cells(&mut self, row: &Row) -> Result<Vec<(usize, Cell)>, SqlError> {
        let mut cells = Vec::new();
        match &self.plan {
            Plan::Rows => {
                for (from, json) in self.heard.iter().zip(&row.cells) {
                    cells.push((self.columns.place(from)?, Cell::from_json(json, false)));
                }
            }
            Plan::Objects(namespace) => {
                let members = row.cells.get(1).and_then(Json::as_object);
                for (member, json) in members.into_iter().flatten() {
                    let cell = Cell::from_json(json, is_time(namespace, member));
                    cells.push((self.columns.place(member)?, cell));
                }
            }
        }
        for (place, cell) in &cells {
            self.columns.widen(*place, cell);
        }
        Ok(cells)
    }

    /// Makes the table equal to the result, in one transaction. After an error nothing has changed there; the next call compares all of
    /// it, over a new connection.
    pub fn write(&mut self) -> Result<Written, SqlError> {
        if self.silent {
            return Ok(Written::default());
        }
        let again = !self.whole;
        let mut done = self.write_once();
        if let Err(error) = &done
            && again
            && !error.passes()
        {
            // somebody may have changed the table under our feet
            self.lose();
            done = self.write_once();
        }
        if done.is_err() {
            self.lose();
        }
        done
    }

    fn lose(&mut self) {
        self.store = None;
        self.whole = true;
        self.touched.clear();
        self.gone.clear();
    }

    fn write_once(&mut self) -> Result<Written, SqlError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => self.open()?,
        };
        if !self.whole && self.written.as_ref() != Some(&self.columns) {
            // values that were fine where they are may have to be written otherwise
            self.whole = true;
        }
        let written = if self.whole {
            self.compare(store.as_mut())
        } else {
            self.follow(store.as_mut())
        }?;
        self.store = Some(store);
        Ok(written)
    }

    fn open(&self) -> Result<Box<dyn Store>, SqlError> {
        Ok(match &self.target {
            Target::Sqlite(file) => Box::new(Sqlite::open(file, &self.table, &self.query)?),
            Target::Postgres(config) => Box::new(Postgres::open(config, &self.table, &self.query)?),
        })
    }

    /// Whether the database is still there, when there is nothing to write. If it is not, the next [`Self::write`] finds out what it has.
    pub fn check(&mut self) -> Result<(), SqlError> {
        let alive = self.store.as_mut().map_or(Ok(()), |store| store.alive());
        if alive.is_err() {
            self.lose();
        }
        alive
    }

    /// Whether there is something to write.
    pub fn is_due(&self) -> bool {
        !self.silent && (self.whole || !self.touched.is_empty() || !self.gone.is_empty())
    }

    /// What has changed since the last time.
    fn follow(&mut self, store: &mut dyn Store) -> Result<Written, SqlError> {
        let mut written = Written::default();
        let mut put = Vec::new();
        for key in &self.touched {
            let Some(kept) = self.rows.get_mut(key) else {
                continue;
            };
            let cells = fitted(&self.columns, &kept.cells, store);
            let key = if let Some(key) = &kept.key {
                written.changed += 1;
                key.clone()
            } else {
                let key = self.keys.take(&cells);
                kept.key = Some(key.clone());
                if self.gone.contains(&key) {
                    written.changed += 1;
                } else {
                    written.added += 1;
                }
                key
            };
            put.push((key, cells));
        }
        let remove: Vec<&str> = self
            .gone
            .iter()
            .map(String::as_str)
            .filter(|key| !self.keys.holds(key))
            .collect();
        written.removed = remove.len();
        if !written.is_empty() {
            store.write(&Change {
                before: Some(&self.columns),
                columns: &self.columns,
                put: put.iter().map(|(k, c)| (k.as_str(), c.clone())).collect(),
                remove,
            })?;
        }
        self.touched.clear();
        self.gone.clear();
        Ok(written)
    }

    /// Everything.
    fn compare(&mut self, store: &mut dyn Store) -> Result<Written, SqlError> {
        let held = store.held()?;
        let before = held.as_ref().map(|held| held.columns.clone());
        self.arrange(before.as_ref())?;
        let anew = before
            .as_ref()
            .is_some_and(|before| Change::rewrites(before, &self.columns));
        let width = self.columns.0.len();
        let mut there = held.map(|held| held.rows).unwrap_or_default();
        for (_, cells) in &mut there {
            cells.resize_with(width, || Cell::Null);
        }
        let mut keys = Keys::of(&there);
        let mut now: Vec<(&String, Option<String>, Vec<Cell>)> = Vec::new();
        for (key, kept) in &self.rows {
            let cells = fitted(&self.columns, &kept.cells, store);
            let same = (self.plan == Plan::Rows)
                .then(|| keys.same(&cells))
                .flatten();
            now.push((key, same, cells));
        }
        // keys that go on first: a new row must not take one away
        let mut named: Vec<(String, String, Vec<Cell>)> = Vec::with_capacity(now.len());
        for (live, key, cells) in now {
            let key = match key {
                Some(key) => key,
                None => match self.rows.get(live).and_then(|kept| kept.key.as_ref()) {
                    Some(known) if keys.claim(known) => known.clone(),
                    _ => keys.take(&cells),
                },
            };
            named.push((live.clone(), key, cells));
        }
        let there: HashMap<&str, &Vec<Cell>> = there
            .iter()
            .map(|(key, cells)| (key.as_str(), cells))
            .collect();
        let mut written = Written::default();
        let mut put = Vec::new();
        for (_, key, cells) in &named {
            let equal = match there.get(key.as_str()) {
                None => {
                    written.added += 1;
                    false
                }
                Some(old) => {
                    let equal = old.iter().zip(cells).all(|(a, b)| a.is(b));
                    written.changed += usize::from(!equal);
                    equal
                }
            };
            if anew || !equal {
                put.push((key.as_str(), cells.clone()));
            }
        }
        let remove: Vec<&str> = there
            .keys()
            .copied()
            .filter(|key| !keys.holds(key))
            .collect();
        written.removed = remove.len();
        if !put.is_empty() || !remove.is_empty() || before.as_ref() != Some(&self.columns) {
            store.write(&Change {
                before: before.as_ref(),
                columns: &self.columns,
                put,
                remove,
            })?;
        }
        for (live, key, _) in named {
            if let Some(kept) = self.rows.get_mut(&live) {
                kept.key = Some(key);
            }
        }
        self.keys = keys;
        self.written = Some(self.columns.clone());
        self.touched.clear();
        self.gone.clear();
        self.whole = false;
        Ok(written)
    }

    /// Brings the columns into the order of the table's, of kinds that hold both.
    fn arrange(&mut self, held: Option<&Columns>) -> Result<(), SqlError> {
        let Some(held) = held else { return Ok(()) };
        let mut columns = held.clone();
        let mut places = Vec::with_capacity(self.columns.0.len());
        for column in &self.columns.0 {
            let place = columns.place(&column.from)?;
            if let Some(there) = columns.0.get_mut(place) {
                there.kind = there.kind.with(column.kind);
            }
            places.push(place);
        }
        for kept in self.rows.values_mut() {
            for (place, _) in &mut kept.cells {
                *place = places.get(*place).copied().unwrap_or(*place);
            }
        }
        self.columns = columns;
        Ok(())
    }
}

/// As the table has it: a cell for every column.
fn fitted(columns: &Columns, cells: &[(usize, Cell)], store: &dyn Store) -> Vec<Cell> {
    let mut all = vec![Cell::Null; columns.0.len()];
    for (place, cell) in cells {
        if let (Some(slot), Some(column)) = (all.get_mut(*place), columns.0.get(*place)) {
            *slot = store.flat(cell.clone().fit(column.kind));
        }
    }
    all
}

fn same(a: &[(usize, Cell)], b: &[(usize, Cell)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((i, a), (j, b))| i == j && a.is(b))
}
