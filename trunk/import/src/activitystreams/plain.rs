//! The many ways of writing the same object, as one.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::time::{parse_any_time, parse_time};

/// Collections in collections.
const DEPTH: usize = 8;

/// What an object is: its type, of several the first.
pub fn kind(object: &Map<String, Value>) -> Option<&str> {
    match object.get("type").or(object.get("@type"))? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().find_map(Value::as_str),
        _ => None,
    }
}

/// What something is called: itself where it is an address, the id or address of an object, that of the first in a list.
pub fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Object(object) => ["id", "@id", "url", "href"]
            .iter()
            .find_map(|name| id_of(object.get(*name).filter(|of| !of.is_object()))),
        Value::Array(many) => many
            .iter()
            .filter(|one| !one.is_array())
            .find_map(|one| id_of(Some(one))),
        _ => None,
    }
}

/// The objects in a document that are no collections, in order; gives how many things in it are no objects.
pub fn leaves(value: Value, found: &mut Vec<Map<String, Value>>) -> u64 {
    enter(value, DEPTH, found)
}

fn enter(value: Value, depth: usize, found: &mut Vec<Map<String, Value>>) -> u64 {
    match value {
        Value::Array(many) if depth > 0 => {
            let many = many.into_iter();
            many.map(|one| enter(one, depth - 1, found)).sum()
        }
        Value::Object(mut object) if depth > 0 => {
            let collection = kind(&object).is_some_and(|kind| {
                let kind = kind.strip_prefix("Ordered").unwrap_or(kind);
                kind == "Collection" || kind == "CollectionPage"
            });
            if !collection {
                found.push(object);
                return 0;
            }
            let mut other = 0;
            for name in ["orderedItems", "items", "first"] {
                match object.remove(name) {
                    None | Some(Value::Null) => {}
                    // The address of the first page.
                    Some(Value::String(_)) if name == "first" => {}
                    Some(inside) => other += enter(inside, depth - 1, found),
                }
            }
            other
        }
        _ => 1,
    }
}

/// An object as Mastodon would write it: its id and author as given, one address, one parent, pictures among `attachments`
/// where it names a field for them, times with a zone.
pub fn plain(
    object: &Map<String, Value>,
    id: &str,
    author: &str,
    attachments: &str,
) -> Map<String, Value> {
    let mut plain = object.clone();
    plain.insert("id".to_owned(), id.into());
    if !author.is_empty() {
        plain.insert("attributedTo".to_owned(), author.into());
    }
    for name in ["url", "inReplyTo"] {
        if let Some(value) = plain.get(name).filter(|value| !value.is_string()) {
            match id_of(Some(value)) {
                Some(one) => plain.insert(name.to_owned(), one.into()),
                None => plain.remove(name),
            };
        }
    }
    for name in ["published", "updated"] {
        let text = plain.get(name).and_then(Value::as_str);
        let text = text.filter(|text| parse_time(text).is_none());
        let time = text
            .and_then(parse_any_time)
            .map(Timestamp::from_millisecond);
        if let Some(Ok(time)) = time {
            plain.insert(name.to_owned(), time.to_string().into());
        }
    }
    if attachments.is_empty() {
        // Of an actor the first picture counts.
        for name in ["icon", "image"] {
            let first = plain.get(name).and_then(|of| of.get(0)).cloned();
            if let Some(first) = first {
                plain.insert(name.to_owned(), first);
            }
        }
        return plain;
    }
    let mut all: Vec<Value> = Vec::new();
    for name in [attachments, "image"] {
        match plain.remove(name) {
            Some(Value::Array(many)) => all.extend(many),
            Some(Value::Null) | None => {}
            Some(one) => all.push(one),
        }
    }
    let all = all.into_iter().map(|one| match one {
        Value::Object(mut of) => {
            if let Some(url) = of.get("url").filter(|url| !url.is_string()) {
                let url = id_of(Some(url)).map_or(Value::Null, Value::from);
                of.insert("url".to_owned(), url);
            }
            Value::Object(of)
        }
        Value::String(url) => serde_json::json!({ "url": url }),
        other => other,
    });
    let all: Vec<Value> = all.collect();
    if !all.is_empty() {
        plain.insert(attachments.to_owned(), all.into());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_found_however_they_are_written() {
        for (value, id) in [
            (json!("a"), Some("a")),
            (json!({"id": "a", "url": "b"}), Some("a")),
            (json!({"url": ["b"]}), Some("b")),
            (json!([{"type": "Link", "href": "c"}, "d"]), Some("c")),
            (json!(""), None),
            (json!(7), None),
            (json!({"id": {"id": "deep"}}), None),
        ] {
            assert_eq!(id_of(Some(&value)).as_deref(), id, "{value}");
        }
    }

    #[test]
    fn collections_are_what_is_in_them() {
        let value = json!({"type": "OrderedCollection", "first": {"type": "OrderedCollectionPage", "orderedItems": [
            {"type": "Note", "id": "1"}, "https://x.example/2", [{"type": ["Article", "x"], "id": "3"}]]}, "items": null});
        let mut found = Vec::new();
        assert_eq!(leaves(value, &mut found), 1);
        let kinds: Vec<_> = found.iter().filter_map(kind).collect();
        assert_eq!(kinds, ["Note", "Article"]);
        let mut deep = json!({"type": "Note"});
        for _ in 0..20 {
            deep = json!([deep]);
        }
        assert_eq!(leaves(deep, &mut found), 1);
    }
}
