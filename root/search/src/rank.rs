//! BM25, over what is known of how common words are.

use rhizome_replica::{Eid, Snapshot};

use crate::{
    Found, Hit, Request, SearchError,
    document::Reader,
    excerpt::excerpt,
    matching::{Match, Matcher},
};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// How common things are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    /// Documents.
    pub documents: u64,
    /// Words of all documents.
    pub words: u64,
    /// In how many documents each atom of the query is, in order.
    pub with: Vec<u64>,
}

/// Something that was found, and is not shown yet.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub e: Eid,
    pub created: Option<i64>,
    pub found: Match,
}

impl Statistics {
    fn score(&self, query: &crate::Query, found: &Match) -> f64 {
        let average = (self.words.max(1) as f64) / (self.documents.max(1) as f64);
        let norm = K1 * (1.0 - B + B * f64::from(found.length) / average.max(1.0));
        let mut score = 0.0;
        for (i, (negated, _)) in query.atoms().enumerate() {
            let count = f64::from(found.counts.get(i).copied().unwrap_or_default());
            if negated || count == 0.0 {
                continue;
            }
            let with = self.with.get(i).copied().unwrap_or_default().max(1);
            let documents = self.documents.max(with) as f64;
            let with = with as f64;
            let rare = (1.0 + (documents - with + 0.5) / (with + 0.5)).ln();
            score += rare * (1.0 + K1) * count / (count + norm);
        }
        score
    }
}

/// The best ones, as they are shown: by score, of equals the newer first.
pub(crate) fn best(
    candidates: Vec<Candidate>,
    statistics: &Statistics,
    request: &Request<'_>,
    matcher: &mut Matcher<'_>,
    reader: &mut Reader<'_>,
) -> Result<Found, SearchError> {
    let now: &Snapshot = reader.now();
    let mut ranked = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Some(id) = now.entity_id(candidate.e) else {
            continue;
        };
        let score = statistics.score(matcher.query(), &candidate.found) as f32;
        ranked.push((score, candidate.created, id, candidate.e));
    }
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
    ranked.truncate(request.limit);
    let mut hits = Vec::with_capacity(ranked.len());
    for (score, created, entity, e) in ranked {
        let shown = reader.read(e).and_then(|document| matcher.shows(&document));
        let Some(shown) = shown else {
            continue;
        };
        hits.push(Hit {
            entity,
            attribute: now
                .attribute(shown.attribute)
                .unwrap_or_default()
                .to_owned(),
            score,
            created,
            excerpt: excerpt(&shown.text, &shown.marks),
            text: request.texts.then_some(shown.text),
        });
    }
    now.fault()?;
    Ok(Found {
        hits,
        complete: true,
        behind: 0,
    })
}
