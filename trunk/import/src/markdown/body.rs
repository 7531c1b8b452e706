//! What a Markdown text says: its words, its links, its tasks.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

/// Links and pictures of one text; further ones are passed over.
const TARGETS: usize = 10_000;

/// Something that a text leads to or shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// An address, or a path or name inside the export.
    pub to: String,
    /// Whether the text shows it in its place.
    pub shown: bool,
}

impl Target {
    /// Whether it is outside of the export.
    pub fn is_address(&self) -> bool {
        let scheme = self.to.split(':').next().unwrap_or_default();
        self.to.len() > scheme.len()
            && scheme.len() > 1
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    }
}

/// What a text says.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub text: String,
    pub heading: Option<String>,
    pub targets: Vec<Target>,
    pub tasks: Vec<String>,
    pub tags: BTreeSet<String>,
}

#[derive(Default)]
struct State {
    body: Body,
    /// Whether what comes is the first heading of the first rank.
    heading: Option<String>,
    /// The task that is open.
    task: Option<String>,
    code: bool,
}

impl State {
    fn say(&mut self, words: &str) {
        self.body.text.push_str(words);
        for open in [&mut self.heading, &mut self.task].into_iter().flatten() {
            open.push_str(words);
        }
    }

    /// Starts a new line, or a paragraph.
    fn lines(&mut self, lines: usize) {
        let text = &mut self.body.text;
        while text.ends_with(' ') {
            text.pop();
        }
        let here = text.len() - text.trim_end_matches('\n').len();
        if !text.is_empty() {
            text.extend(std::iter::repeat_n('\n', lines.saturating_sub(here)));
        }
    }

    fn end_task(&mut self) {
        if let Some(task) = self.task.take() {
            self.body.tasks.push(task.trim_end().to_owned());
        }
    }

    fn lead(&mut self, to: &str, wiki: bool, shown: bool) {
        if to.is_empty() || to.starts_with('#') || self.body.targets.len() >= TARGETS {
            return;
        }
        let to = if wiki {
            to.to_owned()
        } else {
            percent_decode_str(to).decode_utf8_lossy().into_owned()
        };
        self.body.targets.push(Target { to, shown });
    }
}

/// Words like `#tag` in running text.
pub fn tags(words: &str, into: &mut BTreeSet<String>) {
    for (at, _) in words.match_indices('#') {
        let before = words
            .get(..at)
            .and_then(|before| before.chars().next_back());
        if before.is_some_and(|c| !c.is_whitespace()) {
            continue;
        }
        let after = words.get(at + 1..).unwrap_or_default();
        let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/')));
        let tag = after
            .get(..end.unwrap_or(after.len()))
            .unwrap_or_default()
            .trim_end_matches('/');
        if tag.chars().any(|c| !c.is_numeric()) {
            into.insert(tag.to_owned());
        }
    }
}

impl Body {
    /// Reads a text without its front matter.
    pub fn read(markdown: &str) -> Self {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_WIKILINKS;
        let mut state = State::default();
        for event in Parser::new_ext(markdown, options) {
            state.event(event);
        }
        state.end_task();
        let mut body = state.body;
        body.text.truncate(body.text.trim_end().len());
        body
    }
}

impl State {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(words) => {
                if !self.code {
                    tags(&words, &mut self.body.tags);
                }
                self.say(&words);
            }
            Event::Code(words) | Event::InlineMath(words) | Event::DisplayMath(words) => {
                self.say(&words);
            }
            Event::SoftBreak | Event::HardBreak => self.say("\n"),
            Event::Rule => self.lines(2),
            Event::TaskListMarker(done) => {
                self.end_task();
                let mark = if done { "[x] " } else { "[ ] " };
                self.body.text.push_str(mark);
                self.task = Some(mark.to_owned());
            }
            Event::Html(_) | Event::InlineHtml(_) | Event::FootnoteReference(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.lines(2);
                if level == HeadingLevel::H1 && self.body.heading.is_none() {
                    self.heading = Some(String::new());
                }
            }
            Tag::Paragraph | Tag::BlockQuote(_) | Tag::Table(_) => self.lines(2),
            Tag::CodeBlock(_) => {
                self.lines(2);
                self.code = true;
            }
            Tag::List(_) => {
                self.end_task();
                self.lines(1);
            }
            Tag::Item => {
                self.end_task();
                self.lines(1);
                self.body.text.push_str("- ");
            }
            Tag::TableRow | Tag::TableHead => self.lines(1),
            Tag::Link {
                link_type,
                dest_url,
                ..
            } => {
                let wiki = matches!(link_type, LinkType::WikiLink { .. });
                let mail = link_type == LinkType::Email;
                let to = if mail {
                    format!("mailto:{dest_url}")
                } else {
                    dest_url.into_string()
                };
                self.lead(&to, wiki, false);
            }
            Tag::Image {
                link_type,
                dest_url,
                ..
            } => {
                let wiki = matches!(link_type, LinkType::WikiLink { .. });
                self.lead(&dest_url, wiki, true);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some(heading) = self.heading.take() {
                    self.body.heading = Some(heading.trim().to_owned());
                }
                self.lines(2);
            }
            TagEnd::Paragraph | TagEnd::List(_) | TagEnd::Table => self.lines(2),
            TagEnd::CodeBlock => {
                self.code = false;
                self.lines(2);
            }
            TagEnd::Item => {
                self.end_task();
                self.lines(1);
            }
            TagEnd::TableCell => self.say(" | "),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(to: &str, shown: bool) -> Target {
        Target {
            to: to.to_owned(),
            shown,
        }
    }

    #[test]
    fn words_links_tasks_and_tags() {
        let body = Body::read(
            "# Head\n\nOne #tag/sub and [[Other note#part|shown]] and [a](b%20c.md).\n\n![[pic.png]] ![x](img/y.jpg)\n\n- [x] done\n- [ ] open #later\n  - [ ] under\n\n```\n#no [[no]]\n```\n<https://example.org> #1 a#b\n",
        );
        assert_eq!(body.heading.as_deref(), Some("Head"));
        assert_eq!(
            body.targets,
            [
                target("Other note#part", false),
                target("b c.md", false),
                target("pic.png", true),
                target("img/y.jpg", true),
                target("https://example.org", false),
            ]
        );
        assert_eq!(body.tasks, ["[x] done", "[ ] open #later", "[ ] under"]);
        assert_eq!(body.tags.iter().collect::<Vec<_>>(), ["later", "tag/sub"]);
        assert!(
            body.text
                .starts_with("Head\n\nOne #tag/sub and shown and a."),
            "{}",
            body.text
        );
        assert!(target("https://x", false).is_address() && !target("C:x", false).is_address());
    }
}
