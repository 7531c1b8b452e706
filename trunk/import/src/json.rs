//! Large JSON documents, one item at a time.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::outcome::{End, Outcome};
use crate::source::{Allowance, Metered};
use crate::text::{Lossy, Replaced};

/// One step from the top of a document to its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value under this name of an object.
    Name(String),
    /// Every element of an array, or every value of an object.
    Each,
}

/// A path to items, written `/name/*`: `""` is the document itself, `"/*"` the elements of an array at the top,
/// `"/orderedItems/*"` those of an array under a name. `~1` stands for `/`, `~0` for `~`, `~2` for a `*` that is a name.
///
/// # Errors
/// Where it neither is empty nor starts with `/`.
pub fn parse_path(path: &str) -> Result<Vec<Step>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let steps = path
        .strip_prefix('/')
        .ok_or_else(|| format!("the path {path:?} must be empty or start with /"))?;
    let name = |step: &str| {
        Step::Name(
            step.replace("~2", "*")
                .replace("~1", "/")
                .replace("~0", "~"),
        )
    };
    Ok(steps
        .split('/')
        .map(|step| if step == "*" { Step::Each } else { name(step) })
        .collect())
}

/// Reads the document and hands each item at `path` to `take` as JSON text of at most `limit` bytes, with its number and
/// the bytes read so far. Items are only checked for syntax here, so a strange one costs itself and not the document.
pub fn each_item(
    reader: impl Read,
    path: &[Step],
    limit: usize,
    take: &mut dyn FnMut(u64, &str, u64) -> Result<(), ImportError>,
) -> Result<Outcome, ImportError> {
    each_item_within(reader, path, &[], limit, &mut |_, number, item, done| {
        take(number, item, done)
    })
}

/// Takes an item: what is known of the object around it, its number, its text, the bytes read so far.
type Take<'a> = dyn FnMut(&Map<String, Value>, u64, &str, u64) -> Result<(), ImportError> + 'a;

/// [`each_item`], with what the object whose list holds the item says of itself before that list, under any of `names`.
pub fn each_item_within(
    reader: impl Read,
    path: &[Step],
    names: &[&str],
    limit: usize,
    take: &mut Take<'_>,
) -> Result<Outcome, ImportError> {
    let (lossy, replaced): (_, Replaced) = Lossy::new(reader);
    let (metered, allowance) = Metered::new(lossy, limit as u64);
    let mut deserializer =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 15, metered));
    let mut state = State {
        take,
        names,
        around: Map::new(),
        allowance,
        items: 0,
        mismatches: 0,
        stopped: None,
    };
    let read = Walk {
        path,
        state: &mut state,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| {
        state.allowance.renew();
        deserializer.end()
    });
    if let Some(error) = state.stopped {
        return Err(error);
    }
    let end = match read {
        Ok(()) => End::Whole,
        Err(_) if state.allowance.spent() => End::Broken(format!(
            "after item {} comes one of more than {limit} bytes",
            state.items
        )),
        Err(error) => End::Broken(format!("after item {}: {error}", state.items)),
    };
    Ok(Outcome {
        end,
        mismatches: state.mismatches,
        replaced: replaced.count(),
    })
}

struct State<'a> {
    take: &'a mut Take<'a>,
    names: &'a [&'a str],
    around: Map<String, Value>,
    allowance: Allowance,
    items: u64,
    mismatches: u64,
    stopped: Option<ImportError>,
}

struct Walk<'a, 'b> {
    path: &'a [Step],
    state: &'a mut State<'b>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.path.is_empty() {
            return deserializer.deserialize_any(self);
        }
        self.state.allowance.renew();
        let raw = <Box<RawValue> as serde::Deserialize>::deserialize(deserializer)?;
        let number = self.state.items;
        self.state.items += 1;
        let done = self.state.allowance.read();
        (self.state.take)(&self.state.around, number, raw.get(), done).map_err(|error| {
            self.state.stopped = Some(error);
            D::Error::custom("stopped")
        })
    }
}

