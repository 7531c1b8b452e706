//! Texts as words: lower case, without accents; scripts without spaces as overlapping pairs of characters.

use unicode_normalization::{UnicodeNormalization, char::compose, char::is_combining_mark};

/// Characters of a word that count; what follows them makes no difference.
const LONGEST: usize = 64;

/// The words of a text. Made to be used again and again: what it holds is kept allocated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    folded: String,
    spans: Vec<Span>,
    run: Vec<(char, u32, u32)>,
}

/// A word: where it stands folded, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    folded: (u32, u32),
    source: (u32, u32),
    /// The last character of a run of pairs, which stands for itself.
    tail: bool,
}

impl Words {
    /// The words of a text.
    pub fn of(text: &str) -> Self {
        let mut out = Self::default();
        out.read(text);
        out
    }

    /// Forgets the words it holds and takes those of a text. What lies beyond 4 GiB is not read.
    pub fn read(&mut self, text: &str) {
        self.folded.clear();
        self.spans.clear();
        self.run.clear();
        let mut word: Option<Open> = None;
        for (at, c) in text.char_indices() {
            let Ok(end) = u32::try_from(at + c.len_utf8()) else {
                break;
            };
            let at = at as u32;
            if c.is_ascii() {
                self.end_run();
                if c.is_ascii_alphanumeric() {
                    let word = word.get_or_insert_with(|| Open::at(self.folded.len(), at));
                    word.push(&mut self.folded, c.to_ascii_lowercase());
                    word.end = end;
                } else {
                    self.end_word(word.take());
                }
                continue;
            }
            if is_accent(c) {
                // it belongs to what is before it, and makes no difference
                if let Some(word) = &mut word {
                    word.end = end;
                }
                continue;
            }
            if !c.is_alphanumeric() && !is_combining_mark(c) {
                self.end_word(word.take());
                self.end_run();
                continue;
            }
            for folded in fold(c) {
                if is_paired(folded) || (is_combining_mark(folded) && !self.run.is_empty()) {
                    self.end_word(word.take());
                    self.pair(folded, at, end);
                } else if folded.is_alphanumeric() || is_combining_mark(folded) {
                    self.end_run();
                    let word = word.get_or_insert_with(|| Open::at(self.folded.len(), at));
                    word.push(&mut self.folded, folded);
                    word.end = end;
                }
            }
        }
        self.end_word(word);
        self.end_run();
    }

    fn pair(&mut self, c: char, at: u32, end: u32) {
        if let Some(last) = self.run.last_mut()
            && let Some(both) = compose(last.0, c)
        {
            *last = (both, last.1, end);
        } else {
            self.run.push((c, at, end));
        }
    }

    fn end_word(&mut self, word: Option<Open>) {
        if let Some(word) = word {
            self.spans.push(Span {
                folded: (word.folded, self.folded.len() as u32),
                source: (word.start, word.end),
                tail: false,
            });
        }
    }

    /// Each two neighbours of a run are a word, and its last character is one.
    fn end_run(&mut self) {
        let mut run = self.run.drain(..).peekable();
        let alone = run.len() == 1;
        while let Some((c, start, end)) = run.next() {
            let from = self.folded.len() as u32;
            self.folded.push(c);
            let mut until = end;
            if let Some((next, _, end)) = run.peek() {
                self.folded.push(*next);
                until = *end;
            }
            self.spans.push(Span {
                folded: (from, self.folded.len() as u32),
                source: (start, until),
                tail: !alone && run.peek().is_none(),
            });
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// A word, folded.
    pub fn word(&self, i: usize) -> &str {
        self.spans
            .get(i)
            .and_then(|s| self.folded.get(s.folded.0 as usize..s.folded.1 as usize))
            .unwrap_or_default()
    }

    /// All words, folded.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.word(i))
    }

    /// Where a word stands in the text, in bytes.
    pub fn source(&self, i: usize) -> (usize, usize) {
        let (start, end) = self.spans.get(i).map_or((0, 0), |s| s.source);
        (start as usize, end as usize)
    }

    /// Whether a word is the last character of a run of pairs.
    pub fn is_tail(&self, i: usize) -> bool {
        self.spans.get(i).is_some_and(|s| s.tail)
    }
}

/// A word that is being read.
struct Open {
    folded: u32,
    start: u32,
    end: u32,
    length: usize,
    last: Option<char>,
}

impl Open {
    fn at(folded: usize, start: u32) -> Self {
        Self {
            folded: folded as u32,
            start,
            end: start,
            length: 0,
            last: None,
        }
    }

