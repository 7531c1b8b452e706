//! What is searched of an entity.

use rhizome_replica::{Aid, Eid, Fact, Snapshot, Word, key, tag};

use crate::Selects;

/// The texts of an entity.
#[derive(Debug)]
pub(crate) struct Document {
    pub e: Eid,
    pub texts: Vec<(Aid, Word)>,
    /// What it says it is.
    pub kinds: Vec<Word>,
    /// When it says it was made, in milliseconds since 1970.
    pub created: Option<i64>,
}

/// Reads documents of one moment.
pub(crate) struct Reader<'a> {
    now: &'a Snapshot,
    selects: &'a Selects,
    known: Vec<Option<Role>>,
}

/// What an attribute is to a search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Text,
    Kind,
    Created,
    Nothing,
}

/// Whether an attribute of this name holds words that people wrote, as far as the name tells: not addresses, keys, hashes, markup and the like. Where a
/// text is also there as markup (`…/html`, `…-html`), it is found by the text.
pub fn is_prose(name: &str) -> bool {
    const NOT: [&str; 16] = [
        "url",
        "uri",
        "html",
        "id",
        "key",
        "hash",
        "blurhash",
        "cid",
        "did",
        "mime",
        "language",
        "color",
        "token",
        "etag",
        "signature",
        "uid",
    ];
    let local = name.rsplit('/').next().unwrap_or(name);
    let last = local.rsplit('-').next().unwrap_or(local);
    !is_kind(name) && !NOT.contains(&last)
}

/// Whether an attribute says what an entity is.
fn is_kind(name: &str) -> bool {
    name == "type" || name.ends_with("/type")
}

impl<'a> Reader<'a> {
    pub fn new(now: &'a Snapshot, selects: &'a Selects) -> Self {
        Self {
            now,
            selects,
            known: Vec::new(),
        }
    }

    pub fn now(&self) -> &'a Snapshot {
        self.now
    }

    fn role(&mut self, a: Aid) -> Role {
        let i = a.0 as usize;
        if i >= self.known.len() {
            self.known.resize(i + 1, None);
        }
        let Some(known) = self.known.get_mut(i) else {
            return Role::Nothing;
        };
        *known.get_or_insert_with(|| {
            let name = self.now.attribute(a).unwrap_or_default();
            if is_kind(name) {
                Role::Kind
            } else if name == "created" || name.ends_with("/created") {
                Role::Created
            } else if (self.selects)(name) {
                Role::Text
            } else {
                Role::Nothing
            }
        })
    }

    /// The document of an entity; `None` if nothing is searched of it.
    pub fn read(&mut self, e: Eid) -> Option<Document> {
        let (lo, hi) = key::eav_e(e);
        let mut out = Document::new(e);
        for k in self.now.eav().range(lo, hi) {
            self.take(&mut out, key::un_eav(k));
        }
        (!out.texts.is_empty()).then_some(out)
    }

    fn take(&mut self, out: &mut Document, fact: Fact) {
        match fact.v.tag {
            tag::TEXT => match self.role(fact.a) {
                Role::Text => out.texts.push((fact.a, fact.v)),
                Role::Kind => out.kinds.push(fact.v),
                Role::Created | Role::Nothing => {}
            },
            tag::TIME if self.role(fact.a) == Role::Created => {
                out.created = out.created.max(Some(fact.v.as_i64()));
            }
            _ => {}
        }
    }

    /// All documents, by ascending number of the entity, as long as `take` says true.
    pub fn all(&mut self, mut take: impl FnMut(&mut Self, Document) -> bool) {
        let now = self.now;
        let mut open: Option<Document> = None;
        for k in now.eav().range(0, u128::MAX) {
            let fact = key::un_eav(k);
            if open.as_ref().is_none_or(|d| d.e != fact.e) {
                if let Some(done) = open.take().filter(|d| !d.texts.is_empty())
                    && !take(self, done)
                {
                    return;
                }
                open = Some(Document::new(fact.e));
            }
            if let Some(document) = &mut open {
                self.take(document, fact);
            }
        }
        if let Some(done) = open.filter(|d| !d.texts.is_empty()) {
            take(self, done);
        }
    }
}

impl Document {
    fn new(e: Eid) -> Self {
        Self {
            e,
            texts: Vec::new(),
            kinds: Vec::new(),
            created: None,
        }
    }

    /// A hash of all that is indexed of it: another one when something else would be.
    pub fn fingerprint(&self, now: &Snapshot) -> u32 {
        let mut hasher = blake3::Hasher::new();
        if let Some(id) = now.entity_id(self.e) {
            hasher.update(id.as_bytes());
        }
        let mut say = |name: &str, text: &str| {
            for part in [name, text] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        };
        for (a, word) in &self.texts {
            let name = now.attribute(*a).unwrap_or_default();
            now.text_with(*word, |text| say(name, text));
        }
        for word in &self.kinds {
            now.text_with(*word, |text| say("", text));
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// Whether a text is something to read, and no address or name that stands alone.
pub(crate) fn is_readable(text: &str) -> bool {
    let one = || !text.contains(char::is_whitespace);
    !(text.starts_with("rz:") || text.starts_with("did:") || text.contains("://")) || !one()
}

#[cfg(test)]
mod tests {
    use super::{is_prose, is_readable};

    #[test]
    fn what_is_searched() {
        for yes in [
            "social/text",
            "note/title",
            "text",
            "key-idea/summary",
            "social/tag",
        ] {
            assert!(is_prose(yes), "{yes}");
        }
        for no in [
            "social/html",
            "social/bio-html",
            "social/url",
            "x/quote-of-url",
            "type",
            "social/type",
            "api/key",
        ] {
            assert!(!is_prose(no), "{no}");
        }
        assert!(is_readable("see https://example.org for more"));
        assert!(!is_readable("https://example.org/a/b"));
        assert!(is_readable("hello"));
    }
}
