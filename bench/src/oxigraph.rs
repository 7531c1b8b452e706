//! Oxigraph: its store in memory (its on-disk engine, `RocksDB`, takes longer to compile than everything else here together).
//!
//! Every call's text carries its constants, where the planner sees them, and is parsed once, before the clock starts.

use std::path::Path;

use oxigraph::model::{GraphName, Literal, NamedNode, Quad, Term};
use oxigraph::sparql::{PreparedSparqlQuery, QueryResults, SparqlEvaluator};
use rustc_hash::FxHashMap;

use crate::clock;
use crate::error::{Error, Result};
use crate::load::{Load, resident_bytes};
use crate::params::Param;
use crate::queries::{Cell, Query, Store};
use crate::tuples::{Tuples, Value};

pub const NAME: &str = "oxigraph";
const VERSION: &str = "0.5";

struct Oxigraph {
    store: oxigraph::store::Store,
    parsed: FxHashMap<(Query, Param), PreparedSparqlQuery>,
}

pub fn load(tuples: &Tuples, _: &Path) -> Result<(Box<dyn Store>, Load)> {
    let before = resident_bytes();
    let started = clock::process();
    let store = oxigraph::store::Store::new().map_err(fault)?;
    let mut loader = store.bulk_loader();
    let attributes: Vec<NamedNode> = tuples
        .attributes
        .iter()
        .map(|a| node(&format!("urn:a:{a}")))
        .collect();
    loader
        .load_quads(tuples.rows.iter().map(|tuple| {
            let value: Term = match tuple.value {
                Value::Text(text) => Literal::new_simple_literal(text).into(),
                Value::Integer(i) | Value::Time(i) => Literal::from(i).into(),
                Value::Boolean(b) => Literal::from(b).into(),
                Value::Reference(e) => entity(e).into(),
            };
            Quad::new(
                entity(tuple.entity),
                attributes[tuple.attribute as usize].clone(),
                value,
                GraphName::DefaultGraph,
            )
        }))
        .map_err(fault)?;
    loader.commit().map_err(fault)?;
    let load = Load {
        tuples: tuples.rows.len(),
        cpu_s: (clock::process() - started) / 1e6,
        disk_bytes: None,
        memory_bytes: resident_bytes()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before)),
        version: VERSION.to_owned(),
    };
    Ok((
        Box::new(Oxigraph {
            store,
            parsed: FxHashMap::default(),
        }),
        load,
    ))
}

fn node(iri: &str) -> NamedNode {
    NamedNode::new_unchecked(iri)
}

fn entity(number: u32) -> NamedNode {
    node(&format!("urn:e:{number}"))
}

fn fault(error: impl std::fmt::Display) -> Error {
    Error::engine(NAME)(&error)
}

/// The query's text with the parameter in place of `$1` (and `$2`).
fn sparql(query: Query, param: &Param) -> String {
    let template = match query {
        Query::Entity => "SELECT ?a ?v { $1 ?a ?v }",
        Query::Value => "SELECT ?e { ?e <urn:a:name> $1 }",
        Query::Album => "SELECT ?e { ?e <urn:a:photo-album> $1 . ?e <urn:a:is-photo> true }",
        Query::PostsByName => "SELECT ?p { ?n <urn:a:name> $1 . ?p <urn:a:author> ?n }",
        Query::FoafPosts => {
            "SELECT ?n ?b ?p { ?n <urn:a:name> $1 . ?n <urn:a:follows> ?b . ?p <urn:a:author> ?b }"
        }
        Query::Feed => {
            "SELECT ?p ?t { $1 <urn:a:follows> ?b . ?p <urn:a:author> ?b . ?p <urn:a:created> ?t }"
        }
        Query::ReplyChain => {
            "SELECT ?c { ?p <urn:a:author> $1 . ?p <urn:a:type> \"post\" . ?c <urn:a:on> ?p . \
             ?c <urn:a:author> ?a . ?a <urn:a:name> ?n }"
        }
        Query::Triangle => {
            "SELECT ?b ?c { $1 <urn:a:follows> ?b . ?b <urn:a:follows> ?c . ?c <urn:a:follows> $1 }"
        }
        Query::FeedTop20 => {
            "SELECT ?p ?t { $1 <urn:a:follows> ?b . ?p <urn:a:author> ?b . ?p <urn:a:type> \"post\" . \
             ?p <urn:a:created> ?t } ORDER BY DESC(?t) DESC(?p) LIMIT 20"
        }
        Query::TagCity => {
            "SELECT ?p { ?p <urn:a:tag> $1 . ?p <urn:a:author> ?a . ?a <urn:a:city> $2 . ?a <urn:a:name> ?n }"
        }
        Query::Descendants => "SELECT ?x { ?x <urn:a:parent>+ $1 }",
        Query::Reach => "SELECT ?x { $1 <urn:a:follows>+ ?x }",
        Query::TagCounts => "SELECT ?t (COUNT(?e) AS ?n) { ?e <urn:a:tag> ?t } GROUP BY ?t",
        Query::Latest20 => {
            "SELECT ?e ?t { ?e <urn:a:type> \"post\" . ?e <urn:a:created> ?t } ORDER BY DESC(?t) DESC(?e) LIMIT 20"
        }
    };
    let literal = |text: &str| Literal::new_simple_literal(text).to_string();
    match param {
        Param::Entity(e) => template.replace("$1", &entity(*e).to_string()),
        Param::Text(text) => template.replace("$1", &literal(text)),
        Param::Pair(one, other) => template
            .replace("$1", &literal(one))
            .replace("$2", &literal(other)),
        Param::Nothing(()) => template.to_owned(),
    }
}

impl Store for Oxigraph {
    fn run(&mut self, query: Query, param: &Param, row: &mut dyn FnMut(&[Cell<'_>])) -> Result<()> {
        // The first call of each kind, which is not timed, parses.
        let key = (query, param.clone());
        if !self.parsed.contains_key(&key) {
            let parsed = SparqlEvaluator::new()
                .parse_query(&sparql(query, param))
                .map_err(fault)?;
            self.parsed.insert(key.clone(), parsed);
        }
        let prepared = self.parsed[&key].clone();
        let QueryResults::Solutions(solutions) =
            prepared.on_store(&self.store).execute().map_err(fault)?
        else {
            return Err(fault("the answer is not a table"));
        };
        for solution in solutions {
            let solution = solution.map_err(fault)?;
            let columns = solution.len();
            let mut cells = [Cell::Number(0); 3];
            for (cell, value) in cells.iter_mut().zip(solution.values()) {
                *cell = match value {
                    Some(Term::NamedNode(name)) => Cell::Iri(name.as_str()),
                    Some(Term::Literal(literal)) => Cell::Text(literal.value()),
                    other => return Err(fault(format!("unexpected value {other:?}"))),
                };
            }
            row(&cells[..columns]);
        }
        Ok(())
    }
}
