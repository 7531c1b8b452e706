//! SQL's `LIKE`: `%` is any text, `_` any character, a backslash takes the next character literally.

/// Whether all of `text` matches `pattern`. Time is at most the product of the two lengths.
pub fn matches(text: &str, pattern: &str) -> bool {
    let pattern = compile(pattern);
    let (mut rest, mut at) = (text.chars(), 0);
    // where to go on after the last `%` if what follows fails: its place in the pattern, and the text it has not yet swallowed
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let here = rest.clone();
        match (pattern.get(at), rest.next()) {
            (Some(Part::Many), _) => {
                retry = Some((at, here.clone()));
                rest = here;
                at += 1;
                continue;
            }
            (Some(Part::One), Some(_)) => {
                at += 1;
                continue;
            }
            (Some(Part::Exactly(c)), Some(d)) if *c == d => {
                at += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((many, swallowed)) = &mut retry else {
            return false;
        };
        if swallowed.next().is_none() {
            return false;
        }
        rest = swallowed.clone();
        at = *many + 1;
    }
}

enum Part {
    Many,
    One,
    Exactly(char),
}

fn compile(pattern: &str) -> Vec<Part> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '%' => Part::Many,
            '_' => Part::One,
            '\\' => Part::Exactly(chars.next().unwrap_or('\\')),
            c => Part::Exactly(c),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn like() {
        for (text, pattern, yes) in [
            ("garibaldi", "garibaldi", true),
            ("garibaldi", "gari%", true),
            ("garibaldi", "%bal%", true),
            ("garibaldi", "%bald", false),
            ("garibaldi", "g_r%d_", true),
            ("", "%", true),
            ("", "_", false),
            ("abcabd", "%abd", true),
            ("100%", "100\\%", true),
            ("1000", "100\\%", false),
            ("aaa", "%a%a%a%a%", false),
            ("über", "_ber", true),
            ("x", "", false),
            ("", "", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(matches(text, pattern), yes, "{text} {pattern}");
        }
    }

    #[test]
    fn hostile_patterns_stay_quadratic() {
        let text = "a".repeat(5000);
        let pattern = format!("{}b", "%a".repeat(1000));
        assert!(!matches(&text, &pattern));
    }
}
