//! Plain text as Markdown that reads the same.

/// Text of several lines. Lines stay lines, empty ones part paragraphs; what would be a mark is written as itself, but for list marks,
/// which mean the same in both.
pub(super) fn plain(text: &str, tasks: &[&str]) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut inside = false;
    for line in text.lines() {
        let words = line.trim();
        if words.is_empty() {
            inside = false;
            continue;
        }
        if inside {
            out.push_str("  \n");
        } else if !out.is_empty() {
            out.push_str("\n\n");
        }
        inside = true;
        if tasks.contains(&words) {
            out.push_str("- ");
            out.push_str(words.get(..4).unwrap_or_default());
            escape(words.get(4..).unwrap_or_default(), true, &mut out);
            continue;
        }
        // spaces at the beginning would be lost, or make the line code
        let indent = line.len() - line.trim_start().len();
        for c in line.get(..indent).unwrap_or_default().chars() {
            out.push_str(if c == '\t' {
                "\u{a0}\u{a0}\u{a0}\u{a0}"
            } else {
                "\u{a0}"
            });
        }
        match words.strip_prefix("- ") {
            Some(item) if indent == 0 && !item.starts_with(char::is_whitespace) => {
                out.push_str("- ");
                escape(item, true, &mut out);
            }
            _ => escape(words, indent == 0, &mut out),
        }
    }
    out
}

/// Words of one line; `first` where they begin it.
pub(super) fn escape(words: &str, first: bool, out: &mut String) {
    let mut before: Option<char> = None;
    let mut rest = words.chars();
    if first {
        let mark = mark(words);
        for c in rest.by_ref().take(mark.0) {
            out.push(c);
            before = Some(c);
        }
        if mark.1 {
            out.push('\\');
            out.extend(rest.next().inspect(|c| before = Some(*c)));
        }
    }
    while let Some(c) = rest.next() {
        let next = rest.as_str().chars().next();
        let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let marks = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' => true,
            '_' => !(in_word(before) && in_word(next)),
            '&' => is_reference(rest.as_str()),
            // what is marked, hidden or reckoned in Obsidian, and short codes of Hugo
            '=' | '%' | '$' => next == Some(c),
            '{' => matches!(next, Some('{' | '%')),
            _ => false,
        };
        if marks {
            out.push('\\');
        }
        // a line within words, from other programs, would end the line here
        out.push(if c == '\n' || c == '\r' { ' ' } else { c });
        before = Some(c);
    }
}

/// Whether what follows an `&` would be read with it as one character.
fn is_reference(after: &str) -> bool {
    let name = after.split_once(';').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c == '#' || c.is_ascii_alphanumeric())
}

/// How many characters at the beginning of a line can stand as they are, and whether the one after them would be a mark.
fn mark(words: &str) -> (usize, bool) {
    let after = |n: usize| words.chars().nth(n);
    let space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let Some(first) = after(0) else {
        return (0, false);
    };
    match first {
        '#' => {
            let run = words.chars().take_while(|c| *c == '#').count();
            (0, run <= 6 && space(after(run)))
        }
        '>' | '=' | '|' => (0, true),
        '-' | '+' => {
            let next = after(1);
            (0, space(next) || matches!(next, Some('-' | '|' | ':')))
        }
        ':' => (0, after(1) == Some('-')),
        '0'..='9' => {
            let run = words.chars().take_while(char::is_ascii_digit).count();
            let dot = matches!(after(run), Some('.' | ')'));
            if dot && space(after(run + 1)) {
                (run, true)
            } else {
                (0, false)
            }
        }
        _ => (0, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_words_and_lists_stay_lists() {
        for (text, markdown) in [
            ("plain words, a_b and 1.5", "plain words, a_b and 1.5"),
            ("---\ntitle: x", "\\---  \ntitle: x"),
            ("# no heading\n\n\n#tag", "\\# no heading\n\n#tag"),
            (
                "*a* `b` [c](d) <e> _f_",
                "\\*a\\* \\`b\\` \\[c\\](d) \\<e> \\_f\\_",
            ),
            ("- one\n- # two", "- one  \n- \\# two"),
            ("1. x\n2) y\n3.5", "1\\. x  \n2\\) y  \n3.5"),
            ("    code?", "\u{a0}\u{a0}\u{a0}\u{a0}code?"),
            ("{{< x >}} AT&T &amp;", "\\{{\\< x >}} AT&T \\&amp;"),
        ] {
            assert_eq!(plain(text, &[]), markdown);
        }
        assert_eq!(
            plain("[x] milk\n[ ] *", &["[x] milk"]),
            "- [x] milk  \n\\[ \\] \\*"
        );
    }
}
