//! The doctor's examination: every hash, signature and index against the log.

use crate::{
    ReplicaError, Snapshot, Tree,
    log::{LeafBytes, header_of, payload_id},
    state::State,
};
use rhizome_ipld::Signed;
use rhizome_tuple::{Commit, LeafId, Op};
use rustc_hash::FxHashSet;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The commit it is about, by its number in the log; none for the indexes.
    pub commit: Option<u32>,
    /// What is wrong.
    pub what: String,
}

/// The result of an examination.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Commits in the log.
    pub commits: u32,
    /// Their leaves.
    pub leaves: u64,
    /// Leaves whose bytes were erased.
    pub erased: u64,
    /// Leaves whose bytes never came, although nobody erased them: another replica may have them.
    pub missing: u64,
    /// Leaves that nobody can read and that have no effect.
    pub void: u64,
    /// Current tuples.
    pub tuples: u64,
    /// Places where an author's chain forks: not damage, but something the owner should look at.
    pub forks: u64,
    /// Commits that name a wrong predecessor: no damage either, but their author did not keep to the rules.
    pub strays: u64,
    /// What is wrong; empty if all is well.
    pub findings: Vec<Finding>,
}

impl Snapshot {
    /// Examines the whole pod: every envelope's signature, every id, every leaf against its signed root, the links of the chains, and
    /// every index against one made anew from the log. `progress` is told (commits done, commits).
    pub fn verify(&self, progress: &mut dyn FnMut(u32, u32)) -> Result<Report, ReplicaError> {
        let count = self.commit_count();
        let mut report = Report {
            commits: count,
            tuples: self.len(),
            forks: self.forks().len() as u64,
            ..Report::default()
        };
        let mut hollow = Vec::new();
        let mut named = FxHashSet::default();
        for number in 0..count {
            progress(number, count);
            if let Err(what) = self.examine(number, &mut report, &mut hollow, &mut named)? {
                report.findings.push(Finding {
                    commit: Some(number),
                    what,
                });
            }
        }
        progress(count, count);
        for leaf in hollow {
            if named.contains(&leaf) {
                report.erased += 1;
            } else {
                report.missing += 1;
            }
        }
        if report.findings.is_empty() {
            self.compare(&mut report)?;
        }
        Ok(report)
    }

    fn examine(
        &self,
        number: u32,
        report: &mut Report,
        hollow: &mut Vec<LeafId>,
        named: &mut FxHashSet<LeafId>,
    ) -> Result<Result<(), String>, ReplicaError> {
        let state = self.state();
        let Some(meta) = state.meta(number) else {
            return Ok(Err("it is not in the table of commits".into()));
        };
        let record = match self.0.log.record(number) {
            Ok(r) => r,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let verified = Signed::<Commit>::from_bytes(&record.envelope).and_then(Signed::verify);
        let header = match verified {
            Ok(v) => v.into_payload(),
            Err(e) => return Ok(Err(e.to_string())),
        };
        if payload_id(&record.envelope)? != meta.id {
            return Ok(Err("its content does not have the id it is known by".into()));
        }
        if let Err(e) = record.check(&header) {
            return Ok(Err(e.to_string()));
        }
        if let Some(prev) = header.prev.and_then(|p| state.commit_number(&p)) {
            let before = header_of(&self.0.log.record(prev)?.envelope)?;
            let follows = before.seq.checked_add(1) == Some(header.seq);
            report.strays += u64::from(before.device != header.device || !follows);
        }
        for (i, leaf) in (0..).zip(&record.leaves) {
            report.leaves += 1;
            match (leaf, self.0.log.epochs.open(&header, i, leaf)?) {
                (LeafBytes::Erased(_), _) => hollow.push(LeafId(meta.id, i)),
                (_, None) => report.void += 1,
                (_, Some(_)) if state.void.contains(&number) => report.void += 1,
                (_, Some((entity, ops))) => {
                    let erases = state.erases(&meta, &ops);
                    for op in ops.iter().filter(|_| erases) {
                        if let Op::Erase { leaves } = op {
                            named.extend(leaves);
                        }
                    }
                    let key = State::leaf_key(&entity, &meta.id, i);
                    if !erases && state.erased.contains(key) {
                        return Ok(Err("it still has bytes that were erased".into()));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// The indexes against a rebuild. Numbers are given in order of arrival, so the keys must be the same, too.
    fn compare(&self, report: &mut Report) -> Result<(), ReplicaError> {
        let again = self.rebuilt(|_, _, _| true)?;
        let (a, b) = (self.state(), again.state());
        let pairs: [(&str, &Tree, &Tree); 13] = [
            ("EAV", &a.eav, &b.eav),
            ("AEV", &a.aev, &b.aev),
            ("AVE", &a.ave, &b.ave),
            ("VAE", &a.vae, &b.vae),
            ("conflict", &a.knots, &b.knots),
            ("history", &a.history, &b.history),
            ("erasure", &a.erased, &b.erased),
            ("text", &a.text_ids, &b.text_ids),
            ("entity", &a.entity_ids, &b.entity_ids),
            ("commit", &a.commit_ids, &b.commit_ids),
            ("chain", &a.chains, &b.chains),
            ("fork", &a.forks, &b.forks),
            ("withdrawal", &a.withdrawn, &b.withdrawn),
        ];
        for (name, x, y) in pairs {
            let mut left = Vec::new();
            x.entries(0, u128::MAX, |k, p| {
                left.push((k, p));
                true
            });
            let mut i = 0;
            let mut same = x.len() == y.len();
            y.entries(0, u128::MAX, |k, p| {
                same = same && left.get(i) == Some(&(k, p));
                i += 1;
                same
            });
            if !same || i != left.len() {
                report.findings.push(Finding {
                    commit: None,
                    what: format!("the {name} index differs from the log; `rhizome doctor --rebuild` makes it anew"),
                });
            }
        }
        let small = [
            ("names of attributes", a.names.list == b.names.list),
            ("authors", a.devices == b.devices),
            ("heads of chains", a.heads == b.heads),
            ("clocks", a.clock == b.clock),
        ];
        for (name, _) in small.iter().filter(|(_, same)| !same) {
            report.findings.push(Finding {
                commit: None,
                what: format!("the {name} differ from the log"),
            });
        }
        if *a.distinct != *b.distinct {
            report.findings.push(Finding {
                commit: None,
                what: "the counts of distinct values differ from the log".into(),
            });
        }
        if self.fault().is_err() || self.canonical()? != again.canonical()? {
            report.findings.push(Finding {
                commit: None,
                what: "the current tuples differ from the log".into(),
            });
        }
        self.fault()
    }
}
