//! What went wrong without stopping the import: reported, never silent.

use serde::Serialize;

/// What kind of thing went wrong. The names are stable: scripts match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemCode {
    /// A path inside the source is absolute, climbs out of it, or cannot be a path.
    UnsafePath,
    /// A symbolic link or another special file, which is never followed.
    Link,
    /// Two files of the source have the same name; the first was read.
    DuplicateFile,
    /// A file needs a password.
    Encrypted,
    /// A file's packed form is damaged or of an unknown method.
    Damaged,
    /// Bytes that are not UTF-8 were replaced by U+FFFD.
    Encoding,
    /// The export names a file that it does not hold.
    MissingFile,
    /// A record is not of the shape its format says, and was left out.
    Malformed,
    /// A part of a record is not of the shape its format says; the rest of the record was imported.
    PartIgnored,
    /// A record with a native id seen before in this export; the first was imported.
    Duplicate,
    /// A value is longer than a value may be and was left out.
    TooLong,
    /// The export does not say who may see a record, so only its author may.
    Audience,
    /// A value does not fit the attribute's type; it was left out.
    Type,
    /// A record of a kind that the importer does not read.
    NotImported,
    /// Who signed what was read is not known.
    Unverified,
    /// What an earlier import said cannot be read, so that differences are taken for conflicts.
    Base,
}

/// One thing that went wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub code: ProblemCode,
    /// The file inside the source.
    pub file: String,
    /// The record or line in that file; empty where the file as a whole is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// One sentence for a person.
    pub message: String,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(code: ProblemCode, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            file: file.into(),
            item: String::new(),
            message: message.into(),
        }
    }

    /// A problem of one record, line or part in a file.
    pub fn of_item(
        code: ProblemCode,
        file: impl Into<String>,
        item: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            file: file.into(),
            item: item.into(),
            message: message.into(),
        }
    }
}

/// A foreign text for a message.
pub fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
