use crate::network::qr;
use rhizome_pod::PodError;
use serde_json::{Value as Json, json};
use std::io::{IsTerminal, Write};

/// Why a command failed, for people and for scripts.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: u8,
    code: String,
    message: String,
    position: Option<(u32, u32)>,
    /// The query the position is in.
    query: Option<String>,
}

impl Failure {
    pub fn new(exit: u8, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.into(),
            message: message.into(),
            position: None,
            query: None,
        }
    }

    /// Says which query the position is in.
    pub fn in_query(self, query: &str) -> Self {
        Self {
            query: Some(query.to_owned()),
            ..self
        }
    }
}

impl From<PodError> for Failure {
    fn from(error: PodError) -> Self {
        let exit = match &error {
            PodError::NoPod(_) => 3,
            PodError::InUse { .. } => 4,
            _ => 1,
        };
        Self {
            exit,
            code: error.code().to_owned(),
            message: error.to_string(),
            position: error.position().map(|p| (p.line, p.column)),
            query: None,
        }
    }
}

/// Where answers go: JSON on standard output for scripts, text for people.
pub struct Output {
    pub json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one JSON line, or what `text` makes of it.
    pub fn answer(&self, json: &Json, text: impl FnOnce(&Json) -> String) -> Result<(), Failure> {
        let line = if self.json {
            json.to_string()
        } else {
            text(json)
        };
        print(&line)
    }

    /// Something for people only, beside the answer.
    pub fn remark(&self, text: &str) {
        if !self.json {
            // a closed standard error is no reason to fail
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Whether progress may be drawn.
    pub fn interactive(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    pub fn failure(&self, failure: &Failure) {
        let mut err = std::io::stderr();
        let written = if self.json {
            let position = failure
                .position
                .map(|(line, column)| json!({ "line": line, "column": column }));
            let error = json!({ "error": { "code": failure.code, "message": failure.message, "position": position } });
            writeln!(err, "{error}")
        } else {
            writeln!(err, "rhizome: {}{}", failure.message, pointer(failure))
        };
        let _ = written;
    }
}

/// The line of the query that is wrong, with a mark below.
fn pointer(failure: &Failure) -> String {
    let (Some((line, column)), Some(query)) = (failure.position, &failure.query) else {
        return String::new();
    };
    let Some(text) = query.lines().nth(line.saturating_sub(1) as usize) else {
        return String::new();
    };
    let before: usize = text.chars().take(column.saturating_sub(1) as usize).count();
    format!("\n  {text}\n  {}^", " ".repeat(before))
}

pub fn print(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        // whoever reads has seen enough: `rhizome query … | head`
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => {
            other.map_err(|e| Failure::new(1, "output", format!("cannot write the answer: {e}")))
        }
    }
}

/// Columns and rows as a table for people.
pub fn table(result: &Json) -> String {
    let (Some(columns), Some(rows)) = (
        result.get("columns").and_then(Json::as_array),
        result.get("rows").and_then(Json::as_array),
    ) else {
        return serde_json::to_string_pretty(result).unwrap_or_default();
    };
    let cell = |v: &Json| match v {
        Json::String(s) => s.replace(['\n', '\r', '\t'], " "),
        other => other.to_string(),
    };
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(cell).collect()];
    lines.extend(rows.iter().map(|r| {
        r.as_array()
            .map_or_else(|| vec![cell(r)], |r| r.iter().map(cell).collect())
    }));
    let mut widths = vec![0usize; columns.len()];
    for line in &lines {
        for (i, text) in line.iter().enumerate() {
            if let Some(w) = widths.get_mut(i) {
                *w = (*w).max(text.chars().count()).min(60);
            }
        }
    }
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(i, text)| {
                let width = widths.get(i).copied().unwrap_or(0);
                let short: String = if text.chars().count() > width {
                    text.chars()
                        .take(width.saturating_sub(1))
                        .chain(['…'])
                        .collect()
                } else {
                    text.clone()
                };
                if i + 1 == line.len() {
                    short
                } else {
                    format!("{short:width$}")
                }
            })
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
        if n == 0 {
            let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
            out.push_str(&rule.join("  "));
            out.push('\n');
        }
    }
    let n = rows.len();
    out.push_str(&n.to_string());
    out.push_str(if n == 1 { " row" } else { " rows" });
    out
}

/// A request that makes no sense.
pub fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::new(1, "request", what.to_string())
}

/// A text in an answer; empty if there is none.
pub fn text<'j>(json: &'j Json, member: &str) -> &'j str {
    json[member].as_str().unwrap_or_default()
}

/// What somebody else says, for a terminal: nothing in it steers that.
pub fn plain(words: &str) -> String {
    let steers = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    words.replace(steers, "\u{fffd}")
}

/// What to do if what was given is not where others can get it.
pub fn not_sent(answer: &Json) -> &'static str {
    if answer["sent"] == true {
        ""
    } else {
        "\nIt is not where others can get it yet: `rhizome peers add ADDRESS`, or `rhizome sync --once`.\n"
    }
}

/// An invitation in an answer, as people are shown it.
pub fn invitation(answer: &Json, what: &str) -> String {
    let invite = text(answer, "invite");
    let picture = qr(&invite.to_ascii_uppercase()).unwrap_or_default();
    let late = not_sent(answer);
    format!(
        "{what}\n{picture}\nFor them alone, by a way that others do not read:\n\n  rhizome accept {invite}\n{late}"
    )
}
