//! Asking the index, and checking what it says.

use std::{collections::BTreeSet, ops::Bound};

use rhizome_replica::{Eid, Snapshot};
use tantivy::{
    Searcher, Term,
    collector::TopDocs,
    query::{BooleanQuery, ConstScoreQuery, Occur, Query as Ask, RangeQuery, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::Index;
use crate::{
    Found, Request, SearchError,
    document::Reader,
    fields::ENTITY,
    matching::Matcher,
    query::Atom,
    rank::{Candidate, Statistics, best},
};

/// Entities that the index does not know yet and that are looked through: more of them take too long.
const MAX_FRESH: usize = 5_000;
/// What the index names is checked, best first, until there are enough; at most so many.
const MAX_CHECKED: usize = 20_000;
/// Words that begin alike and are counted to tell how common they are together.
const MAX_ALIKE: usize = 500;
/// How often it is asked whether to go on.
const ASK_EVERY: usize = 256;

impl Index {
    pub(super) fn ask(
        &self,
        request: &Request<'_>,
        now: &Snapshot,
        fresh: &BTreeSet<u32>,
        check: &dyn Fn() -> bool,
    ) -> Result<Found, SearchError> {
        let searcher = self.reader.searcher();
        let mut reader = Reader::new(now, &*self.selects);
        let mut matcher = Matcher::new(now, request.query, request.attributes, request.kind);
        let mut candidates = Vec::new();
        let mut asked = 0_usize;
        let mut look = |e: u32, candidates: &mut Vec<Candidate>| {
            asked += 1;
            if asked.is_multiple_of(ASK_EVERY) && !check() {
                return Err(SearchError::Stopped);
            }
            if let Some(document) = reader.read(Eid(e))
                && let Some(found) = matcher.matches(&document)
            {
                candidates.push(Candidate {
                    e: Eid(e),
                    created: document.created,
                    found,
                });
            }
            Ok(())
        };
        for e in fresh.iter().rev().take(MAX_FRESH) {
            look(*e, &mut candidates)?;
        }
        let fresh_found = candidates.len();
        let wanted = self.query(request);
        // some more than asked for: the index is a little coarse about lengths
        let mut width = request.limit.saturating_add(16).min(MAX_CHECKED);
        let mut checked = 0;
        let mut complete = true;
        loop {
            let top = TopDocs::with_limit(width).order_by_score();
            let docs = searcher.search(&*wanted, &top)?;
            for (_, address) in docs.iter().skip(checked) {
                let segment = searcher.segment_reader(address.segment_ord);
                let entities = segment.fast_fields().u64(ENTITY)?;
                let Some(e) = entities.first(address.doc_id) else {
                    continue;
                };
                if !fresh.contains(&(e as u32)) {
                    look(e as u32, &mut candidates)?;
                }
            }
            checked = docs.len();
            if docs.len() < width || candidates.len() - fresh_found >= request.limit {
                break;
            }
            if width == MAX_CHECKED {
                complete = false;
                break;
            }
            width = (width * 8).min(MAX_CHECKED);
        }
        let statistics = self.statistics(request, &searcher)?;
        let mut found = best(candidates, &statistics, request, &mut matcher, &mut reader)?;
        found.behind = fresh.len().saturating_sub(MAX_FRESH);
        found.complete = complete && found.behind == 0;
        Ok(found)
    }

    fn term(&self, word: &str) -> Term {
        Term::from_field_text(self.fields.text, word)
    }

    /// A query that is true of every document of which the request is. Where the index knows too little to tell, it is true of more.
    fn query(&self, request: &Request<'_>) -> Box<dyn Ask> {
        let mut all: Vec<(Occur, Box<dyn Ask>)> = Vec::new();
        for group in &request.query.groups {
            if !group.negated {
                let ways = group.atoms.iter().map(|atom| self.atom(atom));
                all.push((Occur::Must, any(ways.collect())));
                continue;
            }
            // within some attributes only: it may be in others
            if let [atom] = group.atoms.as_slice()
                && atom.words.len() == 1
                && request.attributes.is_empty()
            {
                all.push((Occur::MustNot, self.atom(atom)));
            }
        }
        let among = |field: Field, names: &mut dyn Iterator<Item = &str>| {
            let ways = names.map(|name| {
                let term = Term::from_field_text(field, name);
                Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Ask>
            });
            Box::new(ConstScoreQuery::new(any(ways.collect()), 0.0)) as Box<dyn Ask>
        };
        if !request.attributes.is_empty() {
            let mut names = request.attributes.iter().map(String::as_str);
            all.push((Occur::Must, among(self.fields.attribute, &mut names)));
        }
        if let Some(kind) = request.kind {
            let mut names = std::iter::once(kind);
            all.push((Occur::Must, among(self.fields.kind, &mut names)));
        }
        match all.as_slice() {
            [(Occur::Must, _)] => all
                .pop()
                .map_or_else(|| Box::new(BooleanQuery::new(Vec::new())) as _, |(_, q)| q),
            _ => Box::new(BooleanQuery::new(all)),
        }
    }

    /// All words of it, wherever they are.
    fn atom(&self, atom: &Atom) -> Box<dyn Ask> {
        let last = atom.words.len().saturating_sub(1);
        let mut words = atom.words.iter().enumerate().map(|(i, word)| {
            if atom.open && i == last {
                let range = RangeQuery::new(
                    Bound::Included(self.term(word)),
                    after(word).map_or(Bound::Unbounded, |end| Bound::Excluded(self.term(&end))),
                );
                return Box::new(range) as Box<dyn Ask>;
            }
            Box::new(TermQuery::new(
                self.term(word),
                IndexRecordOption::WithFreqs,
            ))
        });
        if last == 0
            && let Some(only) = words.next()
        {
            return only;
        }
        Box::new(BooleanQuery::intersection(words.collect()))
    }

    /// How common the words are, as far as the index knows.
    fn statistics(
        &self,
        request: &Request<'_>,
        searcher: &Searcher,
    ) -> Result<Statistics, SearchError> {
        let mut out = Statistics {
            documents: searcher.num_docs(),
            ..Statistics::default()
        };
        for segment in searcher.segment_readers() {
            out.words += segment.inverted_index(self.fields.text)?.total_num_tokens();
        }
        for (_, atom) in request.query.atoms() {
            let last = atom.words.len().saturating_sub(1);
            let mut rarest = u64::MAX;
            for (i, word) in atom.words.iter().enumerate() {
                let with = if atom.open && i == last {
                    self.alike(searcher, word)?
                } else {
                    searcher.doc_freq(&self.term(word))?
                };
                rarest = rarest.min(with);
            }
            out.with.push(rarest);
        }
        Ok(out)
    }

    /// How many documents have a word that begins so, about.
    fn alike(&self, searcher: &Searcher, prefix: &str) -> Result<u64, SearchError> {
        let mut with = 0;
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(self.fields.text)?;
            let mut range = index.terms().range().ge(prefix);
            if let Some(end) = after(prefix) {
                range = range.lt(end);
            }
            let mut words = range.into_stream()?;
            let mut met = 0;
            while met < MAX_ALIKE && words.advance() {
                with += u64::from(words.value().doc_freq);
                met += 1;
            }
        }
        Ok(with.min(searcher.num_docs()))
    }
}

fn any(mut ways: Vec<Box<dyn Ask>>) -> Box<dyn Ask> {
    match ways.len() {
        1 => ways.remove(0),
        _ => Box::new(BooleanQuery::union(ways)),
    }
}

/// The least text that comes after all those that begin so.
fn after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
