//! Front matter: the YAML between dashes, or the TOML between plus signs, at the top of a file.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser};

/// Bytes of front matter.
const BYTES: usize = 256 << 10;
/// Values and names in it.
const EVENTS: usize = 20_000;
/// Values in values.
const DEPTH: usize = 16;

/// What front matter says: every name with its values; a name in a name after a full stop.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Front {
    pub fields: BTreeMap<String, Vec<String>>,
    /// Names whose values were written as a list: commas in those part nothing.
    pub lists: BTreeSet<String>,
    pub wrong: Vec<String>,
}

impl Front {
    /// The front matter of a text, and what comes after it.
    pub fn split(text: &str) -> (Self, &str) {
        let none = || (Self::default(), text);
        let (inside, ends): (_, &[&str]) = if let Some(inside) = text.strip_prefix("---\n") {
            (inside, &["---", "..."])
        } else if let Some(inside) = text.strip_prefix("+++\n") {
            (inside, &["+++"])
        } else {
            return none();
        };
        let mut at = 0;
        for line in inside.split_inclusive('\n') {
            if ends.contains(&line.trim_end()) {
                let matter = inside.get(..at).unwrap_or_default();
                let rest = inside.get(at + line.len()..).unwrap_or_default();
                let rest = rest.trim_start_matches('\n');
                return match ends {
                    ["+++"] => Self::toml(matter)
                        .map_or_else(|wrong| (Self::wrong(wrong), text), |front| (front, rest)),
                    _ => (Self::read(matter), rest),
                };
            }
            at += line.len();
            if at > BYTES {
                break;
            }
        }
        none()
    }

    fn wrong(wrong: String) -> Self {
        Self {
            wrong: vec![wrong],
            ..Self::default()
        }
    }

    /// TOML is read whole or not at all: what is wrong in it stays in the text.
    fn toml(matter: &str) -> Result<Self, String> {
        let table: toml::Table = matter.parse().map_err(|error: toml::de::Error| {
            let message = error.message();
            format!("the front matter cannot be read and was kept in the text: {message}")
        })?;
        let mut front = Self::default();
        let mut left = EVENTS;
        for (name, value) in &table {
            front
                .take(name, value, DEPTH, &mut left)
                .map_err(|wrong| format!("the front matter was kept in the text: {wrong}"))?;
        }
        Ok(front)
    }

    fn take(
        &mut self,
        name: &str,
        value: &toml::Value,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), String> {
        if depth == 0 {
            return Err(format!("it is more than {DEPTH} deep"));
        }
        *left = left
            .checked_sub(1)
            .ok_or_else(|| format!("it has more than {EVENTS} parts"))?;
        let text = match value {
            toml::Value::Table(table) => {
                for (inner, value) in table {
                    self.take(&format!("{name}.{inner}"), value, depth - 1, left)?;
                }
                return Ok(());
            }
            toml::Value::Array(values) => {
                self.lists.insert(name.to_owned());
                for value in values {
                    self.take(name, value, depth - 1, left)?;
                }
                return Ok(());
            }
            toml::Value::String(text) => text.trim().to_owned(),
            toml::Value::Integer(whole) => whole.to_string(),
            toml::Value::Float(float) => float.to_string(),
            toml::Value::Boolean(yes) => yes.to_string(),
            toml::Value::Datetime(time) => time.to_string(),
        };
        if !text.is_empty() {
            self.fields.entry(name.to_owned()).or_default().push(text);
        }
        Ok(())
    }

    /// Whether an export of Rhizome wrote it: it says which entity the note was.
    pub fn is_ours(&self) -> bool {
        let id = self.fields.get("id").and_then(|ids| ids.first());
        id.is_some_and(|id| id.starts_with("rz:") && id.parse::<rhizome_tuple::EntityId>().is_ok())
    }

    fn read(matter: &str) -> Self {
        let mut front = Self::default();
        if let Err(wrong) = front.walk(matter) {
            front
                .wrong
                .push(format!("the front matter was not read to its end: {wrong}"));
        }
        front
    }

