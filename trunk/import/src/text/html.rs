//! HTML that other people wrote: cleaned for showing, and as plain text.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Start tags in one text. Posts have a handful.
const MOST_TAGS: usize = 10_000;
/// Elements open at once.
const MOST_DEPTH: usize = 100;
/// Formatting elements (`b`, `a`, …) open at once. The HTML tree builder repeats all of them in every later block, so
/// without this a kilobyte could grow to gigabytes.
const MOST_FORMATTING: usize = 16;

const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
const VOID: [&str; 8] = ["br", "hr", "img", "input", "link", "meta", "source", "wbr"];

/// The allow-list: text structure and tables, links to http(s) that pass nothing on, and the few class names by which Mastodon
/// marks mentions and the hidden parts of links. No images, styles, scripts, forms or relative links.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "rp",
        "rt",
        "ruby",
        "s",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    ];
    let classes: HashMap<_, HashSet<_>> = HashMap::from([
        (
            "a",
            HashSet::from(["mention", "hashtag", "u-url", "unhandled-link"]),
        ),
        (
            "span",
            HashSet::from(["h-card", "invisible", "ellipsis", "mention"]),
        ),
    ]);
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(tags))
        .clean_content_tags(HashSet::from([
            "script", "style", "template", "noscript", "iframe", "object", "svg", "math",
        ]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .generic_attributes(HashSet::from(["lang", "dir"]))
        .allowed_classes(classes)
        .url_schemes(HashSet::from(["http", "https"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"));
    builder
});

/// HTML with everything outside a narrow allow-list removed, fit to be put on a page, and its text as a person would type
/// it. HTML built to exhaust its reader (nested hundreds deep, or of ten thousand tags) comes back as its text alone.
pub fn clean(html: &str) -> (String, String) {
    if is_reasonable(html) {
        let clean = CLEANER.clean(html).to_string();
        let text = read(&clean);
        return (clean, text);
    }
    let text = read(html);
    (ammonia::clean_text(&text), text)
}

/// The first of [`clean`]: HTML fit to be put on a page.
pub fn sanitise(html: &str) -> String {
    clean(html).0
}

/// The second of [`clean`]: blank lines between paragraphs, one line for each `<br>`, links kept beside their text where
/// the two differ.
pub fn plain_text(html: &str) -> String {
    clean(html).1
}

fn tokenize<Sink: TokenSink>(html: &str, sink: Sink) -> Sink {
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(html.into());
    // A sink that never asks for a script to run is fed in one go.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink
}

/// Whether building a tree of `html` costs in proportion to its length.
fn is_reasonable(html: &str) -> bool {
    tokenize(html, Census::default()).0.into_inner().reasonable
}

#[derive(Default)]
struct Census(RefCell<Count>);

struct Count {
    tags: usize,
    depth: usize,
    formatting: usize,
    reasonable: bool,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            tags: 0,
            depth: 0,
            formatting: 0,
            reasonable: true,
        }
    }
}

impl TokenSink for Census {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(tag) = token {
            let mut count = self.0.borrow_mut();
            let formatting = usize::from(FORMATTING.contains(&&*tag.name));
            match tag.kind {
                TagKind::StartTag => {
                    count.tags += 1;
                    count.formatting += formatting;
                    count.depth += usize::from(!VOID.contains(&&*tag.name));
                }
                TagKind::EndTag => {
                    count.formatting = count.formatting.saturating_sub(formatting);
                    count.depth = count.depth.saturating_sub(1);
                }
            }
            if count.tags > MOST_TAGS
                || count.depth > MOST_DEPTH
                || count.formatting > MOST_FORMATTING
            {
                count.reasonable = false;
            }
        }
        TokenSinkResult::Continue
    }
}

fn read(html: &str) -> String {
    let text = tokenize(html, Reader::default()).0.into_inner();
    text.finish()
}

#[derive(Default)]
struct Reader(RefCell<Text>);

