//! Finding words.

use std::{fmt::Write as _, io::IsTerminal};

use rhizome_pod::{Search, Stop};
use serde_json::Value as Json;

use crate::{
    open::{Home, Opened},
    output::{Failure, Output},
};

pub fn run(home: &Home, search: &Search, output: &Output) -> Result<(), Failure> {
    let answer = match home.open("search")? {
        Opened::Here(pod) => pod.search(search, &Stop::new(false))?,
        Opened::There(client) => client.search(search)?,
    };
    let colours = std::io::stdout().is_terminal();
    output.answer(&answer, |answer| lines(answer, colours))
}

/// For each hit a line about it and its excerpt; what was looked for stands out.
fn lines(answer: &Json, colours: bool) -> String {
    let hits = answer.get("hits").and_then(Json::as_array);
    let Some(hits) = hits.filter(|hits| !hits.is_empty()) else {
        return "nothing found".into();
    };
    let mut out = String::new();
    for hit in hits {
        let text = |name: &str| hit.get(name).and_then(Json::as_str).unwrap_or_default();
        let day = text("created").get(..10).unwrap_or_default();
        let about = [text("entity"), text("type"), text("attribute"), day];
        let about: Vec<&str> = about.into_iter().filter(|t| !t.is_empty()).collect();
        let _ = writeln!(out, "{}\n  {}", about.join("  "), excerpt(hit, colours));
    }
    let flag = |name: &str| answer.get(name).and_then(Json::as_bool);
    if flag("complete") == Some(false) {
        out.push_str("There may be more: the pod is still indexing, or a phrase is made of very common words.\n");
    }
    out.truncate(out.trim_end().len());
    out
}

fn excerpt(hit: &Json, colours: bool) -> String {
    let (before, after) = if colours {
        ("\u{1b}[1m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    let parts = hit.get("excerpt").and_then(Json::as_array);
    let mut out = String::new();
    for part in parts.into_iter().flatten() {
        let text = part.get("text").and_then(Json::as_str).unwrap_or_default();
        // a text may hold anything; a terminal is to obey none of it
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        if part.get("hit").and_then(Json::as_bool) == Some(true) {
            let _ = write!(out, "{before}{text}{after}");
        } else {
            out.push_str(&text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;
    use serde_json::json;

    #[test]
    fn hits_as_people_read_them() {
        let part = |text: &str, hit: bool| json!({ "text": text, "hit": hit });
        let answer = json!({ "hits": [{
            "entity": "rz:a", "attribute": "social/text", "type": "post", "created": "2024-02-03T10:00:00Z", "score": 1.5,
            "excerpt": [part("an \u{1b}[31m", false), part("espresso", true), part("!", false)],
        }], "complete": true, "behind": 0 });
        assert_eq!(
            lines(&answer, false),
            "rz:a  post  social/text  2024-02-03\n  an [31mespresso!"
        );
        assert!(lines(&answer, true).contains("\u{1b}[1mespresso\u{1b}[0m"));
        assert_eq!(lines(&json!({ "hits": [] }), false), "nothing found");
    }
}
