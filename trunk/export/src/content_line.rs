//! Content lines, of which vCard (RFC 6350) and iCalendar (RFC 5545) are made.

use std::io::{self, Write};

/// Octets of a line, its line break not counted.
const LINE: usize = 75;

/// A text as a value.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ',' | ';' => out.extend(['\\', c]),
            '\n' | '\r' => out.push_str("\\n"),
            // other control characters may stand nowhere in such a file
            c if c.is_control() && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// A text as the value of a parameter, between quotation marks.
pub(crate) fn parameter(text: &str) -> String {
    let fit = text.chars().filter(|c| *c != '"' && !c.is_control());
    format!("\"{}\"", fit.collect::<String>())
}

/// Writes `name:value`, folded.
pub(crate) fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    let whole = format!("{name}:{value}");
    let mut rest = whole.as_str();
    let mut room = LINE;
    loop {
        let mut end = rest.len().min(room);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (now, later) = rest.split_at(end);
        out.write_all(now.as_bytes())?;
        out.write_all(b"\r\n")?;
        if later.is_empty() {
            return Ok(());
        }
        out.write_all(b" ")?;
        rest = later;
        room = LINE - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_between_characters() {
        let text = "\u{e9}".repeat(100);
        let mut out = Vec::new();
        line(&mut out, "NOTE", &text).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.split("\r\n").all(|line| line.len() <= LINE));
        assert_eq!(out.replace("\r\n ", ""), format!("NOTE:{text}\r\n"));
    }

    #[test]
    fn what_has_a_meaning_is_escaped() {
        assert_eq!(escaped("a,b;c\\d\r\ne\u{7}"), "a\\,b\\;c\\\\d\\ne");
        assert_eq!(parameter("a\"b\nc"), "\"abc\"");
    }
}
