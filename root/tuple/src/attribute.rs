use crate::{TupleError, limits::MAX_ATTRIBUTE_LEN};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, str::FromStr, sync::Arc};

/// The name of an attribute, usually `namespace/name`: 1 to 255 bytes of UTF-8 without white space or control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Attribute(Arc<str>);

impl Attribute {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TupleError::Attribute`] if it is empty, too long, or holds white space or control characters.
    pub fn new(name: &str) -> Result<Self, TupleError> {
        let fits = !name.is_empty() && name.len() <= MAX_ATTRIBUTE_LEN;
        if fits && !name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            Ok(Self(name.into()))
        } else {
            Err(TupleError::Attribute(name.chars().take(80).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Attribute {
    type Err = TupleError;
    fn from_str(s: &str) -> Result<Self, TupleError> {
        Self::new(s)
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::new(&name).map_err(D::Error::custom)
    }
}