impl Walk<'_, '_> {
    fn mismatch(self) {
        self.state.mismatches += 1;
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.path.split_first() else {
            return Ok(());
        };
        self.state.around.clear();
        while let Some(name) = map.next_key::<String>()? {
            match step {
                Step::Name(wanted)
                    if *wanted != name && self.state.names.contains(&name.as_str()) =>
                {
                    self.state.allowance.renew();
                    let raw = map.next_value::<Box<RawValue>>()?;
                    if let Ok(value) = serde_json::from_str::<Value>(raw.get()) {
                        self.state.around.insert(name, value);
                    }
                }
                Step::Name(wanted) if *wanted != name => {
                    // Passing over a value holds none of it in memory, so its length is free.
                    self.state.allowance.lift();
                    map.next_value::<IgnoredAny>()?;
                    self.state.allowance.renew();
                }
                _ => map.next_value_seed(Walk {
                    path: rest,
                    state: self.state,
                })?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Each, rest)) = self.path.split_first() else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            self.mismatch();
            return Ok(());
        };
        while seq
            .next_element_seed(Walk {
                path: rest,
                state: self.state,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.mismatch();
        Ok(())
    }
}

/// How deep records are looked for.
const DEPTH: usize = 4;

/// The path to the first array of objects, at most four levels down; the document itself where it is one object without
/// such an array; `None` where it is neither. Reads no further than it must.
pub fn find_records(reader: impl Read, limit: usize) -> Option<String> {
    let (lossy, _) = Lossy::new(reader);
    let (metered, allowance) = Metered::new(lossy, limit as u64);
    let reader = BufReader::with_capacity(1 << 15, metered);
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut found = None;
    let search = Search {
        path: String::new(),
        depth: 0,
        allowance: &allowance,
        found: &mut found,
    };
    let shape = search.deserialize(&mut deserializer);
    found.or_else(|| matches!(shape, Ok(Shape::Object)).then(String::new))
}

#[derive(PartialEq)]
enum Shape {
    Object,
    Other,
}

struct Search<'a> {
    path: String,
    depth: usize,
    allowance: &'a Allowance,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        self.allowance.renew();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if self.depth >= DEPTH {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let name = name
                .replace('~', "~0")
                .replace('/', "~1")
                .replace('*', "~2");
            let path = format!("{}/{name}", self.path);
            let inner = Search {
                path,
                depth: self.depth + 1,
                allowance: self.allowance,
                found: self.found,
            };
            map.next_value_seed(inner)?;
        }
        Ok(Shape::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        // The first element decides; the search inside it must not find arrays of its own.
        let mut ignored = None;
        let first = Search {
            path: String::new(),
            depth: DEPTH,
            allowance: self.allowance,
            found: &mut ignored,
        };
        if seq.next_element_seed(first)? == Some(Shape::Object) {
            *self.found = Some(format!("{}/*", self.path));
            return Err(A::Error::custom("found"));
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(json: &str, path: &str) -> (Vec<String>, Outcome) {
        let mut items = Vec::new();
        let read = each_item(
            json.as_bytes(),
            &parse_path(path).unwrap(),
            1 << 16,
            &mut |n, item, _| {
                assert_eq!(n as usize, items.len());
                items.push(item.to_owned());
                Ok(())
            },
        );
        (items, read.unwrap())
    }

    #[test]
    fn paths_lead_through_names_and_elements() {
        for (json, path, expected) in [
            (
                r#"{"a": 1, "orderedItems": [{"x": 1}, "two"], "b": {"orderedItems": [3]}}"#,
                "/orderedItems/*",
                vec![r#"{"x": 1}"#, r#""two""#],
            ),
            ("[1, [2], {}]", "/*", vec!["1", "[2]", "{}"]),
            (r#"{"a": {"k": 1}, "b": {"k": 2}}"#, "/*/k", vec!["1", "2"]),
            (r#"{"a/b": {"*": [7]}}"#, "/a~1b/~2", vec!["[7]"]),
            ("true", "", vec!["true"]),
            ("[]", "/*", vec![]),
        ] {
            let (got, read) = items(json, path);
            assert_eq!(
                (got, read.end, read.mismatches),
                (
                    expected.into_iter().map(str::to_owned).collect(),
                    End::Whole,
                    0
                ),
                "{json}"
            );
        }
        assert!(parse_path("orderedItems").is_err());
    }

    #[test]
    fn what_is_around_an_item_is_that_of_its_own_object() {
        let json = r#"{"id": 9, "l": [{"id": 1, "x": [7], "m": [1, 2]}, {"m": [3], "id": 2}, {"id": {"a": [1]}, "m": [4]}]}"#;
        let mut got = Vec::new();
        let path = parse_path("/l/*/m/*").unwrap();
        each_item_within(
            json.as_bytes(),
            &path,
            &["id"],
            100,
            &mut |around, _, item, _| {
                got.push(format!(
                    "{item} {}",
                    around.get("id").unwrap_or(&Value::Null)
                ));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(got, ["1 1", "2 1", "3 null", "4 {\"a\":[1]}"]);
    }

    #[test]
    fn another_type_than_the_path_names_is_counted() {
        for json in [
            "7",
            r#"{"orderedItems": {"a": 1}}"#,
            r#"{"orderedItems": "x"}"#,
            r#"{"orderedItems": null}"#,
        ] {
            let (got, read) = items(json, "/orderedItems/*");
            let inside = usize::from(json.contains(": {"));
            assert_eq!(
                (got.len(), read.mismatches as usize),
                (inside, 1 - inside),
                "{json}"
            );
        }
        assert_eq!(items("[[1]]", "/a").1.mismatches, 1);
    }

    #[test]
    fn a_document_that_breaks_off_gives_what_came_before() {
        let (got, read) = items(r#"{"orderedItems": [1, 2, {"x": "#, "/orderedItems/*");
        assert_eq!(got, ["1", "2"]);
        assert!(
            matches!(read.end, End::Broken(why) if why.contains("after item 2") && why.contains("line 1"))
        );
        assert!(matches!(items("", "/*").1.end, End::Broken(_)));
        assert!(matches!(items("[1] x", "/*").1.end, End::Broken(_)));
    }

    #[test]
    fn strange_items_do_not_stop_the_document() {
        let deep = format!(
            "[1e999, \"\\ud800\", {}1{}, 5]",
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        assert_eq!(items(&deep, "/*").0.len(), 4);
        let (got, read) = {
            let mut got = Vec::new();
            let read = each_item(
                &b"[\"caf\xe9\", 2]"[..],
                &[Step::Each],
                100,
                &mut |_, item, _| {
                    got.push(item.to_owned());
                    Ok(())
                },
            );
            (got, read.unwrap())
        };
        assert_eq!((got.len(), read.replaced), (2, 1));
    }

    #[test]
    fn an_endless_item_is_refused_and_a_long_ignored_value_is_not() {
        let long = "x".repeat(1 << 18);
        let (got, read) = items(
            &format!(r#"{{"skip": "{long}", "a": [1, "{long}", 2]}}"#),
            "/a/*",
        );
        assert_eq!(got, ["1"]);
        assert!(matches!(read.end, End::Broken(why) if why.contains("more than")));
        assert_eq!(
            items(&format!(r#"{{"skip": ["{long}"], "a": [1]}}"#), "/a/*").0,
            ["1"]
        );
    }

    #[test]
    fn records_are_found_where_an_array_of_objects_is() {
        for (json, path) in [
            (r#"[{"a": [{"b": 1}]}, {}]"#, Some("/*")),
            (
                r#"{"n": 1, "tags": ["x"], "data": {"it/ems": [{"a": 1}]}}"#,
                Some("/data/it~1ems/*"),
            ),
            (r#"{"a": 1, "b": ["x", {"c": 1}]}"#, Some("")),
            ("[1, 2]", None),
            ("[]", None),
            ("7", None),
            ("{broken", None),
            (r#"{"a": {"b": {"c": {"d": {"e": [{}]}}}}}"#, Some("")),
        ] {
            assert_eq!(
                find_records(json.as_bytes(), 1 << 16).as_deref(),
                path,
                "{json}"
            );
        }
    }

    #[test]
    fn the_reader_can_be_stopped() {
        let stopped = each_item(&b"[1,2,3]"[..], &[Step::Each], 100, &mut |n, _, _| {
            if n == 1 {
                Err(ImportError::Cancelled)
            } else {
                Ok(())
            }
        });
        assert!(matches!(stopped, Err(ImportError::Cancelled)));
    }
}
