//! HTML of notes and articles as Markdown. What is held was cleaned when it was imported: few kinds of marks, well formed. Anything else
//! is read as its words.

use std::fmt::Write;

use super::words::escape;

/// Marks open at once; deeper ones are read as their words.
const DEPTH: usize = 64;

pub(super) fn markdown(html: &str) -> String {
    let mut writing = Writing::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        writing.text(rest.get(..at).unwrap_or_default());
        let tag = rest.get(at + 1..).unwrap_or_default();
        let starts = tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let Some(end) = tag.find('>').filter(|_| starts) else {
            writing.text("<");
            rest = tag;
            continue;
        };
        rest = tag.get(end + 1..).unwrap_or_default();
        let tag = tag.get(..end).unwrap_or_default();
        if let Some(name) = tag.strip_prefix('/') {
            writing.end(&name_of(name));
            continue;
        }
        let name = name_of(tag);
        if matches!(name.as_str(), "script" | "style" | "template") {
            let close = format!("</{name}");
            rest = rest
                .find(&close)
                .and_then(|at| rest.get(at..))
                .unwrap_or_default();
            continue;
        }
        writing.start(&name, tag);
    }
    writing.text(rest);
    writing.finish()
}

fn name_of(tag: &str) -> String {
    let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next();
    name.unwrap_or_default().to_ascii_lowercase()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    Some(decode(after.split('"').next()?))
}

