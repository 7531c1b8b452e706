//! The mapping file: how rows and objects become tuples, as JSON that people write and programs guess.

use std::collections::BTreeMap;

use rhizome_schema::{Merge, Schemas, ValueType};
use rhizome_tuple::Attribute;
use serde::{Deserialize, Serialize};

use crate::error::ImportError;
use crate::json::{Step, parse_path};

/// Bytes of a mapping file.
pub const MAX_MAPPING_LEN: usize = 1 << 20;
/// Columns of one file.
pub const MAX_COLUMNS: usize = 4_096;

/// Lines before the header of a file.
const MAX_SKIP: u32 = 1_000;

/// How the files of one export become tuples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Version of this format: 1.
    pub mapping: u32,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The `import/source` of every record. Native ids are unique within it.
    pub source: String,
    /// Files that are never read, whatever else names them; one `*` stands for anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The files that are read; others are kept as they are.
    pub files: Vec<FileMapping>,
}

/// How one file, or files of one shape, become tuples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMapping {
    /// Its path or name inside the export; one `*` stands for anything.
    pub file: String,
    /// How it is written.
    pub format: Format,
    /// Columns (for JSON: fields of one of the first records) that a file must have: one of this name without them is not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recognise: Vec<String>,
    /// Lines before the header of a CSV file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u32,
    /// Where in a JSON document the records are, such as `/items/*`; see the documentation of paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// What separates columns, for CSV: a comma where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// What its records are: the first part of their native ids, and their kind in reports.
    #[serde(rename = "type")]
    pub kind: String,
    /// Columns that together name a record; `a|b` is the first of several that has a value. Where empty a record is named by all it holds, so a changed one is a new one.
    #[serde(default)]
    pub id: Vec<String>,
    /// Attributes that every record gets, such as `"social/type": "post"`: texts, booleans and integers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Constant>,
    /// Columns (for JSON: fields, `a.b` for a field in a field) and what becomes of them; others are left out.
    pub columns: BTreeMap<String, Column>,
    /// Whether every entity says where it came from, in three tuples more.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub provenance: bool,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Rows with a header (RFC 4180, any delimiter).
    Csv,
    /// One document with records somewhere in it.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// A value written in a mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The attribute.
    pub attribute: String,
    /// What its cells hold: `text` where absent. `blob` names a file of the export.
    #[serde(rename = "type", default = "text", skip_serializing_if = "is_text")]
    pub value_type: ValueType,
    /// How it merges: as the public schema of the attribute says, else a register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// For a time: `rfc3339` (where absent), `unix` (seconds), `unix-ms`, or a pattern such as `%Y-%m-%d %H:%M:%S`. Times
    /// without a zone are taken as UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Further forms of a time, tried in this order where the first does not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<String>,
    /// Characters that are taken off both ends of a cell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub strip: String,
    /// Whether the cell is HTML, of which the plain text is kept.
    #[serde(default, skip_serializing_if = "is_no")]
    pub html: bool,
    /// Other words for cells: what is not among them stays as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// For a set or list in one cell: what separates its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// For a reference: the type of the records it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Cells that mean that there is no value, beside the empty one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<String>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn is_yes(provenance: &bool) -> bool {
    *provenance
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn is_no(html: &bool) -> bool {
    !*html
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn is_zero(skip: &u32) -> bool {
    *skip == 0
}

fn text() -> ValueType {
    ValueType::Text
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature serde asks for
fn is_text(of: &ValueType) -> bool {
    *of == ValueType::Text
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`ImportError::Mapping`] with what is wrong and where.
    pub fn parse(json: &[u8]) -> Result<Self, ImportError> {
        if json.len() > MAX_MAPPING_LEN {
            return Err(ImportError::Mapping(format!(
                "it is longer than {MAX_MAPPING_LEN} bytes"
            )));
        }
        let mapping: Self = serde_json::from_slice(json)
            .map_err(|error| ImportError::Mapping(error.to_string()))?;
        match mapping.wrong() {
            None => Ok(mapping),
            Some(why) => Err(ImportError::Mapping(why)),
        }
    }

    /// The mapping as people edit it.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn wrong(&self) -> Option<String> {
        if self.mapping != 1 {
            return Some(format!("version {} is not known, only 1", self.mapping));
        }
        if self.source.is_empty()
            || self.source.len() > 255
            || self.source.chars().any(char::is_control)
        {
            return Some("source must be a name of 1 to 255 bytes".to_owned());
        }
        if self.files.is_empty() {
            return Some("it names no files".to_owned());
        }
        if self.ignore.iter().any(|name| name.matches('*').count() > 1) {
            return Some("a file name holds at most one *".to_owned());
        }
        self.files
            .iter()
            .find_map(|file| Some(format!("{}: {}", file.file, file.wrong()?)))
    }

    /// The mappings of files whose name is that of `path`, in their order.
    pub(super) fn named<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a FileMapping> {
        let ignored = self.ignore.iter().any(|name| matches(name, path));
        self.files
            .iter()
            .filter(move |file| !ignored && matches(&file.file, path))
    }
}

