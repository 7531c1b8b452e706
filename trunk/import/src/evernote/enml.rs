//! What a note of Evernote's says, as HTML.

use std::collections::BTreeSet;

/// A note's content.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// HTML in which things to do are `[ ] ` and `[x] `, not yet cleaned.
    pub html: String,
    /// Parts that only a passphrase opens.
    pub encrypted: usize,
    /// Addresses it links to.
    pub links: BTreeSet<String>,
}

/// Links that are kept.
const LINKS: usize = 10_000;

/// Reads ENML: XHTML with elements of Evernote's own.
pub fn read(enml: &str) -> Content {
    let mut content = Content::default();
    let mut rest = enml;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        content.html.push_str(before);
        let Some(end) = from.find('>') else {
            rest = from;
            break;
        };
        let (tag, after) = from.split_at(end + 1);
        rest = after;
        let name = tag
            .trim_start_matches('<')
            .split([' ', '\t', '\r', '\n', '/', '>'])
            .next()
            .unwrap_or_default();
        match name {
            "en-todo" => {
                let done = tag.contains("checked=\"true\"");
                content.html.push_str(if done { "[x] " } else { "[ ] " });
            }
            "en-crypt" => {
                content.encrypted += 1;
                // What is inside is no text.
                rest = after
                    .find("</en-crypt>")
                    .and_then(|at| after.get(at..))
                    .unwrap_or_default();
            }
            "a" => {
                if content.links.len() < LINKS {
                    content.links.extend(href(tag));
                }
                content.html.push_str(tag);
            }
            _ => content.html.push_str(tag),
        }
    }
    content.html.push_str(rest);
    content
}

fn href(tag: &str) -> Option<String> {
    let (_, from) = tag.split_once("href=\"")?;
    let (address, _) = from.split_once('"')?;
    let address = address.replace("&amp;", "&");
    (address.contains(':') && !address.starts_with("javascript:")).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn things_to_do_links_and_secrets() {
        let content = read(
            "<en-note><div><en-todo checked=\"true\"/>done</div><en-todo/>open <a href=\"https://x.example/?a=1&amp;b\">x</a><en-crypt hint=\"h\">c2VjcmV0</en-crypt>end</en-note>",
        );
        assert!(content.html.contains("[x] done") && content.html.contains("[ ] open"));
        assert!(!content.html.contains("c2VjcmV0") && content.html.contains("end"));
        assert_eq!(
            (
                content.encrypted,
                content.links.iter().next().map(String::as_str)
            ),
            (1, Some("https://x.example/?a=1&b"))
        );
        assert_eq!(
            read("a < b"),
            Content {
                html: "a < b".to_owned(),
                ..Content::default()
            }
        );
    }

    proptest! {
        #[test]
        fn it_never_panics(enml in "[<>/a-e\"= -]{0,100}") {
            let content = read(&enml);
            prop_assert!(content.html.len() <= enml.len() * 4);
        }
    }
}
