//! Front matter: what is said of a file, as YAML at its top.

use std::fmt::Write;

/// Bytes of one value; longer ones are cut.
const VALUE: usize = 64 << 10;
/// Bytes of all of it. The importer reads four times as much.
const MATTER: usize = 128 << 10;

/// Names and values, in the order in which they are said.
pub(super) struct Front(String);

impl Front {
    pub fn new() -> Self {
        Self("---\n".to_owned())
    }

    pub fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            self.line(&format!("{name}: {}\n", quoted(value)));
        }
        self
    }

    /// Something that YAML writes without quotes: a time, a number, `true`.
    pub fn plain(&mut self, name: &str, value: Option<String>) -> &mut Self {
        if let Some(value) = value {
            self.line(&format!("{name}: {value}\n"));
        }
        self
    }

    pub fn yes(&mut self, name: &str, value: Option<bool>) -> &mut Self {
        let yes = value == Some(true);
        self.plain(name, yes.then(|| "true".to_owned()))
    }

    pub fn list<'v>(&mut self, name: &str, values: impl IntoIterator<Item = &'v str>) -> &mut Self {
        let mut named = false;
        for value in values {
            if value.trim().is_empty() {
                continue;
            }
            let head = if named {
                String::new()
            } else {
                format!("{name}:\n")
            };
            named |= self.line(&format!("{head}  - {}\n", quoted(value)));
        }
        self
    }

    fn line(&mut self, line: &str) -> bool {
        let fits = self.0.len() + line.len() <= MATTER;
        if fits {
            self.0.push_str(line);
        }
        fits
    }

    /// All of it, with the empty line before the text.
    pub fn end(self) -> String {
        self.0 + "---\n\n"
    }
}

/// A value in double quotes, on one line, whatever is in it.
pub(super) fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        if out.len() > VALUE {
            out.push('\u{2026}');
            break;
        }
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // line ends of older YAML, marks at the beginning of files, and what no text holds
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
