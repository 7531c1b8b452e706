//! A subscriber that follows the diffs and believes nothing else.

use rhizome_query::live::{Row, RowId, Subscribed, SubscriptionId};
use rhizome_query::{Input, LiveSet, Prepared, Update};
use rhizome_replica::Snapshot;
use serde_json::Value as Json;

/// What a subscriber knows.
pub struct Follower {
    pub id: SubscriptionId,
    pub text: String,
    pub incremental: bool,
    query: Prepared,
    inputs: Vec<Input>,
    ordered: bool,
    /// The rows in order, or in any order.
    pub rows: Vec<(RowId, Vec<Json>)>,
    /// Every row number so far: none is used twice for rows that exist at the same time.
    pub updates: usize,
    changed: bool,
}

impl Follower {
    pub fn new(text: &str, query: Prepared, inputs: &[Input], subscribed: Subscribed) -> Self {
        let q = query.query();
        let incremental = matches!(
            subscribed.strategy,
            rhizome_query::live::Strategy::Incremental
        );
        Self {
            id: subscribed.id,
            text: text.to_owned(),
            incremental,
            ordered: !q.order.is_empty(),
            query,
            inputs: inputs.to_vec(),
            rows: subscribed
                .rows
                .iter()
                .map(|r| (r.id(), r.cells()))
                .collect(),
            updates: 0,
            changed: false,
        }
    }

    /// Subscribes again, elsewhere.
    pub fn subscribe(&mut self, live: &mut LiveSet) {
        let subscribed = live.subscribe(&self.query, &self.inputs);
        self.begin(subscribed.expect("as before"));
    }

    /// Starts with a whole result.
    pub fn begin(&mut self, subscribed: Subscribed) {
        self.id = subscribed.id;
        let rows = subscribed.rows.iter();
        self.rows = rows.map(|r| (r.id(), r.cells())).collect();
    }

    pub fn query(&self) -> &rhizome_query::ir::Query {
        self.query.query()
    }

    fn place(&self, id: RowId) -> usize {
        let place = self.rows.iter().position(|r| r.0 == id);
        place.unwrap_or_else(|| panic!("row {id:?} is unknown\n{}", self.text))
    }

    /// Takes an update in, as the documentation of a diff says.
    pub fn update(&mut self, update: &Update) {
        let Update::Rows(diff) = update else {
            panic!("{update:?}\n{}", self.text)
        };
        assert!(!diff.is_empty(), "an empty update\n{}", self.text);
        self.updates += 1;
        self.changed = true;
        for id in &diff.removed {
            let at = self.place(*id);
            self.rows.remove(at);
        }
        for row in &diff.changed {
            let at = self.place(row.id());
            self.rows.remove(at);
        }
        let mut back: Vec<&Row> = diff.added.iter().chain(&diff.changed).collect();
        back.sort_by_key(|r| r.index());
        for row in back {
            let id = row.id();
            assert!(
                self.rows.iter().all(|r| r.0 != id),
                "row {id:?} twice\n{}",
                self.text
            );
            let at = row.index().unwrap_or(self.rows.len());
            self.rows.insert(at, (id, row.cells()));
        }
    }

    fn shown(&self) -> Vec<Json> {
        self.rows.iter().map(|r| Json::Array(r.1.clone())).collect()
    }

    /// Compares with a fresh run.
    pub fn check(&mut self, now: &Snapshot) {
        let q = self.query.query();
        let cut = q.limit.is_some() || q.offset > 0;
        let fresh = self
            .query
            .run(now, &self.inputs)
            .and_then(|rows| rows.to_json())
            .unwrap_or_else(|e| panic!("{e}\n{}", self.text));
        let Json::Array(mut fresh) = fresh["rows"].clone() else {
            panic!("rows are an array")
        };
        let mut shown = self.shown();
        let first_only = self.query.query().shape != rhizome_query::ir::Shape::Relation
            && self.query.query().shape != rhizome_query::ir::Shape::Collection;
        if !self.ordered && (cut || first_only) {
            // which rows a cut leaves is free where no order is asked: as many, and all of them true
            assert_eq!(shown.len(), fresh.len(), "{}", self.text);
            let mut all = q.clone();
            (all.limit, all.offset) = (None, 0);
            all.shape = rhizome_query::ir::Shape::Relation;
            let all = Prepared::from_ir(all, &rhizome_query::Limits::default())
                .run(now, &self.inputs)
                .and_then(|rows| rows.to_json())
                .unwrap_or_else(|e| panic!("{e}\n{}", self.text));
            let all = all["rows"].as_array().expect("rows");
            assert!(shown.iter().all(|r| all.contains(r)), "{}", self.text);
            return;
        }
        if !self.ordered {
            shown.sort_by_key(Json::to_string);
            fresh.sort_by_key(Json::to_string);
        }
        assert_eq!(shown, fresh, "{}\n{:?}", self.text, self.inputs);
        self.changed = false;
    }
}
