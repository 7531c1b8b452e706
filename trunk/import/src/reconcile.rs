//! The three-way comparison: what the last import said (base), what this export says (new), what the pod shows (here).
//!
//! | base → new | base → here | outcome |
//! |---|---|---|
//! | same | same | nothing |
//! | changed | same | taken |
//! | same | changed | kept |
//! | changed | changed, to the same | nothing |
//! | changed | changed, differently | conflict: here stays, the export's value is noted |
//!
//! Deleting is a change like any other, so what was deleted here stays deleted. With no base a value that is here and
//! differs counts as changed on both sides: nothing of the person's is ever overwritten without knowing.
//! Members of sets are compared one by one and never conflict; a counter takes the difference.

use rhizome_replica::Edit;
use rhizome_tuple::{Attribute, EntityId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::base::{Said, SaidOf};
use crate::fingerprint::{Fingerprint, Fingerprints};
use crate::record::Fact;

/// What the pod shows of one entity, by attribute.
pub type Here = Vec<(Attribute, Vec<Value>)>;

/// What to do about one record.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// What to write.
    pub edits: Vec<Edit>,
    /// What this import said, for next time; `None` where nothing changed.
    pub said: Option<SaidOf>,
    /// Where the two sides differed.
    pub differences: Vec<Difference>,
    /// What the record is to the pod.
    pub standing: Standing,
    /// Tuples written.
    pub tuples: usize,
}

/// What a record is to the pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It was not here and is now.
    Added,
    /// It was here and something of it was taken.
    Changed,
    /// It was here and stays as it is.
    #[default]
    Unchanged,
    /// It was imported before and deleted here since.
    Deleted,
}

/// A place where the export and the pod say different things, or did before this import.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The attribute.
    pub attribute: Attribute,
    /// What became of it.
    pub resolution: Resolution,
    /// What the pod showed before; no value, one, or all elements of a list.
    pub here: Vec<Value>,
    /// What the export says.
    pub export: Vec<Value>,
}

/// What became of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Changed here only: it stays.
    Kept,
    /// Changed in the export only: it was taken.
    Taken,
    /// Changed on both sides: the pod's stays, the export's is noted as a proposal.
    Conflict,
}

/// Reads a list in order; asked for only where a record has a list.
pub type Elements<'a> = &'a mut dyn FnMut(&Attribute) -> Result<Vec<Value>, crate::pod::PodError>;

/// What an entity says of where it came from. It is no content: an entity that has nothing else was deleted.
const PROVENANCE: [&str; 3] = ["import/source", "import/key", "import/run"];

/// Compares one record with the pod and with what the last import said of it.
pub fn reconcile(
    entity: EntityId,
    facts: Vec<Fact>,
    base: Option<SaidOf>,
    here: &Here,
    elements: Elements<'_>,
    prints: &mut Fingerprints,
) -> Result<Verdict, crate::pod::PodError> {
    let alive = here
        .iter()
        .any(|(attribute, values)| !values.is_empty() && !PROVENANCE.contains(&attribute.as_str()));
    if base.is_some() && !alive {
        return Ok(deleted(facts, base.as_ref(), prints));
    }
    let known = base.is_some();
    let Some(mut base) = base.or_else(|| alive.then(SaidOf::new)) else {
        return Ok(fresh(entity, facts, prints));
    };
    let mut run = Comparison {
        entity,
        here,
        prints,
        verdict: Verdict::default(),
    };
    let mut said: SaidOf = Vec::with_capacity(facts.len());
    let mut news = !known;
    for fact in facts {
        let attribute = fact.attribute().clone();
        let before = base
            .iter()
            .position(|(name, _)| *name == attribute)
            .map(|at| base.swap_remove(at).1);
        let now = run.fact(fact, before.as_ref(), elements)?;
        news |= before.as_ref() != Some(&now);
        said.push((attribute, now));
    }
    // What this export does not mention the last one may have: it is remembered.
    said.append(&mut base);
    let mut verdict = run.verdict;
    if !verdict.edits.is_empty() {
        verdict.standing = Standing::Changed;
    }
    verdict.said = news.then_some(said);
    Ok(verdict)
}

