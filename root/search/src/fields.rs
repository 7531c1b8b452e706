//! What the index is made of.

use rhizome_replica::Snapshot;
use tantivy::{
    TantivyDocument, Term,
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager},
};

use crate::{
    document::{Document, is_readable},
    words::Words,
};

/// Another one whenever words are read in another way: an index of another version is made anew.
const VERSION: &str = "words 1";

pub(crate) const ENTITY: &str = "entity";
pub(crate) const FINGERPRINT: &str = "fingerprint";

/// The fields of a document. Of the text there are words and how often they are there; no positions, and not the text.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub schema: Schema,
    /// The words.
    pub text: Field,
    /// The number of the entity.
    pub entity: Field,
    /// See [`Document::fingerprint`].
    pub fingerprint: Field,
    /// Names of attributes with a text.
    pub attribute: Field,
    /// What the entity says it is.
    pub kind: Field,
}

impl Fields {
    pub fn new() -> Self {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(VERSION)
            .set_index_option(IndexRecordOption::WithFreqs);
        let raw = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let text =
            schema.add_text_field("text", TextOptions::default().set_indexing_options(words));
        let entity = schema.add_u64_field(ENTITY, INDEXED | FAST);
        let fingerprint = schema.add_u64_field(FINGERPRINT, FAST);
        let raw = TextOptions::default().set_indexing_options(raw);
        let attribute = schema.add_text_field("attribute", raw.clone());
        let kind = schema.add_text_field("kind", raw);
        Self {
            schema: schema.build(),
            text,
            entity,
            fingerprint,
            attribute,
            kind,
        }
    }

    pub fn tokenizers() -> TokenizerManager {
        let tokenizers = TokenizerManager::default();
        tokenizers.register(VERSION, TextAnalyzer::from(Folding::default()));
        tokenizers
    }

    pub fn key(&self, e: u32) -> Term {
        Term::from_field_u64(self.entity, u64::from(e))
    }

    pub fn document(&self, document: &Document, now: &Snapshot) -> TantivyDocument {
        let mut out = TantivyDocument::default();
        out.add_u64(self.entity, u64::from(document.e.0));
        out.add_u64(self.fingerprint, u64::from(document.fingerprint(now)));
        let mut last = None;
        for (a, word) in &document.texts {
            now.text_with(*word, |text| {
                if is_readable(text) {
                    out.add_text(self.text, text);
                }
            });
            if last.replace(*a) != Some(*a) {
                out.add_text(self.attribute, now.attribute(*a).unwrap_or_default());
            }
        }
        for word in &document.kinds {
            now.text_with(*word, |text| out.add_text(self.kind, text));
        }
        out
    }
}

/// [`Words`], as the index asks for them.
#[derive(Clone, Default)]
struct Folding {
    words: Words,
    token: Token,
}

struct Stream<'a> {
    of: &'a mut Folding,
    next: usize,
}

impl Tokenizer for Folding {
    type TokenStream<'a> = Stream<'a>;
    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        self.words.read(text);
        self.token.reset();
        Stream { of: self, next: 0 }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        if self.next >= self.of.words.len() {
            return false;
        }
        let token = &mut self.of.token;
        token.text.clear();
        token.text.push_str(self.of.words.word(self.next));
        token.position = self.next;
        (token.offset_from, token.offset_to) = self.of.words.source(self.next);
        self.next += 1;
        true
    }
    fn token(&self) -> &Token {
        &self.of.token
    }
    fn token_mut(&mut self) -> &mut Token {
        &mut self.of.token
    }
}
