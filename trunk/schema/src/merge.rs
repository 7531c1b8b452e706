use serde::{Deserialize, Serialize};

/// How concurrent writes to an attribute merge, and so which operation a writer uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// One value is shown, concurrent ones stay readable: `Op::Assert`.
    #[default]
    Register,
    /// Members, each once: `Op::Insert`.
    Set,
    /// A sum: `Op::Add`.
    Counter,
    /// Elements in order: `Op::List`.
    List,
}

/// How many values of an attribute an entity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cardinality {
    /// One at most.
    One,
    /// Any number.
    Many,
}

impl Merge {
    /// The name used in schemas.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Set => "set",
            Self::Counter => "counter",
            Self::List => "list",
        }
    }

    /// The merge type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Register, Self::Set, Self::Counter, Self::List]
            .into_iter()
            .find(|merge| merge.as_str() == name)
    }

    /// How many values an entity has under this merge type.
    pub fn cardinality(self) -> Cardinality {
        match self {
            Self::Register | Self::Counter => Cardinality::One,
            Self::Set | Self::List => Cardinality::Many,
        }
    }
}
