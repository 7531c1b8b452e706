//! Rows and objects as one thing: names with cells.

use serde_json::{Map, Value};

/// One record of a table, whatever it is written in.
pub enum Row<'a> {
    /// Cells under the names of a header.
    Cells {
        /// The header.
        names: &'a [String],
        /// The cells, in the order of the header.
        cells: &'a csv::StringRecord,
    },
    /// A JSON object.
    Object(&'a Map<String, Value>),
}

/// One cell.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// A text.
    Text(&'a str),
    /// A JSON value that is not null.
    Json(&'a Value),
}

impl<'a> Row<'a> {
    /// The first cell under a name; `None` where there is none or it is null.
    pub fn get(&self, name: &str) -> Option<Cell<'a>> {
        self.all(name).into_iter().next()
    }

    /// The cells under a name: several where its path leads through every element of an array.
    pub fn all(&self, name: &str) -> Vec<Cell<'a>> {
        match self {
            Self::Cells { names, cells } => {
                let at = names.iter().position(|known| known == name);
                let cell = at.and_then(|at| cells.get(at)).map(Cell::Text);
                cell.into_iter().collect()
            }
            Self::Object(object) => {
                let mut found = Vec::new();
                field(object, name, &mut found);
                let cell = |value: &'a Value| match value {
                    Value::Null => None,
                    Value::String(text) => Some(Cell::Text(text)),
                    other => Some(Cell::Json(other)),
                };
                found.into_iter().filter_map(cell).collect()
            }
        }
    }

    /// Whether there is a cell under a name, be it empty or null.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Cells { names, .. } => names.iter().any(|known| known == name),
            Self::Object(object) => {
                let mut found = Vec::new();
                field(object, name, &mut found);
                !found.is_empty()
            }
        }
    }

    /// Everything in it, to name a record that has no id.
    pub fn content(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome import row v1");
        match self {
            Self::Cells { cells, .. } => {
                for cell in *cells {
                    hasher
                        .update(&(cell.len() as u64).to_le_bytes())
                        .update(cell.as_bytes());
                }
            }
            Self::Object(object) => {
                // Writing to a hasher cannot fail; the order of fields is that of the document.
                let _ = serde_json::to_writer(&mut hasher, object);
            }
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }
}

/// A field, or a field in a field (`a.b`), of every element (`a.*.b`) or of one (`a.0.b`). A name goes before a path.
fn field<'a>(object: &'a Map<String, Value>, path: &str, found: &mut Vec<&'a Value>) {
    if let Some(value) = object.get(path) {
        found.push(value);
    } else if let Some((first, rest)) = path.split_once('.')
        && let Some(inner) = object.get(first)
    {
        inside(inner, rest, found);
    }
}

fn inside<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => field(object, path, found),
        Value::Array(many) => {
            let (step, rest) = path.split_once('.').unwrap_or((path, ""));
            let all = step == "*";
            let at: Option<usize> = step.parse().ok();
            let wanted = many
                .iter()
                .enumerate()
                .filter(|(n, _)| all || at == Some(*n));
            for (_, element) in wanted {
                if rest.is_empty() {
                    found.push(element);
                } else {
                    inside(element, rest, found);
                }
            }
        }
        _ => {}
    }
}

impl<'a> Cell<'a> {
    /// The cell as text: a text as it is, anything else as JSON.
    pub fn text(self) -> std::borrow::Cow<'a, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Json(value) => value.to_string().into(),
        }
    }

    /// Its values where it is an array, else itself.
    pub fn elements(self) -> Vec<Cell<'a>> {
        match self {
            Self::Json(Value::Array(many)) => many
                .iter()
                .filter_map(|value| match value {
                    Value::Null => None,
                    Value::String(text) => Some(Cell::Text(text)),
                    other => Some(Cell::Json(other)),
                })
                .collect(),
            one => vec![one],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_by_name_and_by_path() {
        let value =
            json!({"a": {"b": {"c": 1}, "b.c": 2}, "a.b": "x", "n": null, "l": [1, null, "y"]});
        let row = Row::Object(value.as_object().unwrap());
        let text = |name: &str| row.get(name).map(|cell| cell.text().into_owned());
        assert_eq!(
            text("a.b").as_deref(),
            Some("x"),
            "a name goes before a path"
        );
        assert_eq!(text("a.b.c").as_deref(), Some("2"));
        assert_eq!(text("n"), None);
        assert_eq!(text("a.x"), None);
        assert_eq!(row.get("l").unwrap().elements().len(), 2);
        let value = json!({"a": {"list": [{"b": 1}, {"c": 2}, {"b": [3, 4]}]}});
        let row = Row::Object(value.as_object().unwrap());
        let count = |name: &str| row.all(name).len();
        assert_eq!(
            [
                "a.list.*.b",
                "a.list.0.b",
                "a.list.1.b",
                "a.list.*",
                "a.list.9.b",
                "a.list.b"
            ]
            .map(count),
            [2, 1, 0, 3, 0, 0]
        );
        assert_eq!(row.all("a.list.2.b.*").len(), 2);
    }

    #[test]
    fn rows_without_an_id_are_named_by_their_borders_too() {
        let named = |cells: &[&str]| {
            let cells = csv::StringRecord::from(cells);
            Row::Cells {
                names: &[],
                cells: &cells,
            }
            .content()
        };
        assert_ne!(named(&["ab", "c"]), named(&["a", "bc"]));
        assert_eq!(named(&["ab", "c"]), named(&["ab", "c"]));
    }
}
