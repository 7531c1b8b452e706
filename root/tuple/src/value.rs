use crate::{EntityId, TupleError, limits::MAX_VALUE_LEN};
use rhizome_ipld::Cid;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple,
};
use std::fmt;

/// What an attribute of an entity may hold.
///
/// In DAG-CBOR booleans, integers, floats, text and byte strings are themselves, a blob is a link, a reference is `[0, bytes]` and a
/// time is `[1, integer]`. `[2, …]` is reserved for references into other pods.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A 64-bit signed integer.
    Integer(i64),
    /// A finite 64-bit float; negative zero is stored as zero.
    Float(f64),
    /// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    Time(i64),
    /// UTF-8 text of at most 1 MiB.
    Text(String),
    /// At most 1 MiB of bytes.
    Bytes(Vec<u8>),
    /// Another entity of this pod.
    Ref(EntityId),
    /// A large file by the CID of its content (raw codec, BLAKE3).
    Blob(Cid),
}

impl Value {
    /// A float value.
    ///
    /// # Errors
    /// [`TupleError::NotFinite`] for infinities and NaN.
    pub fn float(x: f64) -> Result<Self, TupleError> {
        if x.is_finite() {
            Ok(Self::Float(x + 0.0))
        } else {
            Err(TupleError::NotFinite(x))
        }
    }

    /// Checks what the type cannot: sizes and finiteness.
    pub(crate) fn check(&self) -> Result<(), TupleError> {
        match self {
            Self::Text(s) if s.len() > MAX_VALUE_LEN => Err(TupleError::ValueTooLarge(s.len())),
            Self::Bytes(b) if b.len() > MAX_VALUE_LEN => Err(TupleError::ValueTooLarge(b.len())),
            Self::Float(x) if !x.is_finite() => Err(TupleError::NotFinite(*x)),
            _ => Ok(()),
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::Text(s.to_owned())
    }
}
impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::Text(s)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Boolean(b)
    }
}
impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Integer(i)
    }
}
impl From<EntityId> for Value {
    fn from(e: EntityId) -> Self {
        Self::Ref(e)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(b) => s.serialize_bool(*b),
            Self::Integer(i) => s.serialize_i64(*i),
            // normalised here too, because the variant can be built without `Value::float`
            Self::Float(x) => s.serialize_f64(*x + 0.0),
            Self::Text(t) => s.serialize_str(t),
            Self::Bytes(b) => s.serialize_bytes(b),
            Self::Blob(c) => c.serialize(s),
            Self::Ref(e) => {
                let mut t = s.serialize_tuple(2)?;
                t.serialize_element(&0u8)?;
                t.serialize_element(e)?;
                t.end()
            }
            Self::Time(ms) => {
                let mut t = s.serialize_tuple(2)?;
                t.serialize_element(&1u8)?;
                t.serialize_element(ms)?;
                t.end()
            }
        }
    }
}

struct ValueVisitor;
impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tuple value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Boolean(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Integer(v))
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Value, E> {
        i64::try_from(v)
            .map(Value::Integer)
            .map_err(|_| E::custom("an integer must fit 64 signed bits"))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        if !v.is_finite() || (v == 0.0 && v.is_sign_negative()) {
            return Err(E::custom("a float must be finite and not negative zero"));
        }
        Ok(Value::Float(v))
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        if v.len() > MAX_VALUE_LEN {
            Err(E::custom("text too long"))
        } else {
            Ok(Value::Text(v.to_owned()))
        }
    }
    fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<Value, E> {
        if v.len() > MAX_VALUE_LEN {
            Err(E::custom("byte string too long"))
        } else {
            Ok(Value::Bytes(v.to_vec()))
        }
    }
    // serde_ipld_dagcbor hands over tag 42 as a newtype struct around the CID's bytes
    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        match d.deserialize_bytes(self)? {
            Value::Bytes(b) => Cid::try_from(b).map(Value::Blob).map_err(D::Error::custom),
            _ => Err(D::Error::custom("a link must hold a CID")),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let short = || A::Error::invalid_length(0, &"two elements");
        let value = match seq.next_element::<u8>()?.ok_or_else(short)? {
            0 => Value::Ref(seq.next_element()?.ok_or_else(short)?),
            1 => Value::Time(seq.next_element()?.ok_or_else(short)?),
            k => return Err(A::Error::custom(format_args!("unknown kind of value {k}"))),
        };
        match seq.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("two elements expected")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ValueVisitor)
    }
}