impl FileMapping {
    fn wrong(&self) -> Option<String> {
        if self.file.matches('*').count() > 1 {
            return Some("a file name holds at most one *".to_owned());
        }
        if self.columns.len() > MAX_COLUMNS {
            return Some(format!("it has more than {MAX_COLUMNS} columns"));
        }
        if self.kind.is_empty() || self.kind.contains('/') || self.kind.len() > 255 {
            return Some("type must be a name without slashes".to_owned());
        }
        if self.delimiter.is_some_and(|delimiter| {
            !delimiter.is_ascii() || matches!(delimiter, '\n' | '\r' | '"')
        }) {
            return Some("the delimiter must be one ASCII character".to_owned());
        }
        if let Err(why) = self.path() {
            return Some(why);
        }
        if self.skip > MAX_SKIP {
            return Some(format!("more than {MAX_SKIP} lines before the header"));
        }
        if self.skip > 0 && self.format != Format::Csv {
            return Some("only a CSV file has a header to skip to".to_owned());
        }
        for attribute in self
            .constants
            .keys()
            .chain(self.columns.values().map(|column| &column.attribute))
        {
            if let Err(error) = Attribute::new(attribute) {
                return Some(error.to_string());
            }
        }
        self.columns
            .iter()
            .find_map(|(name, column)| Some(format!("column {name}: {}", column.wrong()?)))
    }

    pub(super) fn path(&self) -> Result<Vec<Step>, String> {
        parse_path(self.records.as_deref().unwrap_or("/*"))
    }
}

/// Whether a name with at most one `*` is that of the file at `path`, alone or with folders above it.
fn matches(name: &str, path: &str) -> bool {
    let fits = |path: &str| match name.split_once('*') {
        None => path == name,
        Some((start, end)) => {
            path.len() >= start.len() + end.len() && path.starts_with(start) && path.ends_with(end)
        }
    };
    fits(path)
        || path
            .match_indices('/')
            .any(|(at, _)| path.get(at + 1..).is_some_and(fits))
}

impl Column {
    /// A column of one attribute, everything else as where it is absent in a mapping file.
    pub fn new(attribute: impl Into<String>) -> Self {
        Self {
            attribute: attribute.into(),
            value_type: ValueType::Text,
            merge: None,
            format: None,
            formats: Vec::new(),
            strip: String::new(),
            html: false,
            values: BTreeMap::new(),
            split: None,
            to: None,
            empty: Vec::new(),
        }
    }

    /// How it merges: as it says, as the public schema says, or as a register.
    pub(super) fn merge(&self) -> Merge {
        self.merge
            .unwrap_or_else(|| Schemas::built_in().merge(&self.attribute))
    }

    fn wrong(&self) -> Option<String> {
        let many = matches!(self.merge(), Merge::Set | Merge::List);
        if self.value_type == ValueType::Ref && self.to.is_none() {
            Some("a reference must say the type it leads to".to_owned())
        } else if self.to.is_some() && self.value_type != ValueType::Ref {
            Some("only a reference leads to a type".to_owned())
        } else if (self.format.is_some() || !self.formats.is_empty())
            && self.value_type != ValueType::Time
        {
            Some("only a time has a format".to_owned())
        } else if self
            .split
            .as_ref()
            .is_some_and(|split| split.is_empty() || !many)
        {
            Some("only sets and lists are split, and not by nothing".to_owned())
        } else if self.merge() == Merge::Counter && self.value_type != ValueType::Integer {
            Some("a counter holds integers".to_owned())
        } else if matches!(self.value_type, ValueType::Any | ValueType::Bytes) {
            Some(format!(
                "cells cannot be read as {}",
                self.value_type.as_str()
            ))
        } else {
            let known = Schemas::built_in().attribute(&self.attribute);
            let differs = known.filter(|known| known.merge != self.merge());
            differs.map(|known| {
                format!(
                    "{} is a {} in its public schema",
                    self.attribute,
                    known.merge.as_str()
                )
            })
        }
    }
}
