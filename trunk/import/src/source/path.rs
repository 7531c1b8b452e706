//! Names inside a source, made safe before anything looks them up.

use crate::limits::{PATH_BYTES, PATH_DEPTH};

/// The one form a path inside a source has: relative, `/` between parts, no `.` or `..`, no empty part. `None` for a
/// path that cannot be brought to it without guessing: absolute, with a drive, climbing, with control characters, too
/// long or too deep. Backslashes count as separators, as some zip writers use them.
pub fn safe_path(raw: &str) -> Option<String> {
    if raw.is_empty() || raw.len() > PATH_BYTES || raw.chars().any(char::is_control) {
        return None;
    }
    if raw.starts_with(['/', '\\']) || raw.as_bytes().get(1) == Some(&b':') {
        return None;
    }
    let mut parts = Vec::new();
    for part in raw.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    if parts.is_empty() || parts.len() > PATH_DEPTH {
        return None;
    }
    Some(parts.join("/"))
}

/// Files that operating systems leave behind and nobody means to import.
pub fn is_litter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_keep_their_form() {
        assert_eq!(safe_path("a/b.json").as_deref(), Some("a/b.json"));
        assert_eq!(safe_path("./a//b.json").as_deref(), Some("a/b.json"));
        assert_eq!(safe_path("a\\b.json").as_deref(), Some("a/b.json"));
        assert_eq!(safe_path("é/…").as_deref(), Some("é/…"));
    }

    #[test]
    fn climbing_absolute_and_strange_paths_are_refused() {
        let deep = "a/".repeat(PATH_DEPTH + 1) + "b";
        let long = "a".repeat(PATH_BYTES + 1);
        for raw in [
            "",
            "/etc/passwd",
            "\\x",
            "../x",
            "a/../../x",
            "a/..",
            "C:\\x",
            "c:/x",
            "a\0b",
            "a\nb",
            ".",
            &deep,
            &long,
        ] {
            assert_eq!(safe_path(raw), None, "{raw:?}");
        }
    }
}
