//! The part of a text that shows why it was found.

use crate::Part;

/// Characters.
const LONGEST: usize = 240;
/// Characters before the first hit.
const BEFORE: usize = 60;

/// Some of a text around the place where most of `marks` (in bytes, ascending, apart) lie together. Line breaks become spaces.
pub(crate) fn excerpt(text: &str, marks: &[(usize, usize)]) -> Vec<Part> {
    let (start, end) = window(text, marks);
    let mut out = Vec::new();
    if start > 0 {
        push(&mut out, "…", false);
    }
    let mut at = start;
    for (from, to) in marks {
        let (from, to) = ((*from).clamp(at, end), (*to).clamp(at, end));
        if from < to {
            push(&mut out, text.get(at..from).unwrap_or_default(), false);
            push(&mut out, text.get(from..to).unwrap_or_default(), true);
            at = to;
        }
    }
    push(&mut out, text.get(at..end).unwrap_or_default(), false);
    if end < text.len() {
        push(&mut out, "…", false);
    }
    out
}

fn push(out: &mut Vec<Part>, text: &str, hit: bool) {
    if text.is_empty() {
        return;
    }
    let text = text.replace(['\n', '\r', '\t'], " ");
    match out.last_mut() {
        Some(last) if last.hit == hit => last.text.push_str(&text),
        _ => out.push(Part { text, hit }),
    }
}

/// Bytes from and to which is shown.
fn window(text: &str, marks: &[(usize, usize)]) -> (usize, usize) {
    if text.len() <= LONGEST {
        return (0, text.len());
    }
    // the first of those marks after which most others follow closely; a character has at least one byte
    let mut best = (0, 0);
    let mut last = 0;
    for (i, (from, _)) in marks.iter().enumerate() {
        last = last.max(i);
        while marks
            .get(last)
            .is_some_and(|m| m.1 <= from + (LONGEST - BEFORE))
        {
            last += 1;
        }
        if last - i > best.0 {
            best = (last - i, *from);
        }
    }
    let first = best.1;
    let before = text.get(..first).unwrap_or_default();
    let start = before
        .char_indices()
        .rev()
        .nth(BEFORE - 1)
        .map_or(0, |(at, _)| at);
    // begins with a word, if one begins before the hit
    let start = if start == 0 {
        0
    } else {
        let space = before
            .get(start..)
            .and_then(|b| b.find(char::is_whitespace));
        space.map_or(start, |s| {
            let after = before.get(start + s..).unwrap_or_default();
            first - after.trim_start().len()
        })
    };
    let rest = text.get(start..).unwrap_or_default();
    let Some((length, _)) = rest.char_indices().nth(LONGEST) else {
        return (start, text.len());
    };
    // and ends with one
    let shown = rest.get(..length).unwrap_or_default();
    let least = (first - start).max(length / 2);
    let end = shown
        .rfind(char::is_whitespace)
        .filter(|at| *at > least)
        .unwrap_or(length);
    (start, start + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(parts: &[Part]) -> String {
        parts
            .iter()
            .map(|p| {
                if p.hit {
                    format!("[{}]", p.text)
                } else {
                    p.text.clone()
                }
            })
            .collect()
    }

    #[test]
    fn a_short_text_is_shown_whole() {
        let shown = excerpt("one\ntwo three", &[(4, 7)]);
        assert_eq!(marked(&shown), "one [two] three");
        assert_eq!(marked(&excerpt("abc", &[])), "abc");
    }

    #[test]
    fn of_a_long_one_the_place_where_most_was_found() {
        let text = format!(
            "needle {} needle and needle {}",
            "hay ".repeat(200),
            "straw ".repeat(200)
        );
        let marks: Vec<_> = text
            .match_indices("needle")
            .map(|(i, m)| (i, i + m.len()))
            .collect();
        let shown = marked(&excerpt(&text, &marks));
        assert!(
            shown.starts_with("…hay") && shown.ends_with("straw…"),
            "{shown}"
        );
        assert!(shown.contains("[needle] and [needle]"), "{shown}");
        assert!(shown.chars().count() <= LONGEST + 6, "{shown}");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_bounded_and_shows_a_hit(
            text in "[a-c é東\n]{1,700}",
            places in prop::collection::vec((0_usize..700, 1_usize..30), 1..8),
        ) {
            let at: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
            let mut marks: Vec<(usize, usize)> = Vec::new();
            let mut places = places;
            places.sort_unstable();
            for (from, n) in places {
                let (Some(a), Some(b)) = (at.get(from), at.get((from + n).min(at.len() - 1))) else { continue };
                if a < b && marks.last().is_none_or(|m| m.1 < *a) {
                    marks.push((*a, *b));
                }
            }
            let shown = excerpt(&text, &marks);
            let plain: String = shown.iter().map(|p| p.text.as_str()).collect();
            prop_assert!(plain.chars().count() <= LONGEST + 2);
            prop_assert!(text.replace('\n', " ").contains(plain.trim_matches('…')));
            prop_assert!(marks.is_empty() || shown.iter().any(|p| p.hit));
        }
    }
}
