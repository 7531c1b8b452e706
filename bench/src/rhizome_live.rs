//! This engine's live queries: 1,000 are open, a commit touches one of them, and its subscriber gets the difference.
//!
//! The clock runs from the start of [`Replica::write`] (relaxed: nobody waits for the disk) until the subscriber holds the decoded row:
//! signing, sealing, all indexes and finding the one query among the thousand are in it. A difference that reaches anybody else, or says
//! anything else, ends the run.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rhizome_query::live::SubscriptionId;
use rhizome_query::{Input, LiveLimits, LiveSet, Prepared, Update};
use rhizome_replica::{Author, Change, Edit, Replica};
use rhizome_storage::Durability;
use rhizome_tuple::{Attribute, EntityId};

use crate::clock;
use crate::error::{Error, Result};
use crate::live::{self, Latency};
use crate::measure::Quantiles;
use crate::queries::Query;
use crate::readers::{Commit, Kind, Reader, Readers};
use crate::rhizome::{self, NAME, NOW_MS, datum, entity, fault, is_set};
use crate::tuples::Tuples;

/// What came of one commit.
struct Arrival {
    at: Instant,
    cpu: f64,
    updates: Vec<(SubscriptionId, Update)>,
    /// The entity of the first row that is new or changed.
    row: Option<EntityId>,
}

struct Sample {
    kind: Kind,
    wall_us: f64,
    cpu_us: f64,
}

/// Opens `subscribers` live queries and measures `commits` commits, after a tenth as many that warm up.
pub fn measure(
    replica: &Replica,
    author: &Author,
    tuples: &Tuples,
    subscribers: usize,
    commits: usize,
) -> Result<Latency> {
    // a pod that has been open for a while; the first touch of a block would otherwise be most of what is measured
    replica.snapshot().load().map_err(fault)?;
    let readers = Readers::new(tuples, subscribers);
    let live = Arc::new(Mutex::new(LiveSet::new(
        &replica.snapshot(),
        LiveLimits::default(),
    )));
    let ids = subscribe(&mut *lock(&live)?, &readers.all)?;
    let (sender, arrivals) = channel();
    let set = live.clone();
    let (listener, _) = replica.listen(move |change| {
        if let Ok(mut set) = set.lock() {
            // the receiver is gone only when the measurement has failed already
            let _ = sender.send(deliver(&mut set, change));
        }
    });

    let warm = commits / 10;
    let kinds: Vec<Kind> = readers.all.iter().map(|reader| reader.kind).collect();
    let mut samples = Vec::with_capacity(commits);
    for (i, commit) in readers.take(commits + warm).enumerate() {
        let sample = one(replica, author, &commit, i, &arrivals, &ids, &kinds)?;
        if i >= warm {
            samples.push(sample);
        }
    }
    replica.unlisten(listener);
    summary(&samples, tuples.rows.len(), ids.len())
}

fn lock(live: &Mutex<LiveSet>) -> Result<std::sync::MutexGuard<'_, LiveSet>> {
    live.lock()
        .map_err(|_| fault("the live queries are gone after a panic"))
}

fn datalog(kind: Kind) -> &'static str {
    match kind {
        Kind::Feed => rhizome::datalog(Query::Feed),
        Kind::FeedTop20 => rhizome::datalog(Query::FeedTop20),
        Kind::Replies => {
            "[:find ?c ?n :in ?me :where [?p :author ?me] [?p :type \"post\"] [?c :on ?p] [?c :author ?x] [?x :name ?n]]"
        }
        Kind::Folder => "[:find ?e :in ?f :where [?e :parent ?f] [?e :is-photo true]]",
        Kind::Likes => {
            "[:find ?p (count ?x) :in ?me :where [?p :author ?me] [?p :type \"post\"] [?x :likes ?p]]"
        }
    }
}

