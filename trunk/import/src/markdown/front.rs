//! Front matter: the YAML between dashes at the top of a file.

use std::collections::BTreeMap;

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
    pub wrong: Vec<String>,
}

impl Front {
    /// The front matter of a text, and what comes after it.
    pub fn split(text: &str) -> (Self, &str) {
        let none = || (Self::default(), text);
        if text.starts_with("+++\n") {
            let wrong =
                vec!["front matter in TOML is not read; it was kept in the text".to_owned()];
            return (
                Self {
                    wrong,
                    ..Self::default()
                },
                text,
            );
        }
        let Some(inside) = text.strip_prefix("---\n") else {
            return none();
        };
        let mut at = 0;
        for line in inside.split_inclusive('\n') {
            if matches!(line.trim_end(), "---" | "...") {
                let matter = inside.get(..at).unwrap_or_default();
                let rest = inside.get(at + line.len()..).unwrap_or_default();
                return (Self::read(matter), rest.trim_start_matches('\n'));
            }
            at += line.len();
            if at > BYTES {
                break;
            }
        }
        none()
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
    fn what_is_no_front_matter_stays_text() {
        for text in ["", "text", "---", "---\nno end", "- - -\n"] {
            assert_eq!(Front::split(text), (Front::default(), text));
        }
        assert!(
            !Front::split("---\na: *b\n---\n").0.wrong.is_empty(),
            "aliases could grow without end"
        );
        assert!(!Front::split("---\n[: x\n---\n").0.wrong.is_empty());
        assert!(!Front::split("+++\na = 1\n+++\n").0.wrong.is_empty());
        let deep = format!("---\na: {}\n---\n", "[".repeat(10_000));
        assert!(!Front::split(&deep).0.wrong.is_empty());
    }

    proptest! {
        #[test]
        fn it_never_panics(matter in "[-\\[\\]{}:,#&*!|>'\"%@`a-c \n\t]{0,200}") {
            let text = format!("---\n{matter}\n---\nrest");
            let (_, rest) = Front::split(&text);
            prop_assert!(text.ends_with(rest));
        }
    }
}
