//! Tuple patterns to steps: which index is read follows from what is bound.

use super::emit::Frame;
use super::{Attribute, Bound, Place, Planner, Register, ScanOrder, Step};
use crate::ir::{AttributeTerm, Pattern, Term};

/// An entity or value place with what is known about it.
enum Operand {
    Blank,
    Bound(Register),
    Free(Register),
}

impl<'q> Planner<'q> {
    fn operand(&mut self, term: Term, entity: bool, frame: &Frame<'q>) -> Operand {
        match term {
            Term::Blank => Operand::Blank,
            Term::Slot(s) if frame.bound.contains(s) => Operand::Bound(frame.register(s)),
            Term::Slot(s) => Operand::Free(frame.register(s)),
            Term::Constant(c) if entity => Operand::Bound(self.constant(c, true)),
            Term::Constant(c) => Operand::Bound(self.each(c)),
        }
    }

    pub(super) fn pattern(&mut self, p: &Pattern, frame: &mut Frame<'q>) {
        let scan = frame.scan.take();
        let e = self.operand(p.entity, true, frame);
        let mut v = self.operand(p.value, false, frame);
        // a variable that stands twice is bound once and compared
        let mut same = Vec::new();
        if let (Operand::Free(x), Operand::Free(y)) = (&e, &v)
            && x == y
        {
            let again = self.fresh();
            same.push((*x, again));
            v = Operand::Free(again);
        }
        let attribute = match p.attribute {
            AttributeTerm::Named(a) => Ok(Attribute::Named(a)),
            AttributeTerm::Slot(s) if frame.bound.contains(s) => {
                Ok(Attribute::Bound(frame.register(s)))
            }
            AttributeTerm::Slot(s) => {
                let mut out = frame.attribute_out(s);
                if [p.entity, p.value].contains(&Term::Slot(s)) {
                    let again = self.fresh();
                    same.push((out.register, again));
                    out.register = again;
                }
                Err(Some(out))
            }
            AttributeTerm::Blank => Err(None),
        };
        match attribute {
            Ok(a) => self.named(a, &e, &v, p, scan, frame),
            Err(a) => {
                let step = match (&e, &v) {
                    (Operand::Bound(e), v) => Step::OfEntity {
                        e: *e,
                        a,
                        v: place(v),
                    },
                    (e, Operand::Bound(v)) => Step::OfValue {
                        v: *v,
                        e: place(e),
                        a,
                    },
                    (e, v) => Step::All {
                        e: place(e),
                        a,
                        v: place(v),
                    },
                };
                self.step(step);
            }
        }
        for (a, b) in same {
            self.step(Step::Same { a, b });
        }
    }

    fn named(
        &mut self,
        a: Attribute,
        e: &Operand,
        v: &Operand,
        p: &Pattern,
        scan: Option<ScanOrder>,
        frame: &Frame<'q>,
    ) {
        let free = |o: &Operand| {
            if let Operand::Free(r) = o {
                Some(*r)
            } else {
                None
            }
        };
        let step = match (e, v) {
            (Operand::Bound(e), Operand::Bound(v)) => {
                self.program.filters += 1;
                Step::Tuple {
                    e: *e,
                    a,
                    v: *v,
                    filter: (self.program.filters - 1) as u16,
                }
            }
            (Operand::Bound(e), v) => Step::Values {
                e: *e,
                a,
                v: free(v),
            },
            (e, Operand::Bound(v)) => Step::Entities {
                a,
                v: *v,
                e: free(e),
            },
            (e, v) => {
                let bounds: Box<[Bound]> = match p.value {
                    Term::Slot(slot) => frame
                        .ahead
                        .iter()
                        .filter(|(s, _)| *s == slot)
                        .map(|(_, b)| b.clone())
                        .collect(),
                    _ => Box::default(),
                };
                let by_value = !bounds.is_empty() || matches!(e, Operand::Blank);
                let order = scan.unwrap_or(if by_value {
                    ScanOrder::Ascending
                } else {
                    ScanOrder::Entity
                });
                Step::Scan {
                    a,
                    e: free(e),
                    v: free(v),
                    order,
                    bounds,
                }
            }
        };
        self.step(step);
    }
}

fn place(operand: &Operand) -> Place {
    match operand {
        Operand::Blank => Place::Blank,
        Operand::Bound(r) => Place::Equal(*r),
        Operand::Free(r) => Place::Bind(*r),
    }
}