/// Text with its character references read.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let found = rest.get(1..).and_then(|r| r.split_once(';'));
        let name = found.map(|(name, _)| name).filter(|name| name.len() <= 8);
        let c = name.and_then(|name| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            name => {
                let number = name.strip_prefix('#')?;
                let hex = number.strip_prefix(['x', 'X']);
                let code = match hex {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        let skip = if let (Some(c), Some(name)) = (c, name) {
            out.push(c);
            name.len() + 2
        } else {
            out.push('&');
            1
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What comes before the next words.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum Gap {
    #[default]
    None,
    /// A line of the same paragraph.
    Line,
    /// The next item of a list.
    Item,
    Paragraph,
}

/// A mark around words. It is written before the first of them, as `** so **` would be read as stars.
struct Mark {
    tag: String,
    with: &'static str,
    written: bool,
}

#[derive(Default)]
struct Writing {
    out: String,
    gap: Gap,
    /// What stands before each line: quotes and the indentation of lists.
    before: Vec<String>,
    /// What is open that has something before its lines, by its tag.
    blocks: Vec<String>,
    /// Lists: the number of the next item, or none.
    lists: Vec<Option<u32>>,
    /// Written before the next words instead of the last of `before`: `- `.
    item: Option<String>,
    heading: Option<usize>,
    marks: Vec<Mark>,
    links: Vec<(usize, String)>,
    /// The words of a `pre`, as they are.
    code: Option<String>,
    /// Cells of the row that is open; whether a row was before it.
    cells: Option<usize>,
    rows: usize,
    /// Whether a space came that only counts between words.
    space: bool,
}

impl Writing {
    fn text(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        let text = decode(raw);
        if let Some(code) = &mut self.code {
            code.push_str(&text);
            return;
        }
        let blank = |c: char| c.is_ascii_whitespace();
        let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
        self.space |= text.starts_with(blank);
        if words.is_empty() {
            return;
        }
        self.words(&words.join(" "));
        self.space = text.ends_with(blank);
    }

    fn words(&mut self, words: &str) {
        let first = self.begin();
        if self.space && !first && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.space = false;
        for mark in self.marks.iter_mut().filter(|mark| !mark.written) {
            mark.written = true;
            self.out.push_str(mark.with);
        }
        let in_code = self.marks.iter().any(|mark| mark.with == "`");
        let mut out = String::new();
        if in_code {
            out.push_str(&words.replace('`', "'"));
        } else {
            escape(words, first && self.marks.is_empty(), &mut out);
        }
        if self.cells.is_some() {
            out = out.replace('|', "\\|");
        }
        self.out.push_str(&out);
    }

    /// Closes the gap; whether a line begins here.
    fn begin(&mut self) -> bool {
        let gap = std::mem::take(&mut self.gap);
        let item = self.item.take();
        let start = self.out.is_empty();
        if !start && gap == Gap::None && item.is_none() {
            return false;
        }
        let mut before = self.before.concat();
        if let Some(item) = &item {
            let last = self.before.last().map_or(0, String::len);
            before.truncate(before.len() - last);
            before.push_str(item);
        }
        if !start {
            let quoted = self
                .before
                .iter()
                .take(self.before.len() - usize::from(item.is_some()));
            let quoted = quoted.cloned().collect::<String>();
            match gap {
                Gap::Line if item.is_none() => self.out.push_str("  \n"),
                Gap::Paragraph => {
                    self.out.push('\n');
                    self.out.push_str(quoted.trim_end());
                    self.out.push('\n');
                }
                _ => self.out.push('\n'),
            }
        }
        self.out.push_str(&before);
        if let Some(rank) = self.heading {
            self.out.push_str(&"#".repeat(rank));
            self.out.push(' ');
        }
        self.space = false;
        true
    }

    fn apart(&mut self, gap: Gap) {
        if self.cells.is_some() {
            self.space = true;
        } else if self.gap < gap {
            self.gap = gap;
        }
    }

    fn start(&mut self, name: &str, tag: &str) {
        if self.code.is_some() {
            if name == "br" {
                self.text("\n");
            }
            return;
        }
        let deep = self.before.len() + self.marks.len() + self.links.len() >= DEPTH;
        match name {
            "p" => self.apart(Gap::Paragraph),
            "br" if self.gap == Gap::Line => self.apart(Gap::Paragraph),
            "div" | "br" => self.apart(Gap::Line),
            "hr" => {
                self.apart(Gap::Paragraph);
                if self.cells.is_none() {
                    self.begin();
                    self.out.push_str("---");
                    self.apart(Gap::Paragraph);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.apart(Gap::Paragraph);
                self.heading = name.get(1..).and_then(|rank| rank.parse().ok());
            }
            "ul" | "ol" => {
                let inner = !self.lists.is_empty();
                self.apart(if inner { Gap::Item } else { Gap::Paragraph });
                self.lists.push((name == "ol").then_some(1));
            }
            "li" if !deep && self.cells.is_none() => {
                self.apart(Gap::Item);
                let mark = match self.lists.last_mut() {
                    Some(Some(n)) => {
                        *n += 1;
                        format!("{}. ", *n - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.block(name, " ".repeat(mark.len()));
                self.item = Some(mark);
            }
            "blockquote" if !deep && self.cells.is_none() => {
                self.apart(Gap::Paragraph);
                self.block(name, "> ".to_owned());
            }
            "pre" => {
                self.apart(Gap::Paragraph);
                self.code = Some(String::new());
            }
            "tr" if self.cells.is_none() => {
                let first = self.rows == 0;
                self.apart(if first { Gap::Paragraph } else { Gap::Item });
                self.begin();
                self.out.push_str("| ");
                self.cells = Some(0);
            }
            "table" => self.rows = 0,
            "b" | "strong" if !deep => self.mark(name, "**"),
            "i" | "em" if !deep => self.mark(name, "*"),
            "s" | "del" if !deep => self.mark(name, "~~"),
            "code" if !deep => self.mark(name, "`"),
            "a" if !deep => {
                if let Some(to) = attribute(tag, "href") {
                    let space = self.space;
                    let first = self.begin();
                    if space && !first && !self.out.ends_with(' ') {
                        self.out.push(' ');
                    }
                    self.space = false;
                    self.links.push((self.out.len(), to));
                    self.out.push('[');
                }
            }
            _ => {}
        }
    }

    fn block(&mut self, name: &str, before: String) {
        self.before.push(before);
        self.blocks.push(name.to_owned());
    }

    fn mark(&mut self, tag: &str, with: &'static str) {
        // marks in marks of the same kind, and in code, would not be read
        let inside = self.marks.iter().any(|m| m.with == with || m.with == "`");
        self.marks.push(Mark {
            tag: tag.to_owned(),
            with: if inside { "" } else { with },
            written: false,
        });
    }

    fn end(&mut self, name: &str) {
        if self.code.is_some() && name != "pre" {
            return;
        }
        match name {
            "p" => self.apart(Gap::Paragraph),
            "div" => self.apart(Gap::Line),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.heading = None;
                self.apart(Gap::Paragraph);
            }
            "ul" | "ol" => {
                self.lists.pop();
                let inner = !self.lists.is_empty();
                self.apart(if inner { Gap::Item } else { Gap::Paragraph });
            }
            "li" | "blockquote" => {
                if self.blocks.last().is_some_and(|last| last == name) {
                    self.blocks.pop();
                    self.before.pop();
                    self.item = None;
                }
                self.apart(if name == "li" {
                    Gap::Item
                } else {
                    Gap::Paragraph
                });
            }
            "pre" => self.end_code(),
            "td" | "th" => {
                if let Some(cells) = &mut self.cells {
                    *cells += 1;
                    self.out.push_str(" | ");
                    self.space = false;
                }
            }
            "tr" => {
                if let Some(cells) = self.cells.take() {
                    self.rows += 1;
                    if self.rows == 1 {
                        let before = self.before.concat();
                        let _ = write!(self.out, "\n{before}|{}", " --- |".repeat(cells));
                    }
                    self.apart(Gap::Item);
                }
            }
            "table" => {
                self.cells = None;
                self.apart(Gap::Paragraph);
            }
            "a" => {
                if let Some((at, to)) = self.links.pop() {
                    self.end_link(at, &to);
                }
            }
            "b" | "strong" | "i" | "em" | "s" | "del" | "code" => {
                if self.marks.last().is_some_and(|mark| mark.tag == name)
                    && let Some(mark) = self.marks.pop()
                    && mark.written
                {
                    self.end_mark(mark.with);
                }
            }
            _ => {}
        }
    }

    fn end_mark(&mut self, with: &str) {
        // `**so:**more` would be read as stars, `**so**:more` is not
        let stops = |c| matches!(c, ':' | '.' | ',' | ';' | '!' | '?');
        let code = with == "`";
        let kept = self.out.trim_end_matches(stops).len();
        let plain = !code
            && self
                .out
                .get(..kept)
                .is_some_and(|out| !out.ends_with(['*', '`']));
        let tail = self
            .out
            .split_off(if plain { kept } else { self.out.len() });
        self.out.push_str(with);
        self.out.push_str(&tail);
    }

    fn end_link(&mut self, at: usize, to: &str) {
        let text = self.out.get(at + 1..).unwrap_or_default();
        if text.trim().is_empty() {
            self.out.truncate(at);
            return;
        }
        let mut address = String::new();
        for c in to.chars() {
            match c {
                c if c.is_control() || c.is_whitespace() || "()<>\\".contains(c) => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(address, "%{byte:02X}");
                    }
                }
                c => address.push(c),
            }
        }
        let _ = write!(self.out, "]({address})");
    }

    fn end_code(&mut self) {
        let Some(code) = self.code.take() else {
            return;
        };
        let runs = code.split(|c| c != '`').map(str::len).max();
        let fence = "`".repeat(runs.unwrap_or_default().max(2) + 1);
        self.begin();
        let before = self.before.concat();
        self.out.push_str(&fence);
        for line in code.trim_matches('\n').lines() {
            let _ = write!(self.out, "\n{before}{line}");
        }
        let _ = write!(self.out, "\n{before}{fence}");
        self.apart(Gap::Paragraph);
    }

    fn finish(mut self) -> String {
        while let Some(mark) = self.marks.pop() {
            if mark.written {
                self.end_mark(mark.with);
            }
        }
        while let Some((at, to)) = self.links.pop() {
            self.end_link(at, &to);
        }
        if self.code.is_some() {
            self.end_code();
        }
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use proptest::prelude::*;

    #[test]
    fn marks_of_html_are_marks_of_markdown() {
        for (html, expected) in [
            ("<p>One</p><p>Two<br>lines</p>", "One\n\nTwo  \nlines"),
            (
                "<div>a</div><div>b</div><div><br></div><div>c</div>",
                "a  \nb\n\nc",
            ),
            ("<h2>Head</h2>text", "## Head\n\ntext"),
            ("a <b> bold: </b>x <i>y</i>", "a **bold**: x *y*"),
            ("<b>Note:</b>text <b></b>", "**Note**:text"),
            (
                "<ul><li>one</li><li>two<ol><li>deep</li></ol></li></ul><p>end</p>",
                "- one\n- two\n  1. deep\n\nend",
            ),
            (
                "<blockquote><p>a</p><p>b</p></blockquote>c",
                "> a\n>\n> b\n\nc",
            ),
            (
                "<pre><code>x &lt; `y`\n  z</code></pre>",
                "```\nx < `y`\n  z\n```",
            ),
            (
                "see <a href=\"https://example.org/a(b)?x=1&amp;y\">it *all*</a>.",
                "see [it \\*all\\*](https://example.org/a%28b%29?x=1&y).",
            ),
            (
                "<table><tr><th>a</th><th>b|c</th></tr><tr><td>1</td><td>2</td></tr></table>",
                "| a | b\\|c | \n| --- | --- |\n| 1 | 2 |",
            ),
            (
                "<p># no &amp;amp; head</p><script>x</script>1 < 2",
                "\\# no \\&amp; head\n\n1 \\< 2",
            ),
            ("<li>alone</li></ul></b></a></pre>", "- alone"),
        ] {
            assert_eq!(markdown(html), expected, "{html}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            html in "(<(/?)(p|li|ul|ol|b|a href=\"x\"|a|pre|td|tr|table|blockquote|h1|code|br|hr|x)>|[ a&;#<>`*\n]){0,60}"
        ) {
            markdown(&html);
        }
    }
}
