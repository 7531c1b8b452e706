//! What a mirror needs of a database.

use crate::{Cell, SqlError, columns::Columns};

/// What is noted beside the tables: which of them mirror what.
pub const NOTES: &str = "_rhizome_mirror";

/// A table as it is.
pub struct Held {
    pub columns: Columns,
    /// Key, and a cell for each column.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// What becomes of a table in one transaction.
pub struct Change<'a> {
    /// The columns that the table has; `None` if there is no table yet.
    pub before: Option<&'a Columns>,
    /// The columns that it is to have: those of `before`, perhaps of another kind, and more behind them.
    pub columns: &'a Columns,
    /// New and changed rows, whole.
    pub put: Vec<(&'a str, Vec<Cell>)>,
    /// Keys of rows that are gone.
    pub remove: Vec<&'a str>,
}

impl Change<'_> {
    /// Whether what a column held before is written in another way now. Then `put` has every row.
    pub fn rewrites(before: &Columns, after: &Columns) -> bool {
        let same = before.0.iter().zip(&after.0);
        same.into_iter()
            .any(|(old, new)| old.kind != new.kind && old.kind != crate::Kind::Unknown)
    }
}

/// A connection to a database, for one table.
pub trait Store: Send {
    /// The table, if there is one; refused if it is not ours, or mirrors something else.
    fn held(&mut self) -> Result<Option<Held>, SqlError>;

    /// How a value comes back after it was written.
    fn flat(&self, cell: Cell) -> Cell;

    /// All of it, or nothing.
    fn write(&mut self, change: &Change<'_>) -> Result<(), SqlError>;

    /// Whether the connection still is one.
    fn alive(&mut self) -> Result<(), SqlError>;
}