fn subscribe(live: &mut LiveSet, readers: &[Reader]) -> Result<Vec<SubscriptionId>> {
    let mut ids = Vec::with_capacity(readers.len());
    for reader in readers {
        // each reader brings its own query, as a page of its own would
        let query = Prepared::new(datalog(reader.kind)).map_err(fault)?;
        let subscribed = live
            .subscribe(&query, &[Input::from(entity(reader.of))])
            .map_err(fault)?;
        ids.push(subscribed.id);
    }
    Ok(ids)
}

/// The subscribers' side: they look at what they get.
fn deliver(live: &mut LiveSet, change: &Change) -> Arrival {
    let updates = live.apply(change);
    let row = updates.first().and_then(|(_, update)| match update {
        Update::Rows(diff) => diff.added.first().or(diff.changed.first()),
        Update::Ended(_) => None,
    });
    let row = row.and_then(|row| change.after.entity_id(row.entity(0)?));
    Arrival {
        at: Instant::now(),
        cpu: clock::thread(),
        updates,
        row,
    }
}

fn one(
    replica: &Replica,
    author: &Author,
    commit: &Commit,
    number: usize,
    arrivals: &Receiver<Arrival>,
    ids: &[SubscriptionId],
    kinds: &[Kind],
) -> Result<Sample> {
    let id = entity(commit.entity);
    let mut edits = Vec::with_capacity(commit.tuples.len() + 1);
    if commit.new {
        edits.push(Edit::Create(id, commit.entity.to_be_bytes().to_vec()));
    }
    for (name, value) in &commit.tuples {
        let attribute = Attribute::new(name).map_err(fault)?;
        edits.push(if is_set(name) {
            Edit::Insert(id, attribute, datum(*value))
        } else {
            Edit::Assert(id, attribute, datum(*value))
        });
    }
    let nonce = (number as u128).to_be_bytes();
    let now_ms = NOW_MS + number as i64;
    let (started, busy) = (Instant::now(), clock::thread());
    replica
        .write(author, edits, now_ms, nonce, Durability::Relaxed)
        .map_err(fault)?;
    let arrival = arrivals
        .try_recv()
        .map_err(|_| fault("a commit reached no live query"))?;
    let wanted = ids[commit.reader];
    match arrival.updates.as_slice() {
        [(to, Update::Rows(diff))]
            if *to == wanted
                && diff.added.len() + diff.changed.len() == 1
                && arrival.row == Some(entity(commit.row)) => {}
        other => {
            let kind = kinds[commit.reader].name();
            return Err(fault(format!(
                "commit {number} should give {wanted:?} ({kind}) one row, of entity {}, and nobody else anything, but gave {other:?}",
                commit.row
            )));
        }
    }
    Ok(Sample {
        kind: kinds[commit.reader],
        wall_us: (arrival.at - started).as_nanos() as f64 / 1e3,
        cpu_us: arrival.cpu - busy,
    })
}

fn summary(samples: &[Sample], tuples: usize, subscribers: usize) -> Result<Latency> {
    let of = |which: fn(&Sample) -> f64, kind: Option<Kind>| {
        let times = samples
            .iter()
            .filter(|sample| kind.is_none_or(|kind| kind == sample.kind));
        Quantiles::of(times.map(which).collect())
    };
    let none = || Error::engine(NAME)(&"the data is too small for live queries");
    let (wall, cpu) = (
        of(|s| s.wall_us, None).ok_or_else(none)?,
        of(|s| s.cpu_us, None).ok_or_else(none)?,
    );
    let kinds = Kind::ALL.into_iter().filter_map(|kind| {
        let wall = of(|s| s.wall_us, Some(kind))?;
        let cpu = of(|s| s.cpu_us, Some(kind))?;
        Some(live::Kind {
            name: kind.name().to_owned(),
            p50_us: wall.p50_us,
            p99_us: wall.p99_us,
            cpu_p50_us: cpu.p50_us,
            commits: wall.calls,
        })
    });
    Ok(Latency {
        tuples,
        subscribers,
        commits: wall.calls,
        p50_us: wall.p50_us,
        p99_us: wall.p99_us,
        cpu_p50_us: cpu.p50_us,
        cpu_p99_us: cpu.p99_us,
        kinds: kinds.collect(),
    })
}
