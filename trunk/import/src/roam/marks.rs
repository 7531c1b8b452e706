//! What a line of Roam's marks: pages, blocks, tags, addresses, things to do.

use std::collections::BTreeSet;

/// What a line marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Titles of pages, tags among them.
    pub pages: BTreeSet<String>,
    /// Pages that were linked as `#tag`.
    pub tags: BTreeSet<String>,
    /// Uids of blocks.
    pub blocks: BTreeSet<String>,
    pub urls: BTreeSet<String>,
    /// `[x] done`, where the line can be ticked.
    pub task: Option<String>,
}

fn between<'a>(text: &'a str, close: &str) -> Option<&'a str> {
    text.find(close).and_then(|end| text.get(..end))
}

/// The page title after `[[`, to the brackets that close it: titles may hold links themselves.
fn title(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"[[" => {
                depth += 1;
                at += 2;
            }
            b"]]" => {
                depth -= 1;
                if depth == 0 {
                    return text.get(..at);
                }
                at += 2;
            }
            _ => at += 1,
        }
        if at > 4_096 {
            return None;
        }
    }
    None
}

impl Marks {
    /// Reads a line.
    pub fn read(text: &str) -> Self {
        let mut marks = Self::default();
        for (at, _) in text.match_indices("[[") {
            let Some(title) = text
                .get(at + 2..)
                .and_then(title)
                .filter(|title| !title.is_empty())
            else {
                continue;
            };
            if matches!(title, "TODO" | "DONE") {
                continue;
            }
            if text.get(..at).is_some_and(|before| before.ends_with('#')) {
                marks.tags.insert(title.to_owned());
            }
            marks.pages.insert(title.to_owned());
        }
        for (at, _) in text.match_indices("((") {
            let uid = text.get(at + 2..).and_then(|rest| between(rest, "))"));
            let uid = uid.filter(|uid| {
                (9..=40).contains(&uid.len())
                    && uid
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            });
            marks.blocks.extend(uid.map(str::to_owned));
        }
        let mut words = BTreeSet::new();
        crate::markdown::tags(text, &mut words);
        marks.pages.extend(words.iter().cloned());
        marks.tags.append(&mut words);
        for word in text.split([' ', '\n', '(', ')', '[', ']', '"', '<', '>']) {
            if word.starts_with("https://") || word.starts_with("http://") {
                marks.urls.insert(word.to_owned());
            }
        }
        for (mark, tick) in [
            ("{{[[TODO]]}}", "[ ]"),
            ("{{[[DONE]]}}", "[x]"),
            ("{{TODO}}", "[ ]"),
            ("{{DONE}}", "[x]"),
        ] {
            if let Some(rest) = text.trim_start().strip_prefix(mark) {
                marks.task = Some(format!("{tick} {}", rest.trim()));
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_blocks_tags_and_tasks() {
        let marks = Marks::read(
            "{{[[TODO]]}} see [[A [[B]] c]] #tag #[[two words]] ((qHPCBA2tz)) [x](https://x.example/a) ((no))",
        );
        let pages: Vec<&str> = marks.pages.iter().map(String::as_str).collect();
        assert_eq!(pages, ["A [[B]] c", "B", "tag", "two words"]);
        assert_eq!(marks.tags.len(), 2);
        assert_eq!(marks.blocks.iter().collect::<Vec<_>>(), ["qHPCBA2tz"]);
        assert_eq!(
            marks.urls.iter().collect::<Vec<_>>(),
            ["https://x.example/a"]
        );
        assert!(marks.task.is_some_and(|task| task.starts_with("[ ] see")));
    }

    proptest! {
        #[test]
        fn it_never_panics(text in "[\\[\\](){}#a-zé T]{0,120}") {
            Marks::read(&text);
        }
    }
}