    fn push(&mut self, folded: &mut String, c: char) {
        if self.length >= LONGEST {
            return;
        }
        if let Some(last) = self.last
            && !c.is_ascii()
            && let Some(both) = compose(last, c)
        {
            folded.pop();
            folded.push(both);
            self.last = Some(both);
            return;
        }
        folded.push(c);
        self.last = Some(c);
        self.length += 1;
    }
}

/// A character as it is compared. More than one where it stands for more.
fn fold(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c)
        .nfkd()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_accent(*c))
        .flat_map(|c| {
            let both: (char, Option<char>) = match c {
                'ß' => ('s', Some('s')),
                'æ' => ('a', Some('e')),
                'œ' => ('o', Some('e')),
                'þ' => ('t', Some('h')),
                'ø' => ('o', None),
                'đ' | 'ð' => ('d', None),
                'ł' => ('l', None),
                'ı' => ('i', None),
                'ħ' => ('h', None),
                'ς' => ('σ', None),
                c => (c, None),
            };
            std::iter::once(both.0).chain(both.1)
        })
}

/// Whether a word is one character of a script that is written without spaces: in a text it stands at the beginning of a pair.
pub(crate) fn is_single(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(is_paired) && chars.next().is_none()
}

/// Marks above and below letters that people leave out when they type.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
        || matches!(
            c,
            '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}'
        )
}

/// Whether the character is of a script that is written without spaces between words.
fn is_paired(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'          // Thai, Lao
        | '\u{1000}'..='\u{109f}'      // Myanmar
        | '\u{1780}'..='\u{17ff}'      // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30ff}'      // kana
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'      // Han
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::Words;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        Words::of(text).iter().map(str::to_owned).collect()
    }

    #[test]
    fn case_and_accents_make_no_difference() {
        assert_eq!(
            words("Two CAFÉS, cafe\u{301} naïve!"),
            ["two", "cafes", "cafe", "naive"]
        );
        assert_eq!(
            words("Straße STRASSE Øl Łódź"),
            ["strasse", "strasse", "ol", "lodz"]
        );
        assert_eq!(words("İstanbul Ａｂｃ ﬁne"), ["istanbul", "abc", "fine"]);
        assert_eq!(words("ΟΔΟΣ οδός"), ["οδοσ", "οδοσ"]);
        assert_eq!(
            words("e-mail: a@b.example #Tag_x"),
            ["e", "mail", "a", "b", "example", "tag", "x"]
        );
        assert_eq!(words("한국어 텍스트"), ["한국어", "텍스트"]);
        assert_eq!(words("हिन्दी"), ["हिन्दी"]);
        assert!(words("… — 🙂 \u{301}").is_empty());
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(words("東京都 x"), ["東京", "京都", "都", "x"]);
        assert_eq!(words("猫"), ["猫"]);
        assert_eq!(words("がか\u{3099}ｶﾞ"), ["がが", "がガ", "ガ"]);
        assert_eq!(words("日本go語"), ["日本", "本", "go", "語"]);
    }

    #[test]
    fn words_know_where_they_were() {
        let text = "Ein Café\u{301} 東京都.";
        let words = Words::of(text);
        let source: Vec<&str> = (0..words.len())
            .map(|i| {
                let (a, b) = words.source(i);
                &text[a..b]
            })
            .collect();
        assert_eq!(source, ["Ein", "Café\u{301}", "東京", "京都", "都"]);
        assert!(words.is_tail(4) && !words.is_tail(3));
    }

    #[test]
    fn what_follows_the_64th_character_of_a_word_makes_no_difference() {
        let (a, b) = ("x".repeat(64), "x".repeat(100_000));
        assert_eq!(words(&a), words(&b));
        assert_eq!(Words::of(&b).source(0), (0, 100_000));
    }

    proptest! {
        #[test]
        fn any_text_has_words_that_lie_in_it(text in any::<String>()) {
            let words = Words::of(&text);
            let mut before = 0;
            for i in 0..words.len() {
                let (start, end) = words.source(i);
                prop_assert!(text.get(start..end).is_some_and(|w| !w.is_empty()));
                prop_assert!(start >= before);
                before = start;
                let word = words.word(i);
                prop_assert!(!word.is_empty() && word.chars().count() <= 64);
                // a word is read as itself
                if !words.is_tail(i) {
                    let again = Words::of(word);
                    prop_assert_eq!(again.word(0), word);
                }
            }
        }
    }
}
