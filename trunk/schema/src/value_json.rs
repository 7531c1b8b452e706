//! Values as JSON: in the API, in transactions, in exports.

use std::str::FromStr;

use data_encoding::BASE64;
use rhizome_ipld::{Cid, RAW};
use rhizome_tuple::{EntityId, Value};
use serde_json::{Value as Json, json};

use self::ValueError as E;

/// A piece of JSON that is no value, and what would be one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// `null` or an array.
    #[error(
        "{0} is not a value: use true, 5, 2.5, \"text\", {{\"time\": …}}, {{\"ref\": …}}, {{\"blob\": …}} or {{\"bytes\": …}}"
    )]
    Kind(&'static str),
    /// An object with other members than one of the four.
    #[error("an object as a value has exactly one member: time, ref, blob or bytes")]
    Object,
    /// A number that is neither a 64-bit integer nor a finite float.
    #[error("the number {0} is out of range: integers have 64 bits with a sign")]
    Number(String),
    /// `{"time": …}` holds neither milliseconds nor an RFC 3339 date.
    #[error(
        "{0} is not a time: use milliseconds since 1970 or a date such as \"2026-11-20T12:00:00Z\""
    )]
    Time(String),
    /// `{"ref": …}` holds no entity id.
    #[error("{0} is not an entity: ids look like rz: and 39 letters or digits")]
    Ref(String),
    /// `{"blob": …}` holds no CID of a blob.
    #[error("{0} is not a blob: its CID starts with bafkr (raw bytes, BLAKE3)")]
    Blob(String),
    /// `{"bytes": …}` holds no base64.
    #[error("the bytes are not base64 with padding")]
    Bytes,
}

/// Reads a value. Bounds on its size are the tuple crate's question.
pub fn from_json(json: &Json) -> Result<Value, ValueError> {
    match json {
        Json::Null => Err(E::Kind("null")),
        Json::Array(_) => Err(E::Kind("an array")),
        Json::Bool(b) => Ok(Value::Boolean(*b)),
        Json::String(s) => Ok(Value::Text(s.clone())),
        Json::Number(n) => {
            if let Some(i) = n.as_i64() {
                return Ok(Value::Integer(i));
            }
            let out_of_range = || E::Number(n.to_string());
            if n.is_u64() {
                return Err(out_of_range());
            }
            n.as_f64()
                .and_then(|x| Value::float(x).ok())
                .ok_or_else(out_of_range)
        }
        Json::Object(members) => {
            let mut all = members.iter();
            let (Some((kind, inner)), None) = (all.next(), all.next()) else {
                return Err(E::Object);
            };
            match kind.as_str() {
                "time" => time(inner),
                "ref" => text(inner)
                    .and_then(|s| EntityId::from_str(s).ok())
                    .map(Value::Ref)
                    .ok_or_else(|| E::Ref(shown(inner))),
                "blob" => text(inner)
                    .and_then(blob_cid)
                    .map(Value::Blob)
                    .ok_or_else(|| E::Blob(shown(inner))),
                "bytes" => text(inner)
                    .and_then(|s| BASE64.decode(s.as_bytes()).ok())
                    .map(Value::Bytes)
                    .ok_or(E::Bytes),
                _ => Err(E::Object),
            }
        }
    }
}

/// Writes a value so that [`from_json`] reads the same one back.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Boolean(b) => Json::from(*b),
        Value::Integer(i) => Json::from(*i),
        Value::Float(x) => Json::from(*x),
        Value::Text(s) => Json::from(s.as_str()),
        Value::Time(ms) => json!({ "time": ms }),
        Value::Bytes(b) => json!({ "bytes": BASE64.encode(b) }),
        Value::Ref(e) => json!({ "ref": e.to_string() }),
        Value::Blob(cid) => json!({ "blob": cid.to_string() }),
    }
}

fn time(inner: &Json) -> Result<Value, ValueError> {
    let ms = match inner {
        Json::Number(n) => n.as_i64(),
        Json::String(s) => rfc3339_ms(s),
        _ => None,
    };
    ms.map(Value::Time).ok_or_else(|| E::Time(shown(inner)))
}

/// Milliseconds of an RFC 3339 date and time, rounded down.
fn rfc3339_ms(text: &str) -> Option<i64> {
    let at = text.parse::<jiff::Timestamp>().ok()?;
    i64::try_from(at.as_nanosecond().div_euclid(1_000_000)).ok()
}

/// Only what a blob store can hold: raw bytes under their BLAKE3 hash.
pub fn blob_cid(text: &str) -> Option<Cid> {
    let cid = Cid::from_str(text).ok()?;
    (cid.codec() == RAW
        && cid.hash().code() == rhizome_ipld::BLAKE3
        && cid.hash().digest().len() == 32)
        .then_some(cid)
}

fn text(json: &Json) -> Option<&str> {
    json.as_str()
}

/// A hostile text, made fit for a message.
fn shown(json: &Json) -> String {
    json.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let values = [
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Float(2.5),
            Value::Time(-5),
            Value::from("text \u{1f33f}"),
            Value::Bytes(vec![0, 255]),
            Value::Ref(EntityId::derive("did:x", b"n")),
            Value::Blob(rhizome_ipld::cid_raw_blake3([7; 32])),
        ];
        for value in values {
            assert_eq!(from_json(&to_json(&value)), Ok(value));
        }
    }

    #[test]
    fn times_are_read_in_both_forms() {
        for (json, ms) in [
            (json!({ "time": 1_500 }), 1_500),
            (json!({ "time": "1970-01-01T00:00:01.5Z" }), 1_500),
            (json!({ "time": "1970-01-01T01:00:00+01:00" }), 0),
            (json!({ "time": "1969-12-31T23:59:59.999Z" }), -1),
        ] {
            assert_eq!(from_json(&json), Ok(Value::Time(ms)));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for bad in [
            json!(null),
            json!([1]),
            json!({}),
            json!({ "time": 1, "ref": "x" }),
            json!({ "time": "yesterday" }),
            json!({ "time": 1.5 }),
            json!({ "ref": "rz:abc" }),
            json!({ "blob": "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" }),
            json!({ "bytes": "?" }),
            json!({ "other": 1 }),
            json!(u64::MAX),
        ] {
            assert!(from_json(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn negative_zero_is_zero() {
        assert_eq!(from_json(&json!(-0.0)), Ok(Value::Float(0.0)));
    }
}
