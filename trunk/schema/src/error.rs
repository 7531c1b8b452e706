/// Why a schema or a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A schema document is not JSON of the expected shape.
    #[error("the schema document is not usable: {0}")]
    Document(String),
    /// A schema document contradicts itself.
    #[error("schema {schema}: {why}")]
    Inconsistent {
        /// The schema's id.
        schema: String,
        /// What contradicts what.
        why: String,
    },
    /// Two schemas describe one attribute differently.
    #[error("{attribute} is already described by {by}: use another name or the same description")]
    Taken {
        /// The attribute.
        attribute: String,
        /// The schema that has it.
        by: String,
    },
    /// A value of another type than the attribute's.
    #[error("{attribute} holds {expected}, not {found}")]
    Type {
        /// The attribute.
        attribute: String,
        /// Its type.
        expected: &'static str,
        /// The value's type.
        found: &'static str,
    },
    /// A text that is none of the attribute's values.
    #[error("{attribute} is one of {}, not {found:?}", values.join(", "))]
    NotOneOf {
        /// The attribute.
        attribute: String,
        /// What it may be.
        values: Vec<String>,
        /// What it was, shortened.
        found: String,
    },
    /// A value the attribute's merge type cannot carry.
    #[error("{attribute} is a counter: add an integer")]
    Counter {
        /// The attribute.
        attribute: String,
    },
}
