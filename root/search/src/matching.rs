//! Whether a document is what was asked for: decided on the tuples themselves.

use rhizome_replica::{Aid, Snapshot, Word};
use rustc_hash::FxHashSet;

use crate::{
    Query,
    document::{Document, is_readable},
    query::Atom,
    words::Words,
};

/// What is looked for, at one moment.
pub(crate) struct Matcher<'a> {
    now: &'a Snapshot,
    query: &'a Query,
    /// Only texts of these.
    attributes: Option<FxHashSet<Aid>>,
    kind: Kind,
    words: Words,
}

/// Which entities are meant, by what they say they are.
enum Kind {
    Any,
    Only(Word),
    /// One that the pod never heard of.
    Unheard,
}

/// The text that shows best why a document was found.
pub(crate) struct Shown {
    pub attribute: Aid,
    pub text: String,
    /// What was looked for in it, in bytes, ascending and apart.
    pub marks: Vec<(usize, usize)>,
}

/// A document that is what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Match {
    /// How often each atom of the query is there, in order.
    pub counts: Vec<u32>,
    /// Words in all.
    pub length: u32,
}

impl<'a> Matcher<'a> {
    pub fn new(
        now: &'a Snapshot,
        query: &'a Query,
        attributes: &[String],
        kind: Option<&str>,
    ) -> Self {
        let named = attributes.iter().filter_map(|name| now.aid(name));
        Self {
            now,
            query,
            attributes: (!attributes.is_empty()).then(|| named.collect()),
            kind: match kind.map(|kind| now.word(&kind.into())) {
                None => Kind::Any,
                Some(None) => Kind::Unheard,
                Some(Some(kind)) => Kind::Only(kind),
            },
            words: Words::default(),
        }
    }

    pub fn query(&self) -> &'a Query {
        self.query
    }

    fn looks_at(&self, a: Aid) -> bool {
        self.attributes.as_ref().is_none_or(|all| all.contains(&a))
    }

    /// Whether it is what was asked for.
    pub fn matches(&mut self, document: &Document) -> Option<Match> {
        match self.kind {
            Kind::Any => {}
            Kind::Only(kind) if document.kinds.contains(&kind) => {}
            Kind::Only(_) | Kind::Unheard => return None,
        }
        let mut out = Match {
            counts: vec![0; self.query.atoms().count()],
            length: 0,
        };
        for (a, word) in &document.texts {
            if !self.looks_at(*a) {
                continue;
            }
            let words = &mut self.words;
            let read = self.now.text_with(*word, |text| {
                let readable = is_readable(text);
                if readable {
                    words.read(text);
                }
                readable
            });
            if read != Some(true) {
                continue;
            }
            out.length = out.length.saturating_add(words.len() as u32);
            for (count, (_, atom)) in out.counts.iter_mut().zip(self.query.atoms()) {
                *count += places(words, atom).count() as u32;
            }
        }
        let mut counts = out.counts.iter();
        let holds = self.query.groups.iter().all(|group| {
            let there = counts
                .by_ref()
                .take(group.atoms.len())
                .filter(|n| **n > 0)
                .count()
                > 0;
            there != group.negated
        });
        holds.then_some(out)
    }

    /// The text of a document that shows best why it was found.
    pub fn shows(&mut self, document: &Document) -> Option<Shown> {
        let mut best: Option<(usize, Shown)> = None;
        for (a, word) in &document.texts {
            if !self.looks_at(*a) {
                continue;
            }
            let Some(text) = self.now.text_with(*word, str::to_owned) else {
                continue;
            };
            if !is_readable(&text) {
                continue;
            }
            self.words.read(&text);
            let mut marks = Vec::new();
            let mut different = 0;
            for (negated, atom) in self.query.atoms() {
                let before = marks.len();
                if !negated {
                    marks.extend(places(&self.words, atom));
                }
                different += usize::from(marks.len() > before);
            }
            if best.as_ref().is_none_or(|b| different > b.0) && different > 0 {
                let shown = Shown {
                    attribute: *a,
                    text,
                    marks: apart(marks),
                };
                best = Some((different, shown));
            }
        }
        best.map(|(_, shown)| shown)
    }
}

/// Where an atom stands in a text, in bytes.
fn places<'w>(words: &'w Words, atom: &'w Atom) -> impl Iterator<Item = (usize, usize)> + 'w {
    let n = atom.words.len();
    let starts = (words.len() + 1).saturating_sub(n);
    (0..starts)
        .filter(move |at| {
            atom.words.iter().enumerate().all(|(i, wanted)| {
                let found = words.word(at + i);
                if atom.open && i + 1 == n {
                    found.starts_with(wanted.as_str())
                } else {
                    found == wanted
                }
            })
        })
        .map(move |at| (words.source(at).0, words.source(at + n - 1).1))
}

/// The same bytes, in order, without overlaps.
fn apart(mut marks: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    marks.sort_unstable();
    let mut out: Vec<(usize, usize)> = Vec::with_capacity(marks.len());
    for (start, end) in marks {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}