/// A record that is in neither the base nor the pod: everything in it is new.
fn fresh(entity: EntityId, facts: Vec<Fact>, prints: &mut Fingerprints) -> Verdict {
    let mut edits = Vec::with_capacity(facts.len() + 3);
    let mut said: SaidOf = Vec::with_capacity(facts.len());
    for fact in facts {
        let (attribute, now) = match fact {
            Fact::One { attribute, value } => {
                let print = prints.of(&value);
                edits.push(Edit::Assert(entity, attribute.clone(), value));
                (attribute, Said::One(print))
            }
            Fact::Empty { attribute } => (attribute, Said::Nothing),
            Fact::Members {
                attribute, values, ..
            } => {
                let mut members = Vec::with_capacity(values.len());
                let mut met = FxHashSet::default();
                for value in values {
                    let print = prints.of(&value);
                    if met.insert(print) {
                        members.push(print);
                        edits.push(Edit::Insert(entity, attribute.clone(), value));
                    }
                }
                members.sort_unstable();
                (attribute, Said::Members(members))
            }
            Fact::Elements { attribute, values } => {
                let print = prints.of_all(&values);
                if !values.is_empty() {
                    edits.push(Edit::SetList(entity, attribute.clone(), values));
                }
                (attribute, Said::Elements(print))
            }
            Fact::Total { attribute, total } => {
                edits.push(Edit::Add(entity, attribute.clone(), total));
                (attribute, Said::Total(total))
            }
        };
        said.push((attribute, now));
    }
    let one = |edit: &Edit| match edit {
        Edit::SetList(_, _, values) => values.len(),
        _ => 1,
    };
    Verdict {
        tuples: edits.iter().map(one).sum(),
        edits,
        said: Some(said),
        differences: Vec::new(),
        standing: Standing::Added,
    }
}

/// A record that was deleted here stays so, whatever the export says now; new values in it are told.
fn deleted(facts: Vec<Fact>, base: Option<&SaidOf>, prints: &mut Fingerprints) -> Verdict {
    let mut verdict = Verdict {
        standing: Standing::Deleted,
        ..Verdict::default()
    };
    for fact in facts {
        let said = base.and_then(|base| base.iter().find(|(name, _)| name == fact.attribute()));
        let (attribute, now, export) = match fact {
            Fact::One { attribute, value } => {
                (attribute, Said::One(prints.of(&value)), vec![value])
            }
            Fact::Elements { attribute, values } => {
                (attribute, Said::Elements(prints.of_all(&values)), values)
            }
            Fact::Empty { .. } | Fact::Members { .. } | Fact::Total { .. } => continue,
        };
        if said.is_some_and(|(_, said)| *said != now) {
            verdict.differences.push(Difference {
                attribute,
                resolution: Resolution::Kept,
                here: Vec::new(),
                export,
            });
        }
    }
    verdict
}

struct Comparison<'a> {
    entity: EntityId,
    here: &'a Here,
    prints: &'a mut Fingerprints,
    verdict: Verdict,
}

