//! A table in a database that follows a query.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rhizome_pod::{Client, LiveNews, LiveQuery, PodError};
use rhizome_sql::{Mirror, News, Plan, Row, SqlError, Target, Written};
use serde_json::{Value as Json, json};

use crate::{
    commands::{inputs, read_text},
    open::{Home, Opened},
    output::{Failure, Output},
};

/// How soon something that went wrong is tried again, at first and at last.
const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(15);
/// How often a database to which nothing is written is asked whether it is still there.
const LOOK: Duration = Duration::from_secs(5);
/// What happens within this time is one transaction, if it is much.
const TOGETHER: Duration = Duration::from_millis(20);

/// What is wanted.
pub struct Wanted<'a> {
    pub to: &'a str,
    pub table: &'a str,
    pub query: &'a str,
    pub input: &'a [String],
    pub once: bool,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let (exit, code) = match &error {
            SqlError::Target(_) | SqlError::Name(_) => (2, "target"),
            SqlError::NotOurs(_) | SqlError::OtherQuery { .. } => (1, "table"),
            SqlError::Busy(_) => (1, "busy"),
            SqlError::Namespaces(_) | SqlError::Columns(_) => (1, "request"),
            _ => (1, "database"),
        };
        Self::new(exit, code, error.to_string())
    }
}

pub fn run(home: &Home, wanted: &Wanted<'_>, output: &Output) -> Result<(), Failure> {
    let text = if wanted.query == "-" {
        read_text(Path::new("-"))?
    } else {
        wanted.query.to_owned()
    };
    let inputs = inputs(wanted.input)?;
    let target: Target = wanted.to.parse()?;
    // the same query with other inputs is another table
    let noted = if inputs.is_empty() {
        text.clone()
    } else {
        format!("{text} {}", Json::from(inputs.clone()))
    };
    let mirror = Mirror::new(target, wanted.table, &noted, Plan::of(&text)?)?;
    let mut sync = Sync {
        mirror,
        table: wanted.table,
        output,
        told: false,
        away: None,
    };
    let q = Json::String(text.clone());
    let done = if wanted.once {
        sync.once(home, &q, &inputs)
    } else {
        sync.keep(home, &q, &inputs)
    };
    done.map_err(|failure| failure.in_query(&text))
}

struct Sync<'a> {
    mirror: Mirror,
    table: &'a str,
    output: &'a Output,
    /// It was said that the table is up to date.
    told: bool,
    /// The database is not there: since when nothing was tried, and how long that is to last.
    away: Option<(Instant, Duration)>,
}

impl Sync<'_> {
    fn once(&mut self, home: &Home, q: &Json, inputs: &[Json]) -> Result<(), Failure> {
        let news = match home.open("sync-sql")? {
            Opened::Here(pod) => pod.live_result(q, inputs)?,
            Opened::There(client) => {
                let mut live = LiveQuery::subscribe(&client, q, inputs)?;
                loop {
                    if let Some(news) = live.next(LATE)? {
                        break news;
                    }
                }
            }
        };
        self.mirror.take(heard(news))?;
        let written = self.mirror.write()?;
        self.tell(written)
    }

    /// Until it is stopped. A transaction that was begun then has no effect.
    fn keep(&mut self, home: &Home, q: &Json, inputs: &[Json]) -> Result<(), Failure> {
        let mut wait = SOON;
        let mut waiting = false;
        loop {
            if !home.pod.exists() {
                return Err(PodError::NoPod(home.pod.directory().to_owned()).into());
            }
            let followed = match Client::connect(&home.pod) {
                Some(client) => {
                    if std::mem::take(&mut waiting) {
                        self.output.remark("The pod is there.");
                    }
                    let since = Instant::now();
                    let ended = self.follow(&client, q, inputs);
                    if since.elapsed() > LATE {
                        wait = SOON;
                    }
                    ended
                }
                None => Err(Ended::Away),
            };
            match followed {
                Err(Ended::For(failure)) => return Err(failure),
                Err(Ended::Away) | Ok(()) => {}
            }
            if !waiting {
                waiting = true;
                self.output
                    .remark("Nobody runs the pod: waiting for `rhizome up`.");
            }
            // what was heard is brought there all the same
            self.write()?;
            thread::sleep(wait);
            wait = (wait * 2).min(LATE / 5);
        }
    }

    fn follow(&mut self, client: &Client, q: &Json, inputs: &[Json]) -> Result<(), Ended> {
        let mut live = LiveQuery::subscribe(client, q, inputs).map_err(ended)?;
        let mut looked = Instant::now();
        loop {
            let patience = match self.away {
                Some((since, pause)) => pause.saturating_sub(since.elapsed()).min(LOOK),
                None => LOOK,
            };
            let mut next = live.next(patience).map_err(ended)?;
            let begun = Instant::now();
            while let Some(news) = next {
                self.mirror.take(heard(news)).map_err(Failure::from)?;
                next = if begun.elapsed() < TOGETHER {
                    live.next(Duration::from_millis(1)).map_err(ended)?
                } else {
                    None
                };
            }
            if !self.mirror.is_due() && looked.elapsed() >= LOOK {
                looked = Instant::now();
                // whatever is wrong with it, the next write says so
                let _ = self.mirror.check();
            }
            self.write()?;
        }
    }

    /// Writes what is due, unless that was in vain a moment ago.
    fn write(&mut self) -> Result<(), Failure> {
        if !self.mirror.is_due() {
            return Ok(());
        }
        let pause = match self.away {
            Some((since, pause)) if since.elapsed() < pause => return Ok(()),
            Some((_, pause)) => (pause * 2).min(LATE),
            None => SOON,
        };
        match self.mirror.write() {
            Ok(written) => {
                if self.away.take().is_some() {
                    self.output.remark("The database is there again.");
                }
                self.tell(written)
            }
            Err(error) if error.passes() => {
                if self.away.is_none() {
                    self.output
                        .remark(&format!("{error}; trying again until it works."));
                }
                self.away = Some((Instant::now(), pause));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says what was done: each time for scripts, at first for people.
    fn tell(&mut self, written: Written) -> Result<(), Failure> {
        if std::mem::replace(&mut self.told, true) && (written.is_empty() || !self.output.json) {
            return Ok(());
        }
        let (table, rows) = (self.table, self.mirror.len());
        let Written {
            added,
            changed,
            removed,
        } = written;
        let answer = json!({ "table": table, "rows": rows, "added": added, "changed": changed, "removed": removed });
        self.output.answer(&answer, |_| {
            format!("{table}: {rows} rows; {added} added, {changed} changed, {removed} removed")
        })
    }
}

/// Why a live query is not followed any more.
enum Ended {
    /// The pod is away.
    Away,
    /// For good.
    For(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::For(failure)
    }
}

fn ended(error: PodError) -> Ended {
    if error.code() == "unreachable" {
        Ended::Away
    } else {
        Ended::For(error.into())
    }
}

fn heard(news: LiveNews) -> News {
    let rows = |rows: Vec<rhizome_pod::live::Row>| {
        let rows = rows.into_iter();
        rows.map(|row| Row {
            key: row.key,
            cells: row.cells,
        })
        .collect()
    };
    match news {
        LiveNews::Whole {
            columns,
            rows: whole,
        } => News::Whole {
            columns,
            rows: rows(whole),
        },
        LiveNews::Change { put, removed } => News::Change {
            put: rows(put),
            removed,
        },
    }
}
