use crate::{
    commands::{ask, change, receipt_text, show},
    open::Home,
    output::{Failure, Output, print},
};
use rustyline::{DefaultEditor, error::ReadlineError};
use serde_json::Value as Json;

const HELP: &str = "\
A Datalog query       [:find ?name :where [?p :social/name ?name]]
An IQL query          {\"post\": {\"$\": {\"limit\": 5}}}
A transaction         [{\"assert\": {\"entity\": \"_:new\", \"attribute\": \"note/text\", \"value\": \"hello\"}}]
Open brackets carry a query over to the next line. :help shows this, :quit ends (so does Ctrl-D).";

/// Reads queries and transactions until the end of the input. Mistakes are shown and forgiven.
pub fn run(home: &Home, output: &Output) -> Result<(), Failure> {
    let opened = home.open("repl")?;
    let broken = |e: ReadlineError| Failure::new(1, "terminal", e.to_string());
    let mut editor = DefaultEditor::new().map_err(broken)?;
    output.remark("Queries and transactions; :help explains, :quit ends.");
    let mut text = String::new();
    loop {
        let prompt = if output.json {
            ""
        } else if text.is_empty() {
            "rhizome> "
        } else {
            "      …> "
        };
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                text.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(e) => return Err(broken(e)),
        };
        match line.trim() {
            ":quit" | ":q" => return Ok(()),
            ":help" | ":h" => {
                print(HELP)?;
                continue;
            }
            "" if text.is_empty() => continue,
            _ => {}
        }
        text.push_str(&line);
        text.push('\n');
        if open_brackets(&text) > 0 {
            continue;
        }
        let whole = std::mem::take(&mut text);
        // history is a convenience: a full one is no error
        let _ = editor.add_history_entry(whole.trim());
        let answer = match transaction(&whole) {
            Some(changes) => change(&opened, &changes).map(|r| (r, true)),
            None => ask(&opened, &whole, &[]).map(|r| (r, false)),
        };
        match answer {
            Ok((r, _)) if output.json => print(&r.to_string())?,
            Ok((r, true)) => print(&receipt_text(&r))?,
            Ok((r, false)) => show(&r)?,
            Err(failure) => output.failure(&failure),
        }
    }
}

/// A transaction is a JSON array of objects; a Datalog query is no JSON.
fn transaction(text: &str) -> Option<Json> {
    let json: Json = serde_json::from_str(text).ok()?;
    json.is_array().then_some(json)
}

/// How many brackets are open, outside of strings and comments.
fn open_brackets(text: &str) -> i64 {
    let (mut depth, mut chars, mut string) = (0, text.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' if string => {
                chars.next();
            }
            '"' => string = !string,
            _ if string => {}
            ';' => {
                chars.by_ref().find(|c| *c == '\n');
            }
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            _ => {}
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::{open_brackets, transaction};

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert_eq!(open_brackets("[:find ?x ; [[[\n :where"), 1);
        assert_eq!(open_brackets(r#"["\"[" ]"#), 0);
        assert_eq!(open_brackets("{"), 1);
    }

    #[test]
    fn only_json_arrays_are_transactions() {
        assert!(transaction("[]").is_some());
        assert!(transaction("[:find ?x]").is_none());
        assert!(transaction("{\"post\": {}}").is_none());
    }
}
