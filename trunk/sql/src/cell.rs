//! Values of a table, and how those of a pod become such.

use data_encoding::BASE64;
use serde_json::Value as Json;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing has been seen in it yet.
    Unknown,
    /// True or false.
    Boolean,
    /// 64 bits with a sign.
    Integer,
    /// A double.
    Real,
    /// Text: also of entities and of files (their CID).
    Text,
    /// A moment, to the millisecond.
    Time,
    /// Bytes.
    Bytes,
    /// Anything nested, and lists.
    Json,
}

impl Kind {
    /// As it is noted beside the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Json => "json",
        }
    }

    /// Reads [`Self::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::Unknown,
            Self::Boolean,
            Self::Integer,
            Self::Real,
            Self::Text,
            Self::Time,
            Self::Bytes,
            Self::Json,
        ];
        all.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of a column that has held `self` and is to hold `other`: two different ones make text.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, kind) | (kind, Self::Unknown) => kind,
            (one, same) if one == same => one,
            _ => Self::Text,
        }
    }
}

/// A value in a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// 64 bits with a sign.
    Integer(i64),
    /// A double.
    Real(f64),
    /// Text.
    Text(String),
    /// Milliseconds since 1970 UTC, within the years that both databases know.
    Time(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Anything nested.
    Json(Json),
}

/// The years 1 to 9999: what PostgreSQL, SQLite's date functions and most that read them can hold.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

impl Cell {
    /// From a cell of a live result in which values are in their stored form. `time`: plain integers are milliseconds.
    pub fn from_json(json: &Json, time: bool) -> Self {
        let tagged = json.as_object().filter(|members| members.len() == 1);
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Boolean(*b),
            Json::Number(n) => match (n.as_i64(), time) {
                (Some(ms), true) if TIMES.contains(&ms) => Self::Time(ms),
                (Some(i), _) => Self::Integer(i),
                (None, _) => n
                    .as_f64()
                    .map_or_else(|| Self::Text(n.to_string()), Self::Real),
            },
            Json::String(s) => Self::Text(s.clone()),
            Json::Array(_) => Self::Json(json.clone()),
            Json::Object(_) => tagged
                .and_then(|members| members.iter().next())
                .and_then(|(kind, inner)| Self::tagged(kind, inner))
                .unwrap_or_else(|| Self::Json(json.clone())),
        }
    }

    fn tagged(kind: &str, inner: &Json) -> Option<Self> {
        match (kind, inner) {
            ("time", Json::Number(n)) => {
                let ms = n.as_i64()?;
                Some(if TIMES.contains(&ms) {
                    Self::Time(ms)
                } else {
                    Self::Integer(ms)
                })
            }
            ("ref" | "blob", Json::String(s)) => Some(Self::Text(s.clone())),
            ("bytes", Json::String(s)) => BASE64.decode(s.as_bytes()).ok().map(Self::Bytes),
            _ => None,
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Unknown,
            Self::Boolean(_) => Kind::Boolean,
            Self::Integer(_) => Kind::Integer,
            Self::Real(_) => Kind::Real,
            Self::Text(_) => Kind::Text,
            Self::Time(_) => Kind::Time,
            Self::Bytes(_) => Kind::Bytes,
            Self::Json(_) => Kind::Json,
        }
    }

    /// As a column of this kind holds it: anything that is not of it is there as text.
    #[must_use]
    pub fn fit(self, kind: Kind) -> Self {
        if matches!(self, Self::Null) || self.kind() == kind {
            return self;
        }
        Self::Text(match self {
            Self::Null => String::new(),
            Self::Boolean(b) => b.to_string(),
            Self::Integer(i) => i.to_string(),
            Self::Real(x) => Json::from(x).to_string(),
            Self::Text(s) => s,
            Self::Time(ms) => iso(ms),
            Self::Bytes(b) => BASE64.encode(&b),
            Self::Json(json) => json.to_string(),
        })
    }

    /// Whether both are the same value.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) | (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Json(a), Self::Json(b)) => same_json(a, b),
            _ => false,
        }
    }
}

/// A database may write a number otherwise, and the members of an object in another order.
fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Json::Array(x), Json::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_json(x, y))
        }
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len()
                && x.iter()
                    .all(|(k, x)| y.get(k).is_some_and(|y| same_json(x, y)))
        }
        _ => a == b,
    }
}

/// `2022-07-28T05:35:52.000Z`: always to the millisecond, so that texts are in the order of the moments.
pub fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_a_pod_have_kinds() {
        let cases = [
            (json!(null), Kind::Unknown),
            (json!(true), Kind::Boolean),
            (json!(5), Kind::Integer),
            (json!(5.5), Kind::Real),
            (json!("x"), Kind::Text),
            (json!({ "time": 5 }), Kind::Time),
            (json!({ "time": i64::MAX }), Kind::Integer),
            (json!({ "ref": "rz:1" }), Kind::Text),
            (json!({ "blob": "bafk" }), Kind::Text),
            (json!({ "bytes": "AAE=" }), Kind::Bytes),
            (json!({ "bytes": "no base64" }), Kind::Json),
            (json!({ "time": 5, "x": 1 }), Kind::Json),
            (json!([1, 2]), Kind::Json),
        ];
        for (json, kind) in cases {
            assert_eq!(Cell::from_json(&json, false).kind(), kind, "{json}");
        }
        assert_eq!(Cell::from_json(&json!(5), true).kind(), Kind::Time);
    }

    #[test]
    fn what_does_not_fit_is_text() {
        let cases = [
            (json!(5), "5"),
            (json!(1.0), "1.0"),
            (
                json!({ "time": 1_658_986_552_000_i64 }),
                "2022-07-28T05:35:52.000Z",
            ),
            (json!({ "bytes": "AAE=" }), "AAE="),
            (json!({ "a": [1] }), r#"{"a":[1]}"#),
        ];
        for (json, text) in cases {
            let fitted = Cell::from_json(&json, false).fit(Kind::Text);
            assert!(fitted.is(&Cell::Text(text.into())), "{fitted:?}");
        }
        assert_eq!(Kind::Integer.with(Kind::Real), Kind::Text);
        assert_eq!(Kind::Unknown.with(Kind::Time), Kind::Time);
    }

    #[test]
    fn a_number_written_otherwise_is_the_same() {
        let (a, b) = (
            json!({ "x": 1e16, "y": [1] }),
            json!({ "y": [1], "x": 10_000_000_000_000_000_u64 }),
        );
        assert!(Cell::Json(a).is(&Cell::Json(b)));
        assert!(!Cell::Json(json!([1])).is(&Cell::Json(json!([1, 2]))));
    }
}