    fn walk(&mut self, matter: &str) -> Result<(), String> {
        // For every mapping and list that is open: the name it lies under, and whether a name is awaited in it.
        let mut open: Vec<(String, Option<bool>)> = Vec::new();
        let mut name = String::new();
        for (n, event) in Parser::new_from_str(matter).enumerate() {
            if n > EVENTS {
                return Err(format!("it has more than {EVENTS} parts"));
            }
            let (event, _) = event.map_err(|error| error.to_string())?;
            match event {
                Event::Alias(_) => return Err("it has aliases, which are not read".to_owned()),
                Event::MappingStart(..) | Event::SequenceStart(..) => {
                    if open.len() >= DEPTH {
                        return Err(format!("it is more than {DEPTH} deep"));
                    }
                    let mapping = matches!(event, Event::MappingStart(..));
                    if !mapping {
                        self.lists.insert(name.clone());
                    }
                    open.push((name.clone(), mapping.then_some(true)));
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    open.pop();
                    value_read(&mut open, &mut name);
                }
                Event::Scalar(value, style, ..) => match open.last_mut() {
                    Some((above, Some(awaits))) if *awaits => {
                        *awaits = false;
                        name = if above.is_empty() {
                            value.to_string()
                        } else {
                            format!("{above}.{value}")
                        };
                    }
                    Some(_) => {
                        let plain = style == saphyr_parser::ScalarStyle::Plain;
                        let nothing =
                            plain && matches!(value.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                        if !nothing && !value.trim().is_empty() {
                            self.fields
                                .entry(name.clone())
                                .or_default()
                                .push(value.trim().to_owned());
                        }
                        value_read(&mut open, &mut name);
                    }
                    None if value.trim().is_empty() => {}
                    None => return Err("it is no list of names and values".to_owned()),
                },
                _ => {}
            }
        }
        Ok(())
    }
}

/// After a value the mapping around it awaits a name again; in a list further values lie under the same name.
fn value_read(open: &mut [(String, Option<bool>)], name: &mut String) {
    if let Some((above, awaits)) = open.last_mut() {
        if let Some(awaits) = awaits {
            *awaits = true;
        } else {
            name.clone_from(above);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_values_are_read() {
        let text = "---\ntitle: \"A: b\"\ntags: [x, y]\nlist:\n  - 1\n  - 2\nempty:\nmore:\n  deep: yes\n  list: [a]\nlast: z\n---\n\nBody\n";
        let (front, rest) = Front::split(text);
        assert_eq!(rest, "Body\n");
        assert_eq!(front.wrong, Vec::<String>::new());
        assert!(front.lists.iter().eq(["list", "more.list", "tags"]));
        let fields: Vec<(&str, String)> = front
            .fields
            .iter()
            .map(|(name, values)| (name.as_str(), values.join(";")))
            .collect();
        assert_eq!(
            fields,
            [
                ("last", "z".to_owned()),
                ("list", "1;2".to_owned()),
                ("more.deep", "yes".to_owned()),
                ("more.list", "a".to_owned()),
                ("tags", "x;y".to_owned()),
                ("title", "A: b".to_owned()),
            ]
        );
    }

    #[test]
    fn toml_is_read_as_yaml_is() {
        let text = "+++\ntitle = 'A \"b\"'\ndate = 2024-01-02T03:04:05+01:00\ntags = [\"x\", \"y\"]\ndraft = false\nweight = 7\nempty = ''\nmore.deep = 1.5\n[[menu]]\nname = 'm'\n[[menu]]\nname = 'n'\n+++\n\nBody\n";
        let (front, rest) = Front::split(text);
        assert_eq!(rest, "Body\n");
        assert_eq!(front.wrong, Vec::<String>::new());
        let fields: Vec<String> = front
            .fields
            .iter()
            .map(|(name, values)| format!("{name}={}", values.join(";")))
            .collect();
        assert_eq!(
            fields,
            [
                "date=2024-01-02T03:04:05+01:00",
                "draft=false",
                "menu.name=m;n",
                "more.deep=1.5",
                "tags=x;y",
                "title=A \"b\"",
                "weight=7",
            ]
        );
    }

    #[test]
    fn what_is_no_front_matter_stays_text() {
        for text in ["", "text", "---", "---\nno end", "- - -\n"] {
            assert_eq!(Front::split(text), (Front::default(), text));
        }
        assert!(
            !Front::split("---\na: *b\n---\n").0.wrong.is_empty(),
            "aliases could grow without end"
        );
        assert!(!Front::split("---\n[: x\n---\n").0.wrong.is_empty());
        for text in ["+++\na = \n+++\nx", "+++\na = 1\na = 2\n+++\nx"] {
            let (front, rest) = Front::split(text);
            assert_eq!((front.wrong.len(), rest), (1, text), "it is nowhere else");
        }
        assert_eq!(Front::split("+++\na = 1\n").1, "+++\na = 1\n");
        let long = format!("+++\na = [{}]\n+++\n", "1,".repeat(30_000));
        assert!(!Front::split(&long).0.wrong.is_empty());
        let deep = format!("---\na: {}\n---\n", "[".repeat(10_000));
        assert!(!Front::split(&deep).0.wrong.is_empty());
    }

    proptest! {
        #[test]
        fn it_never_panics(matter in "[-\\[\\]{}:,#&*!|>'\"%@`a-c \n\t]{0,200}") {
            for mark in ["---", "+++"] {
                let text = format!("{mark}\n{matter}\n{mark}\nrest");
                let (_, rest) = Front::split(&text);
                prop_assert!(text.ends_with(rest));
            }
        }
    }
}
