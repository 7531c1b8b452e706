//! What people type.

use crate::{SearchError, words::Words};

/// Bytes of a query.
pub const MAX_QUERY: usize = 2_000;
/// Words of a query.
pub const MAX_WORDS: usize = 64;

/// A search, read: words that must all be there, `"phrases"`, `-words` that must not be, `prefix*`, `one OR another`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub(crate) groups: Vec<Group>,
}

/// Something that must be there in one of several ways, or must not be there at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub negated: bool,
    pub atoms: Vec<Atom>,
}

/// Words one after another; most often, one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Atom {
    pub words: Vec<String>,
    /// The last one may go on.
    pub open: bool,
}

/// A piece of what was typed.
struct Piece<'a> {
    text: &'a str,
    negated: bool,
    open: bool,
    quoted: bool,
}

impl Query {
    /// Reads a query. Whatever is not a word, a quotation mark, a minus sign before a word or a star after one separates words; a quotation mark that
    /// is not closed reaches to the end.
    ///
    /// # Errors
    /// [`SearchError::Empty`], [`SearchError::Long`], [`SearchError::Words`], [`SearchError::Or`].
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        if text.len() > MAX_QUERY {
            return Err(SearchError::Long(text.len()));
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut words = 0;
        let mut or = false;
        let pieces = pieces(text);
        for (i, piece) in pieces.iter().enumerate() {
            let inside = i > 0 && i + 1 < pieces.len();
            if piece.text == "OR" && !piece.quoted && !piece.negated && !piece.open && inside {
                or = true;
                continue;
            }
            let Some(atom) = atom(piece) else {
                continue;
            };
            words += atom.words.len();
            if words > MAX_WORDS {
                return Err(SearchError::Words);
            }
            match groups.last_mut() {
                Some(last) if std::mem::take(&mut or) => {
                    if last.negated || piece.negated {
                        return Err(SearchError::Or);
                    }
                    last.atoms.push(atom);
                }
                _ => groups.push(Group {
                    negated: piece.negated,
                    atoms: vec![atom],
                }),
            }
            or = false;
        }
        if groups.iter().all(|g| g.negated) {
            return Err(SearchError::Empty);
        }
        Ok(Self { groups })
    }

    /// All atoms, with whether they must not be there.
    pub(crate) fn atoms(&self) -> impl Iterator<Item = (bool, &Atom)> {
        self.groups
            .iter()
            .flat_map(|g| g.atoms.iter().map(move |a| (g.negated, a)))
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '«' | '»')
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (negated, after) = match rest.strip_prefix('-') {
            Some(after) if after.starts_with(|c: char| !c.is_whitespace()) => (true, after),
            _ => (false, rest),
        };
        let quoted = after.starts_with(is_quote);
        let (text, after) = if quoted {
            let inner = after.trim_start_matches(is_quote);
            let end = inner.find(is_quote).unwrap_or(inner.len());
            let (text, after) = inner.split_at(end);
            let mut chars = after.chars();
            chars.next();
            (text, chars.as_str())
        } else {
            let end = after
                .find(|c: char| c.is_whitespace() || is_quote(c))
                .unwrap_or(after.len());
            after.split_at(end)
        };
        let (text, open, after) = if let Some(after) = after.strip_prefix('*').filter(|_| quoted) {
            (text, true, after)
        } else if let Some(text) = text.strip_suffix('*').filter(|_| !quoted) {
            (text, true, after)
        } else {
            (text, false, after)
        };
        out.push(Piece {
            text,
            negated,
            open,
            quoted,
        });
        rest = after.trim_start();
    }
    out
}

fn atom(piece: &Piece<'_>) -> Option<Atom> {
    let words = Words::of(piece.text);
    let mut all: Vec<String> = words.iter().map(str::to_owned).collect();
    let mut open = piece.open;
    let last = all.len().checked_sub(1)?;
    if words.is_tail(last) {
        // the pair before it says as much, and a text may go on after it
        all.pop();
        open = false;
    } else if crate::words::is_single(words.word(last)) {
        open = true;
    }
    Some(Atom { words: all, open })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let query = Query::parse(text).unwrap();
        let atom = |a: &Atom| a.words.join("+") + if a.open { "*" } else { "" };
        let group = |g: &Group| {
            let atoms: Vec<_> = g.atoms.iter().map(atom).collect();
            (if g.negated { "-" } else { "" }).to_owned() + &atoms.join("|")
        };
        query.groups.iter().map(group).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_people_type() {
        assert_eq!(shown("Big  cats"), "big cats");
        assert_eq!(shown("\"big cats\" -dog"), "big+cats -dog");
        assert_eq!(shown("-\"big dog\" cat*"), "-big+dog cat*");
        assert_eq!(shown("a OR b OR \"c d\" e"), "a|b|c+d e");
        assert_eq!(shown("OR either or OR"), "or either or or");
        assert_eq!(shown("\"OR\" x"), "or x");
        assert_eq!(shown("“smart quotes” „auch”"), "smart+quotes auch");
        assert_eq!(shown("\"not closed at"), "not+closed+at");
        assert_eq!(shown("\"open en\"* don't e-mail"), "open+en* don+t e+mail");
        assert_eq!(shown("- a & b"), "a b");
        assert_eq!(shown("東京都"), "東京+京都");
        assert_eq!(shown("猫"), "猫*");
        assert_eq!(shown("a OR & b"), "a|b");
    }

    #[test]
    fn what_is_refused() {
        for empty in ["", "  ", "-", "\"\"", "…", "-a", "*", "-a -\"b c\""] {
            assert!(
                matches!(Query::parse(empty), Err(SearchError::Empty)),
                "{empty}"
            );
        }
        assert!(matches!(Query::parse("a OR -b"), Err(SearchError::Or)));
        assert!(matches!(Query::parse("c -a OR b"), Err(SearchError::Or)));
        let long = "a ".repeat(MAX_QUERY);
        assert!(matches!(Query::parse(&long), Err(SearchError::Long(4_000))));
        let many = "a ".repeat(MAX_WORDS + 1);
        assert!(matches!(Query::parse(&many), Err(SearchError::Words)));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "[ab \"*\\-OR猫東é“]{0,60}", any in any::<String>()) {
            for text in [text, any] {
                if let Ok(query) = Query::parse(&text) {
                    prop_assert!(query.groups.iter().any(|g| !g.negated));
                    for (_, atom) in query.atoms() {
                        prop_assert!(!atom.words.is_empty());
                        prop_assert!(atom.words.iter().all(|w| !w.is_empty()));
                    }
                }
            }
        }
    }
}