#[derive(Default)]
struct Text {
    out: String,
    /// Line breaks owed before the next character.
    owed: usize,
    /// A space owed before the next character of the same line.
    space: bool,
    /// Depth of `<pre>`, where white space counts.
    pre: usize,
    /// Depth of elements whose content is not text.
    hidden: usize,
    /// The open link: its address, whether its text says enough, and where its text starts.
    link: Option<(String, bool, usize)>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut text = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(characters) if text.hidden == 0 => {
                characters.chars().for_each(|c| text.put(c));
            }
            Token::TagToken(tag) => match tag.kind {
                TagKind::StartTag => text.open(&tag),
                TagKind::EndTag => text.close(&tag.name),
            },
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Text {
    fn put(&mut self, c: char) {
        if self.pre > 0 && c == '\n' {
            self.break_line(self.owed + 1);
            return;
        }
        if self.pre == 0 && matches!(c, ' ' | '\n' | '\t' | '\r' | '\x0c') {
            self.space = true;
            return;
        }
        if c == '\0' {
            return;
        }
        if self.out.is_empty() {
            self.owed = 0;
        } else if self.owed > 0 {
            self.out.extend(std::iter::repeat_n('\n', self.owed));
        } else if self.space {
            self.out.push(' ');
        }
        self.owed = 0;
        self.space = false;
        self.out.push(c);
    }

    fn break_line(&mut self, lines: usize) {
        self.owed = self.owed.max(lines);
        self.space = false;
    }

    fn open(&mut self, tag: &Tag) {
        match &*tag.name {
            "br" => self.break_line(self.owed + 1),
            "p" | "blockquote" | "pre" | "ul" | "ol" | "hr" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" => {
                self.break_line(2);
                self.pre += usize::from(&*tag.name == "pre");
            }
            "div" | "tr" => self.break_line(1),
            "li" => {
                self.break_line(1);
                self.put('-');
                self.space = true;
            }
            "script" | "style" | "rp" if !tag.self_closing => self.hidden += 1,
            "a" => {
                let attribute = |name: &str| {
                    tag.attrs
                        .iter()
                        .find(|a| &*a.name.local == name)
                        .map(|a| a.value.to_string())
                };
                let named = attribute("class").is_some_and(|class| {
                    class.split(' ').any(|c| c == "mention" || c == "hashtag")
                });
                self.link = attribute("href").map(|href| (href, named, self.out.len()));
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "blockquote" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.break_line(2);
            }
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                self.break_line(2);
            }
            "li" | "div" | "tr" => self.break_line(1),
            "td" | "th" => self.space = true,
            "script" | "style" | "rp" => self.hidden = self.hidden.saturating_sub(1),
            "a" => {
                if let Some((href, named, start)) = self.link.take() {
                    let shown = self.out.get(start..).unwrap_or_default().trim();
                    if !named && bare(shown) != bare(&href) {
                        let empty = shown.is_empty();
                        self.space |= !empty;
                        let whole = if empty { href } else { format!("({href})") };
                        whole.chars().for_each(|c| self.put(c));
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}

/// An address without what people leave out when they write it.
fn bare(address: &str) -> &str {
    let address = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    address
        .strip_prefix("www.")
        .unwrap_or(address)
        .trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_cells_stay_apart() {
        let (html, text) = clean(
            "<div style=\"x\">one</div><div>two</div><table><tr><td>a</td><td onclick=\"x\">b</td></tr><tr><td>c</td></tr></table>",
        );
        assert_eq!(text, "one\ntwo\na b\nc");
        assert!(
            html.contains("<div>two</div>") && html.contains("<td>b</td>"),
            "{html}"
        );
        assert!(!html.contains("style") && !html.contains("onclick"));
    }

    #[test]
    fn scripts_handlers_images_and_strange_links_go() {
        for (dirty, clean) in [
            (
                "<p onclick=\"x()\">a<script>alert(1)</script>b</p>",
                "<p>ab</p>",
            ),
            ("<img src=x onerror=alert(1)>", ""),
            (
                "<a href=\"javascript:alert(1)\">x</a>",
                "<a rel=\"nofollow noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"/relative\">x</a>",
                "<a rel=\"nofollow noopener noreferrer\">x</a>",
            ),
            (
                "<p style=\"position:fixed\" class=\"invisible\">x</p>",
                "<p>x</p>",
            ),
            ("<svg><p>x</p></svg><math><mi>y", "<p>x</p>"),
            ("<form action=\"https://x\"><input name=q></form>", ""),
            ("a &lt;b&gt; c", "a &lt;b&gt; c"),
        ] {
            assert_eq!(sanitise(dirty), clean, "{dirty}");
        }
    }

    #[test]
    fn mastodon_links_keep_their_marks() {
        let html = "<p><span class=\"h-card\"><a href=\"https://m.example/@a\" class=\"u-url mention\" target=\"_blank\">@<span>a</span></a></span></p>";
        let clean = sanitise(html);
        assert!(
            clean.contains("class=\"u-url mention\"") && clean.contains("class=\"h-card\""),
            "{clean}"
        );
        assert!(!clean.contains("target"), "{clean}");
        assert_eq!(plain_text(html), "@a");
    }

    #[test]
    fn paragraphs_lines_links_and_lists_are_kept_in_the_text() {
        for (html, text) in [
            ("<p>one</p><p>two<br>three</p>", "one\n\ntwo\nthree"),
            ("<p>a<br><br>b</p>", "a\n\nb"),
            ("<p>  a\n  b  </p>", "a b"),
            (
                "<p>see <a href=\"https://e.example/x\">here</a>.</p>",
                "see here (https://e.example/x).",
            ),
            (
                "<a href=\"https://www.e.example/a/b\"><span class=\"invisible\">https://www.</span><span class=\"ellipsis\">e.example/a</span><span class=\"invisible\">/b</span></a>",
                "https://www.e.example/a/b",
            ),
            (
                "<p>#<a href=\"https://m.example/tags/x\" class=\"mention hashtag\">x</a></p>",
                "#x",
            ),
            ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\n\nc"),
            ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
            ("a &amp; b &lt;3 &#x1F9A3;", "a & b <3 🦣"),
            ("x<script>alert(1)</script>y", "xy"),
            ("", ""),
            ("no tags", "no tags"),
        ] {
            assert_eq!(plain_text(html), text, "{html}");
        }
    }

    #[test]
    fn html_built_to_explode_comes_back_as_text() {
        let formatting: Vec<_> = (0..3_000).map(|n| format!("<b id={n}><p>x")).collect();
        let formatting = formatting.concat();
        let deep = "<div>".repeat(50_000) + "x";
        let many = "<p>x</p>".repeat(20_000);
        for html in [&formatting, &deep, &many] {
            let clean = sanitise(html);
            assert!(!clean.contains('<'), "tags survived");
            assert!(clean.len() <= html.len() * 2 && clean.contains('x'));
            assert!(plain_text(html).contains('x'));
        }
    }

    #[test]
    fn cleaning_twice_changes_nothing() {
        for html in [
            "<p>a<b>b</p>c",
            "<a href='https://x.example/?a=b&amp;c'>l</a>",
            "<ol start=3><li>x</ol>",
            "&amp;lt;script&amp;gt;",
        ] {
            let once = sanitise(html);
            assert_eq!(sanitise(&once), once);
        }
    }
}
