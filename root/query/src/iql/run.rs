//! Running a nested query: objects out.

use rhizome_replica::{Aid, Eid, Snapshot, Word, key};
use rhizome_tuple::Value;
use serde_json::{Map, Value as Json};

use super::ast::Query;
use super::lower::Level;
use super::names::{Link, Names};
use super::neighbours::neighbours;
use super::order::{Queries, page};
use crate::error::QueryError;
use crate::input::Input;
use crate::limits::Limits;
use crate::pull::{Read, attributes, cell, id, one_or_many, values};
use crate::text::TextSearch;

impl Query {
    /// Runs the query: for each namespace an array of objects, each with `id`, its fields and its links.
    pub fn run(
        &self,
        snapshot: &Snapshot,
        names: &Names,
        limits: &Limits,
    ) -> Result<Json, QueryError> {
        self.run_while(snapshot, names, limits, &|| true)
    }

    /// As [`Self::run`], as long as `check` says true.
    pub fn run_while(
        &self,
        snapshot: &Snapshot,
        names: &Names,
        limits: &Limits,
        check: &dyn Fn() -> bool,
    ) -> Result<Json, QueryError> {
        self.answer(snapshot, names, limits, check, None)
    }

    /// As [`Self::run_while`]; `search` answers each `$search`.
    pub fn run_searching(
        &self,
        snapshot: &Snapshot,
        names: &Names,
        limits: &Limits,
        check: &dyn Fn() -> bool,
        search: &dyn TextSearch,
    ) -> Result<Json, QueryError> {
        self.answer(snapshot, names, limits, check, Some(search))
    }

    fn answer(
        &self,
        snapshot: &Snapshot,
        names: &Names,
        limits: &Limits,
        check: &dyn Fn() -> bool,
        search: Option<&dyn TextSearch>,
    ) -> Result<Json, QueryError> {
        let mut runner = Runner {
            snapshot,
            limits,
            check,
            note: &mut |_| (),
            visited: 0,
        };
        let mut out = Map::new();
        for level in self.lower_with(snapshot, names, search)? {
            let tree = Tree::new(level, limits);
            let found = runner.level(&tree, None)?;
            out.insert(tree.level.key.clone(), Json::Array(found));
        }
        snapshot
            .fault()
            .map_err(|e| QueryError::Storage(e.to_string()))?;
        Ok(Json::Object(out))
    }
}

/// A level with its queries planned.
#[derive(Debug)]
pub struct Tree {
    pub level: Level,
    queries: Queries,
    below: Vec<Tree>,
}

impl Tree {
    /// Takes a level apart.
    pub fn new(mut level: Level, limits: &Limits) -> Self {
        let levels = std::mem::take(&mut level.levels);
        Self {
            queries: Queries::new(&level, limits),
            below: levels.into_iter().map(|l| Self::new(l, limits)).collect(),
            level,
        }
    }

    /// The object of an entity of this level; tells `note` everything it looks at.
    pub fn object(
        &self,
        snapshot: &Snapshot,
        e: Eid,
        limits: &Limits,
        note: &mut dyn FnMut(Read),
    ) -> Result<Json, QueryError> {
        let mut runner = Runner {
            snapshot,
            limits,
            check: &|| true,
            note,
            visited: 0,
        };
        runner.object(self, e)
    }
}

struct Runner<'a> {
    snapshot: &'a Snapshot,
    limits: &'a Limits,
    check: &'a dyn Fn() -> bool,
    note: &'a mut dyn FnMut(Read),
    visited: usize,
}

impl Runner<'_> {
    fn level(&mut self, node: &Tree, parent: Option<Eid>) -> Result<Vec<Json>, QueryError> {
        let level = &node.level;
        let entities = match (parent, &level.link) {
            (Some(parent), Some(link))
                if level.plain && level.order.is_empty() && level.after.is_none() =>
            {
                (self.note)(link.read(parent));
                let all = self.follow(parent, link);
                all.skip(level.offset)
                    .take(level.limit.unwrap_or(usize::MAX))
                    .collect()
            }
            _ => {
                if let Some(parent) = parent {
                    neighbours(&level.query, parent, self.snapshot, self.note);
                }
                let parent = parent
                    .and_then(|e| self.snapshot.entity_id(e))
                    .map(|id| Input::Value(Value::Ref(id)));
                page(
                    level,
                    &node.queries,
                    self.snapshot,
                    parent.as_slice(),
                    self.limits,
                    self.check,
                )?
            }
        };
        entities.into_iter().map(|e| self.object(node, e)).collect()
    }

    /// The entities at the other end of a link: those of an ordered list in its order.
    fn follow(&self, from: Eid, link: &Link) -> Box<dyn Iterator<Item = Eid> + '_> {
        let Some(a) = self.snapshot.aid(&link.attribute) else {
            return Box::new(std::iter::empty());
        };
        if link.backwards {
            let (lo, hi) = key::vae_va(from, a);
            return Box::new(self.snapshot.vae().range(lo, hi).map(|k| key::un_vae(k).e));
        }
        Box::new(self.values(from, a).into_iter().filter_map(Word::as_eid))
    }

    fn values(&self, e: Eid, a: Aid) -> Vec<Word> {
        values(self.snapshot, e, a, usize::MAX)
    }

    fn cells(&self, words: impl IntoIterator<Item = Word>) -> Vec<Json> {
        let each = words.into_iter().map(|w| cell(self.snapshot, w));
        each.collect()
    }

    fn object(&mut self, node: &Tree, e: Eid) -> Result<Json, QueryError> {
        self.visited += 1;
        if self.visited > self.limits.pull_entities {
            return Err(Limits::exceeded(
                "pull_entities",
                self.limits.pull_entities,
                None,
            ));
        }
        if self.visited.is_multiple_of(256) && !(self.check)() {
            return Err(QueryError::Cancelled);
        }
        (self.note)(Read::Entity(e));
        let mut out = Map::new();
        out.insert("id".into(), id(self.snapshot, e));
        match &node.level.fields {
            Some(fields) => {
                for (name, link) in fields {
                    (self.note)(link.read(e));
                    let found = if link.backwards {
                        self.cells(self.follow(e, link).map(Word::reference))
                    } else {
                        let a = self.snapshot.aid(&link.attribute);
                        self.cells(a.into_iter().flat_map(|a| self.values(e, a)))
                    };
                    if !found.is_empty() {
                        out.insert(name.clone(), one_or_many(found));
                    }
                }
            }
            None => self.fields(&node.level, e, &mut out),
        }
        for below in &node.below {
            let found = self.level(below, Some(e))?;
            let backwards = below.level.link.as_ref().is_some_and(|l| l.backwards);
            // what refers here is many by nature; a reference that is not there is nothing
            let value = match (backwards, found.len()) {
                (false, 0) => Json::Null,
                (false, _) => one_or_many(found),
                (true, _) => Json::Array(found),
            };
            out.insert(below.level.key.clone(), value);
        }
        Ok(Json::Object(out))
    }

    /// Every attribute of the entity, short where it is of this namespace.
    fn fields(&self, level: &Level, e: Eid, out: &mut Map<String, Json>) {
        for (a, name) in attributes(self.snapshot, e) {
            let found = self.cells(self.values(e, a));
            let short = level.context.short(name);
            let shown = if out.contains_key(short) { name } else { short };
            out.insert(shown.to_owned(), one_or_many(found));
        }
    }
}
