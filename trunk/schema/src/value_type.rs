use rhizome_tuple::Value;
use serde::{Deserialize, Serialize};

/// What an attribute may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// Any value.
    #[default]
    Any,
    /// True or false.
    Boolean,
    /// A 64-bit signed integer.
    Integer,
    /// A finite float; integers are not taken for floats.
    Float,
    /// Milliseconds since 1970.
    Time,
    /// UTF-8 text.
    Text,
    /// A byte string.
    Bytes,
    /// Another entity.
    Ref,
    /// A large file.
    Blob,
}

impl ValueType {
    const ALL: [Self; 9] = [
        Self::Any,
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::Time,
        Self::Text,
        Self::Bytes,
        Self::Ref,
        Self::Blob,
    ];

    /// The type of `value`.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Boolean(_) => Self::Boolean,
            Value::Integer(_) => Self::Integer,
            Value::Float(_) => Self::Float,
            Value::Time(_) => Self::Time,
            Value::Text(_) => Self::Text,
            Value::Bytes(_) => Self::Bytes,
            Value::Ref(_) => Self::Ref,
            Value::Blob(_) => Self::Blob,
        }
    }

    /// Whether an attribute of this type may hold `value`.
    pub fn admits(self, value: &Value) -> bool {
        self == Self::Any || self == Self::of(value)
    }

    /// The name used in schemas.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Time => "time",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Ref => "ref",
            Self::Blob => "blob",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.as_str() == name)
    }
}
