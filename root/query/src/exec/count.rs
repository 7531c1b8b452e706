//! Counting tuples by value or by entity without looking at each: equal values lie together in an index.

use rhizome_replica::{Word, key};

use super::collect::RowSet;
use super::machine::Machine;
use crate::ir::Element;
use crate::plan::{Attribute, Counted};

impl Machine<'_> {
    /// The result rows of a query that counts the tuples of one attribute by one of their places.
    pub fn count_runs(&self, counted: Counted) -> RowSet {
        let find = &self.query.find;
        let mut out = RowSet::unchecked(find.len());
        let Some(a) = self.attribute(Attribute::Named(counted.attribute)) else {
            return out;
        };
        // the bits of a key that are the counted place
        let (tree, (lo, hi), low) = if counted.by_value {
            (self.snapshot.ave(), key::ave_a(a), 32)
        } else {
            (self.snapshot.aev(), key::aev_a(a), 72)
        };
        let mut range = tree.range(lo, hi);
        let mut run: Option<(u128, i64)> = None;
        let mut finish = |(group, n): (u128, i64)| {
            let k = group << low;
            let of = if counted.by_value {
                key::un_ave(k).v
            } else {
                Word::reference(key::un_aev(k).e)
            };
            out.cells.extend(find.iter().map(|e| {
                if let Element::Slot(_) = e {
                    of
                } else {
                    Word::integer(n)
                }
            }));
            out.commit();
        };
        while let Some(mut chunk) = range.next_chunk() {
            while let Some(first) = chunk.first() {
                let group = first >> low;
                let n = chunk.partition_point(|k| k >> low == group);
                match &mut run {
                    Some((g, m)) if *g == group => *m += n as i64,
                    _ => {
                        if let Some(done) = run.replace((group, n as i64)) {
                            finish(done);
                        }
                    }
                }
                chunk = &chunk[n..];
            }
        }
        if let Some(done) = run {
            finish(done);
        }
        out
    }
}
