//! The `tx` format: an array of `{"assert": {"entity": …, "attribute": …, "value": …}}` and its sisters.

use std::str::FromStr;

use rhizome_tuple::{Attribute, EntityId, Value};
use serde_json::{Map, Value as Json};

use super::{ValueError, from_json};

/// Changes in one transaction.
pub const MAX_CHANGES: usize = 1_000_000;
/// Bytes of a name such as `_:post`.
const MAX_NAME: usize = 256;

/// What a change is about: an entity, or one that this transaction makes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// `"rz:…"`
    Known(EntityId),
    /// `"_:name"`: the same name in one transaction is the same new entity.
    New(String),
}

/// A value, or a reference to an entity that this transaction makes.
#[derive(Clone, PartialEq, Debug)]
pub enum TxValue {
    /// Any value.
    Plain(Value),
    /// `{"ref": "_:name"}`
    NewRef(String),
}

/// What to do to an entity.
#[derive(Clone, PartialEq, Debug)]
pub enum ChangeKind {
    /// Set an attribute; a set, counter or list (by schema) takes the value in its own way.
    Assert(Attribute, TxValue),
    /// Take back one value, or all.
    Retract(Attribute, Option<TxValue>),
    /// Put a member into a set.
    Insert(Attribute, TxValue),
    /// Add to a counter.
    Add(Attribute, i64),
    /// Append to a list.
    Push(Attribute, TxValue),
    /// Make a list hold just these, in this order.
    List(Attribute, Vec<TxValue>),
    /// Delete all that was ever said of it, its history included, on every device and every peer.
    Erase,
}

/// One change of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The entity.
    pub entity: Subject,
    /// What to do.
    pub kind: ChangeKind,
}

/// Why a transaction cannot be read. Indexes count from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// It is not JSON.
    #[error("the transaction is not JSON: {0}")]
    Json(String),
    /// It is not an array.
    #[error(
        "a transaction is an array such as [{{\"assert\": {{\"entity\": \"_:a\", \"attribute\": \"x/y\", \"value\": 5}}}}]"
    )]
    NotAnArray,
    /// It has more than [`MAX_CHANGES`] changes.
    #[error("a transaction has at most {MAX_CHANGES} changes: split it")]
    TooMany,
    /// One change is wrong.
    #[error("change {index}: {what}")]
    At {
        /// Its place in the array.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a transaction.
pub fn parse_changes(json: &Json) -> Result<Vec<Change>, ChangeError> {
    let Json::Array(items) = json else {
        return Err(ChangeError::NotAnArray);
    };
    if items.len() > MAX_CHANGES {
        return Err(ChangeError::TooMany);
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| change(item).map_err(|what| ChangeError::At { index, what }))
        .collect()
}

const VERBS: [&str; 7] = [
    "assert", "retract", "insert", "add", "push", "list", "erase",
];

fn change(item: &Json) -> Result<Change, String> {
    let verb_wanted = || {
        "expected an object with one of assert, retract, insert, add, push, list, erase".to_owned()
    };
    let members = item.as_object().ok_or_else(verb_wanted)?;
    let mut all = members.iter();
    let (Some((verb, body)), None) = (all.next(), all.next()) else {
        return Err(verb_wanted());
    };
    if !VERBS.contains(&verb.as_str()) {
        return Err(verb_wanted());
    }
    let body = body
        .as_object()
        .ok_or_else(|| format!("`{verb}` holds an object with entity, attribute and value"))?;
    let known: &[&str] = match verb.as_str() {
        "erase" => &["entity"],
        _ => &["entity", "attribute", "value"],
    };
    if let Some(other) = body.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(format!(
            "`{verb}` has no member `{}`",
            other.chars().take(40).collect::<String>()
        ));
    }
    let attribute = || Attribute::new(text(body, "attribute")?).map_err(|e| e.to_string());
    let kind = match verb.as_str() {
        "assert" => {
            let value = value(body)?;
            ChangeKind::Assert(attribute()?, value)
        }
        "retract" => {
            let value = body.get("value").map(tx_value).transpose()?;
            ChangeKind::Retract(attribute()?, value)
        }
        "insert" => {
            let value = value(body)?;
            ChangeKind::Insert(attribute()?, value)
        }
        "add" => {
            let n = body.get("value").and_then(Json::as_i64);
            let n = n.ok_or("`add` needs an integer as value")?;
            ChangeKind::Add(attribute()?, n)
        }
        "push" => {
            let value = value(body)?;
            ChangeKind::Push(attribute()?, value)
        }
        "erase" => ChangeKind::Erase,
        "list" => ChangeKind::List(
            attribute()?,
            body.get("value")
                .and_then(Json::as_array)
                .ok_or("`list` needs an array as value")?
                .iter()
                .map(tx_value)
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(verb_wanted()),
    };
    Ok(Change {
        entity: subject(text(body, "entity")?)?,
        kind,
    })
}

fn text<'a>(body: &'a Map<String, Json>, member: &str) -> Result<&'a str, String> {
    body.get(member)
        .and_then(Json::as_str)
        .ok_or_else(|| format!("`{member}` is missing or not text"))
}

