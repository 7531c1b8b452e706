//! A page as Notion writes it in Markdown: title, properties, text.

use crate::time::parse_any_time;

/// A page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page<'a> {
    pub title: Option<&'a str>,
    pub properties: Vec<(&'a str, &'a str)>,
    pub body: &'a str,
}

impl<'a> Page<'a> {
    /// The first heading, the lines `Name: value` right below it, and the rest.
    pub fn split(text: &'a str) -> Self {
        let Some(rest) = text.strip_prefix("# ") else {
            return Self {
                body: text,
                ..Self::default()
            };
        };
        let (title, rest) = rest.split_once('\n').unwrap_or((rest, ""));
        let body = rest.trim_start_matches('\n');
        let mut page = Self {
            title: Some(title.trim()),
            body,
            ..Self::default()
        };
        let mut lines = body;
        while let Some((line, after)) = lines
            .split_once('\n')
            .or((!lines.is_empty()).then_some((lines, "")))
        {
            if line.is_empty() {
                // Only lines with an empty one after them are properties; else they are the text.
                page.body = after.trim_start_matches('\n');
                return page;
            }
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            let plain = name.chars().count() <= 60
                && !name.starts_with(['#', '-', '*', '>', '[', '!', '<', '`', '|']);
            if !plain {
                break;
            }
            page.properties.push((name.trim(), value.trim()));
            lines = after;
            if lines.is_empty() {
                page.body = "";
                return page;
            }
        }
        page.properties.clear();
        page.body = body;
        page
    }
}

/// A time as Notion writes it: `May 3, 2023 10:00 AM`, `2023/05/03`; without a zone, so as UTC.
pub fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    for form in ["%B %d, %Y %I:%M %p", "%B %d, %Y %H:%M", "%Y/%m/%d %H:%M"] {
        if let Ok(local) = jiff::civil::DateTime::strptime(form, text) {
            return Some(
                jiff::tz::Offset::UTC
                    .to_timestamp(local)
                    .ok()?
                    .as_millisecond(),
            );
        }
    }
    for form in ["%B %d, %Y", "%Y/%m/%d"] {
        if let Ok(day) = jiff::civil::Date::strptime(form, text) {
            let local = day.at(0, 0, 0, 0);
            return Some(
                jiff::tz::Offset::UTC
                    .to_timestamp(local)
                    .ok()?
                    .as_millisecond(),
            );
        }
    }
    parse_any_time(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn properties_are_lines_below_the_title() {
        let page = Page::split("# A page\n\nStatus: Done\nTags: a, b\n\nText: more\n");
        assert_eq!(page.title, Some("A page"));
        assert_eq!(page.properties, [("Status", "Done"), ("Tags", "a, b")]);
        assert_eq!(page.body, "Text: more\n");
        let page = Page::split("# T\n\nJust: a text\nthat goes on\n");
        assert_eq!(
            (page.properties.len(), page.body),
            (0, "Just: a text\nthat goes on\n")
        );
        assert_eq!(Page::split("no title").body, "no title");
        assert_eq!(
            Page::split("# T\n\nStatus: Done").properties,
            [("Status", "Done")]
        );
    }

    #[test]
    fn times_of_notion() {
        assert_eq!(time("May 3, 2023 10:00 AM"), Some(1_683_108_000_000));
        assert_eq!(time("2023/05/03"), Some(1_683_072_000_000));
        assert_eq!(time("someday"), None);
    }

    proptest! {
        #[test]
        fn it_never_panics(text in "[# :a\n\u{e9}-]{0,60}") {
            let page = Page::split(&text);
            prop_assert!(text.ends_with(page.body));
        }
    }
}
