//! Values in the JSON form of the command line.

use rhizome_tuple::Value;
use serde_json::json;

/// `true`, `5`, `2.5`, `"text"`, `{"time": ms}`, `{"bytes": base64}`, `{"ref": "rz:…"}`, `{"blob": "b…"}`. Texts over 500
/// characters are cut with an ellipsis: a report is read by people.
pub fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(b) => json!(b),
        Value::Integer(i) => json!(i),
        Value::Float(x) => json!(x),
        Value::Time(ms) => json!({ "time": ms }),
        Value::Text(text) => match text.char_indices().nth(500) {
            Some((end, _)) => json!(format!("{}…", text.get(..end).unwrap_or_default())),
            None => json!(text),
        },
        Value::Bytes(bytes) => {
            let head = bytes.get(..500).unwrap_or(bytes);
            json!({ "bytes": data_encoding::BASE64.encode(head) })
        }
        Value::Ref(entity) => json!({ "ref": entity.to_string() }),
        Value::Blob(cid) => json!({ "blob": cid.to_string() }),
    }
}