fn subject(text: &str) -> Result<Subject, String> {
    match new_name(text)? {
        Some(name) => Ok(Subject::New(name)),
        None => EntityId::from_str(text)
            .map(Subject::Known)
            .map_err(|e| e.to_string()),
    }
}

fn new_name(text: &str) -> Result<Option<String>, String> {
    let Some(name) = text.strip_prefix("_:") else {
        return Ok(None);
    };
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("a name after `_:` has 1 to {MAX_NAME} bytes"));
    }
    Ok(Some(text.to_owned()))
}

fn value(body: &Map<String, Json>) -> Result<TxValue, String> {
    body.get("value")
        .ok_or_else(|| "`value` is missing".to_owned())
        .and_then(tx_value)
}

fn tx_value(json: &Json) -> Result<TxValue, String> {
    if let Some(Json::String(text)) = json
        .as_object()
        .filter(|o| o.len() == 1)
        .and_then(|o| o.get("ref"))
        && let Some(name) = new_name(text)?
    {
        return Ok(TxValue::NewRef(name));
    }
    from_json(json)
        .map(TxValue::Plain)
        .map_err(|e: ValueError| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_does_not_echo_what_it_refuses() {
        let long = "x".repeat(100_000);
        for change in [
            json!([{ long.clone(): {} }]),
            json!([{ long.clone(): 1 }]),
            json!([{ "assert": { long.clone(): 1 } }]),
            json!([{ "assert": { "entity": long.clone(), "attribute": "x", "value": 1 } }]),
            json!([{ "assert": { "entity": "_:a", "attribute": long.clone(), "value": 1 } }]),
            json!([{ "assert": { "entity": "_:a", "attribute": "x", "value": { "time": long } } }]),
        ] {
            let refused = parse_changes(&change).unwrap_err().to_string();
            assert!(refused.len() < 300, "{refused}");
        }
    }

    #[test]
    fn reads_every_verb() {
        let attribute = |name: &str| Attribute::new(name).unwrap();
        let id = EntityId::derive("did:x", b"n");
        let changes = parse_changes(&json!([
            { "assert": { "entity": "_:a", "attribute": "x/y", "value": { "ref": "_:b" } } },
            { "retract": { "entity": id.to_string(), "attribute": "x/y" } },
            { "retract": { "entity": id.to_string(), "attribute": "x/y", "value": 5 } },
            { "insert": { "entity": "_:a", "attribute": "x/tag", "value": "t" } },
            { "add": { "entity": "_:a", "attribute": "x/n", "value": -3 } },
            { "push": { "entity": "_:a", "attribute": "x/l", "value": true } },
            { "list": { "entity": "_:a", "attribute": "x/l", "value": [1, { "ref": "_:a" }] } },
            { "erase": { "entity": id.to_string() } },
        ]))
        .unwrap();
        assert_eq!(changes[0].entity, Subject::New("_:a".into()));
        assert_eq!(
            changes[0].kind,
            ChangeKind::Assert(attribute("x/y"), TxValue::NewRef("_:b".into()))
        );
        assert_eq!(changes[1].entity, Subject::Known(id));
        assert_eq!(changes[1].kind, ChangeKind::Retract(attribute("x/y"), None));
        assert_eq!(changes[4].kind, ChangeKind::Add(attribute("x/n"), -3));
        assert_eq!(changes[7].kind, ChangeKind::Erase);
        let ChangeKind::List(_, items) = &changes[6].kind else {
            panic!()
        };
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn says_which_change_is_wrong_and_how() {
        let cases = [
            (json!({}), "an array"),
            (json!([{ "assert": {} }]), "change 0: `value` is missing"),
            (
                json!([{ "assert": { "value": 1, "attribute": "a", "entity": "me" } }]),
                "change 0",
            ),
            (
                json!([{ "assert": { "value": 1, "attribute": "a b", "entity": "_:a" } }]),
                "change 0",
            ),
            (
                json!([{ "assert": { "value": 1, "attribute": "a", "entity": "_:" } }]),
                "after `_:`",
            ),
            (
                json!([{ "assert": { "value": 1, "attribute": "a", "entity": "_:a", "when": 1 } }]),
                "no member `when`",
            ),
            (
                json!([{ "assert": { "value": null, "attribute": "a", "entity": "_:a" } }]),
                "null is not a value",
            ),
            (
                json!([{ "assert": 1, "retract": 1 }]),
                "expected an object with one of",
            ),
            (
                json!([{ "frobnicate": { "entity": "_:a", "attribute": "a" } }]),
                "expected an object with one of",
            ),
            (
                json!([{ "add": { "entity": "_:a", "attribute": "a", "value": 1.5 } }]),
                "integer",
            ),
            (
                json!([{ "erase": { "entity": "_:a", "attribute": "a" } }]),
                "no member `attribute`",
            ),
        ];
        for (json, message) in cases {
            let error = parse_changes(&json).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
    }
}