impl Comparison<'_> {
    /// Decides one fact and returns what this import says of its attribute.
    fn fact(
        &mut self,
        fact: Fact,
        before: Option<&Said>,
        elements: Elements<'_>,
    ) -> Result<Said, crate::pod::PodError> {
        let shown: &[Value] = self
            .here
            .iter()
            .find(|(name, _)| name == fact.attribute())
            .map_or(&[], |(_, values)| values.as_slice());
        Ok(match fact {
            // A pod that already holds several values there treats it as a set; the pod's merge type goes on.
            Fact::One { attribute, value }
                if shown.len() > 1 || matches!(before, Some(Said::Members(_))) =>
            {
                self.members(&attribute, vec![value], false, before, shown)
            }
            Fact::One { attribute, value } => {
                self.one(attribute, Some(value), before, shown.first())
            }
            Fact::Empty { attribute } => self.one(attribute, None, before, shown.first()),
            Fact::Members {
                attribute,
                values,
                whole,
            } => self.members(&attribute, values, whole, before, shown),
            Fact::Elements { attribute, values } => {
                let shown = if shown.is_empty() {
                    Vec::new()
                } else {
                    elements(&attribute)?
                };
                self.elements(attribute, values, before, shown)
            }
            Fact::Total { attribute, total } => self.total(attribute, total, before, shown.first()),
        })
    }

    fn one(
        &mut self,
        attribute: Attribute,
        new: Option<Value>,
        before: Option<&Said>,
        here: Option<&Value>,
    ) -> Said {
        let said = new
            .as_ref()
            .map_or(Said::Nothing, |value| Said::One(self.prints.of(value)));
        if here == new.as_ref() {
            return said;
        }
        let shown = here.map_or(Said::Nothing, |value| Said::One(self.prints.of(value)));
        if before.is_none() && new.is_none() {
            // The export never spoke of it and does not now: what is here was made here.
            return said;
        }
        let resolution = resolve(before, &said, &shown, here.is_none());
        if resolution == Resolution::Taken {
            let edit = match &new {
                Some(value) => Edit::Assert(self.entity, attribute.clone(), value.clone()),
                None => Edit::Retract(self.entity, attribute.clone(), None),
            };
            self.verdict.edits.push(edit);
            self.verdict.tuples += usize::from(new.is_some());
        }
        self.differ(
            attribute,
            resolution,
            here.into_iter().cloned().collect(),
            new.into_iter().collect(),
        );
        said
    }

    fn members(
        &mut self,
        attribute: &Attribute,
        new: Vec<Value>,
        whole: bool,
        before: Option<&Said>,
        here: &[Value],
    ) -> Said {
        let before: Vec<Fingerprint> = match before {
            Some(Said::Members(prints)) => prints.clone(),
            Some(Said::One(print)) => vec![*print],
            _ => Vec::new(),
        };
        let shown: FxHashMap<Fingerprint, usize> = here
            .iter()
            .enumerate()
            .map(|(at, value)| (self.prints.of(value), at))
            .collect();
        let known: FxHashSet<Fingerprint> = before.iter().copied().collect();
        let mut met = FxHashSet::default();
        let mut said: Vec<Fingerprint> = Vec::with_capacity(new.len());
        for value in new {
            let print = self.prints.of(&value);
            if !met.insert(print) {
                continue;
            }
            said.push(print);
            if shown.contains_key(&print) {
                continue;
            }
            if known.contains(&print) {
                self.differ(attribute.clone(), Resolution::Kept, Vec::new(), vec![value]);
            } else {
                self.verdict.edits.push(Edit::Insert(
                    self.entity,
                    attribute.clone(),
                    value.clone(),
                ));
                self.verdict.tuples += 1;
                self.differ(
                    attribute.clone(),
                    Resolution::Taken,
                    Vec::new(),
                    vec![value],
                );
            }
        }
        for print in before.into_iter().filter(|print| !met.contains(print)) {
            if !whole {
                said.push(print);
            } else if let Some(value) = shown.get(&print).and_then(|at| here.get(*at)) {
                self.verdict.edits.push(Edit::Retract(
                    self.entity,
                    attribute.clone(),
                    Some(value.clone()),
                ));
                self.differ(
                    attribute.clone(),
                    Resolution::Taken,
                    vec![value.clone()],
                    Vec::new(),
                );
            }
        }
        said.sort_unstable();
        Said::Members(said)
    }

    fn elements(
        &mut self,
        attribute: Attribute,
        new: Vec<Value>,
        before: Option<&Said>,
        here: Vec<Value>,
    ) -> Said {
        let said = Said::Elements(self.prints.of_all(&new));
        if here == new {
            return said;
        }
        let shown = Said::Elements(self.prints.of_all(&here));
        let resolution = resolve(before, &said, &shown, here.is_empty());
        if resolution == Resolution::Taken {
            self.verdict
                .edits
                .push(Edit::SetList(self.entity, attribute.clone(), new.clone()));
            self.verdict.tuples += new.len();
        }
        self.differ(attribute, resolution, here, new);
        said
    }

    /// What was added at the source since the last import is added here: both sides' additions count.
    fn total(
        &mut self,
        attribute: Attribute,
        new: i64,
        before: Option<&Said>,
        here: Option<&Value>,
    ) -> Said {
        let counted = match (before, here) {
            (Some(Said::Total(before)), _) => *before,
            (_, Some(Value::Integer(here))) => *here,
            _ => 0,
        };
        let added = new.saturating_sub(counted);
        if added != 0 || (here.is_none() && before.is_none()) {
            self.verdict
                .edits
                .push(Edit::Add(self.entity, attribute.clone(), added));
            self.verdict.tuples += 1;
            self.differ(
                attribute,
                Resolution::Taken,
                here.into_iter().cloned().collect(),
                vec![Value::Integer(new)],
            );
        }
        Said::Total(new)
    }

    fn differ(
        &mut self,
        attribute: Attribute,
        resolution: Resolution,
        here: Vec<Value>,
        export: Vec<Value>,
    ) {
        self.verdict.differences.push(Difference {
            attribute,
            resolution,
            here,
            export,
        });
    }
}

/// The table above, for one value or one list that is not the same on both sides.
fn resolve(before: Option<&Said>, new: &Said, here: &Said, nothing_here: bool) -> Resolution {
    match before {
        Some(before) if before == new => Resolution::Kept,
        Some(before) if before == here => Resolution::Taken,
        // The export never spoke of it before: an empty place is free to be filled.
        None if nothing_here => Resolution::Taken,
        _ => Resolution::Conflict,
    }
}
