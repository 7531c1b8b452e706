//! Tuples as lines of text: `entity TAB attribute TAB type TAB value`.
//!
//! Types: `s` text, `i` integer, `t` milliseconds since 1970, `b` `true` or `false`, `r` the entity column of another
//! line, or an id `rz:…`. A value goes to the end of its line; there is no escaping, so texts hold no line breaks.
//!
//! An entity that has two different values under one attribute makes that attribute a set, in the whole file: merge
//! types belong to attributes, not to entities. Every other attribute is a register.

mod group;
mod line;
mod spool;

use rhizome_tuple::EntityId;

use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::source::{Packing, Source};
use group::{Group, Names};
use spool::Parts;

pub use line::{Line, Scalar};

/// Reads files of tuple lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tuples;

/// Lines looked at to recognise a file.
const LOOK: usize = 100;

impl Importer for Tuples {
    fn name(&self) -> &'static str {
        "tuples"
    }

    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let [entry] = source.entries() else {
            return Ok(None);
        };
        if source.packing() != Packing::File {
            return Ok(None);
        }
        let head = source.head(&entry.path, 64 << 10)?;
        let whole = head.len() as u64 == entry.size;
        let mut lines: Vec<_> = head.split(|b| *b == b'\n').collect();
        // The last piece is a part of a line, or what follows the last line break.
        if !whole || lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        lines.truncate(LOOK);
        let good = lines
            .iter()
            .filter(|line| Line::parse(line).is_ok())
            .count();
        if good == 0 || good * 2 < lines.len() {
            return Ok(None);
        }
        Ok(Some(Recognition {
            importer: self.name(),
            confidence: 0.5 + 0.48 * good as f32 / lines.len() as f32,
            why: format!(
                "{good} of its first {} lines are entity, attribute, type, value",
                lines.len()
            ),
            source: stem(&entry.path).to_owned(),
            account: None,
        }))
    }

    fn read(
        &self,
        source: &Source,
        _: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        let [entry] = source.entries() else {
            return Ok(());
        };
        sink.used(&entry.path);
        let mut names = Names::default();
        let mut parts = Parts::split(source, entry, sink)?;
        // Which attributes are sets is known only once every line was seen; a file in one part stays in memory meanwhile.
        if parts.len() == 1 {
            let bytes = parts.load(0)?;
            let group = Group::read(&bytes, &mut names)?;
            names.find_sets(&group);
            return hand_over(&group, &names, entry.size, &entry.path, sink);
        }
        for part in 0..parts.len() {
            let bytes = parts.load(part)?;
            let group = Group::read(&bytes, &mut names)?;
            names.find_sets(&group);
        }
        for part in 0..parts.len() {
            let bytes = parts.load(part)?;
            let group = Group::read(&bytes, &mut names)?;
            hand_over(&group, &names, entry.size, &entry.path, sink)?;
        }
        Ok(())
    }
}

/// The name of a file without folders and without what follows its first full stop.
pub(crate) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.split_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn hand_over(
    group: &Group<'_>,
    names: &Names,
    total: u64,
    file: &str,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    let ids: Vec<EntityId> = group.entities().map(|name| entity(name, sink)).collect();
    for n in 0..group.len() {
        let record = group.record(n, &ids, names, sink);
        sink.record(record)?;
        if n % 4_096 == 0 {
            sink.progress(
                file,
                total / 2 + total / 2 * n as u64 / group.len() as u64,
                total,
            )?;
        }
    }
    sink.progress(file, total, total)
}

/// An id as it stands, or the one derived from a name in this file.
fn entity(name: &str, sink: &dyn Sink) -> EntityId {
    name.parse().unwrap_or_else(|_| sink.entity(name))
}
