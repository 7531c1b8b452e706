//! What importers hand over: records with facts, before anything is compared or written.

use std::borrow::Cow;

use rhizome_tuple::{Attribute, EntityId, Value};

use crate::audience::Audience;

/// One thing of an export: it becomes one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What it is, for counting in the report: `post`, `media`, …
    pub kind: Cow<'static, str>,
    /// Which entity it becomes.
    pub identity: Identity,
    /// What the export says about it.
    pub facts: Vec<Fact>,
    /// When it was made, milliseconds since 1970, for the report's date range.
    pub created: Option<i64>,
    /// Who may see it, for the report's counts. The fact `social/audience` is separate.
    pub audience: Option<Audience>,
    /// Whether the entity says itself where it came from (`import/source`, `import/key`, `import/run`). Otherwise only
    /// the commit does, which writes to the run: the choice for millions of small records.
    pub provenance: bool,
}

/// Which entity a record becomes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The entity derived from the source and this native id: the same in every run.
    Key(String),
    /// The native id hashed by [`crate::Keys`] before, for importers that meet millions.
    Derived(EntityId),
}

/// One statement of an export about a record. An attribute that a record does not mention is one the export says nothing
/// about; whatever the pod has there stays.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A register's value.
    One {
        /// The register.
        attribute: Attribute,
        /// Its value.
        value: Value,
    },
    /// That a register is known to have no value.
    Empty {
        /// The register.
        attribute: Attribute,
    },
    /// Members of a set.
    Members {
        /// The set.
        attribute: Attribute,
        /// Its members, in any order.
        values: Vec<Value>,
        /// Whether these are all of them, so that a member missing here was removed.
        whole: bool,
    },
    /// All elements of a list, in order.
    Elements {
        /// The list.
        attribute: Attribute,
        /// Its elements.
        values: Vec<Value>,
    },
    /// A counter's total as the export knows it.
    Total {
        /// The counter.
        attribute: Attribute,
        /// Its total.
        total: i64,
    },
}

impl Fact {
    /// The attribute it is about.
    pub fn attribute(&self) -> &Attribute {
        match self {
            Self::One { attribute, .. }
            | Self::Empty { attribute }
            | Self::Members { attribute, .. }
            | Self::Elements { attribute, .. }
            | Self::Total { attribute, .. } => attribute,
        }
    }

    /// Tuples it stands for.
    pub fn tuples(&self) -> usize {
        match self {
            Self::One { .. } | Self::Total { .. } => 1,
            Self::Empty { .. } => 0,
            Self::Members { values, .. } | Self::Elements { values, .. } => values.len(),
        }
    }
}
