use std::path::PathBuf;

/// Why a table does not mirror a query.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The target is neither a SQLite file nor a PostgreSQL address.
    #[error(
        "`{0}` is no target: write sqlite:FILE or postgres://USER@HOST/DATABASE (with ?host=/FOLDER for a socket)"
    )]
    Target(String),
    /// A server elsewhere, and no encryption on the way there.
    #[error(
        "what goes to a server elsewhere would be in the clear: use a tunnel, or write ?sslmode=disable if the network is yours"
    )]
    InTheClear,
    /// The name of the table cannot be used.
    #[error(
        "`{0}` cannot be the name of a table: 1 to 63 bytes, no control characters, and not beginning with `_rhizome`"
    )]
    Name(String),
    /// A nested query of several namespaces, or of none.
    #[error(
        "a table holds the objects of one namespace, and this query asks for {0}: make a table for each"
    )]
    Namespaces(usize),
    /// More columns than a table may have.
    #[error("the result has {0} columns, and a table may have {max}: ask for fewer fields", max = crate::columns::MAX_COLUMNS)]
    Columns(usize),
    /// A table of this name was made by somebody else.
    #[error(
        "there is a table `{0}` already that was not made for this: choose another name, or drop it"
    )]
    NotOurs(String),
    /// The table mirrors something else.
    #[error("the table `{table}` mirrors another query ({query}): choose another name, or drop it")]
    OtherQuery {
        /// Its name.
        table: String,
        /// What it mirrors.
        query: String,
    },
    /// Somebody else keeps this table up to date already.
    #[error("the table `{0}` is kept up to date by another process already")]
    Busy(String),
    /// SQLite says no.
    #[error("the database {file} says: {why}")]
    Sqlite {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        why: rusqlite::Error,
    },
    /// PostgreSQL says no.
    #[error("the PostgreSQL server says: {}", said(.0))]
    Postgres(#[source] Box<postgres::Error>),
    /// A server of one's own, for tests, cannot be started.
    #[error("{0}")]
    Fixture(String),
}

/// What the server said, or what went wrong on the way there: the library's own text leaves both out.
fn said(error: &postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl From<postgres::Error> for SqlError {
    fn from(error: postgres::Error) -> Self {
        Self::Postgres(Box::new(error))
    }
}

impl SqlError {
    /// Whether it may be otherwise in a while: a server that is away or starting, a file that is in use.
    pub fn passes(&self) -> bool {
        match self {
            Self::Sqlite { why, .. } => matches!(
                why.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ),
            Self::Postgres(error) => match error.code() {
                // connection lost, resources, an operator or a crash, a conflict with another transaction
                Some(code) => ["08", "53", "57", "40", "58"]
                    .iter()
                    .any(|class| code.code().starts_with(class)),
                None => error.is_closed() || of_the_link(error),
            },
            Self::Busy(_) => true,
            _ => false,
        }
    }
}

fn of_the_link(error: &postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.is::<std::io::Error>() {
            return true;
        }
        source = inner.source();
    }
    false
}
