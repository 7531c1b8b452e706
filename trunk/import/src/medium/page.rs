//! One page of a Medium export, by the microformats it is marked with.

use std::cell::RefCell;

use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// An element with a class or a `data-field`, and the text up to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// `p-name`, `p-author`, `dt-published`, …
    pub classes: Vec<String>,
    pub field: String,
    pub href: String,
    pub datetime: String,
    pub text: String,
    name: String,
    depth: usize,
}

impl Piece {
    /// Whether it is an element of that name.
    pub fn name_is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// Pieces of one page.
const PIECES: usize = 20_000;

#[derive(Default)]
struct Reader(RefCell<State>);

#[derive(Default)]
struct State {
    pieces: Vec<Piece>,
    /// Pieces that are open, by their place.
    open: Vec<usize>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => state.tag(&tag),
            Token::CharacterTokens(text) => state.say(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn tag(&mut self, tag: &Tag) {
        let name = &*tag.name;
        if tag.kind == TagKind::EndTag {
            // An end closes the innermost piece of its name that has no other of that name open in it.
            if let Some(at) = self
                .open
                .iter()
                .rposition(|at| self.pieces.get(*at).is_some_and(|piece| piece.name == name))
            {
                let piece = self.open.get(at).and_then(|at| self.pieces.get_mut(*at));
                if let Some(piece) = piece {
                    if piece.depth == 0 {
                        self.open.remove(at);
                    } else {
                        piece.depth -= 1;
                    }
                }
            }
            return;
        }
        let value = |wanted: &str| {
            let found = tag
                .attrs
                .iter()
                .find(|attribute| &*attribute.name.local == wanted);
            found
                .map(|attribute| attribute.value.to_string())
                .unwrap_or_default()
        };
        let (class, field) = (value("class"), value("data-field"));
        let marked = !field.is_empty()
            || class.split_whitespace().any(|class| {
                class.starts_with("p-")
                    || class.starts_with("u-")
                    || class.starts_with("dt-")
                    || class.starts_with("h-")
            });
        let link = name == "a";
        if (marked || link) && self.pieces.len() < PIECES && self.open.len() < 64 {
            self.open.push(self.pieces.len());
            self.pieces.push(Piece {
                classes: class.split_whitespace().map(str::to_owned).collect(),
                field,
                href: value("href"),
                datetime: value("datetime"),
                name: name.to_owned(),
                ..Piece::default()
            });
            if matches!(name, "img" | "br" | "meta" | "link" | "hr") {
                self.open.pop();
            }
        } else if let Some(at) = self
            .open
            .iter()
            .rposition(|at| self.pieces.get(*at).is_some_and(|piece| piece.name == name))
            && let Some(piece) = self.open.get(at).and_then(|at| self.pieces.get_mut(*at))
        {
            piece.depth += 1;
        }
    }

    fn say(&mut self, text: &str) {
        for at in &self.open {
            if let Some(piece) = self.pieces.get_mut(*at)
                && piece.field != "body"
            {
                piece.text.push_str(text);
            }
        }
    }
}

/// What a page is marked with, in order.
pub fn pieces(html: &str) -> Vec<Piece> {
    let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut pieces = tokenizer.sink.0.into_inner().pieces;
    for piece in &mut pieces {
        piece.text = piece.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    pieces
}

/// The first piece of a class.
pub fn of<'a>(pieces: &'a [Piece], class: &str) -> Option<&'a Piece> {
    pieces
        .iter()
        .find(|piece| piece.classes.iter().any(|own| own == class))
}

/// The HTML of the story: what is between the start of the body and the foot of the page.
pub fn body(html: &str) -> &str {
    let Some(mark) = html.find("data-field=\"body\"") else {
        return "";
    };
    let from = html
        .get(mark..)
        .and_then(|rest| Some(mark + rest.find('>')? + 1));
    let from = from.unwrap_or(html.len());
    let rest = html.get(from..).unwrap_or_default();
    let end = rest.rfind("<footer").unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marked_pieces_are_found() {
        let html = "<h1 class=\"p-name\">A  title</h1><section data-field=\"subtitle\" class=\"p-summary\">Sub <b>x</b></section><section data-field=\"body\" class=\"e-content\"><section><p>Hi</p></section></section><footer><a href=\"u\" class=\"p-author h-card\">Jo</a><time class=\"dt-published\" datetime=\"2018-08-11T11:23:34.123Z\">x</time></footer>";
        let pieces = pieces(html);
        assert_eq!(of(&pieces, "p-name").unwrap().text, "A title");
        assert_eq!(of(&pieces, "p-summary").unwrap().text, "Sub x");
        assert_eq!(of(&pieces, "p-author").unwrap().href, "u");
        assert_eq!(
            of(&pieces, "dt-published").unwrap().datetime,
            "2018-08-11T11:23:34.123Z"
        );
        assert_eq!(body(html), "<section><p>Hi</p></section></section>");
        assert_eq!(body("no"), "");
    }

    proptest! {
        #[test]
        fn it_never_panics(html in "[<>/=\" a-dp\u{e9}-]{0,120}") {
            pieces(&html);
            body(&html);
            body(&format!("data-field=\"body\"{html}"));
        }
    }
}
