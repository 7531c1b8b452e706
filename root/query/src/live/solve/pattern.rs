//! Tuple patterns through the indexes.

use super::{Flow, Goal, Solver};
use crate::exec::words;
use crate::ir::{AttributeTerm, Slot, Term};
use crate::live::state::State;
use crate::live::template::Pattern;
use rhizome_replica::{Aid, Fact, Word, key, tag};
use rhizome_tuple::Value;

type Sink<'s> = dyn FnMut(&mut State) -> Flow + 's;

impl Solver<'_> {
    pub fn pattern(
        &self,
        st: &mut State,
        p: &Pattern,
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        let a = match p.attribute {
            AttributeTerm::Named(a) => match self.names.attributes[usize::from(a)] {
                Some(a) => Some(a),
                None => return Flow::More,
            },
            AttributeTerm::Slot(s) => match st.get(s) {
                Some(w) => match self.attribute_of(w) {
                    Some(a) => Some(a),
                    None => return Flow::More,
                },
                None => None,
            },
            AttributeTerm::Blank => None,
        };
        let e = if self.is_known(st, p.entity) {
            match self.entity_of(st, p.entity) {
                Some(e) => Some(e),
                None => return Flow::More,
            }
        } else {
            None
        };
        let values = self.is_known(st, p.value).then(|| {
            let mut all = Vec::with_capacity(1);
            self.each_value(st, p.value, |w| all.push(w));
            all
        });
        let s = self.snapshot;
        match (e, a, values) {
            (Some(e), Some(a), Some(values)) => {
                let mut there = values
                    .into_iter()
                    .filter(|v| s.eav().contains(key::eav(e, a, *v)));
                let first = there.next();
                match first {
                    Some(_) => self.solve(st, goal, sink),
                    None => Flow::More,
                }
            }
            (Some(e), Some(a), None) => {
                let (lo, hi) = key::eav_ea(e, a);
                let facts = s.eav().range(lo, hi).map(key::un_eav);
                if p.value == Term::Blank {
                    let mut facts = facts;
                    return match facts.next() {
                        Some(_) => self.solve(st, goal, sink),
                        None => Flow::More,
                    };
                }
                self.each_fact(st, facts, p, goal, sink)
            }
            (None, Some(a), Some(values)) => {
                for v in values {
                    let (lo, hi) = key::ave_av(a, v);
                    let mut facts = s.ave().range(lo, hi).map(key::un_ave);
                    let flow = if p.entity == Term::Blank {
                        match facts.next() {
                            // any entity will do, and so will any of the values
                            Some(_) => return self.solve(st, goal, sink),
                            None => Flow::More,
                        }
                    } else {
                        self.each_fact(st, facts, p, goal, sink)
                    };
                    if flow == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Flow::More
            }
            (None, Some(a), None) => {
                let (lo, hi) = key::aev_a(a);
                self.each_fact(st, s.aev().range(lo, hi).map(key::un_aev), p, goal, sink)
            }
            (Some(e), None, _) => {
                let (lo, hi) = key::eav_e(e);
                self.each_fact(st, s.eav().range(lo, hi).map(key::un_eav), p, goal, sink)
            }
            (None, None, Some(values)) => {
                for v in values {
                    if self.with_value(st, v, p, goal, sink) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Flow::More
            }
            (None, None, None) => {
                let all = s.eav().range(0, u128::MAX).map(key::un_eav);
                self.each_fact(st, all, p, goal, sink)
            }
        }
    }

    /// Every tuple with a value, whatever its attribute.
    fn with_value(
        &self,
        st: &mut State,
        v: Word,
        p: &Pattern,
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        let s = self.snapshot;
        if v.tag == tag::REF {
            let Some(target) = v.as_eid() else {
                return Flow::More;
            };
            let (lo, hi) = key::vae_v(target);
            return self.each_fact(st, s.vae().range(lo, hi).map(key::un_vae), p, goal, sink);
        }
        for (a, _) in s.attributes() {
            let (lo, hi) = key::ave_av(a, v);
            let facts = s.ave().range(lo, hi).map(key::un_ave);
            if self.each_fact(st, facts, p, goal, sink) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::More
    }

    fn each_fact(
        &self,
        st: &mut State,
        facts: impl Iterator<Item = Fact>,
        p: &Pattern,
        goal: &Goal<'_>,
        sink: &mut Sink<'_>,
    ) -> Flow {
        self.each(st, facts, |st, fact| self.unify(st, p, fact), goal, sink)
    }

    /// Binds what a fact says to the places of a pattern. False, with some places bound, if it does not fit.
    pub fn unify(&self, st: &mut State, p: &Pattern, fact: Fact) -> bool {
        let attribute = match p.attribute {
            AttributeTerm::Named(a) => self.names.attributes[usize::from(a)] == Some(fact.a),
            AttributeTerm::Slot(s) => self.accept_attribute(st, s, fact.a, p.number),
            AttributeTerm::Blank => true,
        };
        attribute
            && self.accept(st, p.entity, Word::reference(fact.e), true)
            && self.accept(st, p.value, fact.v, false)
    }

    fn accept_attribute(&self, st: &mut State, slot: Slot, a: Aid, number: bool) -> bool {
        if let Some(w) = st.get(slot) {
            return self.attribute_of(w) == Some(a);
        }
        let w = if number {
            words::attribute(a)
        } else {
            let name = self.words.snapshot.attribute(a).unwrap_or_default();
            self.words.word(&Value::Text(name.to_owned()))
        };
        st.accept(slot, w)
    }

    fn attribute_of(&self, w: Word) -> Option<Aid> {
        if w.tag == words::local::ATTRIBUTE {
            return Some(Aid(w.bits as u32));
        }
        let aid = |name: &str| self.words.snapshot.aid(name);
        self.words.with_text(w, aid).flatten()
    }
}
