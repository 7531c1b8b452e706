//! Values as JSON in results.

use rhizome_tuple::Value;
use serde_json::{Value as Json, json};

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
