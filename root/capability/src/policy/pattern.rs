//! Patterns of `like`: text, with `*` for any text.

/// A pattern taken apart at its wildcards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    source: String,
    /// Before the first wildcard; all of it if there is none.
    first: String,
    /// Between wildcards.
    middle: Vec<String>,
    /// After the last wildcard; `None` if there is none.
    last: Option<String>,
}

impl Pattern {
    /// Every text is a pattern. `\*` is a star; a backslash before anything else stands for itself.
    pub(crate) fn new(source: &str) -> Self {
        let mut pieces = vec![String::new()];
        let mut characters = source.chars().peekable();
        while let Some(character) = characters.next() {
            if character == '*' {
                pieces.push(String::new());
                continue;
            }
            let character = match character {
                '\\' => characters.next_if_eq(&'*').unwrap_or('\\'),
                other => other,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(character);
            }
        }
        let last = if pieces.len() > 1 { pieces.pop() } else { None };
        let mut pieces = pieces.into_iter();
        Self {
            source: source.to_owned(),
            first: pieces.next().unwrap_or_default(),
            middle: pieces.filter(|piece| !piece.is_empty()).collect(),
            last,
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// In linear time: the leftmost place of each piece leaves the most room for the next.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(last) = &self.last else {
            return text == self.first;
        };
        let inner = text
            .strip_prefix(self.first.as_str())
            .and_then(|rest| rest.strip_suffix(last.as_str()));
        let Some(mut rest) = inner else {
            return false;
        };
        for piece in &self.middle {
            match rest.split_once(piece.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        true
    }
}
