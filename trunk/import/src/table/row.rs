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
    /// The cell under a name; `None` where there is none or it is null.
    pub fn get(&self, name: &str) -> Option<Cell<'a>> {
        match self {
            Self::Cells { names, cells } => {
                let at = names.iter().position(|known| known == name)?;
                cells.get(at).map(Cell::Text)
            }
            Self::Object(object) => {
                let found = object.get(name).or_else(|| dotted(object, name))?;
                match found {
                    Value::Null => None,
                    Value::String(text) => Some(Cell::Text(text)),
                    other => Some(Cell::Json(other)),
                }
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

/// A field in a field, `a.b`.
fn dotted<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let (first, rest) = name.split_once('.')?;
    let inner = object.get(first)?.as_object()?;
    inner.get(rest).or_else(|| dotted(inner, rest))
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
