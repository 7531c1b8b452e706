//! Values as JSON in results, and JSON as values in inputs.

use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

use crate::instant;

/// A value as a result cell: entities are plain `"rz:…"` strings and times plain integers of milliseconds since 1970.
pub fn cell(value: &Value) -> Json {
    match value {
        Value::Boolean(b) => Json::Bool(*b),
        Value::Integer(i) | Value::Time(i) => Json::from(*i),
        Value::Float(x) => Json::from(*x),
        Value::Text(s) => Json::from(s.as_str()),
        Value::Bytes(b) => json!({ "bytes": data_encoding::BASE64.encode(b) }),
        Value::Ref(e) => Json::from(e.to_string()),
        Value::Blob(cid) => json!({ "blob": cid.to_string() }),
    }
}

/// A value so that its type can be seen: as [`cell`], entities and times tagged.
pub fn stored(value: &Value) -> Json {
    match value {
        Value::Time(ms) => json!({ "time": ms }),
        Value::Ref(e) => json!({ "ref": e.to_string() }),
        other => cell(other),
    }
}

/// A value from JSON: the stored form (`{"time": …}`, `{"bytes": …}`, `{"ref": …}`, `{"blob": …}`) or plain JSON, where text that
/// reads as an entity id is that entity.
pub fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Bool(b) => Value::Boolean(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Integer(i),
            None => Value::float(n.as_f64()?).ok()?,
        },
        Json::String(s) => match s.parse::<EntityId>() {
            Ok(id) => Value::Ref(id),
            Err(_) => Value::Text(s.clone()),
        },
        Json::Object(map) => {
            let (key, inner) = map.iter().next().filter(|_| map.len() == 1)?;
            match (key.as_str(), inner) {
                ("time", Json::Number(n)) => Value::Time(n.as_i64()?),
                ("time", Json::String(s)) => Value::Time(instant::parse(s)?),
                ("bytes", Json::String(s)) => {
                    Value::Bytes(data_encoding::BASE64.decode(s.as_bytes()).ok()?)
                }
                ("ref", Json::String(s)) => Value::Ref(s.parse().ok()?),
                ("blob", Json::String(s)) => Value::Blob(s.parse().ok()?),
                _ => return None,
            }
        }
        Json::Null | Json::Array(_) => return None,
    })
}

/// What a piece of JSON is, for error messages.
pub fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".into(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::String(s) => format!("the text {:?}", s.chars().take(40).collect::<String>()),
        Json::Array(a) => format!("an array of {}", a.len()),
        Json::Object(o) => match o.keys().next() {
            Some(k) => format!("an object with {k:?}"),
            None => "an empty object".into(),
        },
    }
}
