//! The text of tweets: entities of HTML undone, short addresses replaced by what they stand for.

use std::collections::HashMap;

use crate::text::escape;

/// What a short address becomes.
pub enum Long<'a> {
    /// An address, and how it is shown.
    Address(&'a str, &'a str),
    /// Nothing: it stands for pictures that are shown beside the text.
    Nothing,
}

/// Short addresses of a tweet.
pub type Longs<'a> = HashMap<&'a str, Long<'a>>;

/// The text plain, and as HTML that is not yet cleaned.
pub fn expand(raw: &str, longs: &Longs<'_>) -> (String, String) {
    let mut plain = String::with_capacity(raw.len());
    let mut html = String::with_capacity(raw.len() + 64);
    let mut rest = raw;
    while let Some(at) = rest.find("http") {
        let (before, from) = rest.split_at(at);
        piece(before, &mut plain, &mut html);
        let len = short(from);
        let (token, after) = from.split_at(len.max(4));
        match longs.get(token) {
            Some(Long::Address(address, shown)) => {
                plain.push_str(address);
                html.push_str("<a href=\"");
                escape(address, &mut html);
                html.push_str("\">");
                escape(shown, &mut html);
                html.push_str("</a>");
            }
            Some(Long::Nothing) => {}
            None => piece(token, &mut plain, &mut html),
        }
        rest = after;
    }
    piece(rest, &mut plain, &mut html);
    (plain.trim().to_owned(), format!("<p>{}</p>", html.trim()))
}

/// Bytes of the short address at the start of a text, 0 where there is none.
fn short(text: &str) -> usize {
    let host = ["https://t.co/", "http://t.co/"];
    let Some(start) = host.iter().find(|host| text.starts_with(**host)) else {
        return 0;
    };
    let rest = text.get(start.len()..).unwrap_or_default();
    start.len() + rest.bytes().take_while(u8::is_ascii_alphanumeric).count()
}

fn piece(raw: &str, plain: &mut String, html: &mut String) {
    let text = unescape(raw);
    escape(&text, html);
    plain.push_str(&text);
}

/// Undoes the five entities that Twitter writes, once.
pub fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let known = [
            ("&amp;", '&'),
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&quot;", '"'),
            ("&#39;", '\''),
        ];
        let found = known.iter().find(|(entity, _)| from.starts_with(entity));
        let (len, c) = found.map_or((1, '&'), |(entity, c)| (entity.len(), *c));
        text.push(c);
        rest = from.get(len..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_undone_once_and_addresses_are_whole_words() {
        let longs = Longs::from([
            (
                "https://t.co/ab",
                Long::Address("https://example.org/?a=1&b=2", "example.org"),
            ),
            ("https://t.co/pic", Long::Nothing),
        ]);
        for (raw, plain, html) in [
            (
                "a &amp;lt; &lt;b&gt; https://t.co/ab",
                "a &lt; <b> https://example.org/?a=1&b=2",
                "<p>a &amp;lt; &lt;b&gt; <a href=\"https://example.org/?a=1&amp;b=2\">example.org</a></p>",
            ),
            (
                "https://t.co/abc http https://t.co/ab.",
                "https://t.co/abc http https://example.org/?a=1&b=2.",
                "<p>https://t.co/abc http <a href=\"https://example.org/?a=1&amp;b=2\">example.org</a>.</p>",
            ),
            ("see https://t.co/pic", "see", "<p>see</p>"),
            ("http", "http", "<p>http</p>"),
            ("https", "https", "<p>https</p>"),
            ("&", "&", "<p>&amp;</p>"),
            ("a\nb", "a\nb", "<p>a<br>b</p>"),
        ] {
            assert_eq!(expand(raw, &longs), (plain.to_owned(), html.to_owned()));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(raw in "(http|https://t.co/|&amp;|&|é|[a-z ]){0,30}") {
            let (plain, _) = expand(&raw, &Longs::new());
            assert_eq!(plain, unescape(&raw).trim());
        }
    }
}
