//! Names of columns and tables.

use std::collections::HashSet;

use crate::SqlError;

/// Bytes of a name; PostgreSQL cuts off the rest.
const MAX_NAME: usize = 63;

/// The name in quotes, as both databases read it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Refuses what is no name of a table.
pub fn table(name: &str) -> Result<(), SqlError> {
    let fine = !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.chars().any(char::is_control)
        && !name.to_lowercase().starts_with("_rhizome")
        && !name.to_lowercase().starts_with("sqlite_");
    if fine {
        Ok(())
    } else {
        Err(SqlError::Name(name.chars().take(80).collect()))
    }
}

/// A name that needs no quotes, from that of a variable, an aggregate or a field, and not one of `taken`.
pub fn column(from: &str, taken: &HashSet<String>) -> String {
    let mut name = String::new();
    for c in from.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    let mut base = match name.chars().next() {
        None => "value".to_owned(),
        Some(c) if c.is_numeric() => format!("c_{name}"),
        Some(_) => name.to_owned(),
    };
    cut(&mut base, MAX_NAME - 6);
    if !taken.contains(&base) {
        return base;
    }
    let mut number = 2_usize;
    loop {
        let name = format!("{base}_{number}");
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

fn cut(name: &mut String, most: usize) {
    let mut end = most.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_need_no_quotes() {
        let mut taken = HashSet::new();
        let wanted = [
            ("?text", "text"),
            ("(count ?tag)", "count_tag"),
            ("social/reply-to", "social_reply_to"),
            ("?Text", "text_2"),
            ("?", "value"),
            ("?2", "c_2"),
            ("?größe", "größe"),
        ];
        for (from, name) in wanted {
            let made = column(from, &taken);
            assert_eq!(made, name);
            taken.insert(made);
        }
        let long = column(&"ü".repeat(100), &taken);
        assert!(long.len() <= MAX_NAME && long.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn tables_have_any_name_but_ours() {
        for name in ["posts", "My posts", "a\"b"] {
            assert!(table(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "_rhizome_mirror",
            "a\u{0}b",
            "sqlite_master",
            &"x".repeat(64),
        ] {
            assert!(table(name).is_err(), "{name}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
